//! Finds the lines of text in a picture.

use image::RgbImage;
use ndarray::{Array4, ArrayViewD, Ix2};

use super::rectangle::Point;
use super::regions::boxes;
use crate::model::{Graph, ModelError};
use crate::resize::interpolated;

/// The sides of the detector's input are multiples of this.
const MULTIPLE: u32 = 32;
/// Shorter or narrower boxes, in pixels of the picture, have no legible text.
const SHORTEST: f32 = 4.0;

/// Four corners in whole pixels of a picture, clockwise from the top left.
pub(super) type Corners = [Point; 4];

/// The lines that were found.
pub(super) struct Detection {
    pub(super) boxes: Vec<Corners>,
    /// The median height of a line, in pixels of the detector's input. 0 without lines.
    pub(super) median_height: f32,
}

/// A text detector of PP-OCR: a picture to the probability, for each pixel, that it belongs to a line of text.
pub(super) struct Detector(pub(super) Graph);

impl Detector {
    /// Finds lines in `picture`, shrunken until its longer side has `side` pixels.
    ///
    /// # Errors
    /// [`ModelError::Inference`].
    pub(super) fn find(&self, picture: &RgbImage, side: u32) -> Result<Detection, ModelError> {
        let (width, height) = picture.dimensions();
        let (input_width, input_height) = input_size((width, height), side);
        let input = tensor(&interpolated(picture, input_width, input_height));
        let lines = self.0.run(input, |map| lines(&map, (input_width, input_height)))?;
        let mut heights: Vec<f32> = lines.iter().map(super::rectangle::Rectangle::short_side).collect();
        heights.sort_by(f32::total_cmp);
        let median_height = heights.get(heights.len() / 2).copied().unwrap_or(0.0);
        let (width, height) = (float(width), float(height));
        let (wider, higher) = (width / float(input_width), height / float(input_height));
        let whole =
            |(x, y): Point| ((x * wider).round().clamp(0.0, width), (y * higher).round().clamp(0.0, height));
        let corners = lines.iter().map(|line| line.corners().map(whole));
        let boxes = corners.filter(|corners| {
            distance(corners[0], corners[1]) >= SHORTEST && distance(corners[0], corners[3]) >= SHORTEST
        });
        Ok(Detection { boxes: boxes.collect(), median_height })
    }
}

fn lines(
    map: &ArrayViewD<'_, f32>,
    (width, height): (u32, u32),
) -> Result<Vec<super::rectangle::Rectangle>, String> {
    let expected = [1, 1, height as usize, width as usize];
    if map.shape() != expected {
        return Err(format!("output is {:?}, expected {expected:?}", map.shape()));
    }
    let map = map.index_axis(ndarray::Axis(0), 0);
    let map = map.index_axis(ndarray::Axis(0), 0).into_dimensionality::<Ix2>();
    Ok(boxes(&map.map_err(|error| error.to_string())?))
}

/// The size of the detector's input for a picture of this size.
fn input_size((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let scale = (f64::from(side) / f64::from(width.max(height).max(1))).min(1.0);
    let scaled = |length: u32| rounded(f64::from(length) * scale);
    (scaled(width), scaled(height))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "it is at most a side of a picture"
)]
fn rounded(length: f64) -> u32 {
    let multiples = (length.floor() / f64::from(MULTIPLE)).round_ties_even() as u32;
    multiples.max(1) * MULTIPLE
}

/// Blue, green and red from -1 to 1: PP-OCR's models are trained on pictures in this order.
pub(super) fn tensor(picture: &RgbImage) -> Array4<f32> {
    let (width, height) = picture.dimensions();
    let mut tensor = Array4::zeros((1, 3, height as usize, width as usize));
    write(picture, tensor.index_axis_mut(ndarray::Axis(0), 0));
    tensor
}

/// Writes a picture into the left of a tensor `[3, height, width]`.
pub(super) fn write(picture: &RgbImage, mut tensor: ndarray::ArrayViewMut3<'_, f32>) {
    for (colour, mut plane) in tensor.outer_iter_mut().enumerate() {
        let values = picture.as_raw().chunks_exact(3 * picture.width() as usize);
        for (row, values) in plane.outer_iter_mut().zip(values) {
            for (value, pixel) in row.into_iter().zip(values.chunks_exact(3)) {
                *value = f32::from(pixel[2 - colour]) / 127.5 - 1.0;
            }
        }
    }
}

pub(super) fn distance(one: Point, other: Point) -> f32 {
    (one.0 - other.0).hypot(one.1 - other.1)
}

#[expect(clippy::cast_precision_loss, reason = "a picture's side, far below 2^24")]
pub(super) fn float(length: u32) -> f32 {
    length as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_input_is_a_multiple_of_32() {
        #[track_caller]
        fn check(size: (u32, u32), expected: (u32, u32)) {
            assert_eq!(input_size(size, 640), expected, "{size:?}");
        }
        check((1600, 1200), (640, 480));
        check((1200, 1600), (480, 640));
        check((1080, 2340), (288, 640));
        check((300, 200), (288, 192));
        check((1, 1), (32, 32));
        check((100_000, 1), (640, 32));
    }

    #[test]
    fn colours_are_blue_green_red() {
        let picture = RgbImage::from_pixel(2, 1, image::Rgb([255, 0, 51]));
        let values: Vec<f32> = tensor(&picture).into_iter().collect();
        assert_eq!(values, [-0.6, -0.6, -1.0, -1.0, 1.0, 1.0]);
    }
}
