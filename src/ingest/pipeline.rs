//! All stages at once, joined by bounded channels.
//!
//! ```text
//! walk ── jobs ──→ read ── contents ──→ decode ── tensors ──→ embed ── done ──→ store
//! (1 thread)        │ (READERS)          │ (threads)           (batches)      (the calling thread)
//!                   └─ known contents ───┴─ skips ───────────────────────────↗
//! ```
//!
//! What waits between stages is bounded in number or in bytes, so memory does not grow with the archive. A stage
//! whose channel is closed ends, and with it the stages before it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{Builder, Scope, ScopedJoinHandle};

use crossbeam_channel::{Receiver, Sender, bounded};
use imgsearch_index::{Fingerprint, Key, Record, Searcher, Vector, Writer};

use super::embed::Pictures;
use super::in_flight::{InFlight, Waiting};
use super::load::Loader;
use super::read::{Content, Reader};
use super::store::Copies;
use super::{Event, IngestError, Outcome, Plan, Reporter, Totals, embed, replacement, scan, store, sweep};
use crate::decode::{self, Worker};
use crate::model::Model;
use crate::photo::{Details, Photo, Skip};

/// Threads that read files. A NAS answers several at a time sooner than one after the other, and a slow answer to one
/// keeps nobody waiting. They hardly compute, so their number does not depend on the cores.
const READERS: usize = 4;
/// Files the walk may be ahead of reading; with fewer changed files than this the total is known at once.
const JOBS_AHEAD: usize = 65_536;
/// Batches of tensors that may wait for the image tower, so that it never waits for one slow picture, and there is
/// something to do for all while it loads.
const BATCHES_AHEAD: usize = 6;

/// What all stages of one run share.
pub(super) struct Run<'a> {
    pub(super) writer: &'a Writer,
    /// The index in use, of another model, whose place this one is to take.
    pub(super) replaces: Option<&'a Searcher>,
    pub(super) model: &'a Model,
    pub(super) plan: &'a Plan,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) in_flight: InFlight,
    cancel: &'a AtomicBool,
    /// Set by a stage that failed, so that the others end.
    failed: AtomicBool,
}

/// A file to look into.
pub(super) struct Job {
    pub(super) path: PathBuf,
    pub(super) key: Key,
    pub(super) disk: u64,
    /// The library has a vector of this path's earlier content.
    pub(super) is_update: bool,
}

/// A file that is done with, to be stored.
pub(super) struct Done {
    pub(super) path: PathBuf,
    pub(super) key: Key,
    pub(super) outcome: Outcome,
    /// What to store; `None` for a file that is to be tried again next time.
    pub(super) entry: Option<(Record, Option<Vector>)>,
}

impl Done {
    /// A file left out: remembered with its reason, so that it is not tried again until it changes.
    pub(super) fn skipped(file: Waiting, skip: Skip, fingerprint: Option<Fingerprint>) -> Done {
        let Waiting { job: Job { path, key, disk, .. }, stamp } = file;
        let payload = Photo { stamp, skip: Some(skip.clone()), disk, details: None }.encode();
        let entry = Some((Record { fingerprint, payload }, None));
        Done { path, key, outcome: Outcome::Skipped(skip), entry }
    }

