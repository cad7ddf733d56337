//! Untrusted bytes → pixels, within limits. The only part of imgsearch that looks inside an image file.
//!
//! The format is told by the content, never by the file's name. A file that cannot be read is an error value that
//! says why; a decoder that panics is contained and reported the same way.

use std::any::Any;
use std::io::Cursor;
use std::panic::{AssertUnwindSafe, catch_unwind};

use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageError, ImageFormat, ImageReader, RgbImage};

/// A decoded picture: the pixels as they are stored, and how to turn them to stand upright.
///
/// The turn is left to the caller because turning a small picture after resizing costs next to nothing, and turning
/// 12 megapixels costs as much as decoding them.
#[derive(Debug)]
pub struct Picture {
    /// RGB, 8 bits a channel, not yet upright.
    pub pixels: RgbImage,
    /// What must be done to the pixels to see them upright (EXIF orientation).
    pub orientation: Orientation,
}

/// What a file may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest file read, in bytes.
    pub max_bytes: u64,
    /// Most pixels decoded.
    pub max_pixels: u64,
}

impl Default for Limits {
    /// 256 MiB and 256 megapixels: above the largest phone pictures (200 megapixels), below what a decompression
    /// bomb claims.
    fn default() -> Limits {
        Limits { max_bytes: 256 << 20, max_pixels: 256 << 20 }
    }
}

/// Why no picture came out.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// No bytes at all.
    #[error("empty file")]
    Empty,
    /// The content is of no picture format we know.
    #[error("not an image")]
    NotAnImage,
    /// A known format that this build does not read.
    #[error("unsupported: {format}")]
    Unsupported {
        /// The format's name.
        format: String,
    },
    /// The file breaks off or contradicts itself.
    #[error("damaged: {detail}")]
    Damaged {
        /// What the decoder found.
        detail: String,
    },
    /// More than [`Limits`] allow.
    #[error("too large: {detail}")]
    TooLarge {
        /// Found against allowed.
        detail: String,
    },
    /// The decoder panicked: a bug in it, contained here.
    #[error("the decoder failed: {detail}")]
    Panicked {
        /// The panic's message.
        detail: String,
    },
}

/// Decodes the picture in `bytes`.
///
/// # Errors
/// [`DecodeError`] says why there is none; no input makes this function panic.
pub fn decode(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    // The decoders hold no state of ours, so there is nothing a panic could leave half-changed.
    catch_unwind(AssertUnwindSafe(|| decode_trusting(bytes, limits)))
        .unwrap_or_else(|panic| Err(DecodeError::Panicked { detail: panic_message(panic.as_ref()) }))
}

/// How many pixels the picture in `bytes` claims to have, from its header alone; `None` where it does not tell.
pub fn pixels(bytes: &[u8]) -> Option<u64> {
    let dimensions =
        || ImageReader::new(Cursor::new(bytes)).with_guessed_format().ok()?.into_dimensions().ok();
    let (width, height) = catch_unwind(AssertUnwindSafe(dimensions)).ok().flatten()?;
    Some(u64::from(width) * u64::from(height))
}

/// [`decode`] for decoders that do not panic.
fn decode_trusting(bytes: &[u8], limits: &Limits) -> Result<Picture, DecodeError> {
    let mut reader = ImageReader::new(Cursor::new(bytes))
        .with_guessed_format()
        .map_err(|error| DecodeError::Damaged { detail: error.to_string() })?;
    let format = reader.format();
    if format.is_none() {
        return Err(unrecognised(bytes));
    }
    let mut allowed = image::Limits::default();
    // Decoders hold 16-bit RGBA at most: 8 bytes a pixel.
    allowed.max_alloc = Some(limits.max_pixels.saturating_mul(8));
    reader.limits(allowed);
    let mut decoder = reader.into_decoder().map_err(from_image_error)?;
    let (width, height) = decoder.dimensions();
    if width == 0 || height == 0 {
        return Err(DecodeError::Damaged { detail: format!("{width}×{height} pixels") });
    }
    if u64::from(width) * u64::from(height) > limits.max_pixels {
        let detail = format!("{width}×{height} pixels, at most {} million are read", limits.max_pixels >> 20);
        return Err(DecodeError::TooLarge { detail });
    }
    if format == Some(ImageFormat::Jpeg) && !has_end_of_image(bytes) {
        return Err(DecodeError::Damaged { detail: "the picture breaks off".into() });
    }
    // A broken EXIF block is no reason to refuse good pixels.
    let orientation = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(from_image_error)?;
    Ok(Picture { pixels: to_rgb(picture), orientation })
}

