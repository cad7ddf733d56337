//! Turns a picture into the normalised tensor for an image tower, in one pass.
//!
//! The reference is open_clip's transform with Pillow: resize with antialiasing (bicubic, a = −0.5), crop the centre or pad,
//! scale to 0..1, subtract `mean`, divide by `std`. Cropped parts are never computed, and there is no intermediate picture:
//! a 60,000-pixel panorama costs no more than its middle.

use std::array::from_fn;

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, IntoImageView, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::metadata::Orientation;
use ndarray::{Array3, ArrayView3, Axis, Zip, s};

use super::layout::{Interpolation, PreprocessConfig, ResizeMode};
use crate::decode::{Detail, Picture};

/// The pixels per side that a decoder must deliver for every four after resizing. Measured on `tests/goldens`: with 2.75
/// times the size, decoding at reduced size differs from Pillow by less than 0.3 of 255 on average; with twice the size, by
/// up to 0.36. A photo of 12 megapixels is decoded at a quarter of its size in both cases.
const DETAIL: u32 = 11;

/// Turns pictures into tensors for one model.
#[derive(Clone, Debug)]
pub struct Preprocess {
    config: PreprocessConfig,
    /// The normalised value of each byte, per channel.
    normalised: [[f32; 256]; 3],
}

impl Preprocess {
    pub(crate) fn new(config: PreprocessConfig) -> Preprocess {
        let PreprocessConfig { mean, std, .. } = config;
        let normalise = |byte: u8, channel: usize| (f32::from(byte) / 255.0 - mean[channel]) / std[channel];
        let table =
            |channel| std::array::from_fn(|byte| normalise(u8::try_from(byte).unwrap_or(255), channel));
        Preprocess { config, normalised: from_fn(table) }
    }

    /// The detail that [`Preprocess::tensor`] needs.
    pub fn detail(&self) -> Detail {
        let [height, width] = self.config.image_size;
        Detail::ShortSide((DETAIL * height.max(width)).div_ceil(4))
    }

    #[expect(clippy::missing_panics_doc, reason = "the buffer is made for the shape it is given")]
    /// The tensor of `picture`, upright: f32, shape `[3, height, width]`.
    pub fn tensor(&self, picture: &Picture) -> Array3<f32> {
        let turn = Reorientation::of(picture.orientation);
        let (width, height) = turn.upright(picture.full_size);
        let [x, y] = self.placement(width, height);
        let (stored_x, stored_y) =
            turn.upright((x.mirrored_if(turn.mirrors_x), y.mirrored_if(turn.mirrors_y)));
        let pixels = self.resize(picture, turn, stored_x, stored_y);
        let shape = (stored_y.kept as usize, stored_x.kept as usize, 3);
        let stored = ArrayView3::from_shape(shape, &pixels).expect("the resizer filled every pixel");
        self.normalise(&turn.applied_to(stored), x.padding as usize, y.padding as usize)
    }

    /// The horizontal and vertical placement of an upright picture of `width` × `height`.
    fn placement(&self, width: u32, height: u32) -> [Placement; 2] {
        let [to_height, to_width] = self.config.image_size;
        let (resized_width, resized_height) = self.resized(width, height);
        [Placement::new(resized_width, to_width), Placement::new(resized_height, to_height)]
    }

    /// The size after resizing, before cropping or padding, of an upright picture of `width` × `height`.
    fn resized(&self, width: u32, height: u32) -> (u32, u32) {
        let [to_height, to_width] = self.config.image_size;
        // Compares width / to_width with height / to_height.
        let is_wide = u64::from(width) * u64::from(to_height) >= u64::from(height) * u64::from(to_width);
        // For a square, torchvision truncates the long side; for anything else, timm rounds it to nearest even.
        let long = if to_width == to_height { truncated } else { rounded };
        match self.config.resize_mode {
            ResizeMode::Squash => (to_width, to_height),
            ResizeMode::Shortest if is_wide => (long(width, to_height, height).max(to_width), to_height),
            ResizeMode::Shortest => (to_width, long(height, to_width, width).max(to_height)),
            ResizeMode::Longest if is_wide => (to_width, rounded(height, to_width, width).max(1)),
            ResizeMode::Longest => (rounded(width, to_height, height).max(1), to_height),
        }
    }

