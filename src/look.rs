//! Looks: small copies of pictures, stored in their records, to compare pictures whose perceptual hashes agree.
//!
//! A hash describes only relative strengths of frequencies. These are the same for two invoices on one form, for a picture
//! and its grey copy, and for two exposures of one scene. A look has the brightness of 16 × 16 cells and the colour of
//! 8 × 8. Documents, screenshots and drawings differ only in small places, so their looks have 32 × 32 cells.

use fast_image_resize::FilterType;
use image::{Rgb, RgbImage};
use minicbor::{Decode, Encode};

use crate::decode::Picture;
use crate::perceptual::{Rotation, squashed};

/// Side in pixels of the reduced picture from which everything is computed.
const SIDE: u32 = 32;
/// Cells of brightness per side: for a drawn picture, and for a photo.
const DRAWN_SIDE: usize = SIDE as usize;
const PHOTO_SIDE: usize = DRAWN_SIDE / 2;
/// Cells of colour per side.
const COLOUR_SIDE: usize = 8;
const COLOUR_CELLS: usize = COLOUR_SIDE * COLOUR_SIDE;

/// A picture counts as drawn if this share of its pixels is within [`PAPER_LEVELS`] of brightness (the paper, or the
/// background of a screen) and the standard deviation of all is at least [`INK_DEVIATION`]. The second condition excludes
/// fog. `cargo run --release --example duplicates -- FOLDER` prints how many photos and documents count as drawn.
const PAPER_SHARE: f64 = 0.5;
const PAPER_LEVELS: usize = 16;
const INK_DEVIATION: f64 = 24.0;
/// A nearly empty page has too little ink for that. It counts as drawn if this share of its pixels is within fewer levels.
const EMPTY_PAGE_SHARE: f64 = 0.8;
const EMPTY_PAGE_LEVELS: usize = 8;
/// About how many pixels are sampled for this.
const COUNTED: usize = 1 << 16;

/// How much two pictures differ, or may differ.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Difference {
    /// The largest difference in brightness of a cell, of 255, after overall contrast and brightness are made equal.
    pub cell: f32,
    /// The natural logarithm of the ratio of the contrasts.
    pub contrast: f32,
    /// The difference in mean brightness, of 255.
    pub brightness: f32,
    /// The largest difference in Cb or Cr of a cell, of 255, less the tolerance of `COLOUR_SHARE`.
    pub colour: f32,
}

// How much two copies of one picture may differ: more than saving again at any quality and size changes, and less than the
// differences between documents on one template, or between exposures of one scene. Documents change more if they are saved
// in another size. `cargo run --release --example duplicates -- FOLDER` prints the range of each number.
const DRAWN_OF_ONE_SIZE: Difference = Difference { cell: 3.8, contrast: 0.14, brightness: 3.5, colour: 3.0 };
const DRAWN: Difference = Difference { cell: 5.0, ..DRAWN_OF_ONE_SIZE };
const PHOTO: Difference = Difference { cell: 5.0, contrast: 0.06, brightness: 3.0, colour: 3.0 };

/// Saving can convert a wide gamut to a narrow one, which weakens all colours by up to this share.
const COLOUR_SHARE: f32 = 0.2;

/// A picture is grey if the root mean square of its colours (Cb and Cr, of 255) is at most this.
const GREY: f32 = 2.0;
/// The least strength of one shot's colours as a share of another's of the same scene, and their least cosine. Estimates:
/// less light makes colours weaker, and a grey copy has none.
const LEAST_STRENGTH: f32 = 0.4;
const LEAST_AGREEMENT: f32 = 0.7;

/// How much contrast and brightness may differ between two pictures with the same exposure, if one is slightly cropped. Of
/// photos cropped by 5 %, 99 in 100 differ less.
const SAME_CONTRAST: f32 = 0.15;
const SAME_BRIGHTNESS: f32 = 8.0;

/// The small copy. Its length tells the number of cells.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
#[cbor(transparent)]
pub struct Look(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    Vec<u8>,
);

impl Difference {
    fn is_within(&self, most: &Difference) -> bool {
        let Difference { cell, contrast, brightness, colour } = *self;
        cell <= most.cell
            && contrast <= most.contrast
            && brightness <= most.brightness
            && colour <= most.colour
    }
}

