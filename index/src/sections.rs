//! The file format that segments and graphs share: a file of sections.
//!
//! ```text
//!  0  magic     8 bytes, the kind of file
//!  8  format    u32
//! 12  count     u32, the number of sections
//! 16  table     count × (length u64, CRC-32 u32, zero u32)
//!     checksum  u32, the CRC-32 of everything above
//!     sections  in order, each at the next multiple of 64
//! ```
//!
//! All numbers are little-endian. A section's position follows from the lengths before it, so sections cannot overlap. The
//! file ends with the last section. Opening checks all of this and the table's checksum but reads no section, so a million
//! rows open as fast as one. [`Sections::verify`] reads all sections.

use std::fs::File;
use std::io::{self, Seek, SeekFrom, Write};
use std::ops::Range;
use std::path::{Path, PathBuf};

use memmap2::Mmap;

use crate::map::{self, Reading};
use crate::{Error, files};

/// Sections start at multiples of this: the size of a cache line and of the widest vector register.
const ALIGNMENT: usize = 64;

/// The properties of a kind of file.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Kind {
    pub(crate) magic: [u8; 8],
    pub(crate) format: u32,
    pub(crate) sections: usize,
}

/// A section's range in the file, and its checksum.
type Entry = (Range<usize>, u32);

/// A mapped file of sections.
#[derive(Debug)]
pub(crate) struct Sections {
    path: PathBuf,
    map: Mmap,
    table: Vec<Entry>,
    checksum: u32,
}

