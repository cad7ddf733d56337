//! Decompresses strips and tiles.
//!
//! Decompression stops at an error. The rows before it are good, and the caller counts them.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::ZlibDecoder;
use hayro_ccitt::{DecodeSettings, DecoderContext, EncodingMode};
use weezl::{BitOrder, LzwStatus, decode::Decoder as LzwDecoder};
use zune_jpeg::JpegDecoder;
use zune_jpeg::zune_core::bytestream::ZCursor;
use zune_jpeg::zune_core::options::DecoderOptions;

use super::layout::{Compression, PageLayout, Part, Predictor};
use super::samples::{add_up, add_up_floats, spread, spread_from};
use crate::decode::segments::has_end_of_image;

/// How many times larger compressed data can be than the pixels at worst: fax codes need about 5 bits for a single pixel.
const MOST_EXPANSION: usize = 8;
/// The maximum size of a JPEG's headers.
const LONGEST_HEADERS: usize = 128 << 10;

/// The decompressed rows of a part in one plane, with the predictor undone. Fewer bytes if the file is truncated, but never
/// more than the part has.
pub(super) fn part(layout: &PageLayout, part: &Part, plane: usize) -> Vec<u8> {
    let (columns, rows) = part.stored;
    let row = layout.row_bytes(columns);
    let steps = layout.subsampling;
    let whole = steps.map_or(row * rows, |steps| spread_from(part.stored, steps));
    let packed = layout.data(part, plane);
    // A malicious file may claim that each of its parts is as large as the whole file.
    let packed = &packed[..packed.len().min(LONGEST_HEADERS + MOST_EXPANSION * whole)];
    let packed = if layout.is_reversed { reversed(packed) } else { Cow::Borrowed(packed) };
    let mut unpacked = unpacked(layout, &packed, part, whole);
    if let Some(steps) = steps {
        return spread(&unpacked, part.stored, steps);
    }
    unpacked.chunks_exact_mut(row).for_each(|row| predict(layout, row));
    unpacked
}

fn predict(layout: &PageLayout, row: &mut [u8]) {
    let (samples, bits) = (layout.interleaved_in_part(), layout.depth.bits);
    match layout.predictor {
        Predictor::None => {}
        Predictor::Difference => add_up(row, samples, bits, layout.is_little),
        Predictor::FloatingPoint => add_up_floats(row, samples, bits, layout.is_little),
    }
}

fn reversed(bytes: &[u8]) -> Cow<'_, [u8]> {
    bytes.iter().map(|byte| byte.reverse_bits()).collect()
}

/// Decompresses at most `most` bytes.
fn unpacked(layout: &PageLayout, packed: &[u8], part: &Part, most: usize) -> Vec<u8> {
    match layout.compression {
        Compression::None => packed[..most.min(packed.len())].to_vec(),
        Compression::Lzw => lzw(packed, most),
        Compression::Deflate => deflate(packed, most),
        Compression::PackBits => pack_bits(packed, most),
        Compression::Huffman => fax(packed, part.stored, EncodingMode::Group3_1D, true),
        Compression::Fax3 { two_dimensional: false } => {
            fax(packed, part.stored, EncodingMode::Group3_1D, false)
        }
        Compression::Fax3 { two_dimensional: true } => {
            fax(packed, part.stored, EncodingMode::Group3_2D { k: 0 }, false)
        }
        Compression::Fax4 => fax(packed, part.stored, EncodingMode::Group4, false),
        Compression::Jpeg => {
            jpeg(layout.tables, packed, part.stored, layout.interleaved_in_part()).unwrap_or_default()
        }
    }
}

fn lzw(packed: &[u8], most: usize) -> Vec<u8> {
    // Before 1988, LZW codes started with the lowest bit, and became longer one code later. Both variants start with code 256.
    let is_old = matches!(packed, [0, second, ..] if second & 1 == 1);
    let mut decoder = if is_old {
        LzwDecoder::new(BitOrder::Lsb, 8)
    } else {
        LzwDecoder::with_tiff_size_switch(BitOrder::Msb, 8)
    };
    let (mut unpacked, mut packed, mut length) = (vec![0; most], packed, 0);
    while length < most {
        let step = decoder.decode_bytes(packed, &mut unpacked[length..]);
        packed = &packed[step.consumed_in..];
        length += step.consumed_out;
        if !matches!(step.status, Ok(LzwStatus::Ok)) {
            break;
        }
    }
    unpacked.truncate(length);
    unpacked
}

