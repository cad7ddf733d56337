//! Small files that a library keeps for convenience. They can be deleted.

use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use super::Library;
use crate::files::{self, Readers, read_bounded};
use crate::item::{path_bytes, path_of};

/// Paths, each followed by a NUL, after [`MAGIC`] and the CRC-32 of all paths as a little-endian `u32`.
const LAST_RESULTS: &str = "last-results";

const MAGIC: &[u8; 8] = b"imglast1";

/// The maximum size of these files: a background of 500 concepts in 4,096 dimensions takes 8 MB, and 200,000 paths take
/// about 20 MB.
const MOST_BYTES: u64 = 256 << 20;

impl Library {
    /// Stores the paths that a query found, sorted by rank, for [`Library::remembered`].
    ///
    /// # Errors
    /// If a file cannot be written. The earlier paths may then still be there.
    pub fn remember<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
        let mut list = Vec::new();
        for path in paths {
            list.extend(path_bytes(path).unwrap_or_default());
            list.push(b'\0');
        }
        let checksum = crc32fast::hash(&list).to_le_bytes();
        self.keep(LAST_RESULTS, &[MAGIC.as_slice(), &checksum, &list].concat())
    }

    /// The photo with this rank in the last query's results. A damaged file counts as missing.
    pub fn remembered(&self, rank: NonZeroUsize) -> Option<PathBuf> {
        let bytes = self.kept(LAST_RESULTS)?;
        let (checksum, list) = bytes.strip_prefix(MAGIC)?.split_first_chunk()?;
        if crc32fast::hash(list) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let ended = &list[..list.len().checked_sub(1)?];
        ended.split(|byte| *byte == b'\0').nth(rank.get() - 1).filter(|path| !path.is_empty()).map(path_of)
    }

    /// Stores a small file with this name, and replaces an earlier one atomically.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        if self.server.is_some() {
            files::create_private_folder(&self.folder)?;
        }
        files::replace(&self.folder.join(name), bytes, Readers::Owner)
    }

    /// The content that [`Library::keep`] stored under this name, if it can be read.
    pub(crate) fn kept(&self, name: &str) -> Option<Vec<u8>> {
        read_bounded(&self.folder.join(name), MOST_BYTES).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_results_are_remembered() {
        let folder = tempfile::tempdir().unwrap();
        let library = Library::new(folder.path());
        let remembered = |rank| library.remembered(NonZeroUsize::new(rank).unwrap());
        assert_eq!(remembered(1), None);
        library.remember([Path::new("/a b"), Path::new("/c\n")].into_iter()).unwrap();
        assert_eq!([1, 2, 3].map(remembered), [Some("/a b".into()), Some("/c\n".into()), None]);
        library.remember([].into_iter()).unwrap();
        assert_eq!(remembered(1), None);
    }

    #[test]
    fn damaged_results_are_ignored() {
        #[track_caller]
        fn check(damage: impl Fn(&mut Vec<u8>), expected: Option<&str>) {
            let folder = tempfile::tempdir().unwrap();
            let library = Library::new(folder.path());
            library.remember([Path::new("/a")].into_iter()).unwrap();
            let mut bytes = library.kept(LAST_RESULTS).unwrap();
            damage(&mut bytes);
            library.keep(LAST_RESULTS, &bytes).unwrap();
            assert_eq!(library.remembered(NonZeroUsize::MIN), expected.map(PathBuf::from));
        }
        check(|_| (), Some("/a"));
        check(|bytes| *bytes = b"garbage\0".to_vec(), None);
        check(|bytes| bytes[13] ^= 1, None);
        check(|bytes| bytes.truncate(14), None);
        check(Vec::clear, None);
    }
}
