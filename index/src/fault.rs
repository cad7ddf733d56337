//! Places where the crash test ends the process. Outside of this crate's own tests there are none.

#[cfg(not(test))]
pub(crate) fn point(_name: &'static str) {}

#[cfg(test)]
pub(crate) use in_tests::{end_at, point};

#[cfg(test)]
mod in_tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// How many points are still passed; zero for all.
    static LEFT: AtomicUsize = AtomicUsize::new(0);

    /// Ends the process at the `nth` point from now on, as abruptly as a signal would.
    pub(crate) fn end_at(nth: usize) {
        LEFT.store(nth, Ordering::SeqCst);
    }

    pub(crate) fn point(_name: &'static str) {
        let counted = LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if counted == Ok(1) {
            std::process::abort();
        }
    }
}