impl Look {
    /// The look of `picture`, upright.
    pub fn of(picture: &Picture) -> Look {
        // This filter weights pixels by their distance from the middle of a cell. Plain means would depend too much on the
        // picture's size when a line is at the edge of a cell.
        let small = squashed(picture, SIDE, FilterType::Bilinear);
        let grey: Vec<f32> = small.to_luma8().iter().map(|&value| value.into()).collect();
        let side = if is_drawn(&picture.pixels) { DRAWN_SIDE } else { PHOTO_SIDE };
        let grey = reduced(grey, side * side);
        let mut bytes: Vec<u8> = grey.into_iter().map(byte).collect();
        bytes.extend(colours(&small.into_rgb8()));
        Look(bytes)
    }

    /// Whether the picture is a document, a screenshot or a drawing.
    pub fn is_drawn(&self) -> bool {
        self.side() == Some(DRAWN_SIDE)
    }

    /// Whether `other` can be the same picture as this one in this turn, saved again. Drawn pictures must agree even in
    /// places as small as a word. Other colours or another exposure are never the same picture.
    pub fn is_of_same_picture(&self, other: &Look, turn: Rotation, is_same_size: bool) -> bool {
        let tolerance = match (self.is_drawn() && other.is_drawn(), is_same_size) {
            (true, true) => DRAWN_OF_ONE_SIZE,
            (true, false) => DRAWN,
            (false, _) => PHOTO,
        };
        self.difference(other, turn).is_some_and(|difference| difference.is_within(&tolerance))
    }

    /// The difference of `other` from this one in this turn; `None` if a later version made one of them.
    pub fn difference(&self, other: &Look, turn: Rotation) -> Option<Difference> {
        let (mine, others) = (self.grey()?, other.grey()?);
        let cells = mine.len().min(others.len());
        let (mine, others) = (reduced(mine, cells), reduced(others, cells));
        let ((my_mean, my_deviation), (other_mean, other_deviation)) = (spread(&mine), spread(&others));
        let contrast = my_deviation.max(f32::MIN_POSITIVE) / other_deviation.max(f32::MIN_POSITIVE);
        let side = cells.isqrt();
        let cell = |at: usize| {
            let mine = mine[source(turn, side, at)] - my_mean;
            (mine - (others[at] - other_mean) * contrast).abs()
        };
        Some(Difference {
            cell: (0..cells).map(cell).fold(0.0, f32::max),
            contrast: contrast.ln().abs(),
            brightness: (my_mean - other_mean).abs(),
            colour: colour_difference(self.colours(), other.colours(), turn),
        })
    }

    /// The correlation of light and dark in both pictures, by 8 × 8 cells, −1 to 1.
    pub fn layout_correlation(&self, other: &Look) -> f32 {
        let (Some(mine), Some(others)) = (self.grey(), other.grey()) else { return 0.0 };
        correlation(&reduced(mine, COLOUR_CELLS), &reduced(others, COLOUR_CELLS))
    }

    /// Whether both have similar colours overall, with this one in this turn. True for two shots of one scene in any light,
    /// false for a picture and its copy in grey or in other colours.
    pub fn has_similar_colours(&self, other: &Look, turn: Rotation) -> bool {
        if self.side().is_none() || other.side().is_none() {
            return false;
        }
        let centred = |look: &Look, turn: Rotation| {
            let colour = |at: usize| f32::from(look.colours()[colour_source(turn, at)]) - 128.0;
            (0..2 * COLOUR_CELLS).map(colour).collect()
        };
        let (mine, others): (Vec<f32>, Vec<f32>) = (centred(self, turn), centred(other, Rotation::None));
        let mean_product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>() / count(a);
        let strengths = [mean_product(&mine, &mine).sqrt(), mean_product(&others, &others).sqrt()];
        let (weak, strong) = (strengths[0].min(strengths[1]), strengths[0].max(strengths[1]));
        strong <= GREY
            || weak >= LEAST_STRENGTH * strong
                && mean_product(&mine, &others) >= LEAST_AGREEMENT * weak * strong
    }

    /// Whether both have about the same contrast and brightness, as crops of one photo do.
    pub fn has_same_exposure(&self, other: &Look) -> bool {
        self.difference(other, Rotation::None).is_some_and(|Difference { contrast, brightness, .. }| {
            contrast <= SAME_CONTRAST && brightness <= SAME_BRIGHTNESS
        })
    }

