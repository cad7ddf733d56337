//! Fourth stage: tensors → vectors, in batches.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::load::Ready;
use super::pipeline::{Done, Run, join};
use super::{Event, IngestError};
use crate::model::ImageEncoder;

/// Photos embedded at once. Measured with ViT-B/32 on one CPU core: 125 ms a photo alone, 119 by twos and 116 by fours;
/// 40 and 38 with weights of 8 bits. Twos would take 30 MB less, and be a waste of a GPU.
pub(super) const BATCH: usize = 4;
/// Batches side by side unless it is said otherwise: each takes memory for what it computes.
const MOST_BATCHES: usize = 8;
/// A batch that does not fill up in this time is embedded as it is: half of what [`super::store`] waits at most, so
/// that a slow disk does not keep finished work from being stored.
const BATCH_WITHIN: Duration = Duration::from_millis(500);

/// Embeds pictures until no more come. The image tower is loaded when the first one comes.
///
/// On a CPU it runs on several batches side by side, as many as there are threads: a batch alone on a thread waits for
/// no other thread. Measured with ViT-B/32 on two cores, two batches take 114 CPU ms a photo, and one on two threads 127.
pub(super) fn embed(run: &Run<'_>, ready: &Receiver<Ready>, done: &Sender<Done>) -> Result<(), IngestError> {
    let Some(first) = next_batch(ready) else { return Ok(()) };
    let threads = run.plan.threads;
    let batches = run.plan.batches.unwrap_or(threads.min(MOST_BATCHES));
    let encoder = run.model.image_encoder_on((threads / batches).max(1))?;
    run.reporter.report(Event::ModelLoaded(encoder.device()));
    std::thread::scope(|scope| {
        let others = (1..batches)
            .map_while(|_| encoder.share())
            .map(|encoder| scope.spawn(|| run.ended(encode(run, encoder, None, ready, done))));
        let others: Vec<_> = others.collect();
        let ended = run.ended(encode(run, encoder, Some(first), ready, done));
        others.into_iter().map(join).chain([ended]).collect()
    })
}

/// Embeds the batch that is there, and all that follow.
fn encode(
    run: &Run<'_>,
    mut encoder: ImageEncoder,
    first: Option<Vec<Ready>>,
    ready: &Receiver<Ready>,
    done: &Sender<Done>,
) -> Result<(), IngestError> {
    let rest = std::iter::from_fn(|| next_batch(ready));
    for batch in first.into_iter().chain(rest) {
        if run.should_stop() {
            break;
        }
        let (files, tensors): (Vec<Done>, Vec<_>) =
            batch.into_iter().map(|ready| (ready.done, ready.tensor)).unzip();
        let vectors = encoder.encode_images(&tensors)?;
        for (mut file, made) in files.into_iter().zip(vectors) {
            if let Some((_, vector)) = &mut file.entry {
                *vector = Some(made);
            }
            if done.send(file).is_err() {
                return Ok(());
            }
        }
    }
    Ok(())
}

/// Up to [`BATCH`] pictures, fewer when no more come in time; `None` at the end.
fn next_batch(ready: &Receiver<Ready>) -> Option<Vec<Ready>> {
    let mut batch = vec![ready.recv().ok()?];
    let deadline = Instant::now() + BATCH_WITHIN;
    while batch.len() < BATCH {
        let Ok(next) = ready.recv_deadline(deadline) else { break };
        batch.push(next);
    }
    Some(batch)
}
