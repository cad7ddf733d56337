//! Stamps: a file's size and times, to detect changes without opening it.

use std::fs::Metadata;

use minicbor::{Decode, Encode};

/// A file's size and times when it was last read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Length in bytes.
    #[n(0)]
    pub size: u64,
    /// Last modification, in nanoseconds since the Unix epoch.
    #[n(1)]
    pub modified_ns: i64,
    /// Last change of the inode, in nanoseconds since the Unix epoch; 0 if the platform has none. Replacing the content
    /// changes it too, and unlike the modification time it cannot be set back.
    #[n(2)]
    pub changed_ns: i64,
}

impl Stamp {
    /// The stamp of a file with this metadata.
    pub fn of(metadata: &Metadata) -> Stamp {
        let modified_ns =
            metadata.modified().ok().map_or(0, |time| match time.duration_since(std::time::UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
                Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
            });
        Stamp { size: metadata.len(), modified_ns, changed_ns: changed_ns(metadata) }
    }

    /// Whether the content is probably the same. It is certain only if the stamps are equal.
    pub fn same_content(&self, other: &Stamp) -> bool {
        (self.size, self.modified_ns) == (other.size, other.modified_ns)
    }
}

#[cfg(unix)]
fn changed_ns(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed_ns(_: &Metadata) -> i64 {
    0
}
