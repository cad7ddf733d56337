//! Records, changes to them, and their form on disk.

use crate::{Key, Vector};

/// The longest payload, in bytes.
pub const MAX_PAYLOAD_LEN: usize = 64 * 1024;

/// The longest note, in bytes.
pub const MAX_NOTE_LEN: usize = 64 * 1024;

const HAS_FINGERPRINT: u8 = 1;
const HAS_VECTOR: u8 = 2;

/// A 128-bit identity of the content that a vector was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Fingerprint(pub [u8; 16]);

/// The caller's data under a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Identifies the content, so that the same content elsewhere can be recognised.
    pub fingerprint: Option<Fingerprint>,
    /// Opaque bytes, at most [`MAX_PAYLOAD_LEN`].
    pub payload: Vec<u8>,
}

/// One step of a batch.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// Store `record` under `key` and replace any record that was there.
    Put {
        /// The key.
        key: Key,
        /// The record.
        record: Record,
        /// Its vector. Without one the record is stored, but no search returns it.
        vector: Option<Vector>,
    },
    /// Delete the record under `key`. A missing key is not an error.
    Delete {
        /// The key.
        key: Key,
    },
}

/// A record as a [`Searcher`](crate::Searcher) sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct StoredRecord<'a> {
    /// The bytes of the key.
    pub key: &'a [u8],
    /// The payload.
    pub payload: &'a [u8],
    /// The identity of the content, if the record has one.
    pub fingerprint: Option<Fingerprint>,
    /// Whether it has a vector, so that searches can return it.
    pub has_vector: bool,
}

/// A record in the catalog with its row number. Row numbers are never reused, so the data of a row never changes.
///
/// On disk: one byte of flags (1 fingerprint, 2 vector), the row as a little-endian `u64`, the 16 bytes of the fingerprint
/// if there is one, then the payload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) row: u64,
    pub(crate) has_vector: bool,
    pub(crate) record: Record,
}

impl Entry {
    pub(crate) fn to_bytes(&self) -> Vec<u8> {
        let Record { fingerprint, payload } = &self.record;
        let mut flags = 0;
        if fingerprint.is_some() {
            flags |= HAS_FINGERPRINT;
        }
        if self.has_vector {
            flags |= HAS_VECTOR;
        }
        let fingerprint = fingerprint.as_ref().map_or(&[][..], |fingerprint| &fingerprint.0);
        [&[flags], &self.row.to_le_bytes()[..], fingerprint, payload].concat()
    }

    pub(crate) fn from_bytes(bytes: &[u8]) -> Option<Entry> {
        EntryRef::read(bytes).map(EntryRef::to_entry)
    }
}

/// An [`Entry`] that borrows its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct EntryRef<'a> {
    pub(crate) row: u64,
    pub(crate) has_vector: bool,
    pub(crate) fingerprint: Option<Fingerprint>,
    pub(crate) payload: &'a [u8],
}

impl<'a> EntryRef<'a> {
    pub(crate) fn read(bytes: &'a [u8]) -> Option<EntryRef<'a>> {
        let (&flags, rest) = bytes.split_first()?;
        let (row, mut payload) = rest.split_first_chunk()?;
        if flags & !(HAS_FINGERPRINT | HAS_VECTOR) != 0 {
            return None;
        }
        let mut fingerprint = None;
        if flags & HAS_FINGERPRINT != 0 {
            let (found, rest) = payload.split_first_chunk()?;
            (fingerprint, payload) = (Some(Fingerprint(*found)), rest);
        }
        Some(EntryRef {
            row: u64::from_le_bytes(*row),
            has_vector: flags & HAS_VECTOR != 0,
            fingerprint,
            payload,
        })
    }

    pub(crate) fn to_entry(self) -> Entry {
        let EntryRef { row, has_vector, fingerprint, payload } = self;
        Entry { row, has_vector, record: Record { fingerprint, payload: payload.to_vec() } }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(fingerprint: Option<Fingerprint>, payload: &[u8], row: u64, has_vector: bool) {
        let entry = Entry { row, has_vector, record: Record { fingerprint, payload: payload.to_vec() } };
        assert_eq!(Entry::from_bytes(&entry.to_bytes()), Some(entry));
    }

    #[test]
    fn bytes_round_trip() {
        check(None, b"", 0, false);
        check(None, b"payload", 1, true);
        check(Some(Fingerprint([9; 16])), b"", u64::MAX, false);
        check(Some(Fingerprint([0; 16])), &[7; MAX_PAYLOAD_LEN], 1 << 40, true);
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let record = Record { fingerprint: Some(Fingerprint([1; 16])), payload: Vec::new() };
        let whole = Entry { row: 5, has_vector: true, record }.to_bytes();
        for cut in 0..whole.len() {
            assert_eq!(Entry::from_bytes(&whole[..cut]), None, "{cut}");
        }
        assert_eq!(Entry::from_bytes(&[4, 0, 0, 0, 0, 0, 0, 0, 0]), None, "an unknown flag");
    }
}
