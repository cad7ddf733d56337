//! How all stages of a run learn that it is to stop.

use std::sync::atomic::{AtomicBool, Ordering};

use super::IngestError;

/// Set by the caller who cancels a run, or by a stage that failed.
pub(super) struct Halt<'a> {
    cancel: &'a AtomicBool,
    failed: AtomicBool,
}

impl<'a> Halt<'a> {
    pub(super) fn new(cancel: &'a AtomicBool) -> Halt<'a> {
        Halt { cancel, failed: AtomicBool::new(false) }
    }

    pub(super) fn is_cancelled(&self) -> bool {
        self.cancel.load(Ordering::Relaxed)
    }

    pub(super) fn should_stop(&self) -> bool {
        self.is_cancelled() || self.failed.load(Ordering::Relaxed)
    }

    /// Passes a stage's result on, after telling the other stages if it is an error.
    pub(super) fn ended<T>(&self, result: Result<T, IngestError>) -> Result<T, IngestError> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }
}
