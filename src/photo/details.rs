//! What a picture and the files beside it say: when and where it was taken, with what, and what it looks like.

use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use minicbor::{Decode, Encode};

use super::{Stamp, Texts};
use crate::decode::{self, Picture, Taken};
use crate::look::Look;
use crate::perceptual::PerceptualHash;
use crate::sidecar::Sidecars;

/// What a picture says about itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Details {
    /// In pixels, as it is seen upright.
    #[n(0)]
    pub width: u32,
    /// In pixels, as it is seen upright.
    #[n(1)]
    pub height: u32,
    /// EXIF orientation, 1 to 8: how it lies in the file.
    #[n(2)]
    pub orientation: u8,
    /// When it was taken: milliseconds since 1970-01-01 00:00 on the clock that was looked at.
    #[n(3)]
    pub taken_ms: i64,
    /// How far that clock is ahead of UTC, in minutes, where that is known.
    #[n(4)]
    pub offset_minutes: Option<i16>,
    /// Which clock that was.
    #[n(5)]
    pub clock: Clock,
    /// Where it was taken: degrees north of the equator, in ten-millionths (a centimetre).
    #[n(6)]
    pub latitude_e7: Option<i32>,
    /// Degrees east of Greenwich, in ten-millionths.
    #[n(7)]
    pub longitude_e7: Option<i32>,
    /// Maker and model of the camera.
    #[n(8)]
    pub camera: Option<String>,
    /// The lens.
    #[n(9)]
    pub lens: Option<String>,
    /// What is wrong with a picture that was embedded all the same.
    #[n(10)]
    pub note: Option<String>,
    /// What it looks like; nothing for what was indexed before this was noted.
    #[n(11)]
    pub perceptual: Option<PerceptualHash>,
    /// A small copy, to compare pictures whose hashes agree; nothing for what was indexed before this was noted.
    #[n(12)]
    pub look: Option<Look>,
    /// How exactly `taken_ms` is known.
    #[n(13)]
    #[cbor(default)]
    pub precision: Precision,
    /// What somebody called it.
    #[n(14)]
    pub title: Option<String>,
    /// What somebody wrote about it.
    #[n(15)]
    pub description: Option<String>,
    /// Words that somebody filed it under.
    #[n(16)]
    #[cbor(default)]
    pub keywords: Vec<String>,
    /// What comes from files beside the photo, if there are any.
    #[n(17)]
    pub beside: Option<Beside>,
    /// The names of the people in it, from face regions and lists of names.
    #[n(18)]
    #[cbor(default, skip_if = "Vec::is_empty")]
    pub people: Vec<String>,
}

/// What of a photo's details comes from sidecars, and how those looked when they were read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Beside {
    /// As [`Sidecars::stamp`] tells it.
    #[n(0)]
    pub stamp: u64,
    /// The time; then `clock` is [`Clock::Sidecar`].
    #[n(1)]
    pub taken: bool,
    /// Latitude and longitude.
    #[n(2)]
    pub place: bool,
    /// The title.
    #[n(3)]
    pub title: bool,
    /// The description.
    #[n(4)]
    pub description: bool,
    /// The keywords.
    #[n(5)]
    pub keywords: bool,
    /// The people.
    #[n(6)]
    #[cbor(default)]
    pub people: bool,
}

/// How exactly the time of a photo is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Precision {
    /// To the minute or better.
    #[default]
    #[n(0)]
    Time,
    /// Only the day.
    #[n(1)]
    Day,
    /// Only the month.
    #[n(2)]
    Month,
    /// Only the year.
    #[n(3)]
    Year,
}

/// What filters ask for, read where it lies: for a query that looks at every photo of a large library, to copy the
/// texts of each would be most of the work.
#[derive(Clone, Debug, PartialEq, Eq, Decode)]
pub struct Glance<'a> {
    /// As [`Details::width`].
    #[n(0)]
    pub width: u32,
    /// As [`Details::height`].
    #[n(1)]
    pub height: u32,
    /// As [`Details::taken_ms`].
    #[n(3)]
    pub taken_ms: i64,
    #[n(4)]
    offset_minutes: Option<i16>,
    #[n(5)]
    clock: Clock,
    #[n(6)]
    latitude_e7: Option<i32>,
    #[n(7)]
    longitude_e7: Option<i32>,
    /// As [`Details::camera`].
    #[b(8)]
    pub camera: Option<&'a str>,
    /// As [`Details::lens`].
    #[b(9)]
    pub lens: Option<&'a str>,
    #[n(13)]
    #[cbor(default)]
    precision: Precision,
    /// The whole record.
    #[cbor(skip)]
    payload: &'a [u8],
}

