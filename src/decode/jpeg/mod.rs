//! Decodes JPEGs at a fraction of their size with MozJPEG's decoder (libjpeg-turbo's, in C).
//!
//! A JPEG stores blocks of 8 × 8 pixels as frequencies. Leaving out the high ones yields the picture at 1/2, 1/4 or 1/8 of its
//! size for a fraction of the work, and in better quality than skipping pixels afterwards.
//!
//! Measured on photos of 12 megapixels, CPU ms at 1/4: MozJPEG 35 without assembly and 24 with it, turbojpeg 24, jpeg-decoder
//! 31, libjpeg-turbo-rs 33; at full size with zune-jpeg 40, and 8 more for resizing. turbojpeg needs cmake and nasm to build,
//! jpeg-decoder is not accurate enough (10 of 255 off at worst), and libjpeg-turbo-rs is a young rewrite with much unsafe
//! code.

mod frame;
mod scans;

use std::cell::Cell;
use std::ffi::c_int;
use std::io::{self, BufRead, Read};
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

use image::RgbImage;
use mozjpeg::decompress::DecompressStarted;
use mozjpeg::{ColorSpace, Decompress};

use super::{DecodeError, Decoded, Detail, Limits, note_on_missing_rows};
use frame::Frame;

/// The prefix of the C library's fatal errors as thrown by the `mozjpeg` crate.
const FATAL: &str = "libjpeg fatal error: ";

/// The marker after the last scan.
const END_OF_IMAGE: &[u8] = b"\xFF\xD9";

