//! Walks the files below the roots and classifies them by name. Opens no file.
//!
//! Opening every file in a home folder to look for pictures would be slow on a NAS. So extensions come first: those of
//! pictures ([`FileType`]) and of other files ([`Kind`]). Other names are unknown. The content decides later.

mod exclude;
mod file_type;
mod kind;
mod starts;

use std::cmp::Ordering;
use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::Metadata;
use std::io;
use std::path::{Path, PathBuf};

use walkdir::{DirEntry, WalkDir};

use crate::disk::Disks;
use crate::name::canonicalize;
pub use exclude::{Exclude, PatternError};
pub use file_type::FileType;
use file_type::{RAW, UNREAD_EXTENSIONS};
pub use kind::Kind;
use starts::{Start, files_in, starts};
pub(crate) use starts::{below, outermost};

/// Extensions of the JPEG that a camera or a person puts beside a RAW file of the same name.
const BESIDE_RAW: &[&str] = &["jpg", "jpeg", "jpe", "jfif"];

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

/// Rules for excluding files and folders.
#[derive(Clone, Debug, Default)]
pub struct Rules {
    /// Globs of files and folders to exclude, with the syntax of `.gitignore`, relative to each root.
    pub exclude: Vec<String>,
    /// Include hidden files and folders.
    pub include_hidden: bool,
    /// Follow symbolic links to files and folders.
    pub follow_symlinks: bool,
}

/// What a walk finds. In each folder, files come first (RAW files last among them), then subfolders.
#[derive(Debug)]
pub enum WalkEntry {
    /// A regular file that may be a photo.
    File {
        /// Its absolute path.
        path: PathBuf,
        /// Its metadata at the time of the walk.
        metadata: Metadata,
        /// The disk it is on.
        disk: u64,
        /// Its class by name.
        name: Name,
    },
    /// A regular file that is not a picture, by its name.
    NotPicture(Kind),
    /// A symbolic link with a photo's name whose target does not exist.
    DanglingLink(PathBuf),
    /// A symbolic link to a photo or a folder, not followed.
    LinkNotFollowed,
    /// A folder or file that could not be read.
    Unreadable {
        /// The path.
        path: PathBuf,
        /// The reason.
        error: io::Error,
    },
}

/// The class of a possible photo by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// The file itself was given as a root, so it counts whatever its name is.
    Root,
    /// A JPEG, which may replace a RAW file of the same name.
    Jpeg,
    /// Any other picture.
    Picture,
    /// A camera's RAW file.
    Raw,
    /// Unknown: only the content can tell.
    Unknown,
}

impl Name {
    fn of(path: &Path) -> Result<Name, Kind> {
        let ending = path.extension().unwrap_or_default().as_encoded_bytes();
        let is_of = |known: &[&str]| known.iter().any(|known| ending.eq_ignore_ascii_case(known.as_bytes()));
        if is_of(BESIDE_RAW) {
            return Ok(Name::Jpeg);
        }
        match FileType::of(path.as_os_str().as_encoded_bytes()) {
            Some(RAW) => Ok(Name::Raw),
            Some(_) => Ok(Name::Picture),
            None if is_of(UNREAD_EXTENSIONS) => Ok(Name::Picture),
            None => Kind::of(path).map_or(Ok(Name::Unknown), Err),
        }
    }

    /// Whether this is a picture's name.
    fn is_pictures(self) -> bool {
        self != Name::Unknown
    }
}

/// Makes the roots absolute, resolves symbolic links, and removes repetitions.
///
/// Unreachable roots are returned separately, so that an unmounted disk does not prevent indexing the others. A root inside
/// another root is kept: the user named it, so it is walked even if the outer walk would exclude it.
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

/// A walk below one root.
pub struct Walk {
    root: PathBuf,
    /// The remaining starting points, in reverse order.
    ahead: Vec<Start>,
    /// The remaining entries of the current starting point.
    entries: Option<walkdir::IntoIter>,
    rules: Rules,
    exclude: Exclude,
    disks: Disks,
    /// Other roots below this one. They have their own walks, so this walk skips them.
    inner_roots: BTreeSet<PathBuf>,
    /// If links are followed: the folders from the root to the starting point, with links resolved.
    above: Vec<PathBuf>,
    /// The last folder that can be listed but not entered.
    closed: Option<PathBuf>,
}

