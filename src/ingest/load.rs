//! Third stage: the bytes of a file → a tensor, or the reason why not.

use imgsearch_index::Fingerprint;
use ndarray::Array3;

use super::file::{Decoded, Done, left_out};
use super::known::Known;
use super::pipeline::{Passed, Run};
use super::read::Content;
use super::{IngestError, Outcome};
use crate::budget::Budget;
use crate::decode::{self, DecodeError, Decoder, Picture, Waited};
use crate::library::{StoreError, Thumbnails};
use crate::model::Preprocess;
use crate::photo::{Details, Id, Skip, SkipKind, Text};
use crate::thumbnail::{self, jpeg};

/// A picture ready for the image tower, and the file it is of.
pub(super) struct Ready {
    pub(super) file: Decoded,
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

    /// Decodes a file. Where the library has a vector of the same pixels, the file keeps it and only what is known of
    /// it is new.
    pub(super) fn load(
        &self,
        content: Content<'_>,
        decoder: &mut Decoder,
    ) -> Result<Passed<Ready>, IngestError> {
        let Content { job, fingerprint, known, bytes, share } = content;
        let detail = self.preprocess.detail();
        let memory = self.memory.take(decode::memory(&bytes, detail));
        let waited = decoder.ask((bytes, detail), &|| self.run.should_stop());
        drop(share);
        let seconds = decoder.max_time().as_secs();
        let decoded = match waited.map_err(|error| IngestError::Thread { error })? {
            Waited::Done(decoded) => decoded,
            Waited::Panicked(detail) => Err(DecodeError::Panicked { detail }),
            Waited::Stopped => return Ok(Passed::Nothing),
            Waited::TooSlow if decoder.is_stuck() => {
                return Err(IngestError::Stuck { path: job.path, seconds });
            }
            Waited::TooSlow => Err(DecodeError::TooSlow { seconds }),
        };
        let picture = match decoded {
            Ok(picture) => picture,
            Err(error) => {
                let may_pass = may_pass(&error);
                let skip = Skip::from(error);
                let files = match known.filter(|_| may_pass) {
                    Some(known) => vec![Done::kept(job, fingerprint, known, skip)],
                    None => left_out(&self.run.in_flight, job, Some(fingerprint), &skip),
                };
                return Ok(Passed::Done(files));
            }
        };
        self.keep_thumbnail(Id(fingerprint), &picture);
        let (content, details) = (fingerprint, Details::of(&picture, &job.stamp));
        let same = known.filter(|known| known.photo.has_pixels_of(&details));
        let text = match same.as_ref().and_then(|known| known.photo.text.clone()) {
            None => self.text_before(&content)?,
            text => text,
        };
        let file = Decoded { job, content, details, steps: self.run.plan.steps.clone(), text };
        if let Some(Known { vector, parts, .. }) = same {
            let outcome = file.job.outcome(content, Outcome::Reread);
            return Ok(Passed::Done(vec![file.done(vector, parts, outcome)]));
        }
        let tensor = self.preprocess.tensor(&picture);
        drop((picture, memory));
        Ok(Passed::On(Ready { file, tensor }))
    }

    /// Keeps the thumbnail, unless there is one. One that cannot be kept is made when it is needed.
    fn keep_thumbnail(&self, id: Id, picture: &Picture) {
        if let Some(thumbnails) = &self.run.plan.thumbnails
            && !thumbnails.has(id)
            && let Some(small) = thumbnail::of(picture, Thumbnails::SIDE)
        {
            _ = thumbnails.keep(id, &jpeg(&small));
        }
    }
}

impl Loader<'_> {
    /// The text of a content in the index that this run replaces.
    fn text_before(&self, content: &Fingerprint) -> Result<Option<Text>, StoreError> {
        let Some(old) = self.run.replaces else { return Ok(None) };
        let found = old.of_content(content, 1)?;
        Ok(found.into_iter().find_map(|stored| stored.photo?.text))
    }
}

/// Whether the reason may lie in this machine (a missing libheif, a busy hour, a decoder's bug) and not in the file.
fn may_pass(error: &DecodeError) -> bool {
    match error {
        DecodeError::Unsupported { .. } | DecodeError::TooSlow { .. } | DecodeError::Panicked { .. } => true,
        DecodeError::Empty
        | DecodeError::NotAnImage
        | DecodeError::Damaged { .. }
        | DecodeError::TooLarge { .. } => false,
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
