//! Fourth stage: tensors → vectors, in batches.
//!
//! On a CPU several threads each embed a small batch. Measured with ViT-B/32 on two cores, two batches take 114 CPU ms a
//! photo, and one on two threads 127.
//!
//! A GPU runs one batch at a time. While it does, the next batch waits ready for it, and a third one is being put together,
//! so that it waits only if pictures are decoded too slowly:
//!
//! ```text
//! tensors ──→ being put together ──→ ready ──→ on the device ──→ done
//!              (one thread each, three in turn)
//! ```

use std::sync::atomic::Ordering;
use std::sync::{Mutex, PoisonError, Weak};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use imgsearch_index::Vector;
use ndarray::Array3;

use super::busy::Clocks;
use super::file::{Decoded, Done};
use super::halt::Halt;
use super::load::Ready;
use super::pipeline::join;
use super::{IngestError, Outcome};
use crate::decode::contained;
use crate::model::{BATCH, BatchSize, Encode, Encoded, ModelError};
use crate::photo::{Skip, SkipKind};

/// Batches side by side on a CPU unless it is said otherwise: each takes memory for what it computes.
const MOST_BATCHES: usize = 8;
/// Batches at a time for a device that runs only one of them: one runs, one is ready, one is being put together.
const BATCHES_IN_TURN: usize = 3;
/// A batch that does not fill up in this time is embedded as it is: half of what [`super::store`] waits at most, so
/// that a slow disk does not keep finished work from being stored.
const BATCH_WITHIN: Duration = Duration::from_millis(500);

/// The stage's settings, and where its results go.
pub(super) struct Embedding<'a> {
    pub(super) halt: &'a Halt<'a>,
    pub(super) clocks: &'a Clocks,
    /// Threads for the image tower on a CPU.
    pub(super) threads: usize,
    /// Batches side by side on a CPU; `None` for the usual number.
    pub(super) batches: Option<usize>,
    pub(super) done: Sender<Done>,
}

impl Embedding<'_> {
    /// Embeds pictures until no more come. `load` loads the image tower for a number of threads, when the first picture comes.
    pub(super) fn run(
        self,
        pictures: &Pictures<Ready>,
        load: impl FnOnce(usize) -> Result<Box<dyn Encode>, IngestError>,
    ) -> Result<(), IngestError> {
        let side_by_side = self.batches.unwrap_or(self.threads.min(MOST_BATCHES));
        let Some(first) = pictures.next_batch(BATCH, side_by_side) else { return Ok(()) };
        let encoder = self.clocks.embedding.time(|| load((self.threads / side_by_side).max(1)))?;
        let ability = encoder.ability();
        let threads = if ability.is_parallel { side_by_side } else { BATCHES_IN_TURN };
        self.clocks.embedding.set_threads(if ability.is_parallel { side_by_side } else { 1 });
        let lanes = Lanes {
            embedding: &self,
            encoder: &*encoder,
            is_parallel: ability.is_parallel,
            size: BatchSize::new(&ability),
            pictures,
            side_by_side: if ability.is_parallel { side_by_side } else { 1 },
            in_turn: Mutex::new(()),
        };
        let ended = std::thread::scope(|scope| {
            let start = |_| scope.spawn(|| self.halt.ended(lanes.embed(None)));
            let others: Vec<_> = (1..threads).map(start).collect();
            let ended = self.halt.ended(lanes.embed(Some(first)));
            others.into_iter().map(join).chain([ended]).collect()
        });
        self.clocks.batch.store(lanes.size.now(), Ordering::Relaxed);
        ended
    }
}

/// What the threads of this stage share.
struct Lanes<'a> {
    embedding: &'a Embedding<'a>,
    encoder: &'a dyn Encode,
    is_parallel: bool,
    size: BatchSize,
    pictures: &'a Pictures<Ready>,
    /// Among how many threads the last pictures are shared.
    side_by_side: usize,
    /// Locked while a batch is put together for a device that runs one at a time: two threads at it would each get half of
    /// the pictures, and both would be late.
    in_turn: Mutex<()>,
}

