//! The errors of an index: what went wrong, where, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use crate::Space;

/// An error of an index.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There is no index in the folder.
    #[error("there is no index in {}", path.display())]
    Missing {
        /// The folder.
        path: PathBuf,
    },
    /// Another process is writing the index. Only one process can do so at a time.
    #[error("another process{} is writing the index in {}", WithPid(*pid), path.display())]
    Locked {
        /// The folder.
        path: PathBuf,
        /// The process id, if it is known.
        pid: Option<u32>,
    },
    /// The index holds the vectors of another model.
    #[error(
        "the index in {} holds `{}` vectors ({} dimensions), not `{}` vectors ({} dimensions)",
        path.display(), found.label(), found.dim(), expected.label(), expected.dim()
    )]
    SpaceMismatch {
        /// The folder.
        path: PathBuf,
        /// The space of the index.
        found: Box<Space>,
        /// The requested space.
        expected: Box<Space>,
    },
    /// A later version of this crate wrote the index.
    #[error("the index in {} has format {found}, but this version only reads up to {expected}", path.display())]
    NewerFormat {
        /// The file or folder with the newer format.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this version can read.
        expected: u32,
    },
    /// A vector's dimension differs from the index's.
    #[error("a vector has {found} dimensions, but those in the index in {} have {expected}", path.display())]
    DimensionMismatch {
        /// The folder.
        path: PathBuf,
        /// The dimension of the given vector.
        found: usize,
        /// The dimension of the index.
        expected: usize,
    },
    /// A payload or a note is too long to be stored.
    #[error("{what} of {found} bytes is too long for the index in {}: the limit is {expected}", path.display())]
    TooLong {
        /// The folder.
        path: PathBuf,
        /// "a payload" or "a note".
        what: &'static str,
        /// Its length in bytes.
        found: usize,
        /// The limit in bytes.
        expected: usize,
    },
    /// A selection belongs to another searcher, whose rows differ.
    #[error("the selection belongs to another searcher, not to this one of the index in {}", path.display())]
    ForeignSelection {
        /// The folder.
        path: PathBuf,
    },
    /// The contents of a file are wrong.
    #[error("the index is damaged: {what} in {}", path.display())]
    Damaged {
        /// The damaged file or folder.
        path: PathBuf,
        /// What is wrong with it.
        what: &'static str,
    },
    /// A file operation failed.
    #[error("could not {action} {}", path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The operation, as a verb.
        action: &'static str,
        /// The system's error.
        source: io::Error,
    },
    /// The catalog's database failed.
    #[error("the catalog in {} failed", path.display())]
    Catalog {
        /// The folder of the catalog.
        path: PathBuf,
        /// The database's error.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Error {
    /// What to do next, if there is something to do.
    #[must_use]
    pub fn hint(&self) -> Option<&str> {
        match self {
            Error::Locked { .. } => Some("wait until the other process has finished, or stop it"),
            Error::SpaceMismatch { .. } => Some("use the model that made the index, or start a new index"),
            Error::NewerFormat { .. } => {
                Some("use the version of the program that wrote the index, or a later one")
            }
            Error::Damaged { .. } | Error::Catalog { .. } => Some("repair the index, or start a new one"),
            Error::Missing { .. }
            | Error::DimensionMismatch { .. }
            | Error::TooLong { .. }
            | Error::ForeignSelection { .. }
            | Error::Io { .. } => None,
        }
    }

    /// Whether a file does not exist.
    pub(crate) fn is_not_found(&self) -> bool {
        matches!(self, Error::Io { source, .. } if source.kind() == io::ErrorKind::NotFound)
    }

    /// Whether the system refused to read or write for a reason outside the files, such as a full disk or a read-only
    /// folder. Such an error does not mean that the index is damaged.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        use io::ErrorKind::{
            FileTooLarge, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull,
        };
        let kinds =
            [FileTooLarge, OutOfMemory, PermissionDenied, QuotaExceeded, ReadOnlyFilesystem, StorageFull];
        matches!(self, Error::Io { source, .. } if kinds.contains(&source.kind()))
    }

    /// Replaces a path in `from` by the same path in `to`. For errors found in a copy: they should name the original.
    pub(crate) fn move_path(&mut self, from: &Path, to: &Path) {
        match self {
            Error::Damaged { path, .. } | Error::Io { path, .. } | Error::Catalog { path, .. } => {
                if let Ok(rest) = path.strip_prefix(from) {
                    *path = if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) };
                }
            }
            Error::Missing { .. }
            | Error::Locked { .. }
            | Error::SpaceMismatch { .. }
            | Error::NewerFormat { .. }
            | Error::DimensionMismatch { .. }
            | Error::TooLong { .. }
            | Error::ForeignSelection { .. } => {}
        }
    }

    /// For `map_err`: adds the operation and the file to a system's error.
    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Error {
        move |source| Error::Io { path: path.to_owned(), action, source }
    }
}

/// Displays ` (pid 7)`, or nothing.
struct WithPid(Option<u32>);

impl std::fmt::Display for WithPid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(pid) => write!(f, " (pid {pid})"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(error: &Error, message: &str, hinted: bool) {
        assert_eq!((error.to_string().as_str(), error.hint().is_some()), (message, hinted));
    }

    #[test]
    fn messages_say_what_and_where() {
        let path = PathBuf::from("/p");
        let space = |label: &str| Box::new(Space::new(label, label, 3).unwrap());
        check(&Error::Missing { path: path.clone() }, "there is no index in /p", false);
        check(
            &Error::Locked { path: path.clone(), pid: Some(7) },
            "another process (pid 7) is writing the index in /p",
            true,
        );
        check(
            &Error::Locked { path: path.clone(), pid: None },
            "another process is writing the index in /p",
            true,
        );
        check(
            &Error::SpaceMismatch { path: path.clone(), found: space("a"), expected: space("b") },
            "the index in /p holds `a` vectors (3 dimensions), not `b` vectors (3 dimensions)",
            true,
        );
    }
}
