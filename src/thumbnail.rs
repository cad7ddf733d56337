//! Thumbnails of photos, upright.

use std::fs::File;
#[cfg(feature = "mozjpeg")]
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use fast_image_resize::FilterType;
use image::codecs::jpeg::JpegEncoder;
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};

use crate::budget::Budget;
use crate::decode::{self, Detail, Limits, Picture, PictureError, decode_in_time};
use crate::resize::resized;

/// JPEG quality of thumbnails in pages. Pillow and most cameras' previews have similar defaults, and nobody prints them.
const QUALITY: u8 = 80;

/// Makes thumbnails of one size. It can be used by any number of threads at a time.
pub struct Thumbnailer {
    side: u32,
    limits: Limits,
    /// The memory for all pictures being decoded.
    memory: Budget,
}

impl Thumbnailer {
    /// Makes thumbnails that fit a square of `side` pixels.
    pub fn new(side: u32, limits: Limits) -> Thumbnailer {
        Thumbnailer { side, limits, memory: Budget::new(limits.shared_memory()) }
    }

    /// The thumbnail of the photo at `path`, upright, with its aspect ratio. A smaller photo is not enlarged.
    ///
    /// # Errors
    /// [`PictureError`]; no file makes this function panic.
    pub fn make(&self, path: &Path) -> Result<RgbImage, PictureError> {
        self.within(path, self.side)
    }

    /// The same, in a square of `side` pixels.
    ///
    /// # Errors
    /// As [`Thumbnailer::make`].
    pub fn within(&self, path: &Path, side: u32) -> Result<RgbImage, PictureError> {
        let bytes = decode::read(File::open(path).map_err(PictureError::File)?, &self.limits)?;
        self.sized(bytes, side)
    }

    /// The same for the bytes of a file, in a square of `side` pixels.
    ///
    /// # Errors
    /// As [`Thumbnailer::make`].
    pub fn sized(&self, bytes: Vec<u8>, side: u32) -> Result<RgbImage, PictureError> {
        let detail = Detail::ShortSide(side);
        let _memory = self.memory.take(decode::memory(&bytes, detail));
        let picture = decode_in_time(bytes, &self.limits, detail)?;
        Ok(upright(fitted(picture.pixels, side), picture.orientation))
    }
}

/// The thumbnail of a picture that was decoded for another purpose; `None` if it was decoded with too little detail.
pub fn of(picture: &Picture, side: u32) -> Option<RgbImage> {
    let (width, height) = picture.pixels.dimensions();
    let is_whole = picture.eighths == 8;
    let small = if width.max(height) > side {
        scaled(&picture.pixels, side)
    } else if is_whole || width.max(height) == side {
        picture.pixels.clone()
    } else {
        return None;
    };
    Some(upright(small, picture.orientation))
}

fn upright(pixels: RgbImage, orientation: Orientation) -> RgbImage {
    let mut small = DynamicImage::ImageRgb8(pixels);
    small.apply_orientation(orientation);
    small.into_rgb8()
}

/// Encodes `picture` as a JPEG.
#[expect(clippy::missing_panics_doc, reason = "the encoder takes RGB, and writing to a Vec cannot fail")]
pub fn jpeg(picture: &RgbImage) -> Vec<u8> {
    #[cfg(feature = "mozjpeg")]
    if let Some(bytes) = fast_jpeg(picture) {
        return bytes;
    }
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    picture.write_with_encoder(encoder).expect("the encoder takes RGB, and writing to a Vec cannot fail");
    bytes
}

/// The same with libjpeg-turbo's encoder, which MozJPEG contains: a thumbnail of 360 pixels takes .2 ms instead of 2.
/// `None` if it fails.
#[cfg(feature = "mozjpeg")]
fn fast_jpeg(picture: &RgbImage) -> Option<Vec<u8>> {
    let mut encoder = mozjpeg::Compress::new(mozjpeg::ColorSpace::JCS_RGB);
    encoder.set_size(usize::try_from(picture.width()).ok()?, usize::try_from(picture.height()).ok()?);
    encoder.set_fastest_defaults();
    encoder.set_quality(QUALITY.into());
    // Errors of the C library unwind.
    let encode = AssertUnwindSafe(move || -> std::io::Result<Vec<u8>> {
        let mut started = encoder.start_compress(Vec::new())?;
        started.write_scanlines(picture.as_raw())?;
        started.finish()
    });
    catch_unwind(encode).ok()?.ok()
}

/// Scales a picture down, if needed, until neither side is longer than `side`.
fn fitted(pixels: RgbImage, side: u32) -> RgbImage {
    if pixels.width().max(pixels.height()) <= side { pixels } else { scaled(&pixels, side) }
}

/// Scales a picture until its longer side is `side`.
fn scaled(pixels: &RgbImage, side: u32) -> RgbImage {
    let (width, height) = pixels.dimensions();
    let longest = width.max(height);
    let scaled = |length: u32| (u64::from(length) * u64::from(side)).div_ceil(u64::from(longest));
    let scaled = |length: u32| u32::try_from(scaled(length)).unwrap_or(side).max(1);
    resized(pixels, scaled(width), scaled(height), FilterType::Hamming)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(size: (u32, u32), expected: (u32, u32)) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(size.0, size.1).save(&path).unwrap();
        let small = Thumbnailer::new(64, Limits::default()).make(&path).unwrap();
        assert_eq!(small.dimensions(), expected);
        assert_eq!(image::load_from_memory(&jpeg(&small)).unwrap().into_rgb8().dimensions(), expected);
    }

    #[test]
    fn thumbnails_keep_their_shape() {
        check((128, 64), (64, 32));
        check((30, 90), (22, 64));
        check((10, 20), (10, 20));
        check((6400, 1), (64, 1));
    }

    #[test]
    fn other_files_are_errors() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.jpg");
        std::fs::write(&path, "not a picture").unwrap();
        let limits = Limits::default();
        let error = |path: &Path, limits| Thumbnailer::new(64, limits).make(path).unwrap_err().to_string();
        assert_eq!(error(&path, limits), "not an image");
        assert_eq!(error(&path, Limits { max_bytes: 4, ..limits }), "too large: more than 4 bytes");
        assert!(error(&folder.path().join("b.jpg"), limits).contains("No such file"));
    }

    #[test]
    fn a_thumbnail_waits_for_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.png");
        RgbImage::new(64, 64).save(&path).unwrap();
        let thumbnailer = Thumbnailer::new(64, Limits::default());
        std::thread::scope(|scope| {
            let others = thumbnailer.memory.take(u64::MAX);
            let thread = scope.spawn(|| thumbnailer.make(&path).unwrap());
            while !thumbnailer.memory.is_waited_for() {
                assert!(!thread.is_finished(), "it did not wait");
                std::thread::yield_now();
            }
            drop(others);
            thread.join().unwrap();
        });
    }
}
