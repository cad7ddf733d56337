//! Hints on what to do about an error.

/// An error that may have a hint.
pub trait Hint {
    /// What to do next, if that is known.
    fn hint(&self) -> Option<String>;
}