/// Decodes a JPEG with no more detail than needed.
pub(super) fn decode(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Decoded, DecodeError> {
    // On an error, a callback unwinds through the C library. Its memory is freed with `Decompress`.
    catch_unwind(AssertUnwindSafe(|| decode_throwing(bytes, limits, detail))).unwrap_or_else(|thrown| {
        let message = thrown.downcast_ref::<String>().and_then(|text| text.strip_prefix(FATAL));
        match message {
            Some(message) => Err(refused(message)),
            None => resume_unwind(thrown),
        }
    })
}

/// The memory in bytes that [`decode`] needs: the coefficients that it keeps, and the rows as four inks and as RGB.
pub(super) fn memory(bytes: &[u8], detail: Detail) -> Option<u64> {
    let frame = Frame::of(bytes)?;
    let eighths = u64::from(eighths_for(frame.size, detail.doubled()));
    let pixels = u64::from(frame.size.0) * u64::from(frame.size.1) * eighths * eighths / 64;
    Some(frame.coefficients() + 7 * pixels)
}

fn decode_throwing(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Decoded, DecodeError> {
    let ran_out = Cell::new(false);
    let open = |bytes, end| {
        let builder = Decompress::builder();
        builder.from_reader(Source { rest: bytes, end, ran_out: &ran_out }).map_err(|error| damaged(&error))
    };
    let mut jpeg = open(bytes, b"")?;
    let full_size = size(&jpeg)?;
    limits.check_size(full_size)?;
    Frame::of(bytes).ok_or_else(|| damaged(&"no frame header"))?.check(bytes, limits)?;
    let eighths = eighths_for(full_size, if is_lopsided(&jpeg) { detail.doubled() } else { detail });
    let has_brightness = matches!(jpeg.color_space(), ColorSpace::JCS_YCbCr | ColorSpace::JCS_GRAYSCALE);
    let needed = if has_brightness { scans::needed(bytes, eighths) } else { bytes };
    if needed.len() < bytes.len() {
        jpeg = open(needed, END_OF_IMAGE)?;
        // Block smoothing would guess missing coefficients.
        jpeg.do_block_smoothing(false);
    }
    jpeg.scale(eighths);
    let is_inks = matches!(jpeg.color_space(), ColorSpace::JCS_CMYK | ColorSpace::JCS_YCCK);
    let (pixels, complete_rows) = if is_inks {
        let (inks, rows) = rows(jpeg.to_colorspace(ColorSpace::JCS_CMYK), 4, &ran_out)?;
        (inks_to_rgb(&inks), rows)
    } else {
        rows(jpeg.rgb(), 3, &ran_out)?
    };
    let (width, height) = (scaled(full_size.0, eighths), scaled(full_size.1, eighths));
    let note = note_on_missing_rows(complete_rows, height as usize)?;
    let pixels = RgbImage::from_raw(width, height, pixels).ok_or_else(|| mismatch(width, height))?;
    Ok(Decoded { pixels, full_size, eighths: eighths.into(), is_upright: false, note })
}

fn size(jpeg: &Decompress<Source<'_>>) -> Result<(u32, u32), DecodeError> {
    let side = |side: usize| u32::try_from(side).map_err(|error| damaged(&error));
    Ok((side(jpeg.width())?, side(jpeg.height())?))
}

/// The smallest of 1/8, 1/4, 1/2 and 1/1 that keeps the needed detail, in eighths. The library supports the eighths in between
/// too, but without SIMD.
fn eighths_for((width, height): (u32, u32), detail: Detail) -> u8 {
    let enough = |eighths: &u8| detail.is_in((scaled(width, *eighths), scaled(height, *eighths)));
    [1, 2, 4].into_iter().find(enough).unwrap_or(8)
}

/// Whether colours are subsampled in only one direction (4:2:2, 4:4:0). The library shrinks them less exactly then: at 1/4,
/// values are up to 7 of 255 off, compared with 2 for 4:2:0 and 4:4:4.
fn is_lopsided(jpeg: &Decompress<Source<'_>>) -> bool {
    let Some((brightness, colours)) = jpeg.components().split_first() else { return false };
    let coarser = |of: c_int, than: c_int| if than > 0 { of / than } else { 0 };
    let (across, down) = (brightness.h_samp_factor, brightness.v_samp_factor);
    colours.iter().any(|c| coarser(across, c.h_samp_factor) != coarser(down, c.v_samp_factor))
}

/// A side at this many eighths, rounded up: the library keeps a last pixel that is only partly covered.
fn scaled(side: u32, eighths: u8) -> u32 {
    (side * u32::from(eighths)).div_ceil(8)
}

/// Reads all rows with `channels` bytes per pixel. Also returns how many rows were complete before the data ended.
fn rows(
    started: io::Result<DecompressStarted<Source<'_>>>,
    channels: usize,
    ran_out: &Cell<bool>,
) -> Result<(Vec<u8>, usize), DecodeError> {
    let mut started = started.map_err(|error| damaged(&error))?;
    let mut pixels = vec![0; started.width() * started.height() * channels];
    let mut complete = 0;
    for row in pixels.chunks_exact_mut(started.width() * channels) {
        started.read_scanlines_into(row).map_err(|error| damaged(&error))?;
        complete += usize::from(!ran_out.get());
    }
    Ok((pixels, complete))
}

/// Converts four inks to RGB like Pillow: all CMYK JPEGs are assumed to store inverted inks, as Adobe's programs do.
#[expect(clippy::cast_possible_truncation, reason = "a product of two bytes divided by 255 is a byte")]
fn inks_to_rgb(inks: &[u8]) -> Vec<u8> {
    let colour = |ink: u8, black: u8| ((u32::from(ink) * u32::from(black) + 127) / 255) as u8;
    inks.chunks_exact(4).flat_map(|p| [colour(p[0], p[3]), colour(p[1], p[3]), colour(p[2], p[3])]).collect()
}

/// The file's bytes. Records if more bytes were requested than exist.
struct Source<'a> {
    rest: &'a [u8],
    /// The bytes that are supplied after the end.
    end: &'static [u8],
    ran_out: &'a Cell<bool>,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Source<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        if self.rest.is_empty() {
            self.rest = mem::take(&mut self.end);
        }
        self.ran_out.set(self.ran_out.get() || self.rest.is_empty());
        Ok(self.rest)
    }

    fn consume(&mut self, amount: usize) {
        self.rest = &self.rest[amount.min(self.rest.len())..];
    }
}

fn refused(message: &str) -> DecodeError {
    // The library's messages for unsupported features: "Unsupported JPEG process: …", "Sorry, arithmetic coding is not
    // supported".
    if message.starts_with("Unsupported") || message.starts_with("Sorry") {
        return DecodeError::Unsupported { format: format!("this kind of JPEG ({message})") };
    }
    DecodeError::Damaged { detail: message.to_owned() }
}

fn damaged(error: &dyn std::fmt::Display) -> DecodeError {
    DecodeError::Damaged { detail: error.to_string() }
}

