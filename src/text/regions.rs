//! From the detector's map to boxes: the post-processing of DB (Liao et al., "Real-time Scene Text Detection with
//! Differentiable Binarization", 2020) with the constants of PP-OCR.

use std::f32::consts::TAU;
use std::iter::successors;

use ndarray::ArrayView2;

use super::rectangle::{Point, Rectangle};

/// A pixel of the map belongs to text above this probability.
const TEXT: f32 = 0.3;
/// A box counts if the mean probability inside it is at least this.
const BOX: f32 = 0.5;
/// The detector finds shrunken lines. They are grown by this times their area and divided by their perimeter.
const GROWTH: f32 = 1.6;
/// How far the outline of a grown box may be from round corners, in pixels of the map.
const ARC: f32 = 0.25;
/// The shortest side of a region, in pixels of the map, and of its box after it has grown.
const SHORTEST: (f32, f32) = (3.0, 5.0);
/// Boxes of one picture at most.
const MOST: usize = 1000;

/// The boxes of the lines of text in a map of probabilities, in pixels of the map.
pub(super) fn boxes(map: &ArrayView2<'_, f32>) -> Vec<Rectangle> {
    let mask = Mask::of(map);
    let boxes = mask.regions().into_iter().filter_map(|region| {
        let tight = Rectangle::around(region).filter(|tight| tight.short_side() >= SHORTEST.0)?;
        let is_text = mean_inside(map, &tight) >= BOX;
        let grown = grown(&tight)?;
        (is_text && grown.short_side() >= SHORTEST.1).then_some(grown)
    });
    boxes.take(MOST).collect()
}

/// The box, grown as in PP-OCR, whose boxes recognisers are used to. PP-OCR leaves this to Clipper 6, which computes in whole
/// pixels: it cuts the fractions of the corners, moves the sides outwards, connects them by arcs, and rounds all points. The
/// box is the smallest one around these.
fn grown(tight: &Rectangle) -> Option<Rectangle> {
    let margin = GROWTH * tight.area() / (2.0 * (tight.length + tight.breadth));
    let step = 2.0 * (1.0 - ARC / margin).acos().max(1.0 / margin);
    let corners = tight.corners().map(|(x, y)| (x.trunc(), y.trunc()));
    let outline = (0..4).flat_map(|at| {
        let [before, corner, after] = [at + 3, at, at + 1].map(|at| corners[at % 4]);
        let (from, to) = (outwards(before, corner), outwards(corner, after));
        let steps = ((to - from).rem_euclid(TAU) / step).round().max(1.0);
        let arc = successors(Some(0.0), |at| Some(at + 1.0)).take_while(move |at| *at < steps);
        let angles = arc.map(move |at: f32| from + at * step).chain([to]);
        angles.map(move |angle| {
            ((corner.0 + margin * angle.cos()).round(), (corner.1 + margin * angle.sin()).round())
        })
    });
    Rectangle::around(outline.collect())
}

/// The angle at which the outside is, seen from a side. Sides run clockwise on the screen.
fn outwards(from: Point, to: Point) -> f32 {
    (from.0 - to.0).atan2(to.1 - from.1)
}

/// Which pixels are text.
struct Mask {
    width: usize,
    height: usize,
    is_text: Vec<bool>,
}

impl Mask {
    /// Each pixel of text also marks its neighbours to the right and below, as in PP-OCR. So coordinates of pixels can be
    /// read as coordinates of their edges.
    fn of(map: &ArrayView2<'_, f32>) -> Mask {
        let (height, width) = map.dim();
        let mut is_text = vec![false; width * height];
        for ((y, x), probability) in map.indexed_iter() {
            if *probability > TEXT {
                for (x, y) in [(x, y), (x + 1, y), (x, y + 1), (x + 1, y + 1)] {
                    if x < width && y < height {
                        is_text[y * width + x] = true;
                    }
                }
            }
        }
        Mask { width, height, is_text }
    }

    /// The outermost pixels of each row of each connected region. Pixels that touch at a corner are connected.
    fn regions(mut self) -> Vec<Vec<Point>> {
        let mut regions = Vec::new();
        for start in 0..self.is_text.len() {
            if self.is_text[start] {
                regions.push(self.take_region(start));
            }
        }
        regions
    }

