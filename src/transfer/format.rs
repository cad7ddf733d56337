//! The file of an export: a stream of checked frames.
//!
//! ```text
//! "imgsearch export"    16 bytes
//! the version           u32
//! frames                the length of the body: u32 · the CRC-32 of the body: u32 · the body: CBOR
//!   the first           [0, [id, label, dimensions, note]]             the model and the library's note
//!   one for each record [1, [key, content, record, vector]]
//!   the last            [2, [records, digest]]                         digest: BLAKE3 of all bytes before this frame
//! ```
//!
//! Numbers are little-endian. A vector is its components as `f32`. Records of files come before records of their parts.
//! Reader and writer hold one frame in memory.

use std::io::{self, Read, Write};

use imgsearch_index::{Fingerprint, Space, Vector};
use minicbor::{Decode, Encode};

use super::TransferError;

const MAGIC: &[u8; 16] = b"imgsearch export";
/// Increased when an older version could not read the file.
const VERSION: u32 = 1;
/// A key and a record of 64 KiB each, and a vector of 65,535 dimensions, take less than half of this.
const MOST_BYTES: u32 = 1 << 20;

/// What comes before the records of an export.
#[derive(Clone, Debug, PartialEq)]
pub struct Header {
    /// The model's vector space.
    pub space: Space,
    /// The encoded note of the library.
    pub note: Vec<u8>,
}

/// One record, with the bytes that a library stores.
#[derive(Clone, Debug, PartialEq)]
pub struct Row {
    /// The key of its item.
    pub key: Vec<u8>,
    /// The content that it was read from.
    pub content: Option<Fingerprint>,
    /// The encoded details.
    pub record: Vec<u8>,
    /// Its vector, if it is a photo.
    pub vector: Option<Vector>,
}

#[derive(Encode, Decode)]
enum Frame {
    #[n(0)]
    Header {
        #[n(0)]
        id: String,
        #[n(1)]
        label: String,
        #[n(2)]
        dim: u32,
        #[n(3)]
        #[cbor(with = "minicbor::bytes")]
        note: Vec<u8>,
    },
    #[n(1)]
    Record {
        #[n(0)]
        #[cbor(with = "minicbor::bytes")]
        key: Vec<u8>,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        content: Option<[u8; 16]>,
        #[n(2)]
        #[cbor(with = "minicbor::bytes")]
        record: Vec<u8>,
        #[n(3)]
        #[cbor(with = "minicbor::bytes")]
        vector: Option<Vec<u8>>,
    },
    #[n(2)]
    End {
        #[n(0)]
        records: u64,
        #[n(1)]
        #[cbor(with = "minicbor::bytes")]
        digest: [u8; 32],
    },
}

/// Writes an export.
pub(super) struct ExportWriter<W> {
    out: W,
    digest: blake3::Hasher,
    records: u64,
}

impl<W: Write> ExportWriter<W> {
    pub(super) fn new(out: W, header: &Header) -> io::Result<ExportWriter<W>> {
        let mut writer = ExportWriter { out, digest: blake3::Hasher::new(), records: 0 };
        writer.write(&[MAGIC.as_slice(), &VERSION.to_le_bytes()].concat())?;
        let Header { space, note } = header;
        let (id, label) = (space.id().to_owned(), space.label().to_owned());
        let dim = u32::try_from(space.dim()).map_err(io::Error::other)?;
        writer.frame(&Frame::Header { id, label, dim, note: note.clone() })?;
        Ok(writer)
    }

    pub(super) fn row(&mut self, row: Row) -> io::Result<()> {
        let Row { key, content, record, vector } = row;
        let bytes = |vector: Vector| vector.as_slice().iter().flat_map(|x| x.to_le_bytes()).collect();
        let content = content.map(|content| content.0);
        self.frame(&Frame::Record { key, content, record, vector: vector.map(bytes) })?;
        self.records += 1;
        Ok(())
    }

    /// Ends the export. Without this a reader reports it as truncated.
    pub(super) fn finish(mut self) -> io::Result<()> {
        let digest = *self.digest.finalize().as_bytes();
        self.frame(&Frame::End { records: self.records, digest })?;
        self.out.flush()
    }