    /// The picture in as many pixels as the look has cells of brightness, squeezed to a square; `None` for a look of a later
    /// version.
    pub fn square(&self) -> Option<RgbImage> {
        let (side, grey) = (self.side()?, self.grey()?);
        let (cb, cr) = self.colours().split_at(COLOUR_CELLS);
        let pixel = |x: u32, y: u32| {
            let (x, y) = (x as usize, y as usize);
            let colour = y * COLOUR_SIDE / side * COLOUR_SIDE + x * COLOUR_SIDE / side;
            // The inverse of `colours`: how much stronger each channel is than the brightness by BT.601.
            let red = (f32::from(cr[colour]) - 128.0) / 0.713;
            let blue = (f32::from(cb[colour]) - 128.0) / 0.564;
            let green = -(0.299 * red + 0.114 * blue) / 0.587;
            // `to_luma8` weights the channels by BT.709.
            let brightness = grey[y * side + x] - (0.2126 * red + 0.7152 * green + 0.0722 * blue);
            Rgb([red, green, blue].map(|stronger| byte(brightness + stronger)))
        };
        let side = u32::try_from(side).ok()?;
        Some(RgbImage::from_fn(side, side, pixel))
    }

    /// Cells of brightness per side; `None` for a look of a later version.
    fn side(&self) -> Option<usize> {
        let grey = self.0.len().checked_sub(2 * COLOUR_CELLS)?;
        [DRAWN_SIDE, PHOTO_SIDE].into_iter().find(|side| side * side == grey)
    }

    fn grey(&self) -> Option<Vec<f32>> {
        let side = self.side()?;
        Some(self.0[..side * side].iter().map(|&value| value.into()).collect())
    }

    /// First all Cb, then all Cr.
    fn colours(&self) -> &[u8] {
        &self.0[self.0.len() - 2 * COLOUR_CELLS..]
    }
}

fn is_drawn(pixels: &RgbImage) -> bool {
    let mut counts = [0_u32; 256];
    // An odd step avoids sampling the same columns again and again.
    let step = (pixels.len() / 3 / COUNTED) | 1;
    for pixel in pixels.pixels().step_by(step) {
        counts[usize::from(brightness(pixel.0))] += 1;
    }
    let all = f64::from(counts.iter().sum::<u32>());
    let share = |levels: usize| {
        let most = counts.windows(levels).map(|near| near.iter().sum::<u32>()).max();
        f64::from(most.unwrap_or(0)) / all
    };
    let moment = |power: i32| {
        let levels = counts.iter().zip(0_u8..=255);
        levels.map(|(count, level)| f64::from(*count) * f64::from(level).powi(power)).sum::<f64>() / all
    };
    let deviation = (moment(2) - moment(1).powi(2)).max(0.0).sqrt();
    share(EMPTY_PAGE_LEVELS) >= EMPTY_PAGE_SHARE
        || share(PAPER_LEVELS) >= PAPER_SHARE && deviation >= INK_DEVIATION
}

/// ITU-R BT.601 in integers.
fn brightness([red, green, blue]: [u8; 3]) -> u8 {
    let sum = 77 * u32::from(red) + 150 * u32::from(green) + 29 * u32::from(blue);
    u8::try_from(sum >> 8).unwrap_or(u8::MAX)
}

