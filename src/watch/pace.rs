//! When to look: soon after things have become quiet, and now and then while they do not.

use std::time::{Duration, Instant};

/// How long nothing must have changed. A camera's card or an archive is usually copied without longer pauses.
const QUIET: Duration = Duration::from_secs(2);

/// How long changes are waited for while they go on: at first this long, then twice as long each time, up to a minute.
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

    /// A round begins now. If things are not quiet, the next one waits longer.
    pub(super) fn begun(&mut self, (_, last): (Instant, Instant), now: Instant) {
        let is_quiet = now >= last + QUIET;
        self.patience = if is_quiet { PATIENCE } else { MOST_PATIENCE.min(2 * self.patience) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_wait_for_quiet_and_ever_longer_while_there_is_none() {
        let mut pace = Pace::default();
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        assert_eq!(pace.due((at(0), at(1))), at(3));
        // Changes go on: the first one waits no longer than this.
        for patience in [8, 16, 32, 60, 60] {
            assert_eq!(pace.due((at(0), at(100))), at(patience));
            pace.begun((at(0), at(patience)), at(patience));
        }
        pace.begun((at(0), at(1)), at(3));
        assert_eq!(pace.due((at(0), at(100))), at(8));
    }
}