fn mismatch(width: u32, height: u32) -> DecodeError {
    DecodeError::Damaged { detail: format!("not {width}×{height} pixels as announced") }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A JPEG with smooth horizontal, vertical and diagonal waves.
    fn encoded(width: u32, height: u32) -> Vec<u8> {
        let wave = |v: u32| u8::try_from((v % 510).min(510 - v % 510)).unwrap();
        let pixels =
            RgbImage::from_fn(width, height, |x, y| image::Rgb([wave(x * 3), wave(y * 4), wave(x + y)]));
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut bytes, 95);
        pixels.write_with_encoder(encoder).unwrap();
        bytes
    }

    fn decoded(bytes: &[u8], detail: Detail) -> Decoded {
        decode(bytes, &Limits::default(), detail).unwrap_or_else(|error| panic!("{error}"))
    }

    #[test]
    fn the_smallest_scale_that_keeps_the_detail_is_taken() {
        #[track_caller]
        fn check(size: (u32, u32), wanted: u32, expected: u8) {
            assert_eq!(eighths_for(size, Detail::ShortSide(wanted)), expected);
        }
        check((4000, 3000), 448, 2);
        check((4000, 3000), 375, 1);
        check((4000, 3000), 376, 2);
        check((3000, 60_000), 1_501, 8);
        check((100, 100), 448, 8);
        assert_eq!(eighths_for((4000, 3000), Detail::Full), 8);
    }

    #[test]
    fn less_detail_is_the_same_picture() {
        let file = encoded(801, 603);
        let slow = super::super::raster::decode(&file, image::ImageFormat::Jpeg, &Limits::default());
        let slow = slow.unwrap_or_else(|error| panic!("{error}")).pixels;
        for (wanted, eighths) in [(603, 8), (302, 4), (151, 2), (76, 1)] {
            let fast = decoded(&file, Detail::ShortSide(wanted));
            assert_eq!((fast.eighths, fast.full_size), (eighths, (801, 603)));
            let step = 8 / eighths;
            for (x, y, pixel) in fast.pixels.enumerate_pixels() {
                if (x + 1) * step > 801 || (y + 1) * step > 603 {
                    continue; // Partly outside.
                }
                for channel in 0..3 {
                    let block =
                        (0..step * step).map(|i| slow[(x * step + i % step, y * step + i / step)][channel]);
                    let mean = block.map(f32::from).sum::<f32>() / (step * step) as f32;
                    let off = (mean - f32::from(pixel[channel])).abs();
                    assert!(off <= 6.0, "1/{step}, channel {channel} of {x},{y}: {off} off");
                }
            }
        }
    }

    #[test]
    fn a_small_missing_part_is_noted_and_a_large_one_is_damage() {
        let file = encoded(640, 480);
        assert_eq!(decoded(&file, Detail::Full).note, None);
        let most = decoded(&file[..file.len() * 9 / 10], Detail::Full);
        assert!(most.note.is_some_and(|note| note.starts_with("truncated after ")));
        let little = decode(&file[..file.len() / 2], &Limits::default(), Detail::Full);
        assert!(matches!(little, Err(DecodeError::Damaged { .. })));
    }

    #[test]
    fn a_small_picture_is_made_without_the_last_scan() {
        let golden = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/progressive-420.jpg");
        let file = std::fs::read(golden).unwrap();
        let mut damaged = file.clone();
        let last = file.len() * 9 / 10..file.len() - END_OF_IMAGE.len();
        damaged[last].fill(0x55);
        let pixels = |detail| [&file, &damaged].map(|bytes| decoded(bytes, detail).pixels);
        let ([small, same], [whole, other]) = (pixels(Detail::ShortSide(100)), pixels(Detail::Full));
        assert!(small == same && whole != other);
    }

    #[test]
    fn files_that_the_library_refuses_are_errors() {
        let mut arithmetic = encoded(16, 16);
        let frame = arithmetic.windows(2).position(|pair| pair == b"\xff\xc0").unwrap();
        arithmetic[frame + 1] = 0xC9;
        let refused = decode(&arithmetic, &Limits::default(), Detail::Full);
        assert!(matches!(refused, Err(DecodeError::Unsupported { .. })));
        let damaged = decode(&[0xFF, 0xD8, 0xFF, 0xD9], &Limits::default(), Detail::Full);
        assert!(matches!(damaged, Err(DecodeError::Damaged { .. })));
    }
}