impl<'a> Glance<'a> {
    /// Reads it from what [`Photo::encode`](super::Photo::encode) wrote; `None` for a photo without details.
    pub fn of(payload: &'a [u8]) -> Option<Glance<'a>> {
        #[derive(Decode)]
        struct PhotoGlance<'b> {
            #[b(3)]
            details: Option<Glance<'b>>,
        }
        let details = minicbor::decode::<PhotoGlance<'a>>(payload).ok()?.details?;
        Some(Glance { payload, ..details })
    }

    /// The texts of the photo.
    pub fn texts(&self) -> Texts<'a> {
        Texts::of(self.payload)
    }

    /// Whether [`Glance::taken_ms`] is a moment in UTC, and not what a clock on the wall showed.
    pub fn is_moment(&self) -> bool {
        self.clock.is_moment(self.offset_minutes)
    }

    /// The first and the last moment at which it may have been taken, which are the same where the time is known.
    pub fn taken_within(&self) -> (i64, i64) {
        (self.taken_ms, self.precision.last_ms(self.taken_ms))
    }

    /// Latitude and longitude in degrees.
    pub fn place(&self) -> Option<(f64, f64)> {
        Some((f64::from(self.latitude_e7?) / 1e7, f64::from(self.longitude_e7?) / 1e7))
    }
}

impl Precision {
    /// The last millisecond of the day, month or year that begins at `first_ms`.
    fn last_ms(self, first_ms: i64) -> i64 {
        let length = match self {
            Precision::Time => return first_ms,
            Precision::Day => 1.day(),
            Precision::Month => 1.month(),
            Precision::Year => 1.year(),
        };
        let end = || {
            let first = Timestamp::from_millisecond(first_ms).ok()?;
            let end = Offset::UTC.to_datetime(first).checked_add(length).ok()?;
            Offset::UTC.to_timestamp(end).ok()
        };
        end().map_or(first_ms, |end| end.as_millisecond() - 1)
    }
}

impl From<decode::Precision> for Precision {
    fn from(precision: decode::Precision) -> Precision {
        match precision {
            decode::Precision::Time => Precision::Time,
            decode::Precision::Day => Precision::Day,
            decode::Precision::Month => Precision::Month,
            decode::Precision::Year => Precision::Year,
        }
    }
}

/// Whose clock tells when a photo was taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Encode, Decode)]
#[cbor(index_only)]
pub enum Clock {
    /// The camera's, or whatever else the file itself says.
    #[n(0)]
    Camera,
    /// The file system's: the last modification, for want of anything better.
    #[default]
    #[n(1)]
    File,
    /// What a file beside the photo says.
    #[n(2)]
    Sidecar,
}

impl Clock {
    /// Whether this clock tells moments in UTC: that of a file system does, and Google's, which notes no place's time.
    fn is_moment(self, offset_minutes: Option<i16>) -> bool {
        match self {
            Clock::Camera => false,
            Clock::File => true,
            Clock::Sidecar => offset_minutes == Some(0),
        }
    }
}

impl Details {
    /// The details of a decoded picture whose file has this stamp.
    pub fn of(picture: &Picture, stamp: &Stamp) -> Details {
        let decode::Metadata { taken, place, camera, lens, title, description, keywords, people, .. } =
            &picture.metadata;
        let (width, height) = picture.upright_size();
        let mut details = Details {
            width,
            height,
            orientation: picture.orientation.to_exif(),
            taken_ms: 0,
            offset_minutes: None,
            clock: Clock::File,
            latitude_e7: place.map(|place| ten_millionths(place.latitude)),
            longitude_e7: place.map(|place| ten_millionths(place.longitude)),
            camera: camera.clone(),
            lens: lens.clone(),
            note: picture.note.clone(),
            perceptual: Some(PerceptualHash::of(picture)),
            look: Some(Look::of(picture)),
            precision: Precision::Time,
            title: title.clone(),
            description: description.clone(),
            keywords: keywords.clone(),
            beside: None,
            people: people.clone(),
        };
        if let Some(taken) = taken {
            details.set_taken(taken, Clock::Camera);
        }
        details.in_file(stamp)
    }

    /// Whether [`Details::taken_ms`] is a moment in UTC, and not what a clock on the wall showed.
    pub fn is_moment(&self) -> bool {
        self.clock.is_moment(self.offset_minutes)
    }

    /// When it was taken, as a clock on the wall showed it: the camera's own clock, or a clock in `zone` for the time
    /// of a file. Milliseconds since 1970-01-01 00:00.
    pub fn wall_ms(&self, zone: &TimeZone) -> i64 {
        let offset = if self.is_moment() { offset_ms(zone, self.taken_ms) } else { 0 };
        self.taken_ms.saturating_add(offset)
    }

    fn set_taken(&mut self, taken: &Taken, clock: Clock) {
        self.taken_ms = taken.clock_ms;
        self.offset_minutes = taken.offset_minutes;
        self.precision = taken.precision.into();
        self.clock = clock;
    }

