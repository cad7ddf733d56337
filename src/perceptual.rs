//! Perceptual hashes: 256 bits that stay nearly the same when a picture is saved again, at any size or quality.
//!
//! This is the classic DCT hash (pHash), with 16 × 16 frequencies instead of 8 × 8, because 64 bits cannot distinguish
//! versions of one picture from different pictures. `cargo run --release --example duplicates -- FOLDER` prints in how many
//! bits versions of each photo differ, and different documents on one template.

use fast_image_resize::FilterType;
use image::{DynamicImage, GrayImage};
use image_hasher::{HashAlg, Hasher, HasherConfig};
use minicbor::{Decode, Encode};

use crate::decode::Picture;
use crate::resize::resized;

/// Frequencies per side: the number of rows, and of bits per row.
const SIDE: u32 = 16;
/// Side of the reduced picture in pixels. The hasher needs twice the number of frequencies, and does no scaling then.
const PIXELS: u32 = 2 * SIDE;
/// A picture with a lower standard deviation of grey values is blank: its hash would depend on noise.
const LEAST_DEVIATION: f64 = 1.5;

/// A perceptual hash of a picture.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Encode, Decode)]
#[cbor(transparent)]
pub struct PerceptualHash(
    #[n(0)]
    #[cbor(with = "minicbor::bytes")]
    [u8; 32],
);

/// A rotation by quarter turns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rotation {
    /// Not rotated.
    None,
    /// By 90 degrees.
    Quarter,
    /// By 180 degrees.
    Half,
    /// By 270 degrees.
    ThreeQuarters,
}

impl Rotation {
    /// All turns.
    pub const ALL: [Rotation; 4] =
        [Rotation::None, Rotation::Quarter, Rotation::Half, Rotation::ThreeQuarters];

    /// Whether width and height are swapped.
    pub fn swaps_sides(self) -> bool {
        matches!(self, Rotation::Quarter | Rotation::ThreeQuarters)
    }
}

impl PerceptualHash {
    /// The hash of a blank picture. (In any other hash, half the bits are set.)
    pub const BLANK: PerceptualHash = PerceptualHash([0; 32]);

    /// The hash of `picture`, upright.
    pub fn of(picture: &Picture) -> PerceptualHash {
        // Averaging areas makes the result independent of the picture's size.
        let grey = squashed(picture, PIXELS, FilterType::Box).into_luma8();
        if deviation(&grey) < LEAST_DEVIATION {
            return PerceptualHash::BLANK;
        }
        let mut bits = [0; 32];
        bits.copy_from_slice(hasher().hash_image(&grey).as_bytes());
        PerceptualHash(bits)
    }

    /// Whether the picture is blank.
    pub fn is_blank(&self) -> bool {
        *self == PerceptualHash::BLANK
    }

    /// How many of the 256 bits differ.
    pub fn distance(&self, other: &PerceptualHash) -> u32 {
        self.0.iter().zip(other.0).map(|(a, b)| (a ^ b).count_ones()).sum()
    }

    /// The bits as 16 words, one per row of frequencies.
    pub fn words(&self) -> [u16; 16] {
        std::array::from_fn(|row| u16::from_le_bytes([self.0[2 * row], self.0[2 * row + 1]]))
    }

    /// The bits as 16 words, one per block of four by four neighbouring frequencies, the lowest first.
    ///
    /// For two pictures of the same scene from nearly the same place, some of these words are nearly equal.
    pub fn blocks(&self) -> [u16; 16] {
        let words = self.words();
        std::array::from_fn(|block| {
            let (down, across) = (block / 4 * 4, block % 4 * 4);
            (0..4).fold(0, |bits, row| bits | (words[down + row] >> across & 0xf) << (4 * row))
        })
    }

    /// The hash with these words.
    pub fn from_words(words: [u16; 16]) -> PerceptualHash {
        PerceptualHash(std::array::from_fn(|byte| words[byte / 2].to_le_bytes()[byte % 2]))
    }

    /// Approximately the hash of the turned picture.
    ///
    /// Turning a picture transposes its frequencies and flips the sign of every other one. A bit tells whether a frequency
    /// is above the median, which is close to zero but not equal. So some bits differ from the turned picture's own hash.
    #[must_use]
    pub fn turned(&self, turn: Rotation) -> PerceptualHash {
        const ODD: u16 = 0xaaaa;
        let words = self.words();
        let (transposed, mirrors_x, mirrors_y) = match turn {
            Rotation::None => return *self,
            Rotation::Quarter => (transpose(&words), true, false),
            Rotation::Half => (words, true, true),
            Rotation::ThreeQuarters => (transpose(&words), false, true),
        };
        let across = if mirrors_x { ODD } else { 0 };
        let down = |row: usize| if mirrors_y && row % 2 == 1 { u16::MAX } else { 0 };
        PerceptualHash::from_words(std::array::from_fn(|row| transposed[row] ^ across ^ down(row)))
    }

