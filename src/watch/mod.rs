//! Notices changes in folders, so that a library can be kept current.
//!
//! A change only marks a path; looking into it is the work of an ordinary incremental run
//! ([`crate::ingest::Plan::only`]). So a missed, doubled or misleading event cannot make anything wrong: at worst a
//! change is seen later, by the next full walk. Systems do miss events: of 100 folders created with a photo in each at
//! once, Linux told of 40 to 60 of the photos, but of all folders.
//!
//! No system tells of changes that another machine makes on a network share. Such roots are walked on a schedule, and so
//! are those that cannot be watched for another reason. All others are walked once a day as well.

mod dirty;
mod pace;

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded, never, select};
use notify::event::{AccessKind, AccessMode};
use notify::{ErrorKind, Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};

use crate::disk::is_on_network;
use crate::walk::Rules;
use dirty::Dirty;
use pace::Pace;

/// What to watch, and how often to look where watching is not enough.
#[derive(Clone, Debug)]
pub struct Options {
    /// Folders or files that exist.
    pub roots: Vec<PathBuf>,
    /// What is left out below them.
    pub rules: Rules,
    /// Folders that this program writes to: changes in them mean nothing.
    pub ignored: Vec<PathBuf>,
    /// How often to walk roots that cannot be watched: network shares, mostly.
    pub rescan: Duration,
}

impl Options {
    /// How often roots that cannot be watched are walked, unless told otherwise.
    pub const RESCAN: Duration = Duration::from_secs(15 * 60);
    /// How often the others are walked.
    const FULL_WALK: Duration = Duration::from_secs(24 * 60 * 60);

    /// Watches `roots` with the usual settings.
    pub fn new(roots: Vec<PathBuf>) -> Options {
        Options { roots, rules: Rules::default(), ignored: Vec::new(), rescan: Options::RESCAN }
    }

    /// Whether a change at `path` is of no interest. Hidden files are left out by name alone; the run that looks decides
    /// about all else.
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
    /// Other machines can change it, and no system tells of that.
    #[error("it is on a network share")]
    Network,
    /// Linux watches only so many folders for each user.
    #[error("it has more folders than this system lets a user watch (`fs.inotify.max_user_watches`)")]
    TooManyFolders,
    /// The system refused.
    #[error("{0}")]
    Refused(String),
}

/// One of the roots.
#[derive(Debug)]
struct Root {
    path: PathBuf,
    /// `None` while it is watched.
    unwatched: Option<Unwatched>,
    next_walk: Instant,
}

/// What the thread that hears of changes shares with the one that waits.
struct Heard {
    options: Options,
    dirty: Mutex<Dirty>,
    /// Holds a token while there is something new.
    bell: Sender<()>,
}

/// Watches folders until it is dropped.
pub struct Watch {
    heard: Arc<Heard>,
    roots: Vec<Root>,
    pace: Pace,
    rung: Receiver<()>,
    /// `None` where this system has nothing to watch with.
    watcher: Result<RecommendedWatcher, String>,
}

impl Watch {
    /// Begins to watch. A root that cannot be watched is walked on a schedule; see [`Watch::unwatched`].
    pub fn begin(options: Options) -> Watch {
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

    /// Waits until there is something to look at, and names it: files and folders, none below another, some of which
    /// may be gone. `None` as soon as `stop` has a message or its sender is gone.
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

    /// Looks at these again in a later round: files that are still being copied, or all of a round that failed.
    pub fn look_again(&self, paths: impl IntoIterator<Item = PathBuf>) {
        self.heard.mark(paths);
    }

    fn mark_due_walks(&mut self, now: Instant) {
        for place in 0..self.roots.len() {
            if self.roots[place].next_walk <= now {
                let path = self.roots[place].path.clone();
                // What was unplugged and is here again has lost its watches.
                self.roots[place] = self.begun(path.clone(), now);
                self.heard.mark([path]);
            }
        }
    }

    /// Watches a root, if that can be done.
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

impl Heard {
    fn hear(&self, event: notify::Result<Event>) {
        match event {
            Ok(event) if event.need_rescan() => self.mark(self.options.roots.clone()),
            Ok(event) if is_change(event.kind) => {
                self.mark(event.paths.into_iter().filter(|path| !self.options.ignores(path)));
            }
            Ok(_) => {}
            // Of which changes it would have told is not known.
            Err(_) => self.mark(self.options.roots.clone()),
        }
    }

    fn mark(&self, paths: impl IntoIterator<Item = PathBuf>) {
        let (mut dirty, now) = (self.dirty(), Instant::now());
        for path in paths {
            dirty.mark(path, &self.options.roots, now);
        }
        drop(dirty);
        // A full channel has rung already; the other end is gone only when nobody waits any more.
        match self.bell.try_send(()) {
            Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(())) => {}
        }
    }

    /// No thread panics while it holds this.
    fn dirty(&self) -> MutexGuard<'_, Dirty> {
        self.dirty.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a file may be another one now. Reading a file is no change.
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
