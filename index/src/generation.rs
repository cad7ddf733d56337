//! The generation of an index: it identifies a published state.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{Error, files};

/// Length of the checksum at the end of a manifest.
const CHECKSUM_LEN: usize = 4;

/// Identifies the published state that a [`Searcher`](crate::Searcher) shows. Two searchers of one index show the same
/// state if their generations are equal, even in two processes. Generations have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation {
    /// The length of the manifest in bytes.
    len: u64,
    /// The CRC-32 at the end of the manifest.
    checksum: [u8; CHECKSUM_LEN],
}

impl Generation {
    /// The generation of a manifest with these bytes.
    pub(crate) fn of(manifest: &[u8]) -> Generation {
        let checksum = manifest.last_chunk().copied().unwrap_or_default();
        Generation { len: manifest.len() as u64, checksum }
    }

    /// The last published generation; `None` if nothing was published. Only the end of the manifest is read.
    pub(crate) fn published(dir: &Path) -> Result<Option<Generation>, Error> {
        let path = files::manifest(dir);
        match File::open(&path).and_then(|file| Generation::read(&file)) {
            Ok(generation) => Ok(Some(generation)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// Reads the end of an open manifest. It cannot change meanwhile, because a new manifest is another file.
    fn read(mut file: &File) -> io::Result<Generation> {
        let len = file.metadata()?.len();
        let mut end = Vec::with_capacity(CHECKSUM_LEN);
        file.seek(SeekFrom::Start(len.saturating_sub(CHECKSUM_LEN as u64)))?;
        file.read_to_end(&mut end)?;
        Ok(Generation { len, ..Generation::of(&end) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The end of a file gives the same generation as all of its bytes.
    #[test]
    fn the_end_of_the_file_tells_the_generation() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Generation::published(folder.path()).unwrap(), None);
        for bytes in [&b"a manifest"[..], b"another manifest", b"four", b"cut", b""] {
            std::fs::write(files::manifest(folder.path()), bytes).unwrap();
            assert_eq!(Generation::published(folder.path()).unwrap(), Some(Generation::of(bytes)));
        }
    }

    #[test]
    fn another_length_or_checksum_is_another_generation() {
        let generation = Generation::of(b"content1234");
        assert_eq!(generation, Generation::of(b"CONTENT1234"));
        assert_ne!(generation, Generation::of(b"content1235"));
        assert_ne!(generation, Generation::of(b"contents1234"));
    }
}
