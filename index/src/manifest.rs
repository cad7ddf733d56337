//! The manifest: a small file that names the segments and graphs of an index and their dead rows.
//!
//! ```text
//! magic     8 bytes
//! format    u32, 2; format 1 lacks the next line
//! index     u64, the index this belongs to (see IndexId); 0 for none
//! space     length u32, bytes (see Space)
//! note      1 byte: whether there is one; length u32, bytes
//! next row  u64: every row below it is in a segment or dead
//! next id   u64: the first unused number for segments and graphs
//! count     u32: the number of segments, then for each segment:
//!   id u64, vectors u64, records u64, checksum u32 of its table
//!   graph u64 (0 for none), checksum u32 of its table
//!   dead: 1 byte: whether there are any; ceil(records / 64) × u64, bit i % 64 of word i / 64 is position i
//! checksum  u32, the CRC-32 of everything above
//! ```
//!
//! It is replaced atomically, so a reader finds one state of the index or the next. Reading first verifies the checksum,
//! and still checks every length.

use std::fs;
use std::io;
use std::path::Path;

use crate::hnsw::Graph;
use crate::identity::IndexId;
use crate::segment::Segment;
use crate::{Error, Generation, Space, files};

const MAGIC: [u8; 8] = *b"imgmanif";

/// Increased whenever an older version of this crate could misread the data. All formats from 1 on can be read.
const FORMAT: u32 = 2;

/// The contents of a manifest.
#[derive(Debug, Clone)]
pub(crate) struct Manifest {
    /// `None` in a manifest of an earlier version.
    pub(crate) index: Option<IndexId>,
    pub(crate) space: Space,
    pub(crate) note: Option<Vec<u8>>,
    pub(crate) next_row: u64,
    pub(crate) next_id: u64,
    pub(crate) segments: Vec<Named>,
}

/// A segment as named in the manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Named {
    pub(crate) id: u64,
    pub(crate) vectors: u64,
    pub(crate) records: u64,
    pub(crate) checksum: u32,
    /// The number and the checksum of its graph.
    pub(crate) graph: Option<(u64, u32)>,
    /// One bit per position; empty when no row is dead.
    pub(crate) dead: Vec<u64>,
}

impl Named {
    /// The entry for a newly written segment.
    pub(crate) fn of(segment: &Segment) -> Named {
        Named {
            id: segment.id,
            vectors: segment.vectors() as u64,
            records: segment.len() as u64,
            checksum: segment.sections().checksum(),
            graph: None,
            dead: Vec::new(),
        }
    }

    /// Whether `other` names the same segment, perhaps with another graph or other dead rows.
    pub(crate) fn is_same_segment(&self, other: &Named) -> bool {
        let contents = |named: &Named| (named.id, named.vectors, named.records, named.checksum);
        contents(self) == contents(other)
    }

    /// Opens the segment and checks that it is the right one.
    pub(crate) fn open(&self, dir: &Path, dim: usize) -> Result<Segment, Error> {
        let segment = Segment::open(dir, self.id)?;
        let found = (segment.vectors() as u64, segment.len() as u64, segment.sections().checksum());
        if segment.dim() != dim || found != (self.vectors, self.records, self.checksum) {
            return Err(segment.damaged("the segment is not the one that the manifest names"));
        }
        Ok(segment)
    }

    /// Opens the graph over the segment, if there is one.
    pub(crate) fn open_graph(&self, dir: &Path, segment: &Segment) -> Result<Option<Graph>, Error> {
        let Some((id, checksum)) = self.graph else { return Ok(None) };
        let graph = Graph::open(dir, id, segment)?;
        if graph.sections().checksum() != checksum {
            return Err(graph.sections().damaged("the graph is not the one that the manifest names"));
        }
        Ok(Some(graph))
    }

    pub(crate) fn is_dead(&self, position: usize) -> bool {
        self.dead.get(position / 64).is_some_and(|word| word >> (position % 64) & 1 == 1)
    }

    pub(crate) fn bury(&mut self, position: usize) {
        if self.dead.is_empty() {
            self.dead = vec![0; usize::try_from(self.records.div_ceil(64)).unwrap_or(0)];
        }
        if let Some(word) = self.dead.get_mut(position / 64) {
            *word |= 1 << (position % 64);
        }
    }

    pub(crate) fn dead_rows(&self) -> u64 {
        self.dead.iter().map(|word| u64::from(word.count_ones())).sum()
    }

    pub(crate) fn live_rows(&self) -> u64 {
        self.records.saturating_sub(self.dead_rows())
    }
}

impl Manifest {
    pub(crate) fn new(space: Space) -> Manifest {
        Manifest { index: None, space, note: None, next_row: 0, next_id: 1, segments: Vec::new() }
    }

    /// Whether this manifest can belong to a catalog with this space and identity.
    pub(crate) fn belongs_to(&self, space: &Space, index: Option<IndexId>) -> bool {
        self.space == *space && (self.index.is_none() || self.index == index)
    }

    /// The error if [`Manifest::belongs_to`] is false.
    pub(crate) fn foreign(dir: &Path) -> Error {
        Error::Damaged { path: files::manifest(dir), what: "the manifest is that of another index" }
    }

