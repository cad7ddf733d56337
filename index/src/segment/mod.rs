//! Segments: immutable rows in a mapped file, which searches read.
//!
//! Rows with a vector come first, then rows without one, both in key order. The *position* of a row is its place in this
//! order. The sections (see [`crate::sections`]) are as follows. *v* is the number of rows with a vector, *r* the number of
//! all rows, *s* the bytes of one row's codes (see [`crate::codes`]):
//!
//! ```text
//! 0 shape    dim, v, r, the least row number, the greatest: 5 × u64
//! 1 space    the vector space, see [`Space`]
//! 2 codes    v × s bytes
//! 3 heads    v × (step f32, check u32)
//! 4 halves   v × dim × f16
//! 5 tails    v × (one over the length f32, CRC-32 u32 of the halves and of this float)
//! 6 starts   (r + 1) × u64, the start of each record in section 8, and the end of the last
//! 7 prints   v × u32: the positions of the rows with a vector and a fingerprint, sorted by fingerprint and key, then
//!            u32::MAX
//! 8 records  r × (CRC-32 u32 of the rest, length of the key u16, key, entry)
//! ```
//!
//! Opening a segment checks only lengths. All data of an answer is checked when it is read: codes by the sum in their head,
//! half floats and records by their CRC. So damage causes an error, or no difference if it only changes the path of a walk.

mod write;

use std::ops::Range;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use half::f16;

use crate::codes::{Head, stride};
use crate::map::Reading;
use crate::record::{Entry, EntryRef};
use crate::sections::{Kind, Sections};
use crate::{Error, Fingerprint, Key, Space, StoredRecord, files};
pub(crate) use write::{SegmentRow, write};

const KIND: Kind = Kind { magic: *b"imgsegm\0", format: 1, sections: 9 };

const SHAPE: usize = 0;
const SPACE: usize = 1;
const CODES: usize = 2;
const HEADS: usize = 3;
const HALVES: usize = 4;
const TAILS: usize = 5;
const STARTS: usize = 6;
const PRINTS: usize = 7;
const RECORDS: usize = 8;

/// Marks unused places in the section of fingerprints.
const NONE: u32 = u32::MAX;

/// One over the length of a row's half floats as a vector, and their checksum.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Tail {
    inverse_length: f32,
    checksum: u32,
}

fn tail_checksum(half_bytes: &[u8], inverse_length: f32) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(half_bytes);
    hasher.update(&inverse_length.to_le_bytes());
    hasher.finalize()
}

/// The first section.
#[derive(Debug, Clone, Copy, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
struct Shape {
    dim: u64,
    vectors: u64,
    records: u64,
    least_row: u64,
    greatest_row: u64,
}

/// An open segment.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) id: u64,
    dim: usize,
    vectors: usize,
    records: usize,
    least_row: u64,
    greatest_row: u64,
    sections: Sections,
    /// Whether a scan of all codes has started.
    is_scanned: AtomicBool,
}

impl Segment {
    /// Opens segment `id` of the index in `dir`.
    pub(crate) fn open(dir: &Path, id: u64) -> Result<Segment, Error> {
        let sections = Sections::open(&files::segment(dir, id), KIND)?;
        let shape = sections.slice::<Shape>(SHAPE).and_then(|shapes| shapes.first().copied());
        let shape = shape.ok_or_else(|| sections.damaged("the shape is missing"))?;
        let number = |x| usize::try_from(x).map_err(|_| sections.damaged("the shape is impossible"));
        let Shape { least_row, greatest_row, .. } = shape;
        let (vectors, records) = (number(shape.vectors)?, number(shape.records)?);
        let dim = number(shape.dim)?;
        let segment = Segment {
            id,
            dim,
            vectors,
            records,
            least_row,
            greatest_row,
            sections,
            is_scanned: AtomicBool::new(false),
        };
        if !segment.lengths_fit().unwrap_or(false) {
            return Err(segment.sections.damaged("the sections do not fit the shape"));
        }
        for section in [HALVES, RECORDS] {
            let whole = 0..segment.sections.range(section).len();
            segment.sections.advise(section, whole, Reading::Rows);
        }
        Ok(segment)
    }

