//! The one writer of an index.
//!
//! A batch is durable, in whole, when [`Writer::apply`] returns; if the process ends before that, the batch is
//! there in whole or not at all. Dropping a writer loses nothing that was applied.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::catalog::Catalog;
use crate::lock::Lock;
use crate::record::Entry;
use crate::vector::to_half_bytes;
use crate::{
    Change, Error, Fingerprint, Key, MAX_DIM, MAX_NOTE_LEN, MAX_PAYLOAD_LEN, Record, Space, Vector,
    WriterOptions,
};

/// Changes an index; no other process can at the same time. Threads may share it: their batches take turns.
pub struct Writer {
    dir: PathBuf,
    dim: usize,
    /// Held while a batch is put together and committed.
    turn: Mutex<()>,
    catalog: Catalog,
    /// Comes after the catalog, so that it is released after it.
    _lock: Lock,
}

/// A change that needs nothing more from the catalog: what to keep, or `None` to forget the key.
type Resolved = Option<(Record, Option<Vec<u8>>)>;

impl Writer {
    /// Opens the index in `dir` for vectors of `space`, and creates what is not there.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process writes it, [`Error::SpaceMismatch`] when it holds vectors of
    /// another space, [`Error::NewerFormat`], [`Error::UnusableDimension`], and whatever the disk says.
    pub fn open(dir: &Path, space: &Space, options: WriterOptions) -> Result<Writer, Error> {
        if !(1..=MAX_DIM).contains(&space.dim) {
            return Err(Error::UnusableDimension {
                path: dir.to_owned(),
                found: space.dim,
                expected: MAX_DIM,
            });
        }
        let WriterOptions { cache_bytes, publish_rows: _, publish_interval: _, segment_rows: _, graph: _ } =
            options;
        fs::create_dir_all(dir).map_err(Error::io("create", dir))?;
        let lock = Lock::acquire(dir)?;
        let catalog = Catalog::open(dir, cache_bytes)?;
        match catalog.space()? {
            None => catalog.initialise(space)?,
            Some(found) if found == *space => {}
            Some(found) => {
                let (found, expected) = (Box::new(found), Box::new(space.clone()));
                return Err(Error::SpaceMismatch { path: dir.to_owned(), found, expected });
            }
        }
        Ok(Writer { dir: dir.to_owned(), dim: space.dim, turn: Mutex::new(()), catalog, _lock: lock })
    }

    /// The record under `key`.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn get(&self, key: &Key) -> Result<Option<Record>, Error> {
        Ok(self.catalog.entry(key)?.map(|entry| entry.record))
    }

    /// The vector of this content, as it was rounded to half precision; `None` where no record has one.
    ///
    /// It is the content's own whatever other threads apply meanwhile: a row is written once, so the record that
    /// names both the content and the row cannot lead to another's vector.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn vector_of(&self, fingerprint: &Fingerprint) -> Result<Option<Vector>, Error> {
        for key in self.catalog.keys_of(fingerprint)? {
            let same =
                |entry: &Entry| entry.has_vector && entry.record.fingerprint.as_ref() == Some(fingerprint);
            let Some(entry) = self.catalog.entry(&key)?.filter(same) else { continue };
            // Replaced since: another key may still have it.
            let Some(bytes) = self.catalog.find_vector(entry.row)? else { continue };
            let vector = Vector::from_half_bytes(&bytes);
            return vector.map(Some).ok_or_else(|| self.catalog.damaged("a vector cannot be read"));
        }
        Ok(None)
    }

    /// The keys whose content is this and that have a vector, in their order.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn keys_of(&self, fingerprint: &Fingerprint) -> Result<Vec<Key>, Error> {
        self.catalog.keys_of(fingerprint)
    }

    /// The records whose keys begin with `prefix`, in the order of the keys. Changes applied meanwhile may or
    /// may not be among them.
    pub fn records<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Key, Record), Error>> + use<'a> {
        self.catalog.entries(prefix).map(|found| found.map(|(key, entry)| (key, entry.record)))
    }

    /// The note last set.
    ///
    /// # Errors
    /// When the catalog cannot be read.
    pub fn note(&self) -> Result<Option<Vec<u8>>, Error> {
        self.catalog.note()
    }

    /// Keeps one opaque note of at most [`MAX_NOTE_LEN`] bytes with the index, in place of the one before. It is
    /// durable when this returns, and searchers opened after the next publication see it.
    ///
    /// # Errors
    /// [`Error::TooLong`], or when the catalog cannot be written.
    pub fn set_note(&self, note: Vec<u8>) -> Result<(), Error> {
        self.check_len("a note", note.len(), MAX_NOTE_LEN)?;
        let _turn = self.take_turn();
        self.catalog.set_note(note)
    }

    /// Applies all the changes or, when it fails, none. Of several changes to one key the last counts. They are
    /// durable when this returns, and published within the time and number of rows of the options.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`], [`Error::TooLong`], or when the catalog cannot be
    /// written.
    pub fn apply(&self, changes: Vec<Change>) -> Result<(), Error> {
        let _turn = self.take_turn();
        let mut resolved = BTreeMap::new();
        for change in changes {
            let (key, change) = self.resolve(change)?;
            resolved.insert(key, change);
        }
        let mut batch = self.catalog.batch()?;
        for (key, change) in resolved {
            let old = self.catalog.entry(&key)?;
            match change {
                Some((record, half_bytes)) => batch.put(&key, old.as_ref(), record, half_bytes),
                None => batch.delete(&key, old.as_ref()),
            }
        }
        self.catalog.commit(&batch)
    }

    /// Makes everything applied so far visible to searchers opened from now on.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn publish(&self) -> Result<(), Error> {
        Ok(())
    }

    /// Publishes, waits for what runs in the background, and ends the writer.
    ///
    /// # Errors
    /// When something cannot be written. What was applied is durable all the same.
    pub fn close(self) -> Result<(), Error> {
        self.publish()
    }

    fn resolve(&self, change: Change) -> Result<(Key, Resolved), Error> {
        match change {
            Change::Delete { key } => Ok((key, None)),
            Change::Put { key, record, vector } => {
                self.check_len("a payload", record.payload.len(), MAX_PAYLOAD_LEN)?;
                let half_bytes = vector.map(|vector| self.half_bytes(&vector)).transpose()?;
                Ok((key, Some((record, half_bytes))))
            }
        }
    }

    fn half_bytes(&self, vector: &Vector) -> Result<Vec<u8>, Error> {
        if vector.dim() != self.dim {
            let path = self.dir.clone();
            return Err(Error::DimensionMismatch { path, found: vector.dim(), expected: self.dim });
        }
        Ok(to_half_bytes(vector))
    }

    fn check_len(&self, what: &'static str, found: usize, expected: usize) -> Result<(), Error> {
        if found > expected {
            return Err(Error::TooLong { path: self.dir.clone(), what, found, expected });
        }
        Ok(())
    }

    /// A thread that panicked in its turn has left the catalog as it was before or after its batch, so that the
    /// next may go on.
    fn take_turn(&self) -> MutexGuard<'_, ()> {
        self.turn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
