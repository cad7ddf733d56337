//! The system of record: every record and vector, in a sled database. Nothing outside this folder names sled.
//!
//! A [`Batch`] is atomic, and durable once [`Catalog::commit`] returns. The index's lock ensures that only one process
//! opens a catalog.
//!
//! Trees and their entries follow. Numbers are little-endian unless noted. Rows are big-endian `u64`, so that they sort in
//! order:
//!
//! | tree         | key                   | value                                                    |
//! |--------------|-----------------------|----------------------------------------------------------|
//! | schema       | `format`              | `u32`, [`FORMAT`]                                        |
//! | schema       | `space`               | see [`Space`]                                            |
//! | schema       | `index`               | `u64`, see [`IndexId`]; absent in earlier versions       |
//! | schema       | `next row`            | `u64`, the first unused row number; absent at first      |
//! | schema       | `note`                | the caller's bytes                                       |
//! | records      | key bytes             | see [`Entry`]                                            |
//! | rows         | row                   | key bytes                                                |
//! | vectors      | row                   | one `f16` per dimension                                  |
//! | tombstones   | row                   | key bytes; only while searchers still see the row        |
//! | graphs       | graph, number of chunk, both big-endian `u64` | a piece of a graph file          |
//!
//! Everything is written in row order, nothing in random order. An earlier tree from fingerprints to rows took 1.1 KB on
//! disk per row, because each row of a batch touched another leaf. Now the segments look up fingerprints.

mod batch;
mod trouble;

use std::convert::Infallible;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sled::Transactional;
use sled::transaction::{ConflictableTransactionError, TransactionError};

use crate::identity::IndexId;
use crate::record::Entry;
use crate::{Error, Key, Space};
pub(crate) use batch::Batch;
use trouble::ask;

/// Increased whenever an older version of this crate could misread the data.
const FORMAT: u32 = 1;

const FORMAT_KEY: &[u8] = b"format";
const SPACE_KEY: &[u8] = b"space";
const INDEX_KEY: &[u8] = b"index";
const NEXT_ROW_KEY: &[u8] = b"next row";
const NOTE_KEY: &[u8] = b"note";

/// Graphs are split into values of this size, because sled stores values over a quarter of its 512 KB segments in separate
/// files.
const CHUNK_BYTES: usize = 96 << 10;

/// How many entries are copied at a time: at most 10 MB, with the largest entries (pieces of graphs).
const COPIED_AT_A_TIME: usize = 100;

/// The open database.
pub(crate) struct Catalog {
    path: PathBuf,
    db: sled::Db,
    file: File,
    schema: sled::Tree,
    records: sled::Tree,
    rows: sled::Tree,
    vectors: sled::Tree,
    tombstones: sled::Tree,
    graphs: sled::Tree,
}

impl Catalog {
    /// Whether there is a database in the folder.
    pub(crate) fn exists(path: &Path) -> bool {
        database_file(path).exists()
    }

    /// Opens the database in the folder, or creates an empty one. The caller holds the index's lock.
    pub(crate) fn open(path: &Path, cache_bytes: u64) -> Result<Catalog, Error> {
        remove_unfinished_snapshots(path)?;
        // Each batch is flushed explicitly, so sled needs no flushing thread.
        let config = sled::Config::new().path(path).cache_capacity(cache_bytes).flush_every_ms(None);
        let db = ask(path, || open_when_released(&config))?;
        let file_path = database_file(path);
        let file = File::options().write(true).open(&file_path).map_err(Error::io("open", &file_path))?;
        let tree = |name: &str| ask(path, || db.open_tree(name));
        let catalog = Catalog {
            schema: tree("schema")?,
            records: tree("records")?,
            rows: tree("rows")?,
            vectors: tree("vectors")?,
            tombstones: tree("tombstones")?,
            graphs: tree("graphs")?,
            path: path.to_owned(),
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
            0 => Err(self.damaged("the format number is invalid")),
            _ => Err(Error::NewerFormat { path: self.path.clone(), found, expected: FORMAT }),
        }
    }

    /// Which model made the vectors; `None` for a catalog that was never initialised.
    pub(crate) fn space(&self) -> Result<Option<Space>, Error> {
        let Some(bytes) = self.schema_value(SPACE_KEY)? else { return Ok(None) };
        Space::from_bytes(&bytes).map(Some).ok_or_else(|| self.damaged("the vector space cannot be read"))
    }

