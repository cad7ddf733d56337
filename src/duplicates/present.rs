//! Removes photos from the groups that no longer exist as indexed. Files may have been changed or deleted since, and two
//! paths may lead to the same file: a user who deletes "the rest" must never lose the only copy.

use std::collections::HashSet;
use std::fs::{self, Metadata};
use std::io;
use std::path::Path;

use super::{Duplicate, Group};
use crate::photo::Stamp;

/// The groups without photos that are deleted, changed since they were indexed, or the same file as an earlier photo; and
/// how many those were. Groups with only one photo left are dropped.
pub fn present(groups: Vec<Group>) -> (Vec<Group>, usize) {
    let before: usize = groups.iter().map(|group| group.photos.len()).sum();
    let (mut left, mut kept) = (0, Vec::new());
    for mut group in groups {
        let mut files = HashSet::new();
        group.photos.retain(|photo| identity(photo).is_some_and(|file| files.insert(file)));
        left += group.photos.len();
        if group.photos.len() > 1 {
            kept.push(group);
        }
    }
    (kept, before - left)
}

/// The identity of the file, if it is unchanged since it was indexed.
fn identity(photo: &Duplicate) -> Option<Identity> {
    let metadata = fs::metadata(&photo.path).ok()?;
    if !Stamp::of(&metadata).same_content(&photo.photo.stamp) {
        return None;
    }
    identity_of(&photo.path, &metadata).ok()
}

#[cfg(unix)]
type Identity = (u64, u64);

/// Device and inode. Symbolic and hard links to a file share it, and so do paths through two mounts of one disk.
#[cfg(unix)]
fn identity_of(_: &Path, metadata: &Metadata) -> io::Result<Identity> {
    use std::os::unix::fs::MetadataExt;
    Ok((metadata.dev(), metadata.ino()))
}

#[cfg(not(unix))]
type Identity = std::path::PathBuf;

#[cfg(not(unix))]
fn identity_of(path: &Path, _: &Metadata) -> io::Result<Identity> {
    fs::canonicalize(path)
}
