//! When a round of indexing begins: soon after the last change, or after a longer wait while changes go on.

use std::time::{Duration, Instant};

/// How long nothing must change before a round. Copies of memory cards and archives rarely pause for longer.
const QUIET: Duration = Duration::from_secs(2);

/// The longest wait while changes go on. It doubles with every round, up to [`MOST_PATIENCE`].
const PATIENCE: Duration = Duration::from_secs(8);
const MOST_PATIENCE: Duration = Duration::from_secs(60);

/// Decides when a round begins.
#[derive(Debug)]
pub(super) struct Pace {
    patience: Duration,
}

impl Default for Pace {
    fn default() -> Pace {
        Pace { patience: PATIENCE }
    }
}

impl Pace {
    /// When the next round begins, if nothing else changes.
    pub(super) fn due(&self, (first, last): (Instant, Instant)) -> Instant {
        (last + QUIET).min(first + self.patience)
    }

    /// A round begins now. If changes are still going on, the next one waits longer.
    pub(super) fn begun(&mut self, (_, last): (Instant, Instant), now: Instant) {
        let is_quiet = now >= last + QUIET;
        self.patience = if is_quiet { PATIENCE } else { MOST_PATIENCE.min(2 * self.patience) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_wait_until_changes_stop_and_longer_while_they_go_on() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.due((at(0), at(1))), at(3));
        // While changes go on, the first change waits this long at most.
        for patience in [8, 16, 32, 60, 60] {
            assert_eq!(pace.due((at(0), at(100))), at(patience));
            pace.begun((at(0), at(patience)), at(patience));
        }
        pace.begun((at(0), at(1)), at(3));
        assert_eq!(pace.due((at(0), at(100))), at(8));
    }
}