    /// With what the sidecars of this photo `say`, where the photo itself says nothing. `stamp` is that of the photo.
    #[must_use]
    pub fn with_sidecars(self, sidecars: &Sidecars, say: decode::Metadata, stamp: &Stamp) -> Details {
        let mut details = self.without_sidecars(stamp);
        if sidecars.is_empty() {
            return details;
        }
        let decode::Metadata { taken, place, title, description, keywords, people, .. } = say;
        let mut beside = Beside { stamp: sidecars.stamp(), ..Beside::default() };
        if let Some(taken) = taken.filter(|_| details.clock == Clock::File) {
            details.set_taken(&taken, Clock::Sidecar);
            beside.taken = true;
        }
        if let Some(place) = place.filter(|_| details.latitude_e7.is_none()) {
            details.latitude_e7 = Some(ten_millionths(place.latitude));
            details.longitude_e7 = Some(ten_millionths(place.longitude));
            beside.place = true;
        }
        beside.title = details.title.is_none() && title.is_some();
        details.title = details.title.or(title);
        beside.description = details.description.is_none() && description.is_some();
        details.description = details.description.or(description);
        if details.keywords.is_empty() && !keywords.is_empty() {
            details.keywords = keywords;
            beside.keywords = true;
        }
        if details.people.is_empty() && !people.is_empty() {
            details.people = people;
            beside.people = true;
        }
        details.beside = Some(beside);
        details
    }

    /// What the photo itself says.
    fn without_sidecars(mut self, stamp: &Stamp) -> Details {
        let Some(Beside { stamp: _, taken, place, title, description, keywords, people }) =
            self.beside.take()
        else {
            return self;
        };
        if taken {
            self.clock = Clock::File;
        }
        if place {
            (self.latitude_e7, self.longitude_e7) = (None, None);
        }
        self.title = self.title.filter(|_| !title);
        self.description = self.description.filter(|_| !description);
        if keywords {
            self.keywords.clear();
        }
        if people {
            self.people.clear();
        }
        self.in_file(stamp)
    }

    /// The same content in another file.
    #[must_use]
    pub fn in_file(mut self, stamp: &Stamp) -> Details {
        if self.clock == Clock::File {
            self.taken_ms = stamp.modified_ns.div_euclid(1_000_000);
            self.offset_minutes = Some(0);
            self.precision = Precision::Time;
        }
        self
    }
}

/// How far clocks in `zone` are ahead of UTC at this moment.
fn offset_ms(zone: &TimeZone, utc_ms: i64) -> i64 {
    let moment = Timestamp::from_millisecond(utc_ms);
    moment.map_or(0, |moment| i64::from(zone.to_offset(moment).seconds()) * 1_000)
}

