//! The system of record: every record and vector, in a sled database. No other file of the crate names sled.
//!
//! What a [`Batch`] holds is there in whole or not at all, and once [`Catalog::commit`] returns it survives the
//! process and the machine. Only one process can have a catalog open; the index's lock sees to it.
//!
//! Trees and their entries, numbers little-endian unless said:
//!
//! | tree         | key               | value                                                     |
//! |--------------|-------------------|-----------------------------------------------------------|
//! | schema       | `format`          | `u32`, [`FORMAT`]                                         |
//! | schema       | `space`           | see [`Space`]                                             |
//! | schema       | `next row`        | `u64`, the first row number never given; absent for none  |
//! | schema       | `note`            | the caller's bytes                                        |
//! | records      | key bytes         | see [`Entry`]                                             |
//! | vectors      | row, `u64` big-endian | one `f16` per dimension                               |
//! | fingerprints | fingerprint, key bytes | empty; only of records with a vector                 |

use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::record::Entry;
use crate::{Error, Fingerprint, Key, Record, Space};

/// Raised whenever an older version of this crate could misread what is written.
const FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";
const SPACE_KEY: &[u8] = b"space";
const NEXT_ROW_KEY: &[u8] = b"next row";
const NOTE_KEY: &[u8] = b"note";

/// The open database.
pub(crate) struct Catalog {
    path: PathBuf,
    db: sled::Db,
    file: File,
    schema: sled::Tree,
    records: sled::Tree,
    vectors: sled::Tree,
    fingerprints: sled::Tree,
}

impl Catalog {
    /// Whether there is one for the index in `dir`.
    pub(crate) fn exists(dir: &Path) -> bool {
        database_file(&dir.join("catalog")).exists()
    }

    /// Opens the catalog of the index in `dir`, or creates an empty one. The caller holds the index's lock.
    pub(crate) fn open(dir: &Path, cache_bytes: u64) -> Result<Catalog, Error> {
        let path = dir.join("catalog");
        // Nothing is written behind the caller's back: each batch is flushed, and no thread does it again.
        let config = sled::Config::new().path(&path).cache_capacity(cache_bytes).flush_every_ms(None);
        let failed = |error| failed(&path, error);
        let db = open_when_released(&config).map_err(failed)?;
        let file_path = database_file(&path);
        let file = File::options().write(true).open(&file_path).map_err(Error::io("open", &file_path))?;
        let catalog = Catalog {
            schema: db.open_tree("schema").map_err(failed)?,
            records: db.open_tree("records").map_err(failed)?,
            vectors: db.open_tree("vectors").map_err(failed)?,
            fingerprints: db.open_tree("fingerprints").map_err(failed)?,
            path,
            db,
            file,
        };
        catalog.check_format()?;
        Ok(catalog)
    }

    fn check_format(&self) -> Result<(), Error> {
        let Some(bytes) = self.schema_value(FORMAT_KEY)? else { return Ok(()) };
        let found = u32::from_le_bytes(self.exactly(&bytes, "the format is not a number")?);
        match found {
            FORMAT => Ok(()),
            0 => Err(self.damaged("there was never such a format")),
            _ => Err(Error::NewerFormat { path: self.path.clone(), found, expected: FORMAT }),
        }
    }

    /// Which model made the vectors; `None` for a catalog that was never initialised.
    pub(crate) fn space(&self) -> Result<Option<Space>, Error> {
        let Some(bytes) = self.schema_value(SPACE_KEY)? else { return Ok(None) };
        Space::from_bytes(&bytes).map(Some).ok_or_else(|| self.damaged("the vector space cannot be read"))
    }

    /// Makes a new catalog one for vectors of `space`.
    pub(crate) fn initialise(&self, space: &Space) -> Result<(), Error> {
        let space_bytes = space.to_bytes().ok_or_else(|| self.damaged("the vector space is too large"))?;
        let mut batch = sled::Batch::default();
        batch.insert(FORMAT_KEY, &FORMAT.to_le_bytes());
        batch.insert(SPACE_KEY, space_bytes);
        self.schema.apply_batch(batch).map_err(|error| self.failed(error))?;
        self.flush()
    }

    pub(crate) fn note(&self) -> Result<Option<Vec<u8>>, Error> {
        self.schema_value(NOTE_KEY)
    }

    /// Durable when it returns.
    pub(crate) fn set_note(&self, note: Vec<u8>) -> Result<(), Error> {
        self.schema.insert(NOTE_KEY, note).map_err(|error| self.failed(error))?;
        self.flush()
    }