    /// The kept part of the resized picture, in the file's orientation: three bytes per pixel.
    ///
    /// Like Pillow, this resizes horizontally first and then vertically, with rounding and clipping to bytes in between. In
    /// the other order, pictures with hard edges come out visibly different.
    fn resize(&self, picture: &Picture, turn: Reorientation, x: Placement, y: Placement) -> Vec<u8> {
        let Picture { pixels, full_size, eighths, .. } = picture;
        let across = x.source(full_size.0, *eighths);
        let down = y.source(full_size.1, *eighths);
        let from = ImageRef::new(pixels.width(), pixels.height(), pixels.as_raw(), PixelType::U8x3)
            .expect("an RgbImage has three bytes per pixel");
        if turn.swaps {
            let (left, right) = across.reach(x.kept, pixels.width());
            let strip = self.pass(&from, Span::whole(left, right), down, (right - left, y.kept));
            return self.pass(&strip, across.from(left), Span::whole(0, y.kept), (x.kept, y.kept)).into_vec();
        }
        let (top, bottom) = down.reach(y.kept, pixels.height());
        let strip = self.pass(&from, across, Span::whole(top, bottom), (x.kept, bottom - top));
        self.pass(&strip, Span::whole(0, x.kept), down.from(top), (x.kept, y.kept)).into_vec()
    }

    /// Resizes a part of `from` to `size` in one direction; in the other its size must already be right.
    fn pass(&self, from: &impl IntoImageView, across: Span, down: Span, size: (u32, u32)) -> Image<'static> {
        let filter = match self.config.interpolation {
            Interpolation::Bicubic => FilterType::CatmullRom,
            Interpolation::Bilinear => FilterType::Bilinear,
        };
        let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false).crop(
            across.start,
            down.start,
            across.length,
            down.length,
        );
        let mut to = Image::new(size.0, size.1, PixelType::U8x3);
        Resizer::new().resize(from, &mut to, &options).expect("the part kept lies inside the picture");
        to
    }

    /// The tensor with upright pixels (`[height, width, 3]`) at `left` and `top`, padded on all sides.
    fn normalise(&self, pixels: &ArrayView3<'_, u8>, left: usize, top: usize) -> Array3<f32> {
        let [height, width] = self.config.image_size.map(|side| side as usize);
        let padding = self.config.fill_color;
        let mut tensor = Array3::from_shape_fn((3, height, width), |(channel, ..)| {
            self.normalised[channel][usize::from(padding)]
        });
        let (bottom, right) = (top + pixels.len_of(Axis(0)), left + pixels.len_of(Axis(1)));
        for (channel, table) in self.normalised.iter().enumerate() {
            Zip::from(tensor.slice_mut(s![channel, top..bottom, left..right]))
                .and(pixels.index_axis(Axis(2), channel))
                .for_each(|value, byte| *value = table[usize::from(*byte)]);
        }
        tensor
    }
}

/// The placement of one side of a picture. It is either cropped or padded at both ends, never both.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Placement {
    /// Length after resizing.
    resized: u32,
    /// How much of that is cropped before the kept part.
    skipped: u32,
    kept: u32,
    /// Padding before the kept part.
    padding: u32,
}

impl Placement {
    fn new(resized: u32, to: u32) -> Placement {
        let (kept, skipped) = (resized.min(to), centred(resized, to));
        Placement { resized, skipped, kept, padding: (to - kept) / 2 }
    }

    /// The same counted from the other end, if `mirrored`.
    fn mirrored_if(self, mirrored: bool) -> Placement {
        let skipped = if mirrored { self.resized - self.kept - self.skipped } else { self.skipped };
        Placement { skipped, ..self }
    }

    /// The kept part in decoded pixels, for a side of `full` pixels decoded at `eighths`.
    fn source(self, full: u32, eighths: u32) -> Span {
        let pixels = f64::from(full) * f64::from(eighths) / 8.0;
        let each = pixels / f64::from(self.resized);
        let start = f64::from(self.skipped) * each;
        // Rounding must not move the end beyond the picture.
        Span { start, length: (f64::from(self.kept) * each).min(pixels - start) }
    }
}

/// A part of a side, in pixels.
#[derive(Clone, Copy, Debug)]
struct Span {
    start: f64,
    length: f64,
}

