//! Changes to the catalog that are committed together.

use crate::record::Entry;
use crate::{Key, Record};

/// Puts and deletes, with their row numbers. A batch may contain at most one change per key.
pub(crate) struct Batch {
    pub(super) next_row: u64,
    pub(super) records: sled::Batch,
    pub(super) vectors: sled::Batch,
    pub(super) rows: sled::Batch,
    pub(super) tombstones: sled::Batch,
}

impl Batch {
    /// `next_row` is the first unused row number.
    pub(super) fn new(next_row: u64) -> Batch {
        Batch {
            next_row,
            records: Default::default(),
            vectors: Default::default(),
            rows: Default::default(),
            tombstones: Default::default(),
        }
    }

    /// Puts a record and returns its row. If the key had a record, call [`Batch::delete`] first.
    pub(crate) fn put(&mut self, key: &Key, record: Record, half_bytes: Option<Vec<u8>>) -> u64 {
        let entry = Entry { row: self.next_row, has_vector: half_bytes.is_some(), record };
        self.next_row += 1;
        self.restore(key, &entry, half_bytes);
        entry.row
    }

    /// Puts a record back under the row it had.
    pub(crate) fn restore(&mut self, key: &Key, entry: &Entry, half_bytes: Option<Vec<u8>>) {
        let row = entry.row.to_be_bytes();
        self.next_row = self.next_row.max(entry.row + 1);
        if let Some(half_bytes) = half_bytes {
            self.vectors.insert(&row, half_bytes);
        }
        self.rows.insert(&row, key.as_bytes());
        self.records.insert(key.as_bytes(), entry.to_bytes());
    }

    /// Deletes a key whose current entry is `old`. A delete uses up a row number too, so that of two states of a catalog
    /// the one with the higher number is the later one.
    pub(crate) fn delete(&mut self, key: &Key, old: &Entry) {
        let row = old.row.to_be_bytes();
        self.next_row += 1;
        if old.has_vector {
            self.vectors.remove(&row);
        }
        self.rows.remove(&row);
        self.records.remove(key.as_bytes());
    }

    /// Adds a tombstone for a deleted row that searchers still see.
    pub(crate) fn bury(&mut self, row: u64, key: &Key) {
        self.tombstones.insert(&row.to_be_bytes(), key.as_bytes());
    }

    /// Makes sure that no row number below `next_row` is used again.
    pub(crate) fn skip_to(&mut self, next_row: u64) {
        self.next_row = self.next_row.max(next_row);
    }
}
