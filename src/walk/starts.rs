//! The starting points of a walk of only some places below a root.
//!
//! To decide like a walk of the whole root, such a walk also checks the folders between the root and each place: the rules
//! may leave one of them out, or a link further down may lead back to one.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::{RAW, Walk};

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Start {
    /// Some places, and the files directly beside each of them.
    Places(Vec<PathBuf>),
    /// A folder with everything below it, or a file.
    Tree(PathBuf),
    /// The files directly in a folder.
    Files(PathBuf),
    /// A file found in a folder.
    File(PathBuf),
}

/// Where to begin below `root` to walk `places`, which need not exist.
///
/// A changed file can affect the files beside it: a JPEG replaces the RAW file of the same shot, and a sidecar describes a
/// photo. So the files directly beside each place are walked too.
pub(super) fn starts(root: &Path, places: &[PathBuf]) -> Vec<Start> {
    let trees = below(root, places);
    let is_inside =
        |folder: &&Path| folder.starts_with(root) && !trees.iter().any(|tree| folder.starts_with(tree));
    let folders: BTreeSet<&Path> =
        places.iter().filter_map(|place| place.parent()).filter(is_inside).collect();
    let is_beside = |place: &PathBuf| place.parent() == root.parent();
    let (mut starts, mut is_whole) = (Vec::new(), false);
    for tree in &trees {
        is_whole |= tree == root;
        // A file is found with the files beside it.
        if tree == root || tree.is_dir() {
            starts.push(Start::Tree(tree.clone()));
        }
    }
    if !is_whole && root.is_file() && places.iter().any(is_beside) {
        starts.push(Start::Tree(root.to_owned()));
    }
    starts.extend(folders.into_iter().map(|folder| Start::Files(folder.to_owned())));
    starts
}

/// The places at or below `root`, none of them inside another. A place above the root counts as the root.
pub(crate) fn below(root: &Path, places: &[PathBuf]) -> Vec<PathBuf> {
    let inside = places.iter().filter_map(|place| match place.starts_with(root) {
        true => Some(place.as_path()),
        false => root.starts_with(place).then_some(root),
    });
    outermost(inside)
}

/// The paths that are not inside another one, sorted.
pub(crate) fn outermost<'a>(paths: impl Iterator<Item = &'a Path>) -> Vec<PathBuf> {
    let mut outer: Vec<PathBuf> = Vec::new();
    for path in paths.collect::<BTreeSet<_>>() {
        // Everything in a folder follows it directly.
        if !outer.last().is_some_and(|last| path.starts_with(last)) {
            outer.push(path.to_owned());
        }
    }
    outer
}

/// The paths of everything directly in `folder` except folders, RAW files last.
pub(super) fn files_in(folder: &Path, follow_symlinks: bool) -> io::Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let file_type = entry.file_type()?;
        let path = entry.path();
        let is_folder = file_type.is_dir() || (follow_symlinks && file_type.is_symlink() && path.is_dir());
        if !is_folder {
            files.push((RAW.is_of(entry.file_name().as_encoded_bytes()), path));
        }
    }
    files.sort();
    Ok(files.into_iter().map(|(_, path)| path).collect())
}

impl Walk {
    /// Whether a walk of the whole root would reach `folder`, which is the root or below it. Remembers the folders on the
    /// way.
    pub(super) fn reaches(&mut self, folder: &Path) -> bool {
        self.above.clear();
        let mut way: Vec<&Path> =
            folder.ancestors().take_while(|above| above.starts_with(&self.root)).collect();
        way.reverse();
        way.into_iter().all(|above| self.enters(above))
    }

    fn enters(&mut self, folder: &Path) -> bool {
        if folder != self.root {
            let Ok(metadata) = folder.symlink_metadata() else { return false };
            let is_link = metadata.is_symlink();
            let is_folder =
                if is_link { self.rules.follow_symlinks && folder.is_dir() } else { metadata.is_dir() };
            if !is_folder
                || self.is_left_out(folder, true)
                || self.inner_roots.contains(folder)
                || (is_link && self.leads_back(folder))
            {
                return false;
            }
        }
        if self.rules.follow_symlinks {
            self.above.extend(folder.canonicalize());
        }
        true
    }

