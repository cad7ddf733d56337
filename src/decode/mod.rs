//! Untrusted bytes → pixels, within limits. The only part of imgsearch that looks inside an image file.
//!
//! The format is told by the content, never by the file's name. A file that cannot be read is an error value that
//! says why; a decoder that panics is contained and reported the same way. Callers say how much detail they want,
//! because a small version of a large picture often costs a fraction of the whole.

mod bmp;
mod contain;
mod file;
mod format;
pub mod heif;
mod ifd;
#[cfg(feature = "mozjpeg")]
mod jpeg;
mod metadata;
mod raster;
mod raw;
mod segments;
mod text;
mod tiff;
mod worker;

use std::time::Duration;

use image::RgbImage;
use image::metadata::Orientation;

pub use contain::{contained, is_contained};
pub use file::{PictureError, decode_in_time, read};
use format::Format;
pub use format::{HEAD, is_picture, media_type};
pub use metadata::{Metadata, Place, Precision, Taken, caption, keywords};
pub use text::one_short_line;
pub use worker::{Waited, Worker};

/// A [`Worker`] that decodes.
pub type Decoder = Worker<(Vec<u8>, Detail), Result<Picture, DecodeError>>;

/// A decoded picture: the pixels as they are stored, and how to turn them to stand upright.
///
/// The turn is left to the caller because turning a small picture after resizing costs next to nothing, and turning
/// 12 megapixels costs as much as decoding them.
#[derive(Debug)]
pub struct Picture {
    /// RGB, 8 bits a channel, not yet upright; perhaps smaller than the file's, as [`Picture::eighths`] says.
    pub pixels: RgbImage,
    /// Width and height in the file, not yet upright.
    pub full_size: (u32, u32),
    /// How large the pixels are, in eighths of the full size. The last column and row of the pixels may lie partly
    /// outside the picture: 1001 pixels at 2 eighths are 250.25, of which 251 are stored.
    pub eighths: u32,
    /// What must be done to the pixels to see them upright (EXIF orientation).
    pub orientation: Orientation,
    /// What the file says about it.
    pub metadata: Metadata,
    /// What is wrong with a picture that can be shown all the same.
    pub note: Option<String>,
}

impl Picture {
    /// Width and height of the whole picture as it is seen upright: of a RAW file, of what the camera recorded and not
    /// of the preview that the pixels come from.
    pub fn upright_size(&self) -> (u32, u32) {
        let area = |(width, height): (u32, u32)| u64::from(width) * u64::from(height);
        let raw_size = self.metadata.raw_size.filter(|size| area(*size) >= area(self.full_size));
        let (width, height) = raw_size.unwrap_or(self.full_size);
        match self.orientation {
            Orientation::NoTransforms
            | Orientation::Rotate180
            | Orientation::FlipHorizontal
            | Orientation::FlipVertical => (width, height),
            Orientation::Rotate90
            | Orientation::Rotate270
            | Orientation::Rotate90FlipH
            | Orientation::Rotate270FlipH => (height, width),
        }
    }
}

/// What the decoders of this module make.
struct Decoded {
    pixels: RgbImage,
    full_size: (u32, u32),
    eighths: u32,
    /// The pixels come upright, whatever the metadata say.
    is_upright: bool,
    note: Option<String>,
}

/// How much detail is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every pixel.
    Full,
    /// A smaller version will do if its short side has this many pixels, and where that is less work.
    ShortSide(u32),
}

#[cfg(feature = "mozjpeg")]
impl Detail {
    fn doubled(self) -> Detail {
        match self {
            Detail::Full => Detail::Full,
            Detail::ShortSide(side) => Detail::ShortSide(side.saturating_mul(2)),
        }
    }
}

/// What a file may cost before it is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest file read, in bytes.
    pub max_bytes: u64,
    /// Most pixels decoded.
    pub max_pixels: u64,
    /// Most bytes one picture may take while it is decoded.
    pub max_memory: u64,
    /// Longest that a [`decoder`] waits for one picture.
    pub max_time: Duration,
}

impl Default for Limits {
    /// 256 MiB, 256 megapixels and 2 GiB: above the largest phone pictures (200 megapixels, of which a HEIC takes eight
    /// bytes each), below what a decompression bomb claims. Two minutes: such a picture takes some ten seconds of one
    /// core of a laptop, and small machines that do other things besides are ten times slower.
    fn default() -> Limits {
        let max_time = Duration::from_secs(120);
        Limits { max_bytes: 256 << 20, max_pixels: 256 << 20, max_memory: 2 << 30, max_time }
    }
}

impl Limits {
    /// What pictures that are decoded at the same time may take together: 1 GiB, as small machines have little more.
    /// One that takes more is decoded alone.
    pub(crate) fn shared_memory(&self) -> u64 {
        self.max_memory.min(1 << 30)
    }

    fn check_size(&self, (width, height): (u32, u32)) -> Result<(), DecodeError> {
        if width == 0 || height == 0 {
            return Err(DecodeError::Damaged { detail: format!("{width}×{height} pixels") });
        }
        if u64::from(width) * u64::from(height) > self.max_pixels {
            let detail =
                format!("{width}×{height} pixels, at most {} million are read", self.max_pixels >> 20);
            return Err(DecodeError::TooLarge { detail });
        }
        Ok(())
    }