    /// The fewest bits by which this differs from `other` in any turn.
    pub fn distance_in_any_turn(&self, other: &PerceptualHash) -> u32 {
        Rotation::ALL.into_iter().map(|turn| self.turned(turn).distance(other)).min().unwrap_or(u32::MAX)
    }
}

fn hasher() -> Hasher<[u8; 32]> {
    let config = HasherConfig::with_bytes_type().hash_size(SIDE, SIDE);
    config.hash_alg(HashAlg::Median).preproc_dct().to_hasher()
}

/// A whole picture, upright, squeezed into a square of this side.
pub(crate) fn squashed(picture: &Picture, side: u32, filter: FilterType) -> DynamicImage {
    let mut small = DynamicImage::ImageRgb8(resized(&picture.pixels, side, side, filter));
    small.apply_orientation(picture.orientation);
    small
}

/// The standard deviation of the grey values, of 255.
fn deviation(grey: &GrayImage) -> f64 {
    let count = f64::from(grey.width() * grey.height());
    let values = || grey.iter().map(|&value| f64::from(value));
    let mean = values().sum::<f64>() / count;
    (values().map(|value| (value - mean).powi(2)).sum::<f64>() / count).sqrt()
}

fn transpose(rows: &[u16; 16]) -> [u16; 16] {
    std::array::from_fn(|column| (0..16).fold(0, |word, row| word | (rows[row] >> column & 1) << row))
}

#[cfg(test)]
mod tests {
    use image::metadata::Orientation;
    use image::{Rgb, RgbImage, imageops};

    use super::*;
    use crate::decode::Metadata;

    fn picture(pixels: RgbImage, orientation: Orientation) -> Picture {
        let full_size = pixels.dimensions();
        Picture { pixels, full_size, eighths: 8, orientation, metadata: Metadata::default(), note: None }
    }

    /// Waves of all frequencies in a hash, weaker for higher ones, as in photos. The seed decides the signs.
    fn scene(width: u32, height: u32, seed: u32) -> RgbImage {
        let wave = |frequency: u32, at: u32, of: u32| {
            (f64::from(frequency) * (f64::from(at) + 0.5) / f64::from(of) * std::f64::consts::PI).cos()
        };
        let mut state = seed;
        let mut waves = Vec::new();
        for (across, down) in (0..16).flat_map(|across| (0..16).map(move |down| (across, down))) {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let sign = if state >> 31 == 0 { 1.0 } else { -1.0 };
            waves.push((across, down, sign * 12.0 / f64::from(across + down + 1)));
        }
        RgbImage::from_fn(width, height, |x, y| {
            let of = |&(across, down, strength): &(u32, u32, f64)| {
                strength * wave(across, x, width) * wave(down, y, height)
            };
            let value = 128.0 + waves[1..].iter().map(of).sum::<f64>();
            #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
            Rgb([value as u8; 3])
        })
    }

    fn hash(pixels: RgbImage) -> PerceptualHash {
        PerceptualHash::of(&picture(pixels, Orientation::NoTransforms))
    }

    #[test]
    fn size_does_not_matter_and_content_does() {
        let original = hash(scene(180, 120, 1));
        assert!(original.distance(&hash(scene(90, 60, 1))) < 16);
        assert!(original.distance_in_any_turn(&hash(scene(180, 120, 2))) > 64);
    }

    #[test]
    fn a_turned_hash_is_close_to_that_of_the_turned_picture() {
        #[track_caller]
        fn check(turn: Rotation, turned: impl Fn(&RgbImage) -> RgbImage) {
            let scene = scene(150, 100, 1);
            let distance = hash(scene.clone()).turned(turn).distance(&hash(turned(&scene)));
            assert!(distance <= 28, "{turn:?}: {distance}");
        }
        check(Rotation::None, Clone::clone);
        check(Rotation::Quarter, imageops::rotate90);
        check(Rotation::Half, imageops::rotate180);
        check(Rotation::ThreeQuarters, imageops::rotate270);
    }

    #[test]
    fn orientation_is_applied() {
        let upright = scene(150, 100, 1);
        let stored = picture(imageops::rotate270(&upright), Orientation::Rotate90);
        assert!(PerceptualHash::of(&stored).distance(&hash(upright)) < 8);
    }

    #[test]
    fn a_uniform_picture_is_blank() {
        assert!(hash(RgbImage::from_pixel(90, 60, Rgb([7, 8, 9]))).is_blank());
        assert!(!hash(scene(90, 60, 1)).is_blank());
    }
}
