//! Resizing pictures.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Resizes a whole picture by a convolution with `filter`.
pub(crate) fn resized(pixels: &RgbImage, width: u32, height: u32, filter: FilterType) -> RgbImage {
    resized_by(ResizeAlg::Convolution(filter), pixels, width, height)
}

/// Resizes a whole picture by linear interpolation between the nearest pixels, as OpenCV does by default. A smaller picture
/// has aliasing: use it only for models that were trained so.
pub(crate) fn interpolated(pixels: &RgbImage, width: u32, height: u32) -> RgbImage {
    resized_by(ResizeAlg::Interpolation(FilterType::Bilinear), pixels, width, height)
}

fn resized_by(algorithm: ResizeAlg, pixels: &RgbImage, width: u32, height: u32) -> RgbImage {
    let from = ImageRef::new(pixels.width(), pixels.height(), pixels.as_raw(), PixelType::U8x3);
    let mut to = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(algorithm).use_alpha(false);
    let from = from.expect("an RgbImage has three bytes per pixel");
    Resizer::new().resize(&from, &mut to, &options).expect("both are of three bytes a pixel");
    RgbImage::from_raw(width, height, to.into_vec()).expect("the resizer filled every pixel")
}
