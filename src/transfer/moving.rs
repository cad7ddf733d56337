//! Moves records to other paths, for photos that are in another place now.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use super::TransferError;
use super::import::is_newer;
use crate::item::Item;
use crate::library::{Sink, Stored, View, Visit, Write, try_visit};

/// Files moved at once. Each batch takes its files to the new place and away from the old one in one step.
const BATCH: usize = 200;

/// What became of the records below the old place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Files that are at the new place now.
    pub files: u64,
    /// Files that the library already had at the new place, in a version at least as new. The old record was removed.
    pub known: u64,
    /// Files that stay at the old place: their path at the new one cannot be stored, or their vector is damaged.
    pub left: u64,
    /// Whether it was stopped before its end. The next call goes on.
    pub cancelled: bool,
}

/// Moves all records at and below `old` to the same place below `new`. Vectors are kept, and no file is read. `view` is
/// a view of what `sink` changes. Each file is at one of both places at any time, so this can be interrupted, and
/// called again to go on.
///
/// # Errors
/// [`TransferError::Nested`], or [`TransferError::Store`].
pub fn move_root(
    view: &dyn View,
    sink: &dyn Sink,
    (old, new): (&Path, &Path),
    cancelled: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Moved, TransferError> {
    if old.starts_with(new) || new.starts_with(old) {
        return Err(TransferError::Nested);
    }
    let mut moving =
        Moving { view, sink, old, new, file: Vec::new(), batch: Vec::new(), moved: Moved::default() };
    let mut files = 0;
    let all = |visit: Visit<'_>| sink.each_under(old, visit);
    try_visit(all, |stored| {
        if moving.file.first().is_some_and(|first| first.item.path != stored.item.path) {
            moving.file_is_complete()?;
            files += 1;
            progress(files);
        }
        moving.file.push(stored);
        moving.moved.cancelled = cancelled();
        let goes_on = !moving.moved.cancelled;
        Ok::<_, TransferError>(if goes_on { ControlFlow::Continue(()) } else { ControlFlow::Break(()) })
    })?;
    if !moving.moved.cancelled {
        // After a cancellation parts of the last file may be missing here.
        moving.file_is_complete()?;
    }
    moving.flush()?;
    Ok(moving.moved)
}

struct Moving<'a> {
    view: &'a dyn View,
    sink: &'a dyn Sink,
    old: &'a Path,
    new: &'a Path,
    /// The records of one file and its parts.
    file: Vec<Stored>,
    batch: Vec<Write>,
    moved: Moved,
}

impl Moving<'_> {
    fn file_is_complete(&mut self) -> Result<(), TransferError> {
        let Some(first) = self.file.first() else { return Ok(()) };
        let old = first.item.path.clone();
        let new = self.place_of(&old);
        let known = self.sink.get(&Item::file(&new))?.and_then(|stored| stored.photo);
        let is_known = known.is_some_and(|known| {
            first.photo.as_ref().is_some_and(|photo| first.item.part.is_some() || !is_newer(photo, &known))
        });
        let file = std::mem::take(&mut self.file);
        let mut puts = Vec::new();
        for stored in file.into_iter().filter(|_| !is_known) {
            puts.push(self.put(stored, &new)?);
        }
        if puts.iter().any(|put| self.sink.check(put).is_err() || has_lost_its_vector(put)) {
            self.moved.left += 1;
            return Ok(());
        }
        *(if is_known { &mut self.moved.known } else { &mut self.moved.files }) += 1;
        self.batch.extend(puts);
        self.batch.push(Write::Remove { path: old });
        if self.batch.len() < 2 * BATCH { Ok(()) } else { self.flush() }
    }

    fn put(&self, stored: Stored, new: &Path) -> Result<Write, TransferError> {
        let Stored { item, content, photo, .. } = stored;
        let vector = self.view.get(&item)?.and_then(|stored| stored.vector);
        // A record of a later version has no photo here, and cannot be written again.
        let photo = photo.ok_or(TransferError::Later)?;
        let item = Item { path: new.to_owned(), part: item.part };
        Ok(Write::Put { item, content, photo, vector })
    }

    fn place_of(&self, path: &Path) -> PathBuf {
        match path.strip_prefix(self.old) {
            Ok(rest) if rest.as_os_str().is_empty() => self.new.to_owned(),
            Ok(rest) => self.new.join(rest),
            Err(_) => path.to_owned(),
        }
    }

    fn flush(&mut self) -> Result<(), TransferError> {
        if !self.batch.is_empty() {
            self.sink.apply(std::mem::take(&mut self.batch))?;
        }
        Ok(())
    }
}

fn has_lost_its_vector(put: &Write) -> bool {
    matches!(put, Write::Put { photo, vector: None, .. } if photo.skip.is_none())
}