impl Walk {
    /// Creates a walk of `root`, one of `roots`, without reading anything yet. `disks` identifies the disks of files.
    ///
    /// # Errors
    /// [`PatternError`]. Errors during the walk are [`WalkEntry::Unreadable`].
    pub fn new(root: &Path, roots: &[PathBuf], rules: &Rules, disks: Disks) -> Result<Walk, PatternError> {
        let is_inner = |other: &&PathBuf| *other != root && other.starts_with(root);
        Ok(Walk {
            root: root.to_owned(),
            ahead: vec![Start::Tree(root.to_owned())],
            entries: None,
            rules: rules.clone(),
            exclude: Exclude::new(root, rules)?,
            disks,
            inner_roots: roots.iter().filter(is_inner).cloned().collect(),
            above: Vec::new(),
            closed: None,
        })
    }

    /// Restricts the walk to these places and to the files directly beside each of them. There it finds the same as the
    /// whole walk. A place may be a folder, a file, or missing.
    #[must_use]
    pub fn only(mut self, places: &[PathBuf]) -> Walk {
        self.ahead = vec![Start::Places(places.to_owned())];
        self
    }

    /// Begins at the next starting point. Returns only a folder that cannot be listed; all else is found later.
    fn begin(&mut self, start: Start) -> Option<WalkEntry> {
        match start {
            Start::Places(places) => self.ahead.extend(starts(&self.root, &places).into_iter().rev()),
            Start::Tree(path) => {
                self.above.clear();
                if path == self.root || path.parent().is_some_and(|folder| self.reaches(folder)) {
                    self.entries = Some(self.tree(&path));
                }
            }
            Start::Files(folder) if self.reaches(&folder) => {
                match files_in(&folder, self.rules.follow_symlinks) {
                    Ok(files) => self.ahead.extend(files.into_iter().rev().map(Start::File)),
                    Err(_) if is_gone(&folder) => {}
                    Err(error) => return self.reported_once(WalkEntry::Unreadable { path: folder, error }),
                }
            }
            Start::Files(_) => {}
            Start::File(path) => self.entries = Some(self.tree(&path)),
        }
        None
    }

    fn tree(&self, path: &Path) -> walkdir::IntoIter {
        let follow = self.rules.follow_symlinks;
        let walk = WalkDir::new(path).follow_links(follow).follow_root_links(follow || path == self.root);
        walk.sort_by(in_order).into_iter()
    }

    /// Classifies the next entry; `None` for excluded entries and for folders.
    fn look(&mut self, entry: walkdir::Result<DirEntry>) -> Option<WalkEntry> {
        let entry = match entry {
            Ok(entry) => entry,
            Err(error) if error.path().is_some_and(|path| path != self.root && is_gone(path)) => return None,
            Err(error) => return unreadable(error).and_then(|found| self.reported_once(found)),
        };
        let is_dir = entry.file_type().is_dir();
        // The user named the root, so no rule leaves it out.
        let is_root = entry.path() == self.root;
        if (!is_root && self.is_left_out(entry.path(), is_dir))
            || self.is_inner_root(&entry)
            || (is_dir && entry.path_is_symlink() && self.leads_back(entry.path()))
        {
            if is_dir && let Some(entries) = &mut self.entries {
                entries.skip_current_dir();
            }
            return None;
        }
        photo(entry, is_root, &mut self.disks).and_then(|found| self.reported_once(found))
    }

    /// Whether the rules leave out a file or folder below the root.
    fn is_left_out(&self, path: &Path, is_dir: bool) -> bool {
        let name = path.file_name().unwrap_or_default();
        let hidden = name.as_encoded_bytes().starts_with(b".");
        // macOS writes the resource fork of IMG.jpg to ._IMG.jpg on other file systems.
        let resource_fork = name.as_encoded_bytes().starts_with(b"._");
        (hidden && !self.rules.include_hidden)
            || resource_fork
            || (is_dir && is_skipped_folder(name))
            || self.exclude.matches_itself(path, is_dir)
    }

    /// Whether an entry is a root itself and thus left to its own walk. A file that is a picture by its name is found here
    /// too, because RAW files need to know the JPEGs beside them.
    fn is_inner_root(&self, entry: &DirEntry) -> bool {
        !self.inner_roots.is_empty()
            && (entry.file_type().is_dir() || Name::of(entry.path()).is_err())
            && self.inner_roots.contains(entry.path())
    }

