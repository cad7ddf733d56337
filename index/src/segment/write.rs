//! Writes a segment from rows in their final order, with about a thousand rows in memory at a time.

use std::path::Path;

use super::{
    CODES, HALVES, HEADS, KIND, NONE, PRINTS, RECORDS, SHAPE, SPACE, STARTS, SegmentRecord, Shape, TAILS,
    Tail, tail_checksum,
};
use crate::codes::{self, Head, stride};
use crate::record::Entry;
use crate::sections::SectionsWriter;
use crate::vector::{kept, read_half_bytes};
use crate::{Error, Key, Space, files};

/// How many rows are buffered before they are written: about 1.7 MB with 512 dimensions.
const ROWS_AT_A_TIME: usize = 1_024;

/// A row to be written.
pub(crate) struct SegmentRow {
    pub(crate) key: Key,
    pub(crate) entry: Entry,
    /// The vector's half floats; `None` without a vector.
    pub(crate) half_bytes: Option<Vec<u8>>,
}

/// Writes segment `id`. The rows must be `vectors` rows with a vector, then the others, both in key order, `records` in
/// all.
pub(crate) fn write(
    dir: &Path,
    id: u64,
    space: &Space,
    (vectors, records): (usize, usize),
    rows: impl Iterator<Item = Result<SegmentRow, Error>>,
) -> Result<(), Error> {
    let (path, dim) = (files::segment(dir, id), space.dim());
    let space = space.to_bytes().unwrap_or_default();
    let lengths = [
        size_of::<Shape>(),
        space.len(),
        vectors * stride(dim),
        vectors * size_of::<Head>(),
        vectors * dim * 2,
        vectors * size_of::<Tail>(),
        (records + 1) * 8,
        vectors * 4,
    ];
    let mut writer = SectionsWriter::create(&path, KIND, &lengths)?;
    let mut block = Block::default();
    let mut counted = Counted { least_row: u64::MAX, ..Counted::default() };
    let mut prints = Vec::new();
    writer.write(SPACE, &space)?;
    writer.write(STARTS, &0u64.to_le_bytes())?;
    for row in rows {
        let row = row?;
        if let Some(print) = row.entry.record.fingerprint.filter(|_| row.entry.has_vector) {
            prints.push((print, counted.rows));
        }
        counted.count(&row);
        let damaged =
            || Error::Damaged { path: path.clone(), what: "a vector to be written has no direction" };
        block.push(&row, dim, counted.record_bytes).ok_or_else(damaged)?;
        counted.record_bytes = block.end;
        if block.rows == ROWS_AT_A_TIME {
            block.flush(&mut writer)?;
        }
    }
    block.flush(&mut writer)?;
    // Positions are in key order, so this sorts by fingerprint and key.
    prints.sort_unstable();
    let mut positions: Vec<u32> = prints.into_iter().map(|(_, position)| position).collect();
    positions.resize(vectors, NONE);
    writer.write(PRINTS, bytemuck::cast_slice(&positions))?;
    let shape = Shape {
        dim: dim as u64,
        vectors: vectors as u64,
        records: records as u64,
        least_row: counted.least_row,
        greatest_row: counted.greatest_row,
    };
    writer.write(SHAPE, bytemuck::bytes_of(&shape))?;
    writer.finish()
}

/// Data collected from all rows.
#[derive(Default)]
struct Counted {
    rows: u32,
    least_row: u64,
    greatest_row: u64,
    record_bytes: u64,
}

impl Counted {
    fn count(&mut self, row: &SegmentRow) {
        self.rows += 1;
        self.least_row = self.least_row.min(row.entry.row);
        self.greatest_row = self.greatest_row.max(row.entry.row);
    }
}

/// Buffered rows, section by section.
#[derive(Default)]
struct Block {
    rows: usize,
    end: u64,
    codes: Vec<u8>,
    heads: Vec<u8>,
    halves: Vec<u8>,
    tails: Vec<u8>,
    starts: Vec<u8>,
    records: Vec<u8>,
}

impl Block {
    /// Adds a row. `start` is the start of its record. `None` if its vector is invalid.
    fn push(&mut self, row: &SegmentRow, dim: usize, start: u64) -> Option<()> {
        let SegmentRow { key, entry, half_bytes } = row;
        if let Some(half_bytes) = half_bytes {
            let mut halves = Vec::with_capacity(dim);
            let inverse_length = read_half_bytes(half_bytes, dim, &mut halves)?;
            let head = codes::append(&kept(&halves, inverse_length), &mut self.codes);
            let tail = Tail { inverse_length, checksum: tail_checksum(half_bytes, inverse_length) };
            self.heads.extend(bytemuck::bytes_of(&head));
            self.halves.extend(half_bytes);
            self.tails.extend(bytemuck::bytes_of(&tail));
        }
        let before = self.records.len();
        SegmentRecord::append(key, entry, &mut self.records);
        self.end = start + (self.records.len() - before) as u64;
        self.starts.extend(self.end.to_le_bytes());
        self.rows += 1;
        Some(())
    }

    fn flush(&mut self, writer: &mut SectionsWriter) -> Result<(), Error> {
        let Block { rows, end: _, codes, heads, halves, tails, starts, records } = self;
        let parts = [
            (CODES, codes),
            (HEADS, heads),
            (HALVES, halves),
            (TAILS, tails),
            (STARTS, starts),
            (RECORDS, records),
        ];
        for (section, bytes) in parts {
            writer.write(section, bytes)?;
            bytes.clear();
        }
        *rows = 0;
        Ok(())
    }
}
