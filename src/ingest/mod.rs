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

mod in_flight;
mod load;
mod replacement;
mod scan;
mod sweep;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, ScopedJoinHandle};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use imgsearch_index::{Change, Fingerprint, Key, Record, Searcher, Vector, Writer};
use ndarray::Array3;

use crate::decode::Limits;
use crate::library::{LockedLibrary, Note, Opened};
use crate::model::{Device, ImageEncoder, Model, ModelError};
use crate::photo::{Photo, Skip, SkipKind};
use crate::walk::{PatternError, Rules};

use in_flight::{InFlight, Waiting};
use load::{Loaded, Loader};
pub use replacement::{Lacking, Replacement};
use sweep::Copies;

/// Photos embedded at once. With ViT-B/32 on two CPU threads a batch of 8 is as fast as any; larger ones only take
/// memory.
const BATCH: usize = 8;
/// Batches of tensors that may wait for the image tower, so that it never waits for one slow picture.
const BATCHES_AHEAD: usize = 2;
/// Files the walk may be ahead of decoding; with fewer changed files than this the total is known at once.
const JOBS_AHEAD: usize = 65_536;
/// Files stored at once at most, and the longest that a file that is done with waits to be stored: what a killed
/// process loses, besides the pictures it is at.
const STORE_FILES: usize = 64;
const STORE_WITHIN: Duration = Duration::from_secs(1);
/// The name of the threads that decode: their panics are contained and reported as skips.
pub const DECODE_THREAD: &str = "decode";
/// A batch that does not fill up in this time is embedded as it is: half of [`STORE_WITHIN`], so that a slow disk
/// does not keep finished work from being stored.
const BATCH_WITHIN: Duration = Duration::from_millis(500);

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Existing folders or files, as [`crate::walk::resolve_roots`] returns them.
    pub roots: Vec<PathBuf>,
    /// Absolute paths that are gone; what the library has below them is removed, if `prune` is set or its disk is
    /// there.
    pub gone_roots: Vec<PathBuf>,
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
    /// The same content is known under another path: stored with its vector, not embedded.
    Copied,
    /// Left out, for this reason.
    Skipped(Skip),
}

/// Something a person who waits may want to know.
#[derive(Debug)]
pub enum Event<'a> {
    /// The library is of another model: an index of this one is being built beside the one in use.
    Replacing {
        /// The model in use.
        old: &'a str,
        /// The model of this run.
        new: &'a str,
        /// How many photos the index in use has.
        photos: usize,
    },
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
    /// A queued file that was deleted before it was its turn.
    Vanished,
    /// A folder or file that could not be looked at. What the library knows below it is kept.
    Unreadable {
        /// The path.
        path: &'a Path,
        /// Why.
        error: &'a io::Error,
    },
    /// Photos that are gone together with their disk; they are kept.
    Kept {
        /// What is left of their paths.
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
    /// Met under a new path, and gone from an old one.
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
    /// What became of a change to another model.
    pub replacement: Option<Replacement>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Embedded => self.embedded += 1,
            Outcome::Copied => self.copied += 1,
            Outcome::Skipped(skip) => *self.skipped.entry(skip.kind).or_default() += 1,
        }
    }

    /// Whether some file failed in this run, or a change to another model waits for files.
    pub fn has_failures(&self) -> bool {
        let waits = self.replacement.as_ref().is_some_and(|replacement| !replacement.is_done());
        self.unreadable > 0 || !self.skipped.is_empty() || waits
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
    /// The operating system gives no more threads.
    #[error("cannot start another thread: {error}")]
    Thread {
        /// What it said.
        error: io::Error,
    },
}

