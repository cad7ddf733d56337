//! Small files that a library keeps for convenience: nothing is lost with them.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::{fs, io, process};

use super::Library;
use crate::photo::{path_bytes, path_of};

const LAST_RESULTS: &str = "last-results";

impl Library {
    /// Keeps the paths that a query found, in the order of their ranks, for [`Library::remembered`].
    ///
    /// # Errors
    /// Whatever the disk says; what was kept before may then still be there.
    pub fn remember<'a>(&self, paths: impl Iterator<Item = &'a Path>) -> io::Result<()> {
        let mut bytes = Vec::new();
        for path in paths {
            bytes.extend(path_bytes(path).unwrap_or_default());
            bytes.push(b'\0');
        }
        self.keep(LAST_RESULTS, &bytes)
    }

    /// The photo of this rank in the last query's results.
    pub fn remembered(&self, rank: NonZeroUsize) -> Option<PathBuf> {
        let bytes = self.kept(LAST_RESULTS)?;
        let ended = &bytes[..bytes.len().checked_sub(1)?];
        ended.split(|byte| *byte == b'\0').nth(rank.get() - 1).filter(|path| !path.is_empty()).map(path_of)
    }

    /// Puts a small file of this name in the place of the one before, as a whole: whoever reads has one or the other.
    pub(crate) fn keep(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.folder.join(format!("{name}.{}", process::id()));
        let written = fs::write(&new, bytes).and_then(|()| fs::rename(&new, self.folder.join(name)));
        written.inspect_err(|_| _ = fs::remove_file(&new))
    }

    /// What [`Library::keep`] put under this name, if it can be read.
    pub(crate) fn kept(&self, name: &str) -> Option<Vec<u8>> {
        fs::read(self.folder.join(name)).ok()
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
}
