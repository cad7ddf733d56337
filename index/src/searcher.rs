//! Searches one state of an index, which never changes under the caller.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use rayon::prelude::*;

use crate::catalog::Catalog;
use crate::lock::Lock;
use crate::record::Entry;
use crate::scan::{self, HalfRows, Scored};
use crate::selection::{Owner, Selection};
use crate::vector::read_half_bytes;
use crate::{Error, Key, Record, SearchOptions, Space, StoredRecord, Vector};

/// Memory for reading the catalog: each of its pages is read about once, so that keeping more would not help.
const CACHE_BYTES: u64 = 16 << 20;

/// A view of an index as it was published when the view was opened.
pub struct Searcher {
    dir: PathBuf,
    space: Space,
    note: Option<Vec<u8>>,
    owner: Owner,
    /// The records that a search can return, in the order of their keys.
    rows: Vec<(Key, Record)>,
    /// The vectors of `rows`.
    vectors: HalfRows,
    /// The records without a vector, in the order of their keys.
    remembered: Vec<(Key, Record)>,
    bytes_on_disk: u64,
}

/// A record that a search has found.
#[derive(Debug, Clone, PartialEq)]
pub struct Hit {
    /// The key of the record.
    pub key: Key,
    /// The cosine of the angle between its vector and the query: greater is closer.
    pub score: f32,
    /// The payload of the record.
    pub payload: Vec<u8>,
}

/// What an index consists of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records with a vector, which a search can return.
    pub rows: usize,
    /// Records without one.
    pub remembered: usize,
    /// Rows that were deleted or replaced and still take space.
    pub dead_rows: usize,
    /// Segments published.
    pub segments: usize,
    /// How many of `rows` a graph covers; the others are scanned.
    pub graph_rows: usize,
    /// Everything in the folder of the index, in bytes.
    pub bytes_on_disk: u64,
}

impl Searcher {
    /// Opens what was last published of the index in `dir`.
    ///
    /// # Errors
    /// [`Error::Missing`] when there is no index, [`Error::NewerFormat`], [`Error::Damaged`], and whatever the
    /// disk says.
    pub fn open(dir: &Path) -> Result<Searcher, Error> {
        let missing = || Error::Missing { path: dir.to_owned() };
        if !Catalog::exists(dir) {
            return Err(missing());
        }
        let _lock = Lock::acquire(dir)?;
        let catalog = Catalog::open(dir, CACHE_BYTES)?;
        let mut searcher = Searcher {
            dir: dir.to_owned(),
            space: catalog.space()?.ok_or_else(missing)?,
            note: catalog.note()?,
            owner: Owner::default(),
            rows: Vec::new(),
            vectors: HalfRows::default(),
            remembered: Vec::new(),
            bytes_on_disk: catalog.bytes_on_disk()?,
        };
        for found in catalog.entries(&[]) {
            let (key, entry) = found?;
            searcher.load(&catalog, key, entry)?;
        }
        Ok(searcher)
    }

    fn load(&mut self, catalog: &Catalog, key: Key, entry: Entry) -> Result<(), Error> {
        let Entry { row, has_vector, record } = entry;
        if !has_vector {
            self.remembered.push((key, record));
            return Ok(());
        }
        let half_bytes = catalog.vector_bytes(row)?;
        let HalfRows { halves, inverse_lengths } = &mut self.vectors;
        let inverse_length = read_half_bytes(&half_bytes, self.space.dim, halves)
            .ok_or_else(|| catalog.damaged("a vector cannot be read"))?;
        inverse_lengths.push(inverse_length);
        self.rows.push((key, record));
        Ok(())
    }

    /// Which model made the vectors.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The note the writer had set.
    #[must_use]
    pub fn note(&self) -> Option<&[u8]> {
        self.note.as_deref()
    }

    /// How many records have a vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether no record has a vector, so that every search finds nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// What the index consists of.
    #[must_use]
    pub fn stats(&self) -> Stats {
        Stats {
            rows: self.rows.len(),
            remembered: self.remembered.len(),
            dead_rows: 0,
            segments: 0,
            graph_rows: 0,
            bytes_on_disk: self.bytes_on_disk,
        }
    }

    /// Every record, in no particular order.
    pub fn records(&self) -> impl Iterator<Item = StoredRecord<'_>> {
        let rows = self.rows.iter().map(|found| stored(found, true));
        rows.chain(self.remembered.iter().map(|found| stored(found, false)))
    }

    /// The rows with a vector whose key and payload `keep` accepts. It is called from several threads.
    #[must_use]
    pub fn select(&self, keep: impl Fn(&[u8], &[u8]) -> bool + Sync) -> Selection {
        let kept = |(key, record): &(Key, Record)| keep(key.as_bytes(), &record.payload);
        let word = |rows: &[(Key, Record)]| {
            rows.iter().enumerate().fold(0, |word, (bit, row)| word | u64::from(kept(row)) << bit)
        };
        Selection::new(self.owner.clone(), self.rows.par_chunks(64).map(word).collect())
    }

    /// The `k` records closest to `query`, best first, those equally close in the order of their keys. There
    /// are fewer only when the index, or the filter, has fewer.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for a query of another space, and [`Error::ForeignSelection`] for a filter
    /// that another searcher has made.
    pub fn search(
        &self,
        query: &Vector,
        k: NonZeroUsize,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Hit>, Error> {
        if query.dim() != self.space.dim {
            let (found, expected) = (query.dim(), self.space.dim);
            return Err(Error::DimensionMismatch { path: self.dir.clone(), found, expected });
        }
        let SearchOptions { filter, exact: _, ef: _ } = *options;
        if filter.is_some_and(|selection| !selection.belongs_to(&self.owner)) {
            return Err(Error::ForeignSelection { path: self.dir.clone() });
        }
        let keep = |row| filter.is_none_or(|selection| selection.contains(row));
        let best = scan::best(&self.vectors, query.as_slice(), k.get(), keep);
        Ok(best.into_iter().map(|scored| self.hit(scored)).collect())
    }

    fn hit(&self, Scored { score, row }: Scored) -> Hit {
        let (key, record) = &self.rows[row];
        Hit { key: key.clone(), score, payload: record.payload.clone() }
    }
}

fn stored((key, record): &(Key, Record), has_vector: bool) -> StoredRecord<'_> {
    let Record { fingerprint, payload } = record;
    StoredRecord { key: key.as_bytes(), payload, fingerprint: *fingerprint, has_vector }
}
