//! Second stage: a file → its bytes, or the vector its content already has.
//!
//! Each file is opened and read on a thread that can be left behind, because a disk that does not answer would
//! otherwise hold up the run for good.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use imgsearch_index::Fingerprint;

use super::file::{Done, Job};
use super::known::Known;
use super::pipeline::{Passed, Run};
use super::{IngestError, Outcome};
use crate::budget::{Budget, Share};
use crate::decode::{self, Metadata, Waited, Worker};
use crate::photo::{self, Skip, SkipKind, Stamp};
use crate::sidecar::Sidecars;

/// Bytes of files that may be read and not decoded yet: several photos of a phone, or one file of any size.
const READ_AHEAD: u64 = 24 << 20;
/// Files that are not read in time before no more are tried of their disk in this run. Each holds a thread.
const MOST_SLOW: usize = 4;

/// A file that is to be decoded.
pub(super) struct Content<'a> {
    pub(super) job: Job,
    pub(super) fingerprint: Fingerprint,
    /// What the library knows of this content from an earlier look.
    pub(super) known: Option<Known>,
    pub(super) bytes: Vec<u8>,
    pub(super) share: Share<'a>,
}

/// What reading files takes, shared by all threads that do.
pub(super) struct Reader<'a> {
    run: &'a Run<'a>,
    ahead: Budget,
    /// How many files of each disk were not read in time.
    slow: Mutex<HashMap<u64, usize>>,
}

/// A thread that opens and reads files.
pub(super) type Opener = Worker<Request, io::Result<Opened>>;

/// A file to be opened.
pub(super) struct Request {
    path: PathBuf,
    sidecars: Sidecars,
    max_bytes: u64,
    by_content: bool,
}

/// What opening a file came to.
#[expect(clippy::large_enum_variant, reason = "there is one for each reader")]
pub(super) enum Opened {
    /// With what its sidecars say.
    Read(Stamp, Vec<u8>, Metadata),
    TooLarge(Stamp),
    /// No picture, where only the content can tell.
    OtherFile(Stamp),
    /// We may not read it.
    Refused(Stamp, io::Error),
}

