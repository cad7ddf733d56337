//! Changes to the catalog that become visible together.

use crate::record::Entry;
use crate::{Key, Record};

/// Puts and deletes, and the numbers of the rows they make. At most one change of a batch may be about a key.
pub(crate) struct Batch {
    pub(super) next_row: u64,
    pub(super) records: sled::Batch,
    pub(super) vectors: sled::Batch,
    pub(super) rows: sled::Batch,
    pub(super) tombstones: sled::Batch,
}

impl Batch {
    /// The first row number that was never given is `next_row`.
    pub(super) fn new(next_row: u64) -> Batch {
        Batch {
            next_row,
            records: Default::default(),
            vectors: Default::default(),
            rows: Default::default(),
            tombstones: Default::default(),
        }
    }

    /// Puts a record under a key, from which [`Batch::delete`] has taken what was there, and answers its row.
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

    /// Forgets a key where `old` is now. It takes a row number too, so that the numbers tell of two states of
    /// a catalog which is the later one.
    pub(crate) fn delete(&mut self, key: &Key, old: &Entry) {
        let row = old.row.to_be_bytes();
        self.next_row += 1;
        if old.has_vector {
            self.vectors.remove(&row);
        }
        self.rows.remove(&row);
        self.records.remove(key.as_bytes());
    }

    /// Remembers that a row which searchers can see is dead, until they cannot.
    pub(crate) fn bury(&mut self, row: u64, key: &Key) {
        self.tombstones.insert(&row.to_be_bytes(), key.as_bytes());
    }

    /// Makes sure that no number below `next_row` is given again.
    pub(crate) fn skip_to(&mut self, next_row: u64) {
        self.next_row = self.next_row.max(next_row);
    }
}
