//! Pictures as they are read.

use fast_image_resize::FilterType;
use image::{DynamicImage, RgbImage};

use crate::decode::{Detail, Picture};
use crate::resize::resized;

/// The longer side of a picture that is read. Text that is legible only in more detail is not found.
const LONG_SIDE: u32 = 1600;

/// How much detail of a picture [`upright`] needs.
pub const DETAIL: Detail = Detail::LongSide(LONG_SIDE);

/// The picture upright, with at most 1600 pixels on its longer side.
pub fn upright(picture: Picture) -> RgbImage {
    let (width, height) = picture.pixels.dimensions();
    let longest = width.max(height);
    let shrunken = |length: u32| {
        let length = (u64::from(length) * u64::from(LONG_SIDE)).div_ceil(u64::from(longest));
        u32::try_from(length).unwrap_or(LONG_SIDE).max(1)
    };
    let pixels = if longest > LONG_SIDE {
        resized(&picture.pixels, shrunken(width), shrunken(height), FilterType::CatmullRom)
    } else {
        picture.pixels
    };
    let mut pixels = DynamicImage::ImageRgb8(pixels);
    pixels.apply_orientation(picture.orientation);
    pixels.into_rgb8()
}
