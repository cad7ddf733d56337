//! What a person can do about an error.

use imgsearch_index::Error as IndexError;

/// An error that may know what to do next.
pub trait Hint {
    /// What to do next, where that is known.
    fn hint(&self) -> Option<String>;
}

/// The index knows no commands; this names the one that helps.
impl Hint for IndexError {
    fn hint(&self) -> Option<String> {
        let command = if matches!(self, IndexError::Missing { .. }) {
            "run `imgsearch index ~/Photos` first"
        } else if matches!(self, IndexError::Locked { .. }) {
            "another imgsearch is changing this library: wait until it has ended; queries work meanwhile"
        } else if matches!(self, IndexError::Damaged { .. } | IndexError::Catalog { .. }) {
            "run `imgsearch repair`"
        } else {
            return IndexError::hint(self).map(str::to_owned);
        };
        Some(command.to_owned())
    }
}