    /// Whether a link leads to a folder between the root and the start of the walk.
    pub(super) fn leads_back(&self, link: &Path) -> bool {
        !self.above.is_empty() && link.canonicalize().is_ok_and(|target| self.above.contains(&target))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Rules, WalkEntry};
    use super::*;
    use crate::disk::{DiskMarks, Disks};

    #[test]
    fn a_walk_of_some_places_includes_the_files_beside_them() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        fs::create_dir_all(root.join("a/b/c")).unwrap();
        fs::write(root.join("a/1.jpg"), "").unwrap();
        #[track_caller]
        fn check(root: &Path, places: &[&str], expected: &[Start]) {
            let places: Vec<_> = places.iter().map(|place| root.parent().unwrap().join(place)).collect();
            assert_eq!(starts(root, &places), expected);
        }
        let (tree, files) =
            (|path: &str| Start::Tree(root.join(path)), |path: &str| Start::Files(root.join(path)));
        let a = root.join("a");
        check(&a, &["a/b"], &[tree("a/b"), files("a")]);
        check(&a, &["a/b", "a/b/c", "a/b/gone.jpg"], &[tree("a/b"), files("a")]);
        check(&a, &["a/1.jpg", "a/gone"], &[files("a")]);
        check(&a, &["a/b/c/2.jpg", "a/b-"], &[files("a"), files("a/b/c")]);
        check(&a, &["a", "a/b"], &[tree("a")]);
        check(&a, &["x", "ab"], &[]);
        check(&a, &[""], &[tree("a")]);
        check(&a.join("1.jpg"), &["1.xmp"], &[tree("a/1.jpg")]);
        check(&a.join("1.jpg"), &["1.jpg"], &[tree("a/1.jpg")]);
        check(&a.join("b"), &["c.xmp", "1.jpg"], &[]);
    }

    #[test]
    #[cfg(unix)]
    fn links_back_above_the_starting_point_are_not_followed() {
        use std::os::unix::fs::symlink;
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        fs::create_dir_all(root.join("a/b")).unwrap();
        fs::create_dir(root.join("other")).unwrap();
        for file in ["1.jpg", "a/2.jpg", "a/b/3.jpg", "other/4.jpg"] {
            fs::write(root.join(file), "").unwrap();
        }
        for (target, link) in [("../..", "a/b/to root"), ("..", "a/b/to a"), ("../../other", "a/b/to other")]
        {
            symlink(target, root.join(link)).unwrap();
        }
        symlink(".", root.join("again")).unwrap();
        #[track_caller]
        fn check(root: &Path, place: &str, follow_symlinks: bool, expected: &[&str]) {
            let rules = Rules { follow_symlinks, ..Rules::default() };
            let walk = Walk::new(root, &[], &rules, Disks::new(DiskMarks::SYSTEM)).unwrap();
            let files = walk.only(&[root.join(place)]).filter_map(|found| match found {
                WalkEntry::File { path, .. } => {
                    Some(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned())
                }
                WalkEntry::NotPicture(_)
                | WalkEntry::DanglingLink(_)
                | WalkEntry::LinkNotFollowed
                | WalkEntry::Unreadable { .. } => None,
            });
            assert_eq!(files.collect::<Vec<_>>(), expected, "{place}");
        }
        check(&root, "a/b", true, &["a/b/3.jpg", "a/b/to other/4.jpg", "a/2.jpg"]);
        check(&root, "a/b/to a", true, &["a/b/3.jpg"]);
        check(&root, "a/b/to other", true, &["a/b/to other/4.jpg", "a/b/3.jpg"]);
        check(&root, "again/a/b", true, &[]);
        check(&root, "a/b", false, &["a/b/3.jpg", "a/2.jpg"]);
        check(&root, "a/b/to other", false, &["a/b/3.jpg"]);
        check(&root, "a/b/to other/4.jpg", false, &[]);
    }
}
