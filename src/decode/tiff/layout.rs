//! Reads from the first directory how the pixels are stored: size, position, compression and colour space.

use super::colour::{self, Colour};
use super::samples::{Depth, Number};
use super::tag;
use super::{damaged, unsupported};
use crate::decode::DecodeError;
use crate::decode::ifd::{Directory, Value};
use crate::decode::raster::Alpha;

/// The compression of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Compression {
    None,
    /// Fax codes in which each row starts at a byte boundary.
    Huffman,
    /// Group 3 fax codes; rows may refer to the row above.
    Fax3 {
        two_dimensional: bool,
    },
    Fax4,
    Lzw,
    Jpeg,
    Deflate,
    PackBits,
}

impl Compression {
    pub(super) fn is_fax(self) -> bool {
        matches!(self, Compression::Huffman | Compression::Fax3 { .. } | Compression::Fax4)
    }
}

/// The transformation of the numbers before compression.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Predictor {
    None,
    /// Each number is the difference to the one on its left.
    Difference,
    /// The same for the bytes of floating-point numbers, with all highest bytes first.
    FloatingPoint,
}

/// The first page.
pub(super) struct PageLayout<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) is_little: bool,
    pub(super) size: (u32, u32),
    pub(super) compression: Compression,
    pub(super) predictor: Predictor,
    /// Whether the bits of each byte are in reverse order.
    pub(super) is_reversed: bool,
    pub(super) depth: Depth,
    pub(super) colour: Colour,
    pub(super) alpha: Option<Alpha>,
    /// The horizontal and vertical subsampling of colours, if any.
    pub(super) subsampling: Option<(usize, usize)>,
    /// The tables shared by all JPEG parts.
    pub(super) tables: &'a [u8],
    samples: usize,
    is_planar: bool,
    /// Columns and rows of a stored part (a strip or a tile).
    stored: (usize, usize),
    is_tiled: bool,
    offsets: Value<'a>,
    lengths: Option<Value<'a>>,
}

/// A strip or a tile.
pub(super) struct Part {
    index: usize,
    pub(super) x: usize,
    pub(super) y: usize,
    /// Stored columns and rows.
    pub(super) stored: (usize, usize),
    /// Columns inside the picture.
    pub(super) columns: usize,
    pub(super) rows: usize,
}

/// The complete JPEG file inside an old-style JPEG TIFF.
pub(super) fn jpeg_inside<'a>(directory: &Directory<'a>) -> Option<&'a [u8]> {
    const OLD_JPEG: u64 = 6;
    (directory.uint(tag::COMPRESSION)? == OLD_JPEG).then_some(())?;
    let start = usize::try_from(directory.uint(tag::JPEG_INSIDE)?).ok()?;
    // Other programs put only tables there, and the picture elsewhere.
    let is_whole =
        |jpeg: &&[u8]| jpeg.starts_with(b"\xff\xd8\xff") && memchr::memmem::find(jpeg, b"\xff\xda").is_some();
    directory.bytes().get(start..).filter(is_whole)
}

