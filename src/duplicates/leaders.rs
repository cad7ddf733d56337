//! Groups photos, each group around a leader.
//!
//! Photos are processed in order. A photo that matches an earlier leader joins its group; any other becomes the leader of a
//! new group. So every photo matches its leader directly, and no chain of pairs joins photos that differ.

use std::collections::HashMap;

use imgsearch_index::Fingerprint;

use super::Likeness;
use super::alike::{Evidence, LEAST_COSINE, Seen, shot};
use super::nearby::{Hashes, Near, Shots};
use crate::photo::Details;

/// Whether only the bytes of a photo with these details can be compared.
pub fn compares_content(details: Option<&Details>) -> bool {
    details.and_then(Seen::of).is_none()
}

/// The leaders so far, numbered in order.
pub struct Leaders<'a> {
    /// The weakest likeness within a group.
    least: Likeness,
    leaders: Vec<Option<Seen<'a>>>,
    by_content: HashMap<Fingerprint, usize>,
    by_hash: Hashes,
    by_time: Shots<'a>,
}

impl<'a> Leaders<'a> {
    /// For groups with at least this likeness.
    pub fn new(least: Likeness) -> Leaders<'a> {
        Leaders {
            least,
            leaders: Vec::new(),
            by_content: HashMap::new(),
            by_hash: Hashes::new(),
            by_time: Shots::default(),
        }
    }

    /// The leader with the closest likeness to a photo, the earliest if there are several. `cosine` computes the cosine of
    /// the photo's and a leader's vector; it is called only if that matters.
    ///
    /// # Errors
    /// The errors of `cosine`.
    pub fn of<E>(
        &self,
        content: Option<Fingerprint>,
        details: Option<&Details>,
        mut cosine: impl FnMut(usize) -> Result<Option<f32>, E>,
    ) -> Result<Option<(usize, Likeness)>, E> {
        if let Some(leader) = content.and_then(|content| self.by_content.get(&content)) {
            return Ok(Some((*leader, Likeness::Exact)));
        }
        let Some(photo) = details.and_then(Seen::of).filter(|_| self.least > Likeness::Exact) else {
            return Ok(None);
        };
        let near = self.by_hash.near(&photo.hash);
        let same = near.iter().find(|near| {
            self.seen(near.number).is_some_and(|other| photo.is_same_picture(other, near.turn, near.distance))
        });
        if let Some(same) = same {
            return Ok(Some((same.number, Likeness::ReEncoded)));
        }
        if self.least < Likeness::Similar {
            return Ok(None);
        }
        for (leader, evidence) in self.perhaps_similar(&photo, &near) {
            let is_similar = match evidence {
                Evidence::For => true,
                Evidence::IfVectorsAgree => cosine(leader)?.is_some_and(|cosine| cosine >= LEAST_COSINE),
                Evidence::Against => false,
            };
            if is_similar {
                return Ok(Some((leader, Likeness::Similar)));
            }
        }
        Ok(None)
    }

    /// The leaders that a photo may be similar to, the earliest first.
    fn perhaps_similar(&self, photo: &Seen<'_>, near: &[Near]) -> Vec<(usize, Evidence)> {
        let of_scene = |near: &Near| {
            let other = self.seen(near.number)?;
            Some((near.number, photo.shows_same_scene(other, near.turn)))
        };
        let is_of_burst =
            |leader: &usize| self.seen(*leader).is_some_and(|other| photo.may_be_of_one_burst(other));
        let scenes = near.iter().filter_map(of_scene);
        let shots = shot(photo.details).into_iter().flat_map(|shot| self.by_time.near(shot));
        let shots = shots.filter(is_of_burst).map(|leader| (leader, Evidence::IfVectorsAgree));
        let mut similar: Vec<_> = scenes.chain(shots).collect();
        similar.sort_unstable();
        similar.dedup();
        similar
    }

    fn seen(&self, leader: usize) -> Option<&Seen<'a>> {
        self.leaders[leader].as_ref()
    }

    /// Adds a photo that matches no leader as a new leader.
    pub fn add(&mut self, content: Option<Fingerprint>, details: Option<&'a Details>) {
        let number = self.leaders.len();
        if let Some(content) = content {
            self.by_content.insert(content, number);
        }
        let seen = details.and_then(Seen::of);
        if let Some(seen) = &seen {
            self.by_hash.add(seen.hash, number);
            if let Some(shot) = shot(seen.details) {
                self.by_time.add(shot, number);
            }
        }
        self.leaders.push(seen);
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use image::metadata::Orientation;
    use image::{Rgb, RgbImage};

    use super::*;
    use crate::decode::{Metadata, Picture};
    use crate::perceptual::{PerceptualHash, Rotation};
    use crate::photo::{Clock, Stamp};

    const NOON: i64 = 1_715_000_007_000;

    /// A picture whose upper part has this brightness, with these bits of its hash flipped.
    fn photo(light: u8, flipped: std::ops::Range<usize>) -> Details {
        turned(Orientation::NoTransforms, Rotation::None, light, flipped)
    }

    /// The same picture turned, given as both an orientation and a turn.
    fn turned(
        orientation: Orientation,
        turn: Rotation,
        light: u8,
        flipped: std::ops::Range<usize>,
    ) -> Details {
        let wave = |at: u32| u8::try_from(at % 97).unwrap();
        let pixels = RgbImage::from_fn(120, 80, |x, y| {
            Rgb([if y < 40 { light } else { 90 + wave(x) }, wave(y), wave(x)])
        });
        let picture = Picture {
            full_size: pixels.dimensions(),
            pixels,
            eighths: 8,
            orientation,
            metadata: Metadata::default(),
            note: None,
        };
        let mut words = [0x3a5c_u16, 0x91e7, 0x0f42, 0xc8b6, 0x57d1, 0x2e9a, 0x6b03, 0xf41c].repeat(2);
        flipped.for_each(|bit| words[bit % 16] ^= 1 << (bit / 16));
        let hash = PerceptualHash::from_words(words.try_into().unwrap());
        let stamp = Stamp { size: 1, modified_ns: 0, changed_ns: 0 };
        Details { perceptual: Some(hash.turned(turn)), ..Details::of(&picture, &stamp) }
    }

    fn shot(camera: &str, taken_ms: i64, details: Details) -> Details {
        Details { camera: Some(camera.into()), clock: Clock::Camera, taken_ms, ..details }
    }

    /// The group of each photo and its likeness, if all vectors have this cosine.
    fn groups(least: Likeness, photos: &[Details], cosine: f32) -> Vec<Option<(usize, Likeness)>> {
        let mut leaders = Leaders::new(least);
        let mut groups = Vec::new();
        for photo in photos {
            let found: Result<_, Infallible> = leaders.of(None, Some(photo), |_| Ok(Some(cosine)));
            let found = found.unwrap();
            if found.is_none() {
                leaders.add(None, Some(photo));
            }
            groups.push(found);
        }
        groups
    }

    /// Checks the likeness of the second photo to the first.
    #[track_caller]
    fn check(first: Details, second: Details, cosine: f32, expected: Option<Likeness>) {
        let found = groups(Likeness::Similar, &[first, second], cosine)[1];
        assert_eq!(found.map(|(_, likeness)| likeness), expected);
    }

    #[test]
    fn a_second_look_decides_whether_a_picture_is_a_copy() {
        let same = || photo(200, 0..0);
        check(same(), photo(200, 0..31), 0.0, Some(Likeness::ReEncoded));
        check(same(), photo(120, 0..0), 0.0, None);
        check(same(), photo(120, 0..0), 0.91, Some(Likeness::Similar));
        check(same(), Details { width: 90, ..same() }, 0.91, Some(Likeness::Similar));
        check(same(), photo(200, 0..88), 0.91, Some(Likeness::Similar));
        check(same(), photo(200, 0..88), 0.89, None);
        check(same(), photo(200, 0..89), 0.99, None);
        check(same(), Details { look: None, ..same() }, 1.0, None);
        check(same(), Details { perceptual: Some(PerceptualHash::BLANK), ..same() }, 1.0, None);
    }

    #[test]
    fn a_cropped_and_turned_photo_is_similar() {
        let cut = |orientation, turn| turned(orientation, turn, 0, 0..60);
        // A model sees a turned picture as another one.
        let (similar, cosine) = (Some(Likeness::Similar), 0.1);
        check(photo(0, 0..0), cut(Orientation::Rotate90, Rotation::Quarter), cosine, similar);
        check(photo(0, 0..0), cut(Orientation::Rotate180, Rotation::Half), cosine, similar);
        check(photo(0, 0..0), cut(Orientation::Rotate270, Rotation::ThreeQuarters), cosine, similar);
        check(photo(0, 0..0), cut(Orientation::NoTransforms, Rotation::Quarter), 0.91, None);
        // In another light it cannot be distinguished from other pictures.
        let dark = turned(Orientation::Rotate90, Rotation::Quarter, 90, 0..60);
        check(photo(0, 0..0), dark, 0.91, None);
    }

    #[test]
    fn a_burst_is_of_one_camera_and_a_clock_that_goes() {
        let at = |camera: &str, taken_ms| shot(camera, taken_ms, photo(200, 0..0));
        let next = |camera: &str, taken_ms| shot(camera, taken_ms, photo(205, 0..120));
        let similar = Some(Likeness::Similar);
        check(at("A", NOON), next("A", NOON + 1_000), 0.91, similar);
        check(at("A", NOON), next("A", NOON), 0.91, similar);
        check(at("A", NOON), next("A", NOON + 1_000), 0.89, None);
        check(at("A", NOON), next("B", NOON + 1_000), 0.91, None);
        check(at("A", NOON), next("A", NOON + 11_000), 0.91, None);
        check(at("A", NOON), Details { clock: Clock::File, ..next("A", NOON) }, 0.91, None);
        check(at("A", NOON), Details { camera: None, ..next("A", NOON) }, 0.91, None);
        // A whole minute (with a fraction it would count); midnight; the first hour of 2010; 1985.
        let minute = NOON - NOON.rem_euclid(60_000);
        check(at("A", minute), next("A", minute), 0.91, None);
        check(at("A", minute + 250), next("A", minute + 300), 0.91, similar);
        check(at("A", 473_385_600_000), next("A", 473_385_600_000), 0.91, None);
        check(at("A", 1_262_304_012_000), next("A", 1_262_304_012_000), 0.91, None);
        check(at("A", 480_000_012_000), next("A", 480_000_013_000), 0.91, None);
    }

    #[test]
    fn shots_of_one_camera_at_different_times_are_not_copies() {
        let at = |camera: &str, taken_ms| shot(camera, taken_ms, photo(200, 0..0));
        let copy = Some(Likeness::ReEncoded);
        check(at("A", NOON), at("A", NOON), 0.0, copy);
        check(at("A", NOON + 250), at("A", NOON), 0.0, copy);
        check(at("A", NOON + 250), at("A", NOON + 500), 0.95, Some(Likeness::Similar));
        check(at("A", NOON), at("A", NOON + 3_600_000), 0.95, Some(Likeness::Similar));
        check(at("A", NOON), at("B", NOON + 3_600_000), 0.0, copy);
        check(at("A", NOON), photo(200, 0..0), 0.0, copy);
    }

    #[test]
    fn no_chain_joins_photos_that_differ() {
        let chain = [photo(200, 0..0), photo(200, 0..28), photo(200, 0..56), photo(200, 28..56)];
        let first = Some((0, Likeness::ReEncoded));
        assert_eq!(groups(Likeness::ReEncoded, &chain, 0.0), [None, first, None, first]);
    }

    #[test]
    fn the_closest_likeness_counts_and_then_the_earliest() {
        let photos = [photo(200, 0..0), photo(200, 0..50), photo(200, 0..40)];
        let expected = [None, None, Some((1, Likeness::ReEncoded))];
        assert_eq!(groups(Likeness::Similar, &photos[..2], 0.0), expected[..2]);
        let mut leaders = Leaders::new(Likeness::Similar);
        photos[..2].iter().for_each(|photo| leaders.add(None, Some(photo)));
        let found: Result<_, Infallible> = leaders.of(None, Some(&photos[2]), |_| Ok(Some(1.0)));
        assert_eq!(found.unwrap(), expected[2]);
    }

    #[test]
    fn bytes_are_compared_even_without_details() {
        let content = Some(Fingerprint([7; 16]));
        let mut leaders = Leaders::new(Likeness::Exact);
        leaders.add(content, None);
        let found: Result<_, Infallible> = leaders.of(content, None, |_| Ok(None));
        assert_eq!(found.unwrap(), Some((0, Likeness::Exact)));
        assert!(compares_content(None) && compares_content(Some(&Details { look: None, ..photo(1, 0..0) })));
        assert!(!compares_content(Some(&photo(1, 0..0))));
    }
}
