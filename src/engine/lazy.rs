//! Values that are made when first needed.

use std::sync::{Mutex, OnceLock, PoisonError};

/// A value that is made once, when a thread first needs it; other threads wait meanwhile. A failure is not kept: the next
/// call tries again.
pub(super) struct Lazy<T> {
    made: OnceLock<T>,
    making: Mutex<()>,
}

impl<T> Default for Lazy<T> {
    fn default() -> Lazy<T> {
        Lazy { made: OnceLock::new(), making: Mutex::default() }
    }
}

impl<T> Lazy<T> {
    /// The value. The first call makes it with `make`.
    pub(super) fn get_or_make<E>(&self, make: impl FnOnce() -> Result<T, E>) -> Result<&T, E> {
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        // The lock guards no data: if `make` panics, the value is just still missing.
        let _turn = self.making.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = self.made.get() {
            return Ok(made);
        }
        let made = make()?;
        Ok(self.made.get_or_init(|| made))
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_value_is_made_once_for_all_threads() {
        let (lazy, times) = (Lazy::default(), AtomicUsize::new(0));
        let make = || Ok::<_, Infallible>(times.fetch_add(1, Ordering::Relaxed));
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| assert_eq!(lazy.get_or_make(make), Ok(&0)));
            }
        });
        assert_eq!(times.into_inner(), 1);
    }

    #[test]
    fn a_failure_is_tried_again() {
        let lazy = Lazy::default();
        assert_eq!(lazy.get_or_make(|| Err("no")), Err("no"));
        assert_eq!(lazy.get_or_make(|| Ok::<_, &str>(7)), Ok(&7));
        assert_eq!(lazy.get_or_make(|| Err("no")), Ok(&7));
    }
}