impl Sections {
    pub(crate) fn open(path: &Path, kind: Kind) -> Result<Sections, Error> {
        let map = map::read(path)?;
        let damaged = |what| Error::Damaged { path: path.to_owned(), what };
        let (magic, rest) = map.split_first_chunk().ok_or_else(|| damaged("the beginning is missing"))?;
        if *magic != kind.magic {
            return Err(damaged("the file is of another kind"));
        }
        let format = rest.first_chunk().map(|&format| u32::from_le_bytes(format));
        if let Some(found) = format.filter(|&found| found > kind.format) {
            return Err(Error::NewerFormat { path: path.to_owned(), found, expected: kind.format });
        }
        let (table, checksum) = read_table(&map, kind).ok_or_else(|| damaged("the table cannot be read"))?;
        let end = table.last().map_or(0, |(range, _)| range.end);
        if end != map.len() {
            return Err(damaged("the length is not what the table says"));
        }
        Ok(Sections { path: path.to_owned(), map, table, checksum })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// The checksum of the table. The table contains the checksums of all sections, so this identifies the whole content.
    pub(crate) fn checksum(&self) -> u32 {
        self.checksum
    }

    pub(crate) fn file_bytes(&self) -> &[u8] {
        &self.map
    }

    pub(crate) fn bytes(&self, section: usize) -> &[u8] {
        &self.map[self.range(section)]
    }

    pub(crate) fn range(&self, section: usize) -> Range<usize> {
        self.table[section].0.clone()
    }

    /// Tells the kernel how a part of a section will be read.
    pub(crate) fn advise(&self, section: usize, part: Range<usize>, reading: Reading) {
        let start = self.range(section).start;
        map::advise(&self.map, start + part.start..start + part.end, reading);
    }

    /// A section as a slice of numbers; `None` if its length is not a multiple of their size.
    pub(crate) fn slice<T: bytemuck::Pod>(&self, section: usize) -> Option<&[T]> {
        bytemuck::try_cast_slice(self.bytes(section)).ok()
    }

    pub(crate) fn damaged(&self, what: &'static str) -> Error {
        Error::Damaged { path: self.path.clone(), what }
    }

    /// Reads everything and checks the checksums.
    pub(crate) fn verify(&self) -> Result<(), Error> {
        for (range, checksum) in &self.table {
            if crc32fast::hash(&self.map[range.clone()]) != *checksum {
                return Err(self.damaged("a checksum is wrong"));
            }
        }
        Ok(())
    }
}

fn table_len(sections: usize) -> usize {
    16 + 16 * sections
}

/// Reads the table. The number of sections is known, so a damaged file cannot cause a large allocation.
fn read_table(bytes: &[u8], kind: Kind) -> Option<(Vec<Entry>, u32)> {
    let (head, rest) = bytes.split_at_checked(table_len(kind.sections))?;
    let checksum = u32::from_le_bytes(*rest.first_chunk()?);
    let format = u32::from_le_bytes(*head[8..].first_chunk()?);
    let count = u32::from_le_bytes(*head[12..].first_chunk()?);
    if crc32fast::hash(head) != checksum || format != kind.format || count as usize != kind.sections {
        return None;
    }
    let mut end = head.len() + 4;
    let mut table = Vec::with_capacity(kind.sections);
    for entry in head[16..].as_chunks::<16>().0 {
        let length = usize::try_from(u64::from_le_bytes(*entry.first_chunk()?)).ok()?;
        let start = end.checked_next_multiple_of(ALIGNMENT)?;
        end = start.checked_add(length)?;
        table.push((start..end, u32::from_le_bytes(*entry[8..].first_chunk()?)));
    }
    Some((table, checksum))
}

/// Files are written in aligned pieces of this size, that of a large page. If a piece is written at once, Linux can cache
/// and map it as one large page. Opening 1,000,000 rows and scanning them in a new process then takes 26 ms instead of 50
/// to 59 (`scripts/bench/ann`).
const PIECE: usize = 2 << 20;

/// Writes a file of sections. Several can be written at a time. Only the last one may have an unknown length.
pub(crate) struct SectionsWriter {
    path: PathBuf,
    kind: Kind,
    file: File,
    sections: Vec<Written>,
}

/// A section that is being written.
struct Written {
    start: usize,
    length: usize,
    checksum: crc32fast::Hasher,
    /// Its end, which is not in the file yet.
    waiting: Vec<u8>,
}

impl SectionsWriter {
    /// Creates the file under its temporary name. `lengths` are the lengths of all sections but the last.
    pub(crate) fn create(path: &Path, kind: Kind, lengths: &[usize]) -> Result<SectionsWriter, Error> {
        let new = files::temporary(path);
        let file = files::create(&new)?;
        let mut end = table_len(kind.sections) + 4;
        let sections = lengths.iter().chain([&0]).map(|length| {
            let start = end.next_multiple_of(ALIGNMENT);
            end = start + length;
            Written { start, length: 0, checksum: crc32fast::Hasher::new(), waiting: Vec::new() }
        });
        Ok(SectionsWriter { path: path.to_owned(), kind, sections: sections.collect(), file })
    }

    /// Appends to a section.
    pub(crate) fn write(&mut self, section: usize, bytes: &[u8]) -> Result<(), Error> {
        for bytes in bytes.chunks(PIECE) {
            let Written { start, length, checksum, waiting } = &mut self.sections[section];
            *length += bytes.len();
            checksum.update(bytes);
            waiting.extend(bytes);
            let after_last_piece = (*start + *length) % PIECE;
            self.write_waiting(section, after_last_piece)?;
        }
        Ok(())
    }

    /// Writes the buffered bytes of a section, except the last `kept` bytes.
    fn write_waiting(&mut self, section: usize, kept: usize) -> Result<(), Error> {
        let Written { start, length, waiting, .. } = &mut self.sections[section];
        let Some(bytes) = waiting.len().checked_sub(kept).filter(|&bytes| bytes > 0) else { return Ok(()) };
        let position = (*start + *length - waiting.len()) as u64;
        let mut write = || -> io::Result<()> {
            self.file.seek(SeekFrom::Start(position))?;
            self.file.write_all(&waiting[..bytes])
        };
        write().map_err(Error::io("write", &self.path))?;
        waiting.drain(..bytes);
        Ok(())
    }

