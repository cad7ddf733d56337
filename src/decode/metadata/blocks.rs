//! Where each format keeps its metadata: a file → blocks of EXIF, XMP, IPTC and text.

use std::borrow::Cow;
use std::io::Read;

use image::ImageFormat;

use super::{boxes, jpeg, png};
use crate::decode::format::Format;
use crate::decode::{Detail, ifd, raw};

/// Longest block that is unpacked or put together. Programs write some kilobytes; what is longer holds pictures.
pub(super) const LONGEST: u64 = 4 << 20;
/// What all blocks that are unpacked or put together may have.
const LONGEST_OF_ALL: u64 = 2 * LONGEST;
/// Blocks of a kind that are read. Real files have up to four.
pub(super) const MOST: usize = 16;

const EXIF: &[u8] = b"Exif\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// What a file has, each kind in the order in which it counts.
#[derive(Debug, Default)]
pub(super) struct Blocks<'a> {
    /// Each has a TIFF structure in it, near its front.
    pub(super) exif: Vec<Cow<'a, [u8]>>,
    /// A TIFF structure of places alone.
    pub(super) gps: Option<&'a [u8]>,
    /// XMP packets.
    pub(super) xmp: Vec<Cow<'a, [u8]>>,
    /// IPTC records.
    pub(super) iptc: Vec<Cow<'a, [u8]>>,
    /// Texts with a name.
    pub(super) texts: Vec<(String, String)>,
    /// How many bytes were unpacked or put together.
    made: u64,
}

impl<'a> Blocks<'a> {
    pub(super) fn of(bytes: &'a [u8], format: Format) -> Blocks<'a> {
        let mut blocks = Blocks::default();
        match format {
            Format::Jpeg => jpeg::read(bytes, &mut blocks),
            Format::JpegXl => boxes::jpeg_xl(bytes, &mut blocks),
            Format::Raster(ImageFormat::Png) => png::read(bytes, &mut blocks),
            Format::Raster(ImageFormat::WebP) => webp(bytes, &mut blocks),
            Format::Tiff => tiff(bytes, &mut blocks),
            Format::Raw("CR3") => boxes::cr3(bytes, &mut blocks),
            Format::Raw("RAF") => jpeg::read(raw::raf_jpeg(bytes), &mut blocks),
            Format::Raw(_) => tiff(bytes, &mut blocks),
            Format::Heic | Format::Avif => boxes::heif(bytes, &mut blocks),
            Format::Raster(_) | Format::Unread(_) => {}
        }
        blocks
    }

    /// The blocks of the JPEG inside a RAW file.
    pub(super) fn of_preview(bytes: &'a [u8]) -> Blocks<'a> {
        let mut blocks = Blocks::default();
        if let Some(preview) = raw::preview(bytes, Detail::Full) {
            jpeg::read(preview, &mut blocks);
        }
        blocks
    }

    /// A block that is packed. What comes out before an error is read as far as it goes.
    pub(super) fn unpacked(&mut self, packed: impl Read) -> Cow<'a, [u8]> {
        let mut block = Vec::new();
        let _ = packed.take(self.room()).read_to_end(&mut block);
        self.made += block.len() as u64;
        Cow::Owned(block)
    }

    /// A block in several pieces; `None` for one that has none or is too long.
    pub(super) fn joined(&mut self, pieces: &[&'a [u8]]) -> Option<Cow<'a, [u8]>> {
        if let [whole] = pieces {
            return Some(Cow::Borrowed(whole));
        }
        let length = pieces.iter().map(|piece| piece.len() as u64).sum();
        (1..=self.room()).contains(&length).then(|| {
            self.made += length;
            Cow::Owned(pieces.concat())
        })
    }

    /// How long a block may be that is unpacked or put together now.
    fn room(&self) -> u64 {
        LONGEST.min(LONGEST_OF_ALL - self.made)
    }

    pub(super) fn exif(&mut self, block: Cow<'a, [u8]>) {
        push(&mut self.exif, block);
    }

    pub(super) fn xmp(&mut self, packet: Cow<'a, [u8]>) {
        push(&mut self.xmp, packet);
    }

    pub(super) fn text(&mut self, key: &str, value: String) {
        push(&mut self.texts, (key.to_owned(), value));
    }

    /// An APP1 segment of a JPEG: an EXIF block or an XMP packet, as it says in front.
    pub(super) fn application_1(&mut self, segment: Cow<'a, [u8]>) {
        if segment.starts_with(EXIF) {
            self.exif(segment);
        } else if segment.starts_with(XMP) {
            self.xmp(segment);
        }
    }

    /// Photoshop's resources, one of which is IPTC; or IPTC itself, which some programs put in the same place.
    pub(super) fn photoshop(&mut self, resources: Cow<'a, [u8]>) {
        const IPTC: u16 = 0x0404;
        if resources.first() == Some(&0x1C) {
            return push(&mut self.iptc, resources);
        }
        let mut rest = &resources[..];
        while let Some((number, content, after)) = resource(rest) {
            if number == IPTC && content.len() as u64 <= LONGEST {
                push(&mut self.iptc, Cow::Owned(content.to_vec()));
            }
            rest = after;
        }
    }
}

fn push<T>(list: &mut Vec<T>, item: T) {
    if list.len() < MOST {
        list.push(item);
    }
}

/// Number and content of the first resource, and what follows it.
fn resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let (number, rest) = rest.split_first_chunk()?;
    // A name with its length in front, filled up to an even number of bytes.
    let name = 1 + usize::from(*rest.first()?);
    let (length, rest) = rest.get(name.next_multiple_of(2)..)?.split_first_chunk()?;
    let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
    let content = rest.get(..length)?;
    let after = rest.get(length.next_multiple_of(2)..).unwrap_or_default();
    Some((u16::from_be_bytes(*number), content, after))
}

/// A RIFF file: chunks with a name and a length.
fn webp<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    let mut rest = bytes.get(12..).unwrap_or_default();
    while let Some((header, after)) = rest.split_first_chunk::<8>() {
        let (name, length) = header.split_at(4);
        let Ok(length) = usize::try_from(ifd::whole(length, true)) else { return };
        let Some(content) = after.get(..length) else { return };
        match name {
            b"EXIF" => blocks.exif(Cow::Borrowed(content)),
            b"XMP " => blocks.xmp(Cow::Borrowed(content)),
            _ => {}
        }
        rest = after.get(length.next_multiple_of(2)..).unwrap_or_default();
    }
}

/// The file is an EXIF block itself, and has XMP and IPTC in entries of its first directory.
fn tiff<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    const XMP: u16 = 700;
    const IPTC: u16 = 33723;
    const PHOTOSHOP: u16 = 34377;
    blocks.exif(Cow::Borrowed(bytes));
    let Some(directory) = ifd::Structure::of(bytes).and_then(ifd::Structure::first) else { return };
    let value = |tag| directory.get(tag).map(|value| Cow::Borrowed(value.bytes()));
    value(XMP).into_iter().for_each(|packet| blocks.xmp(packet));
    value(IPTC).into_iter().for_each(|records| push(&mut blocks.iptc, records));
    value(PHOTOSHOP).into_iter().for_each(|resources| blocks.photoshop(resources));
}
