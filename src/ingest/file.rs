//! What the stages hand on: a file to look into, and a file that is done with.

use std::path::PathBuf;

use imgsearch_index::{Fingerprint, Vector};

use super::Outcome;
use super::in_flight::InFlight;
use crate::decode::Metadata;
use crate::item::Item;
use crate::library::Write;
use crate::photo::{Details, Photo, Skip, SkipKind, Stamp};
use crate::sidecar::Sidecars;

/// A file to look into.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) disk: u64,
    /// How it looked when it was opened; until then, how it looked to the walk.
    pub(super) stamp: Stamp,
    /// Its name says nothing: it is read only if its content is a picture.
    pub(super) by_content: bool,
    /// The content of which the library has a vector under this path.
    pub(super) embedded: Option<Fingerprint>,
    /// The files beside it that say something about it.
    pub(super) sidecars: Sidecars,
    /// What they say; nothing before they were read, together with the file.
    pub(super) said_beside: Metadata,
}

impl Job {
    /// What becomes of the file when its content has a vector already, and `seen_again` if the library had that content
    /// under this path.
    pub(super) fn outcome(&self, content: Fingerprint, seen_again: Outcome) -> Outcome {
        if self.embedded == Some(content) { seen_again } else { Outcome::Copied }
    }
}

/// A file that is done with, to be stored.
pub(super) struct Done {
    pub(super) path: PathBuf,
    pub(super) outcome: Outcome,
    /// What changes in the library, if anything does.
    pub(super) change: Option<Write>,
    /// The content that other files may wait for until this one is stored.
    pub(super) claim: Option<Fingerprint>,
}

impl Done {
    /// A file left out: remembered with its reason.
    pub(super) fn skipped(job: Job, skip: Skip, content: Option<Fingerprint>) -> Done {
        let photo = Photo::skipped(job.stamp, job.disk, skip.clone());
        let is_other = skip.kind == SkipKind::OtherFile;
        let outcome = if is_other { Outcome::NotPicture } else { Outcome::Skipped(skip) };
        Done::with(job, content, photo, None, outcome)
    }

    /// A file of which the library keeps what it has.
    pub(super) fn unstored(job: Job, outcome: Outcome) -> Done {
        Done { path: job.path, outcome, change: None, claim: None }
    }

    /// A file that was decoded, and that has a vector or gets one before it is stored.
    pub(super) fn decoded(
        job: Job,
        content: Fingerprint,
        details: Details,
        vector: Option<Vector>,
        outcome: Outcome,
    ) -> Done {
        let details = details.with_sidecars(&job.sidecars, job.said_beside.clone(), &job.stamp);
        let photo = Photo::read(job.stamp, job.disk, Some(details));
        Done { claim: Some(content), ..Done::with(job, Some(content), photo, vector, outcome) }
    }

    /// A file whose content the library knows, with what it knows.
    pub(super) fn known(
        job: Job,
        content: Fingerprint,
        known: Photo,
        vector: Vector,
        seen_again: Outcome,
    ) -> Done {
        let outcome = job.outcome(content, seen_again);
        let photo = here(known, &job);
        Done::with(job, Some(content), photo, Some(vector), outcome)
    }

    /// A file that this run cannot decode, though an earlier version had a vector of the same content: the vector stays.
    pub(super) fn kept(job: Job, content: Fingerprint, known: Photo, vector: Vector, skip: Skip) -> Done {
        let photo = here(known, &job);
        Done { claim: Some(content), ..Done::in_trouble(job, content, photo, vector, skip) }
    }

    /// A file that could not be read now. The library has a photo and a vector of what it was.
    pub(super) fn in_trouble(
        job: Job,
        content: Fingerprint,
        photo: Photo,
        vector: Vector,
        skip: Skip,
    ) -> Done {
        let photo = Photo { trouble: Some(skip.clone()), ..photo };
        Done::with(job, Some(content), photo, Some(vector), Outcome::Skipped(skip))
    }

    fn with(
        job: Job,
        content: Option<Fingerprint>,
        photo: Photo,
        vector: Option<Vector>,
        outcome: Outcome,
    ) -> Done {
        let item = Item::file(job.path.as_path());
        let change = Some(Write::Put { item, content, photo, vector });
        Done { path: job.path, outcome, change, claim: None }
    }

    /// The same file with this vector.
    pub(super) fn with_vector(mut self, made: Vector) -> Done {
        if let Some(Write::Put { vector, .. }) = &mut self.change {
            *vector = Some(made);
        }
        self
    }

    /// The same file, left out because it cannot be stored as it is.
    pub(super) fn refused(mut self, skip: Skip) -> Done {
        if let Some(Write::Put { photo, vector, .. }) = &mut self.change {
            *vector = None;
            *photo = Photo::skipped(photo.stamp, photo.disk, skip.clone());
        }
        Done { outcome: Outcome::Skipped(skip), ..self }
    }

    /// What the library will know of the file, if it has a vector.
    pub(super) fn photo(&self) -> Option<(Photo, Vector)> {
        match &self.change {
            Some(Write::Put { photo, vector: Some(vector), .. }) => Some((photo.clone(), vector.clone())),
            Some(Write::Put { .. } | Write::Remove { .. }) | None => None,
        }
    }

    /// The content of the file, where it is known.
    pub(super) fn content(&self) -> Option<Fingerprint> {
        match &self.change {
            Some(Write::Put { content, .. }) => *content,
            Some(Write::Remove { .. }) | None => None,
        }
    }
}

/// What is known of a content, for the file of `job`.
fn here(known: Photo, job: &Job) -> Photo {
    let in_file = |details: Details| {
        details.in_file(&job.stamp).with_sidecars(&job.sidecars, job.said_beside.clone(), &job.stamp)
    };
    let details = known.details.map(in_file);
    Photo { decoder_version: known.decoder_version, ..Photo::read(job.stamp, job.disk, details) }
}

/// Leaves out a file, and all that wait for its content.
pub(super) fn left_out(
    in_flight: &InFlight,
    job: Job,
    content: Option<Fingerprint>,
    skip: &Skip,
) -> Vec<Done> {
    let waiting = content.map(|content| in_flight.settle(&content)).unwrap_or_default();
    std::iter::once(job).chain(waiting).map(|job| Done::skipped(job, skip.clone(), content)).collect()
}
