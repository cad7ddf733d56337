//! Catches panics and returns them as errors, so that one bad file cannot end the program.

use std::any::Any;
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

thread_local! {
    /// The depth of nested calls of [`contained`] on this thread.
    static DEPTH: Cell<u32> = const { Cell::new(0) };
}

/// Runs `work`, and returns the message if it panics.
///
/// Use it only if a panic leaves no half-changed data behind.
///
/// # Errors
/// The panic's message.
pub fn contained<T>(work: impl FnOnce() -> T) -> Result<T, String> {
    DEPTH.set(DEPTH.get() + 1);
    let answer = catch_unwind(AssertUnwindSafe(work));
    DEPTH.set(DEPTH.get() - 1);
    answer.map_err(|panic| message(panic.as_ref()))
}

/// Whether a panic on this thread would be caught by [`contained`]. A panic hook need not print such a panic, because it is
/// reported together with its file.
pub fn is_contained() -> bool {
    DEPTH.get() > 0
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_returned_and_known_to_be_contained() {
        assert!(!is_contained());
        assert_eq!(contained(is_contained), Ok(true));
        assert_eq!(contained(|| -> u8 { panic!("page {}", 7) }), Err("page 7".into()));
        let after_an_inner_one = || {
            assert_eq!(contained(|| -> u8 { panic!("inner") }), Err("inner".into()));
            is_contained()
        };
        assert_eq!(contained(after_an_inner_one), Ok(true));
        assert!(!is_contained());
    }
}