impl<'a> PageLayout<'a> {
    /// Reads the directory.
    ///
    /// # Errors
    /// Something is missing or unsupported.
    pub(super) fn of(directory: &Directory<'a>) -> Result<PageLayout<'a>, DecodeError> {
        let number = |tag| directory.uint(tag);
        let side = |tag, name| {
            let side = number(tag).and_then(|side| u32::try_from(side).ok()).filter(|side| *side > 0);
            side.ok_or_else(|| damaged(name))
        };
        let size = (side(tag::WIDTH, "the width is missing")?, side(tag::HEIGHT, "the height is missing")?);
        let is_tiled = directory.get(tag::TILE_OFFSETS).is_some();
        let stored = if is_tiled {
            (
                side(tag::TILE_WIDTH, "the tile width is missing")?,
                side(tag::TILE_LENGTH, "the tile height is missing")?,
            )
        } else {
            let rows = number(tag::ROWS_PER_STRIP).and_then(|rows| u32::try_from(rows).ok());
            (size.0, rows.filter(|rows| *rows > 0).unwrap_or(size.1).min(size.1))
        };
        let (offsets, lengths) = if is_tiled {
            (tag::TILE_OFFSETS, tag::TILE_BYTE_COUNTS)
        } else {
            (tag::STRIP_OFFSETS, tag::STRIP_BYTE_COUNTS)
        };
        let offsets =
            directory.get(offsets).ok_or_else(|| damaged("the position of the pixels is missing"))?;
        let samples = number(tag::SAMPLES_PER_PIXEL).unwrap_or(1);
        let samples = u16::try_from(samples).map(usize::from).ok().filter(|samples| *samples > 0);
        let samples = samples.ok_or_else(|| damaged("the number of samples per pixel is invalid"))?;
        let compression = compression(directory)?;
        let depth = depth(directory, compression, samples)?;
        let colour = colour::of(directory, depth, compression, samples)?;
        let depth = match colour {
            Colour::Palette(_) => depth.unscaled(),
            Colour::Gray { .. } if depth.bits > 8 => depth,
            Colour::Gray { .. } | Colour::Rgb | Colour::Inks | Colour::YCbCr(_) | Colour::Lab { .. } => {
                depth.without_signs()
            }
        };
        let layout = PageLayout {
            bytes: directory.bytes(),
            is_little: directory.is_little(),
            size,
            compression,
            predictor: predictor(directory, compression)?,
            is_reversed: number(tag::FILL_ORDER) == Some(2) && compression != Compression::Jpeg,
            depth,
            alpha: colour::alpha(directory, &colour, samples),
            subsampling: colour::subsampling(directory, &colour, compression)?,
            colour,
            tables: directory.get(tag::JPEG_TABLES).map_or(&[], |values| values.bytes()),
            samples,
            is_planar: number(tag::PLANAR_CONFIGURATION) == Some(2) && samples > 1,
            stored: (stored.0 as usize, stored.1 as usize),
            is_tiled,
            offsets,
            lengths: directory.get(lengths),
        };
        layout.check()?;
        Ok(layout)
    }

    /// Checks that the settings are compatible.
    fn check(&self) -> Result<(), DecodeError> {
        if self.samples < self.colour.samples() {
            return Err(damaged("a pixel has fewer samples than its colour space needs"));
        }
        if self.compression.is_fax() && (self.samples, self.depth.bits) != (1, 1) {
            return Err(damaged("fax compression of more than black and white"));
        }
        if self.subsampling.is_some() && (self.is_planar || self.predictor != Predictor::None) {
            return Err(unsupported("with subsampled colours in separate planes"));
        }
        if self.subsampling.is_some() && self.samples > self.colour.samples() {
            return Err(unsupported("with subsampled colours and extra samples"));
        }
        let bits = self.depth.bits;
        let predicted = match self.predictor {
            Predictor::None => true,
            Predictor::Difference => matches!(bits, 8 | 16 | 32 | 64),
            Predictor::FloatingPoint => self.depth.number == Number::Float,
        };
        if predicted { Ok(()) } else { Err(unsupported(&format!("with a predictor for {bits}-bit samples"))) }
    }

    /// Refuses a file in which most parts are missing, before looking for each of them.
    pub(super) fn check_parts(&self) -> Result<(), DecodeError> {
        let (across, down) = self.grid();
        let planes = if self.is_planar { self.samples } else { 1 };
        let parts = (across as u64 * down as u64).saturating_mul(planes as u64);
        if (self.offsets.len() as u64) < parts / 2 {
            Err(damaged("most parts of the picture are missing"))
        } else {
            Ok(())
        }
    }

    /// The memory in bytes that decoding needs: for the pixels, and for one part while it is processed.
    pub(super) fn needed(&self) -> u64 {
        let pixels = (u64::from(self.size.0) * u64::from(self.size.1)).saturating_mul(3);
        let samples = if self.is_planar { self.planes_needed() } else { self.samples } as u64;
        let part_pixels = (self.stored.0 as u64).saturating_mul(self.stored.1 as u64);
        let part = part_pixels.saturating_mul(samples).saturating_mul(u64::from(self.depth.bits)) / 8;
        pixels.saturating_add(part.saturating_mul(2))
    }

    /// The numbers of strips or tiles, horizontally and vertically.
    fn grid(&self) -> (usize, usize) {
        ((self.size.0 as usize).div_ceil(self.stored.0), (self.size.1 as usize).div_ceil(self.stored.1))
    }

    /// All strips or tiles of one plane.
    pub(super) fn parts(&self) -> impl Iterator<Item = Part> {
        let (across, down) = self.grid();
        let (width, height) = (self.size.0 as usize, self.size.1 as usize);
        (0..across * down).map(move |index| {
            let (x, y) = (index % across * self.stored.0, index / across * self.stored.1);
            let (columns, rows) = ((width - x).min(self.stored.0), (height - y).min(self.stored.1));
            // Tiles are stored completely; the last strip may be shorter.
            let stored = (self.stored.0, if self.is_tiled { self.stored.1 } else { rows });
            Part { index, x, y, stored, columns, rows }
        })
    }

    /// The compressed bytes of a part in one plane; empty if they are missing.
    pub(super) fn data(&self, part: &Part, plane: usize) -> &'a [u8] {
        let (across, down) = self.grid();
        let index = plane * across * down + part.index;
        let found = || {
            let start = usize::try_from(self.offsets.uint(index)?).ok()?;
            let rest = self.bytes.get(start..)?;
            // Some programs omit the lengths or write 0.
            let length = self.lengths.and_then(|lengths| lengths.uint(index)).filter(|length| *length > 0);
            let length = length.and_then(|length| usize::try_from(length).ok()).unwrap_or(rest.len());
            Some(&rest[..length.min(rest.len())])
        };
        found().unwrap_or_default()
    }

