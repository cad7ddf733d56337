//! Cuts a line of text out of a picture and straightens it.

use fast_image_resize::FilterType;
use image::{Rgb, RgbImage, imageops};

use super::detector::{Corners, distance, float};
use super::rectangle::Point;
use crate::resize::resized;

/// The height of a line in the recogniser's input.
pub(super) const HEIGHT: u32 = 48;
/// The widest line, at that height. Longer ones are squeezed: about 200 letters fit.
const WIDEST: u32 = 3200;
/// A box that is this many times as high as wide has a line that runs down the picture.
const UPRIGHT: f32 = 1.5;

/// A straight line of text, and where its corners are in the picture: clockwise from the one above its first letter.
pub(super) struct Crop {
    pub(super) pixels: RgbImage,
    pub(super) corners: Corners,
}

impl Crop {
    /// The line between these corners.
    pub(super) fn of(picture: &RgbImage, corners: Corners) -> Crop {
        let [top_left, top_right, bottom_right, bottom_left] = corners;
        let width = distance(top_left, top_right).max(distance(bottom_left, bottom_right)).max(1.0);
        let height = distance(top_left, bottom_left).max(distance(top_right, bottom_right)).max(1.0);
        // A line that runs down is turned to the left.
        let runs_down = height / width >= UPRIGHT;
        let (corners, width, height) = if runs_down {
            ([top_right, bottom_right, bottom_left, top_left], height, width)
        } else {
            (corners, width, height)
        };
        let line_width = whole(width * float(HEIGHT) / height, WIDEST);
        // Small text is enlarged on the way; large text is cut out as it is, and then made smaller without aliasing.
        let scale = (float(HEIGHT) / height).max(1.0);
        let cut = straightened(
            picture,
            &corners,
            (whole(width * scale, u32::MAX), whole(height * scale, u32::MAX)),
        );
        let is_right = cut.dimensions() == (line_width, HEIGHT);
        let pixels = if is_right { cut } else { resized(&cut, line_width, HEIGHT, FilterType::Bilinear) };
        Crop { pixels, corners }
    }

    /// The same line, seen from the other side.
    pub(super) fn turned(&self) -> Crop {
        let [a, b, c, d] = self.corners;
        Crop { pixels: imageops::rotate180(&self.pixels), corners: [c, d, a, b] }
    }
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "the value is clamped before")]
fn whole(length: f32, most: u32) -> u32 {
    (length.round().clamp(1.0, 65_536.0) as u32).min(most)
}

/// The part of `picture` between four corners, as a rectangle of this size.
fn straightened(picture: &RgbImage, corners: &Corners, (width, height): (u32, u32)) -> RgbImage {
    let plane = Perspective::onto(corners);
    RgbImage::from_fn(width, height, |x, y| {
        let (u, v) = ((float(x) + 0.5) / float(width), (float(y) + 0.5) / float(height));
        let (x, y) = plane.at(u, v);
        sample(picture, x - 0.5, y - 0.5)
    })
}

/// The perspective transform from the unit square to a quadrilateral (Heckbert, "Fundamentals of Texture Mapping and
/// Image Warping", 1989, section 2.2.3).
struct Perspective {
    x: [f32; 3],
    y: [f32; 3],
    divisor: [f32; 2],
}

impl Perspective {
    fn onto(&[(x0, y0), (x1, y1), (x2, y2), (x3, y3)]: &Corners) -> Perspective {
        let (dx1, dx2, sx) = (x1 - x2, x3 - x2, x0 - x1 + x2 - x3);
        let (dy1, dy2, sy) = (y1 - y2, y3 - y2, y0 - y1 + y2 - y3);
        let determinant = dx1 * dy2 - dx2 * dy1;
        // Without area there is nothing to see, and nothing to divide by.
        let over = |value: f32| if determinant.abs() > f32::EPSILON { value / determinant } else { 0.0 };
        let (g, h) = (over(sx * dy2 - dx2 * sy), over(dx1 * sy - sx * dy1));
        Perspective {
            x: [x1 - x0 + g * x1, x3 - x0 + h * x3, x0],
            y: [y1 - y0 + g * y1, y3 - y0 + h * y3, y0],
            divisor: [g, h],
        }
    }

    fn at(&self, u: f32, v: f32) -> Point {
        let divisor = self.divisor[0] * u + self.divisor[1] * v + 1.0;
        let along = |[a, b, c]: [f32; 3]| (a * u + b * v + c) / divisor;
        (along(self.x), along(self.y))
    }
}