    /// The error if an index has records but no manifest.
    pub(crate) fn missing(dir: &Path) -> Error {
        Error::Damaged { path: dir.to_owned(), what: "the manifest is missing" }
    }

    /// Reads the manifest; `None` if there is none.
    pub(crate) fn read(dir: &Path) -> Result<Option<Manifest>, Error> {
        Ok(Manifest::published(dir)?.map(|(manifest, _)| manifest))
    }

    /// Reads the manifest and its generation.
    pub(crate) fn published(dir: &Path) -> Result<Option<(Manifest, Generation)>, Error> {
        let path = files::manifest(dir);
        if path.is_dir() {
            return Err(Error::Damaged { path, what: "there is a folder in the place of the manifest" });
        }
        match fs::read(&path) {
            Ok(bytes) => Ok(Some((Manifest::from_file_bytes(&path, &bytes)?, Generation::of(&bytes)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", &path)(error)),
        }
    }

    fn from_file_bytes(path: &Path, bytes: &[u8]) -> Result<Manifest, Error> {
        let damaged = |what| Error::Damaged { path: path.to_owned(), what };
        let Some((content, checksum)) = bytes.split_last_chunk() else {
            return Err(damaged("the manifest is cut off"));
        };
        let rest = content.strip_prefix(&MAGIC).ok_or_else(|| damaged("the file is not a manifest"))?;
        if crc32fast::hash(content) != u32::from_le_bytes(*checksum) {
            return Err(damaged("the checksum of the manifest is wrong"));
        }
        let mut rest = rest;
        let format = match take_u32(&mut rest) {
            Some(format @ 1..=FORMAT) => format,
            Some(found) if found > FORMAT => {
                return Err(Error::NewerFormat { path: path.to_owned(), found, expected: FORMAT });
            }
            _ => return Err(damaged("the format number is invalid")),
        };
        read_content(&mut rest, format)
            .filter(|_| rest.is_empty())
            .ok_or_else(|| damaged("the manifest is inconsistent"))
    }

    /// Replaces the manifest on disk atomically.
    pub(crate) fn replace(&self, dir: &Path) -> Result<(), Error> {
        let path = files::manifest(dir);
        let too_large = || Error::Damaged { path: path.clone(), what: "a length does not fit its field" };
        files::replace(&path, &self.to_file_bytes().ok_or_else(too_large)?)
    }

    /// `None` if a length does not fit its field.
    fn to_file_bytes(&self) -> Option<Vec<u8>> {
        let Manifest { index, space, note, next_row, next_id, segments } = self;
        let mut bytes = MAGIC.to_vec();
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(IndexId::to_number(*index).to_le_bytes());
        put_bytes(&mut bytes, &space.to_bytes()?)?;
        bytes.push(u8::from(note.is_some()));
        put_bytes(&mut bytes, note.as_deref().unwrap_or_default())?;
        bytes.extend(next_row.to_le_bytes());
        bytes.extend(next_id.to_le_bytes());
        bytes.extend(u32::try_from(segments.len()).ok()?.to_le_bytes());
        for Named { id, vectors, records, checksum, graph, dead } in segments {
            let (graph, graph_checksum) = graph.unwrap_or_default();
            bytes.extend([*id, *vectors, *records].map(u64::to_le_bytes).as_flattened());
            bytes.extend(checksum.to_le_bytes());
            bytes.extend(graph.to_le_bytes());
            bytes.extend(graph_checksum.to_le_bytes());
            bytes.push(u8::from(!dead.is_empty()));
            dead.iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        }
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        Some(bytes)
    }
}

fn read_content(rest: &mut &[u8], format: u32) -> Option<Manifest> {
    let index = if format < 2 { None } else { IndexId::from_number(take_u64(rest)?) };
    let space = Space::from_bytes(take_bytes(rest)?)?;
    let has_note = take_flag(rest)?;
    let note = take_bytes(rest)?;
    let note = has_note.then(|| note.to_vec());
    let (next_row, next_id) = (take_u64(rest)?, take_u64(rest)?);
    let count = take_u32(rest)?;
    let segments = (0..count).map(|_| read_named(rest)).collect::<Option<Vec<Named>>>()?;
    Some(Manifest { index, space, note, next_row, next_id, segments })
}

fn read_named(rest: &mut &[u8]) -> Option<Named> {
    let (id, vectors, records) = (take_u64(rest)?, take_u64(rest)?, take_u64(rest)?);
    let checksum = take_u32(rest)?;
    let (graph, graph_checksum) = (take_u64(rest)?, take_u32(rest)?);
    let mut dead = Vec::new();
    if take_flag(rest)? {
        let bytes = take(rest, usize::try_from(records.div_ceil(64)).ok()?.checked_mul(8)?)?;
        dead.extend(bytes.as_chunks().0.iter().map(|&word| u64::from_le_bytes(word)));
    }
    let graph = (graph != 0).then_some((graph, graph_checksum));
    (vectors <= records).then_some(Named { id, vectors, records, checksum, graph, dead })
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) -> Option<()> {
    to.extend(u32::try_from(bytes.len()).ok()?.to_le_bytes());
    to.extend(bytes);
    Some(())
}

fn take<'a>(rest: &mut &'a [u8], len: usize) -> Option<&'a [u8]> {
    let (taken, left) = rest.split_at_checked(len)?;
    *rest = left;
    Some(taken)
}

fn take_bytes<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let len = usize::try_from(take_u32(rest)?).ok()?;
    take(rest, len)
}