/// Brings `library` up to date with the files below `plan.roots`.
///
/// If it is of another model than `model`, an index of this one is built beside the one in use, of the same files and
/// of all photos that one has, and takes its place at the end of the run in which it is complete.
///
/// # Errors
/// [`IngestError`]; everything stored before it stays stored.
pub fn index(
    library: &mut LockedLibrary,
    model: &Model,
    plan: &Plan,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Totals, IngestError> {
    let Opened { writer, replaces } = library.open(model.space())?;
    let mut note = Note::read(writer.note()?.as_deref());
    note.last_indexed = unix_seconds(plan.now);
    note.set_model(model.folder(), model.precision());
    writer.set_note(note.encode())?;
    let run = Run {
        writer: &writer,
        replaces: replaces.as_ref(),
        model,
        plan,
        reporter,
        cancel,
        failed: AtomicBool::new(false),
        in_flight: InFlight::default(),
    };
    let totals = run.whole()?;
    writer.close()?;
    drop(replaces);
    if totals.replacement.as_ref().is_some_and(Replacement::is_done) {
        library.put_into_use(model.space())?;
    }
    Ok(totals)
}

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}

/// What all stages of one run share.
struct Run<'a> {
    writer: &'a Writer,
    /// The index in use, of another model, whose place this one is to take.
    replaces: Option<&'a Searcher>,
    model: &'a Model,
    plan: &'a Plan,
    reporter: &'a dyn Reporter,
    cancel: &'a AtomicBool,
    /// Set by a stage that failed, so that the others end.
    failed: AtomicBool,
    in_flight: InFlight,
}

/// A file to look into.
struct Job {
    path: PathBuf,
    key: Key,
    disk: u64,
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
}

impl Done {
    /// A file left out: remembered with its reason, so that it is not tried again until it changes.
    fn skipped(file: Waiting, skip: Skip, fingerprint: Option<Fingerprint>) -> Done {
        let Waiting { job: Job { path, key, disk, .. }, stamp } = file;
        let payload = Photo { stamp, skip: Some(skip.clone()), disk, details: None }.encode();
        let entry = Some((Record { fingerprint, payload }, None));
        Done { path, key, outcome: Outcome::Skipped(skip), entry }
    }

    fn content(&self) -> Option<Fingerprint> {
        self.entry.as_ref().and_then(|(record, _)| record.fingerprint)
    }
}