    /// Which index the catalog belongs to; `None` in a catalog of an earlier version.
    pub(crate) fn index(&self) -> Result<Option<IndexId>, Error> {
        let Some(bytes) = self.schema_value(INDEX_KEY)? else { return Ok(None) };
        let number = u64::from_le_bytes(self.exactly(&bytes, "the index's number cannot be read")?);
        Ok(IndexId::from_number(number))
    }

    /// Sets up a new catalog for vectors of `space`, or gives a catalog of an earlier version its number. The change is
    /// durable when this function returns.
    pub(crate) fn initialise(&self, space: &Space, index: IndexId) -> Result<(), Error> {
        let space_bytes = space.to_bytes().ok_or_else(|| self.damaged("the vector space is too large"))?;
        let mut batch = sled::Batch::default();
        batch.insert(FORMAT_KEY, &FORMAT.to_le_bytes());
        batch.insert(SPACE_KEY, space_bytes);
        batch.insert(INDEX_KEY, &IndexId::to_number(Some(index)).to_le_bytes());
        self.ask(|| self.schema.apply_batch(batch))?;
        self.flush()
    }

    pub(crate) fn note(&self) -> Result<Option<Vec<u8>>, Error> {
        self.schema_value(NOTE_KEY)
    }

    /// Durable when it returns.
    pub(crate) fn set_note(&self, note: Vec<u8>) -> Result<(), Error> {
        self.ask(|| self.schema.insert(NOTE_KEY, note))?;
        self.flush()
    }

    /// The first unused row number.
    pub(crate) fn next_row(&self) -> Result<u64, Error> {
        match self.schema_value(NEXT_ROW_KEY)? {
            Some(bytes) => Ok(u64::from_le_bytes(self.exactly(&bytes, "the next row is not a number")?)),
            None => Ok(0),
        }
    }

    pub(crate) fn entry(&self, key: &Key) -> Result<Option<Entry>, Error> {
        let found = self.ask(|| self.records.get(key.as_bytes()))?;
        found.map(|bytes| self.read_entry(&bytes)).transpose()
    }