    fn frame(&mut self, frame: &Frame) -> io::Result<()> {
        let body = minicbor::to_vec(frame).map_err(io::Error::other)?;
        let length = u32::try_from(body.len()).ok().filter(|length| *length <= MOST_BYTES);
        let length = length.ok_or(io::ErrorKind::FileTooLarge)?;
        self.write(&[length.to_le_bytes(), crc32fast::hash(&body).to_le_bytes()].concat())?;
        self.write(&body)
    }

    fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.digest.update(bytes);
        self.out.write_all(bytes)
    }
}

/// Reads an export record by record. Each record was checked when it is returned; [`Exports::next`] returns `None` only
/// after the whole file was.
pub struct Exports<R> {
    input: R,
    digest: blake3::Hasher,
    header: Header,
    records: u64,
}

impl<R: Read> Exports<R> {
    /// Reads the beginning of an export.
    ///
    /// # Errors
    /// [`TransferError::Foreign`], [`TransferError::Version`], or as [`Exports::next`].
    pub fn open(mut input: R) -> Result<Exports<R>, TransferError> {
        let mut start = [0; 20];
        read(&mut input, &mut start, 0).map_err(|error| {
            let is_short = matches!(error, TransferError::Truncated { .. });
            if is_short { TransferError::Foreign } else { error }
        })?;
        let (magic, version) = start.split_at(MAGIC.len());
        if magic != MAGIC {
            return Err(TransferError::Foreign);
        }
        let found = u32::from_le_bytes([version[0], version[1], version[2], version[3]]);
        if found != VERSION {
            return Err(TransferError::Version { found, known: VERSION });
        }
        let mut digest = blake3::Hasher::new();
        digest.update(&start);
        let damaged = || TransferError::Damaged { records: 0 };
        let Frame::Header { id, label, dim, note } = frame(&mut input, &mut digest, 0)? else {
            return Err(damaged());
        };
        let dim = usize::try_from(dim).map_err(|_| damaged())?;
        let space = Space::new(id, label, dim).map_err(|_| damaged())?;
        Ok(Exports { input, digest, header: Header { space, note }, records: 0 })
    }

    /// What comes before the records.
    pub fn header(&self) -> &Header {
        &self.header
    }

    /// The next record; `None` at the end of a whole export.
    ///
    /// # Errors
    /// [`TransferError::Truncated`], [`TransferError::Damaged`] or [`TransferError::Read`].
    #[expect(clippy::should_implement_trait, reason = "an iterator would go on after an error")]
    pub fn next(&mut self) -> Result<Option<Row>, TransferError> {
        let damaged = || TransferError::Damaged { records: self.records };
        let before = self.digest.finalize();
        match frame(&mut self.input, &mut self.digest, self.records)? {
            Frame::Record { key, content, record, vector } => {
                let vector = match vector {
                    Some(bytes) => Some(vector_of(&bytes, self.header.space.dim()).ok_or_else(damaged)?),
                    None => None,
                };
                self.records += 1;
                Ok(Some(Row { key, content: content.map(Fingerprint), record, vector }))
            }
            Frame::End { records, digest } => {
                let is_whole = records == self.records && digest == *before.as_bytes();
                let has_more = self.input.read(&mut [0]).map_err(TransferError::Read)? > 0;
                if is_whole && !has_more { Ok(None) } else { Err(damaged()) }
            }
            Frame::Header { .. } => Err(damaged()),
        }
    }

    /// Reads to the end, to check that the export is whole. Returns the number of records.
    ///
    /// # Errors
    /// As [`Exports::next`].
    pub fn check(mut self) -> Result<u64, TransferError> {
        while self.next()?.is_some() {}
        Ok(self.records)
    }
}

fn frame(input: &mut impl Read, digest: &mut blake3::Hasher, records: u64) -> Result<Frame, TransferError> {
    let mut start = [0; 8];
    read(input, &mut start, records)?;
    let [l0, l1, l2, l3, c0, c1, c2, c3] = start;
    let (length, checksum) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
    let damaged = || TransferError::Damaged { records };
    // Checked before memory is taken.
    if length > MOST_BYTES {
        return Err(damaged());
    }
    let mut body = vec![0; usize::try_from(length).map_err(|_| damaged())?];
    read(input, &mut body, records)?;
    if crc32fast::hash(&body) != checksum {
        return Err(damaged());
    }
    digest.update(&start);
    digest.update(&body);
    minicbor::decode(&body).map_err(|_| damaged())
}