    fn check_memory(&self, bytes: u64) -> Result<(), DecodeError> {
        if bytes <= self.max_memory {
            return Ok(());
        }
        let (needed, allowed) = (bytes >> 20, self.max_memory >> 20);
        Err(DecodeError::TooLarge {
            detail: format!("takes {needed} MiB to decode, at most {allowed} are given"),
        })
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
    /// Not done within [`Limits::max_time`].
    #[error("not decoded after {seconds} s")]
    TooSlow {
        /// That time.
        seconds: u64,
    },
    /// The decoder panicked: a bug in it, contained here.
    #[error("the decoder failed: {detail}")]
    Panicked {
        /// The panic's message.
        detail: String,
    },
}

impl DecodeError {
    /// The same with a reason that fits on a line.
    fn shortened(mut self) -> DecodeError {
        match &mut self {
            DecodeError::Unsupported { format: text }
            | DecodeError::Damaged { detail: text }
            | DecodeError::TooLarge { detail: text }
            | DecodeError::Panicked { detail: text } => *text = one_short_line(text),
            DecodeError::Empty | DecodeError::NotAnImage | DecodeError::TooSlow { .. } => {}
        }
        self
    }
}

/// Decodes the picture in `bytes` with at least the detail wanted, if it has it.
///
/// # Errors
/// [`DecodeError`] says why there is none; no input makes this function panic.
pub fn decode(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    // The decoders hold no state of ours, so there is nothing a panic could leave half-changed.
    contained(|| decode_trusting(bytes, limits, detail))
        .unwrap_or_else(|detail| Err(DecodeError::Panicked { detail }))
        .map_err(DecodeError::shortened)
}

/// A worker that decodes within [`Limits::max_time`].
pub fn decoder(limits: Limits) -> Decoder {
    let work = move |(bytes, detail): (Vec<u8>, Detail)| decode(&bytes, &limits, detail);
    Worker::new("decode", limits.max_time, work)
}

/// Bytes that decoding the picture in `bytes` is going to take, told from its header; 0 where that cannot be read, for
/// then nothing will be decoded.
pub fn memory(bytes: &[u8], detail: Detail) -> u64 {
    let told = || match Format::of(bytes)? {
        Format::Jpeg => jpeg_memory(bytes, detail),
        Format::JpegXl => raster::jpeg_xl_memory(bytes),
        Format::Tiff => tiff::memory(bytes),
        Format::Raster(format) => raster::memory(bytes, format),
        Format::Raw(_) => raw::memory(bytes, detail),
        Format::Heic | Format::Avif => heif::memory(bytes),
        Format::Unread(_) => None,
    };
    contained(told).ok().flatten().unwrap_or(0)
}

/// [`decode`] for decoders that do not panic.
fn decode_trusting(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Picture, DecodeError> {
    let format = Format::of(bytes).ok_or(DecodeError::NotAnImage)?;
    let Decoded { pixels, full_size, eighths, is_upright, note } = match format {
        Format::Jpeg => decode_jpeg(bytes, limits, detail)?,
        Format::JpegXl => raster::decode_jpeg_xl(bytes, limits)?,
        Format::Tiff => tiff::decode(bytes, limits)?,
        Format::Raster(format) => raster::decode(bytes, format, limits)?,
        Format::Raw(name) => raw::decode(bytes, name, limits, detail)?,
        Format::Heic => heif::decode(bytes, heif::HEIC, limits)?,
        Format::Avif => heif::decode(bytes, heif::AVIF, limits)?,
        Format::Unread(name) => return Err(DecodeError::Unsupported { format: name.into() }),
    };
    let metadata = Metadata::read(bytes, format);
    let turn = metadata.orientation.filter(|_| !is_upright);
    let orientation = turn.unwrap_or(Orientation::NoTransforms);
    Ok(Picture { pixels, full_size, eighths, orientation, metadata, note })
}

#[cfg(feature = "mozjpeg")]
fn decode_jpeg(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Decoded, DecodeError> {
    jpeg::decode(bytes, limits, detail)
}

#[cfg(feature = "mozjpeg")]
fn jpeg_memory(bytes: &[u8], detail: Detail) -> Option<u64> {
    jpeg::memory(bytes, detail)
}

#[cfg(not(feature = "mozjpeg"))]
fn jpeg_memory(bytes: &[u8], _: Detail) -> Option<u64> {
    raster::memory(bytes, image::ImageFormat::Jpeg)
}

/// Without the library that can leave detail out, the whole picture is decoded in Rust.
#[cfg(not(feature = "mozjpeg"))]
fn decode_jpeg(bytes: &[u8], limits: &Limits, _: Detail) -> Result<Decoded, DecodeError> {
    if !segments::has_end_of_image(bytes) {
        return Err(DecodeError::Damaged { detail: "the picture breaks off".into() });
    }
    raster::decode(bytes, image::ImageFormat::Jpeg, limits)
}

/// A file whose tail is missing shows most of its picture, and the rest grey: people want to find it all the same.
/// With less than three quarters of it the grey would be found for what the photo does not show (a chosen share, not a
/// measured one).
fn note_on_missing_rows(complete: usize, announced: usize) -> Result<Option<String>, DecodeError> {
    if complete == announced {
        return Ok(None);
    }
    let detail = format!("ends after {} % of its rows", complete * 100 / announced);
    if complete * 4 < announced * 3 { Err(DecodeError::Damaged { detail }) } else { Ok(Some(detail)) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reason_is_a_short_line() {
        let shortened = |detail: &str| DecodeError::Damaged { detail: detail.into() }.shortened().to_string();
        assert_eq!(shortened("two\nlines"), "damaged: two lines");
        assert!(shortened(&"é".repeat(60_000)).chars().count() < 300);
    }
}
