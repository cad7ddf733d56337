//! Fourth stage: tensors → vectors, in batches.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender};

use super::load::Ready;
use super::pipeline::{Done, Run, join};
use super::{Event, IngestError};
use crate::model::{Device, ImageEncoder};

/// Photos embedded at once. Measured with ViT-B/32 on two CPU cores, 4 take as long a photo as 8 and a good deal less
/// memory: 446 against 673 MB at the peak with weights of 32 bits, 352 against 408 MB with two towers of 8 bits.
pub(super) const BATCH: usize = 4;
/// A batch that does not fill up in this time is embedded as it is: half of what [`super::store`] waits at most, so
/// that a slow disk does not keep finished work from being stored.
const BATCH_WITHIN: Duration = Duration::from_millis(500);

/// Embeds pictures until no more come. The image tower is loaded when the first one comes; the others that are to run
/// beside it follow when there is something for them, too.
pub(super) fn embed(run: &Run<'_>, ready: &Receiver<Ready>, done: &Sender<Done>) -> Result<(), IngestError> {
    let Some(batch) = next_batch(ready) else { return Ok(()) };
    let sessions = run.plan.sessions.unwrap_or_else(|| run.model.image_sessions());
    let threads = (run.plan.threads / sessions).max(1);
    let encoder = run.model.image_encoder_on(threads)?;
    run.reporter.report(Event::ModelLoaded(encoder.device()));
    // A GPU is kept busy by one.
    let others = if encoder.device() == Device::Cpu { sessions - 1 } else { 0 };
    let other = || match next_batch(ready) {
        Some(batch) => encode(run, run.model.image_encoder_on(threads)?, batch, ready, done),
        None => Ok(()),
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (0..others).map(|_| scope.spawn(|| run.ended(other()))).collect();
        let ended = run.ended(encode(run, encoder, batch, ready, done));
        others.into_iter().map(join).chain([ended]).collect()
    })
}

/// Embeds a batch, and all that follow.
fn encode(
    run: &Run<'_>,
    mut encoder: ImageEncoder,
    first: Vec<Ready>,
    ready: &Receiver<Ready>,
    done: &Sender<Done>,
) -> Result<(), IngestError> {
    let rest = std::iter::from_fn(|| next_batch(ready));
    for batch in std::iter::once(first).chain(rest) {
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
