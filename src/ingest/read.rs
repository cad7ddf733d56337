//! Second stage: a file → its bytes, or the vector its content already has.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use imgsearch_index::Fingerprint;

use super::in_flight::Waiting;
use super::pipeline::{Done, Job, Passed, Run};
use super::{IngestError, Outcome};
use crate::budget::{Budget, Share};
use crate::photo::{self, Skip, SkipKind, Stamp};

/// Bytes of files that may be read and not decoded yet: several photos of a phone, or one file of any size.
const READ_AHEAD: u64 = 24 << 20;

/// A file that is to be embedded.
pub(super) struct Content<'a> {
    pub(super) file: Waiting,
    pub(super) fingerprint: Fingerprint,
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share<'a>,
}

/// What reading files takes, shared by all threads that do.
pub(super) struct Reader<'a> {
    run: &'a Run<'a>,
    ahead: Budget,
}

impl<'a> Reader<'a> {
    pub(super) fn new(run: &'a Run<'a>) -> Reader<'a> {
        Reader { run, ahead: Budget::new(READ_AHEAD) }
    }

    pub(super) fn read(&self, job: Job) -> Result<Passed<Content<'_>>, IngestError> {
        let (stamp, share, bytes) = match self.open(&job.path) {
            Ok(Opened::Read(stamp, share, bytes)) => (stamp, share, bytes),
            Ok(Opened::TooLarge(stamp)) => {
                let max_bytes = self.run.plan.limits.max_bytes;
                let detail = format!("{} bytes, at most {max_bytes} are read", stamp.size);
                return Ok(refused(Waiting { job, stamp }, Skip::new(SkipKind::TooLarge, detail)));
            }
            Err(error) => return Ok(unreadable(job, &error)),
        };
        let fingerprint = photo::fingerprint(&bytes);
        // A file that changed in place is embedded even if its content is known: touching a file is how a person
        // asks for that.
        if !job.is_update
            && let Some((record, vector)) = self.run.writer.record_of(&fingerprint)?
        {
            return Ok(Passed::Done(vec![Done::copied(Waiting { job, stamp }, &record, vector)]));
        }
        Ok(match self.run.in_flight.claim(fingerprint, Waiting { job, stamp }) {
            Some(file) => Passed::On(Content { file, fingerprint, bytes, share }),
            None => Passed::Waits,
        })
    }
    /// Reads a file, when there is room for it. The stamp is taken from the open file before its content, so that a
    /// change in between makes the file look changed next time.
    fn open(&self, path: &Path) -> io::Result<Opened<'_>> {
        let file = File::open(path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let max_bytes = self.run.plan.limits.max_bytes;
        if stamp.size > max_bytes {
            return Ok(Opened::TooLarge(stamp));
        }
        let share = self.ahead.take(stamp.size);
        let mut bytes = Vec::with_capacity(usize::try_from(stamp.size).unwrap_or_default());
        file.take(max_bytes).read_to_end(&mut bytes)?;
        Ok(Opened::Read(stamp, share, bytes))
    }
}

enum Opened<'a> {
    Read(Stamp, Share<'a>, Vec<u8>),
    TooLarge(Stamp),
}

fn refused(file: Waiting, skip: Skip) -> Passed<Content<'static>> {
    Passed::Done(vec![Done::skipped(file, skip, None)])
}

/// A new file that we may not read is remembered until its permissions change. Any other trouble (a disk or network
/// that failed) may pass, and an embedding we have is better than none: then nothing is stored, and the file is tried
/// again in the next run.
fn unreadable(job: Job, error: &io::Error) -> Passed<Content<'static>> {
    if error.kind() == io::ErrorKind::NotFound {
        return Passed::Vanished;
    }
    let skip = Skip::new(SkipKind::Unreadable, error.to_string());
    match job.path.metadata() {
        Ok(metadata) if error.kind() == io::ErrorKind::PermissionDenied && !job.is_update => {
            refused(Waiting { job, stamp: Stamp::of(&metadata) }, skip)
        }
        _ => {
            let Job { path, key, .. } = job;
            Passed::Done(vec![Done { path, key, outcome: Outcome::Skipped(skip), entry: None }])
        }
    }
}
