//! Reads metadata: EXIF, XMP, IPTC and texts, from all places where formats store them.
//!
//! A file may store the same information in several places. First the blocks are found ([`blocks`]), then they are read in
//! order of precedence. Cameras and programs sometimes write nonsense: invalid values are ignored, and a picture is never
//! refused for them.

mod blocks;
mod boxes;
mod date;
mod exif;
mod iptc;
mod jpeg;
mod place;
mod png;
mod raw_size;
#[cfg(test)]
mod tests;
mod xmp;

use image::metadata::Orientation;

use super::format::Format;
use crate::fold;
use blocks::Blocks;
use exif::Exif;

/// Maximum length of a camera's or lens's name, in characters.
const LONGEST_NAME: usize = 100;
/// Maximum length of a title or description, in characters.
const LONGEST_TEXT: usize = 2_000;
/// Maximum length of a keyword, in characters, their maximum number, and their bytes in all. A photo's record must stay below 64 KiB.
const LONGEST_KEYWORD: usize = 80;
const MOST_KEYWORDS: usize = 100;
const MOST_KEYWORD_BYTES: usize = 16_000;
/// Maximum number of people in a photo, and of the bytes of their names.
const MOST_PEOPLE: usize = 50;
const MOST_PEOPLE_BYTES: usize = 4_000;

/// The keys of a PNG's texts that are read. `date:create` is not used: it is the time when a program read the source file.
const KEYS: [&str; 3] = [TITLE, DESCRIPTION, CREATION];
const TITLE: &str = "Title";
const DESCRIPTION: &str = "Description";
const CREATION: &str = "Creation Time";

/// The metadata of a picture. Everything is optional.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// When it was taken.
    pub taken: Option<Taken>,
    /// Where it was taken.
    pub place: Option<Place>,
    /// Maker and model, without repeating the maker's name.
    pub camera: Option<String>,
    /// The lens.
    pub lens: Option<String>,
    /// The title that somebody gave it.
    pub title: Option<String>,
    /// The description that somebody wrote.
    pub description: Option<String>,
    /// Keywords.
    pub keywords: Vec<String>,
    /// The names of the people in it.
    pub people: Vec<String>,
    /// How to turn the pixels upright.
    pub orientation: Option<Orientation>,
    /// Width and height of a RAW file's full picture, not upright yet.
    pub raw_size: Option<(u32, u32)>,
}

/// A time on a camera's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Milliseconds since 1970-01-01 00:00 on the camera's clock; for a year, month or day, of its start.
    pub clock_ms: i64,
    /// The clock's offset from UTC in minutes; most cameras do not record it.
    pub offset_minutes: Option<i16>,
    /// The precision of the time.
    pub precision: Precision,
}

/// The precision of a time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// Only the year is known.
    Year,
    /// The year and month are known.
    Month,
    /// The day is known.
    Day,
    /// The time is known, to the minute or usually the second or better.
    #[default]
    Time,
}

/// A point on Earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// Degrees north, −90 to 90.
    pub latitude: f64,
    /// Degrees east, −180 to 180.
    pub longitude: f64,
}

/// The kinds of dates, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The time of the shot.
    Original,
    /// The time of the scan, or of the file's first version.
    Digitized,
    /// The last change recorded by the camera or a program.
    Modified,
    /// The GPS time, in UTC.
    Satellites,
}

impl Metadata {
    /// Reads the metadata of a picture file.
    pub(super) fn read(bytes: &[u8], format: Format) -> Metadata {
        let mut found = Collector::default();
        let blocks = Blocks::of(bytes, format);
        found.read(&blocks);
        if let Format::Raw(name) = format {
            found.metadata.raw_size = raw_size::raw_size(bytes, name, &blocks);
            if found.date.is_none() {
                found.read(&Blocks::of_preview(bytes));
            }
        }
        found.finish()
    }

