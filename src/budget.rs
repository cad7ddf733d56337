//! A memory budget shared by threads: a thread waits until enough is free.

use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

/// A number of bytes, and how many of them are free.
pub(crate) struct Budget {
    bytes: u64,
    free: Mutex<u64>,
    freed: Condvar,
    /// Makes waiting first come, first served, so that small requests cannot starve a large one.
    turn: Mutex<()>,
}

/// A share of a budget, returned when dropped.
pub(crate) struct Share<'a> {
    budget: &'a Budget,
    bytes: u64,
}

impl Budget {
    pub(crate) fn new(bytes: u64) -> Budget {
        Budget { bytes, free: Mutex::new(bytes), freed: Condvar::new(), turn: Mutex::new(()) }
    }

    /// Waits until this many bytes are free, and takes them. Larger requests get the whole budget.
    pub(crate) fn take(&self, bytes: u64) -> Share<'_> {
        let bytes = bytes.min(self.bytes);
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.freed.wait_while(self.free(), |free| *free < bytes);
        *waited.unwrap_or_else(PoisonError::into_inner) -= bytes;
        Share { budget: self, bytes }
    }

    /// Whether a thread is waiting, or about to.
    #[cfg(test)]
    pub(crate) fn is_waited_for(&self) -> bool {
        self.turn.try_lock().is_err()
    }

    /// The number of free bytes. No thread panics while it has the lock.
    fn free(&self) -> MutexGuard<'_, u64> {
        self.free.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share<'_> {
    fn drop(&mut self) {
        *self.budget.free() += self.bytes;
        self.budget.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;

    #[test]
    fn the_budget_is_never_exceeded_and_everyone_gets_a_turn() {
        let (budget, out) = (Budget::new(100), AtomicU64::new(0));
        std::thread::scope(|scope| {
            for wanted in [1, 10, 60, 100, 7_000] {
                let (budget, out) = (&budget, &out);
                scope.spawn(move || {
                    for _ in 0..1_000 {
                        let share = budget.take(wanted);
                        assert!(out.fetch_add(share.bytes, Ordering::SeqCst) + share.bytes <= 100);
                        out.fetch_sub(share.bytes, Ordering::SeqCst);
                    }
                });
            }
        });
        assert_eq!(*budget.free(), 100);
    }
}
