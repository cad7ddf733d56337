//! Keeps the library current while the server runs.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result};
use crossbeam_channel::{Sender, bounded};
use imgsearch::ingest::{Event as Ingested, Plan, Reporter, Totals};

use crate::cli::ServeArgs;
use crate::commands::text;
use crate::commands::watch::{self, Watcher};
use crate::progress;
use crate::serve::{Event, Events};
use crate::settings::Settings;
use crate::ui::Ui;

/// The thread that keeps the library current, if there are folders to watch.
pub(super) struct Indexing {
    thread: Option<JoinHandle<()>>,
    cancel: Arc<AtomicBool>,
    ring: Sender<()>,
}

impl Indexing {
    pub(super) fn start(
        settings: &Arc<Settings>,
        args: ServeArgs,
        folders: Vec<PathBuf>,
        events: Events,
    ) -> Result<Indexing> {
        let (cancel, (ring, bell)) = (Arc::new(AtomicBool::new(false)), bounded(1));
        if folders.is_empty() {
            return Ok(Indexing { thread: None, cancel, ring });
        }
        settings.library.create()?;
        let (rescan, reads_text) = (args.rescan, args.reading.text);
        if reads_text {
            text::check(settings)?;
        }
        let plan = Plan {
            rules: args.rules.into(),
            threads: settings.threads,
            thumbnails: args.thumbnails.of(&settings.library),
            ..Plan::new(folders, SystemTime::now())
        };
        let (settings, stop) = (Arc::clone(settings), Arc::clone(&cancel));
        let work = move || {
            let watch = watch::begin(&settings, &plan, rescan);
            // This also finds changes made while no server was running.
            watch.look_again(plan.roots.iter().cloned());
            let telling = Telling { events, ui: settings.ui };
            watch::keep_current(&settings, (&plan, reads_text), watch, &telling, (&bell, &stop));
        };
        let thread = std::thread::Builder::new().name("watch".to_owned()).spawn(work);
        Ok(Indexing { thread: Some(thread.context("cannot start another thread")?), cancel, ring })
    }

    /// Stores the current batch and stops.
    pub(super) fn end(self) {
        self.cancel.store(true, Ordering::Relaxed);
        _ = self.ring.try_send(());
        if let Some(thread) = self.thread {
            // A panic has already been printed.
            _ = thread.join();
        }
    }
}

/// Tells clients the progress of indexing, and prints which device it uses.
struct Telling {
    events: Events,
    ui: Ui,
}

impl Watcher for Telling {
    fn begin(&self) -> Box<dyn Reporter + '_> {
        let told = Mutex::new(Instant::now());
        let (done, total) = (AtomicU64::new(0), AtomicU64::new(0));
        Box::new(Counting { events: &self.events, ui: self.ui, told, done, total })
    }

    fn ended(&self, _: &Totals) {}
}

/// The interval between progress reports.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Counts the photos of one run.
struct Counting<'a> {
    events: &'a Events,
    ui: Ui,
    told: Mutex<Instant>,
    done: AtomicU64,
    total: AtomicU64,
}

impl Counting<'_> {
    fn tell(&self, is_running: bool) {
        let (done, total) = (self.done.load(Ordering::Relaxed), self.total.load(Ordering::Relaxed));
        if total > 0 {
            self.events.tell(Event::Index { is_running, done, total });
        }
    }
}

impl Reporter for Counting<'_> {
    fn report(&self, event: Ingested<'_>) {
        match event {
            Ingested::Queued => self.total.fetch_add(1, Ordering::Relaxed),
            Ingested::Reading { photos } => self.total.fetch_add(photos as u64, Ordering::Relaxed),
            Ingested::Finished { .. } | Ingested::Vanished | Ingested::TextRead => {
                self.done.fetch_add(1, Ordering::Relaxed)
            }
            Ingested::ModelLoaded { device, passed_over } => {
                return progress::say_device(self.ui, device, passed_over);
            }
            Ingested::Replacing { .. }
            | Ingested::WalkEnded
            | Ingested::Busy(_)
            | Ingested::Unsettled { .. }
            | Ingested::Unreadable { .. }
            | Ingested::Kept { .. } => return,
        };
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.elapsed() >= TELL_EVERY {
            *told = Instant::now();
            self.tell(true);
        }
    }
}

impl Drop for Counting<'_> {
    fn drop(&mut self) {
        self.tell(false);
    }
}