    /// Every record whose key begins with `prefix`, in the order of the keys.
    pub(crate) fn entries<'a>(
        &'a self,
        prefix: &[u8],
    ) -> impl Iterator<Item = Result<(Key, Entry), Error>> + use<'a> {
        self.each(self.records.scan_prefix(prefix)).map(|found| {
            let (key, value) = found?;
            Ok((self.read_key(&key)?, self.read_entry(&value)?))
        })
    }

    /// The rows from `first` on with their keys, in order.
    pub(crate) fn rows_from(&self, first: u64) -> impl Iterator<Item = Result<(u64, Key), Error>> {
        self.each(self.rows.range(first.to_be_bytes()..)).map(|found| self.read_row(&found?))
    }

    /// The dead rows that searchers may still see, each with its former key.
    pub(crate) fn tombstones(&self) -> impl Iterator<Item = Result<(u64, Key), Error>> {
        self.each(self.tombstones.iter()).map(|found| self.read_row(&found?))
    }

    /// Removes tombstones. This need not be durable, because burying a row twice is harmless.
    pub(crate) fn forget_tombstones(&self, rows: impl Iterator<Item = u64>) -> Result<(), Error> {
        let mut batch = sled::Batch::default();
        rows.for_each(|row| batch.remove(&row.to_be_bytes()));
        self.ask(|| self.tombstones.apply_batch(batch))
    }

    /// The half floats of a row's vector. The row must have one.
    pub(crate) fn vector_bytes(&self, row: u64) -> Result<Vec<u8>, Error> {
        self.find_vector(row)?.ok_or_else(|| self.damaged("a vector is missing"))
    }

    /// The half floats of a row's vector, unless the row was replaced.
    pub(crate) fn find_vector(&self, row: u64) -> Result<Option<Vec<u8>>, Error> {
        Ok(self.ask(|| self.vectors.get(row.to_be_bytes()))?.map(|bytes| bytes.to_vec()))
    }

    /// Stores the bytes of a graph. Durable when it returns.
    pub(crate) fn put_graph(&self, graph: u64, bytes: &[u8]) -> Result<(), Error> {
        for (chunk, bytes) in (0u64..).zip(bytes.chunks(CHUNK_BYTES)) {
            self.ask(|| self.graphs.insert(graph_key(graph, chunk), bytes))?;
        }
        self.flush()
    }

    /// The bytes of a graph; empty if it was never stored.
    pub(crate) fn graph(&self, graph: u64) -> Result<Vec<u8>, Error> {
        let chunks = self.each(self.graphs.scan_prefix(graph.to_be_bytes()));
        let chunks: Vec<_> = chunks.map(|found| Ok(found?.1)).collect::<Result<_, Error>>()?;
        Ok(chunks.concat())
    }

    /// Reads every piece of every graph.
    pub(crate) fn check_graphs(&self) -> Result<(), Error> {
        self.each(self.graphs.iter()).try_for_each(|found| found.map(drop))
    }

    /// Removes all graphs except those that `keep` accepts.
    pub(crate) fn retain_graphs(&self, keep: impl Fn(u64) -> bool) -> Result<(), Error> {
        for found in self.each(self.graphs.iter()) {
            let (key, _) = found?;
            let graph = key.first_chunk().map(|&graph| u64::from_be_bytes(graph));
            if !graph.is_some_and(&keep) {
                self.ask(|| self.graphs.remove(&key))?;
            }
        }
        Ok(())
    }

    /// Size of the database in bytes. sled reuses the space of deleted data but never returns it.
    pub(crate) fn bytes_on_disk(&self) -> Result<u64, Error> {
        self.ask(|| self.db.size_on_disk())
    }

    /// Copies everything to an empty catalog. Durable when it returns.
    pub(crate) fn copy_to(&self, other: &Catalog) -> Result<(), Error> {
        for (from, to) in self.trees().into_iter().zip(other.trees()) {
            let mut batch = sled::Batch::default();
            for (i, found) in (1..).zip(self.each(from.iter())) {
                let (key, value) = found?;
                batch.insert(key, value);
                if i % COPIED_AT_A_TIME == 0 {
                    other.ask(|| to.apply_batch(std::mem::take(&mut batch)))?;
                }
            }
            other.ask(|| to.apply_batch(batch))?;
        }
        other.flush()
    }

    fn trees(&self) -> [&sled::Tree; 6] {
        let Catalog { schema, records, rows, vectors, tombstones, graphs, path: _, db: _, file: _ } = self;
        [schema, records, rows, vectors, tombstones, graphs]
    }

    /// An empty batch, which assigns row numbers. Don't use two at a time: they would assign the same numbers.
    pub(crate) fn batch(&self) -> Result<Batch, Error> {
        Ok(Batch::new(self.next_row()?))
    }

    /// Applies a batch atomically; durable when it returns.
    pub(crate) fn commit(&self, batch: &Batch) -> Result<(), Error> {
        let Batch { next_row, records, vectors, rows, tombstones } = batch;
        let Catalog { schema, .. } = self;
        let trees = (schema, &self.records, &self.vectors, &self.rows, &self.tombstones);
        let apply = || {
            trees.transaction(|(in_schema, in_records, in_vectors, in_rows, in_tombstones)| {
                in_schema.insert(NEXT_ROW_KEY, &next_row.to_le_bytes())?;
                in_records.apply_batch(records)?;
                in_vectors.apply_batch(vectors)?;
                in_rows.apply_batch(rows)?;
                in_tombstones.apply_batch(tombstones)?;
                Ok::<(), ConflictableTransactionError<Infallible>>(())
            })
        };
        self.ask(|| {
            apply().map_err(|error| match error {
                TransactionError::Storage(error) => error,
                TransactionError::Abort(never) => match never {},
            })
        })?;
        self.flush()
    }

    /// On Linux, sled's own flush is `sync_file_range`. That survives a killed process, but it neither records a grown
    /// file's length nor flushes the disk's cache, so a power cut could lose the batch.
    fn flush(&self) -> Result<(), Error> {
        self.ask(|| self.db.flush())?;
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }

    fn schema_value(&self, key: &[u8]) -> Result<Option<Vec<u8>>, Error> {
        let found = self.ask(|| self.schema.get(key))?;
        Ok(found.map(|bytes| bytes.to_vec()))
    }

    fn read_key(&self, bytes: &[u8]) -> Result<Key, Error> {
        Key::new(bytes).map_err(|_| self.damaged("a key has an impossible length"))
    }

    fn read_row(&self, (row, key): &(sled::IVec, sled::IVec)) -> Result<(u64, Key), Error> {
        Ok((u64::from_be_bytes(self.exactly(row, "a row is not a number")?), self.read_key(key)?))
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

    fn ask<T>(&self, question: impl FnOnce() -> sled::Result<T>) -> Result<T, Error> {
        ask(&self.path, question)
    }

    /// The items of a sled iterator, up to the first error.
    fn each<'a>(
        &'a self,
        mut found: sled::Iter,
    ) -> impl Iterator<Item = Result<(sled::IVec, sled::IVec), Error>> + use<'a> {
        let mut failed = false;
        std::iter::from_fn(move || {
            if failed {
                return None;
            }
            let next = self.ask(|| found.next().transpose()).transpose();
            failed = next.as_ref().is_some_and(Result::is_err);
            next
        })
    }
}

