//! Reads EXIF: a TIFF structure with directories for the picture, the shot and the GPS position.

use std::borrow::Cow;

use image::metadata::Orientation;

use super::{Collector, Metadata, Precision, Rank, Taken, clean, date, place};
use crate::decode::ifd::{Directory, Structure, Value};
use crate::decode::text::{unicode, utf_16};

/// The largest offset of the TIFF header in a block: it may follow an offset field (HEIC) or `Exif\0\0`.
const FARTHEST: usize = 16;
/// The maximum length of a text in bytes.
const LONGEST_TEXT: usize = 64 << 10;

const IMAGE_DESCRIPTION: u16 = 0x010E;
const MAKE: u16 = 0x010F;
const MODEL: u16 = 0x0110;
const ORIENTATION: u16 = 0x0112;
const LENS_MODEL: u16 = 0xA434;
/// Windows' own tag, in UTF-16.
const XP_TITLE: u16 = 0x9C9B;
const XP_COMMENT: u16 = 0x9C9C;
const XP_KEYWORDS: u16 = 0x9C9E;

/// The tags for each time, the fraction of its second, and its offset from UTC.
const TIMES: [(Rank, [u16; 3]); 3] = [
    (Rank::Original, [0x9003, 0x9291, 0x9011]),
    (Rank::Digitized, [0x9004, 0x9292, 0x9012]),
    (Rank::Modified, [0x0132, 0x9290, 0x9010]),
];

/// The directories of one block.
pub(super) struct Exif<'a> {
    picture: Directory<'a>,
    shot: Option<Directory<'a>>,
    place: Option<Directory<'a>>,
}

impl<'a> Exif<'a> {
    pub(super) fn of(block: &'a [u8]) -> Option<Exif<'a>> {
        const SHOT: u16 = 0x8769;
        const PLACE: u16 = 0x8825;
        let picture = structure(block)?.first()?;
        let shot = picture.pointed(SHOT);
        let place = picture.pointed(PLACE).or_else(|| shot?.pointed(PLACE));
        Some(Exif { picture, shot, place })
    }

    /// A value of the shot or the picture. (TIFF/EP and Canon's CR3 store values of the shot at the top level.)
    pub(super) fn get(&self, tag: u16) -> Option<Value<'a>> {
        self.shot.and_then(|shot| shot.get(tag)).or_else(|| self.picture.get(tag))
    }

    /// Reads everything except titles, descriptions and keywords.
    pub(super) fn read(&self, found: &mut Collector) {
        for (rank, tags) in TIMES {
            found.date(rank, self.time(tags));
        }
        if let Some(place) = self.place {
            read_place(&place, found);
        }
        let name = |tag| self.get(tag).and_then(|value| clean(&text(&value)?, super::LONGEST_NAME));
        let Metadata { camera: camera_of, lens, orientation, .. } = &mut found.metadata;
        *camera_of = camera_of.take().or_else(|| camera(name(MAKE), name(MODEL)));
        *lens = lens.take().or_else(|| name(LENS_MODEL));
        let turn = || Orientation::from_exif(u8::try_from(self.picture.get(ORIENTATION)?.uint(0)?).ok()?);
        *orientation = orientation.or_else(turn);
    }

    pub(super) fn read_texts(&self, found: &mut Collector) {
        let wide = |tag| self.picture.get(tag).map(|value| utf_16(beginning(value.bytes()), true));
        found.title(wide(XP_TITLE).as_deref());
        found.description(self.picture.get(IMAGE_DESCRIPTION).and_then(|value| text(&value)).as_deref());
        found.description(wide(XP_COMMENT).as_deref());
        found.keywords(wide(XP_KEYWORDS).as_deref().unwrap_or_default().split(';'));
    }

    fn time(&self, [time, fraction, offset]: [u16; 3]) -> Option<Taken> {
        let value = |tag| text(&self.get(tag)?);
        let mut taken = date::parse(&value(time)?)?;
        if taken.precision == Precision::Time {
            // A fraction or offset in the time itself takes precedence.
            if taken.clock_ms % 1000 == 0 {
                taken.clock_ms += value(fraction).map_or(0, |digits| date::fraction(&digits));
            }
            taken.offset_minutes = taken.offset_minutes.or_else(|| date::offset(&value(offset)?));
        }
        Some(taken)
    }
}

/// Reads a block with only GPS data.
pub(super) fn read_gps(block: &[u8], found: &mut Collector) {
    if let Some(directory) = structure(block).and_then(Structure::first) {
        read_place(&directory, found);
    }
}

/// The TIFF structure in a block, after any prefix.
pub(super) fn structure(block: &[u8]) -> Option<Structure<'_>> {
    let is_header = |bytes: &[u8]| bytes.starts_with(b"II*\0") || bytes.starts_with(b"MM\0*");
    let front = block.windows(4).take(FARTHEST);
    let start = front.clone().position(is_header).unwrap_or(0);
    Structure::of(&block[start..])
}

fn read_place(directory: &Directory<'_>, found: &mut Collector) {
    let degrees = |letter, number| {
        let letter = directory.get(letter).and_then(|value| text(&value));
        place::degrees(&directory.get(number)?, letter.as_deref())
    };
    if let (Some(latitude), Some(longitude)) = (degrees(1, 2), degrees(3, 4)) {
        found.place(latitude, longitude);
    }
    found.date(Rank::Satellites, satellite_time(directory));
}

/// The GPS time, which is in UTC and better than no time.
fn satellite_time(directory: &Directory<'_>) -> Option<Taken> {
    const DATE: u16 = 0x001D;
    const TIME: u16 = 0x0007;
    let mut taken = date::parse(&text(&directory.get(DATE)?)?)?;
    if taken.precision != Precision::Day {
        return None;
    }
    let time = directory.get(TIME).and_then(|time| {
        let [hours, minutes, seconds] = [0, 1, 2].map(|i| time.number(i));
        let seconds = 3600.0 * hours? + 60.0 * minutes? + seconds.unwrap_or(0.0);
        #[expect(clippy::cast_possible_truncation, reason = "less than a day")]
        (0.0..86_400.0).contains(&seconds).then_some((seconds * 1000.0).round() as i64)
    });
    if let Some(time) = time {
        taken =
            Taken { clock_ms: taken.clock_ms + time, offset_minutes: Some(0), precision: Precision::Time };
    }
    Some(taken)
}

/// Maker and model, without repeating the maker's name.
pub(super) fn camera(maker: Option<String>, model: Option<String>) -> Option<String> {
    let (Some(maker), Some(model)) = (&maker, &model) else { return maker.or(model) };
    let first = |name: &str| name.split_whitespace().next().unwrap_or_default().to_lowercase();
    Some(if first(maker) == first(model) { model.clone() } else { format!("{maker} {model}") })
}

fn text<'a>(value: &Value<'a>) -> Option<Cow<'a, str>> {
    Some(unicode(beginning(value.text()?)))
}

fn beginning(text: &[u8]) -> &[u8] {
    &text[..text.len().min(LONGEST_TEXT)]
}
