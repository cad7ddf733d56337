//! Errors in the command line or the configuration, with a hint on how to fix them.

use imgsearch::hint::Hint;

/// A message, and perhaps a hint on what to do.
#[derive(Debug, thiserror::Error)]
#[error("{what}")]
pub(crate) struct UsageError {
    what: String,
    hint: Option<String>,
}

impl UsageError {
    pub(crate) fn new(what: impl Into<String>) -> UsageError {
        UsageError { what: what.into(), hint: None }
    }

    /// `what` is missing because this program was built without `feature`.
    #[cfg(not(all(feature = "mcp", feature = "serve", feature = "tui")))]
    pub(crate) fn left_out(what: &str, feature: &str) -> UsageError {
        let hint = format!("build imgsearch with `cargo build --release --features {feature}`");
        UsageError::new(format!("{what} needs the feature `{feature}`, which this build lacks")).hint(hint)
    }

    pub(crate) fn hint(self, hint: impl Into<String>) -> UsageError {
        UsageError { hint: Some(hint.into()), ..self }
    }
}

impl Hint for UsageError {
    fn hint(&self) -> Option<String> {
        self.hint.clone()
    }
}
