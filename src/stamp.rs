//! How a file looks from outside, to tell whether it has changed.

use std::fs::Metadata;

use minicbor::{Decode, Encode};

/// How a file looked when it was last read: enough to tell, without opening it, that it has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Length in bytes.
    #[n(0)]
    pub size: u64,
    /// Last modification, in nanoseconds since the Unix epoch.
    #[n(1)]
    pub modified_ns: i64,
    /// Last change of the inode, in nanoseconds since the Unix epoch; 0 where the platform has none. Whoever replaces
    /// the content changes it too, and unlike the modification time nobody can set it back.
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

    /// Whether the content is probably the same. Only equal stamps make it sure.
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
