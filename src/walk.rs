//! Roots + rules → candidate photo files. Opens no file.
//!
//! A candidate is a regular file whose name ends like a picture's: opening every file of a home folder to look for
//! pictures would be slow on a NAS. What the file really is, its content decides later.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use ignore::gitignore::{Gitignore, GitignoreBuilder};
use walkdir::{DirEntry, WalkDir};

use crate::disk::Disks;
use crate::name::{canonicalize, normal_path, normal_text};

/// Name endings of picture files: those this build reads, and those it can at least name when it skips them.
pub(crate) const EXTENSIONS: &[&str] = &[
    "jpg", "jpeg", "jpe", "jfif", "png", "apng", "webp", "gif", "bmp", "dib", "tif", "tiff", "jxl",
    "qoi", // read
    "pnm", "ppm", "pgm", "pbm", "pam", // read
    "heic", "heif", "hif", "avif", // named
];

/// Name endings of cameras' RAW files.
pub(crate) const RAW_EXTENSIONS: &[&str] =
    &["cr2", "cr3", "nef", "nrw", "arw", "sr2", "dng", "orf", "rw2", "raf", "pef", "srw"];

/// Name endings of the JPEG that a camera writes beside a RAW file of the same name, as cameras spell them.
const BESIDE_RAW: &[&str] = &["JPG", "jpg", "JPEG", "jpeg"];

/// Folders nobody keeps photos in: version control, packages, thumbnails, trash and the NAS makers' own folders.
/// Skipped even with [`Rules::include_hidden`].
const SKIPPED_FOLDERS: &[&str] = &[
    ".git",
    ".hg",
    ".svn",
    "node_modules",
    "@eaDir",
    "@Recycle",
    "@Recently-Snapshot",
    "#recycle",
    "#snapshot",
    "$RECYCLE.BIN",
    "System Volume Information",
    "lost+found",
    ".Trash",
    ".Trashes",
    ".trash",
    ".thumbnails",
];

/// Which files and folders are left out.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Globs of files and folders to leave out, with `.gitignore`'s meaning relative to each root.
    pub exclude: Vec<String>,
    /// Look into hidden folders and at hidden files.
    pub include_hidden: bool,
    /// Follow symbolic links to files and folders.
    pub follow_symlinks: bool,
}

/// What a walk meets, in the order it meets it.
#[derive(Debug)]
pub enum Found {
    /// A regular file that may be a photo.
    File {
        /// Its absolute path.
        path: PathBuf,
        /// As it was when the walk passed.
        metadata: Metadata,
        /// The disk it is on.
        disk: u64,
    },
    /// A symbolic link, named like a photo, whose target is gone.
    DanglingLink(PathBuf),
    /// A symbolic link to a photo or a folder, not followed.
    LinkNotFollowed,
    /// A folder or file that could not be looked at.
    Unreadable {
        /// The path.
        path: PathBuf,
        /// Why.
        error: io::Error,
    },
}

/// A pattern of [`Rules::exclude`] that is not a glob.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a glob: {detail}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Makes the roots absolute, without symbolic links, each once.
///
/// Roots that cannot be reached come back beside the good ones: an unmounted disk must not keep the others from
/// being indexed. A root inside another stays: the outer walk may leave it out, and what was named is meant.
pub fn resolve_roots(roots: &[PathBuf]) -> (Vec<PathBuf>, Vec<(PathBuf, io::Error)>) {
    let mut good = BTreeSet::new();
    let mut bad = Vec::new();
    for root in roots {
        match canonicalize(root) {
            Ok(root) => _ = good.insert(root),
            Err(error) => bad.push((root.clone(), error)),
        }
    }
    (good.into_iter().collect(), bad)
}

/// Walks one root, handing what it meets to `visit`, until that returns `false` or `stop` returns `true`.
///
/// # Errors
/// [`PatternError`] before anything is walked; trouble on the way is a [`Found::Unreadable`].
pub fn walk(
    root: &Path,
    rules: &Rules,
    stop: impl Fn() -> bool,
    mut visit: impl FnMut(Found) -> bool,
) -> Result<(), PatternError> {
    let exclude = Exclude::new(root, rules)?;
    let mut disks = Disks::default();
    let mut entries = WalkDir::new(root).follow_links(rules.follow_symlinks).sort_by_file_name().into_iter();
    while let Some(entry) = entries.next() {
        if stop() {
            break;
        }
        let found = match entry {
            Err(error) => unreadable(error),
            Ok(entry) if is_left_out(&entry, rules, &exclude) => {
                if entry.file_type().is_dir() {
                    entries.skip_current_dir();
                }
                None
            }
            Ok(entry) => photo(entry, &mut disks),
        };
        if let Some(found) = found
            && !visit(found)
        {
            break;
        }
    }
    Ok(())
}

/// The user's own exclude patterns, below one root. Patterns and paths are compared in one normal form.
#[derive(Debug)]
pub struct Exclude {
    matcher: Gitignore,
}

