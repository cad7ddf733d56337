//! The pipeline that brings a library up to date: walk → decode → embed → store.
//!
//! ```text
//! walk ── jobs ──→ decode (one thread a core) ── tensors ──→ embed ── done ──→ store
//! (1 thread)         └──────── skips, known content ────────────────────────↗ (the calling thread)
//! ```
//!
//! All stages run at once, joined by bounded channels, so memory does not grow with the archive. A file that cannot
//! be read is an outcome; only what makes going on pointless is an error. Whatever was stored when the run ends, by
//! itself, by an error or by cancelling, stays stored.

mod load;
mod scan;
mod sweep;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use imgsearch_index::{Change, Fingerprint, Key, Record, Vector, Writer, WriterOptions};
use ndarray::Array3;

use crate::Library;
use crate::decode::Limits;
use crate::library::Note;
use crate::model::{Device, ImageEncoder, Model, ModelError};
use crate::photo::{Photo, Skip, SkipKind, Stamp};
use crate::walk::{self, PatternError, Rules};

/// Photos embedded at once. Larger batches are no faster on a CPU and cost memory.
const BATCH: usize = 8;
/// Files the walk may be ahead of decoding; with fewer changed files than this the total is known at once.
const JOBS_AHEAD: usize = 65_536;
/// At most this many photos, or this long, are lost when the process is killed.
const STORE_EVERY: (usize, Duration) = (64, Duration::from_secs(1));
/// A batch that does not fill up in this time is embedded as it is.
const BATCH_PATIENCE: Duration = Duration::from_millis(500);

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Existing folders or files, as [`walk::resolve_roots`] returns them.
    pub roots: Vec<PathBuf>,
    /// What is left out below them.
    pub rules: Rules,
    /// Also drop photos on disks that are not mounted now.
    pub prune: bool,
    /// Threads that decode.
    pub threads: usize,
    /// What a file may cost.
    pub limits: Limits,
    /// The time, noted as the time of the last run.
    pub now: SystemTime,
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Embedded and stored.
    Embedded,
    /// The same content was known under a path that is gone: renamed in the index, not embedded.
    Moved,
    /// The same content is known under another path: stored again, not embedded.
    Copied,
    /// Left out, for this reason.
    Skipped(Skip),
}

/// Something a person who waits may want to know.
#[derive(Debug)]
pub enum Event<'a> {
    /// One more file must be looked into.
    Queued,
    /// No more files will be queued.
    WalkEnded,
    /// The image tower was loaded and runs here.
    ModelLoaded(Device),
    /// A file is done with.
    Finished {
        /// The file.
        path: &'a Path,
        /// What became of it.
        outcome: &'a Outcome,
    },
    /// A folder or file that could not be looked at. What the library knows below it is kept.
    Unreadable {
        /// The path.
        path: &'a Path,
        /// Why.
        error: &'a io::Error,
    },
    /// Photos on a disk that is not mounted; they are kept.
    Kept {
        /// Where the disk is mounted otherwise.
        folder: &'a Path,
        /// How many photos.
        photos: u64,
    },
}

/// Where events go. Called from several threads.
pub trait Reporter: Sync {
    /// Takes note of an event.
    fn report(&self, event: Event<'_>);
}

/// What a run did, in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Embedded.
    pub embedded: u64,
    /// In the library and as they were.
    pub unchanged: u64,
    /// Recognised under a new path.
    pub moved: u64,
    /// Recognised as a copy of another file.
    pub copied: u64,
    /// Gone, and removed from the library.
    pub removed: u64,
    /// Gone with their disk, and kept.
    pub kept: u64,
    /// Left out in this run, by reason.
    pub skipped: BTreeMap<SkipKind, u64>,
    /// Left out in an earlier run, and as they were.
    pub skipped_before: u64,
    /// Folders and files that the walk could not look at.
    pub unreadable: u64,
    /// Symbolic links to photos, not followed.
    pub links_not_followed: u64,
    /// Stopped before everything was looked at.
    pub cancelled: bool,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Embedded => self.embedded += 1,
            Outcome::Moved => self.moved += 1,
            Outcome::Copied => self.copied += 1,
            Outcome::Skipped(skip) => *self.skipped.entry(skip.kind).or_default() += 1,
        }
    }

    /// Whether some file failed in this run.
    pub fn has_failures(&self) -> bool {
        self.unreadable > 0 || !self.skipped.is_empty()
    }
}

