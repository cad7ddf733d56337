//! Thumbnails of photos, made on their own threads and cached.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread::Builder;

use crossbeam_channel::{Receiver, Sender, unbounded};
use imgsearch::decode::Limits;
use imgsearch::thumbnail::Thumbnailer;
use ratatui::layout::Size;

use crate::render::{PICTURE, Painted, Painter};

/// Cached thumbnails: a few screens full, at up to a megabyte each.
const KEPT: usize = 60;

/// A painted thumbnail, or why there is none.
pub(super) type Made = Result<Painted, String>;

/// A photo, and the size of its picture in cells.
pub(super) type Wish = (PathBuf, Size);

pub(super) struct Thumbnails {
    ready: HashMap<Wish, Made>,
    /// Thumbnails that are queued or being made.
    pending: HashSet<Wish>,
    wanted: Sender<Wish>,
    /// The queue's other end, to remove wishes that no longer count.
    waiting: Receiver<Wish>,
    made: Receiver<(Wish, Made)>,
}

impl Thumbnails {
    /// Starts the threads. They end when this is dropped, without being waited for.
    pub(super) fn start(painter: &Painter, threads: usize) -> Thumbnails {
        let (wanted, waiting) = unbounded::<Wish>();
        let (sender, made) = unbounded();
        let thumbnailer = Arc::new(Thumbnailer::new(painter.side(PICTURE), Limits::default()));
        for _ in 0..threads {
            let (painter, thumbnailer) = (painter.clone(), Arc::clone(&thumbnailer));
            let (waiting, sender) = (waiting.clone(), sender.clone());
            let work = move || {
                for wish in waiting {
                    let picture = make(&wish, &thumbnailer, &painter);
                    if sender.send((wish, picture)).is_err() {
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
    pub(super) fn of(&self, path: &Path, size: Size) -> Option<&Made> {
        self.ready.get(&(path.to_owned(), size))
    }

    /// Queues these thumbnails in place of all that are still queued.
    pub(super) fn want(&mut self, wishes: &[Wish]) {
        let is_missing = |wish: &&Wish| !self.ready.contains_key(*wish) && !self.pending.contains(*wish);
        if wishes.iter().find(is_missing).is_none() {
            return;
        }
        for dropped in self.waiting.try_iter() {
            self.pending.remove(&dropped);
        }
        if self.ready.len() > KEPT {
            self.ready.retain(|wish, _| wishes.contains(wish));
        }
        for wish in wishes {
            if !self.ready.contains_key(wish) && self.pending.insert(wish.clone()) {
                // This cannot fail: `self` holds a receiver.
                _ = self.wanted.send(wish.clone());
            }
        }
    }

    /// Collects the finished thumbnails. Returns whether there were any.
    pub(super) fn take(&mut self) -> bool {
        let mut is_new = false;
        for (wish, picture) in self.made.try_iter() {
            self.pending.remove(&wish);
            self.ready.insert(wish, picture);
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

fn make((path, size): &Wish, thumbnailer: &Thumbnailer, painter: &Painter) -> Made {
    let picture = thumbnailer.within(path, painter.side(*size)).map_err(|error| error.to_string())?;
    painter.paint(picture, *size)
}