    /// Whether the sections' lengths match the shape; `None` on overflow.
    fn lengths_fit(&self) -> Option<bool> {
        let Segment { dim, vectors, records, .. } = *self;
        let expected = [
            vectors.checked_mul(stride(dim))?,
            vectors.checked_mul(size_of::<Head>())?,
            vectors.checked_mul(dim)?.checked_mul(2)?,
            vectors.checked_mul(size_of::<Tail>())?,
            records.checked_add(1)?.checked_mul(8)?,
            vectors.checked_mul(4)?,
        ];
        let found = |section: usize| self.sections.range(section).len();
        Some(vectors <= records && (CODES..=PRINTS).map(found).eq(expected))
    }

    /// The vector space.
    pub(crate) fn space(&self) -> Result<Space, Error> {
        let space = Space::from_bytes(self.sections.bytes(SPACE));
        space.filter(|space| space.dim() == self.dim).ok_or_else(|| self.damaged("the space cannot be read"))
    }

    pub(crate) fn greatest_row(&self) -> u64 {
        self.greatest_row
    }

    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// The number of rows with a vector.
    pub(crate) fn vectors(&self) -> usize {
        self.vectors
    }

    /// The number of all rows.
    pub(crate) fn len(&self) -> usize {
        self.records
    }

    pub(crate) fn sections(&self) -> &Sections {
        &self.sections
    }

    pub(crate) fn damaged(&self, what: &'static str) -> Error {
        self.sections.damaged(what)
    }

    /// The codes of all rows.
    pub(crate) fn codes(&self) -> &[u8] {
        self.sections.bytes(CODES)
    }

    /// Marks that a scan starts. Returns true for the first one, which should load the codes into memory.
    pub(crate) fn begin_scan(&self) -> bool {
        let is_first = !self.is_scanned.swap(true, Ordering::Relaxed);
        if is_first {
            self.sections.advise(CODES, 0..self.codes().len(), Reading::Whole);
        }
        is_first
    }

    /// Loads the codes of some rows into memory.
    pub(crate) fn bring_in_codes(&self, rows: Range<usize>) {
        let stride = stride(self.dim);
        self.sections.advise(CODES, rows.start * stride..rows.end * stride, Reading::Now);
    }

    pub(crate) fn heads(&self) -> &[Head] {
        self.sections.slice(HEADS).unwrap_or_default()
    }

    /// The half floats of a row and one over their length, checked.
    pub(crate) fn halves(&self, position: usize) -> Result<(&[f16], f32), Error> {
        self.checked_halves(position).ok_or_else(|| self.damaged("the checksum of a vector is wrong"))
    }

    fn checked_halves(&self, position: usize) -> Option<(&[f16], f32)> {
        let Tail { inverse_length, checksum } = *self.sections.slice::<Tail>(TAILS)?.get(position)?;
        let bytes = self.half_bytes(position)?;
        let halves = bytemuck::try_cast_slice(bytes).ok()?;
        (tail_checksum(bytes, inverse_length) == checksum).then_some((halves, inverse_length))
    }

    /// The half floats of a row as bytes, as in the catalog, checked.
    pub(crate) fn checked_half_bytes(&self, position: usize) -> Result<&[u8], Error> {
        Ok(bytemuck::cast_slice(self.halves(position)?.0))
    }

    /// The half floats of a row as bytes, unchecked.
    fn half_bytes(&self, position: usize) -> Option<&[u8]> {
        self.sections.bytes(HALVES).get(position * self.dim * 2..)?.get(..self.dim * 2)
    }

