//! All stages at once, joined by bounded channels.
//!
//! ```text
//! walk ── jobs ──→ read ── contents ──→ decode ── tensors ──→ embed ── done ──→ store
//! (1 thread)        │ (READERS)          │ (threads)           (batches)      (the calling thread)
//!                   └─ known contents ───┴─ skips ───────────────────────────↗
//! ```
//!
//! If several processes fill one library, each claims its files between walk and read (`claim.rs`).
//!
//! What waits between stages is bounded in number or in bytes, so memory does not grow with the archive. A stage
//! whose channel is closed ends, and with it the stages before it.

use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, OnceLock};
use std::thread::{Builder, Scope, ScopedJoinHandle};
use std::time::Instant;

use crossbeam_channel::{Receiver, Sender, bounded};
use imgsearch_index::Fingerprint;

use super::busy::{Clock, Clocks};
use super::embed::{Embedding, Pictures};
use super::file::{Done, Job, left_out};
use super::halt::Halt;
use super::in_flight::InFlight;
use super::load::Loader;
use super::read::{Content, Reader};
use super::scan::Walked;
use super::store::Store;
use super::{Encoders, Event, IngestError, Plan, Reporter, Totals, claim, replacement, scan, store, sweep};
use crate::decode;
use crate::item::Item;
use crate::library::{Sink, View};
use crate::model::{Ability, BATCH, Device, Encode, Model};
use crate::photo::{Skip, SkipKind};

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
    pub(super) sink: &'a dyn Sink,
    /// What the library shows, of another model, whose place this is to take.
    pub(super) replaces: Option<&'a dyn View>,
    pub(super) model: &'a Model,
    /// Loads the model's image tower.
    pub(super) encoders: Encoders<'a>,
    pub(super) plan: &'a Plan,
    pub(super) reporter: &'a dyn Reporter,
    pub(super) in_flight: InFlight,
    pub(super) halt: Halt<'a>,
    pub(super) clocks: Clocks,
    /// The device on which pictures were embedded, if any were.
    pub(super) device: OnceLock<Device>,
}