/// What ends a run early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// An exclude pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The index does not open or does not take changes.
    #[error(transparent)]
    Index(#[from] imgsearch_index::Error),
    /// The model does not load or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
}

/// Brings `library` up to date with the files below `plan.roots`.
///
/// Setting `cancel` makes the run end soon with what it has; nothing is removed from the library then.
///
/// # Errors
/// [`IngestError`]; everything stored before it stays stored.
pub fn index(
    library: &Library,
    model: &Model,
    plan: &Plan,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Totals, IngestError> {
    walk::check(&plan.rules)?;
    let writer = Writer::open(&library.index_folder(), model.space(), WriterOptions::default())?;
    let mut note = Note::read(writer.note()?.as_deref());
    let run = Run { writer: &writer, model, plan, reporter, cancel, failed: AtomicBool::new(false) };
    let (mut totals, walked) = run.pipeline(&note)?;
    totals.cancelled = cancel.load(Ordering::Relaxed);
    if !totals.cancelled {
        sweep::remove_gone(&run, &walked, &mut note, &mut totals)?;
    }
    note.last_indexed = unix_seconds(plan.now);
    note.set_model(model.folder());
    writer.set_note(note.encode())?;
    writer.close()?;
    Ok(totals)
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What all stages of one run share.
struct Run<'a> {
    writer: &'a Writer,
    model: &'a Model,
    plan: &'a Plan,
    reporter: &'a dyn Reporter,
    cancel: &'a AtomicBool,
    /// Set by a stage that failed, so that the others end.
    failed: AtomicBool,
}

/// A file to look into.
struct Job {
    path: PathBuf,
    key: Key,
    /// The library has a vector of this path's earlier content.
    is_update: bool,
}

/// A picture ready for the image tower, and how it is stored afterwards.
struct Ready {
    done: Done,
    tensor: Array3<f32>,
}

/// A file that is done with, to be stored.
struct Done {
    path: PathBuf,
    key: Key,
    outcome: Outcome,
    /// What to store; `None` for a file that is to be tried again next time.
    entry: Option<(Record, Option<Vector>)>,
    /// The path it had before, when it was moved.
    moved_from: Option<Key>,
}

impl Done {
    /// A file left out: remembered with its reason, so that it is not tried again until it changes.
    fn skipped(job: Job, stamp: Stamp, skip: Skip, fingerprint: Option<Fingerprint>) -> Done {
        let payload = Photo { stamp, skip: Some(skip.clone()), details: None }.encode();
        let entry = Some((Record { fingerprint, payload }, None));
        Done { path: job.path, key: job.key, outcome: Outcome::Skipped(skip), entry, moved_from: None }
    }
}

impl Run<'_> {
    fn should_stop(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    /// Runs all stages to their end.
    fn pipeline(&self, note: &Note) -> Result<(Totals, scan::Walked), IngestError> {
        let (job_sender, jobs) = bounded::<Job>(JOBS_AHEAD);
        let (ready_sender, ready) = bounded::<Ready>(2 * BATCH);
        let (done_sender, done) = bounded::<Done>(2 * STORE_EVERY.0);
        std::thread::scope(|scope| {
            let walk_done = done_sender.clone();
            let walk = scope.spawn(move || self.ended(scan::scan(self, note, &job_sender, &walk_done)));
            for _ in 0..self.plan.threads {
                let (jobs, ready, done) = (jobs.clone(), ready_sender.clone(), done_sender.clone());
                scope.spawn(move || self.ended(self.decode_stage(&jobs, &ready, &done)));
            }
            drop((jobs, ready_sender));
            let embed = scope.spawn(move || self.ended(self.embed_stage(&ready, &done_sender)));
            let stored = self.ended(self.store_stage(&done));
            drop(done);
            let (walk, embed) = (join(walk), join(embed));
            let (mut totals, walked) = (stored?, walk?);
            embed?;
            walked.count(&mut totals);
            Ok((totals, walked))
        })
    }

    /// Passes a stage's result on, after telling the other stages if it is an error.
    fn ended<T>(&self, result: Result<T, IngestError>) -> Result<T, IngestError> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    /// Reads, recognises and decodes files. A closed channel means that the stage behind ended: so does this one.
    fn decode_stage(
        &self,
        jobs: &Receiver<Job>,
        ready: &Sender<Ready>,
        done: &Sender<Done>,
    ) -> Result<(), IngestError> {
        let preprocess = self.model.preprocess();
        for job in jobs {
            if self.should_stop() {
                break;
            }
            let sent = match load::load(job, self.writer, &preprocess, &self.plan.limits)? {
                load::Loaded::Ready(picture) => ready.send(picture).is_ok(),
                load::Loaded::Done(file) => done.send(file).is_ok(),
                load::Loaded::Vanished => true,
            };
            if !sent {
                break;
            }
        }
        Ok(())
    }

    /// Embeds pictures in batches. The image tower is loaded when the first one comes.
    fn embed_stage(&self, ready: &Receiver<Ready>, done: &Sender<Done>) -> Result<(), IngestError> {
        let mut encoder: Option<ImageEncoder> = None;
        while let Some(batch) = next_batch(ready) {
            if self.should_stop() {
                break;
            }
            let encoder = match &mut encoder {
                Some(encoder) => encoder,
                none => {
                    let loaded = self.model.image_encoder()?;
                    self.reporter.report(Event::ModelLoaded(loaded.device()));
                    none.insert(loaded)
                }
            };
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

    /// Stores what is done, in the order it comes.
    fn store_stage(&self, done: &Receiver<Done>) -> Result<Totals, IngestError> {
        let mut totals = Totals::default();
        let mut pending = Vec::new();
        let mut deadline = Instant::now() + STORE_EVERY.1;
        loop {
            match done.recv_deadline(deadline) {
                Ok(file) => pending.push(file),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if pending.len() >= STORE_EVERY.0 || Instant::now() >= deadline {
                self.store(&mut pending, &mut totals)?;
                deadline = Instant::now() + STORE_EVERY.1;
            }
        }
        self.store(&mut pending, &mut totals)?;
        Ok(totals)
    }

    /// Makes `pending` durable, and only then counts and reports it.
    fn store(&self, pending: &mut Vec<Done>, totals: &mut Totals) -> Result<(), IngestError> {
        let mut changes = Vec::with_capacity(pending.len());
        for Done { key, entry, moved_from, .. } in pending.iter_mut() {
            if let Some((record, vector)) = entry.take() {
                changes.push(Change::Put { key: key.clone(), record, vector });
            }
            changes.extend(moved_from.take().map(|key| Change::Delete { key }));
        }
        if !changes.is_empty() {
            self.writer.apply(changes)?;
        }
        for Done { path, outcome, .. } in pending.drain(..) {
            totals.add(&outcome);
            self.reporter.report(Event::Finished { path: &path, outcome: &outcome });
        }
        Ok(())
    }
}

/// Up to [`BATCH`] pictures, fewer when no more come in time; `None` at the end.
fn next_batch(ready: &Receiver<Ready>) -> Option<Vec<Ready>> {
    let mut batch = vec![ready.recv().ok()?];
    let deadline = Instant::now() + BATCH_PATIENCE;
    while batch.len() < BATCH {
        let Ok(next) = ready.recv_deadline(deadline) else { break };
        batch.push(next);
    }
    Some(batch)
}

fn join<T>(handle: std::thread::ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
