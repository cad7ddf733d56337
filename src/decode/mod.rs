//! Decodes untrusted bytes to pixels, within limits. Only this part of imgsearch looks inside image files.
//!
//! The format is detected by content, never by the file's name. A file that cannot be decoded is an error with a reason; a
//! panic in a decoder is caught and reported in the same way. Callers state how much detail they need, because a small
//! version of a large picture often costs only a fraction.

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
pub use metadata::{Metadata, Place, Precision, Taken, caption, keywords, people};
pub use text::one_short_line;
pub use worker::{Waited, Worker};

/// A [`Worker`] that decodes.
pub type Decoder = Worker<(Vec<u8>, Detail), Result<Picture, DecodeError>>;

/// A decoded picture: the pixels as stored, and how to turn them upright.
///
/// Turning is left to the caller, because it costs almost nothing after resizing, but for 12 megapixels as much as decoding.
#[derive(Debug)]
pub struct Picture {
    /// RGB pixels, 8 bits per channel, not upright yet, and perhaps at reduced size (see [`Picture::eighths`]).
    pub pixels: RgbImage,
    /// Width and height in the file, not upright yet.
    pub full_size: (u32, u32),
    /// The scale of the pixels in eighths of the full size. The last column and row may be partly outside the picture: 1001
    /// pixels at 2 eighths are 250.25, so 251 are stored.
    pub eighths: u32,
    /// How to turn the pixels upright (EXIF orientation).
    pub orientation: Orientation,
    /// The file's metadata.
    pub metadata: Metadata,
    /// A fault of the picture, which could be decoded anyway.
    pub note: Option<String>,
}

impl Picture {
    /// Width and height of the whole picture, upright. For a RAW file it is the recorded size, not that of the preview that
    /// was decoded.
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

/// The result of a decoder.
struct Decoded {
    pixels: RgbImage,
    full_size: (u32, u32),
    eighths: u32,
    /// The pixels are already upright, whatever the metadata say.
    is_upright: bool,
    note: Option<String>,
}

/// How much detail is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Detail {
    /// Every pixel.
    Full,
    /// A smaller version is enough if its short side has at least this many pixels. It is used if it takes less work.
    ShortSide(u32),
    /// The same for its long side.
    LongSide(u32),
}

impl Detail {
    /// Whether a version of this size is enough.
    fn is_in(self, (width, height): (u32, u32)) -> bool {
        match self {
            Detail::Full => false,
            Detail::ShortSide(side) => width.min(height) >= side,
            Detail::LongSide(side) => width.max(height) >= side,
        }
    }
}

#[cfg(feature = "mozjpeg")]
impl Detail {
    fn doubled(self) -> Detail {
        match self {
            Detail::Full => Detail::Full,
            Detail::ShortSide(side) => Detail::ShortSide(side.saturating_mul(2)),
            Detail::LongSide(side) => Detail::LongSide(side.saturating_mul(2)),
        }
    }
}

/// Limits beyond which a file is refused.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Maximum size of a file in bytes.
    pub max_bytes: u64,
    /// Maximum number of pixels.
    pub max_pixels: u64,
    /// Maximum memory in bytes for decoding one picture.
    pub max_memory: u64,
    /// Maximum time that a [`decoder`] waits for one picture.
    pub max_time: Duration,
}

impl Default for Limits {
    /// 256 MiB, 256 megapixels and 2 GiB: more than the largest phone pictures need (200 megapixels, with eight bytes each in
    /// a HEIC), less than decompression bombs. Two minutes: such a picture takes about ten seconds on one laptop core, and a
    /// busy small machine is ten times slower.
    fn default() -> Limits {
        let max_time = Duration::from_secs(120);
        Limits { max_bytes: 256 << 20, max_pixels: 256 << 20, max_memory: 2 << 30, max_time }
    }
}

impl Limits {
    /// The memory shared by all pictures being decoded: 1 GiB, because small machines have little more. A picture that needs
    /// more is decoded alone.
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
            detail: format!("decoding needs {needed} MiB, but only {allowed} are allowed"),
        })
    }
}

/// Why a picture could not be decoded.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum DecodeError {
    /// The file is empty.
    #[error("empty file")]
    Empty,
    /// The content is not in a known picture format.
    #[error("not an image")]
    NotAnImage,
    /// A known format that this build does not support.
    #[error("unsupported: {format}")]
    Unsupported {
        /// The format's name.
        format: String,
    },
    /// The file is truncated or inconsistent.
    #[error("damaged: {detail}")]
    Damaged {
        /// The decoder's message.
        detail: String,
    },
    /// The picture exceeds [`Limits`].
    #[error("too large: {detail}")]
    TooLarge {
        /// The value and the limit.
        detail: String,
    },
    /// Decoding took longer than [`Limits::max_time`].
    #[error("not decoded after {seconds} s")]
    TooSlow {
        /// The limit.
        seconds: u64,
    },
    /// The decoder panicked because of a bug.
    #[error("the decoder failed: {detail}")]
    Panicked {
        /// The panic's message.
        detail: String,
    },
}

impl DecodeError {
    /// The same error with its reason shortened to one line.
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

/// Decodes the picture in `bytes` with at least the requested detail, if it has that much.
///
/// # Errors
/// Any [`DecodeError`]. No input makes this function panic.
pub fn decode(bytes: &[u8], limits: &Limits, detail: Detail) -> Result<Picture, DecodeError> {
    if bytes.is_empty() {
        return Err(DecodeError::Empty);
    }
    // The decoders share no state with us, so a panic cannot leave anything half-changed.
    contained(|| decode_trusting(bytes, limits, detail))
        .unwrap_or_else(|detail| Err(DecodeError::Panicked { detail }))
        .map_err(DecodeError::shortened)
}

/// A worker that decodes within [`Limits::max_time`].
pub fn decoder(limits: Limits) -> Decoder {
    let work = move |(bytes, detail): (Vec<u8>, Detail)| decode(&bytes, &limits, detail);
    Worker::new("decode", limits.max_time, work)
}

/// The memory in bytes that decoding the picture in `bytes` will need, by its header. 0 if the header cannot be read, because
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

/// Like [`decode`], but does not catch panics.
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

/// Without MozJPEG, which can reduce the detail, the whole picture is decoded in Rust.
#[cfg(not(feature = "mozjpeg"))]
fn decode_jpeg(bytes: &[u8], limits: &Limits, _: Detail) -> Result<Decoded, DecodeError> {
    if !segments::has_end_of_image(bytes) {
        return Err(DecodeError::Damaged { detail: "the file is truncated".into() });
    }
    raster::decode(bytes, image::ImageFormat::Jpeg, limits)
}

/// The note on a truncated file. It shows most of the picture and grey for the rest, and people still want to find it. With
/// less than three quarters, the grey part would cause wrong matches, so that is an error. (The share was chosen, not
/// measured.)
fn note_on_missing_rows(complete: usize, announced: usize) -> Result<Option<String>, DecodeError> {
    if complete == announced {
        return Ok(None);
    }
    let detail = format!("truncated after {} % of its rows", complete * 100 / announced);
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
