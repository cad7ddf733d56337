//! The one writer of an index.
//!
//! A batch is durable when [`Writer::apply`] returns. If the process ends before that, either the whole batch is stored or
//! nothing. Dropping a writer loses nothing that was applied: unpublished rows are published when the index is next opened
//! for writing.

use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;

use crate::catalog::Catalog;
use crate::lock::Lock;
use crate::publication::{Pending, Publication};
use crate::record::Entry;
use crate::vector::to_half_bytes;
use crate::{
    Change, Error, Fingerprint, Key, MAX_NOTE_LEN, MAX_PAYLOAD_LEN, OptimizeOptions, Record, Space, Vector,
    WriterOptions, background, files, recovery,
};

/// Changes an index. No other process can change it at the same time. Threads can share a writer: their batches take turns.
pub struct Writer {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
}

/// The state shared by the threads of a writer.
pub(crate) struct Shared {
    pub(crate) dir: PathBuf,
    dim: usize,
    pub(crate) options: WriterOptions,
    /// Locked while a batch is assembled and committed, and while publishing.
    turn: Mutex<WriterState>,
    /// Set when the writer ends, so that its threads end too.
    pub(crate) ended: AtomicBool,
    /// Set while `optimize` builds graphs, so that the graph thread does not.
    pub(crate) optimizing: AtomicBool,
    /// Notified when there is something to publish or build, when a graph is finished, and at the end.
    pub(crate) bell: Condvar,
    pub(crate) catalog: Catalog,
    /// Declared after the catalog, so that it is released after it.
    _lock: Lock,
}

/// The state that only one thread at a time may use.
pub(crate) struct WriterState {
    pub(crate) publication: Publication,
    /// How many graphs could not be built or written. After the first failure this writer stops building graphs.
    pub(crate) graph_failures: usize,
}

/// A change ready for the catalog: the record and vector to store, or `None` to delete the key.
type Resolved = Option<(Record, Option<Vec<u8>>)>;

impl Writer {
    /// Opens the index in `dir` for vectors of `space`, or creates it. After a crash, it finishes interrupted work, and
    /// rebuilds missing parts of catalog or segments from the other.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes to it, [`Error::SpaceMismatch`] if it has vectors of another space,
    /// [`Error::NewerFormat`], [`Error::Damaged`] if it needs a [`repair`](crate::repair()) or the manifest belongs to
    /// another index, or an error of the system.
    pub fn open(dir: &Path, space: &Space, options: WriterOptions) -> Result<Writer, Error> {
        files::create_folder(dir)?;
        let lock = Lock::acquire(dir)?;
        let shared = Arc::new(Shared::open(dir, space, options, lock)?);
        let threads = background::spawn(&shared)?;
        Ok(Writer { shared, threads })
    }

