//! Extracts: the bytes of each payload that the caller looks through, in one piece per segment.
//!
//! Looking for some bytes in all payloads would read every record with everything else that is in it. An extract holds
//! only what an [`Extractor`] takes from the payloads. It has the number of its segment and these sections (see
//! [`crate::sections`]); *v* is the number of rows with a vector:
//!
//! ```text
//! 0 shape   checksum of the segment's table, version of the extractor: 2 × u32
//! 1 ends    v × u64, where the extract of each row ends in section 2
//! 2 bytes   the extracts of the rows, one after another
//! ```
//!
//! It only repeats what is in the segment, so the manifest does not name it. A searcher that finds none, or one that is
//! damaged or of another version, makes it in memory. A writer that opens the index makes those that are missing or of
//! another version. It does not read the others, so `verify` finds those that are damaged.

use std::ops::Range;
use std::path::Path;

use aho_corasick::{Span, packed};

use crate::sections::{Kind, Sections, SectionsWriter};
use crate::segment::Segment;
use crate::{Error, files};

const KIND: Kind = Kind { magic: *b"imgextr\0", format: 1, sections: 3 };

const SHAPE: usize = 0;
const ENDS: usize = 1;
const BYTES: usize = 2;

/// Takes from a payload what [`Searcher::containing`](crate::Searcher::containing) looks through.
#[derive(Debug, Clone, Copy)]
pub struct Extractor {
    /// Increase it when `append` changes: then extracts of other versions are not used.
    pub version: u32,
    /// Appends the extract of a payload.
    pub append: fn(&[u8], &mut Vec<u8>),
}

/// The extract of a segment.
#[derive(Debug)]
pub(crate) enum Extract {
    Mapped(Sections),
    Made { ends: Vec<u64>, bytes: Vec<u8> },
}

impl Extract {
    /// Opens the extract of a segment, or makes it in memory.
    ///
    /// # Errors
    /// If it must be made and a record is damaged.
    pub(crate) fn of(dir: &Path, segment: &Segment, extractor: &Extractor) -> Result<Extract, Error> {
        match checked(dir, segment) {
            Ok(Some((sections, version))) if version == extractor.version => Ok(Extract::Mapped(sections)),
            _ => Extract::make(segment, extractor),
        }
    }

    fn make(segment: &Segment, extractor: &Extractor) -> Result<Extract, Error> {
        let (mut ends, mut bytes) = (Vec::with_capacity(segment.vectors()), Vec::new());
        for position in 0..segment.vectors() {
            append(segment, position, extractor, &mut bytes)?;
            ends.push(bytes.len() as u64);
        }
        Ok(Extract::Made { ends, bytes })
    }

    fn ends(&self) -> &[u64] {
        match self {
            Extract::Mapped(sections) => sections.slice(ENDS).unwrap_or_default(),
            Extract::Made { ends, .. } => ends,
        }
    }

    fn bytes(&self) -> &[u8] {
        match self {
            Extract::Mapped(sections) => sections.bytes(BYTES),
            Extract::Made { bytes, .. } => bytes,
        }
    }

    /// Whether nothing was taken from any payload.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes().is_empty()
    }

    /// Calls `mark` with each of these rows whose extract contains one of the needles, and maybe with some in whose extract
    /// a needle only begins.
    pub(crate) fn rows_with(
        &self,
        needles: &packed::Searcher,
        rows: Range<usize>,
        mut mark: impl FnMut(usize),
    ) {
        let ends = self.ends();
        let end_of = |row: usize| usize::try_from(ends[row]).unwrap_or(usize::MAX);
        let mut row = rows.start;
        let mut at = row.checked_sub(1).map_or(0, end_of);
        while row < rows.end {
            let rest = Span { start: at, end: end_of(rows.end - 1) };
            let Some(found) = needles.find_in(self.bytes(), rest) else { return };
            row += ends[row..rows.end].partition_point(|&end| end <= found.start() as u64);
            if row < rows.end {
                mark(row);
                at = end_of(row);
                row += 1;
            }
        }
    }
}

/// Appends the extract of a row.
fn append(
    segment: &Segment,
    position: usize,
    extractor: &Extractor,
    bytes: &mut Vec<u8>,
) -> Result<(), Error> {
    (extractor.append)(segment.record(position)?.entry.payload, bytes);
    Ok(())
}

/// Opens the file with the extract of a segment, without reading the extract. Returns it with the extractor's version, or
/// `None` if there is no file.
fn open(dir: &Path, segment: &Segment) -> Result<Option<(Sections, u32)>, Error> {
    let sections = match Sections::open(&files::extract(dir, segment.id), KIND) {
        Err(error) if error.is_not_found() => return Ok(None),
        opened => opened?,
    };
    let [of, version] = *sections.slice::<[u32; 2]>(SHAPE).and_then(<[_]>::first).unwrap_or(&[0, 0]);
    if of != segment.sections().checksum() {
        return Err(sections.damaged("the extract is that of another segment"));
    }
    Ok(Some((sections, version)))
}

/// As [`open`], and checks all of it.
fn checked(dir: &Path, segment: &Segment) -> Result<Option<(Sections, u32)>, Error> {
    let Some((sections, version)) = open(dir, segment)? else { return Ok(None) };
    sections.verify()?;
    let ends = sections.slice::<u64>(ENDS).unwrap_or_default();
    let fits = ends.len() == segment.vectors()
        && ends.is_sorted()
        && ends.last().copied().unwrap_or(0) == sections.bytes(BYTES).len() as u64;
    if !fits {
        return Err(sections.damaged("the sections do not fit the segment"));
    }
    Ok(Some((sections, version)))
}

/// Checks the file with the extract of a segment, if there is one.
pub(crate) fn verify(dir: &Path, segment: &Segment) -> Result<(), Error> {
    checked(dir, segment).map(|_| ())
}

/// Writes the extract of a segment, unless there is one already.
pub(crate) fn write(dir: &Path, segment: &Segment, extractor: &Extractor) -> Result<(), Error> {
    if open(dir, segment).is_ok_and(|found| found.is_some_and(|(_, version)| version == extractor.version)) {
        return Ok(());
    }
    let rows = segment.vectors();
    let shape = [segment.sections().checksum(), extractor.version];
    let lengths = [size_of_val(&shape), rows * size_of::<u64>()];
    let mut writer = SectionsWriter::create(&files::extract(dir, segment.id), KIND, &lengths)?;
    writer.write(SHAPE, bytemuck::cast_slice(&shape))?;
    let (mut end, mut bytes) = (0, Vec::new());
    for position in 0..rows {
        append(segment, position, extractor, &mut bytes)?;
        end += bytes.len() as u64;
        writer.write(ENDS, &end.to_le_bytes())?;
        writer.write(BYTES, &bytes)?;
        bytes.clear();
    }
    writer.finish()
}