impl<'a> Reader<'a> {
    pub(super) fn new(run: &'a Run<'a>) -> Reader<'a> {
        Reader { run, ahead: Budget::new(READ_AHEAD), slow: Mutex::default() }
    }

    pub(super) fn opener(&self) -> Opener {
        Worker::new("open", self.run.plan.max_wait, |request| open(&request))
    }

    pub(super) fn read(&self, mut job: Job, opener: &mut Opener) -> Result<Passed<Content<'_>>, IngestError> {
        if self.slow().get(&job.disk).is_some_and(|files| *files >= MOST_SLOW) {
            return self.unread(job, Skip::for_now(SkipKind::TooSlow, "not read: its disk does not answer"));
        }
        let max_bytes = self.run.plan.limits.max_bytes;
        let is_read = job.stamp.size <= max_bytes;
        let share = self.ahead.take(if is_read { job.stamp.size } else { 0 });
        let (path, sidecars) = (job.path.clone(), job.sidecars.clone());
        let request = Request { path, sidecars, max_bytes, by_content: job.by_content };
        let waited = opener.ask(request, &|| self.run.should_stop());
        let opened = match waited.map_err(|error| IngestError::Thread { error })? {
            Waited::Done(opened) => opened,
            Waited::Stopped => return Ok(Passed::Nothing),
            Waited::Panicked(said) => {
                let skip = Skip::new(SkipKind::DecoderFailed, said);
                return Ok(Passed::Done(vec![Done::skipped(job, skip, None)]));
            }
            Waited::TooSlow => {
                *self.slow().entry(job.disk).or_default() += 1;
                let detail = format!("not read after {} s", opener.max_time().as_secs());
                return self.unread(job, Skip::for_now(SkipKind::TooSlow, detail));
            }
        };
        match opened {
            Ok(Opened::Read(stamp, bytes, said_beside)) => {
                (job.stamp, job.said_beside) = (stamp, said_beside);
                self.look_up(job, bytes, share)
            }
            Ok(Opened::TooLarge(stamp)) => {
                job.stamp = stamp;
                let detail = format!("{} bytes, at most {max_bytes} are read", stamp.size);
                let skip = Skip::new(SkipKind::TooLarge, detail);
                Ok(Passed::Done(vec![Done::skipped(job, skip, None)]))
            }
            Ok(Opened::OtherFile(stamp)) => {
                job.stamp = stamp;
                Ok(Passed::Done(vec![Done::skipped(job, Skip::new(SkipKind::OtherFile, ""), None)]))
            }
            Ok(Opened::Refused(stamp, error)) => {
                job.stamp = stamp;
                self.unread(job, Skip::new(SkipKind::Unreadable, error.to_string()))
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Passed::Vanished),
            Err(error) => self.unread(job, Skip::for_now(SkipKind::Unreadable, error.to_string())),
        }
    }

    /// What the library knows of this content is taken over, unless its record is from an older decoder or a step was
    /// not done to it.
    fn look_up<'s>(
        &'s self,
        job: Job,
        bytes: Vec<u8>,
        share: Share<'s>,
    ) -> Result<Passed<Content<'s>>, IngestError> {
        let fingerprint = photo::fingerprint(&bytes);
        let known = Known::of(self.run.sink, &fingerprint)?;
        let is_current = |known: &Known| known.photo.has_had(&self.run.plan.steps) && !self.run.plan.force;
        let known = match known {
            Some(known) if is_current(&known) => {
                let done = Done::known(job, fingerprint, known, Outcome::Unchanged);
                return Ok(Passed::Done(vec![done]));
            }
            known => known,
        };
        Ok(match self.run.in_flight.claim(fingerprint, job) {
            Some(job) => Passed::On(Content { job, fingerprint, known, bytes, share }),
            None => Passed::Nothing,
        })
    }

    /// A file that could not be read. An earlier vector of it is better than none, and is kept with the trouble noted.
    /// A file that may be anything is no photo that we lack.
    fn unread(&self, job: Job, skip: Skip) -> Result<Passed<Content<'static>>, IngestError> {
        let done = match job.embedded {
            Some(content) => match Known::at(self.run.sink, &content, &job.path)? {
                Some(known) => Done::in_trouble(job, content, known, skip),
                None => Done::skipped(job, skip, None),
            },
            None if job.by_content => Done::unstored(job, Outcome::NotPicture),
            None => Done::skipped(job, skip, None),
        };
        Ok(Passed::Done(vec![done]))
    }

    /// No thread panics while it holds the map.
    fn slow(&self) -> MutexGuard<'_, HashMap<u64, usize>> {
        self.slow.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Opens and reads a file. A refusal comes with the file's stamp, so that it is not tried again until that changes.
fn open(request: &Request) -> io::Result<Opened> {
    match read_file(request) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Ok(Opened::Refused(Stamp::of(&fs::metadata(&request.path)?), error))
        }
        opened => opened,
    }
}

/// The stamp is taken from the open file before its content, so that a change in between makes the file look changed
/// next time.
fn read_file(request: &Request) -> io::Result<Opened> {
    let mut file = File::open(&request.path)?;
    let stamp = Stamp::of(&file.metadata()?);
    if stamp.size > request.max_bytes {
        return Ok(Opened::TooLarge(stamp));
    }
    let mut bytes = Vec::new();
    if request.by_content {
        (&mut file).take(decode::HEAD as u64).read_to_end(&mut bytes)?;
        if !decode::is_picture(&bytes) {
            return Ok(Opened::OtherFile(stamp));
        }
    }
    bytes.reserve_exact(usize::try_from(stamp.size).unwrap_or_default().saturating_sub(bytes.len()));
    let left = request.max_bytes.saturating_sub(bytes.len() as u64);
    file.take(left).read_to_end(&mut bytes)?;
    Ok(Opened::Read(stamp, bytes, request.sidecars.read()))
}