/// Cb of [`COLOUR_CELLS`] cells, then Cr, around 128.
fn colours(small: &RgbImage) -> Vec<u8> {
    let channel = |channel: usize| -> Vec<f32> {
        reduced(small.pixels().map(|pixel| pixel.0[channel].into()).collect(), COLOUR_CELLS)
    };
    let (red, green, blue) = (channel(0), channel(1), channel(2));
    let grey = |at: usize| 0.299 * red[at] + 0.587 * green[at] + 0.114 * blue[at];
    let cb = (0..COLOUR_CELLS).map(|at| (blue[at] - grey(at)) * 0.564 + 128.0);
    let cr = (0..COLOUR_CELLS).map(|at| (red[at] - grey(at)) * 0.713 + 128.0);
    cb.chain(cr).map(byte).collect()
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
fn byte(value: f32) -> u8 {
    value.round() as u8
}

/// Halves the sides of a square of cells until it has at most `cells` cells.
fn reduced(mut square: Vec<f32>, cells: usize) -> Vec<f32> {
    while square.len() > cells {
        let side = square.len().isqrt();
        let mean = |x: usize, y: usize| {
            let at = 2 * y * side + 2 * x;
            (square[at] + square[at + 1] + square[at + side] + square[at + side + 1]) / 4.0
        };
        let half = side / 2;
        square = (0..half * half).map(|at| mean(at % half, at / half)).collect();
    }
    square
}

/// The index of the cell that a turn moves to `at`.
fn source(turn: Rotation, side: usize, at: usize) -> usize {
    let (x, y, last) = (at % side, at / side, side - 1);
    let (x, y) = match turn {
        Rotation::None => (x, y),
        Rotation::Quarter => (y, last - x),
        Rotation::Half => (last - x, last - y),
        Rotation::ThreeQuarters => (last - y, x),
    };
    y * side + x
}

/// The same for colours; Cb and Cr are turned separately.
fn colour_source(turn: Rotation, at: usize) -> usize {
    let (channel, cell) = (at / COLOUR_CELLS * COLOUR_CELLS, at % COLOUR_CELLS);
    channel + source(turn, COLOUR_SIDE, cell)
}

fn colour_difference(a: &[u8], b: &[u8], turn: Rotation) -> f32 {
    let cell = |at: usize| {
        let (a, b) = (a[colour_source(turn, at)], b[at]);
        let strength = a.abs_diff(128).max(b.abs_diff(128));
        f32::from(a.abs_diff(b)) - COLOUR_SHARE * f32::from(strength)
    };
    (0..2 * COLOUR_CELLS).map(cell).fold(0.0, f32::max)
}

fn correlation(a: &[f32], b: &[f32]) -> f32 {
    let ((mean_a, deviation_a), (mean_b, deviation_b)) = (spread(a), spread(b));
    let products: f32 = a.iter().zip(b).map(|(a, b)| (a - mean_a) * (b - mean_b)).sum();
    let scale = deviation_a * deviation_b * count(a);
    if scale > 0.0 { products / scale } else { 0.0 }
}

/// Mean and standard deviation.
fn spread(cells: &[f32]) -> (f32, f32) {
    let mean = cells.iter().sum::<f32>() / count(cells);
    let variance = cells.iter().map(|cell| (cell - mean).powi(2)).sum::<f32>() / count(cells);
    (mean, variance.sqrt())
}

fn count(cells: &[f32]) -> f32 {
    u16::try_from(cells.len()).map_or(f32::MAX, f32::from)
}

#[cfg(test)]
mod tests {
    use image::imageops;
    use image::metadata::Orientation;

    use super::*;
    use crate::decode::Metadata;

    fn look_as(pixels: RgbImage, orientation: Orientation) -> Look {
        let full_size = pixels.dimensions();
        Look::of(&Picture {
            pixels,
            full_size,
            eighths: 8,
            orientation,
            metadata: Metadata::default(),
            note: None,
        })
    }

    fn look(pixels: RgbImage) -> Look {
        look_as(pixels, Orientation::NoTransforms)
    }

    /// A picture with waves of brightness and with colour.
    fn photo() -> RgbImage {
        RgbImage::from_fn(320, 240, |x, y| {
            let wave =
                |at: u32, length: f32| 127.0 + 90.0 * (f32::from(u16::try_from(at).unwrap()) / length).sin();
            Rgb([
                byte(wave(x, 31.0)),
                byte((wave(y, 23.0) + wave(x + y, 50.0)) / 2.0),
                byte(wave(x + 2 * y, 70.0)),
            ])
        })
    }

    #[test]
    fn a_look_shows_where_the_colours_are() {
        let red_left = |x, _| if x < 160 { Rgb([200, 40, 30]) } else { Rgb([30, 60, 220]) };
        let square = look(RgbImage::from_fn(320, 240, red_left)).square().unwrap();
        let (left, right) = (square.get_pixel(2, 8).0, square.get_pixel(square.width() - 3, 8).0);
        for (found, expected) in [(left, [200, 40, 30]), (right, [30, 60, 220])] {
            let differences = found.iter().zip(expected).map(|(found, expected)| found.abs_diff(expected));
            assert!(differences.max() <= Some(6), "{found:?} instead of {expected:?}");
        }
        assert_eq!(Look(vec![0; 7]).square(), None);
    }

    /// Black words on white paper, one of them at this place.
    fn page(word: u32) -> RgbImage {
        let mut page = RgbImage::from_pixel(600, 800, Rgb([255; 3]));
        for (row, x, y) in
            (0..20).flat_map(|row| (0..300).flat_map(move |x| (0..12).map(move |y| (row, x, y))))
        {
            page.put_pixel(60 + x, 40 + 36 * row + y, Rgb([if (x / 5 + row) % 3 == 0 { 0 } else { 255 }; 3]));
        }
        for (x, y) in (0..40).flat_map(|x| (0..12).map(move |y| (x, y))) {
            page.put_pixel(400 + word + x, 400 + y, Rgb([if x / 4 % 2 == 0 { 0 } else { 255 }; 3]));
        }
        page
    }

    fn with(pixels: &RgbImage, change: impl Fn([u8; 3]) -> [u8; 3]) -> RgbImage {
        let mut pixels = pixels.clone();
        pixels.pixels_mut().for_each(|pixel| pixel.0 = change(pixel.0));
        pixels
    }

    #[track_caller]
    fn check(a: &RgbImage, b: &RgbImage, turn: Rotation, expected: bool) {
        let is_same_size = a.width().max(a.height()) == b.width().max(b.height());
        let (a, b) = (look(a.clone()), look(b.clone()));
        assert_eq!(a.is_of_same_picture(&b, turn, is_same_size), expected);
    }

    #[test]
    fn copies_look_the_same_and_others_do_not() {
        let (photo, page) = (photo(), page(0));
        for original in [&photo, &page] {
            let (width, height) = original.dimensions();
            let half = imageops::resize(original, width / 2, height / 2, imageops::FilterType::Lanczos3);
            check(original, original, Rotation::None, true);
            check(original, &half, Rotation::None, true);
            check(original, &imageops::rotate90(original), Rotation::Quarter, true);
            check(original, &imageops::rotate180(original), Rotation::Half, true);
            check(original, &imageops::rotate270(original), Rotation::ThreeQuarters, true);
            check(original, &imageops::rotate90(original), Rotation::None, false);
            check(original, &with(original, |pixel| pixel.map(|value| value / 3 * 2)), Rotation::None, false);
        }
        check(&photo, &with(&photo, |[red, green, blue]| [green, red, blue]), Rotation::None, false);
        check(&photo, &with(&photo, |pixel| [brightness(pixel); 3]), Rotation::None, false);
    }

    #[test]
    fn a_page_with_another_word_is_another_page() {
        check(&page(0), &page(60), Rotation::None, false);
        check(&page(0), &imageops::thumbnail(&page(60), 450, 600), Rotation::None, false);
    }

    #[test]
    fn paper_is_distinguished_from_photos() {
        assert!(look(page(0)).is_drawn());
        assert!(!look(photo()).is_drawn());
    }

    #[test]
    fn orientation_is_applied() {
        let stored = look_as(imageops::rotate270(&photo()), Orientation::Rotate90);
        assert!(stored.is_of_same_picture(&look(photo()), Rotation::None, true));
    }

    #[test]
    fn another_exposure_has_the_same_layout_of_light_and_dark() {
        let dark = with(&photo(), |pixel| pixel.map(|value| value / 3));
        assert!(look(photo()).layout_correlation(&look(dark)) > 0.95);
        let inverted = with(&photo(), |pixel| pixel.map(|value| 255 - value));
        assert!(look(photo()).layout_correlation(&look(inverted)) < -0.95);
    }

    #[test]
    fn copies_in_grey_or_other_colours_do_not_match() {
        #[track_caller]
        fn check(change: fn([u8; 3]) -> [u8; 3], expected: bool) {
            let changed = with(&photo(), change);
            assert_eq!(look(photo()).has_similar_colours(&look(changed.clone()), Rotation::None), expected);
            let turned = look(imageops::rotate90(&changed));
            assert_eq!(look(photo()).has_similar_colours(&turned, Rotation::Quarter), expected);
        }
        check(|pixel| pixel, true);
        check(|pixel| pixel.map(|value| value / 3 * 2), true);
        check(|pixel| [brightness(pixel); 3], false);
        check(|[red, green, blue]| [255 - red, 255 - green, 255 - blue], false);
        let grey = || with(&photo(), |pixel| [brightness(pixel); 3]);
        assert!(look(grey()).has_similar_colours(&look(grey()), Rotation::None));
        assert!(!look(photo()).has_similar_colours(&look(imageops::rotate90(&photo())), Rotation::None));
    }

    #[test]
    fn looks_of_a_later_version_never_match() {
        let unknown = Look(vec![1; 7]);
        assert!(!unknown.is_of_same_picture(&unknown, Rotation::None, true));
        assert!(!unknown.is_drawn());
        assert!(look(photo()).layout_correlation(&unknown).abs() < f32::EPSILON);
    }
}
