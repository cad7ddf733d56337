//! How many pictures a device embeds at once.
//!
//! A CPU embeds best in small batches, one per thread. A GPU runs one batch at a time, and gains from large ones until they
//! fill it. How large depends on the device, its memory and the model, so it is measured with the pictures of the run: the
//! size starts at [`BATCH`] and doubles while that makes it faster and the memory suffices.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use imgsearch_index::{Vector, VectorError};
use ndarray::Array3;

use super::{Device, ModelError, PassedOver};

/// Pictures per batch at first, and always on a CPU. Measured with ViT-B/32 on one CPU core: 125 ms per photo singly, 119 in
/// batches of two and 116 in batches of four; with 8-bit weights 40 and 38. Batches of two would save 30 MB.
pub(crate) const BATCH: usize = 4;
/// The most pictures per batch. Benchmarks of CLIP's towers on large GPUs gain little beyond 128.
const MOST: usize = 256;
/// The most bytes of tensors per batch. Three batches are in memory at the same time.
const MOST_BYTES: usize = 128 << 20;
/// A size is kept only if it embeds at least this much faster than half of it. Less is within the noise, and larger batches
/// take more memory.
const LEAST_GAIN: f64 = 1.1;
/// Timed batches of each size, of which the fastest counts: others may use the device at the same time.
const SAMPLES: u32 = 2;
/// Doubling a size needs about twice the memory that the last doubling took. This factor leaves as much for other programs.
const MEMORY_MARGIN: u64 = 4;

/// Embeds batches of pictures: an image tower on its device. Tests have others.
pub(crate) trait Encode: Sync {
    /// What it runs on, and how.
    fn ability(&self) -> Ability;

    /// The unit vector for each tensor, in the same order, or an error for a tensor whose output has no direction. Any number
    /// of threads may call it at the same time.
    ///
    /// # Errors
    /// [`ModelError::OutOfMemory`] if the batch is too large for the device, which can still run smaller ones; any other
    /// error if the device or the tower fails.
    fn encode_batch(&self, tensors: &[Array3<f32>]) -> Result<Encoded, ModelError>;

    /// The free memory of the device, in bytes, if it is known.
    fn free_memory(&self) -> Option<u64>;
}

/// What decides how batches are made for a device.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ability {
    pub(crate) device: Device,
    /// Whether it runs several batches in parallel. If not, it runs one at a time.
    pub(crate) is_parallel: bool,
    /// The most pictures per batch, at least 1.
    pub(crate) most: usize,
    /// If the device was chosen by [`Device::Auto`]: the devices that were tried before.
    pub(crate) passed_over: Vec<PassedOver>,
}

impl Ability {
    /// The most pictures per batch for a device that runs one batch at a time, for tensors of this many bytes.
    pub(crate) fn most_of(tensor_bytes: usize) -> usize {
        let most = (MOST_BYTES / tensor_bytes.max(1)).clamp(BATCH, MOST);
        // The sizes tried are powers of two.
        1 << most.ilog2()
    }
}

/// A batch's vectors.
#[derive(Debug)]
pub(crate) struct Encoded {
    pub(crate) vectors: Vec<Result<Vector, VectorError>>,
    /// How long the device ran, without waiting for other batches.
    pub(crate) took: Duration,
}

/// The number of pictures per batch for one device and one model. Threads share it.
pub(crate) struct BatchSize(Mutex<State>);

struct State {
    size: usize,
    most: usize,
    /// The size stays as it is, unless memory runs out.
    is_settled: bool,
    /// Full batches of this size so far. The first one is not timed, because devices prepare themselves for a new size.
    runs: u32,
    /// The fastest of them.
    fastest: Duration,
    /// Pictures per second with half the size.
    rate_before: f64,
    /// Free memory after the first batch of half the size.
    free_before: Option<u64>,
}

impl BatchSize {
    pub(crate) fn new(ability: &Ability) -> BatchSize {
        let size = BATCH.min(ability.most);
        BatchSize(Mutex::new(State {
            size,
            most: ability.most,
            is_settled: ability.is_parallel || size == ability.most,
            runs: 0,
            fastest: Duration::MAX,
            rate_before: 0.0,
            free_before: None,
        }))
    }

    /// How many pictures the next batch should have.
    pub(crate) fn now(&self) -> usize {
        self.state().size
    }

    /// Whether the size stays as it is, unless memory runs out.
    pub(crate) fn is_settled(&self) -> bool {
        self.state().is_settled
    }

    /// Takes note that a batch of this many pictures took this long. `free` is asked for the device's free memory at the
    /// moments when it matters.
    pub(crate) fn ran(&self, pictures: usize, took: Duration, free: impl FnOnce() -> Option<u64>) {
        let mut state = self.state();
        if state.is_settled || pictures != state.size {
            return;
        }
        state.runs += 1;
        if state.runs > 1 {
            state.fastest = state.fastest.min(took);
        }
        if state.runs > SAMPLES {
            state.decide(free());
        }
    }

