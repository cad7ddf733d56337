//! What a picture says about itself apart from its pixels: EXIF, XMP, IPTC and texts, wherever its format keeps them.
//!
//! A file may say the same thing in several places. What each place says is found first ([`blocks`]), then read in an
//! order in which the earlier counts. Cameras and programs write nonsense now and then: what cannot be right is left
//! out, and never a reason to refuse a picture.

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
use blocks::Blocks;
use exif::Exif;

/// Longest name of a camera or lens kept, in characters.
const LONGEST_NAME: usize = 100;
/// Longest title or description kept, in characters.
const LONGEST_TEXT: usize = 2_000;
/// Longest keyword kept, in characters, and how many: what the index stores of a photo has to stay below 64 KiB.
const LONGEST_KEYWORD: usize = 80;
const MOST_KEYWORDS: usize = 100;

/// Keys of a PNG's texts that are read. `date:create` is not: that is when a program read the file that it made this
/// one from.
const KEYS: [&str; 3] = [TITLE, DESCRIPTION, CREATION];
const TITLE: &str = "Title";
const DESCRIPTION: &str = "Description";
const CREATION: &str = "Creation Time";

/// What was found; nothing of it is certain to be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// When it was taken.
    pub taken: Option<Taken>,
    /// Where it was taken.
    pub place: Option<Place>,
    /// Maker and model, without the maker's name said twice.
    pub camera: Option<String>,
    /// The lens.
    pub lens: Option<String>,
    /// What somebody called it.
    pub title: Option<String>,
    /// What somebody wrote about it.
    pub description: Option<String>,
    /// Words that somebody filed it under.
    pub keywords: Vec<String>,
    /// How the pixels must be turned to stand upright.
    pub orientation: Option<Orientation>,
    /// Width and height of a RAW file's own picture, not yet upright.
    pub raw_size: Option<(u32, u32)>,
}

/// A moment as a camera's clock showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Milliseconds from 1970-01-01 00:00 to the moment, both on the camera's clock; of a year, month or day to its
    /// beginning.
    pub clock_ms: i64,
    /// How far that clock is ahead of UTC, in minutes; most cameras do not say.
    pub offset_minutes: Option<i16>,
    /// How exactly it is known.
    pub precision: Precision,
}

/// How exactly a time is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// The year.
    Year,
    /// The month.
    Month,
    /// The day.
    Day,
    /// The minute, and mostly the second or less.
    #[default]
    Time,
}

/// A point on Earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// North of the equator, −90 to 90.
    pub latitude: f64,
    /// East of Greenwich, −180 to 180.
    pub longitude: f64,
}

/// What a date is the date of, the best first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Rank {
    /// The shot.
    Original,
    /// The scan, or the file's first version.
    Digitized,
    /// The last change that the camera or a program noted.
    Modified,
    /// The satellites' last answer, in UTC.
    Satellites,
}

impl Metadata {
    /// What a picture file says.
    pub(super) fn read(bytes: &[u8], format: Format) -> Metadata {
        let mut found = Found::default();
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

    /// What an XMP packet says, such as a sidecar is.
    pub fn of_xmp(packet: &[u8]) -> Metadata {
        let mut found = Found::default();
        xmp::read(packet, &mut found);
        found.finish()
    }
}

/// What has been found so far. Each thing is kept as it is found first, but of dates the best.
#[derive(Default)]
struct Found {
    metadata: Metadata,
    date: Option<(Rank, Taken)>,
}

impl Found {
    fn read(&mut self, blocks: &Blocks<'_>) {
        let exif: Vec<Exif<'_>> = blocks.exif.iter().filter_map(|block| Exif::of(block)).collect();
        exif.iter().for_each(|exif| exif.read(self));
        blocks.gps.into_iter().for_each(|block| exif::read_gps(block, self));
        blocks.xmp.iter().for_each(|packet| xmp::read(packet, self));
        blocks.iptc.iter().for_each(|records| iptc::read(records, self));
        // Cameras write their own name where EXIF has the description: what people wrote elsewhere counts first.
        exif.iter().for_each(|exif| exif.read_texts(self));
        blocks.texts.iter().for_each(|(key, value)| self.text(key, value));
    }

    /// A text of a PNG, under one of [`KEYS`].
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

    fn finish(self) -> Metadata {
        Metadata { taken: self.date.map(|(_, taken)| taken), ..self.metadata }
    }
}

/// A title or description as it is kept; `None` for a blank one.
pub fn caption(text: &str) -> Option<String> {
    clean(text, LONGEST_TEXT)
}

/// Keywords as they are kept: each once, and no more than enough.
pub fn keywords<'a>(words: impl Iterator<Item = &'a str>) -> Vec<String> {
    let mut kept = Vec::new();
    for word in words.filter_map(|word| clean(word, LONGEST_KEYWORD)) {
        if kept.len() < MOST_KEYWORDS && !kept.contains(&word) {
            kept.push(word);
        }
    }
    kept
}

/// A text of so many characters at most, without what cameras pad it with. Line breaks become spaces.
fn clean(text: &str, longest: usize) -> Option<String> {
    let blanked = |c: char| if c.is_control() { ' ' } else { c };
    let text: String = text
        .trim_matches(|c: char| c.is_whitespace() || c.is_control())
        .chars()
        .map(blanked)
        .take(longest)
        .collect();
    (!text.is_empty()).then_some(text)
}
