//! Points where the crash test ends the process. Outside this crate's own tests they do nothing.

#[cfg(not(test))]
pub(crate) fn point(_name: &'static str) {}

#[cfg(test)]
pub(crate) use in_tests::{end_at, end_at_point, point};

#[cfg(test)]
mod in_tests {
    use std::sync::OnceLock;
    use std::sync::atomic::{AtomicUsize, Ordering};

    /// Counts down to the point that ends the process; zero for none.
    static LEFT: AtomicUsize = AtomicUsize::new(0);

    /// The name of the point that ends the process.
    static NAME: OnceLock<String> = OnceLock::new();

    /// Ends the process at the `nth` point from now on, as abruptly as a signal would.
    pub(crate) fn end_at(nth: usize) {
        LEFT.store(nth, Ordering::SeqCst);
    }

    /// Ends the process at the first point of this name.
    pub(crate) fn end_at_point(name: &str) {
        NAME.set(name.to_owned()).unwrap();
    }

    pub(crate) fn point(name: &'static str) {
        let counted = LEFT.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if counted == Ok(1) || NAME.get().is_some_and(|told| told == name) {
            std::process::abort();
        }
    }
}
