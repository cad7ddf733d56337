//! Fourth stage: tensors → vectors, in batches.

use std::sync::Weak;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};
use imgsearch_index::Vector;
use ndarray::Array3;

use super::file::{Decoded, Done};
use super::load::Ready;
use super::pipeline::{Run, join};
use super::{Event, IngestError, Outcome};
use crate::decode::contained;
use crate::model::{BATCH, ImageEncoder};
use crate::photo::{Skip, SkipKind};

/// Batches side by side unless it is said otherwise: each takes memory for what it computes.
const MOST_BATCHES: usize = 8;
/// A batch that does not fill up in this time is embedded as it is: half of what [`super::store`] waits at most, so
/// that a slow disk does not keep finished work from being stored.
const BATCH_WITHIN: Duration = Duration::from_millis(500);

/// Embeds pictures until no more come. The image tower is loaded when the first one comes.
///
/// It runs on several batches side by side, as many as there are threads: on a CPU a batch alone on a thread waits for
/// no other thread, and on another device tensors are put together while another batch is computed. Measured with ViT-B/32 on two cores, two batches take 114 CPU ms a photo, and one on two threads 127.
pub(super) fn embed(
    run: &Run<'_>,
    pictures: &Pictures<Ready>,
    done: &Sender<Done>,
) -> Result<(), IngestError> {
    let threads = run.plan.threads;
    let batches = run.plan.batches.unwrap_or(threads.min(MOST_BATCHES));
    let Some(first) = pictures.next_batch(batches) else { return Ok(()) };
    let encoder = run.model.image_encoder_on((threads / batches).max(1))?;
    run.reporter.report(Event::ModelLoaded(encoder.device()));
    let rest = || std::iter::from_fn(|| pictures.next_batch(batches));
    std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| run.ended(encode(run, &encoder, rest(), done)));
        let others: Vec<_> = (1..batches).map(start).collect();
        let ended = run.ended(encode(run, &encoder, std::iter::once(first).chain(rest()), done));
        others.into_iter().map(join).chain([ended]).collect()
    })
}

fn encode(
    run: &Run<'_>,
    encoder: &ImageEncoder,
    batches: impl Iterator<Item = Vec<Ready>>,
    done: &Sender<Done>,
) -> Result<(), IngestError> {
    for batch in batches {
        if run.should_stop() {
            break;
        }
        let (files, tensors): (Vec<Decoded>, Vec<_>) =
            batch.into_iter().map(|ready| (ready.file, ready.tensor)).unzip();
        let vectors = vectors(encoder, &tensors)?;
        for (file, vector) in files.into_iter().zip(vectors) {
            let file = match vector {
                Ok(vector) => file.done(vector, Vec::new(), Outcome::Embedded),
                Err(skip) => file.refused(skip),
            };
            if done.send(file).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// For each tensor its vector, or why it has none. After a panic they are tried one by one, so that only those that
/// cause it have none.
fn vectors(
    encoder: &ImageEncoder,
    tensors: &[Array3<f32>],
) -> Result<Vec<Result<Vector, Skip>>, IngestError> {
    match contained(|| encoder.encode_each(tensors)) {
        Ok(vectors) => {
            let why = |error| Skip::new(SkipKind::NotStored, format!("the model made no vector: {error}"));
            Ok(vectors?.into_iter().map(|vector| vector.map_err(why)).collect())
        }
        Err(said) if tensors.len() <= 1 => {
            Ok(vec![Err(Skip::new(SkipKind::NotStored, format!("the model failed: {said}")))])
        }
        Err(_) => {
            let one_by_one = tensors.chunks(1).map(|tensor| vectors(encoder, tensor));
            Ok(one_by_one.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
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
    /// Up to [`BATCH`] pictures, fewer when no more come in time; `None` at the end.
    ///
    /// What is left at the end is shared among `batches` threads, so that none waits for another's last batch.
    fn next_batch(&self, batches: usize) -> Option<Vec<T>> {
        let mut batch = vec![self.ready.recv().ok()?];
        let deadline = Instant::now() + BATCH_WITHIN;
        while batch.len() < BATCH {
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
            assert_eq!(pictures.next_batch(batches).unwrap().len(), BATCH, "before the end");
            drop((sender, decoding));
            let lengths: Vec<_> =
                std::iter::from_fn(|| pictures.next_batch(batches)).map(|b| b.len()).collect();
            assert_eq!(lengths, expected, "{left} pictures, {batches} batches");
        }
        check(6, 1, &[4, 2]);
        check(6, 2, &[3, 2, 1]);
        check(11, 2, &[4, 4, 2, 1]);
        check(2, 8, &[1, 1]);
        check(0, 2, &[]);
    }
}