fn deflate(packed: &[u8], most: usize) -> Vec<u8> {
    let mut unpacked = Vec::with_capacity(most);
    // Keep the data before an error.
    let _ = ZlibDecoder::new(packed).take(most as u64).read_to_end(&mut unpacked);
    unpacked
}

/// Decompresses PackBits: a count and that many literal bytes, or a negative count and one byte to repeat.
fn pack_bits(mut packed: &[u8], most: usize) -> Vec<u8> {
    let mut unpacked = Vec::with_capacity(most);
    while let [count, rest @ ..] = packed {
        let room = most - unpacked.len();
        packed = match (count.cast_signed(), rest) {
            (0.., _) => {
                let (literal, rest) = rest.split_at(rest.len().min(usize::from(*count) + 1));
                unpacked.extend_from_slice(&literal[..literal.len().min(room)]);
                rest
            }
            (-128, _) => rest,
            (count, [byte, rest @ ..]) => {
                let count = usize::from(count.unsigned_abs()) + 1;
                unpacked.extend(std::iter::repeat_n(*byte, count.min(room)));
                rest
            }
            (_, []) => rest,
        };
        if unpacked.len() == most {
            break;
        }
    }
    unpacked
}

/// Collects rows of single bits; black is 1 in TIFF.
struct FaxRows {
    bytes: Vec<u8>,
    row: usize,
    columns: usize,
    bit: usize,
}

fn fax(packed: &[u8], (columns, rows): (usize, usize), encoding: EncodingMode, is_aligned: bool) -> Vec<u8> {
    let side = |side: usize| u32::try_from(side).unwrap_or(u32::MAX);
    let settings = DecodeSettings {
        columns: side(columns),
        rows: side(rows),
        end_of_block: true,
        end_of_line: false,
        rows_are_byte_aligned: is_aligned,
        encoding,
        invert_black: false,
    };
    let mut bits = FaxRows { bytes: Vec::new(), row: 0, columns, bit: 0 };
    // Keep the rows before an error.
    let _ = hayro_ccitt::decode(packed, &mut bits, &mut DecoderContext::new(settings));
    bits.bytes.truncate(bits.row * columns.div_ceil(8));
    bits.bytes
}

impl FaxRows {
    /// The bytes of the current row.
    fn current(&mut self) -> &mut [u8] {
        let length = self.columns.div_ceil(8);
        let start = self.row * length;
        if self.bytes.len() < start + length {
            self.bytes.resize(start + length, 0);
        }
        &mut self.bytes[start..]
    }
}

impl hayro_ccitt::Decoder for FaxRows {
    fn push_pixel(&mut self, white: bool) {
        let bit = self.bit;
        self.bit += 1;
        if !white && let Some(byte) = self.current().get_mut(bit / 8) {
            *byte |= 0x80 >> (bit % 8);
        }
    }

    fn push_pixel_chunk(&mut self, white: bool, chunk_count: u32) {
        let start = self.bit / 8;
        self.bit += 8 * chunk_count as usize;
        let bytes = self.current().iter_mut().skip(start).take(chunk_count as usize);
        bytes.for_each(|byte| *byte = if white { 0 } else { 0xff });
    }

    fn next_line(&mut self) {
        self.current();
        self.row += 1;
        self.bit = 0;
    }
}

/// The raw samples of a JPEG, because the TIFF states their colour space. `None` if it is damaged or truncated, because the
/// decoder does not tell how many rows are good.
fn jpeg(tables: &[u8], packed: &[u8], (columns, rows): (usize, usize), samples: usize) -> Option<Vec<u8>> {
    const START: &[u8] = b"\xff\xd8";
    const END: &[u8] = b"\xff\xd9";
    let tables = tables.strip_prefix(START).unwrap_or_default();
    let tables = tables.strip_suffix(END).unwrap_or(tables);
    let file = [START, tables, packed.strip_prefix(START)?].concat();
    if !has_end_of_image(&file) {
        return None;
    }
    let mut decoder = JpegDecoder::new(ZCursor::new(file));
    // The last strip may be stored with extra rows.
    decoder.set_options(limits(columns, rows));
    decoder.decode_headers().ok()?;
    let colours = decoder.input_colorspace()?;
    // Strict mode, because otherwise the part after damage would silently become grey.
    decoder.set_options(limits(columns, rows).jpeg_set_out_colorspace(colours).set_strict_mode(true));
    let info = decoder.info()?;
    if usize::from(info.components) != samples || usize::from(info.width) < columns {
        return None;
    }
    let unpacked = decoder.decode().ok()?;
    let rows = unpacked.chunks_exact(usize::from(info.width) * samples).take(rows);
    Some(rows.flat_map(|row| &row[..columns * samples]).copied().collect())
}

