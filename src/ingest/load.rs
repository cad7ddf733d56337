//! Second stage: a file → a tensor, or the reason why not, or the vector its content already has.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use imgsearch_index::{Fingerprint, Record, Vector, Writer};

use super::in_flight::{InFlight, Waiting};
use super::{Done, IngestError, Job, Outcome, Ready};
use crate::decode::{DecodeError, Limits, decode, pixels};
use crate::model::Preprocess;
use crate::photo::{Details, Photo, Skip, SkipKind, Stamp, fingerprint};

/// Pictures above this size are decoded one at a time, whatever the number of threads, so that the memory a run takes
/// does not grow with the number of cores. No phone or camera of today makes them in ordinary use.
const LARGE_PIXELS: u64 = 64 << 20;

pub(super) enum Loaded {
    /// A picture to embed.
    Ready(Box<Ready>),
    /// Files that need no embedding: this one, and those that waited for it.
    Done(Vec<Done>),
    /// Another file of the same content is being embedded; this one waits for it.
    Waits,
    /// The file was deleted after the walk passed it.
    Vanished,
}

/// What turning files into tensors takes, shared by all decode threads.
pub(super) struct Loader<'a> {
    pub(super) writer: &'a Writer,
    pub(super) preprocess: Preprocess,
    pub(super) limits: Limits,
    pub(super) in_flight: &'a InFlight,
    pub(super) large: Mutex<()>,
}

impl Loader<'_> {
    pub(super) fn load(&self, job: Job) -> Result<Loaded, IngestError> {
        let (stamp, bytes) = match read(&job.path, &self.limits) {
            Ok(Content::Bytes(stamp, bytes)) => (stamp, bytes),
            Ok(Content::TooLarge(stamp)) => {
                let detail = format!("{} bytes, at most {} are read", stamp.size, self.limits.max_bytes);
                return Ok(refused(Waiting { job, stamp }, Skip::new(SkipKind::TooLarge, detail)));
            }
            Err(error) => return Ok(unreadable(job, &error)),
        };
        let content = fingerprint(&bytes);
        // A file that changed in place is embedded even if its content is known: touching a file is how a person
        // asks for that.
        if !job.is_update
            && let Some((record, vector)) = self.writer.record_of(&content)?
        {
            return Ok(Loaded::Done(vec![copy(Waiting { job, stamp }, &record, vector)]));
        }
        let Some(file) = self.in_flight.claim(content, Waiting { job, stamp }) else {
            return Ok(Loaded::Waits);
        };
        Ok(self.decode(file, content, &bytes))
    }

    fn decode(&self, file: Waiting, content: Fingerprint, bytes: &[u8]) -> Loaded {
        let is_large = pixels(bytes).is_some_and(|pixels| pixels > LARGE_PIXELS);
        let _turn = is_large.then(|| self.large.lock().unwrap_or_else(PoisonError::into_inner));
        let picture = match decode(bytes, &self.limits, self.preprocess.detail()) {
            Ok(picture) => picture,
            Err(error) => {
                let skip = Skip::from(error);
                let files = std::iter::once(file).chain(self.in_flight.settle(&content));
                return Loaded::Done(
                    files.map(|file| Done::skipped(file, skip.clone(), Some(content))).collect(),
                );
            }
        };
        let details = Details::of(&picture, &file.stamp);
        let tensor = self.preprocess.tensor(&picture);
        let done = entry(file, content, Some(details), None, Outcome::Embedded);
        Loaded::Ready(Box::new(Ready { done, tensor }))
    }
}

/// A file whose content has a record and a vector already.
pub(super) fn copy(file: Waiting, known: &Record, vector: Vector) -> Done {
    let details = Photo::decode(&known.payload).and_then(|photo| photo.details);
    let details = details.map(|details| details.in_file(&file.stamp));
    entry(file, known.fingerprint, details, Some(vector), Outcome::Copied)
}

/// A file that has a vector, or gets one before it is stored.
fn entry(
    file: Waiting,
    content: impl Into<Option<Fingerprint>>,
    details: Option<Details>,
    vector: Option<Vector>,
    outcome: Outcome,
) -> Done {
    let Waiting { job: Job { path, key, disk, .. }, stamp } = file;
    let payload = Photo { stamp, skip: None, disk, details }.encode();
    let record = Record { fingerprint: content.into(), payload };
    Done { path, key, outcome, entry: Some((record, vector)) }
}

fn refused(file: Waiting, skip: Skip) -> Loaded {
    Loaded::Done(vec![Done::skipped(file, skip, None)])
}

enum Content {
    Bytes(Stamp, Vec<u8>),
    TooLarge(Stamp),
}

/// Reads a file. The stamp is taken from the open file before its content, so that a change in between makes the
/// file look changed next time.
fn read(path: &Path, limits: &Limits) -> io::Result<Content> {
    let file = File::open(path)?;
    let stamp = Stamp::of(&file.metadata()?);
    if stamp.size > limits.max_bytes {
        return Ok(Content::TooLarge(stamp));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or_default());
    file.take(limits.max_bytes).read_to_end(&mut bytes)?;
    Ok(Content::Bytes(stamp, bytes))
}

/// A new file that we may not read is remembered until its permissions change. Any other trouble (a disk or network
/// that failed) may pass, and an embedding we have is better than none: then nothing is stored, and the file is tried
/// again in the next run.
fn unreadable(job: Job, error: &io::Error) -> Loaded {
    if error.kind() == io::ErrorKind::NotFound {
        return Loaded::Vanished;
    }
    let skip = Skip::new(SkipKind::Unreadable, error.to_string());
    match job.path.metadata() {
        Ok(metadata) if error.kind() == io::ErrorKind::PermissionDenied && !job.is_update => {
            refused(Waiting { job, stamp: Stamp::of(&metadata) }, skip)
        }
        _ => {
            let Job { path, key, .. } = job;
            Loaded::Done(vec![Done { path, key, outcome: Outcome::Skipped(skip), entry: None }])
        }
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
            DecodeError::Panicked { detail } => Skip::new(SkipKind::DecoderFailed, detail),
        }
    }
}
