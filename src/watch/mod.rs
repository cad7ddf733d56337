//! Watches folders for changes, to keep a library current.
//!
//! A change only marks a path; an ordinary incremental run then reads it ([`crate::ingest::Plan::only`]). So a missed,
//! duplicate or misleading event does no harm: at worst, the next full walk finds the change. Systems do miss events: Linux
//! reports a new folder, but perhaps not the files that were put into it at once.
//!
//! No system reports changes that another machine makes on a network share. Such roots, and others that cannot be
//! watched, are walked on a schedule. All other roots are walked once a day as well.

mod dirty;
mod pace;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::disk::is_on_network;
use crate::name::canonicalize;
use crate::walk::Rules;
use dirty::Dirty;
use pace::Pace;

/// What to watch, and how often to walk folders that cannot be watched.
#[derive(Clone, Debug)]
pub struct Options {
    /// Existing folders or files.
    pub roots: Vec<PathBuf>,
    /// Which files below the roots are left out.
    pub rules: Rules,
    /// Folders that this program writes to. Changes in them are ignored.
    pub ignored: Vec<PathBuf>,
    /// How often to walk roots that cannot be watched, mostly network shares.
    pub rescan: Duration,
}

impl Options {
    /// The default of [`Options::rescan`].
    pub const RESCAN: Duration = Duration::from_secs(15 * 60);
    /// How often watched roots are walked.
    const FULL_WALK: Duration = Duration::from_secs(24 * 60 * 60);

    /// Watches `roots` with the usual settings.
    pub fn new(roots: Vec<PathBuf>) -> Options {
        Options { roots, rules: Rules::default(), ignored: Vec::new(), rescan: Options::RESCAN }
    }

    /// Whether a change at `path` can be ignored. Only hidden files are left out here; the run applies the other rules.
    fn ignores(&self, path: &Path) -> bool {
        let is_hidden = |root: &PathBuf| {
            let Ok(inside) = path.strip_prefix(root) else { return true };
            inside.components().any(|part| part.as_os_str().as_encoded_bytes().starts_with(b"."))
        };
        self.ignored.iter().any(|folder| path.starts_with(folder))
            || (!self.rules.include_hidden && self.roots.iter().all(is_hidden))
    }
}

/// Why a root is walked on a schedule instead of being watched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unwatched {
    /// Other machines can change it, and no system reports that.
    #[error("it is on a network share")]
    Network,
    /// Linux limits how many folders a user can watch.
    #[error("it has more folders than this system lets a user watch (`fs.inotify.max_user_watches`)")]
    TooManyFolders,
    /// The system's error message.
    #[error("{0}")]
    Refused(String),
}

#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// `None` while it is watched.
    unwatched: Option<Unwatched>,
    next_walk: Instant,
}

/// State shared by the thread that receives events and the one that waits.
struct Heard {
    options: Options,
    dirty: Mutex<Dirty>,
    /// Contains a token while there are new changes.
    bell: Sender<()>,
}

/// Watches folders until it is dropped.
pub struct Watch {
    heard: Arc<Heard>,
    roots: Vec<Root>,
    pace: Pace,
    rung: Receiver<()>,
    /// `Err` if this system cannot watch folders.
    watcher: Result<RecommendedWatcher, String>,
}

impl Watch {
    /// Starts watching. A root that cannot be watched is walked on a schedule; see [`Watch::unwatched`].
    pub fn begin(mut options: Options) -> Watch {
        for folder in &mut options.ignored {
            // Events name real paths, without links.
            *folder = canonicalize(folder).unwrap_or_else(|_| folder.clone());
        }
        let (bell, rung) = bounded(1);
        let heard = Arc::new(Heard { options, dirty: Mutex::default(), bell });
        let handler = Arc::clone(&heard);
        let configured = notify::Config::default().with_follow_symlinks(heard.options.rules.follow_symlinks);
        let watcher = RecommendedWatcher::new(move |event| handler.hear(event), configured);
        let mut watch = Watch {
            roots: Vec::new(),
            pace: Pace::default(),
            rung,
            watcher: watcher.map_err(|error| error.to_string()),
            heard,
        };
        for path in watch.heard.options.roots.clone() {
            let root = watch.begun(path, Instant::now());
            watch.roots.push(root);
        }
        watch
    }