/// What a stage made of one file.
pub(super) enum Passed<T> {
    /// The next stage is to go on with it.
    On(T),
    /// Files to be stored as they are: this one, and those that waited for it.
    Done(Vec<Done>),
    /// Another file of the same content is being embedded and this one waits for it, or the run is to stop.
    Nothing,
    /// The file was deleted after the walk passed it.
    Vanished,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        sink: &'a dyn Sink,
        replaces: Option<&'a dyn View>,
        (model, encoders): (&'a Model, Encoders<'a>),
        plan: &'a Plan,
        reporter: &'a dyn Reporter,
        cancel: &'a AtomicBool,
    ) -> Run<'a> {
        Run {
            sink,
            replaces,
            model,
            encoders,
            plan,
            reporter,
            in_flight: InFlight::default(),
            halt: Halt::new(cancel),
            clocks: Clocks::default(),
            device: OnceLock::new(),
        }
    }

    pub(super) fn should_stop(&self) -> bool {
        self.halt.should_stop()
    }

    /// What a visit of the library's records answers after each one.
    pub(super) fn goes_on(&self) -> ControlFlow<()> {
        if self.should_stop() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    }

    pub(super) fn whole(&self) -> Result<Totals, IngestError> {
        let begin = Instant::now();
        replacement::announce(self)?;
        let mut store = Store::new(self.sink, &self.in_flight, self.reporter, &self.clocks.storing);
        let mut walked = self.pipeline(&mut store, |jobs, done| scan::scan(self, jobs, done))?;
        if walked.has_held() && !self.should_stop() {
            walked = self.pipeline(&mut store, |jobs, done| scan::scan_held(self, walked, jobs, done))?;
        }
        if self.device.get().is_some() {
            self.reporter.report(Event::Busy(self.clocks.busy(begin.elapsed())));
        }
        let Store { mut totals, copies, .. } = store;
        walked.count(&mut totals);
        if !self.should_stop() {
            sweep::remove_gone(self, &walked, copies, &mut totals)?;
        }
        totals.replacement = replacement::state(self, &walked)?;
        totals.cancelled = self.halt.is_cancelled();
        Ok(totals)
    }

    /// Runs all stages to their end. `scan` is the first of them.
    fn pipeline(
        &self,
        store: &mut Store<'_>,
        scan: impl FnOnce(&Sender<Job>, &Sender<Done>) -> Result<Walked, IngestError> + Send,
    ) -> Result<Walked, IngestError> {
        let (job_sender, jobs) = bounded::<Job>(JOBS_AHEAD);
        let (content_sender, contents) = bounded::<Content<'_>>(READERS);
        let (tensor_sender, tensors) = bounded(BATCHES_AHEAD * BATCH);
        let decoding = Arc::new(());
        let pictures = Pictures { ready: tensors, senders: Arc::downgrade(&decoding) };
        let (done_sender, done) = bounded::<Done>(store::FILES);
        let (reader, loader) = (Reader::new(self), Loader::new(self));
        self.clocks.reading.set_threads(READERS);
        self.clocks.decoding.set_threads(self.plan.threads);
        std::thread::scope(|scope| {
            let mut stages = Vec::new();
            let walk = {
                let done = done_sender.clone();
                scope.spawn(move || self.halt.ended(scan(&job_sender, &done)))
            };
            let jobs = if self.sink.is_shared() {
                let (sender, claimed) = bounded::<Job>(READERS);
                let done = done_sender.clone();
                let stage = move || claim::claim(self, &jobs, &sender, &done);
                stages.push(self.start(scope, "claim", stage)?);
                claimed
            } else {
                jobs
            };
            for _ in 0..READERS {
                let (reader, jobs, mut opener) = (&reader, jobs.clone(), reader.opener());
                let (next, done) = (content_sender.clone(), done_sender.clone());
                let clock = &self.clocks.reading;
                let stage =
                    move || self.pass(&jobs, &next, &done, clock, |job| reader.read(job, &mut opener));
                stages.push(self.start(scope, "read", stage)?);
            }
            for _ in 0..self.plan.threads {
                let (contents, mut decoder) = (contents.clone(), decode::decoder(self.plan.limits));
                let (loader, next, done) = (&loader, tensor_sender.clone(), done_sender.clone());
                let decoding = decoding.clone();
                let stage = move || {
                    let _decoding = decoding;
                    let clock = &self.clocks.decoding;
                    self.pass(&contents, &next, &done, clock, |content| loader.load(content, &mut decoder))
                };
                stages.push(self.start(scope, "load", stage)?);
            }
            // A channel closes when nobody is left at its other end.
            drop((jobs, content_sender, contents, tensor_sender, decoding));
            let embedding = Embedding {
                halt: &self.halt,
                clocks: &self.clocks,
                threads: self.plan.threads,
                batches: self.plan.batches,
                done: done_sender,
            };
            let stage = move || embedding.run(&pictures, |threads| self.encoder(threads));
            stages.push(self.start(scope, "embed", stage)?);
            let stored = self.halt.ended(store.take_all(&done));
            drop(done);
            let walk = join(walk);
            stages.into_iter().try_for_each(join)?;
            stored?;
            walk
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
        let started = thread.spawn_scoped(scope, move || self.halt.ended(stage()));
        self.halt.ended(started.map_err(|error| IngestError::Thread { error }))
    }

    /// Loads the image tower.
    fn encoder(&self, threads: usize) -> Result<Box<dyn Encode>, IngestError> {
        let encoder = (self.encoders)(threads)?;
        let Ability { device, passed_over, .. } = encoder.ability();
        self.reporter.report(Event::ModelLoaded { device, passed_over: &passed_over });
        _ = self.device.set(device);
        Ok(encoder)
    }

    /// A stage that takes files one at a time.
    fn pass<From: HasJob, To>(
        &self,
        from: &Receiver<From>,
        next: &Sender<To>,
        done: &Sender<Done>,
        clock: &Clock,
        mut step: impl FnMut(From) -> Result<Passed<To>, IngestError>,
    ) -> Result<(), IngestError> {
        for file in from {
            if self.should_stop() {
                break;
            }
            let path = file.job().path.clone();
            let sent = match clock.time(|| stepped(&self.in_flight, file, &mut step))? {
                Passed::On(file) => next.send(file).is_ok(),
                Passed::Done(files) => files.into_iter().all(|file| done.send(file).is_ok()),
                Passed::Nothing => true,
                Passed::Vanished => {
                    self.sink.release(&[Item::file(path)])?;
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

/// What a stage takes: a file, and the content that other files may wait for.
trait HasJob {
    fn job(&self) -> &Job;
    fn claim(&self) -> Option<Fingerprint>;
}

impl HasJob for Job {
    fn job(&self) -> &Job {
        self
    }

    fn claim(&self) -> Option<Fingerprint> {
        None
    }
}

impl HasJob for Content<'_> {
    fn job(&self) -> &Job {
        &self.job
    }

    fn claim(&self) -> Option<Fingerprint> {
        Some(self.fingerprint)
    }
}

/// One step with one file. A panic is a bug of ours, and the outcome of that file alone.
fn stepped<From: HasJob, To>(
    in_flight: &InFlight,
    file: From,
    step: impl FnOnce(From) -> Result<Passed<To>, IngestError>,
) -> Result<Passed<To>, IngestError> {
    let (job, claim) = (file.job().clone(), file.claim());
    decode::contained(|| step(file)).unwrap_or_else(|said| {
        let skip = Skip::new(SkipKind::DecoderFailed, format!("a bug in imgsearch: {said}"));
        Ok(Passed::Done(left_out(in_flight, job, claim, &skip)))
    })
}

/// What a thread ended with; its panic goes on here.
pub(super) fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::Outcome;
    use crate::photo::Stamp;

    fn job(path: &str) -> Job {
        let (path, stamp) = (std::path::Path::new(path), Stamp { size: 1, modified_ns: 2, changed_ns: 3 });
        let (sidecars, said_beside) = Default::default();
        let path = path.to_owned();
        Job { path, disk: 1, stamp, by_content: false, embedded: None, sidecars, said_beside }
    }

    struct Claimed(Job);

    impl HasJob for Claimed {
        fn job(&self) -> &Job {
            &self.0
        }

        fn claim(&self) -> Option<Fingerprint> {
            Some(Fingerprint([7; 16]))
        }
    }

    #[test]
    fn a_panic_is_the_outcome_of_its_file_and_of_those_that_wait_for_it() {
        let in_flight = InFlight::default();
        let first = in_flight.claim(Fingerprint([7; 16]), job("/a")).unwrap();
        assert!(in_flight.claim(Fingerprint([7; 16]), job("/b")).is_none());
        let passed = stepped::<_, ()>(&in_flight, Claimed(first), |file| panic!("at {:?}", file.0.path));
        let Ok(Passed::Done(files)) = passed else { panic!("no outcome") };
        let told: Vec<_> =
            files.iter().map(|file| (file.job.path.to_str().unwrap(), &file.outcome)).collect();
        let skip = Outcome::Skipped(Skip::new(SkipKind::DecoderFailed, "a bug in imgsearch: at \"/a\""));
        assert_eq!(told, [("/a", &skip), ("/b", &skip)]);
    }
}