fn limits(columns: usize, rows: usize) -> DecoderOptions {
    /// A JPEG's size may be rounded up to a multiple of this: blocks of 8 pixels, of which up to 4 share a colour.
    const BLOCK: usize = 32;
    DecoderOptions::default().set_max_width(columns + BLOCK).set_max_height(rows + BLOCK)
}

#[cfg(test)]
mod tests {
    use weezl::encode::Encoder;

    use super::*;

    #[test]
    fn runs_and_literals_are_unpacked() {
        #[track_caller]
        fn check(packed: &[u8], most: usize, expected: &[u8]) {
            assert_eq!(pack_bits(packed, most), expected);
        }
        check(&[2, 7, 8, 9, 0xFE, 5], 100, &[7, 8, 9, 5, 5, 5]);
        check(&[0x80, 0, 7], 100, &[7]);
        check(&[2, 7, 8, 9], 2, &[7, 8]);
        check(&[0xFE, 5], 2, &[5, 5]);
        check(&[9, 7], 100, &[7]);
        check(&[0xFE], 100, &[]);
        check(&[], 100, &[]);
    }

    #[test]
    fn codes_of_both_orders_are_unpacked() {
        let pixels: Vec<u8> = (0..3000u32).map(|index| (index * index / 7).to_le_bytes()[0]).collect();
        #[track_caller]
        fn check(mut encoder: Encoder, pixels: &[u8]) {
            let packed = encoder.encode(pixels).unwrap();
            assert_eq!(lzw(&packed, pixels.len()), pixels);
            assert_eq!(lzw(&packed, 5), pixels[..5]);
            assert!(pixels.starts_with(&lzw(&packed[..packed.len() / 2], pixels.len())));
        }
        check(Encoder::with_tiff_size_switch(BitOrder::Msb, 8), &pixels);
        check(Encoder::new(BitOrder::Lsb, 8), &pixels);
    }

    #[test]
    fn data_before_an_error_is_kept() {
        let rows = (16, 3);
        // A white row, a black row, then bits that are not a code.
        let packed = [0b1001_1011, 0b0001_0111, 0b0000_0000, 0];
        let unpacked = fax(&packed, rows, EncodingMode::Group3_1D, false);
        assert!(unpacked.len() < 6 && unpacked.len().is_multiple_of(2), "{unpacked:?}");
        assert!(deflate(b"no zlib stream", 10).is_empty());
        assert_eq!(jpeg(b"", b"\xff\xd8\xff\xd9", (8, 8), 3), None);
    }

    #[test]
    fn a_truncated_or_damaged_jpeg_is_ignored() {
        for (width, height) in [(64, 48), (64, 8)] {
            let wave = |v: u32| u8::try_from((v * 7 % 510).min(510 - v * 7 % 510)).unwrap();
            let pixels = image::RgbImage::from_fn(width, height, |x, y| image::Rgb([x, y, x + y].map(wave)));
            let mut file = Vec::new();
            pixels.write_with_encoder(image::codecs::jpeg::JpegEncoder::new(&mut file)).unwrap();
            let is_unpacked = |file: &[u8]| jpeg(b"", file, (width as usize, height as usize), 3).is_some();
            assert!(is_unpacked(&file));
            for length in 0..file.len() {
                assert!(!is_unpacked(&file[..length]), "{length} of {}", file.len());
            }
            // All ones is not a valid code.
            let middle = file.len() - 40;
            file[middle..middle + 16].copy_from_slice(&b"\xff\0".repeat(8));
            assert!(!is_unpacked(&file));
        }
    }
}
