//! What the stages hand on: a file to look into, and a file that is done with.

use std::path::PathBuf;

use imgsearch_index::{Fingerprint, Vector};

use super::Outcome;
use super::in_flight::InFlight;
use super::known::{Embedded, Known};
use crate::decode::Metadata;
use crate::item::{Item, Part};
use crate::library::Write;
use crate::photo::{Details, Photo, Skip, SkipKind, Stamp, Step, Text};
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
    pub(super) job: Job,
    /// Its content, where that is known.
    pub(super) content: Option<Fingerprint>,
    pub(super) outcome: Outcome,
    /// What changes in the library: one record for the file, and one for each of its parts behind it.
    pub(super) writes: Vec<Write>,
    /// Whether other files may wait for the content until this one is stored.
    has_claim: bool,
}

/// A file that was decoded, before it has a vector.
pub(super) struct Decoded {
    pub(super) job: Job,
    pub(super) content: Fingerprint,
    pub(super) details: Details,
    /// What its content has had.
    pub(super) steps: Vec<Step>,
    /// The text that was read in this content earlier.
    pub(super) text: Option<Text>,
}

impl Decoded {
    /// The file with its vector and with the parts that it has.
    pub(super) fn done(self, vector: Vector, parts: Vec<(Part, Embedded)>, outcome: Outcome) -> Done {
        let Decoded { job, content, details, steps, text } = self;
        let details = details.with_sidecars(&job.sidecars, job.said_beside.clone(), &job.stamp);
        let photo = Photo { steps, text, ..Photo::read(job.stamp, job.disk, Some(details)) };
        Done { has_claim: true, ..Done::with(job, content, Known { photo, vector, parts }, outcome) }
    }

    /// The file, left out because it has no vector.
    pub(super) fn refused(self, skip: Skip) -> Done {
        Done { has_claim: true, ..Done::skipped(self.job, skip, Some(self.content)) }
    }
}

impl Done {
    /// A file left out: remembered with its reason.
    pub(super) fn skipped(job: Job, skip: Skip, content: Option<Fingerprint>) -> Done {
        let photo = Photo::skipped(job.stamp, job.disk, skip.clone());
        let is_other = skip.kind == SkipKind::OtherFile;
        let outcome = if is_other { Outcome::NotPicture } else { Outcome::Skipped(skip) };
        let item = Item::file(job.path.as_path());
        let writes = vec![Write::Put { item, content, photo, vector: None }];
        Done { job, content, outcome, writes, has_claim: false }
    }

    /// A file of which the library keeps what it has.
    pub(super) fn unstored(job: Job, outcome: Outcome) -> Done {
        Done { job, content: None, outcome, writes: Vec::new(), has_claim: false }
    }

    /// A file whose content the library knows, with what it knows.
    pub(super) fn known(job: Job, content: Fingerprint, known: Known, seen_again: Outcome) -> Done {
        let outcome = job.outcome(content, seen_again);
        let known = here(known, &job);
        Done::with(job, content, known, outcome)
    }

    /// A file that this run cannot decode, though an earlier version had a vector of the same content: the vector stays.
    pub(super) fn kept(job: Job, content: Fingerprint, known: Known, skip: Skip) -> Done {
        let known = here(known, &job);
        Done { has_claim: true, ..Done::in_trouble(job, content, known, skip) }
    }

    /// A file that could not be read now. The library has a photo and a vector of what it was.
    pub(super) fn in_trouble(job: Job, content: Fingerprint, known: Known, skip: Skip) -> Done {
        let photo = Photo { trouble: Some(skip.clone()), ..known.photo };
        Done::with(job, content, Known { photo, ..known }, Outcome::Skipped(skip))
    }

    fn with(job: Job, content: Fingerprint, known: Known, outcome: Outcome) -> Done {
        let Known { photo, vector, parts } = known;
        let put = |part, (photo, vector)| Write::Put {
            item: Item { path: job.path.clone(), part },
            content: Some(content),
            photo,
            vector: Some(vector),
        };
        let parts = parts.into_iter().map(|(part, embedded)| put(Some(part), embedded));
        let writes = std::iter::once(put(None, (photo, vector))).chain(parts).collect();
        Done { job, content: Some(content), outcome, writes, has_claim: false }
    }

    /// The same file, left out because it cannot be stored as it is.
    pub(super) fn refused(self, skip: Skip) -> Done {
        Done { has_claim: self.has_claim, ..Done::skipped(self.job, skip, self.content) }
    }

    /// The content that other files may wait for until this one is stored.
    pub(super) fn claim(&self) -> Option<Fingerprint> {
        self.content.filter(|_| self.has_claim)
    }
}

/// What is known of a content, for the file of `job`.
fn here(known: Known, job: &Job) -> Known {
    let here = |photo: Photo| {
        let in_file = |details: Details| {
            details.in_file(&job.stamp).with_sidecars(&job.sidecars, job.said_beside.clone(), &job.stamp)
        };
        let details = photo.details.map(in_file);
        let Photo { decoder_version, steps, text, .. } = photo;
        Photo { decoder_version, steps, text, ..Photo::read(job.stamp, job.disk, details) }
    };
    let parts =
        known.parts.into_iter().map(|(part, (photo, vector))| (part, (here(photo), vector))).collect();
    Known { photo: here(known.photo), vector: known.vector, parts }
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