    /// Reports a folder that can be listed but not entered once, instead of each of its entries.
    ///
    /// Reading a file's metadata needs no permission on the file itself, so a refusal comes from its folder.
    fn reported_once(&mut self, found: WalkEntry) -> Option<WalkEntry> {
        let WalkEntry::Unreadable { path, error } = found else { return Some(found) };
        let is_refused = |error: &io::Error| error.kind() == io::ErrorKind::PermissionDenied;
        let folder = path.parent().filter(|_| is_refused(&error));
        let Some(folder) = folder.filter(|_| path.symlink_metadata().is_err_and(|error| is_refused(&error)))
        else {
            return Some(WalkEntry::Unreadable { path, error });
        };
        if self.closed.as_deref() == Some(folder) {
            return None;
        }
        let folder = folder.to_owned();
        self.closed = Some(folder.clone());
        Some(WalkEntry::Unreadable { path: folder, error })
    }
}

impl Iterator for Walk {
    type Item = WalkEntry;

    fn next(&mut self) -> Option<WalkEntry> {
        loop {
            let found = match self.entries.as_mut().and_then(Iterator::next) {
                Some(entry) => self.look(entry),
                None => {
                    let start = self.ahead.pop()?;
                    self.begin(start)
                }
            };
            if found.is_some() {
                return found;
            }
        }
    }
}

/// Files before folders, so that a folder's files come together; RAW files after the JPEGs that may replace them.
fn in_order(one: &DirEntry, other: &DirEntry) -> Ordering {
    let place = |entry: &DirEntry| match entry.file_type().is_dir() {
        true => 2,
        false => i32::from(RAW.is_of(entry.file_name().as_encoded_bytes())),
    };
    place(one).cmp(&place(other)).then_with(|| one.file_name().cmp(other.file_name()))
}

fn is_skipped_folder(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    SKIPPED_FOLDERS.iter().any(|skipped| name.eq_ignore_ascii_case(skipped.as_bytes()))
        || name.starts_with(b".Trash-")
}

fn photo(entry: DirEntry, is_root: bool, disks: &mut Disks) -> Option<WalkEntry> {
    let file_type = entry.file_type();
    let name = if is_root { Ok(Name::Root) } else { Name::of(entry.path()) };
    let is_named_like_one = name.is_ok_and(Name::is_pictures);
    if file_type.is_symlink() {
        return link(entry, is_named_like_one);
    }
    if file_type.is_dir() {
        return None;
    }
    if !file_type.is_file() {
        // Opening a pipe or a device could block.
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not a regular file");
        return is_named_like_one.then(|| WalkEntry::Unreadable { path: entry.into_path(), error });
    }
    let name = match name {
        Ok(name) => name,
        Err(kind) => return Some(WalkEntry::NotPicture(kind)),
    };
    Some(match entry.metadata() {
        Ok(metadata) => {
            let disk = disks.of(entry.path(), &metadata);
            WalkEntry::File { path: entry.into_path(), metadata, disk, name }
        }
        Err(error) => WalkEntry::Unreadable { path: entry.into_path(), error: error.into() },
    })
}

/// Classifies a link that is not followed.
fn link(entry: DirEntry, may_be_photo: bool) -> Option<WalkEntry> {
    match entry.path().metadata() {
        Ok(target) => (may_be_photo || target.is_dir()).then_some(WalkEntry::LinkNotFollowed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            may_be_photo.then(|| WalkEntry::DanglingLink(entry.into_path()))
        }
        Err(_) => may_be_photo.then_some(WalkEntry::LinkNotFollowed),
    }
}

/// Whether `path` no longer exists: it was removed after its folder was listed.
fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

