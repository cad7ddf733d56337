//! Finds the metadata blocks (EXIF, XMP, IPTC and text) in files of each format.

use std::borrow::Cow;
use std::io::Read;

use image::ImageFormat;

use super::{boxes, jpeg, png};
use crate::decode::format::Format;
use crate::decode::{Detail, ifd, raw};

/// The maximum size of a block that is decompressed or joined. Programs write a few kilobytes; longer blocks have pictures.
pub(super) const LONGEST: u64 = 4 << 20;
/// The maximum total size of all such blocks.
const LONGEST_OF_ALL: u64 = 2 * LONGEST;
/// The maximum number of blocks of one kind. Real files have up to four.
pub(super) const MOST: usize = 16;

const EXIF: &[u8] = b"Exif\0";
const XMP: &[u8] = b"http://ns.adobe.com/xap/1.0/\0";

/// The blocks of a file, each kind in order of precedence.
#[derive(Debug, Default)]
pub(super) struct Blocks<'a> {
    /// EXIF blocks, each with a TIFF structure near its start.
    pub(super) exif: Vec<Cow<'a, [u8]>>,
    /// A TIFF structure with only GPS data.
    pub(super) gps: Option<&'a [u8]>,
    /// XMP packets.
    pub(super) xmp: Vec<Cow<'a, [u8]>>,
    /// IPTC records.
    pub(super) iptc: Vec<Cow<'a, [u8]>>,
    /// Texts with a name.
    pub(super) texts: Vec<(String, String)>,
    /// The number of bytes decompressed or joined so far.
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

    /// The blocks of the JPEG in a RAW file.
    pub(super) fn of_preview(bytes: &'a [u8]) -> Blocks<'a> {
        let mut blocks = Blocks::default();
        if let Some(preview) = raw::preview(bytes, Detail::Full) {
            jpeg::read(preview, &mut blocks);
        }
        blocks
    }

    /// Decompresses a block. Data before an error is used.
    pub(super) fn unpacked(&mut self, packed: impl Read) -> Cow<'a, [u8]> {
        let mut block = Vec::new();
        let _ = packed.take(self.room()).read_to_end(&mut block);
        self.made += block.len() as u64;
        Cow::Owned(block)
    }

    /// Joins the pieces of a block; `None` if there are none or it is too long.
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

    /// The maximum size of the next block that is decompressed or joined.
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

    /// Adds a JPEG's APP1 segment: an EXIF block or an XMP packet, depending on its prefix.
    pub(super) fn application_1(&mut self, segment: Cow<'a, [u8]>) {
        if segment.starts_with(EXIF) {
            self.exif(segment);
        } else if segment.starts_with(XMP) {
            self.xmp(segment);
        }
    }

    /// Adds Photoshop's resources, which include IPTC; or IPTC itself, which some programs put in the same place.
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

/// Number and content of the first resource, and the rest.
fn resource(bytes: &[u8]) -> Option<(u16, &[u8], &[u8])> {
    let rest = bytes.strip_prefix(b"8BIM")?;
    let (number, rest) = rest.split_first_chunk()?;
    // A name preceded by its length, padded to an even number of bytes.
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

/// A TIFF file is itself an EXIF block, and has XMP and IPTC in entries of its first directory.
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