    /// Reads an XMP packet, such as a sidecar.
    pub fn of_xmp(packet: &[u8]) -> Metadata {
        let mut found = Collector::default();
        xmp::read(packet, &mut found);
        found.finish()
    }
}

/// The metadata found so far. The first value of each field wins, except that for dates the best kind wins.
#[derive(Default)]
struct Collector {
    metadata: Metadata,
    date: Option<(Rank, Taken)>,
}

impl Collector {
    fn read(&mut self, blocks: &Blocks<'_>) {
        let exif: Vec<Exif<'_>> = blocks.exif.iter().filter_map(|block| Exif::of(block)).collect();
        exif.iter().for_each(|exif| exif.read(self));
        blocks.gps.into_iter().for_each(|block| exif::read_gps(block, self));
        blocks.xmp.iter().for_each(|packet| xmp::read(packet, self));
        blocks.iptc.iter().for_each(|records| iptc::read(records, self));
        // Cameras write their name into EXIF's description, so text that people wrote elsewhere takes precedence.
        exif.iter().for_each(|exif| exif.read_texts(self));
        blocks.texts.iter().for_each(|(key, value)| self.text(key, value));
    }

    /// Adds a text of a PNG with one of [`KEYS`].
    fn text(&mut self, key: &str, value: &str) {
        match key {
            TITLE => self.title(Some(value)),
            DESCRIPTION => self.description(Some(value)),
            CREATION => self.date(Rank::Digitized, date::parse(value)),
            _ => {}
        }
    }

    fn date(&mut self, rank: Rank, taken: Option<Taken>) {
        if let Some(taken) = taken
            && self.date.is_none_or(|(known, _)| rank < known)
        {
            self.date = Some((rank, taken));
        }
    }

    fn place(&mut self, latitude: f64, longitude: f64) {
        self.metadata.place = self.metadata.place.or_else(|| Place::new(latitude, longitude));
    }

    fn title(&mut self, text: Option<&str>) {
        let title = &mut self.metadata.title;
        *title = title.take().or_else(|| caption(text?));
    }

    fn description(&mut self, text: Option<&str>) {
        let description = &mut self.metadata.description;
        *description = description.take().or_else(|| caption(text?));
    }

    fn keywords<'a>(&mut self, words: impl Iterator<Item = &'a str>) {
        if self.metadata.keywords.is_empty() {
            self.metadata.keywords = keywords(words);
        }
    }

    fn people<'a>(&mut self, names: impl Iterator<Item = &'a str>) {
        if self.metadata.people.is_empty() {
            self.metadata.people = people(names);
        }
    }

    fn finish(self) -> Metadata {
        Metadata { taken: self.date.map(|(_, taken)| taken), ..self.metadata }
    }
}

/// Cleans a title or description; `None` if it is blank.
pub fn caption(text: &str) -> Option<String> {
    clean(text, LONGEST_TEXT)
}

/// Cleans keywords: removes repetitions and limits their number.
pub fn keywords<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    list(words, MOST_KEYWORDS, MOST_KEYWORD_BYTES)
}

/// Cleans the names of people in the same way.
pub fn people<'a>(names: impl Iterator<Item = &'a str>) -> Vec<String> {
    list(names, MOST_PEOPLE, MOST_PEOPLE_BYTES)
}

fn list<'a>(texts: impl Iterator<Item = &'a str>, most: usize, most_bytes: usize) -> Vec<String> {
    let (mut kept, mut bytes) = (Vec::new(), 0);
    for text in texts.filter_map(|text| clean(text, LONGEST_KEYWORD)) {
        if kept.contains(&text) {
            continue;
        }
        bytes += text.len();
        if kept.len() == most || bytes > most_bytes {
            break;
        }
        kept.push(text);
    }
    kept
}

/// Cleans a text: removes cameras' padding and invisible characters, turns line breaks into spaces, and truncates it.
fn clean(text: &str, longest: usize) -> Option<String> {
    Some(fold::clean(text, longest)).filter(|text| !text.is_empty())
}
