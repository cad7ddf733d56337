//! TIFF files: their first directory, which RAW files have too, and the palettes that `image` does not read.

use std::borrow::Cow;

use image::ImageFormat;

use super::{DecodeError, Decoded, Limits, raster};

/// What a file says of itself is copied up to this length. It stands at the front or, in large files, at the end; a
/// copy of more than this costs more than it tells.
const LONGEST_BLOCK: usize = 64 << 20;
/// The type of numbers of two bytes.
const SHORT: u16 = 3;

/// An entry of a directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry {
    pub(super) tag: u16,
    /// The number itself, or where in the file several of them lie.
    pub(super) value: u32,
    /// How many numbers.
    count: u32,
    /// Where in the file the value stands.
    at: usize,
}

/// The entries of the first directory.
pub(super) fn entries(bytes: &[u8]) -> impl Iterator<Item = Entry> {
    let directory = long(bytes, 4).and_then(|at| usize::try_from(at).ok()).unwrap_or(usize::MAX);
    let count = usize::from(short(bytes, directory).unwrap_or(0));
    (0..count).map_while(move |i| {
        let at = directory + 2 + 12 * i;
        let (tag, kind, count) = (short(bytes, at)?, short(bytes, at + 2)?, long(bytes, at + 4)?);
        let at = at + 8;
        let is_number = kind == SHORT && count == 1;
        let value = if is_number { u32::from(short(bytes, at)?) } else { long(bytes, at)? };
        Some(Entry { tag, value, count, at })
    })
}

fn short(bytes: &[u8], at: usize) -> Option<u16> {
    let pair = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(if is_little(bytes) { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) })
}

fn long(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(if is_little(bytes) { u32::from_le_bytes(four) } else { u32::from_be_bytes(four) })
}

fn is_little(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II")
}

/// The whole file, as a block of metadata.
pub(super) fn block(bytes: &[u8]) -> Vec<u8> {
    if bytes.len() <= LONGEST_BLOCK { bytes.to_vec() } else { Vec::new() }
}

/// Decodes the first page.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let palette = Palette::of(bytes);
    let mut decoded = raster::decode(&readable(bytes, palette.as_ref()), ImageFormat::Tiff, limits)?;
    if let Some(Palette { colours, .. }) = palette {
        decoded.pixels.pixels_mut().for_each(|pixel| pixel.0 = colours[usize::from(pixel.0[0])]);
    }
    decoded.exif.push(block(bytes));
    Ok(decoded)
}

/// Bytes that [`decode`] takes.
pub(super) fn memory(bytes: &[u8]) -> Option<u64> {
    raster::memory(&readable(bytes, Palette::of(bytes).as_ref()), ImageFormat::Tiff)
}

/// A picture of 8 bits a pixel that are numbers of colours.
struct Palette {
    colours: Vec<[u8; 3]>,
    /// Where in the file stands that there is a palette.
    interpretation: usize,
}

impl Palette {
    fn of(bytes: &[u8]) -> Option<Palette> {
        const BITS_PER_SAMPLE: u16 = 258;
        const INTERPRETATION: u16 = 262;
        const COLOR_MAP: u16 = 320;
        const IS_PALETTE: u32 = 3;
        let entry = |tag| entries(bytes).find(|entry| entry.tag == tag);
        let interpretation = entry(INTERPRETATION).filter(|entry| entry.value == IS_PALETTE)?.at;
        entry(BITS_PER_SAMPLE).filter(|entry| entry.value == 8)?;
        // All reds, then all greens, then all blues, of 16 bits each.
        let map = entry(COLOR_MAP).filter(|entry| entry.count == 3 * 256)?;
        let start = usize::try_from(map.value).ok()?;
        let part = |index: usize| Some(short(bytes, start.checked_add(2 * index)?)?.to_be_bytes()[0]);
        let colours = (0..256).map(|i| Some([part(i)?, part(256 + i)?, part(512 + i)?]));
        Some(Palette { colours: colours.collect::<Option<_>>()?, interpretation })
    }
}

/// The file as `image` reads it: one with a palette is said to be grey, and its pixels come as they are stored.
fn readable<'a>(bytes: &'a [u8], palette: Option<&Palette>) -> Cow<'a, [u8]> {
    const BLACK_IS_ZERO: u16 = 1;
    let Some(Palette { interpretation, .. }) = palette else { return Cow::Borrowed(bytes) };
    let mut gray = bytes.to_vec();
    let number = if is_little(bytes) { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
    gray[*interpretation..interpretation + 2].copy_from_slice(&number);
    Cow::Owned(gray)
}