    /// The record under `key`.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        Ok(self.shared.catalog.entry(key)?.map(|entry| entry.record))
    }

    /// The records of this content that have a vector, each with its key and its vector in half precision, in key order.
    /// Records that are replaced meanwhile are left out.
    ///
    /// A record always comes with its own vector, even if other threads apply changes at the same time, because a row's
    /// data never changes.
    pub fn records_of<'a>(
        &'a self,
        fingerprint: &Fingerprint,
    ) -> impl Iterator<Item = Result<(Key, Record, Vector), Error>> + use<'a> {
        let fingerprint = *fingerprint;
        let (keys, error) = match self.shared.take_turn().publication.keys_of(&fingerprint) {
            Ok(keys) => (keys, None),
            Err(error) => (Vec::new(), Some(Err(error))),
        };
        let record = move |key| self.shared.record_of(key, &fingerprint).transpose();
        keys.into_iter().filter_map(record).chain(error)
    }

    /// The records whose keys start with `prefix`, in key order. Changes applied meanwhile may or may not be visible.
    pub fn records<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Key, Record), Error>> + use<'a> {
        self.shared.catalog.entries(prefix).map(|found| found.map(|(key, entry)| (key, entry.record)))
    }

    /// The last note set.
    ///
    /// # Errors
    /// If the catalog cannot be read.
    pub fn note(&self) -> Result<Option<Vec<u8>>, Error> {
        self.shared.catalog.note()
    }

    /// Sets the index's note, opaque bytes of at most [`MAX_NOTE_LEN`], and replaces the previous one. It is durable when
    /// this returns. Searchers opened after the next publication see it.
    ///
    /// # Errors
    /// [`Error::TooLong`], or if the catalog cannot be written.
    pub fn set_note(&self, note: Vec<u8>) -> Result<(), Error> {
        self.shared.check_len("a note", note.len(), MAX_NOTE_LEN)?;
        let mut turn = self.shared.take_turn();
        self.shared.catalog.set_note(note)?;
        turn.publication.note_changed = true;
        self.shared.publish_when_due(&mut turn);
        Ok(())
    }

    /// Checks whether [`Writer::apply`] would refuse a batch because of this change. It is cheap, so a caller can drop such
    /// a change and keep the rest of the batch.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] or [`Error::TooLong`].
    pub fn check(&self, change: &Change) -> Result<(), Error> {
        self.shared.check(change)
    }

    /// Applies all changes or, on failure, none. If several concern one key, the last one wins. They are durable when this
    /// returns, and published within the time and number of rows set in the options. If publishing fails,
    /// [`Writer::publish`] and [`Writer::close`] try again and return the error.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::TooLong`], or if the catalog cannot be written.
    pub fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        let mut resolved = BTreeMap::new();
        for change in changes {
            let (key, change) = self.shared.resolve(change)?;
            resolved.insert(key, change);
        }
        let mut turn = self.shared.take_turn();
        self.shared.commit(&mut turn.publication, resolved)?;
        self.shared.publish_when_due(&mut turn);
        Ok(())
    }

    /// Makes everything applied so far visible to searchers opened from now on.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn publish(&self) -> Result<(), Error> {
        self.shared.publish(&mut self.shared.take_turn())
    }

    /// Merges all segments, which frees the space of dead rows, and builds missing graphs, on all cores. Returns false if it
    /// was cancelled; finished work is kept.
    ///
    /// # Errors
    /// If something cannot be written.
    pub fn optimize(&self, options: &OptimizeOptions<'_>) -> Result<bool, Error> {
        background::optimize(&self.shared, options)
    }

    /// Publishes, waits until every full segment has its graph, and closes the writer.
    ///
    /// # Errors
    /// If something cannot be written. Applied changes are durable even then.
    pub fn close(self) -> Result<(), Error> {
        self.publish()?;
        background::wait_for_graphs(&self.shared);
        Ok(())
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Shared { dir, dim, options, .. } = &*self.shared;
        let mut shown = f.debug_struct("Writer");
        shown.field("dir", dir).field("dim", dim).field("options", options).finish_non_exhaustive()
    }
}

/// Ends the threads. Interrupted work is finished when the index is next opened.
impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Lock and unlock: a thread that checked `ended` before it was set is now waiting, so it will be notified.
        drop(self.shared.take_turn());
        self.shared.bell.notify_all();
        for thread in self.threads.drain(..) {
            // A panicked thread has ended too.
            thread.join().ok();
        }
    }
}

impl Shared {
    fn open(dir: &Path, space: &Space, options: WriterOptions, lock: Lock) -> Result<Shared, Error> {
        let manifest = recovery::manifest(dir)?;
        let catalog = recovery::catalog(dir, space, manifest.as_ref(), options.cache_bytes)?;
        let mut publication = recovery::publication(dir, &catalog, space, manifest)?;
        publication.keep_extracts(dir, options.extractor);
        publication.publish(dir, &catalog, &options)?;
        publication.remove_what_is_not_named(dir)?;
        publication.find_unmeasured(dir);
        let catalog = recovery::compact(dir, catalog, &publication, options.cache_bytes)?;
        files::make_private(dir);
        let turn = Mutex::new(WriterState { publication, graph_failures: 0 });
        let (dir, dim) = (dir.to_owned(), space.dim());
        let (ended, optimizing, bell) = (AtomicBool::new(false), AtomicBool::new(false), Condvar::new());
        Ok(Shared { dir, dim, options, turn, ended, optimizing, bell, catalog, _lock: lock })
    }

    /// The record under `key` with its vector, if it still has this content and a vector.
    fn record_of(&self, key: Key, fingerprint: &Fingerprint) -> Result<Option<(Key, Record, Vector)>, Error> {
        let is_same = |entry: &Entry| entry.has_vector && entry.record.fingerprint == Some(*fingerprint);
        let Some(entry) = self.catalog.entry(&key)?.filter(is_same) else { return Ok(None) };
        // The record may have been replaced since it was read.
        let Some(bytes) = self.catalog.find_vector(entry.row)? else { return Ok(None) };
        let vector = Vector::from_half_bytes(&bytes);
        let vector = vector.ok_or_else(|| self.catalog.damaged("a vector cannot be read"))?;
        Ok(Some((key, entry.record, vector)))
    }

