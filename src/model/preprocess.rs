//! A picture → the normalised tensor an image tower takes.
//!
//! The reference is torchvision's transform over Pillow: resize with antialiasing (bicubic a = −0.5), centre crop,
//! scale to 0..1, subtract `mean`, divide by `std`.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use image::{DynamicImage, RgbImage};
use ndarray::{Array3, ArrayView3};

use super::layout::{Interpolation, PreprocessConfig, ResizeMode};
use crate::decode::Picture;

/// Turns pictures into tensors, as one model wants them.
#[derive(Clone, Debug)]
pub struct Preprocess {
    config: PreprocessConfig,
}

impl Preprocess {
    pub(crate) fn new(config: PreprocessConfig) -> Preprocess {
        Preprocess { config }
    }

    /// The tensor of an upright `picture`: f32, shape `[3, height, width]`.
    pub fn tensor(&self, picture: &Picture) -> Array3<f32> {
        let (width, height) = upright_size(picture);
        let (width, height) = self.resized(width, height);
        // The picture lies as it was stored: a quarter turn swaps the sides asked for.
        let (stored_width, stored_height) =
            if swaps_sides(picture.orientation) { (height, width) } else { (width, height) };
        let small = self.resize(&picture.pixels, stored_width, stored_height);
        let mut upright = DynamicImage::ImageRgb8(small);
        upright.apply_orientation(picture.orientation);
        self.normalise(&upright.into_rgb8())
    }

    /// The size before cropping, of an upright picture of `width` × `height`.
    fn resized(&self, width: u32, height: u32) -> (u32, u32) {
        let [to_height, to_width] = self.config.image_size;
        match self.config.resize_mode {
            ResizeMode::Squash => (to_width, to_height),
            // torchvision: the long side is truncated, not rounded.
            ResizeMode::Shortest if width <= height => {
                (to_width, scaled(height, to_width, width).max(to_height))
            }
            ResizeMode::Shortest => (scaled(width, to_height, height).max(to_width), to_height),
        }
    }

    fn resize(&self, pixels: &RgbImage, width: u32, height: u32) -> RgbImage {
        if pixels.dimensions() == (width, height) {
            return pixels.clone();
        }
        let filter = match self.config.interpolation {
            Interpolation::Bicubic => FilterType::CatmullRom,
            Interpolation::Bilinear => FilterType::Bilinear,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
        let from = ImageRef::new(pixels.width(), pixels.height(), pixels.as_raw(), PixelType::U8x3)
            .expect("an RgbImage holds three bytes a pixel");
        let mut to = Image::new(width, height, PixelType::U8x3);
        Resizer::new()
            .resize(&from, &mut to, &options)
            .expect("both images have the same pixel type and no side is 0");
        RgbImage::from_raw(width, height, to.into_vec()).expect("the resizer filled every pixel")
    }

    /// Cuts the centre out and normalises it.
    fn normalise(&self, pixels: &RgbImage) -> Array3<f32> {
        let PreprocessConfig { image_size: [height, width], mean, std, .. } = self.config;
        let (left, top) = (centred(pixels.width(), width), centred(pixels.height(), height));
        let view =
            ArrayView3::from_shape((pixels.height() as usize, pixels.width() as usize, 3), pixels.as_raw())
                .expect("an RgbImage is a [height, width, 3] array");
        Array3::from_shape_fn((3, height as usize, width as usize), |(channel, y, x)| {
            let value = f32::from(view[[top + y, left + x, channel]]) / 255.0;
            (value - mean[channel]) / std[channel]
        })
    }
}

fn upright_size(picture: &Picture) -> (u32, u32) {
    let (width, height) = picture.pixels.dimensions();
    if swaps_sides(picture.orientation) { (height, width) } else { (width, height) }
}

fn swaps_sides(orientation: Orientation) -> bool {
    match orientation {
        Orientation::NoTransforms
        | Orientation::Rotate180
        | Orientation::FlipHorizontal
        | Orientation::FlipVertical => false,
        Orientation::Rotate90
        | Orientation::Rotate270
        | Orientation::Rotate90FlipH
        | Orientation::Rotate270FlipH => true,
    }
}

/// `long · to / short`, truncated. Callers pass `short` ≤ `long`.
fn scaled(long: u32, to: u32, short: u32) -> u32 {
    u32::try_from(u64::from(long) * u64::from(to) / u64::from(short)).unwrap_or(u32::MAX)
}

/// The offset of a centred crop. torchvision: `int(round((from - to) / 2.0))`, and Python rounds halves to even.
fn centred(from: u32, to: u32) -> usize {
    let margin = from.saturating_sub(to);
    let half = margin / 2;
    (if margin % 2 == 1 && half % 2 == 1 { half + 1 } else { half }) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn preprocess(resize_mode: ResizeMode) -> Preprocess {
        Preprocess::new(PreprocessConfig {
            image_size: [4, 4],
            resize_mode,
            interpolation: Interpolation::Bicubic,
            mean: [0.0; 3],
            std: [1.0; 3],
        })
    }

    #[test]
    fn sizes_before_the_crop_are_torchvisions() {
        #[track_caller]
        fn check(resize_mode: ResizeMode, from: (u32, u32), expected: (u32, u32)) {
            assert_eq!(preprocess(resize_mode).resized(from.0, from.1), expected);
        }
        check(ResizeMode::Squash, (640, 480), (4, 4));
        check(ResizeMode::Shortest, (640, 480), (5, 4));
        check(ResizeMode::Shortest, (480, 640), (4, 5));
        check(ResizeMode::Shortest, (7, 7), (4, 4));
        check(ResizeMode::Shortest, (1, 100), (4, 400));
    }

    #[test]
    fn the_crop_is_centred_as_python_rounds() {
        for (from, to, expected) in [(4, 4, 0), (5, 4, 0), (6, 4, 1), (7, 4, 2), (9, 4, 2), (11, 4, 4)] {
            assert_eq!(centred(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn turning_after_resizing_equals_turning_before() {
        let gradient = RgbImage::from_fn(40, 24, |x, y| {
            image::Rgb([u8::try_from(x * 6).unwrap(), u8::try_from(y * 10).unwrap(), 128])
        });
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let mut turned = DynamicImage::ImageRgb8(gradient.clone());
            turned.apply_orientation(orientation);
            let before = Picture { pixels: turned.into_rgb8(), orientation: Orientation::NoTransforms };
            let after = Picture { pixels: gradient.clone(), orientation };
            for mode in [ResizeMode::Squash, ResizeMode::Shortest] {
                let (a, b) = (preprocess(mode).tensor(&before), preprocess(mode).tensor(&after));
                let worst = (&a - &b).iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
                assert!(worst <= 1.5 / 255.0, "exif {exif} {mode:?}: {worst}");
            }
        }
    }
}