fn take_flag(rest: &mut &[u8]) -> Option<bool> {
    match take(rest, 1)? {
        [0] => Some(false),
        [1] => Some(true),
        _ => None,
    }
}

fn take_u32(rest: &mut &[u8]) -> Option<u32> {
    take(rest, 4)?.first_chunk().map(|&bytes| u32::from_le_bytes(bytes))
}

fn take_u64(rest: &mut &[u8]) -> Option<u64> {
    take(rest, 8)?.first_chunk().map(|&bytes| u64::from_le_bytes(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest() -> Manifest {
        let named = Named { id: 5, vectors: 60, records: 70, checksum: 7, graph: None, dead: Vec::new() };
        Manifest {
            index: IndexId::from_number(77),
            note: Some(b"note".to_vec()),
            next_row: 1 << 40,
            next_id: 9,
            segments: vec![named.clone(), Named { id: 6, graph: Some((8, 3)), dead: vec![1, 2], ..named }],
            ..Manifest::new(Space::new("a", "A", 3).unwrap())
        }
    }

    #[test]
    fn bytes_round_trip() {
        let (written, path) = (manifest(), Path::new("/p"));
        let read = Manifest::from_file_bytes(path, &written.to_file_bytes().unwrap()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{written:?}"));
    }

    #[test]
    fn the_first_format_is_read() {
        let written = manifest().to_file_bytes().unwrap();
        let content = [&written[..8], &1u32.to_le_bytes(), &written[20..written.len() - 4]].concat();
        let bytes = [&content[..], &crc32fast::hash(&content).to_le_bytes()].concat();
        let read = Manifest::from_file_bytes(Path::new("/p"), &bytes).unwrap();
        assert_eq!(format!("{read:?}"), format!("{:?}", Manifest { index: None, ..manifest() }));
    }

    #[test]
    fn another_index_is_detected_by_its_space_or_its_number() {
        #[track_caller]
        fn check(of_manifest: u64, space: &str, of_catalog: u64, expected: bool) {
            let manifest = Manifest { index: IndexId::from_number(of_manifest), ..manifest() };
            let space = Space::new(space, "any", 3).unwrap();
            assert_eq!(manifest.belongs_to(&space, IndexId::from_number(of_catalog)), expected);
        }
        check(7, "a", 7, true);
        check(7, "a", 8, false);
        check(7, "b", 7, false);
        // An earlier version wrote the manifest, or both.
        check(0, "a", 7, true);
        check(0, "a", 0, true);
        // Every version writes the number to the catalog before the manifest.
        check(7, "a", 0, false);
    }

    /// With and without a corrected checksum, so that the parser behind it is tested too.
    #[test]
    fn damaged_bytes_are_refused_and_never_panic() {
        let whole = manifest().to_file_bytes().unwrap();
        let content = &whole[..whole.len() - 4];
        let read = |content: &[u8]| {
            let bytes = [content, &crc32fast::hash(content).to_le_bytes()].concat();
            Manifest::from_file_bytes(Path::new("/p"), &bytes)
        };
        assert!(read(content).is_ok());
        for at in 0..content.len() {
            assert!(Manifest::from_file_bytes(Path::new("/p"), &whole[..at]).is_err());
            assert!(read(&content[..at]).is_err(), "cut at {at}");
            for bit in 0..8 {
                let mut flipped = content.to_vec();
                flipped[at] ^= 1 << bit;
                let _ = read(&flipped);
            }
        }
    }

    #[test]
    fn a_newer_format_is_named() {
        let mut bytes = manifest().to_file_bytes().unwrap();
        bytes[8] = 3;
        let content = bytes.len() - 4;
        let checksum = crc32fast::hash(&bytes[..content]);
        bytes[content..].copy_from_slice(&checksum.to_le_bytes());
        let refused = Manifest::from_file_bytes(Path::new("/p"), &bytes).unwrap_err();
        assert!(matches!(refused, Error::NewerFormat { found: 3, expected: 2, .. }), "{refused}");
    }

    proptest::proptest! {
        #![proptest_config(proptest::test_runner::Config { cases: 2_000, failure_persistence: None, ..Default::default() })]

        #[test]
        fn any_bytes_with_a_correct_checksum_never_panic(
            tail in proptest::collection::vec(proptest::num::u8::ANY, 0..200), kept in 12..60usize,
        ) {
            let whole = manifest().to_file_bytes().unwrap();
            let content = [&whole[..kept.min(whole.len())], &tail].concat();
            let bytes = [&content[..], &crc32fast::hash(&content).to_le_bytes()].concat();
            let _ = Manifest::from_file_bytes(Path::new("/p"), &bytes);
        }
    }
}
