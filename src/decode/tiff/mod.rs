//! Decodes the first page of a TIFF in the same way as libtiff.
//!
//! The `tiff` crate, which the `image` crate uses for TIFF, silently gives wrong pixels for reversed bits, treats premultiplied
//! colours as plain ones, and panics at separate planes in tiles. It refuses palettes, subsampled colours, most fax codes, and
//! all but a dozen colour types. So this module locates and interprets the parts of the picture, and uses crates only for
//! decompression.

mod colour;
mod layout;
mod samples;
mod tag;
mod unpack;

use image::RgbImage;

use super::ifd::{Directory, Structure};
use super::{DecodeError, Decoded, Detail, Limits, decode_jpeg, jpeg_memory, note_on_missing_rows};
use colour::Colour;
use layout::{PageLayout, Part};
use samples::Depth;

/// The value of missing parts: grey, as in JPEG decoders.
const MISSING: u8 = 128;

fn first_directory(bytes: &[u8]) -> Option<Directory<'_>> {
    Structure::of(bytes)?.first()
}

/// Decodes the first page.
pub(super) fn decode(bytes: &[u8], limits: &Limits) -> Result<Decoded, DecodeError> {
    let directory = first_directory(bytes).ok_or_else(|| damaged("the first directory is missing"))?;
    match layout::jpeg_inside(&directory) {
        Some(jpeg) => decode_jpeg(jpeg, limits, Detail::Full),
        None => decode_parts(&PageLayout::of(&directory)?, limits),
    }
}

/// The memory in bytes that [`decode`] needs.
pub(super) fn memory(bytes: &[u8]) -> Option<u64> {
    let directory = first_directory(bytes)?;
    match layout::jpeg_inside(&directory) {
        Some(jpeg) => jpeg_memory(jpeg, Detail::Full),
        None => Some(PageLayout::of(&directory).ok()?.needed()),
    }
}

/// Decodes the largest colour picture among the pages and their other versions, if its short side is long enough.
pub(super) fn decode_largest(
    bytes: &[u8],
    shortest: u32,
    limits: &Limits,
) -> Option<Result<Decoded, DecodeError>> {
    Some(decode_parts(&largest(bytes, shortest)?, limits))
}

/// The memory in bytes that [`decode_largest`] needs.
pub(super) fn memory_of_largest(bytes: &[u8], shortest: u32) -> Option<u64> {
    Some(largest(bytes, shortest)?.needed())
}

fn largest(bytes: &[u8], shortest: u32) -> Option<PageLayout<'_>> {
    let directories = Structure::of(bytes)?.all();
    let layouts = directories.filter_map(|directory| PageLayout::of(&directory).ok());
    let in_colour = layouts.filter(|layout| matches!(layout.colour, Colour::Rgb | Colour::YCbCr(_)));
    let large = in_colour.filter(|layout| layout.size.0.min(layout.size.1) >= shortest);
    large.max_by_key(|layout| u64::from(layout.size.0) * u64::from(layout.size.1))
}

fn decode_parts(layout: &PageLayout, limits: &Limits) -> Result<Decoded, DecodeError> {
    limits.check_size(layout.size)?;
    limits.check_memory(layout.needed())?;
    layout.check_parts()?;
    let (width, height) = layout.size;
    let mut pixels = vec![MISSING; 3 * width as usize * height as usize];
    let depth = if layout.is_stretched() { stretched(layout) } else { layout.depth };
    let (mut whole, mut announced) = (0, 0);
    let mut row = Vec::new();
    for part in layout.parts() {
        let planes = Planes::unpack(layout, &part);
        (whole, announced) = (whole + planes.complete, announced + part.rows);
        for y in 0..planes.complete {
            planes.read(y, depth, part.columns * layout.interleaved_in_part(), &mut row);
            let start = 3 * (part.x + (part.y + y) * width as usize);
            let out = &mut pixels[start..start + 3 * part.columns];
            layout.colour.convert(&row, layout.interleaved(), layout.alpha, out);
        }
    }
    let note = note_on_missing_rows(whole, announced)?;
    let pixels = RgbImage::from_raw(width, height, pixels).expect("there are three bytes per pixel");
    Ok(Decoded { pixels, full_size: layout.size, eighths: 8, is_upright: false, note })
}

/// The depth of a grey picture without fixed black and white: scaled from the least to the greatest number.
fn stretched(layout: &PageLayout) -> Depth {
    let mut range = None;
    for part in layout.parts() {
        let planes = Planes::unpack(layout, &part);
        for y in 0..planes.complete {
            let row = planes.stored(0, y);
            range = layout.depth.range(row, part.columns, layout.interleaved_in_part(), range);
        }
    }
    layout.depth.stretched(range)
}

/// A decompressed strip or tile, either with interleaved samples or with one plane per sample.
struct Planes {
    planes: Vec<Vec<u8>>,
    row_bytes: usize,
    /// The number of rows inside the picture that are complete in every plane.
    complete: usize,
}

impl Planes {
    fn unpack(layout: &PageLayout, part: &Part) -> Planes {
        let row_bytes = layout.row_bytes(part.stored.0);
        let planes: Vec<_> =
            (0..layout.planes_needed()).map(|plane| unpack::part(layout, part, plane)).collect();
        let complete = planes.iter().map(|plane| plane.len() / row_bytes).min().unwrap_or(0);
        Planes { planes, row_bytes, complete: complete.min(part.rows) }
    }

    /// A stored row of a plane.
    fn stored(&self, plane: usize, y: usize) -> &[u8] {
        &self.planes[plane][y * self.row_bytes..(y + 1) * self.row_bytes]
    }

    /// Reads `count` samples from a row of each plane as interleaved bytes.
    fn read(&self, y: usize, depth: Depth, count: usize, row: &mut Vec<u8>) {
        if self.planes.len() == 1 {
            return depth.read(self.stored(0, y), count, row);
        }
        let mut plane = Vec::new();
        row.resize(count * self.planes.len(), 0);
        for index in 0..self.planes.len() {
            depth.read(self.stored(index, y), count, &mut plane);
            row.iter_mut()
                .skip(index)
                .step_by(self.planes.len())
                .zip(&plane)
                .for_each(|(to, from)| *to = *from);
        }
    }
}

fn damaged(detail: &str) -> DecodeError {
    DecodeError::Damaged { detail: detail.to_owned() }
}

fn unsupported(kind: &str) -> DecodeError {
    DecodeError::Unsupported { format: format!("TIFF {kind}") }
}
