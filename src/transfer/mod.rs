//! Moves the records of a library: into a file and out of one (`export`, `import`), and to other paths (`moving`).
//!
//! All of it works through the seam to storage, so it moves records between any two stores, and merges libraries of the
//! same model. `docs/FORMATS.md` describes the file.

mod export;
mod format;
mod import;
mod moving;

use std::io;

use imgsearch_index::Space;

use crate::hint::Hint;
use crate::library::StoreError;

pub use export::{Exported, export};
pub use format::{Exports, Header, Row};
pub use import::{Imported, import, is_newer};
pub use moving::{Moved, move_root};

/// Why records cannot be moved.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TransferError {
    /// The library cannot be read or changed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The file cannot be read.
    #[error("cannot read the export: {0}")]
    Read(#[source] io::Error),
    /// The file cannot be written.
    #[error("cannot write the export: {0}")]
    Write(#[source] io::Error),
    /// The file does not begin as an export does.
    #[error("this is not an export of an imgsearch library")]
    Foreign,
    /// The file has a format that this version does not know.
    #[error("the export has format version {found}, and this imgsearch knows version {known} only")]
    Version {
        /// The version of the file.
        found: u32,
        /// The version of this program.
        known: u32,
    },
    /// The file ends before its last record.
    #[error("the export ends early, after {records} records")]
    Truncated {
        /// The number of whole records before the end.
        records: u64,
    },
    /// A checksum does not fit, or a record cannot be decoded.
    #[error("the export is damaged after {records} records")]
    Damaged {
        /// The number of good records before the damage.
        records: u64,
    },
    /// The file holds vectors of another model.
    #[error("the export has vectors of `{}`, and the library has those of `{}`: they cannot be compared", found.label(), expected.label())]
    OtherModel {
        /// The model of the file.
        found: Box<Space>,
        /// The model of the library.
        expected: Box<Space>,
    },
    /// Records were written by a later version. Without them an export would not be whole.
    #[error("the library has records of a later version of imgsearch")]
    Later,
    /// One of the two folders is inside the other.
    #[error("the new place must not be inside the old one, nor the old one inside the new one")]
    Nested,
}

impl Hint for TransferError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            TransferError::Store(error) => return error.hint(),
            TransferError::Version { .. } | TransferError::Later => "update imgsearch on this machine",
            TransferError::Truncated { .. } | TransferError::Damaged { .. } => {
                "export it again and import that; records that were imported before are right, and importing them twice \
                 does no harm"
            }
            TransferError::OtherModel { .. } => {
                "import it into another library with `--library`, or embed one of the two again with `imgsearch index \
                 --model`"
            }
            TransferError::Foreign
            | TransferError::Read(_)
            | TransferError::Write(_)
            | TransferError::Nested => return None,
        };
        Some(hint.to_owned())
    }
}
