//! Finds metadata in the nested boxes of ISO base media files (HEIC, AVIF, JPEG XL, CR3).

use std::borrow::Cow;

use brotli_decompressor::Decompressor;

use super::blocks::{Blocks, MOST};
use crate::decode::ifd::whole;

/// The maximum number of items in a HEIC. A tiled picture has one per tile.
const MOST_ITEMS: usize = 4096;
/// The boxes of a CR3 with Canon's metadata.
const CANON: &[u8] = b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
/// The box of a CR3 with an XMP packet.
const CANON_XMP: &[u8] = b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";

/// The complete boxes in `bytes`, each with its name and content.
fn boxes(mut bytes: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (short, name) = (whole(bytes.get(..4)?, false), bytes.get(4..8)?.try_into().ok()?);
        let (start, length) = match short {
            0 => (8, bytes.len()),
            1 => (16, usize::try_from(whole(bytes.get(8..16)?, false)).ok()?),
            length => (8, usize::try_from(length).ok()?),
        };
        let content = bytes.get(start..length)?;
        bytes = &bytes[length..];
        Some((name, content))
    })
}

fn child<'a>(bytes: &'a [u8], name: &[u8; 4]) -> Option<&'a [u8]> {
    boxes(bytes).find(|(found, _)| found == name).map(|(_, content)| content)
}

/// JPEG XL: separate boxes, which may be compressed with Brotli.
pub(super) fn jpeg_xl<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    let packed = |content: &[u8]| matches!(content.get(..4), Some(b"Exif" | b"xml "));
    let is_known = |name: &[u8; 4], content| match name {
        b"Exif" | b"xml " => true,
        b"brob" => packed(content),
        _ => false,
    };
    for (name, content) in boxes(bytes).filter(|(name, content)| is_known(name, content)).take(2 * MOST) {
        let (is_exif, block) = match (&name, content) {
            (b"brob", [first, _, _, _, packed @ ..]) => {
                (*first == b'E', blocks.unpacked(Decompressor::new(packed, 4096)))
            }
            _ => (&name == b"Exif", Cow::Borrowed(content)),
        };
        if is_exif { blocks.exif(block) } else { blocks.xmp(block) }
    }
}

/// Canon's CR3: the directories of an EXIF block, each in a separate box.
pub(super) fn cr3<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    for (name, content) in boxes(bytes) {
        match (&name, content.get(..16)) {
            (b"uuid", Some(CANON_XMP)) => blocks.xmp(Cow::Borrowed(&content[16..])),
            (b"moov", _) => {
                let canon = boxes(content)
                    .filter_map(|(name, content)| content.strip_prefix(CANON).filter(|_| &name == b"uuid"));
                for (name, directory) in canon.flat_map(boxes) {
                    match &name {
                        b"CMT1" | b"CMT2" => blocks.exif(Cow::Borrowed(directory)),
                        b"CMT4" => blocks.gps = Some(directory),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
}

/// HEIC and AVIF: items, with two lists of their kinds and positions.
pub(super) fn heif<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    // Four bytes of version come before the boxes in it.
    let Some(meta) = child(bytes, b"meta").and_then(|meta| meta.get(4..)) else { return };
    let Some(places) = child(meta, b"iloc").and_then(Places::of) else { return };
    let data = child(meta, b"idat").unwrap_or_default();
    for (id, kind) in child(meta, b"iinf").into_iter().flat_map(items).take(2 * MOST) {
        let Some(content) = places.pieces(id, bytes, data).and_then(|pieces| blocks.joined(&pieces)) else {
            continue;
        };
        match kind {
            // The block starts with the offset of its TIFF header, but that is searched for anyway.
            ItemKind::Exif => blocks.exif(content),
            ItemKind::Xmp => blocks.xmp(content),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum ItemKind {
    Exif,
    Xmp,
}

/// The metadata in a list of items (`iinf`).
fn items(list: &[u8]) -> impl Iterator<Item = (u64, ItemKind)> {
    let start = if list.first() == Some(&0) { 6 } else { 8 };
    boxes(list.get(start..).unwrap_or_default()).take(MOST_ITEMS).filter_map(|(name, entry)| {
        let mut rest = Cursor(entry);
        let version = rest.number(4)? >> 24;
        let id = rest.number(if version == 3 { 4 } else { 2 })?;
        rest.number(2)?;
        if &name != b"infe" || version < 2 {
            return None;
        }
        match (rest.0.get(..4)?, &rest.0[4..]) {
            (b"Exif", _) => Some((id, ItemKind::Exif)),
            (b"mime", names) => {
                // The item's name, then the type of its content.
                let is_xmp = names.split(|byte| *byte == 0).nth(1)? == b"application/rdf+xml";
                is_xmp.then_some((id, ItemKind::Xmp))
            }
            _ => None,
        }
    })
}

/// The positions of items (`iloc`).
struct Places<'a> {
    version: u64,
    offset_size: usize,
    length_size: usize,
    base_size: usize,
    index_size: usize,
    count: u64,
    rest: Cursor<'a>,
}

impl<'a> Places<'a> {
    fn of(list: &'a [u8]) -> Option<Places<'a>> {
        let mut rest = Cursor(list);
        let version = rest.number(4)? >> 24;
        let sizes = rest.number(2)?;
        let size = |shift: u32| usize::try_from(sizes >> shift & 15).ok();
        let count = rest.number(if version < 2 { 2 } else { 4 })?;
        // Entries of zero bytes would allow any number of pieces.
        (size(12)? + size(8)? > 0).then_some(())?;
        Some(Places {
            version,
            offset_size: size(12)?,
            length_size: size(8)?,
            base_size: size(4)?,
            index_size: if version == 0 { 0 } else { size(0)? },
            count,
            rest,
        })
    }

    /// The pieces of an item, in the file or in the box `data`.
    fn pieces(&self, wanted: u64, file: &'a [u8], data: &'a [u8]) -> Option<Vec<&'a [u8]>> {
        let mut rest = self.rest;
        for _ in 0..self.count.min(MOST_ITEMS as u64) {
            let id = rest.number(if self.version < 2 { 2 } else { 4 })?;
            let method = if self.version == 0 { 0 } else { rest.number(2)? & 15 };
            rest.number(2)?;
            let base = rest.number(self.base_size)?;
            let source = if method == 1 { data } else { file };
            let mut pieces = Vec::new();
            for _ in 0..rest.number(2)? {
                rest.number(self.index_size)?;
                let start = usize::try_from(base.checked_add(rest.number(self.offset_size)?)?).ok()?;
                let length = usize::try_from(rest.number(self.length_size)?).ok()?;
                if id == wanted && method < 2 {
                    // A length of 0 means the rest.
                    let piece = source.get(start..)?;
                    pieces.push(if length == 0 { piece } else { piece.get(..length)? });
                }
            }
            if id == wanted {
                return Some(pieces);
            }
        }
        None
    }
}

/// A reader of bytes.
#[derive(Clone, Copy)]
struct Cursor<'a>(&'a [u8]);

impl Cursor<'_> {
    fn number(&mut self, length: usize) -> Option<u64> {
        let (taken, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(whole(taken, false))
    }
}