    fn commit(&self, publication: &mut Publication, changes: BTreeMap<Key, Resolved>) -> Result<(), Error> {
        let mut batch = self.catalog.batch()?;
        let (mut put, mut dead) = (Vec::new(), Vec::new());
        for (key, change) in changes {
            if let Some(old) = self.catalog.entry(&key)? {
                batch.delete(&key, &old);
                if publication.is_published(old.row, &key) {
                    batch.bury(old.row, &key);
                }
                dead.push((old.row, key.clone()));
            }
            if let Some((record, half_bytes)) = change {
                let (has_vector, fingerprint) = (half_bytes.is_some(), record.fingerprint);
                let row = batch.put(&key, record, half_bytes);
                let fingerprint = fingerprint.filter(|_| has_vector);
                put.push((key, Pending { row, has_vector, fingerprint }));
            }
        }
        self.catalog.commit(&batch)?;
        dead.into_iter().for_each(|(row, key)| publication.bury(row, &key));
        put.into_iter().for_each(|(key, pending)| publication.put(key, pending));
        Ok(())
    }

    pub(crate) fn publish(&self, turn: &mut WriterState) -> Result<(), Error> {
        turn.publication.publish(&self.dir, &self.catalog, &self.options)?;
        self.bell.notify_all();
        Ok(())
    }

    /// Publishes if it is due. A thread that applies all the time would rarely let the background thread do it.
    fn publish_when_due(&self, turn: &mut WriterState) {
        turn.publication.touch();
        match turn.publication.due_in(&self.options) {
            // If this fails it stays due, so the next call tries again.
            Some(wait) if wait.is_zero() => self.publish(turn).unwrap_or_default(),
            Some(_) => self.bell.notify_all(),
            None => {}
        }
    }

    fn check(&self, change: &Change) -> Result<(), Error> {
        let Change::Put { record, vector, .. } = change else { return Ok(()) };
        self.check_len("a payload", record.payload.len(), MAX_PAYLOAD_LEN)?;
        match vector.as_ref().map(Vector::dim) {
            Some(found) if found != self.dim => {
                Err(Error::DimensionMismatch { path: self.dir.clone(), found, expected: self.dim })
            }
            Some(_) | None => Ok(()),
        }
    }

    fn resolve(&self, change: Change) -> Result<(Key, Resolved), Error> {
        self.check(&change)?;
        Ok(match change {
            Change::Delete { key } => (key, None),
            Change::Put { key, record, vector } => (key, Some((record, vector.as_ref().map(to_half_bytes)))),
        })
    }

    fn check_len(&self, what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
        if found > expected {
            return Err(Error::TooLong { path: self.dir.clone(), what, found, expected });
        }
        Ok(())
    }

    /// Locks the turn. If a thread panicked while it had the lock, the catalog is in the state before or after its batch,
    /// so it is safe to continue.
    pub(crate) fn take_turn(&self) -> MutexGuard<'_, WriterState> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::GraphOptions;

    const FULL: u64 = 4_096;

    fn put(row: u64) -> Change {
        let vector =
            Vector::normalized((0..4).map(|i| crate::test_numbers::spread(4 * row + i)).collect()).unwrap();
        let record = Record { fingerprint: None, payload: Vec::new() };
        Change::Put { key: key(row), record, vector: Some(vector) }
    }

    fn key(row: u64) -> Key {
        Key::new(format!("{row:05}")).unwrap()
    }

    /// A row of a full segment is deleted but that is not published when the segment is merged.
    #[test]
    fn segments_are_merged_with_unpublished_changes() {
        let folder = tempfile::tempdir().unwrap();
        let space = Space::new("id", "label", 4).unwrap();
        let options = WriterOptions {
            publish_rows: usize::MAX,
            publish_interval: Duration::from_secs(3_600),
            segment_rows: usize::try_from(FULL).unwrap(),
            graph: GraphOptions { m: 4, ef_construction: Some(16) },
            ..WriterOptions::default()
        };
        let writer = Writer::open(folder.path(), &space, options).unwrap();
        // Pause the graph thread.
        writer.shared.optimizing.store(true, Ordering::Relaxed);
        for first in [0, FULL] {
            writer.apply((first..first + FULL).map(put).collect()).unwrap();
            writer.publish().unwrap();
        }
        writer.apply(vec![Change::Delete { key: key(7) }]).unwrap();
        writer.shared.optimizing.store(false, Ordering::Relaxed);
        writer.shared.bell.notify_all();
        background::wait_for_graphs(&writer.shared);
        let turn = writer.shared.take_turn();
        assert_eq!((turn.graph_failures, turn.publication.segments.len()), (0, 1));
    }
}
