//! The rules that decide whether two photos are duplicates.

use crate::look::Look;
use crate::perceptual::{PerceptualHash, Rotation};
use crate::photo::{Clock, Details};

// `cargo run --release --example duplicates -- FOLDER` prints in how many bits versions of each photo differ, how many of
// them are found with these limits, and how many pairs are wrong.

/// Two pictures can be the same one saved twice if their hashes differ in at most this many of 256 bits, in any quarter
/// turn. `nearby.rs` is certain to find differences up to 31. Different documents on one template can differ as little, so
/// the small copies decide.
pub(super) const SAME_PICTURE: u32 = 31;
/// Two pictures can show the same scene if their hashes differ in at most this many bits. Cropping 5 % all round or
/// shifting by 3 % changes at most 64 bits in nearly all photos; cropping 5 % at one corner changes at most 88 in 6 of 10.
/// Of 11 million pairs of unrelated parts of photos, in four turns each, 29 differed in 80 bits or fewer.
pub(super) const SAME_SCENE: u32 = 88;
/// The least cosine of similar pictures, if neither is turned.
pub(super) const LEAST_COSINE: f32 = 0.9;
/// How much the aspect ratios of one picture saved twice may differ: rounding a 50-pixel side to whole pixels makes 2 %.
const SHAPE_TOLERANCE: f64 = 0.02;
/// The shots of a burst are at most this far from the one to keep. An estimate.
pub(super) const BURST_MS: i64 = 10_000;
/// The least correlation of light and dark in two shots of a burst. An estimate.
const BURST_LAYOUT: f32 = 0.6;

/// What two looks say about whether two photos show one scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    Against,
    IfVectorsAgree,
    /// They show one scene, whatever the vectors say, because models see a turned picture as another one.
    For,
}

/// The data by which photos are compared.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) details: &'a Details,
    pub(super) hash: PerceptualHash,
    look: &'a Look,
}

impl<'a> Seen<'a> {
    /// `None` for a blank picture, and for one that an earlier version indexed. Only the bytes of these are compared.
    pub(super) fn of(details: &'a Details) -> Option<Seen<'a>> {
        let hash = details.perceptual.filter(|hash| !hash.is_blank())?;
        Some(Seen { details, hash, look: details.look.as_ref()? })
    }

    /// Whether both are the same picture, saved again. With the first in this `turn`, the hashes differ in `distance` bits.
    pub(super) fn is_same_picture(&self, other: &Seen<'_>, turn: Rotation, distance: u32) -> bool {
        distance <= SAME_PICTURE
            && self.has_same_shape(other, turn)
            && !self.is_another_shot(other)
            && self.looks_the_same(other, turn)
    }

    /// Whether both show the same scene. With the first in this `turn`, the hashes differ in at most [`SAME_SCENE`] bits.
    /// Drawn pictures must look the same: a form filled in differently is another document.
    pub(super) fn shows_same_scene(&self, other: &Seen<'_>, turn: Rotation) -> Evidence {
        let is_alike = self.are_photos_of_similar_colours(other, turn) || self.looks_the_same(other, turn);
        if is_alike && turn == Rotation::None {
            Evidence::IfVectorsAgree
        } else if is_alike && self.look.has_same_exposure(other.look) {
            Evidence::For
        } else {
            Evidence::Against
        }
    }

    /// Whether both can be shots of one burst, if their vectors agree: one camera took them within [`BURST_MS`].
    pub(super) fn may_be_of_one_burst(&self, other: &Seen<'_>) -> bool {
        self.are_photos_of_similar_colours(other, Rotation::None)
            && self.look.layout_correlation(other.look) >= BURST_LAYOUT
    }

    fn are_photos_of_similar_colours(&self, other: &Seen<'_>, turn: Rotation) -> bool {
        let is_drawn = self.look.is_drawn() || other.look.is_drawn();
        !is_drawn && self.look.has_similar_colours(other.look, turn)
    }

    fn looks_the_same(&self, other: &Seen<'_>, turn: Rotation) -> bool {
        let (a, b) = (self.details, other.details);
        let is_same_size = (a.width, a.height) == (b.width, b.height)
            || (a.width, a.height) == (b.height, b.width) && turn.swaps_sides();
        self.look.is_of_same_picture(other.look, turn, is_same_size)
    }

    fn has_same_shape(&self, other: &Seen<'_>, turn: Rotation) -> bool {
        let (a, b) = (self.details, other.details);
        let (width, height) = if turn.swaps_sides() { (b.height, b.width) } else { (b.width, b.height) };
        (ratio(a.width, a.height) / ratio(width, height)).ln().abs() <= SHAPE_TOLERANCE
    }

    /// Whether one camera took both at different times. Then they are two pictures, however similar.
    fn is_another_shot(&self, other: &Seen<'_>) -> bool {
        let (a, b) = (self.details, other.details);
        let is_one_camera = a.camera.is_some() && a.camera == b.camera;
        let have_clocks = (a.clock, b.clock) == (Clock::Camera, Clock::Camera);
        // Editors drop fractions of a second, so compare fractions only if both have one.
        let fractions = [a.taken_ms.rem_euclid(1000), b.taken_ms.rem_euclid(1000)];
        let differ = if fractions.contains(&0) {
            a.taken_ms.div_euclid(1000) != b.taken_ms.div_euclid(1000)
        } else {
            a.taken_ms != b.taken_ms
        };
        is_one_camera && have_clocks && differ
    }
}

fn ratio(a: u32, b: u32) -> f64 {
    f64::from(a.max(1)) / f64::from(b.max(1))
}

/// The camera and the time of a shot, if that time can be trusted. Whole minutes were typed in or come from scanning
/// software. A reset clock starts in the first hour of a first of January, or before digital cameras existed.
pub(super) fn shot(details: &Details) -> Option<(&str, i64)> {
    const FIRST_DIGITAL_YEAR: i16 = 1990;
    let camera = details.camera.as_deref().filter(|_| details.clock == Clock::Camera)?;
    let time = jiff::Timestamp::from_millisecond(details.taken_ms).ok()?;
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let is_reset = (time.month(), time.day(), time.hour()) == (1, 1, 0) || time.year() < FIRST_DIGITAL_YEAR;
    let is_whole_minute = details.taken_ms.rem_euclid(60_000) == 0;
    (!is_reset && !is_whole_minute).then_some((camera, details.taken_ms))
}