    /// The roots that are walked on a schedule, and why.
    pub fn unwatched(&self) -> impl Iterator<Item = (&Path, &Unwatched)> {
        self.roots.iter().filter_map(|root| Some((root.path.as_path(), root.unwatched.as_ref()?)))
    }

    /// Waits for changes and returns the changed files and folders. None is below another, and some may no longer exist.
    /// Returns `None` as soon as `stop` has a message or its sender is dropped.
    pub fn wait(&mut self, stop: &Receiver<()>) -> Option<Vec<PathBuf>> {
        loop {
            let now = Instant::now();
            self.mark_due_walks(now);
            let times = self.heard.dirty().times();
            if let Some(times) = times.filter(|&times| self.pace.due(times) <= now) {
                self.pace.begun(times, now);
                return Some(self.heard.dirty().take());
            }
            let walks = self.roots.iter().map(|root| root.next_walk);
            let wake = walks.chain(times.map(|times| self.pace.due(times))).min();
            let timer = wake.map_or_else(never, crossbeam_channel::at);
            select! {
                recv(stop) -> _ => return None,
                recv(self.rung) -> _ => {}
                recv(timer) -> _ => {}
            }
        }
    }

    /// Tells, also on other threads, whether there are changes that [`Watch::wait`] has not returned yet.
    pub fn changes(&self) -> Changes {
        Changes(Arc::clone(&self.heard))
    }

    /// Marks paths for a later round: files that are still being copied, or all paths of a round that failed.
    pub fn look_again(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.heard.mark(paths);
    }

    fn mark_due_walks(&mut self, now: Instant) {
        for place in 0..self.roots.len() {
            if self.roots[place].next_walk <= now {
                let path = self.roots[place].path.clone();
                // A disk that was unplugged and plugged in again has lost its watches.
                self.roots[place] = self.begun(path.clone(), now);
                self.heard.mark([path]);
            }
        }
    }

    /// Watches a root if possible.
    fn begun(&mut self, path: PathBuf, now: Instant) -> Root {
        let unwatched = self.watch(&path).err();
        let interval = if unwatched.is_some() { self.heard.options.rescan } else { Options::FULL_WALK };
        Root { path, unwatched, next_walk: now + interval }
    }

    fn watch(&mut self, path: &Path) -> Result<(), Unwatched> {
        if is_on_network(path) {
            return Err(Unwatched::Network);
        }
        let watcher = self.watcher.as_mut().map_err(|error| Unwatched::Refused(error.clone()))?;
        watcher.watch(path, RecursiveMode::Recursive).map_err(|error| {
            let is_too_many = matches!(error.kind, ErrorKind::MaxFilesWatch);
            if is_too_many { Unwatched::TooManyFolders } else { Unwatched::Refused(error.to_string()) }
        })
    }
}

/// Whether there are changes.
pub struct Changes(Arc<Heard>);

impl Changes {
    /// Whether something has changed since [`Watch::wait`] last returned.
    pub fn are_there(&self) -> bool {
        self.0.dirty().times().is_some()
    }
}

impl Heard {
    fn hear(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.mark(self.options.roots.clone()),
            Ok(event) if is_change(event.kind) => {
                self.mark(event.paths.into_iter().filter(|path| !self.options.ignores(path)));
            }
            Ok(_) => {}
            // It is unknown which changes were missed.
            Err(_) => self.mark(self.options.roots.clone()),
        }
    }

    fn mark(&self, paths: impl IntoIterator<Item = PathBuf>) {
        let (mut dirty, now) = (self.dirty(), Instant::now());
        for path in paths {
            dirty.mark(path, &self.options.roots, now);
        }
        drop(dirty);
        // If the channel is full, the waiting thread will wake anyway; if it is disconnected, no thread waits.
        match self.bell.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// No thread panics while it holds this.
    fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file may have changed. Reading does not change a file.
fn is_change(kind: EventKind) -> bool {
    match kind {
        EventKind::Access(AccessKind::Close(AccessMode::Write)) => true,
        EventKind::Access(_) => false,
        EventKind::Any
        | EventKind::Create(_)
        | EventKind::Modify(_)
        | EventKind::Remove(_)
        | EventKind::Other => true,
    }
}

#[cfg(test)]
mod tests;
