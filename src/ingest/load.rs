//! Second stage: a file → a tensor, or the reason why not, or the vector its content already has.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use imgsearch_index::{Fingerprint, Record, Vector, Writer};

use super::{Done, IngestError, Job, Outcome, Ready};
use crate::decode::{Limits, decode};
use crate::model::Preprocess;
use crate::photo::{Details, Photo, Skip, SkipKind, Stamp, path_of};

pub(super) enum Loaded {
    /// A picture to embed.
    Ready(Ready),
    /// A file that needs no embedding.
    Done(Done),
    /// The file was deleted after the walk passed it; the next run removes it.
    Vanished,
}

pub(super) fn load(
    job: Job,
    writer: &Writer,
    preprocess: &Preprocess,
    limits: &Limits,
) -> Result<Loaded, IngestError> {
    let (stamp, bytes) = match read(&job.path, limits) {
        Ok(Content::Bytes(stamp, bytes)) => (stamp, bytes),
        Ok(Content::TooLarge(stamp)) => {
            let detail = format!("{} bytes, at most {} are read", stamp.size, limits.max_bytes);
            let skip = Skip::new(SkipKind::TooLarge, detail);
            return Ok(Loaded::Done(Done::skipped(job, stamp, skip, None)));
        }
        Err(error) => return Ok(unreadable(job, &error)),
    };
    let fingerprint = fingerprint(&bytes);
    // A file that changed in place is embedded even if its content is known: touching a file is how a person asks
    // for that.
    if !job.is_update
        && let Some((vector, details, other)) = known_vector(writer, &fingerprint)?
    {
        let details = details.map(|details| details.in_file(&stamp));
        let photo = Photo { stamp, skip: None, details };
        return Ok(Loaded::Done(recognised(job, &photo, fingerprint, vector, other)));
    }
    let picture = match decode(&bytes, limits, preprocess.detail()) {
        Ok(picture) => picture,
        Err(error) => {
            return Ok(Loaded::Done(Done::skipped(job, stamp, error.into(), Some(fingerprint))));
        }
    };
    drop(bytes);
    let photo = Photo { stamp, skip: None, details: Some(Details::of(&picture, &stamp)) };
    let tensor = preprocess.tensor(&picture);
    let entry = Some((Record { fingerprint: Some(fingerprint), payload: photo.encode() }, None));
    let done = Done { path: job.path, key: job.key, outcome: Outcome::Embedded, entry, moved_from: None };
    Ok(Loaded::Ready(Ready { done, tensor }))
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

/// A file we may not read is remembered until its permissions change. Any other trouble (a disk or network that
/// failed) may pass, so the file is tried again in the next run.
fn unreadable(job: Job, error: &io::Error) -> Loaded {
    if error.kind() == io::ErrorKind::NotFound {
        return Loaded::Vanished;
    }
    let skip = Skip::new(SkipKind::Unreadable, error.to_string());
    let stamp = job.path.metadata().map(|metadata| Stamp::of(&metadata));
    match stamp {
        Ok(stamp) if error.kind() == io::ErrorKind::PermissionDenied => {
            Loaded::Done(Done::skipped(job, stamp, skip, None))
        }
        _ => {
            let Job { path, key, .. } = job;
            Loaded::Done(Done { path, key, outcome: Outcome::Skipped(skip), entry: None, moved_from: None })
        }
    }
}

/// BLAKE3, cut to 128 bits: no two different files a person owns share it, not even made on purpose.
fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    Fingerprint(short)
}

/// The vector and details of this content, and one path it is known under: one that is gone if there is one.
fn known_vector(
    writer: &Writer,
    fingerprint: &Fingerprint,
) -> Result<Option<(Vector, Option<Details>, Other)>, IngestError> {
    let keys = writer.keys_of(fingerprint)?;
    let gone = keys.iter().find(|key| is_gone(&path_of(key.as_bytes())));
    let Some(key) = gone.or(keys.first()) else { return Ok(None) };
    let Some(vector) = writer.vector(key)? else { return Ok(None) };
    let details = writer.get(key)?.and_then(|record| Photo::decode(&record.payload)?.details);
    let other = if gone.is_some() { Other::Gone(key.clone()) } else { Other::Exists };
    Ok(Some((vector, details, other)))
}

/// Where else the content is known.
enum Other {
    Exists,
    Gone(imgsearch_index::Key),
}

fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn recognised(job: Job, photo: &Photo, fingerprint: Fingerprint, vector: Vector, other: Other) -> Done {
    let entry = Some((Record { fingerprint: Some(fingerprint), payload: photo.encode() }, Some(vector)));
    let (outcome, moved_from) = match other {
        Other::Exists => (Outcome::Copied, None),
        Other::Gone(key) => (Outcome::Moved, Some(key)),
    };
    Done { path: job.path, key: job.key, outcome, entry, moved_from }
}