impl Lanes<'_> {
    /// Embeds one batch after the other, `first` before any other.
    fn embed(&self, first: Option<Vec<Ready>>) -> Result<(), IngestError> {
        let mut next = first.or_else(|| self.next_batch());
        while let Some(batch) = next {
            if self.embedding.halt.should_stop() || !self.embed_batch(batch)? {
                break;
            }
            next = self.next_batch();
        }
        Ok(())
    }

    fn next_batch(&self) -> Option<Vec<Ready>> {
        // The lock guards no data, so it is safe to continue after a panic.
        let turn = (!self.is_parallel).then(|| self.in_turn.lock().unwrap_or_else(PoisonError::into_inner));
        let batch = self.pictures.next_batch(self.size.now(), self.side_by_side);
        drop(turn);
        batch
    }

    /// Embeds a batch, in smaller ones if the device has too little memory for it, and passes each on as soon as it is done.
    /// Returns false if nobody takes them any more.
    fn embed_batch(&self, batch: Vec<Ready>) -> Result<bool, IngestError> {
        let (files, tensors): (Vec<Decoded>, Vec<_>) =
            batch.into_iter().map(|ready| (ready.file, ready.tensor)).unzip();
        let (mut files, mut rest) = (files.into_iter(), tensors.as_slice());
        let mut at_once = rest.len();
        while !rest.is_empty() {
            let (now, later) = rest.split_at(at_once.min(rest.len()));
            let vectors = match self.vectors(now) {
                Err(ModelError::OutOfMemory { .. }) if now.len() > 1 => {
                    let smaller = self.size.too_large(now.len()).unwrap_or(1);
                    at_once = smaller.min(now.len() / 2).max(1);
                    continue;
                }
                vectors => vectors?,
            };
            // The vectors come first: their end must not cost a file.
            for (vector, file) in vectors.into_iter().zip(files.by_ref()) {
                let file = match vector {
                    Ok(vector) => file.done(vector, Vec::new(), Outcome::Embedded),
                    Err(skip) => file.refused(skip),
                };
                if self.embedding.done.send(file).is_err() {
                    return Ok(false);
                }
            }
            rest = later;
        }
        Ok(true)
    }

    /// For each tensor its vector, or why it has none. After a panic they are tried one by one, so that only those that
    /// cause it have none.
    fn vectors(&self, tensors: &[Array3<f32>]) -> Result<Vec<Result<Vector, Skip>>, ModelError> {
        match contained(|| self.encoder.encode_batch(tensors)) {
            Ok(encoded) => {
                let Encoded { vectors, took } = encoded?;
                self.embedding.clocks.embedding.add(took);
                self.size.ran(tensors.len(), took, || self.encoder.free_memory());
                let why =
                    |error| Skip::new(SkipKind::NotStored, format!("the model made no vector: {error}"));
                Ok(vectors.into_iter().map(|vector| vector.map_err(why)).collect())
            }
            Err(said) if tensors.len() <= 1 => {
                Ok(vec![Err(Skip::new(SkipKind::NotStored, format!("the model failed: {said}")))])
            }
            Err(_) => {
                let one_by_one = tensors.chunks(1).map(|tensor| self.vectors(tensor));
                Ok(one_by_one.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
            }
        }
    }
}

/// The pictures that come to be embedded.
pub(super) struct Pictures<T> {
    pub(super) ready: Receiver<T>,
    /// Held by whoever may still send some.
    pub(super) senders: Weak<()>,
}

impl<T> Pictures<T> {
    /// Up to `most` pictures, fewer when no more come in time; `None` at the end.
    ///
    /// What is left at the end is shared among `batches` threads, so that none waits for another's last batch.
    fn next_batch(&self, most: usize, batches: usize) -> Option<Vec<T>> {
        let mut batch = vec![self.ready.recv().ok()?];
        let deadline = Instant::now() + BATCH_WITHIN;
        while batch.len() < most {
            let is_end = self.senders.strong_count() == 0;
            if is_end && batch.len() >= (batch.len() + self.ready.len()).div_ceil(batches) {
                break;
            }
            let Ok(next) = self.ready.recv_deadline(deadline) else { break };
            batch.push(next);
        }
        Some(batch)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use crossbeam_channel::unbounded;

    use super::*;

    #[test]
    fn what_is_left_at_the_end_is_shared() {
        #[track_caller]
        fn check(left: usize, batches: usize, expected: &[usize]) {
            let ((sender, ready), decoding) = (unbounded(), Arc::new(()));
            let pictures = Pictures { ready, senders: Arc::downgrade(&decoding) };
            (0..BATCH + left).for_each(|picture| sender.send(picture).unwrap());
            assert_eq!(pictures.next_batch(BATCH, batches).unwrap().len(), BATCH, "before the end");
            drop((sender, decoding));
            let lengths: Vec<_> =
                std::iter::from_fn(|| pictures.next_batch(BATCH, batches)).map(|b| b.len()).collect();
            assert_eq!(lengths, expected, "{left} pictures, {batches} batches");
        }
        check(6, 1, &[4, 2]);
        check(6, 2, &[3, 2, 1]);
        check(11, 2, &[4, 4, 2, 1]);
        check(2, 8, &[1, 1]);
        check(0, 2, &[]);
    }
}