    /// A file that has a vector, or gets one before it is stored.
    pub(super) fn with_vector(
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

    /// A file whose content has a record and a vector already.
    pub(super) fn copied(file: Waiting, known: &Record, vector: Vector) -> Done {
        let details = Photo::decode(&known.payload).and_then(|photo| photo.details);
        let details = details.map(|details| details.in_file(&file.stamp));
        Done::with_vector(file, known.fingerprint, details, Some(vector), Outcome::Copied)
    }

    pub(super) fn content(&self) -> Option<Fingerprint> {
        self.entry.as_ref().and_then(|(record, _)| record.fingerprint)
    }
}

/// What a stage made of one file.
pub(super) enum Passed<T> {
    /// The next stage is to go on with it.
    On(T),
    /// Files to be stored as they are: this one, and those that waited for it.
    Done(Vec<Done>),
    /// Another file of the same content is being embedded; this one waits for it.
    Waits,
    /// The file was deleted after the walk passed it.
    Vanished,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        writer: &'a Writer,
        replaces: Option<&'a Searcher>,
        model: &'a Model,
        plan: &'a Plan,
        reporter: &'a dyn Reporter,
        cancel: &'a AtomicBool,
    ) -> Run<'a> {
        let (in_flight, failed) = (InFlight::default(), AtomicBool::new(false));
        Run { writer, replaces, model, plan, reporter, in_flight, cancel, failed }
    }

    pub(super) fn should_stop(&self) -> bool {
        self.cancel.load(Ordering::Relaxed) || self.failed.load(Ordering::Relaxed)
    }

    pub(super) fn whole(&self) -> Result<Totals, IngestError> {
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
        let (content_sender, contents) = bounded::<Content<'_>>(READERS);
        let (tensor_sender, tensors) = bounded(BATCHES_AHEAD * embed::BATCH);
        let decoding = Arc::new(());
        let pictures = Pictures { ready: tensors, senders: Arc::downgrade(&decoding) };
        let (done_sender, done) = bounded::<Done>(store::FILES);
        let (reader, loader) = (Reader::new(self), Loader::new(self));
        std::thread::scope(|scope| {
            let mut stages = Vec::new();
            let walk = {
                let done = done_sender.clone();
                scope.spawn(move || self.ended(scan::scan(self, &job_sender, &done)))
            };
            for _ in 0..READERS {
                let (reader, jobs) = (&reader, jobs.clone());
                let (next, done) = (content_sender.clone(), done_sender.clone());
                let stage = move || self.pass(&jobs, &next, &done, |job| reader.read(job));
                stages.push(self.start(scope, "read", stage)?);
            }
            for _ in 0..self.plan.threads {
                let (contents, mut worker) = (contents.clone(), Worker::new(self.plan.limits));
                let (loader, next, done) = (&loader, tensor_sender.clone(), done_sender.clone());
                let decoding = decoding.clone();
                let stage = move || {
                    let _decoding = decoding;
                    self.pass(&contents, &next, &done, |content| loader.load(content, &mut worker))
                };
                stages.push(self.start(scope, decode::THREAD, stage)?);
            }
            // A channel closes when nobody is left at its other end.
            drop((jobs, content_sender, contents, tensor_sender, decoding));
            let stage = move || embed::embed(self, &pictures, &done_sender);
            stages.push(self.start(scope, "embed", stage)?);
            let stored = self.ended(store::store(self, &done));
            drop(done);
            let walk = join(walk);
            stages.into_iter().try_for_each(join)?;
            let ((mut totals, copies), walked) = (stored?, walk?);
            walked.count(&mut totals);
            Ok((totals, copies, walked))
        })
    }

    /// Starts a thread for a stage.
    fn start<'scope>(
        &'scope self,
        scope: &'scope Scope<'scope, '_>,
        name: &str,
        stage: impl FnOnce() -> Result<(), IngestError> + Send + 'scope,
    ) -> Result<ScopedJoinHandle<'scope, Result<(), IngestError>>, IngestError> {
        let thread = Builder::new().name(name.to_owned());
        let started = thread.spawn_scoped(scope, move || self.ended(stage()));
        self.ended(started.map_err(|error| IngestError::Thread { error }))
    }

    /// Passes a stage's result on, after telling the other stages if it is an error.
    pub(super) fn ended<T>(&self, result: Result<T, IngestError>) -> Result<T, IngestError> {
        if result.is_err() {
            self.failed.store(true, Ordering::Relaxed);
        }
        result
    }

    /// A stage that takes files one at a time.
    fn pass<From, To>(
        &self,
        from: &Receiver<From>,
        next: &Sender<To>,
        done: &Sender<Done>,
        mut step: impl FnMut(From) -> Result<Passed<To>, IngestError>,
    ) -> Result<(), IngestError> {
        for file in from {
            if self.should_stop() {
                break;
            }
            let sent = match step(file)? {
                Passed::On(file) => next.send(file).is_ok(),
                Passed::Done(files) => files.into_iter().all(|file| done.send(file).is_ok()),
                Passed::Waits => true,
                Passed::Vanished => {
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
}

/// What a thread ended with; its panic goes on here.
pub(super) fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}