/// Whether an end-of-image marker follows the JPEG's first scan. Without it the decoder would fill what is missing
/// with grey, and a grey picture would be found for what it does not show.
///
/// The segments before the scan are stepped over, because the thumbnail in an EXIF block has a marker of its own.
/// Within a scan `ff d9` cannot occur; behind the picture there may be anything (phones put a film there).
fn has_end_of_image(bytes: &[u8]) -> bool {
    let mut rest = bytes.get(2..).unwrap_or_default();
    while let [0xff, marker, high, low, ..] = *rest {
        if marker == 0xda {
            break;
        }
        let length = 2 + usize::from(u16::from_be_bytes([high, low]));
        rest = rest.get(length..).unwrap_or_default();
    }
    rest.windows(2).any(|pair| pair == [0xff, 0xd9])
}

/// 8-bit RGB. Transparent pixels are laid over white: logos, scans and screenshots with transparency are drawn for
/// white pages, and the colour stored under full transparency (mostly black) is one nobody ever sees.
fn to_rgb(picture: DynamicImage) -> RgbImage {
    if !picture.color().has_alpha() {
        return picture.into_rgb8();
    }
    let rgba = picture.into_rgba8();
    let mut rgb = RgbImage::new(rgba.width(), rgba.height());
    for (to, from) in rgb.pixels_mut().zip(rgba.pixels()) {
        let [r, g, b, alpha] = from.0;
        to.0 = [r, g, b].map(|colour| over_white(colour, alpha));
    }
    rgb
}

/// `colour · alpha + white · (1 - alpha)`, rounded to nearest.
#[expect(clippy::cast_possible_truncation, reason = "a weighted mean of two bytes is a byte")]
fn over_white(colour: u8, alpha: u8) -> u8 {
    let (colour, alpha) = (u32::from(colour), u32::from(alpha));
    ((colour * alpha + 255 * (255 - alpha) + 127) / 255) as u8
}

/// Names formats we know of but do not read, so that people learn why their pictures are missing.
fn unrecognised(bytes: &[u8]) -> DecodeError {
    let brand = bytes.get(4..12).filter(|header| header.starts_with(b"ftyp")).map(|header| &header[4..]);
    let format = match brand {
        Some(b"heic" | b"heix" | b"hevc" | b"heim" | b"heis" | b"mif1" | b"msf1") => "HEIC",
        Some(b"avif" | b"avis") => "AVIF",
        Some(_) => return DecodeError::NotAnImage,
        None if bytes.starts_with(b"\xff\x0a") || bytes.starts_with(b"\0\0\0\x0cJXL ") => "JPEG XL",
        None => return DecodeError::NotAnImage,
    };
    DecodeError::Unsupported { format: format.into() }
}

fn from_image_error(error: ImageError) -> DecodeError {
    match error {
        ImageError::Unsupported(error) => DecodeError::Unsupported { format: error.to_string() },
        ImageError::Limits(error) => DecodeError::TooLarge { detail: error.to_string() },
        error @ (ImageError::Decoding(_)
        | ImageError::Encoding(_)
        | ImageError::Parameter(_)
        | ImageError::IoError(_)) => DecodeError::Damaged { detail: error.to_string() },
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_ends_where_its_own_scan_ends() {
        #[track_caller]
        fn check(after_start: &[u8], expected: bool) {
            assert_eq!(has_end_of_image(&[b"\xff\xd8", after_start].concat()), expected, "{after_start:x?}");
        }
        let thumbnail = b"\xff\xe1\x00\x06\xff\xd9\xff\xda";
        let scan = b"\xff\xda\x00\x02scan\xff\x00scan";
        check(&[&scan[..], b"\xff\xd9"].concat(), true);
        check(scan, false);
        check(&[&thumbnail[..], scan].concat(), false);
        check(&[&thumbnail[..], scan, b"\xff\xd9"].concat(), true);
        check(&[&scan[..], b"\xff\xd9 a film with \xff\xda in it"].concat(), true);
        check(b"", false);
        check(b"\xff\xe1\xff\xff", false);
    }

    #[test]
    fn transparent_pixels_lie_over_white() {
        for (colour, alpha, expected) in
            [(0, 0, 255), (0, 255, 0), (200, 255, 200), (0, 128, 127), (100, 51, 224)]
        {
            assert_eq!(over_white(colour, alpha), expected, "{colour} at {alpha}");
        }
    }
}