    pub(crate) fn entry(&self, key: &Key) -> Result<Option<Entry>, Error> {
        let found = self.records.get(key.as_bytes()).map_err(|error| self.failed(error))?;
        found.map(|bytes| self.read_entry(&bytes)).transpose()
    }

    /// Every record whose key begins with `prefix`, in the order of the keys.
    pub(crate) fn entries<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Key, Entry), Error>> + use<'a> {
        self.records.scan_prefix(prefix).map(|found| {
            let (key, value) = found.map_err(|error| self.failed(error))?;
            Ok((self.read_key(&key)?, self.read_entry(&value)?))
        })
    }

    /// The halves of the vector of a row that has one.
    pub(crate) fn vector_bytes(&self, row: u64) -> Result<Vec<u8>, Error> {
        self.find_vector(row)?.ok_or_else(|| self.damaged("a vector is missing"))
    }

    /// The halves of the vector of a row, unless the row was replaced.
    pub(crate) fn find_vector(&self, row: u64) -> Result<Option<Vec<u8>>, Error> {
        let found = self.vectors.get(row.to_be_bytes()).map_err(|error| self.failed(error))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    /// The keys of the records that have this fingerprint and a vector.
    pub(crate) fn keys_of(&self, fingerprint: &Fingerprint) -> Result<Vec<Key>, Error> {
        let found = self.fingerprints.scan_prefix(fingerprint.0).keys();
        found
            .map(|key| self.read_key(&key.map_err(|error| self.failed(error))?[fingerprint.0.len()..]))
            .collect()
    }

    /// An empty batch, which gives rows their numbers. Two at a time would give the same ones.
    pub(crate) fn batch(&self) -> Result<Batch, Error> {
        let next_row = match self.schema_value(NEXT_ROW_KEY)? {
            Some(bytes) => u64::from_le_bytes(self.exactly(&bytes, "the next row is not a number")?),
            None => 0,
        };
        Ok(Batch {
            next_row,
            records: Default::default(),
            vectors: Default::default(),
            fingerprints: Default::default(),
        })
    }

    /// Applies a batch in whole; durable when it returns.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), Error> {
        let Batch { next_row, records, vectors, fingerprints } = batch;
        let trees = (&self.schema, &self.records, &self.vectors, &self.fingerprints);
        trees
            .transaction(|(to_schema, to_records, to_vectors, to_fingerprints)| {
                to_schema.insert(NEXT_ROW_KEY, &next_row.to_le_bytes())?;
                to_records.apply_batch(records)?;
                to_vectors.apply_batch(vectors)?;
                to_fingerprints.apply_batch(fingerprints)?;
                Ok::<(), ConflictableTransactionError<Infallible>>(())
            })
            .map_err(|error| match error {
                TransactionError::Storage(error) => self.failed(error),
                TransactionError::Abort(never) => match never {},
            })?;
        self.flush()
    }

    /// On Linux sled's own flush is `sync_file_range`, which outlives a killed process, but neither records a
    /// grown file's length nor empties the disk's cache: after a power cut the batch could be gone.
    fn flush(&self) -> Result<(), Error> {
        self.db.flush().map_err(|error| self.failed(error))?;
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }

    /// What the catalog takes on disk.
    pub(crate) fn bytes_on_disk(&self) -> Result<u64, Error> {
        self.db.size_on_disk().map_err(|error| self.failed(error))
    }

    fn schema_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let found = self.schema.get(key).map_err(|error| self.failed(error))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn read_key(&self, bytes: &[u8]) -> Result<Key, Error> {
        Key::new(bytes).map_err(|_| self.damaged("a key has an impossible length"))
    }

    fn read_entry(&self, bytes: &[u8]) -> Result<Entry, Error> {
        Entry::from_bytes(bytes).ok_or_else(|| self.damaged("a record cannot be read"))
    }

    fn exactly<const N: usize>(&self, bytes: &[u8], otherwise: &'static str) -> Result<[u8; N], Error> {
        bytes.try_into().map_err(|_| self.damaged(otherwise))
    }

    pub(crate) fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { path: self.path.clone(), what }
    }

    fn failed(&self, error: sled::Error) -> Error {
        failed(&self.path, error)
    }
}

/// Changes that become visible together.
pub(crate) struct Batch {
    next_row: u64,
    records: sled::Batch,
    vectors: sled::Batch,
    fingerprints: sled::Batch,
}

