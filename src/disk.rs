//! Identifies the disk of a file, to distinguish a deleted photo from one whose disk is not mounted.

use std::collections::HashMap;
use std::fs::Metadata;
use std::path::{Path, PathBuf};

/// The identity of a file system, as far as the system provides one.
///
/// Neither part is enough alone: some file systems derive their id from the drive number, which the next stick inherits,
/// and two sticks of one model have the same size. An id may also change although the disk is the same, so a different id
/// is a reason to keep photos, never to remove them.
#[cfg(unix)]
fn identity(path: &Path) -> Option<u64> {
    let stat = rustix::fs::statvfs(path).ok()?;
    Some(number([stat.f_fsid, stat.f_blocks, stat.f_frsize]))
}

/// A number made from a file system's id, number of blocks and block size. It is stored with every photo, so this
/// computation must never change.
#[cfg(unix)]
fn number(parts: [u64; 3]) -> u64 {
    let hash = blake3::hash(&parts.map(u64::to_le_bytes).concat());
    let (first, _) = hash.as_bytes().split_first_chunk().expect("a hash has 32 bytes");
    u64::from_le_bytes(*first)
}

/// On other systems a missing disk has no drive letter, so the root does not resolve.
#[cfg(not(unix))]
fn identity(_: &Path) -> Option<u64> {
    None
}

/// The value if the disk is unknown.
pub const UNKNOWN_DISK: u64 = 0;

/// Functions that identify disks. Tests use their own, to remove a disk without mounting one.
#[derive(Clone, Copy, Debug)]
pub struct DiskMarks {
    /// The device number of a file: the same for all files on a disk while it is mounted.
    pub device: fn(&Metadata) -> u64,
    /// The identity of the disk of an existing path, or `None` if unknown. It is the same when the disk is mounted again.
    pub identity: fn(&Path) -> Option<u64>,
}

impl DiskMarks {
    /// The system's functions.
    pub const SYSTEM: DiskMarks = DiskMarks { device, identity };
}

/// Finds the disks of files and caches their identities per device or folder.
#[derive(Debug)]
pub struct Disks {
    marks: DiskMarks,
    by_device: HashMap<u64, u64>,
    by_folder: HashMap<PathBuf, u64>,
}

impl Disks {
    /// Identifies disks with `marks`.
    pub fn new(marks: DiskMarks) -> Disks {
        Disks { marks, by_device: HashMap::new(), by_folder: HashMap::new() }
    }

    /// The disk of an existing file.
    pub fn of(&mut self, path: &Path, metadata: &Metadata) -> u64 {
        let DiskMarks { device, identity } = self.marks;
        *self.by_device.entry(device(metadata)).or_insert_with(|| identity(path).unwrap_or(UNKNOWN_DISK))
    }

    /// The disk on which `path` would be if it existed: that of the nearest existing folder above it.
    pub fn of_nearest(&mut self, path: &Path) -> u64 {
        let Some(folder) = path.parent() else { return UNKNOWN_DISK };
        if let Some(known) = self.by_folder.get(folder) {
            return *known;
        }
        let disk = (self.marks.identity)(nearest(path)).unwrap_or(UNKNOWN_DISK);
        self.by_folder.insert(folder.to_owned(), disk);
        disk
    }
}

/// Whether `path` is on a file system that other machines can change without this one being told: a network share, or
/// FUSE, which many shares are mounted with. A path that does not exist is on none.
#[cfg(target_os = "linux")]
pub fn is_on_network(path: &Path) -> bool {
    /// From `statfs(2)`: AFS, 9P (virtual machines' shared folders), CEPH, CIFS, CODA, FUSE, NFS, SMB and SMB2.
    const SHARED: [rustix::fs::FsWord; 9] = [
        0x5346_414f,
        0x0102_1997,
        0x00c3_6400,
        0xff53_4d42,
        0x7375_7245,
        0x6573_5546,
        0x6969,
        0x517b,
        0xfe53_4d42,
    ];
    rustix::fs::statfs(path).is_ok_and(|stat| SHARED.contains(&stat.f_type))
}

/// Elsewhere the system's own way of watching is trusted.
#[cfg(not(target_os = "linux"))]
pub fn is_on_network(_: &Path) -> bool {
    false
}

/// Bytes that this user can still write at `path`, which need not exist; `None` if unknown.
#[cfg(unix)]
pub fn free_space(path: &Path) -> Option<u64> {
    let folder = if path.is_dir() { path } else { nearest(path) };
    let stat = rustix::fs::statvfs(folder).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// On other systems a full disk is noticed only when writing.
#[cfg(not(unix))]
pub fn free_space(_: &Path) -> Option<u64> {
    None
}

/// The nearest existing folder above `path`.
pub fn nearest(path: &Path) -> &Path {
    path.ancestors().skip(1).find(|folder| folder.is_dir()).unwrap_or(path)
}

#[cfg(unix)]
fn device(metadata: &Metadata) -> u64 {
    std::os::unix::fs::MetadataExt::dev(metadata)
}

#[cfg(not(unix))]
fn device(_: &Metadata) -> u64 {
    0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_file_is_on_the_disk_of_the_existing_part_of_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a");
        std::fs::write(&file, "").unwrap();
        let mut disks = Disks::new(DiskMarks::SYSTEM);
        let here = disks.of(&file, &file.metadata().unwrap());
        assert_eq!(disks.of_nearest(&folder.path().join("gone/deeper/b")), here);
        assert_eq!(nearest(&folder.path().join("gone/deeper/b")), folder.path());
    }

    #[test]
    #[cfg(unix)]
    fn a_disk_has_the_same_number_in_every_version() {
        assert_eq!(number([1, 2, 3]), 4_163_513_704_854_067_712);
    }

    #[test]
    #[cfg(unix)]
    fn free_space_is_told_where_a_path_will_be() {
        let folder = tempfile::tempdir().unwrap();
        assert!(free_space(&folder.path().join("not/yet")).is_some_and(|bytes| bytes > 0));
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn different_file_systems_differ() {
        let mut disks = Disks::new(DiskMarks::SYSTEM);
        assert_ne!(disks.of_nearest(Path::new("/proc/none")), disks.of_nearest(Path::new("/none")));
    }
}