    /// Unmarks the region of the pixel `start`.
    fn take_region(&mut self, start: usize) -> Vec<Point> {
        let (mut ahead, mut rows) = (vec![start], Vec::<(usize, usize, usize)>::new());
        let first_row = start / self.width;
        self.is_text[start] = false;
        while let Some(pixel) = ahead.pop() {
            let (x, y) = (pixel % self.width, pixel / self.width);
            // `start` is the first pixel in reading order, so no row of the region is above it.
            while rows.len() <= y - first_row {
                rows.push((first_row + rows.len(), usize::MAX, 0));
            }
            let (_, left, right) = &mut rows[y - first_row];
            (*left, *right) = ((*left).min(x), (*right).max(x));
            for y in y.saturating_sub(1)..(y + 2).min(self.height) {
                for x in x.saturating_sub(1)..(x + 2).min(self.width) {
                    let neighbour = y * self.width + x;
                    if std::mem::take(&mut self.is_text[neighbour]) {
                        ahead.push(neighbour);
                    }
                }
            }
        }
        rows.into_iter().flat_map(|(y, left, right)| [point(left, y), point(right, y)]).collect()
    }
}

#[expect(clippy::cast_precision_loss, reason = "maps have less than 2^24 rows and columns")]
fn point(x: usize, y: usize) -> Point {
    (x as f32, y as f32)
}

/// The mean probability of the pixels in a rectangle.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "coordinates are clamped to those of the map"
)]
fn mean_inside(map: &ArrayView2<'_, f32>, rectangle: &Rectangle) -> f32 {
    let (height, width) = map.dim();
    let corners = rectangle.corners();
    let range = |values: [f32; 4], length: usize| {
        let low = values.into_iter().fold(f32::MAX, f32::min).floor().max(0.0) as usize;
        let high = values.into_iter().fold(f32::MIN, f32::max).ceil().max(0.0) as usize;
        low..(high + 1).min(length)
    };
    let (xs, ys) =
        (range(corners.map(|corner| corner.0), width), range(corners.map(|corner| corner.1), height));
    let (mut sum, mut count) = (0.0, 0.0);
    for y in ys {
        for x in xs.clone() {
            if rectangle.contains(point(x, y), 0.0) {
                sum += map[[y, x]];
                count += 1.0;
            }
        }
    }
    if count > 0.0 { sum / count } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use ndarray::Array2;

    use super::*;

    /// A map with this probability in these columns and rows, and 0 elsewhere.
    fn map(blocks: &[(std::ops::Range<usize>, std::ops::Range<usize>, f32)]) -> Array2<f32> {
        let mut map = Array2::zeros((60, 100));
        for (xs, ys, probability) in blocks {
            map.slice_mut(ndarray::s![ys.clone(), xs.clone()]).fill(*probability);
        }
        map
    }

    #[track_caller]
    fn check(blocks: &[(std::ops::Range<usize>, std::ops::Range<usize>, f32)], expected: &[[Point; 2]]) {
        let boxes = boxes(&map(blocks).view());
        let found: Vec<_> = boxes.iter().map(|found| [found.corners()[0], found.corners()[2]]).collect();
        assert_eq!(found.len(), expected.len(), "{found:?}");
        for (found, expected) in found.as_flattened().iter().zip(expected.as_flattened()) {
            let off = (found.0 - expected.0).abs().max((found.1 - expected.1).abs());
            assert!(off < 0.001, "{found:?} instead of {expected:?}");
        }
    }

    #[test]
    fn a_line_is_grown_by_its_shape() {
        // 40 × 10: grown by 1.6 × 400 / 100, and rounded.
        check(&[(20..60, 20..30, 0.9)], &[[(14.0, 14.0), (66.0, 36.0)]]);
        // Two lines, the upper one first.
        let two = [(20..60, 36..46, 0.9), (20..60, 12..22, 0.9)];
        check(&two, &[[(14.0, 6.0), (66.0, 28.0)], [(14.0, 30.0), (66.0, 52.0)]]);
        // Pixels that touch at a corner are one region.
        let touching = [(20..30, 20..30, 0.9), (30..40, 30..40, 0.9)];
        assert_eq!(Mask::of(&map(&touching).view()).regions().len(), 1);
    }

    #[test]
    fn a_turned_line_is_grown_in_whole_pixels() {
        let tight = Rectangle::around(vec![(10.7, 20.9), (90.7, 28.9), (88.9, 46.9), (8.9, 38.9)]);
        let corners = grown(&tight.unwrap()).unwrap().corners();
        // What RapidOCR 3.10 makes of this box (pyclipper 1.4, OpenCV 5.0).
        let expected = [(-0.980, 6.802), (103.178, 17.218), (98.980, 59.198), (-5.178, 48.782)];
        for (found, expected) in corners.iter().zip(expected) {
            let off: f32 = (found.0 - expected.0).hypot(found.1 - expected.1);
            assert!(off < 0.01, "{corners:?}");
        }
    }

    #[test]
    fn specks_and_doubtful_regions_are_no_lines() {
        check(&[(20..22, 20..22, 0.9)], &[]);
        check(&[(20..60, 20..30, 0.45)], &[]);
        check(&[(20..60, 20..30, 0.3)], &[]);
        check(&[], &[]);
    }
}