impl Exclude {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// [`PatternError`] for the first that is no glob.
    pub fn new(root: &Path, rules: &Rules) -> Result<Exclude, PatternError> {
        let refuse = |pattern: &str, error: ignore::Error| PatternError {
            pattern: pattern.to_owned(),
            detail: error.to_string(),
        };
        let mut builder = GitignoreBuilder::new(normal_path(root));
        // Git takes a lone `[` literally; a person who types one has forgotten something.
        builder.allow_unclosed_class(false);
        for pattern in &rules.exclude {
            builder.add_line(None, &normal_text(pattern)).map_err(|error| refuse(pattern, error))?;
        }
        let matcher = builder.build().map_err(|error| refuse(&rules.exclude.join(" "), error))?;
        Ok(Exclude { matcher })
    }

    /// Whether `path`, a file at or below the root, or a folder above it, is excluded.
    pub fn matches(&self, path: &Path) -> bool {
        let (root, path) = (self.matcher.path(), normal_path(path));
        path != root
            && path.starts_with(root)
            && self.matcher.matched_path_or_any_parents(path, false).is_ignore()
    }

    fn matches_entry(&self, entry: &DirEntry) -> bool {
        self.matcher.matched(normal_path(entry.path()), entry.file_type().is_dir()).is_ignore()
    }
}

fn is_left_out(entry: &DirEntry, rules: &Rules, exclude: &Exclude) -> bool {
    if entry.depth() == 0 {
        return false; // What was named is meant.
    }
    let name = entry.file_name();
    let hidden = name.as_encoded_bytes().starts_with(b".");
    // macOS writes the resource fork of IMG.jpg to ._IMG.jpg on other file systems.
    let resource_fork = name.as_encoded_bytes().starts_with(b"._");
    let is_dir = entry.file_type().is_dir();
    (hidden && !rules.include_hidden)
        || resource_fork
        || (is_dir && is_skipped_folder(name))
        || exclude.matches_entry(entry)
}

fn is_skipped_folder(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    SKIPPED_FOLDERS.iter().any(|skipped| name.eq_ignore_ascii_case(skipped.as_bytes()))
        || name.starts_with(b".Trash-")
}

fn photo(entry: DirEntry, disks: &mut Disks) -> Option<Found> {
    let file_type = entry.file_type();
    let path = entry.path();
    let may_be_photo = entry.depth() == 0 || (has_photo_extension(path) && !has_jpeg_beside(path));
    if file_type.is_symlink() {
        return link(entry, may_be_photo);
    }
    if file_type.is_dir() || !may_be_photo {
        return None;
    }
    if !file_type.is_file() {
        // A pipe or a device would block whoever opens it.
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return Some(Found::Unreadable { path: entry.into_path(), error });
    }
    Some(match entry.metadata() {
        Ok(metadata) => {
            let disk = disks.of(entry.path(), &metadata);
            Found::File { path: entry.into_path(), metadata, disk }
        }
        Err(error) => Found::Unreadable { path: entry.into_path(), error: error.into() },
    })
}

/// A link that is not followed.
fn link(entry: DirEntry, may_be_photo: bool) -> Option<Found> {
    match entry.path().metadata() {
        Ok(target) => (may_be_photo || target.is_dir()).then_some(Found::LinkNotFollowed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            may_be_photo.then(|| Found::DanglingLink(entry.into_path()))
        }
        Err(_) => may_be_photo.then_some(Found::LinkNotFollowed),
    }
}

fn has_photo_extension(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().as_encoded_bytes();
    let mut known = EXTENSIONS.iter().chain(RAW_EXTENSIONS);
    known.any(|known| extension.eq_ignore_ascii_case(known.as_bytes()))
}

/// Whether this is a RAW file that a JPEG of the same shot stands for: finding both would be finding it twice.
fn has_jpeg_beside(path: &Path) -> bool {
    let extension = path.extension().unwrap_or_default().as_encoded_bytes();
    RAW_EXTENSIONS.iter().any(|raw| extension.eq_ignore_ascii_case(raw.as_bytes()))
        && BESIDE_RAW.iter().any(|jpeg| path.with_extension(jpeg).is_file())
}

