//! Third stage: the bytes of a file → a tensor, or the reason why not.

use imgsearch_index::Fingerprint;
use ndarray::Array3;

use super::in_flight::Waiting;
use super::pipeline::{Done, Passed, Run};
use super::read::Content;
use super::{IngestError, Outcome};
use crate::budget::Budget;
use crate::decode::{self, DecodeError, Worker};
use crate::model::Preprocess;
use crate::photo::{Details, Skip, SkipKind};

/// A picture ready for the image tower, and how it is stored afterwards.
pub(super) struct Ready {
    pub(super) done: Done,
    pub(super) tensor: Array3<f32>,
}

/// What turning bytes into tensors takes, shared by all threads that do.
pub(super) struct Loader<'a> {
    run: &'a Run<'a>,
    preprocess: Preprocess,
    /// What all pictures that are being decoded may take together, whatever the number of cores.
    memory: Budget,
}

impl<'a> Loader<'a> {
    pub(super) fn new(run: &'a Run<'a>) -> Loader<'a> {
        let memory = Budget::new(run.plan.limits.shared_memory());
        Loader { run, preprocess: run.model.preprocess(), memory }
    }

    pub(super) fn load(
        &self,
        content: Content<'_>,
        worker: &mut Worker,
    ) -> Result<Passed<Ready>, IngestError> {
        let Content { file, fingerprint, bytes, share } = content;
        let detail = self.preprocess.detail();
        let memory = self.memory.take(decode::memory(&bytes, detail));
        let decoded = worker.decode(bytes, detail).map_err(|error| IngestError::Thread { error })?;
        drop(share);
        let picture = match decoded {
            Ok(picture) => picture,
            Err(DecodeError::TooSlow { seconds }) if worker.is_stuck() => {
                return Err(IngestError::Stuck { path: file.job.path, seconds });
            }
            Err(error) => return Ok(self.refused(file, fingerprint, error)),
        };
        let details = Details::of(&picture, &file.stamp);
        let tensor = self.preprocess.tensor(&picture);
        drop((picture, memory));
        let done = Done::with_vector(file, fingerprint, Some(details), None, Outcome::Embedded);
        Ok(Passed::On(Ready { done, tensor }))
    }

    /// Leaves out this file and all that wait for its content.
    fn refused(&self, file: Waiting, fingerprint: Fingerprint, error: DecodeError) -> Passed<Ready> {
        let skip = Skip::from(error);
        let files = std::iter::once(file).chain(self.run.in_flight.settle(&fingerprint));
        Passed::Done(files.map(|file| Done::skipped(file, skip.clone(), Some(fingerprint))).collect())
    }
}

impl From<DecodeError> for Skip {
    fn from(error: DecodeError) -> Skip {
        match error {
            DecodeError::Empty => Skip::new(SkipKind::Empty, ""),
            DecodeError::NotAnImage => Skip::new(SkipKind::NotAnImage, ""),
            DecodeError::Unsupported { format } => Skip::new(SkipKind::Unsupported, format),
            DecodeError::Damaged { detail } => Skip::new(SkipKind::Damaged, detail),
            DecodeError::TooLarge { detail } => Skip::new(SkipKind::TooLarge, detail),
            DecodeError::TooSlow { seconds } => {
                Skip::new(SkipKind::TooSlow, format!("not decoded after {seconds} s"))
            }
            DecodeError::Panicked { detail } => Skip::new(SkipKind::DecoderFailed, detail),
        }
    }
}