    /// The record at a position, checked.
    pub(crate) fn record(&self, position: usize) -> Result<SegmentRecord<'_>, Error> {
        let record = self.record_bytes(position).and_then(SegmentRecord::read);
        record.ok_or_else(|| self.damaged("a record cannot be read"))
    }

    /// The key of a record of this segment.
    pub(crate) fn key_of(&self, record: &SegmentRecord<'_>) -> Result<Key, Error> {
        Key::new(record.key).map_err(|_| self.damaged("a key has an impossible length"))
    }

    fn record_bytes(&self, position: usize) -> Option<&[u8]> {
        let starts: &[u64] = self.sections.slice(STARTS)?;
        let at = |i: usize| usize::try_from(*starts.get(i)?).ok();
        self.sections.bytes(RECORDS).get(at(position)?..at(position + 1)?)
    }

    /// The position of the row with this number and key, if it is in this segment.
    pub(crate) fn position_of(&self, row: u64, key: &Key) -> Result<Option<usize>, Error> {
        if !(self.least_row..=self.greatest_row).contains(&row) {
            return Ok(None);
        }
        for range in [0..self.vectors, self.vectors..self.records] {
            let position = self.first_not_before(range.clone(), key)?;
            if range.contains(&position) && self.record(position)?.entry.row == row {
                return Ok(Some(position));
            }
        }
        Ok(None)
    }

    /// The positions of the rows with this key: at most one with a vector and one without.
    pub(crate) fn positions_of_key(&self, key: &Key) -> Result<Vec<usize>, Error> {
        let mut found = Vec::new();
        for range in [0..self.vectors, self.vectors..self.records] {
            let position = self.first_not_before(range.clone(), key)?;
            if range.contains(&position) && self.record(position)?.key == key.as_bytes() {
                found.push(position);
            }
        }
        Ok(found)
    }

    /// The positions of the rows with a vector and this fingerprint.
    pub(crate) fn positions_of(&self, fingerprint: &Fingerprint) -> Result<Vec<usize>, Error> {
        let prints: &[u32] = self.sections.slice(PRINTS).unwrap_or_default();
        let prints = &prints[..prints.partition_point(|&position| position != NONE)];
        let print = |position: u32| Ok::<_, Error>(self.record(position as usize)?.entry.fingerprint);
        let (mut low, mut high) = (0, prints.len());
        while low < high {
            let middle = low.midpoint(high);
            if print(prints[middle])? < Some(*fingerprint) { low = middle + 1 } else { high = middle }
        }
        let mut found = Vec::new();
        for &position in &prints[low..] {
            if print(position)? != Some(*fingerprint) {
                break;
            }
            found.push(position as usize);
        }
        Ok(found)
    }

    fn first_not_before(&self, range: std::ops::Range<usize>, key: &Key) -> Result<usize, Error> {
        let (mut low, mut high) = (range.start, range.end);
        while low < high {
            let middle = low.midpoint(high);
            if self.record(middle)?.key < key.as_bytes() { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }

    /// Reads everything and checks all checksums.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        self.sections.verify()?;
        for position in 0..self.records {
            self.record(position)?;
        }
        Ok(())
    }
}

/// A record in a segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct SegmentRecord<'a> {
    pub(crate) key: &'a [u8],
    pub(crate) entry: EntryRef<'a>,
}

impl<'a> SegmentRecord<'a> {
    fn read(bytes: &'a [u8]) -> Option<SegmentRecord<'a>> {
        let (checksum, rest) = bytes.split_first_chunk()?;
        if crc32fast::hash(rest) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let (key_len, rest) = rest.split_first_chunk()?;
        let (key, entry) = rest.split_at_checked(usize::from(u16::from_le_bytes(*key_len)))?;
        Some(SegmentRecord { key, entry: EntryRef::read(entry)? })
    }

    /// Appends a record in the form that [`SegmentRecord::read`] reads.
    fn append(key: &Key, entry: &Entry, bytes: &mut Vec<u8>) {
        let start = bytes.len();
        let key = key.as_bytes();
        bytes.extend([0; 4]);
        bytes.extend(u16::try_from(key.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend(key);
        bytes.extend(entry.to_bytes());
        let checksum = crc32fast::hash(&bytes[start + 4..]);
        bytes[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
    }

    pub(crate) fn stored(self) -> StoredRecord<'a> {
        let EntryRef { row: _, has_vector, fingerprint, payload } = self.entry;
        StoredRecord { key: self.key, payload, fingerprint, has_vector }
    }
}