    /// Takes note that a batch of this many pictures was too large for the device's memory. Returns the new size, which is
    /// smaller; `None` if even one picture is too much.
    pub(crate) fn too_large(&self, pictures: usize) -> Option<usize> {
        let mut state = self.state();
        // Another thread may have made it smaller already.
        state.most = state.most.min(pictures / 2);
        state.size = state.size.min(state.most);
        state.is_settled = true;
        (state.size > 0).then_some(state.size)
    }

    /// No thread panics while it holds the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Doubles the size, or stays.
    fn decide(&mut self, free: Option<u64>) {
        #[expect(clippy::cast_precision_loss, reason = "a batch is small")]
        let rate = self.size as f64 / self.fastest.as_secs_f64().max(1e-9);
        if rate < self.rate_before * LEAST_GAIN {
            self.size /= 2;
            self.is_settled = true;
            return;
        }
        if self.size * 2 > self.most || !self.has_memory(free) {
            self.is_settled = true;
            return;
        }
        *self = State {
            size: self.size * 2,
            most: self.most,
            is_settled: false,
            runs: 0,
            fastest: Duration::MAX,
            rate_before: rate,
            free_before: free,
        };
    }

    /// Whether the device has memory for the double size, as far as is known.
    fn has_memory(&self, free: Option<u64>) -> bool {
        let (Some(before), Some(free)) = (self.free_before, free) else { return true };
        free / MEMORY_MARGIN >= before.saturating_sub(free)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GB: u64 = 1 << 30;

    fn ability(is_parallel: bool, most: usize) -> Ability {
        Ability { device: Device::Cuda, is_parallel, most, passed_over: Vec::new() }
    }

    /// The sizes of successive full batches on a device that takes `micros` for each, until they stay the same.
    fn sizes(
        size: &BatchSize,
        micros: impl Fn(usize) -> u64,
        free: impl Fn(usize) -> Option<u64>,
    ) -> Vec<usize> {
        let mut sizes = vec![size.now()];
        for _ in 0..100 {
            let now = size.now();
            size.ran(now, Duration::from_micros(micros(now)), || free(now));
            if sizes.last() != Some(&size.now()) {
                sizes.push(size.now());
            }
        }
        sizes
    }

    #[test]
    fn the_size_grows_while_that_makes_the_device_faster() {
        #[track_caller]
        fn check(micros: fn(usize) -> u64, most: usize, expected: &[usize]) {
            let size = BatchSize::new(&ability(false, most));
            assert_eq!(sizes(&size, micros, |_| None), expected);
        }
        // As long for any batch: a large GPU that is never full.
        check(|_| 10_000, 256, &[4, 8, 16, 32, 64, 128, 256]);
        check(|_| 10_000, 64, &[4, 8, 16, 32, 64]);
        // As long for each picture: full with the smallest batch.
        check(|pictures| pictures as u64 * 1_000, 256, &[4, 8, 4]);
        // 4 ms, and .5 ms for each picture: doubling 32 gains 11 %, doubling 64 6 %.
        check(|pictures| 4_000 + 500 * pictures as u64, 256, &[4, 8, 16, 32, 64, 128, 64]);
        check(|_| 10_000, 4, &[4]);
        check(|_| 10_000, 1, &[1]);
    }

    #[test]
    fn the_size_never_grows_on_a_cpu() {
        let size = BatchSize::new(&ability(true, BATCH));
        assert_eq!(sizes(&size, |_| 10_000, |_| None), [BATCH]);
    }

    #[test]
    fn the_size_grows_only_while_the_memory_suffices() {
        // 6 GB, of which the model took one, each picture takes 50 MB and nothing is given back.
        let free = |pictures: usize| Some(5 * GB - (50 << 20) * pictures as u64);
        let size = BatchSize::new(&ability(false, 256));
        // The step to 64 pictures took 1.6 GB and left 1.9 GB, so the next one would not fit.
        assert_eq!(sizes(&size, |_| 10_000, free), [4, 8, 16, 32, 64]);
    }

    #[test]
    fn a_size_that_was_too_large_is_never_tried_again() {
        let size = BatchSize::new(&ability(false, 256));
        assert_eq!(sizes(&size, |_| 10_000, |_| None).last(), Some(&256));
        assert_eq!(size.too_large(256), Some(128));
        // Batches that were made before are no news.
        assert_eq!(size.too_large(256), Some(128));
        assert_eq!(size.too_large(128), Some(64));
        assert_eq!(sizes(&size, |_| 10_000, |_| None), [64]);
        assert_eq!(size.too_large(3), Some(1));
        assert_eq!(size.too_large(1), None);
    }

    #[test]
    fn partial_batches_say_nothing() {
        let size = BatchSize::new(&ability(false, 256));
        for _ in 0..10 {
            size.ran(3, Duration::from_micros(1), || None);
        }
        assert_eq!(size.now(), 4);
    }

    #[test]
    fn the_tensors_of_a_batch_are_bounded_in_bytes() {
        let bytes = |side: usize| 3 * side * side * 4;
        assert_eq!([224, 384, 512].map(|side| Ability::most_of(bytes(side))), [128, 64, 32]);
        assert_eq!((Ability::most_of(1), Ability::most_of(usize::MAX)), (MOST, BATCH));
    }
}