#[expect(clippy::cast_possible_truncation, reason = "at most 180 degrees")]
fn ten_millionths(degrees: f64) -> i32 {
    (degrees * 1e7).round() as i32
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::photo::Photo;
    use crate::sidecar::Finder;

    const STAMP: Stamp = Stamp { size: 5, modified_ns: -7, changed_ns: 9 };

    pub(in crate::photo) fn details() -> Details {
        let picture = Picture {
            pixels: image::RgbImage::new(1, 1),
            full_size: (400, 300),
            eighths: 8,
            orientation: image::metadata::Orientation::Rotate90,
            metadata: decode::Metadata::default(),
            note: None,
        };
        Details::of(&picture, &STAMP)
    }

    #[test]
    fn a_glance_sees_what_is_there() {
        let known = Details {
            latitude_e7: Some(-525_100_000),
            longitude_e7: Some(134_000_000),
            camera: Some("A".into()),
            ..details()
        };
        let payload = Photo::read(STAMP, 7, Some(known.clone())).encode();
        let glance = Glance::of(&payload).unwrap();
        assert_eq!((glance.width, glance.height, glance.taken_ms), (300, 400, known.taken_ms));
        assert_eq!((glance.clock, glance.camera, glance.lens), (Clock::File, Some("A"), None));
        assert_eq!(glance.place(), Some((-52.51, 13.4)));
        assert_eq!(Glance::of(b"\x82\x83\x05\x26\x09\xf6"), None);
        assert_eq!(Glance::of(b"something else"), None);
    }

    #[test]
    fn a_photo_without_a_date_has_its_files() {
        let details = details();
        assert_eq!((details.width, details.height, details.orientation), (300, 400, 6));
        assert_eq!((details.taken_ms, details.offset_minutes, details.clock), (-1, Some(0), Clock::File));
        let moved = details.in_file(&Stamp { modified_ns: 2_000_000, ..STAMP });
        assert_eq!((moved.taken_ms, moved.clock), (2, Clock::File));
        let dated = Details { clock: Clock::Camera, ..moved.clone() }.in_file(&STAMP);
        assert_eq!(dated.taken_ms, 2);
    }

    #[test]
    fn a_file_has_the_time_of_the_zone_and_a_camera_its_own() {
        #[track_caller]
        fn check(clock: Clock, taken: &str, zone: &str, expected: &str) {
            let ms = |time: &str| time.parse::<Timestamp>().unwrap().as_millisecond();
            let details = Details { clock, taken_ms: ms(taken), ..details() };
            let zone = TimeZone::posix(zone).unwrap();
            assert_eq!(details.wall_ms(&zone), ms(expected), "{taken}");
        }
        // Los Angeles, in summer and in winter.
        let pacific = "PST8PDT,M3.2.0,M11.1.0";
        check(Clock::File, "2024-07-05T06:00:00Z", pacific, "2024-07-04T23:00:00Z");
        check(Clock::File, "2024-12-05T06:00:00Z", pacific, "2024-12-04T22:00:00Z");
        check(Clock::Camera, "2024-07-04T23:30:00Z", pacific, "2024-07-04T23:30:00Z");
        check(Clock::File, "1969-12-31T23:00:00Z", "<+0530>-5:30", "1970-01-01T04:30:00Z");
    }

    #[test]
    fn a_time_that_is_not_exact_covers_its_year_month_or_day() {
        #[track_caller]
        fn check(precision: Precision, days: i64) {
            // 1960-02-01, in a leap year.
            let taken_ms = -313_027_200_000;
            let known = Details { taken_ms, precision, clock: Clock::Camera, ..details() };
            let payload = Photo::read(STAMP, 7, Some(known)).encode();
            let last_ms = if days == 0 { taken_ms } else { taken_ms + days * 86_400_000 - 1 };
            assert_eq!(Glance::of(&payload).unwrap().taken_within(), (taken_ms, last_ms));
        }
        check(Precision::Time, 0);
        check(Precision::Day, 1);
        check(Precision::Month, 29);
        check(Precision::Year, 366);
    }

    #[test]
    fn sidecars_fill_gaps_and_leave_no_trace() {
        let folder = tempfile::tempdir().unwrap();
        let json = r#"{"photoTakenTime": {"timestamp": "1"}, "description": "theirs",
            "geoData": {"latitude": 49.5, "longitude": 15.25}, "people": [{"name": "Ada"}]}"#;
        std::fs::write(folder.path().join("a.jpg.json"), json).unwrap();
        let sidecars = Finder::default().of(&folder.path().join("a.jpg"));
        let bare = details();
        let told = bare.clone().with_sidecars(&sidecars, sidecars.read(), &STAMP);
        assert_eq!((told.taken_ms, told.offset_minutes, told.clock), (1_000, Some(0), Clock::Sidecar));
        assert_eq!((told.latitude_e7, told.longitude_e7), (Some(495_000_000), Some(152_500_000)));
        assert_eq!((told.description.as_deref(), &*told.keywords), (Some("theirs"), &["Ada".to_owned()][..]));
        assert_eq!(told.people, ["Ada"]);
        assert_eq!(told.clone().with_sidecars(&sidecars, sidecars.read(), &STAMP), told);
        assert_eq!(told.with_sidecars(&Sidecars::default(), decode::Metadata::default(), &STAMP), bare);
        // What the photo says itself stays.
        let own = Details {
            taken_ms: 7,
            clock: Clock::Camera,
            latitude_e7: Some(1),
            longitude_e7: Some(2),
            description: Some("own".into()),
            keywords: vec!["own".into()],
            people: vec!["own".into()],
            ..details()
        };
        let told = own.clone().with_sidecars(&sidecars, sidecars.read(), &STAMP);
        let beside = Some(Beside { stamp: sidecars.stamp(), ..Beside::default() });
        assert_eq!(told, Details { beside, ..own.clone() });
        assert_eq!(told.with_sidecars(&Sidecars::default(), decode::Metadata::default(), &STAMP), own);
    }

    #[test]
    fn the_longest_texts_leave_room_in_a_record() {
        let long = "\u{10348}".repeat(10_000);
        let words: Vec<String> = (0..1_000).map(|i| format!("{i}{long}")).collect();
        let known = Details {
            title: decode::caption(&long),
            description: decode::caption(&long),
            keywords: decode::keywords(words.iter().map(String::as_str)),
            people: decode::people(words.iter().map(String::as_str)),
            camera: decode::caption(&long[..400]),
            lens: decode::caption(&long[..400]),
            ..details()
        };
        let longest = imgsearch_index::MAX_PAYLOAD_LEN;
        // The text in the picture has at most 25,000.
        assert!(Photo::read(STAMP, 7, Some(known)).encode().len() < longest - 22_000);
    }
}