/// A link that leads nowhere is a photo we miss; a link that leads back up is not followed, which is no error.
fn unreadable(error: walkdir::Error) -> Option<Found> {
    let path = error.path()?.to_owned();
    if error.loop_ancestor().is_some() {
        return None;
    }
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let error = io::Error::from(error);
    if is_link && error.kind() == io::ErrorKind::NotFound {
        return has_photo_extension(&path).then_some(Found::DanglingLink(path));
    }
    Some(Found::Unreadable { path, error })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// The files found below a tree of empty files, relative to it.
    fn found(files: &[&str], rules: &Rules) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let mut paths = Vec::new();
        walk(
            &root,
            rules,
            || false,
            |found| {
                if let Found::File { path, .. } = found {
                    paths.push(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned());
                }
                true
            },
        )
        .unwrap();
        paths
    }

    #[test]
    fn rules_decide_what_is_a_candidate() {
        #[track_caller]
        fn check(rules: &Rules, expected: &[&str]) {
            let tree = [
                "a.JPG",
                "notes.txt",
                "noextension",
                ".hidden.png",
                "._a.jpg",
                ".cache/b.png",
                ".git/c.png",
                "@eaDir/d.jpg",
                "node_modules/e.gif",
                "sub/f.webp",
                "sub/deep/g.tiff",
                "x.jpg/h.jpg",
            ];
            assert_eq!(found(&tree, rules), expected);
        }
        let exclude = |pattern: &str| Rules { exclude: vec![pattern.into()], ..Rules::default() };
        check(&Rules::default(), &["a.JPG", "sub/deep/g.tiff", "sub/f.webp", "x.jpg/h.jpg"]);
        check(&exclude("deep"), &["a.JPG", "sub/f.webp", "x.jpg/h.jpg"]);
        check(&exclude("*.webp"), &["a.JPG", "sub/deep/g.tiff", "x.jpg/h.jpg"]);
        check(&exclude("/sub/*"), &["a.JPG", "x.jpg/h.jpg"]);
        check(
            &Rules { include_hidden: true, ..Rules::default() },
            &[".cache/b.png", ".hidden.png", "a.JPG", "sub/deep/g.tiff", "sub/f.webp", "x.jpg/h.jpg"],
        );
    }

    #[test]
    fn a_raw_file_gives_way_to_the_jpeg_beside_it() {
        let tree = ["a.CR2", "a.JPG", "b.nef", "c/a.dng", "d.arw", "d.jpeg", "e.raf", "e.png"];
        assert_eq!(
            found(&tree, &Rules::default()),
            ["a.JPG", "b.nef", "c/a.dng", "d.jpeg", "e.png", "e.raf"]
        );
    }

    #[test]
    fn a_pattern_that_is_no_glob_is_named() {
        let rules = Rules { exclude: vec!["[".into()], ..Rules::default() };
        assert!(Exclude::new(Path::new("/"), &rules).unwrap_err().to_string().contains("`[`"));
    }

    #[test]
    #[cfg(unix)]
    fn links_are_followed_only_when_asked_and_never_in_circles() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir(root.join("real")).unwrap();
        fs::write(root.join("real/a.jpg"), "").unwrap();
        symlink("real", root.join("again")).unwrap();
        symlink("..", root.join("real/up")).unwrap();
        symlink("nowhere", root.join("gone.jpg")).unwrap();
        symlink("real/a.jpg", root.join("link.jpg")).unwrap();
        for (follow_symlinks, files, dangling, not_followed) in [(false, 1, 1, 3), (true, 3, 1, 0)] {
            let rules = Rules { follow_symlinks, ..Rules::default() };
            let mut counts = (0, 0, 0);
            walk(
                &root,
                &rules,
                || false,
                |found| {
                    match found {
                        Found::File { .. } => counts.0 += 1,
                        Found::DanglingLink(_) => counts.1 += 1,
                        Found::LinkNotFollowed => counts.2 += 1,
                        Found::Unreadable { path, error } => panic!("{path:?}: {error}"),
                    }
                    true
                },
            )
            .unwrap();
            assert_eq!(counts, (files, dangling, not_followed), "follow_symlinks: {follow_symlinks}");
        }
    }

    #[test]
    fn excluded_folders_exclude_what_is_below_them() {
        #[track_caller]
        fn check(pattern: &str, path: &str, expected: bool) {
            let rules = Rules { exclude: vec![pattern.into()], ..Rules::default() };
            assert_eq!(Exclude::new(Path::new("/r"), &rules).unwrap().matches(Path::new(path)), expected);
        }
        check("deep", "/r/a/deep/b.jpg", true);
        check("*.gif", "/r/a/b.gif", true);
        check("*.gif", "/r/a/b.jpg", false);
        check("/a", "/r/b/a/c.jpg", false);
        check("*", "/elsewhere/a.jpg", false);
        // `Tür` as it is typed, and as a Mac writes it.
        check("T\u{fc}r*", "/r/Tu\u{308}r/a.jpg", true);
        check("Tu\u{308}r.jpg", "/r/T\u{fc}r.jpg", true);
    }

    #[test]
    fn each_root_is_walked_once_and_missing_ones_are_told() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("a/b"));
        fs::create_dir_all(&b).unwrap();
        let (good, bad) = resolve_roots(&[b.clone(), a.clone(), a.join("../a"), folder.path().join("none")]);
        assert_eq!(good, [a.canonicalize().unwrap(), b.canonicalize().unwrap()]);
        assert_eq!(bad.len(), 1);
    }
}
