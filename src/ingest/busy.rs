//! How busy each stage was, and so which one is the limit of a run.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// The share of the time for which each stage worked, instead of waiting for another one. The busiest one is the limit:
/// only by making it faster would the run be faster.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Busy {
    /// Reading files, or waiting for a disk to answer.
    pub reading: f64,
    /// Decoding and resizing pictures.
    pub decoding: f64,
    /// Running the image model, or loading it.
    pub embedding: f64,
    /// Writing to the library.
    pub storing: f64,
    /// The size of full batches at the end of the run, in pictures.
    pub batch: usize,
}

impl Busy {
    /// The stages with their names, in the order in which a picture passes them.
    pub fn stages(&self) -> [(&'static str, f64); 4] {
        let Busy { reading, decoding, embedding, storing, .. } = *self;
        [("reading", reading), ("decoding", decoding), ("embedding", embedding), ("storing", storing)]
    }

    /// The name of the busiest stage.
    pub fn limit(&self) -> &'static str {
        let [mut busiest, rest @ ..] = self.stages();
        for stage in rest {
            if stage.1 > busiest.1 {
                busiest = stage;
            }
        }
        busiest.0
    }
}

/// The time for which the threads of each stage worked.
#[derive(Default)]
pub(super) struct Clocks {
    pub(super) reading: Clock,
    pub(super) decoding: Clock,
    pub(super) embedding: Clock,
    pub(super) storing: Clock,
    /// Pictures per batch.
    pub(super) batch: AtomicUsize,
}

impl Clocks {
    /// The shares of a run that took `whole`.
    pub(super) fn busy(&self, whole: Duration) -> Busy {
        let Clocks { reading, decoding, embedding, storing, batch } = self;
        Busy {
            reading: reading.share(whole),
            decoding: decoding.share(whole),
            embedding: embedding.share(whole),
            storing: storing.share(whole),
            batch: batch.load(Ordering::Relaxed),
        }
    }
}

/// The working time of one stage, which may have several threads.
#[derive(Default)]
pub(super) struct Clock {
    nanos: AtomicU64,
    /// How many of its threads can work at the same time.
    threads: AtomicU64,
}

impl Clock {
    /// Says how many threads of the stage can work at the same time.
    pub(super) fn set_threads(&self, threads: usize) {
        self.threads.store(threads as u64, Ordering::Relaxed);
    }

    /// Times `work`.
    pub(super) fn time<T>(&self, work: impl FnOnce() -> T) -> T {
        let begin = Instant::now();
        let result = work();
        self.add(begin.elapsed());
        result
    }

    /// Adds working time of one thread.
    pub(super) fn add(&self, worked: Duration) {
        self.nanos.fetch_add(u64::try_from(worked.as_nanos()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    fn share(&self, whole: Duration) -> f64 {
        let worked = Duration::from_nanos(self.nanos.load(Ordering::Relaxed)).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "there are not that many threads")]
        let threads = self.threads.load(Ordering::Relaxed).max(1) as f64;
        let share = worked / threads / whole.as_secs_f64();
        if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_busiest_stage_is_the_limit_whatever_its_number_of_threads() {
        #[track_caller]
        fn check(seconds: [u64; 4], threads: [usize; 4], expected: &str) {
            let clocks = Clocks::default();
            let all = [&clocks.reading, &clocks.decoding, &clocks.embedding, &clocks.storing];
            for ((clock, seconds), threads) in all.into_iter().zip(seconds).zip(threads) {
                clock.set_threads(threads);
                clock.add(Duration::from_secs(seconds));
            }
            assert_eq!(clocks.busy(Duration::from_secs(10)).limit(), expected, "{seconds:?}");
        }
        check([4, 19, 9, 1], [4, 2, 1, 1], "decoding");
        check([4, 16, 9, 1], [4, 2, 1, 1], "embedding");
        check([39, 16, 9, 1], [4, 2, 1, 1], "reading");
        check([0, 0, 0, 2], [4, 2, 1, 1], "storing");
    }

    #[test]
    fn shares_are_of_the_whole_time() {
        let clocks = Clocks::default();
        clocks.decoding.set_threads(2);
        clocks.decoding.add(Duration::from_secs(5));
        let busy = clocks.busy(Duration::from_secs(10));
        assert!((busy.decoding - 0.25).abs() < 1e-9 && busy.reading.abs() < 1e-9, "{busy:?}");
        assert!(clocks.busy(Duration::ZERO).decoding.abs() < 1e-9, "no time at all");
    }
}