impl Span {
    fn whole(start: u32, end: u32) -> Span {
        Span { start: start.into(), length: (end - start).into() }
    }

    /// The same part, counted from `start`.
    fn from(self, start: u32) -> Span {
        Span { start: self.start - f64::from(start), ..self }
    }

    /// The pixels, on a side of `pixels`, on which `kept` pixels made from this part depend.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "between 0 and `pixels`")]
    fn reach(self, kept: u32, pixels: u32) -> (u32, u32) {
        // Bicubic, the widest filter, uses two pixels of the coarser of both sizes; add one for rounding.
        let margin = 2.0 * (self.length / f64::from(kept)).max(1.0) + 1.0;
        let (start, end) = (self.start - margin, self.start + self.length + margin);
        (start.floor().max(0.0) as u32, (end.ceil() as u32).min(pixels))
    }
}

/// How the stored picture must be turned to be upright.
#[derive(Clone, Copy, Debug)]
struct Reorientation {
    /// Rows and columns are swapped in the file.
    swaps: bool,
    /// Horizontally mirrored in the file.
    mirrors_x: bool,
    /// Vertically mirrored in the file.
    mirrors_y: bool,
}

impl Reorientation {
    fn of(orientation: Orientation) -> Reorientation {
        let (swaps, mirrors_x, mirrors_y) = match orientation {
            Orientation::NoTransforms => (false, false, false),
            Orientation::FlipHorizontal => (false, true, false),
            Orientation::Rotate180 => (false, true, true),
            Orientation::FlipVertical => (false, false, true),
            Orientation::Rotate90FlipH => (true, false, false),
            Orientation::Rotate90 => (true, true, false),
            Orientation::Rotate270FlipH => (true, true, true),
            Orientation::Rotate270 => (true, false, true),
        };
        Reorientation { swaps, mirrors_x, mirrors_y }
    }

    /// Swaps x and y if needed, from stored to upright or back.
    fn upright<T>(self, (x, y): (T, T)) -> (T, T) {
        if self.swaps { (y, x) } else { (x, y) }
    }

    /// An upright view of stored pixels (`[height, width, 3]`).
    fn applied_to(self, mut pixels: ArrayView3<'_, u8>) -> ArrayView3<'_, u8> {
        if self.swaps {
            pixels.swap_axes(0, 1);
        }
        if self.mirrors_x {
            pixels.invert_axis(Axis(1));
        }
        if self.mirrors_y {
            pixels.invert_axis(Axis(0));
        }
        pixels
    }
}

/// `long · to / short`, truncated.
fn truncated(long: u32, to: u32, short: u32) -> u32 {
    u32::try_from(u64::from(long) * u64::from(to) / u64::from(short)).unwrap_or(u32::MAX)
}

/// `side · to / other`, rounded to nearest, halves to even as Python does.
fn rounded(side: u32, to: u32, other: u32) -> u32 {
    let (product, other) = (u64::from(side) * u64::from(to), u64::from(other));
    let (whole, twice_rest) = (product / other, 2 * (product % other));
    let up = twice_rest > other || (twice_rest == other && whole % 2 == 1);
    u32::try_from(whole + u64::from(up)).unwrap_or(u32::MAX)
}

/// The offset of a centred crop. torchvision: `int(round((from - to) / 2.0))`, and Python rounds halves to even.
fn centred(from: u32, to: u32) -> u32 {
    rounded(from.saturating_sub(to), 1, 2)
}

#[cfg(test)]
mod tests {
    use image::{DynamicImage, RgbImage};

    use super::*;
    use crate::decode::Metadata;

    fn preprocess(resize_mode: ResizeMode, image_size: [u32; 2]) -> Preprocess {
        Preprocess::new(PreprocessConfig {
            image_size,
            resize_mode,
            interpolation: Interpolation::Bicubic,
            mean: [0.0; 3],
            std: [1.0; 3],
            fill_color: 0,
        })
    }

    fn picture(pixels: RgbImage, orientation: Orientation) -> Picture {
        Picture {
            full_size: pixels.dimensions(),
            pixels,
            eighths: 8,
            orientation,
            metadata: Metadata::default(),
            note: None,
        }
    }