/// Classifies an error of the walk. A dangling link is a missing photo; a link back to a parent folder is simply not
/// followed.
fn unreadable(error: walkdir::Error) -> Option<WalkEntry> {
    let path = error.path()?.to_owned();
    if error.loop_ancestor().is_some() {
        return None;
    }
    let is_link = path.symlink_metadata().is_ok_and(|metadata| metadata.is_symlink());
    let error = io::Error::from(error);
    if is_link && error.kind() == io::ErrorKind::NotFound {
        let is_named_like_one = Name::of(&path).is_ok_and(Name::is_pictures);
        return is_named_like_one.then_some(WalkEntry::DanglingLink(path));
    }
    Some(WalkEntry::Unreadable { path, error })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::disk::DiskMarks;

    fn walk(root: &Path, rules: &Rules) -> Walk {
        Walk::new(root, &[], rules, Disks::new(DiskMarks::SYSTEM)).unwrap()
    }

    /// The files found below a tree of empty files, relative to it.
    fn found(files: &[&str], rules: &Rules) -> Vec<String> {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        for file in files {
            let path = root.join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        let files = walk(&root, rules)
            .filter_map(|found| if let WalkEntry::File { path, .. } = found { Some(path) } else { None });
        files.map(|path| path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned()).collect()
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
        let always = ["a.JPG", "noextension"];
        check(&Rules::default(), &[&always[..], &["sub/f.webp", "sub/deep/g.tiff", "x.jpg/h.jpg"]].concat());
        check(&exclude("deep"), &[&always[..], &["sub/f.webp", "x.jpg/h.jpg"]].concat());
        check(&exclude("*.webp"), &[&always[..], &["sub/deep/g.tiff", "x.jpg/h.jpg"]].concat());
        check(&exclude("/sub/*"), &[&always[..], &["x.jpg/h.jpg"]].concat());
        check(
            &Rules { include_hidden: true, ..Rules::default() },
            &[
                ".hidden.png",
                "a.JPG",
                "noextension",
                ".cache/b.png",
                "sub/f.webp",
                "sub/deep/g.tiff",
                "x.jpg/h.jpg",
            ],
        );
    }

    #[test]
    fn raw_files_come_after_the_other_files_of_their_folder() {
        let tree = ["a.CR2", "a.JPG", "c/a.dng", "c/b.jpg", "d.arw", "d.jpeg", "e.png"];
        assert_eq!(
            found(&tree, &Rules::default()),
            ["a.JPG", "d.jpeg", "e.png", "a.CR2", "d.arw", "c/b.jpg", "c/a.dng"]
        );
    }

    #[test]
    fn names_say_what_a_file_is() {
        #[track_caller]
        fn check(name: &str, expected: Result<Name, Kind>) {
            assert_eq!(Name::of(Path::new(name)), expected, "{name}");
        }
        check("a.JPeG", Ok(Name::Jpeg));
        check("a.psd", Ok(Name::Picture));
        check("a.3FR", Ok(Name::Raw));
        check("a.mp4", Err(Kind::Video));
        check("a.jpeg~2", Ok(Name::Unknown));
    }

    /// Runs as a user who is not root: the walking thread drops its privileges.
    #[test]
    #[cfg(target_os = "linux")]
    fn a_folder_that_may_not_be_entered_is_told_once() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("closed/below")).unwrap();
        for file in ["closed/1.jpg", "closed/2.jpg", "closed/3.png", "closed/below/4.jpg", "open.jpg"] {
            fs::write(root.join(file), "").unwrap();
        }
        let allow = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        allow(&root, 0o755);
        allow(&root.join("closed"), 0o744);
        let walk = || {
            if rustix::process::geteuid().is_root() {
                let nobody = rustix::thread::Uid::from_raw(65534);
                rustix::thread::set_thread_res_uid(nobody, nobody, nobody).unwrap();
            }
            walk(&root, &Rules::default()).collect::<Vec<_>>()
        };
        let found = std::thread::scope(|scope| scope.spawn(walk).join().unwrap());
        allow(&root.join("closed"), 0o755);
        let told: Vec<_> = found
            .iter()
            .map(|found| match found {
                WalkEntry::File { path, .. } => ("file", path.clone()),
                WalkEntry::Unreadable { path, .. } => ("unreadable", path.clone()),
                WalkEntry::NotPicture(_) | WalkEntry::DanglingLink(_) | WalkEntry::LinkNotFollowed => {
                    panic!("{found:?}")
                }
            })
            .collect();
        assert_eq!(told, [("file", root.join("open.jpg")), ("unreadable", root.join("closed"))]);
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
            for found in walk(&root, &rules) {
                match found {
                    WalkEntry::File { .. } => counts.0 += 1,
                    WalkEntry::DanglingLink(_) => counts.1 += 1,
                    WalkEntry::LinkNotFollowed => counts.2 += 1,
                    WalkEntry::NotPicture(kind) => panic!("{kind:?}"),
                    WalkEntry::Unreadable { path, error } => panic!("{path:?}: {error}"),
                }
            }
            assert_eq!(counts, (files, dangling, not_followed), "follow_symlinks: {follow_symlinks}");
        }
    }

    #[test]
    fn each_root_is_walked_once_and_missing_ones_are_reported() {
        let folder = tempfile::tempdir().unwrap();
        let (a, b) = (folder.path().join("a"), folder.path().join("a/b"));
        fs::create_dir_all(&b).unwrap();
        let (good, bad) = resolve_roots(&[b.clone(), a.clone(), a.join("../a"), folder.path().join("none")]);
        assert_eq!(good, [a.canonicalize().unwrap(), b.canonicalize().unwrap()]);
        assert_eq!(bad.len(), 1);
    }
}
