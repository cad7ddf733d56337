//! Resizing pictures.

use fast_image_resize::images::{Image, ImageRef};
use fast_image_resize::{FilterType, PixelType, ResizeAlg, ResizeOptions, Resizer};
use image::RgbImage;

/// Resizes a whole picture by a convolution with `filter`.
pub(crate) fn resized(pixels: &RgbImage, width: u32, height: u32, filter: FilterType) -> RgbImage {
    let from = ImageRef::new(pixels.width(), pixels.height(), pixels.as_raw(), PixelType::U8x3);
    let mut to = Image::new(width, height, PixelType::U8x3);
    let options = ResizeOptions::new().resize_alg(ResizeAlg::Convolution(filter)).use_alpha(false);
    let from = from.expect("an RgbImage has three bytes per pixel");
    Resizer::new().resize(&from, &mut to, &options).expect("both are of three bytes a pixel");
    RgbImage::from_raw(width, height, to.into_vec()).expect("the resizer filled every pixel")
}

/// Resizes a whole picture by linear interpolation between the nearest pixels, to the bit as OpenCV does by default
/// (`cv2.resize`, 8 bits). A smaller picture has aliasing: use it only for models that were trained so.
pub(crate) fn interpolated(pixels: &RgbImage, width: u32, height: u32) -> RgbImage {
    let columns = Between::all(pixels.width(), width);
    let length = pixels.width() as usize * 3;
    // A row of the picture, interpolated between its columns.
    let interpolated = |y: u32| -> Vec<u32> {
        let row = &pixels.as_raw()[y as usize * length..][..length];
        let values = columns.iter().flat_map(|column| {
            let [left, right] = column.at.map(|x| &row[x as usize * 3..][..3]);
            let value =
                |c: usize| u32::from(left[c]) * column.shares[0] + u32::from(right[c]) * column.shares[1];
            [0, 1, 2].map(|c| value(c) >> 4)
        });
        values.collect()
    };
    let mut bytes = Vec::with_capacity(width as usize * height as usize * 3);
    // The two rows that were used last, with their numbers.
    let mut used = [(u32::MAX, Vec::new()), (u32::MAX, Vec::new())];
    for Between { at, shares } in Between::all(pixels.height(), height) {
        if used[1].0 == at[0] {
            used.swap(0, 1);
        }
        for (row, y) in used.iter_mut().zip(at) {
            if row.0 != y {
                *row = (y, interpolated(y));
            }
        }
        let mixed = |(above, below): (&u32, &u32)| {
            let parts = [above * shares[0], below * shares[1]];
            u8::try_from(((parts[0] >> 16) + (parts[1] >> 16) + 2) >> 2).unwrap_or(u8::MAX)
        };
        bytes.extend(used[0].1.iter().zip(&used[1].1).map(mixed));
    }
    RgbImage::from_raw(width, height, bytes).expect("every pixel was computed")
}

/// A place between two pixels of a row or column.
struct Between {
    at: [u32; 2],
    /// The share of each, in 2048ths.
    shares: [u32; 2],
}

impl Between {
    /// The place of each of `to` pixels among `from`.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "below 2^16, and not below 0"
    )]
    fn all(from: u32, to: u32) -> Vec<Between> {
        let scale = f64::from(from) / f64::from(to);
        let place = |one: u32| {
            let at = ((f64::from(one) + 0.5) * scale - 0.5) as f32;
            let second = at - at.floor();
            let pixel = |at: f32| (at.max(0.0) as u32).min(from - 1);
            let share = |of_one: f32| (of_one * 2048.0).round_ties_even() as u32;
            Between {
                at: [pixel(at.floor()), pixel(at.floor() + 1.0)],
                shares: [share(1.0 - second), share(second)],
            }
        };
        (0..to).map(place).collect()
    }
}

#[cfg(test)]
mod tests {
    use image::Rgb;

    use super::*;

    /// The digests are those of what OpenCV 5.0 makes of the same pictures.
    #[test]
    fn pixels_are_interpolated_as_opencv_does() {
        #[track_caller]
        fn check(from: (u32, u32), to: (u32, u32), expected: u32) {
            let byte = |value: u32| u8::try_from(value % 256).unwrap();
            let picture = RgbImage::from_fn(from.0, from.1, |x, y| {
                Rgb([byte(x * 5 + y * 3), byte(x * y), byte(x * x + 7 * y)])
            });
            assert_eq!(crc32fast::hash(interpolated(&picture, to.0, to.1).as_raw()), expected);
        }
        check((100, 70), (64, 96), 0xfce1_130e);
        check((100, 70), (64, 32), 0x2dd0_6719);
        check((880, 600), (640, 448), 0x0841_2a1d);
        check((33, 17), (96, 64), 0x787f_40b8);
        check((1170, 540), (640, 288), 0xa6cd_2c4e);
    }
}