impl Batch {
    /// Puts a record under a key where `old` is now. At most one change of a batch may be about a key.
    pub(crate) fn put(
        &mut self,
        key: &Key,
        old: Option<&Entry>,
        record: Record,
        half_bytes: Option<Vec<u8>>,
    ) {
        self.delete(key, old);
        let entry = Entry { row: self.next_row, has_vector: half_bytes.is_some(), record };
        self.next_row += 1;
        if let Some(half_bytes) = half_bytes {
            self.vectors.insert(&entry.row.to_be_bytes(), half_bytes);
            if let Some(fingerprint) = &entry.record.fingerprint {
                self.fingerprints.insert(fingerprint_key(fingerprint, key), &[]);
            }
        }
        self.records.insert(key.as_bytes(), entry.to_bytes());
    }

    /// Forgets a key where `old` is now.
    pub(crate) fn delete(&mut self, key: &Key, old: Option<&Entry>) {
        let Some(Entry { row, has_vector, record }) = old else { return };
        if *has_vector {
            self.vectors.remove(&row.to_be_bytes());
            if let Some(fingerprint) = &record.fingerprint {
                self.fingerprints.remove(fingerprint_key(fingerprint, key));
            }
        }
        self.records.remove(key.as_bytes());
    }
}

fn fingerprint_key(fingerprint: &Fingerprint, key: &Key) -> Vec<u8> {
    [&fingerprint.0, key.as_bytes()].concat()
}

fn database_file(path: &Path) -> PathBuf {
    path.join("db")
}

/// A database that was closed a moment ago keeps its own lock until its threads have ended, some milliseconds
/// later. The index's lock is ours, so there is nobody else to wait for.
fn open_when_released(config: &sled::Config) -> sled::Result<sled::Db> {
    const ATTEMPTS: u32 = 100;
    for _ in 1..ATTEMPTS {
        match config.open() {
            Err(sled::Error::Io(error)) if error.to_string().starts_with("could not acquire lock") => {
                std::thread::sleep(Duration::from_millis(20));
            }
            opened => return opened,
        }
    }
    config.open()
}

fn failed(path: &Path, error: sled::Error) -> Error {
    match error {
        sled::Error::Io(source) => Error::Io { path: path.to_owned(), action: "read or write", source },
        sled::Error::Corruption { .. } => {
            Error::Damaged { path: path.to_owned(), what: "a page cannot be read" }
        }
        other @ (sled::Error::CollectionNotFound(_)
        | sled::Error::Unsupported(_)
        | sled::Error::ReportableBug(_)) => Error::Catalog { path: path.to_owned(), source: Box::new(other) },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space { id: "a".into(), label: "A".into(), dim: 3 }
    }

    #[track_caller]
    fn check_format(stored: &[u8], expected: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path(), 1 << 20).unwrap();
        catalog.initialise(&space()).unwrap();
        catalog.schema.insert(FORMAT_KEY, stored).unwrap();
        drop(catalog);
        let found = Catalog::open(dir.path(), 1 << 20).err().map(|error| error.to_string());
        let expected = expected.map(|what| what.replace("DIR", &dir.path().display().to_string()));
        assert_eq!(found, expected);
    }

    #[test]
    fn format_is_checked() {
        check_format(&1u32.to_le_bytes(), None);
        check_format(
            &2u32.to_le_bytes(),
            Some("the index in DIR/catalog has format 2, newer than the newest known, 1"),
        );
        check_format(
            &0u32.to_le_bytes(),
            Some("the index is damaged: there was never such a format in DIR/catalog"),
        );
        check_format(&[1], Some("the index is damaged: the format is not a number in DIR/catalog"));
    }

    #[test]
    fn an_uninitialised_catalog_has_no_space() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Catalog::exists(dir.path()));
        let catalog = Catalog::open(dir.path(), 1 << 20).unwrap();
        assert!(Catalog::exists(dir.path()));
        assert_eq!(catalog.space().unwrap(), None);
        catalog.initialise(&space()).unwrap();
        assert_eq!(catalog.space().unwrap(), Some(space()));
    }

    #[test]
    fn row_numbers_are_never_given_twice() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(dir.path(), 1 << 20).unwrap();
        let key = Key::new("k").unwrap();
        for row in 0..3 {
            let mut batch = catalog.batch().unwrap();
            batch.put(&key, None, Record { fingerprint: None, payload: Vec::new() }, Some(vec![0; 6]));
            catalog.commit(&batch).unwrap();
            let entry = catalog.entry(&key).unwrap().unwrap();
            assert_eq!(entry.row, row);
            let mut batch = catalog.batch().unwrap();
            batch.delete(&key, Some(&entry));
            catalog.commit(&batch).unwrap();
            assert!(matches!(catalog.vector_bytes(row), Err(Error::Damaged { .. })));
        }
    }
}