fn graph_key(graph: u64, chunk: u64) -> [u8; 16] {
    let mut key = [0; 16];
    key[..8].copy_from_slice(&graph.to_be_bytes());
    key[8..].copy_from_slice(&chunk.to_be_bytes());
    key
}

fn database_file(path: &Path) -> PathBuf {
    path.join("db")
}

/// Removes unfinished snapshots. When sled opens a database it writes a snapshot of its log to `snap.….generating` and
/// then renames it. If a killed process left a partial one, sled would read it as complete and report a corrupt database.
/// The previous snapshot still exists.
fn remove_unfinished_snapshots(path: &Path) -> Result<(), Error> {
    let entries = match std::fs::read_dir(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(Error::io("read", path))?,
    };
    for entry in entries {
        let path = entry.map_err(Error::io("read", path))?.path();
        if path.extension().is_some_and(|extension| extension == "generating") {
            std::fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
    }
    Ok(())
}

/// Retries while the database is locked. A closed database keeps its lock for some milliseconds, until its threads have
/// ended. Since we hold the index's lock, nobody else can have it.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Record;

    fn space() -> Space {
        Space::new("a", "A", 3).unwrap()
    }

    #[track_caller]
    fn check_format(stored: &[u8], expected: Option<&str>) {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&dir.path().join("catalog"), 1 << 20).unwrap();
        catalog.initialise(&space(), IndexId::new()).unwrap();
        catalog.schema.insert(FORMAT_KEY, stored).unwrap();
        drop(catalog);
        let found = Catalog::open(&dir.path().join("catalog"), 1 << 20).err().map(|error| error.to_string());
        let expected = expected.map(|what| what.replace("DIR", &dir.path().display().to_string()));
        assert_eq!(found, expected);
    }

    #[test]
    fn format_is_checked() {
        check_format(&1u32.to_le_bytes(), None);
        check_format(
            &2u32.to_le_bytes(),
            Some("the index in DIR/catalog has format 2, but this version only reads up to 1"),
        );
        check_format(
            &0u32.to_le_bytes(),
            Some("the index is damaged: the format number is invalid in DIR/catalog"),
        );
        check_format(&[1], Some("the index is damaged: the format is not a number in DIR/catalog"));
    }

    #[test]
    fn an_uninitialised_catalog_has_no_space() {
        let dir = tempfile::tempdir().unwrap();
        assert!(!Catalog::exists(&dir.path().join("catalog")));
        let catalog = Catalog::open(&dir.path().join("catalog"), 1 << 20).unwrap();
        assert!(Catalog::exists(&dir.path().join("catalog")));
        assert_eq!(catalog.space().unwrap(), None);
        catalog.initialise(&space(), IndexId::new()).unwrap();
        assert_eq!(catalog.space().unwrap(), Some(space()));
    }

    #[test]
    fn a_snapshot_that_was_never_finished_does_no_harm() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("catalog");
        let catalog = Catalog::open(&path, 1 << 20).unwrap();
        catalog.initialise(&space(), IndexId::new()).unwrap();
        drop(catalog);
        std::fs::write(path.join("snap.7FFFFFFFFFFFFFFF.generating"), [0; 20]).unwrap();
        assert_eq!(Catalog::open(&path, 1 << 20).unwrap().space().unwrap(), Some(space()));
    }

    #[test]
    fn row_numbers_are_never_reused() {
        let dir = tempfile::tempdir().unwrap();
        let catalog = Catalog::open(&dir.path().join("catalog"), 1 << 20).unwrap();
        let key = Key::new("k").unwrap();
        for row in 0..3 {
            let mut batch = catalog.batch().unwrap();
            batch.put(&key, Record { fingerprint: None, payload: Vec::new() }, Some(vec![0; 6]));
            catalog.commit(&batch).unwrap();
            let entry = catalog.entry(&key).unwrap().unwrap();
            assert_eq!(entry.row, 2 * row, "the delete before used a number too");
            let mut batch = catalog.batch().unwrap();
            batch.delete(&key, &entry);
            catalog.commit(&batch).unwrap();
            assert!(matches!(catalog.vector_bytes(entry.row), Err(Error::Damaged { .. })));
        }
    }
}