    /// Bytes per row of a part, in one plane.
    pub(super) fn row_bytes(&self, columns: usize) -> usize {
        (columns * self.interleaved_in_part() * self.depth.bits as usize).div_ceil(8)
    }

    /// Samples per pixel that are interleaved in a part.
    pub(super) fn interleaved_in_part(&self) -> usize {
        if self.is_planar { 1 } else { self.samples }
    }

    /// Samples per pixel after the planes are merged.
    pub(super) fn interleaved(&self) -> usize {
        if self.is_planar { self.planes_needed() } else { self.samples }
    }

    /// The number of planes to read: those of the colours and alpha.
    pub(super) fn planes_needed(&self) -> usize {
        let alpha = usize::from(self.alpha.is_some());
        if self.is_planar { self.colour.samples() + alpha } else { 1 }
    }

    /// Whether black and white have no fixed values, as in grey pictures of measurements.
    pub(super) fn is_stretched(&self) -> bool {
        let is_fixed = self.depth.number == Number::Unsigned && self.depth.bits <= 16;
        matches!(self.colour, Colour::Gray { .. }) && !is_fixed
    }
}

fn compression(directory: &Directory<'_>) -> Result<Compression, DecodeError> {
    let name = match directory.uint(tag::COMPRESSION).unwrap_or(1) {
        1 => return Ok(Compression::None),
        2 => return Ok(Compression::Huffman),
        3 => {
            let two_dimensional = directory.uint(tag::T4_OPTIONS).unwrap_or(0) & 1 == 1;
            return Ok(Compression::Fax3 { two_dimensional });
        }
        4 => return Ok(Compression::Fax4),
        5 => return Ok(Compression::Lzw),
        7 => return Ok(Compression::Jpeg),
        8 | 32946 => return Ok(Compression::Deflate),
        32773 => return Ok(Compression::PackBits),
        6 => "old-style JPEG",
        32766 => "NeXT's 2 bits",
        32809 => "ThunderScan's 4 bits",
        34661 => "JBIG",
        34676 | 34677 => "SGI's logarithms",
        34712 | 33003 | 33005 => "JPEG 2000",
        34887 => "LERC",
        34925 => "LZMA",
        50000 => "Zstandard",
        50001 => "WebP",
        50002 | 52546 => "JPEG XL",
        number => return Err(unsupported(&format!("with compression {number}"))),
    };
    Err(unsupported(&format!("compressed with {name}")))
}

