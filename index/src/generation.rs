//! Which published state of an index is meant.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::path::Path;

use crate::{Error, files};

/// How many bytes a checksum has at the end of a manifest.
const CHECKSUM_LEN: usize = 4;

/// Which published state of an index a [`Searcher`](crate::Searcher) shows. Two searchers of one index show the same
/// state when their generations are equal, also in two processes. Generations have no order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Generation {
    /// The length of the manifest in bytes.
    len: u64,
    /// The CRC-32 of the manifest, which stands at its end.
    checksum: [u8; CHECKSUM_LEN],
}

impl Generation {
    /// The generation that a manifest of these bytes names.
    pub(crate) fn of(manifest: &[u8]) -> Generation {
        let checksum = manifest.last_chunk().copied().unwrap_or_default();
        Generation { len: manifest.len() as u64, checksum }
    }

    /// The generation that was published last; `None` where nothing was. Only the end of the manifest is read.
    pub(crate) fn published(dir: &Path) -> Result<Option<Generation>, Error> {
        let path = files::manifest(dir);
        match File::open(&path).and_then(|file| Generation::read(&file)) {
            Ok(generation) => Ok(Some(generation)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    /// The end of an open file does not change: a new manifest is another file.
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

    /// What is read from the end of a file is what all of its bytes say.
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