    /// Writes the table, syncs the file, and renames it.
    pub(crate) fn finish(mut self) -> Result<(), Error> {
        for section in 0..self.sections.len() {
            self.write_waiting(section, 0)?;
        }
        let Kind { magic, format, sections } = self.kind;
        let mut head = magic.to_vec();
        head.extend(format.to_le_bytes());
        head.extend(u32::try_from(sections).unwrap_or(u32::MAX).to_le_bytes());
        let mut end = 0;
        for Written { start, length, checksum, .. } in self.sections {
            head.extend((length as u64).to_le_bytes());
            head.extend(checksum.finalize().to_le_bytes());
            head.extend([0; 4]);
            end = start + length;
        }
        head.extend(crc32fast::hash(&head).to_le_bytes());
        let mut write = || -> io::Result<()> {
            // An empty last section may start beyond the bytes written so far.
            self.file.set_len(end as u64)?;
            self.file.seek(SeekFrom::Start(0))?;
            self.file.write_all(&head)?;
            self.file.sync_all()
        };
        write().map_err(Error::io("write", &self.path))?;
        files::move_into_place(&self.path)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIND: Kind = Kind { magic: *b"a test!\0", format: 3, sections: 3 };

    fn written(dir: &Path) -> PathBuf {
        let path = dir.join("file");
        let mut writer = SectionsWriter::create(&path, KIND, &[3, 70]).unwrap();
        writer.write(1, &[1; 60]).unwrap();
        writer.write(0, b"abc").unwrap();
        writer.write(2, b"the ").unwrap();
        writer.write(1, &[2; 10]).unwrap();
        writer.write(2, b"last").unwrap();
        writer.finish().unwrap();
        path
    }

    #[test]
    fn sections_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let sections = Sections::open(&written(dir.path()), KIND).unwrap();
        assert_eq!((sections.bytes(0), sections.bytes(2)), (&b"abc"[..], &b"the last"[..]));
        assert_eq!(sections.bytes(1), [[1; 60].as_slice(), &[2; 10]].concat());
        assert!((0..3).all(|section| sections.range(section).start.is_multiple_of(ALIGNMENT)));
        sections.verify().unwrap();
    }

    #[test]
    fn sections_of_many_pieces_are_read_back() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("file");
        let numbers =
            |seed: u8| (0..4 * PIECE).map(move |i| i.wrapping_mul(0x9e37_79b1).to_le_bytes()[3] ^ seed);
        let (first, last) = (numbers(1).collect::<Vec<_>>(), numbers(2).collect::<Vec<_>>());
        let mut writer = SectionsWriter::create(&path, KIND, &[first.len(), 1]).unwrap();
        // Four pieces each: one section is written in odd parts, the other at once.
        first.chunks(700_001).for_each(|part| writer.write(0, part).unwrap());
        writer.write(2, &last).unwrap();
        writer.write(1, b"x").unwrap();
        writer.finish().unwrap();
        let sections = Sections::open(&path, KIND).unwrap();
        assert!(sections.bytes(0) == first && sections.bytes(1) == b"x" && sections.bytes(2) == last);
        sections.verify().unwrap();
    }

    #[test]
    fn all_damage_is_detected() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let whole = std::fs::read(&path).unwrap();
        for at in 0..whole.len() {
            std::fs::write(&path, &whole[..at]).unwrap();
            assert!(Sections::open(&path, KIND).is_err(), "cut at {at}");
            let mut flipped = whole.clone();
            flipped[at] ^= 4;
            std::fs::write(&path, &flipped).unwrap();
            let seen = Sections::open(&path, KIND).and_then(|sections| sections.verify());
            let sections = Sections::open(&path, KIND);
            let between = sections.is_ok_and(|file| file.table.iter().all(|(range, _)| !range.contains(&at)));
            assert!(seen.is_err() || (between && at >= 68), "flipped at {at}");
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = written(dir.path());
        let older = Sections::open(&path, Kind { format: 2, ..KIND }).unwrap_err();
        assert!(matches!(older, Error::NewerFormat { found: 3, expected: 2, .. }), "{older}");
    }
}
