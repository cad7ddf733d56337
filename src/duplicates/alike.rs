//! The rules: what must be known of two photos for them to be called alike.

use crate::look::Look;
use crate::perceptual::{PerceptualHash, Turn};
use crate::photo::{Clock, Details};

// `cargo run --release --example duplicates -- FOLDER` prints by how many bits versions of each photo differ, how many
// of them are found with these limits, and how many pairs are wrong.

/// Two pictures whose hashes differ in at most so many of 256 bits, in any quarter turn, can be one picture saved
/// twice: `nearby.rs` finds all that differ in 31 and no more. Different documents on one template differ in as few, so
/// that the small copies decide.
pub(super) const SAME_PICTURE: u32 = 31;
/// Two pictures whose hashes differ in at most so many bits can show the same scene. Cutting 5 % off all round or moving
/// by 3 % changes at most 64 bits in nearly all photos; cutting 5 % off at one corner changes at most 88 in 6 of 10. Of
/// 11 million pairs of unrelated parts of photos, in four turns each, 29 differed in 80 bits or fewer.
pub(super) const SAME_SCENE: u32 = 88;
/// How close the vectors of similar pictures are, if neither is turned.
pub(super) const LEAST_COSINE: f32 = 0.9;
/// How much the shapes (width by height) of one picture saved twice may differ: rounding to whole pixels makes 2 % of a
/// 50-pixel side.
const SHAPE_TOLERANCE: f64 = 0.02;
/// The shots of a burst lie at most so far from the one that is kept. An estimate.
pub(super) const BURST_MS: i64 = 10_000;
/// How alike light and dark must be spread over two shots of a burst. An estimate.
const BURST_LAYOUT: f32 = 0.6;

/// What two looks say of whether two photos show one scene.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Evidence {
    Against,
    IfVectorsAgree,
    /// The vectors do not count: models see a turned picture as another one.
    For,
}

/// What two photos are compared by.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub(super) details: &'a Details,
    pub(super) hash: PerceptualHash,
    look: &'a Look,
}

impl<'a> Seen<'a> {
    /// `None` for a picture that shows nothing, and for one that an earlier version indexed. Such pictures are
    /// compared by bytes.
    pub(super) fn of(details: &'a Details) -> Option<Seen<'a>> {
        let hash = details.perceptual.filter(|hash| !hash.is_blank())?;
        Some(Seen { details, hash, look: details.look.as_ref()? })
    }

    /// Whether both are one picture, saved again. In this `turn` of the first, the hashes differ in `distance` bits.
    pub(super) fn is_same_picture(&self, other: &Seen<'_>, turn: Turn, distance: u32) -> bool {
        distance <= SAME_PICTURE
            && self.has_same_shape(other, turn)
            && !self.is_another_shot(other)
            && self.looks_the_same(other, turn)
    }

    /// Whether both show the same scene. In this `turn` of the first, the hashes differ in at most [`SAME_SCENE`] bits.
    /// What was drawn shows the same scene only if it looks the same: a form filled in differently is another document.
    pub(super) fn shows_same_scene(&self, other: &Seen<'_>, turn: Turn) -> Evidence {
        let is_alike = self.are_photos_of_similar_colours(other, turn) || self.looks_the_same(other, turn);
        if is_alike && turn == Turn::None {
            Evidence::IfVectorsAgree
        } else if is_alike && self.look.has_same_exposure(other.look) {
            Evidence::For
        } else {
            Evidence::Against
        }
    }

    /// Whether both can be shots of one burst, if the vectors agree; one camera took them within [`BURST_MS`].
    pub(super) fn may_be_of_one_burst(&self, other: &Seen<'_>) -> bool {
        self.are_photos_of_similar_colours(other, Turn::None)
            && self.look.layout_correlation(other.look) >= BURST_LAYOUT
    }

    fn are_photos_of_similar_colours(&self, other: &Seen<'_>, turn: Turn) -> bool {
        let is_drawn = self.look.is_drawn() || other.look.is_drawn();
        !is_drawn && self.look.has_similar_colours(other.look, turn)
    }

    fn looks_the_same(&self, other: &Seen<'_>, turn: Turn) -> bool {
        let (a, b) = (self.details, other.details);
        let is_same_size = (a.width, a.height) == (b.width, b.height)
            || (a.width, a.height) == (b.height, b.width) && turn.swaps_sides();
        self.look.is_of_same_picture(other.look, turn, is_same_size)
    }

    fn has_same_shape(&self, other: &Seen<'_>, turn: Turn) -> bool {
        let (a, b) = (self.details, other.details);
        let (width, height) = if turn.swaps_sides() { (b.height, b.width) } else { (b.width, b.height) };
        (ratio(a.width, a.height) / ratio(width, height)).ln().abs() <= SHAPE_TOLERANCE
    }

    /// Whether one camera took both, at different times: then they are two pictures, however alike.
    fn is_another_shot(&self, other: &Seen<'_>) -> bool {
        let (a, b) = (self.details, other.details);
        let is_one_camera = a.camera.is_some() && a.camera == b.camera;
        let have_clocks = (a.clock, b.clock) == (Clock::Camera, Clock::Camera);
        // Editors drop the fraction of a second: only where both have one does it count.
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

/// The camera and the time of a shot, where that time is evidence: whole minutes are typed in or come from a scanner's
/// software; a clock that has lost its time starts at the first hour of a first of January, or before there were
/// digital cameras.
pub(super) fn shot(details: &Details) -> Option<(&str, i64)> {
    const FIRST_DIGITAL_YEAR: i16 = 1990;
    let camera = details.camera.as_deref().filter(|_| details.clock == Clock::Camera)?;
    let time = jiff::Timestamp::from_millisecond(details.taken_ms).ok()?;
    let time = jiff::tz::Offset::UTC.to_datetime(time);
    let is_reset = (time.month(), time.day(), time.hour()) == (1, 1, 0) || time.year() < FIRST_DIGITAL_YEAR;
    let is_whole_minute = details.taken_ms.rem_euclid(60_000) == 0;
    (!is_reset && !is_whole_minute).then_some((camera, details.taken_ms))
}
