//! What a person can do about an error.

/// An error that may know what to do next.
pub trait Hint {
    /// What to do next, where that is known.
    fn hint(&self) -> Option<String>;
}