    #[test]
    fn sizes_before_the_crop_are_the_references() {
        #[track_caller]
        fn check(resize_mode: ResizeMode, image_size: [u32; 2], from: (u32, u32), expected: (u32, u32)) {
            assert_eq!(preprocess(resize_mode, image_size).resized(from.0, from.1), expected);
        }
        check(ResizeMode::Squash, [4, 4], (640, 480), (4, 4));
        check(ResizeMode::Shortest, [4, 4], (640, 480), (5, 4));
        check(ResizeMode::Shortest, [4, 4], (480, 640), (4, 5));
        check(ResizeMode::Shortest, [4, 4], (7, 7), (4, 4));
        check(ResizeMode::Shortest, [4, 4], (1, 100), (4, 400));
        check(ResizeMode::Shortest, [4, 8], (100, 60), (8, 5));
        check(ResizeMode::Shortest, [4, 8], (100, 40), (10, 4));
        check(ResizeMode::Longest, [4, 4], (640, 480), (4, 3));
        check(ResizeMode::Longest, [4, 4], (3, 8), (2, 4));
        check(ResizeMode::Longest, [4, 4], (60_000, 100), (4, 1));
    }

    #[test]
    fn the_crop_is_centred_as_python_rounds() {
        for (from, to, expected) in
            [(4, 4, 0), (5, 4, 0), (6, 4, 1), (7, 4, 2), (9, 4, 2), (11, 4, 4), (3, 4, 0)]
        {
            assert_eq!(centred(from, to), expected, "{from} to {to}");
        }
    }

    #[test]
    fn padding_is_split_and_the_smaller_half_comes_first() {
        #[track_caller]
        fn check(resized: u32, to: u32, expected: (u32, u32, u32)) {
            let Placement { skipped, kept, padding, .. } = Placement::new(resized, to);
            assert_eq!((skipped, kept, padding), expected);
        }
        check(3, 8, (0, 3, 2));
        check(8, 8, (0, 8, 0));
        check(13, 8, (2, 8, 0));
    }

    #[test]
    fn the_crop_equals_a_crop_after_resizing() {
        let pixels = RgbImage::from_fn(90, 31, |x, y| {
            image::Rgb([x * 2, y * 8, (x * y) % 256].map(|v| u8::try_from(v).unwrap()))
        });
        let wanted = preprocess(ResizeMode::Shortest, [16, 16]);
        let whole = preprocess(ResizeMode::Squash, [16, 46]);
        let picture = picture(pixels, Orientation::NoTransforms);
        let cut = whole.tensor(&picture).slice_move(s![.., .., 15..31]);
        let worst = (&wanted.tensor(&picture) - &cut).iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
        assert!(worst <= 1.01 / 255.0, "{worst}");
    }

    #[test]
    fn turning_after_resizing_equals_turning_before() {
        let gradient = RgbImage::from_fn(40, 25, |x, y| {
            image::Rgb([u8::try_from(x * 6).unwrap(), u8::try_from(y * 10).unwrap(), 128])
        });
        for exif in 1..=8 {
            let orientation = Orientation::from_exif(exif).unwrap();
            let mut turned = DynamicImage::ImageRgb8(gradient.clone());
            turned.apply_orientation(orientation);
            let before = picture(turned.into_rgb8(), Orientation::NoTransforms);
            let after = picture(gradient.clone(), orientation);
            for mode in [ResizeMode::Squash, ResizeMode::Shortest, ResizeMode::Longest] {
                let made = preprocess(mode, [7, 5]);
                let (a, b) = (made.tensor(&before), made.tensor(&after));
                let worst = (&a - &b).iter().fold(0.0f32, |worst, d| worst.max(d.abs()));
                assert!(worst <= 1.5 / 255.0, "exif {exif} {mode:?}: {worst}");
            }
        }
    }

    #[test]
    fn a_panorama_costs_no_more_than_its_middle() {
        // Resized completely, it would have 134,400 × 224 pixels: 90 MB. Only one tensor is made.
        let panorama = picture(RgbImage::new(60_000, 100), Orientation::NoTransforms);
        let tensor = preprocess(ResizeMode::Shortest, [224, 224]).tensor(&panorama);
        assert_eq!(tensor.shape(), [3, 224, 224]);
    }
}
