//! Converts sled's errors and panics.
//!
//! sled reports some damage as an error and panics on other damage, in the calling thread. Both become an [`Error`] that
//! names the catalog, so that the caller can continue or repair the index.

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use crate::Error;

/// Runs a sled operation and converts its errors and panics.
pub(super) fn ask<T>(path: &Path, question: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
    match catch_unwind(AssertUnwindSafe(question)) {
        Ok(answer) => answer.map_err(|error| failed(path, error)),
        Err(payload) => Err(Error::Catalog { path: path.to_owned(), source: Box::new(Panic::from(payload)) }),
    }
}

fn failed(path: &Path, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => {
            Error::Io { path: path.to_owned(), action: "read or write", source: in_words(source) }
        }
        sled::Error::Corruption { .. } => {
            Error::Damaged { path: path.to_owned(), what: "a page cannot be read" }
        }
        other @ (sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)) => Error::Catalog { path: path.to_owned(), source: Box::new(other) },
    }
}

/// Restores a readable message: sled keeps only the kind of a system error, and its `{:?}` form as the message.
fn in_words(source: io::Error) -> io::Error {
    // For kind `Other` the text is the only information.
    let is_told = source.raw_os_error().is_some() || source.kind() == io::ErrorKind::Other;
    if is_told { source } else { source.kind().into() }
}

/// The message of a panic.
#[derive(Debug, thiserror::Error)]
#[error("sled panicked: {0}")]
struct Panic(String);

impl From<Box<dyn std::any::Any + Send>> for Panic {
    fn from(payload: Box<dyn std::any::Any + Send>) -> Panic {
        let said = payload.downcast_ref::<&str>().map(|said| (*said).to_owned());
        Panic(said.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(unix)]
    #[test]
    fn a_system_error_has_a_readable_message() {
        let full = io::Error::from_raw_os_error(28);
        let full = io::Error::new(full.kind(), format!("{full:?}"));
        let error = ask::<()>(Path::new("/p"), || Err(sled::Error::Io(full))).unwrap_err();
        let said = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(said.as_deref(), Some("no storage space"));
    }

    #[test]
    fn a_panic_becomes_an_error_with_a_hint() {
        let error = ask::<()>(Path::new("/p"), || panic!("page {}", 7)).unwrap_err();
        let said = std::error::Error::source(&error).map(ToString::to_string);
        assert_eq!(said.as_deref(), Some("sled panicked: page 7"));
        assert!(error.hint().is_some());
    }
}
