//! Thumbnails of photos, made on their own threads and cached.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};
use imgsearch::decode::Limits;
use imgsearch::thumbnail::Thumbnailer;

use crate::render::{Painted, Painter};

/// Cached thumbnails: a few screens full, at up to a megabyte each.
const KEPT: usize = 60;

/// A painted thumbnail, or why there is none.
pub(super) type Made = Result<Painted, String>;

pub(super) struct Thumbnails {
    ready: HashMap<PathBuf, Made>,
    /// Thumbnails that are queued or being made.
    pending: HashSet<PathBuf>,
    wanted: Sender<PathBuf>,
    /// The queue's other end, to remove paths that are no longer wanted.
    waiting: Receiver<PathBuf>,
    made: Receiver<(PathBuf, Made)>,
}

impl Thumbnails {
    /// Starts the threads. They end when this is dropped, without being waited for.
    pub(super) fn start(painter: &Painter, threads: usize) -> Thumbnails {
        let (wanted, waiting) = unbounded::<PathBuf>();
        let (sender, made) = unbounded();
        let thumbnailer = Arc::new(Thumbnailer::new(painter.side(), Limits::default()));
        for _ in 0..threads {
            let (painter, thumbnailer) = (painter.clone(), Arc::clone(&thumbnailer));
            let (waiting, sender) = (waiting.clone(), sender.clone());
            let work = move || {
                for path in waiting {
                    let picture = make(&path, &thumbnailer, &painter);
                    if sender.send((path, picture)).is_err() {
                        break;
                    }
                }
            };
            // A thread that cannot start only makes this slower, or at worst there are no thumbnails.
            _ = Builder::new().name("thumbnails".to_owned()).spawn(work);
        }
        Thumbnails { ready: HashMap::new(), pending: HashSet::new(), wanted, waiting, made }
    }

    /// The photo's thumbnail, if it is ready.
    pub(super) fn of(&self, path: &Path) -> Option<&Made> {
        self.ready.get(path)
    }

    /// Queues these thumbnails in place of all that are still queued.
    pub(super) fn want(&mut self, paths: &[&Path]) {
        let is_missing = |path: &&&Path| !self.ready.contains_key(**path) && !self.pending.contains(**path);
        if paths.iter().find(is_missing).is_none() {
            return;
        }
        for dropped in self.waiting.try_iter() {
            self.pending.remove(&dropped);
        }
        if self.ready.len() > KEPT {
            self.ready.retain(|path, _| paths.contains(&path.as_path()));
        }
        for path in paths {
            if !self.ready.contains_key(*path) && self.pending.insert((*path).to_owned()) {
                // This cannot fail: `self` holds a receiver.
                _ = self.wanted.send((*path).to_owned());
            }
        }
    }

    /// Collects the finished thumbnails. Returns whether there were any.
    pub(super) fn take(&mut self) -> bool {
        let mut is_new = false;
        for (path, picture) in self.made.try_iter() {
            self.pending.remove(&path);
            self.ready.insert(path, picture);
            is_new = true;
        }
        is_new
    }

    pub(super) fn are_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Drops all thumbnails, because the terminal may have lost them.
    pub(super) fn clear(&mut self) {
        self.ready.clear();
    }
}

fn make(path: &Path, thumbnailer: &Thumbnailer, painter: &Painter) -> Made {
    painter.paint(thumbnailer.make(path).map_err(|error| error.to_string())?)
}