impl Run<'_> {
    fn should_stop(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    fn whole(&self) -> Result<Totals, IngestError> {
        replacement::announce(self);
        let (mut totals, copies, walked) = self.pipeline()?;
        if !self.should_stop() {
            sweep::remove_gone(self, &walked, copies, &mut totals)?;
        }
        totals.replacement = replacement::state(self, &walked)?;
        totals.cancelled = self.cancel.load(Ordering::Relaxed);
        Ok(totals)
    }

    /// Runs all stages to their end.
    fn pipeline(&self) -> Result<(Totals, Copies, scan::Walked), IngestError> {
        let (job_sender, jobs) = bounded::<Job>(JOBS_AHEAD);
        let (ready_sender, ready) = bounded::<Box<Ready>>(BATCHES_AHEAD * BATCH);
        let (done_sender, done) = bounded::<Done>(STORE_FILES);
        let loader = self.loader();
        std::thread::scope(|scope| {
            let walk_done = done_sender.clone();
            let walk = scope.spawn(move || self.ended(scan::scan(self, &job_sender, &walk_done)));
            let mut decoders = Vec::new();
            for _ in 0..self.plan.threads {
                let (loader, jobs) = (&loader, jobs.clone());
                let (ready, done) = (ready_sender.clone(), done_sender.clone());
                let stage = move || self.ended(self.decode_stage(loader, &jobs, &ready, &done));
                let thread = Builder::new().name(DECODE_THREAD.to_owned()).spawn_scoped(scope, stage);
                decoders.push(thread.map_err(|error| IngestError::Thread { error })?);
            }
            drop((jobs, ready_sender));
            let embed = scope.spawn(move || self.ended(self.embed_stage(&ready, &done_sender)));
            let stored = self.ended(self.store_stage(&done));
            drop(done);
            let (walk, embed) = (join(walk), join(embed));
            decoders.into_iter().try_for_each(join)?;
            let ((mut totals, copies), walked) = (stored?, walk?);
            embed?;
            walked.count(&mut totals);
            Ok((totals, copies, walked))
        })
    }

    fn loader(&self) -> Loader<'_> {
        Loader {
            writer: self.writer,
            preprocess: self.model.preprocess(),
            limits: self.plan.limits,
            in_flight: &self.in_flight,
            large: Mutex::new(()),
        }
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
        loader: &Loader<'_>,
        jobs: &Receiver<Job>,
        ready: &Sender<Box<Ready>>,
        done: &Sender<Done>,
    ) -> Result<(), IngestError> {
        for job in jobs {
            if self.should_stop() {
                break;
            }
            let sent = match loader.load(job)? {
                Loaded::Ready(picture) => ready.send(picture).is_ok(),
                Loaded::Done(files) => files.into_iter().all(|file| done.send(file).is_ok()),
                Loaded::Waits => true,
                Loaded::Vanished => {
                    self.reporter.report(Event::Vanished);
                    true
                }
            };
            if !sent {
                break;
            }
        }
        Ok(())
    }

    /// Embeds pictures in batches. The image tower is loaded when the first one comes.
    fn embed_stage(&self, ready: &Receiver<Box<Ready>>, done: &Sender<Done>) -> Result<(), IngestError> {
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
    fn store_stage(&self, done: &Receiver<Done>) -> Result<(Totals, Copies), IngestError> {
        let mut store =
            Store { run: self, pending: Vec::new(), totals: Totals::default(), copies: Copies::new() };
        let mut deadline = Instant::now() + STORE_WITHIN;
        loop {
            match done.recv_deadline(deadline) {
                Ok(file) => store.pending.push(file),
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if store.pending.len() >= STORE_FILES || Instant::now() >= deadline {
                store.flush()?;
                deadline = Instant::now() + STORE_WITHIN;
            }
        }
        // Each flush may release files that waited for a content.
        while !store.pending.is_empty() {
            store.flush()?;
        }
        Ok((store.totals, store.copies))
    }
}

struct Store<'a> {
    run: &'a Run<'a>,
    pending: Vec<Done>,
    totals: Totals,
    copies: Copies,
}

impl Store<'_> {
    /// Makes what is pending durable, and only then counts and reports it.
    fn flush(&mut self) -> Result<(), IngestError> {
        let pending = std::mem::take(&mut self.pending);
        let (mut changes, mut files) = (Vec::new(), Vec::new());
        for file in pending {
            files.push((file.content(), file.path, file.outcome));
            let key = file.key;
            changes.extend(file.entry.map(|(record, vector)| Change::Put { key, record, vector }));
        }
        if !changes.is_empty() {
            self.run.writer.apply(changes)?;
        }
        for (content, path, outcome) in files {
            self.totals.add(&outcome);
            self.run.reporter.report(Event::Finished { path: &path, outcome: &outcome });
            match (content, outcome) {
                (Some(content), Outcome::Embedded) => self.release(content)?,
                (Some(content), Outcome::Copied) => *self.copies.entry(content).or_default() += 1,
                (_, Outcome::Embedded | Outcome::Copied | Outcome::Skipped(_)) => {}
            }
        }
        Ok(())
    }

    /// Files that waited for `content` get its vector, now that it is stored.
    fn release(&mut self, content: Fingerprint) -> Result<(), IngestError> {
        for file in self.run.in_flight.settle(&content) {
            if let Some((record, vector)) = self.run.writer.record_of(&content)? {
                self.pending.push(load::copy(file, &record, vector));
            }
        }
        Ok(())
    }
}

/// Up to [`BATCH`] pictures, fewer when no more come in time; `None` at the end.
fn next_batch(ready: &Receiver<Box<Ready>>) -> Option<Vec<Ready>> {
    let mut batch = vec![*ready.recv().ok()?];
    let deadline = Instant::now() + BATCH_WITHIN;
    while batch.len() < BATCH {
        let Ok(next) = ready.recv_deadline(deadline) else { break };
        batch.push(*next);
    }
    Some(batch)
}

fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