/// The colour at a point between pixels, by bicubic interpolation (Keys, 1981, a = -0.75 as in OpenCV). Pixels at the edge
/// go on outside.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a point near the picture, a colour from 0 to 255"
)]
fn sample(picture: &RgbImage, x: f32, y: f32) -> Rgb<u8> {
    let (left, top) = (x.floor(), y.floor());
    let (across, down) = (weights(x - left), weights(y - top));
    let at = |start: f32, offset: u8, length: u32| {
        (start + f32::from(offset) - 1.0).clamp(0.0, float(length) - 1.0) as u32
    };
    let mut sums = [0.0; 3];
    for (row, down) in (0..).zip(down) {
        let y = at(top, row, picture.height());
        for (column, across) in (0..).zip(across) {
            let pixel = picture.get_pixel(at(left, column, picture.width()), y);
            for (sum, value) in sums.iter_mut().zip(pixel.0) {
                *sum += across * down * f32::from(value);
            }
        }
    }
    Rgb(sums.map(|sum| sum.round().clamp(0.0, 255.0) as u8))
}

/// The weights of the four pixels around a point that is this far behind the second of them.
fn weights(behind: f32) -> [f32; 4] {
    const A: f32 = -0.75;
    let near = |t: f32| ((A + 2.0) * t - (A + 3.0)) * t * t + 1.0;
    let far = |t: f32| ((A * t - 5.0 * A) * t + 8.0 * A) * t - 4.0 * A;
    [far(1.0 + behind), near(behind), near(1.0 - behind), far(2.0 - behind)]
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Red grows to the right, green to the bottom.
    fn picture() -> RgbImage {
        RgbImage::from_fn(200, 200, |x, y| Rgb([u8::try_from(x).unwrap(), u8::try_from(y).unwrap(), 0]))
    }

    #[track_caller]
    fn check(corners: Corners, size: (u32, u32), start: [u8; 2], end: [u8; 2]) {
        let crop = Crop::of(&picture(), corners);
        assert_eq!(crop.pixels.dimensions(), size);
        let close = |x, y, expected: [u8; 2]| {
            let Rgb([red, green, _]) = *crop.pixels.get_pixel(x, y);
            assert!(red.abs_diff(expected[0]) <= 2 && green.abs_diff(expected[1]) <= 2, "{red} {green}");
        };
        close(0, 0, start);
        close(size.0 - 1, size.1 - 1, end);
    }

    #[test]
    fn lines_are_straightened() {
        check([(20.0, 30.0), (116.0, 30.0), (116.0, 78.0), (20.0, 78.0)], (96, 48), [20, 30], [115, 77]);
        // Enlarged and shrunken.
        check([(20.0, 30.0), (116.0, 30.0), (116.0, 54.0), (20.0, 54.0)], (192, 48), [20, 30], [115, 53]);
        check([(4.0, 4.0), (196.0, 4.0), (196.0, 100.0), (4.0, 100.0)], (96, 48), [4, 4], [195, 99]);
        // Turned by 45°.
        check([(100.0, 50.0), (150.0, 100.0), (125.0, 125.0), (75.0, 75.0)], (96, 48), [100, 50], [125, 125]);
        // A line that runs down starts at the top right.
        check([(50.0, 20.0), (98.0, 20.0), (98.0, 116.0), (50.0, 116.0)], (96, 48), [97, 20], [50, 115]);
        // Without any area.
        check([(50.0, 20.0); 4], (48, 48), [50, 20], [50, 20]);
    }

    #[test]
    fn a_turned_line_starts_at_its_other_end() {
        let crop = Crop::of(&picture(), [(20.0, 30.0), (116.0, 30.0), (116.0, 78.0), (20.0, 78.0)]);
        let turned = crop.turned();
        assert_eq!(turned.corners, [(116.0, 78.0), (20.0, 78.0), (20.0, 30.0), (116.0, 30.0)]);
        assert_eq!(turned.pixels.get_pixel(0, 0), crop.pixels.get_pixel(95, 47));
    }

    #[test]
    fn perspective_meets_all_corners() {
        let corners = [(10.0, 20.0), (90.0, 10.0), (100.0, 80.0), (0.0, 60.0)];
        let plane = Perspective::onto(&corners);
        for ((u, v), corner) in [(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)].into_iter().zip(corners) {
            assert!(distance(plane.at(u, v), corner) < 1e-3);
        }
    }
}