/// The predictor. It is used only with two compressions; with others it is ignored, as in libtiff.
fn predictor(directory: &Directory<'_>, compression: Compression) -> Result<Predictor, DecodeError> {
    if !matches!(compression, Compression::Lzw | Compression::Deflate) {
        return Ok(Predictor::None);
    }
    match directory.uint(tag::PREDICTOR).unwrap_or(1) {
        1 => Ok(Predictor::None),
        2 => Ok(Predictor::Difference),
        3 => Ok(Predictor::FloatingPoint),
        number => Err(unsupported(&format!("with predictor {number}"))),
    }
}

/// The sample format, which must be the same for all samples of a pixel.
fn depth(directory: &Directory<'_>, compression: Compression, samples: usize) -> Result<Depth, DecodeError> {
    let alike = |tag, default| {
        let Some(values) = directory.get(tag) else { return Some(default) };
        let first = values.uint(0)?;
        (1..values.len().min(samples)).all(|index| values.uint(index) == Some(first)).then_some(first)
    };
    let bits = alike(tag::BITS_PER_SAMPLE, 1);
    let bits = bits.ok_or_else(|| unsupported("whose samples have different numbers of bits"))?;
    let number = match alike(tag::SAMPLE_FORMAT, 1) {
        // 4 means undefined.
        Some(1 | 4) => Number::Unsigned,
        Some(2) => Number::Signed,
        Some(3) => Number::Float,
        Some(_) => return Err(unsupported("of complex numbers")),
        None => return Err(unsupported("whose samples are numbers of different kinds")),
    };
    let is_read = match number {
        _ if compression == Compression::Jpeg => bits == 8,
        Number::Unsigned => matches!(bits, 1..=16 | 24 | 32 | 64),
        Number::Signed => matches!(bits, 8 | 16 | 32 | 64),
        Number::Float => matches!(bits, 16 | 32 | 64),
    };
    let bits = u32::try_from(bits).ok().filter(|_| is_read);
    let bits = bits.ok_or_else(|| unsupported("with samples of an unusual size"))?;
    Ok(Depth::new(bits, number, directory.is_little()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decode::ifd::Structure;

    /// Why a page with this directory of single numbers is refused.
    fn refusal(entries: &[(u16, u32)]) -> Option<String> {
        let mut file = b"II*\0\x08\0\0\0".to_vec();
        file.extend(u16::try_from(entries.len()).unwrap().to_le_bytes());
        for (tag, number) in entries {
            file.extend([&tag.to_le_bytes()[..], &[4, 0, 1, 0, 0, 0], &number.to_le_bytes()].concat());
        }
        file.extend([0; 4]);
        let directory = Structure::of(&file).and_then(Structure::first).unwrap();
        PageLayout::of(&directory).err().map(|error| error.to_string())
    }

    #[test]
    fn subsampled_colours_cannot_have_extra_samples() {
        let with_samples = |samples| {
            refusal(&[
                (tag::WIDTH, 4),
                (tag::HEIGHT, 4),
                (tag::BITS_PER_SAMPLE, 8),
                (tag::INTERPRETATION, 6),
                (tag::STRIP_OFFSETS, 8),
                (tag::SAMPLES_PER_PIXEL, samples),
            ])
        };
        assert_eq!(with_samples(3), None);
        let reason = "unsupported: TIFF with subsampled colours and extra samples";
        assert_eq!(with_samples(4).as_deref(), Some(reason));
    }
}