fn read(input: &mut impl Read, bytes: &mut [u8], records: u64) -> Result<(), TransferError> {
    input.read_exact(bytes).map_err(|error| {
        let is_end = error.kind() == io::ErrorKind::UnexpectedEof;
        if is_end { TransferError::Truncated { records } } else { TransferError::Read(error) }
    })
}

/// The vector with these bytes; `None` if they are not a vector of `dim` components.
fn vector_of(bytes: &[u8], dim: usize) -> Option<Vector> {
    let (components, rest) = bytes.as_chunks::<4>();
    let is_right = rest.is_empty() && components.len() == dim;
    let components = components.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    is_right.then_some(components).and_then(|components| Vector::kept_if_unit(components).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header() -> Header {
        Header { space: Space::new("id", "Label", 2).unwrap(), note: b"note".to_vec() }
    }

    fn rows() -> Vec<Row> {
        let vector = Vector::normalized(vec![0.3, 0.7]).unwrap();
        let row = |key: &[u8], vector| Row {
            key: key.to_vec(),
            content: Some(Fingerprint([7; 16])),
            record: b"record".to_vec(),
            vector,
        };
        vec![row(b"/a\xff", Some(vector)), Row { content: None, ..row(b"/b", None) }]
    }

    fn written() -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut writer = ExportWriter::new(&mut bytes, &header()).unwrap();
        rows().into_iter().for_each(|row| writer.row(row).unwrap());
        writer.finish().unwrap();
        bytes
    }

    fn read_all(bytes: &[u8]) -> Result<Vec<Row>, TransferError> {
        let mut exports = Exports::open(bytes)?;
        assert_eq!(exports.header(), &header());
        let mut rows = Vec::new();
        while let Some(row) = exports.next()? {
            rows.push(row);
        }
        Ok(rows)
    }

    #[test]
    fn rows_come_back_bit_for_bit() {
        assert_eq!(read_all(&written()).unwrap(), rows());
        assert_eq!(Exports::open(&written()[..]).unwrap().check().unwrap(), 2);
    }

    /// Version 1 as it is: if this fails, older exports cannot be read any more.
    #[test]
    fn the_format_stays() {
        let bytes = written();
        assert_eq!(bytes[..20], *b"imgsearch export\x01\0\0\0");
        // [0, ["id", "Label", 2, h'6e6f7465']]
        let header = b"\x82\x00\x84\x62id\x65Label\x02\x44note";
        assert_eq!((bytes[20..24].to_vec(), &bytes[28..46]), (vec![18, 0, 0, 0], &header[..]));
        // [1, [h'2fff61', …]]: the first record.
        let key = b"\x82\x01\x84\x43/a\xff";
        assert_eq!(bytes[54..61], key[..7]);
    }

    #[test]
    fn truncated_files_are_refused_wherever_they_end() {
        let whole = written();
        for end in 0..whole.len() {
            let refused = read_all(&whole[..end]).unwrap_err();
            let is_right = match end {
                0..20 => matches!(refused, TransferError::Foreign),
                _ => matches!(refused, TransferError::Truncated { .. }),
            };
            assert!(is_right, "{end}: {refused}");
        }
    }

    #[test]
    fn every_flipped_bit_is_noticed() {
        let whole = written();
        for position in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[position] ^= 4;
            assert!(Exports::open(&damaged[..]).and_then(Exports::check).is_err(), "{position}");
        }
        let longer = [whole, vec![0]].concat();
        assert!(matches!(read_all(&longer), Err(TransferError::Damaged { records: 2 })));
    }

    #[test]
    fn other_files_and_later_versions_are_refused() {
        assert!(matches!(
            read_all(b"\xff\xd8\xff\xe0 a picture, not an export"),
            Err(TransferError::Foreign)
        ));
        let mut later = written();
        later[16] = 2;
        assert!(matches!(read_all(&later), Err(TransferError::Version { found: 2, known: 1 })));
    }
}
