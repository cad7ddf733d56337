//! TIFF files: their first directory, which RAW files have too, and the few-coloured ones that `image` does not read.

use std::borrow::Cow;
use std::io::Cursor;

use ::tiff::decoder::{Decoder, DecodingResult};
use ::tiff::{TiffError, TiffResult};
use image::{ImageFormat, RgbImage};

use super::{DecodeError, Decoded, Limits, raster};

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

/// Decodes the first page.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    match Table::of(bytes) {
        Some(table) => table.decode(bytes, limits),
        None => raster::decode(bytes, ImageFormat::Tiff, limits),
    }
}

/// Bytes that [`decode`] takes.
pub(super) fn memory(bytes: &[u8]) -> Option<u64> {
    match Table::of(bytes) {
        Some(table) => Some(table.needed(table.opened(bytes).ok()?.dimensions().ok()?)),
        None => raster::memory(bytes, ImageFormat::Tiff),
    }
}

/// A picture of one number a pixel and what the numbers stand for, where `image` does not read it: all palettes, and
/// greys of 2 and 4 bits.
struct Table {
    bits: u32,
    colours: Vec<[u8; 3]>,
    /// Where in the file stands that there is a palette.
    palette: Option<usize>,
}

impl Table {
    fn of(bytes: &[u8]) -> Option<Table> {
        const BITS_PER_SAMPLE: u16 = 258;
        const INTERPRETATION: u16 = 262;
        const COLOR_MAP: u16 = 320;
        const SAMPLES_PER_PIXEL: u16 = 277;
        let entry = |tag| entries(bytes).find(|entry| entry.tag == tag);
        entry(SAMPLES_PER_PIXEL).is_none_or(|entry| entry.value == 1).then_some(())?;
        let bits = entry(BITS_PER_SAMPLE).map_or(1, |entry| entry.value);
        let interpretation = entry(INTERPRETATION)?;
        let count = 1 << bits.min(8);
        match (interpretation.value, bits) {
            (0 | 1, 2 | 4) => {
                let gray = |i: usize| Some([u8::try_from(i * 255 / (count - 1)).ok()?; 3]);
                Some(Table { bits, colours: (0..count).map(gray).collect::<Option<_>>()?, palette: None })
            }
            (3, 1 | 2 | 4 | 8) => {
                // All reds, then all greens, then all blues, of 16 bits each.
                let map = entry(COLOR_MAP).filter(|entry| entry.count as usize == 3 * count)?;
                let start = usize::try_from(map.value).ok()?;
                let part = |index: usize| Some(short(bytes, start.checked_add(2 * index)?)?.to_be_bytes()[0]);
                let colours = (0..count).map(|i| Some([part(i)?, part(count + i)?, part(2 * count + i)?]));
                let palette = Some(interpretation.at);
                Some(Table { bits, colours: colours.collect::<Option<_>>()?, palette })
            }
            _ => None,
        }
    }

    fn decode(&self, bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
        let mut decoder = self.opened(bytes).map_err(|error| refused(&error))?;
        let (width, height) = decoder.dimensions().map_err(|error| refused(&error))?;
        limits.check_size((width, height))?;
        let needed = self.needed((width, height));
        limits.check_memory(needed)?;
        let mut allowed = ::tiff::decoder::Limits::default();
        allowed.decoding_buffer_size = usize::try_from(needed).unwrap_or(usize::MAX);
        allowed.intermediate_buffer_size = usize::try_from(limits.max_memory).unwrap_or(usize::MAX);
        allowed.ifd_value_size = allowed.intermediate_buffer_size;
        let samples = decoder.with_limits(allowed).read_image().map_err(|error| refused(&error))?;
        let DecodingResult::U8(samples) = samples else { return Err(damaged("samples of a strange kind")) };
        let mut pixels = RgbImage::new(width, height);
        let row = (u64::from(width) * u64::from(self.bits)).div_ceil(8);
        let row = usize::try_from(row).map_err(|_| damaged("too wide"))?;
        if samples.len() < row * height as usize {
            return Err(damaged("fewer pixels than announced"));
        }
        for (packed, out) in samples.chunks_exact(row).zip(pixels.chunks_exact_mut(3 * width as usize)) {
            for (x, pixel) in out.chunks_exact_mut(3).enumerate() {
                let (at, bits) = (x * self.bits as usize, self.bits as usize);
                let number = usize::from(packed[at / 8]) >> (8 - bits - at % 8) & ((1 << bits) - 1);
                pixel.copy_from_slice(&self.colours[number]);
            }
        }
        Ok(Decoded { pixels, full_size: (width, height), eighths: 8, is_upright: false, note: None })
    }

    /// One with a palette is said to be grey, for the numbers to come as they are stored.
    fn opened<'a>(&self, bytes: &'a [u8]) -> TiffResult<Decoder<Cursor<Cow<'a, [u8]>>>> {
        const BLACK_IS_ZERO: u16 = 1;
        let Some(at) = self.palette else { return Decoder::new(Cursor::new(Cow::Borrowed(bytes))) };
        let mut gray = bytes.to_vec();
        let number = if is_little(bytes) { BLACK_IS_ZERO.to_le_bytes() } else { BLACK_IS_ZERO.to_be_bytes() };
        gray[at..at + 2].copy_from_slice(&number);
        Decoder::new(Cursor::new(Cow::Owned(gray)))
    }

    /// The numbers as they are stored, and the pixels.
    fn needed(&self, (width, height): (u32, u32)) -> u64 {
        let row = (u64::from(width) * u64::from(self.bits)).div_ceil(8);
        (row + 3 * u64::from(width)).saturating_mul(height.into())
    }
}

fn refused(error: &TiffError) -> DecodeError {
    let detail = error.to_string();
    match error {
        TiffError::UnsupportedError(_) => {
            DecodeError::Unsupported { format: format!("this kind of TIFF ({detail})") }
        }
        TiffError::LimitsExceeded => DecodeError::TooLarge { detail },
        TiffError::FormatError(_)
        | TiffError::IoError(_)
        | TiffError::IntSizeError
        | TiffError::UsageError(_) => damaged(&detail),
    }
}

fn damaged(detail: &str) -> DecodeError {
    DecodeError::Damaged { detail: detail.to_owned() }
}
