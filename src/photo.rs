//! What the library remembers of one photo file: its key in the index and the payload stored with its vector.
//!
//! The index holds opaque bytes; this file is the one place that knows what they mean. The payload is a CBOR array
//! with numbered fields, so that later versions can add fields and still read what earlier ones wrote.

use std::fs::Metadata;
use std::path::{Path, PathBuf};

use imgsearch_index::{Fingerprint, Key};
use jiff::tz::{Offset, TimeZone};
use jiff::{Timestamp, ToSpan};
use minicbor::{Decode, Encode};

use crate::decode::{self, Picture, Taken};
use crate::look::Look;
use crate::name::{normal, normal_path};
use crate::perceptual::PerceptualHash;
use crate::sidecar::Sidecars;

/// Raised whenever `decode` reads something that it used to refuse, or reads something differently: pixels or metadata.
/// What an older decoder read or skipped is read again by the next run.
pub const DECODER_VERSION: u32 = 4;

/// Longest text of a decoder or of the operating system that is kept, in characters. A decoder may quote as much of a
/// file as it likes, and a record has room for 64 KiB in all.
const LONGEST_TEXT: usize = 300;

/// How a file looked when it was last read: enough to tell, without opening it, that it has not changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Stamp {
    /// Length in bytes.
    #[n(0)]
    pub size: u64,
    /// Last modification, in nanoseconds since the Unix epoch.
    #[n(1)]
    pub modified_ns: i64,
    /// Last change of the inode, in nanoseconds since the Unix epoch; 0 where the platform has none. Whoever replaces
    /// the content changes it too, and unlike the modification time nobody can set it back.
    #[n(2)]
    pub changed_ns: i64,
}

impl Stamp {
    /// The stamp of a file with this metadata.
    pub fn of(metadata: &Metadata) -> Stamp {
        let modified_ns =
            metadata.modified().ok().map_or(0, |time| match time.duration_since(std::time::UNIX_EPOCH) {
                Ok(after) => i64::try_from(after.as_nanos()).unwrap_or(i64::MAX),
                Err(before) => i64::try_from(before.duration().as_nanos()).map_or(i64::MIN, |ns| -ns),
            });
        Stamp { size: metadata.len(), modified_ns, changed_ns: changed_ns(metadata) }
    }

    /// Whether the content is probably the same. Only equal stamps make it sure.
    pub fn same_content(&self, other: &Stamp) -> bool {
        (self.size, self.modified_ns) == (other.size, other.modified_ns)
    }
}

#[cfg(unix)]
fn changed_ns(metadata: &Metadata) -> i64 {
    use std::os::unix::fs::MetadataExt;
    metadata.ctime().saturating_mul(1_000_000_000).saturating_add(metadata.ctime_nsec())
}

#[cfg(not(unix))]
fn changed_ns(_: &Metadata) -> i64 {
    0
}

/// The payload of one photo.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Photo {
    /// How the file looked when it was read.
    #[n(0)]
    pub stamp: Stamp,
    /// Why it has no vector, if it has none.
    #[n(1)]
    pub skip: Option<Skip>,
    /// The disk it was on, as [`crate::disk::Disks`] tells them apart.
    #[n(2)]
    #[cbor(default)]
    pub disk: u64,
    /// What it is a photo of, in numbers; nothing for what was skipped or indexed before there were details.
    #[n(3)]
    pub details: Option<Details>,
    /// [`DECODER_VERSION`] when it was last read; 0 for what was read before this was noted.
    #[n(4)]
    #[cbor(default)]
    pub decoder_version: u32,
    /// Why the last run could not read it again. Vector and details are then those of its earlier content, and every
    /// run tries again.
    #[n(5)]
    pub trouble: Option<Skip>,
}

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
}

impl<'a> Glance<'a> {
    /// Reads it from what [`Photo::encode`] wrote; `None` for a photo without details.
    pub fn of(payload: &'a [u8]) -> Option<Glance<'a>> {
        #[derive(Decode)]
        struct PhotoGlance<'b> {
            #[b(3)]
            details: Option<Glance<'b>>,
        }
        minicbor::decode::<PhotoGlance<'a>>(payload).ok()?.details
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
        let decode::Metadata { taken, place, camera, lens, title, description, keywords, .. } =
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
            note: picture.note.as_deref().map(one_short_line),
            perceptual: Some(PerceptualHash::of(picture)),
            look: Some(Look::of(picture)),
            precision: Precision::Time,
            title: title.clone(),
            description: description.clone(),
            keywords: keywords.clone(),
            beside: None,
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

    /// With what the sidecars of this photo say, where the photo itself says nothing. `stamp` is that of the photo.
    #[must_use]
    pub fn with_sidecars(self, sidecars: &Sidecars, stamp: &Stamp) -> Details {
        let mut details = self.without_sidecars(stamp);
        if sidecars.is_empty() {
            return details;
        }
        let decode::Metadata { taken, place, title, description, keywords, .. } = sidecars.read();
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
        details.beside = Some(beside);
        details
    }

    /// What the photo itself says.
    fn without_sidecars(mut self, stamp: &Stamp) -> Details {
        let Some(Beside { stamp: _, taken, place, title, description, keywords }) = self.beside.take() else {
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

impl Photo {
    /// A file that was read by this version's decoder.
    pub fn read(stamp: Stamp, disk: u64, details: Option<Details>) -> Photo {
        Photo { stamp, skip: None, disk, details, decoder_version: DECODER_VERSION, trouble: None }
    }

    /// A file that was left out.
    pub fn skipped(stamp: Stamp, disk: u64, skip: Skip) -> Photo {
        Photo { skip: Some(skip), ..Photo::read(stamp, disk, None) }
    }

    /// The bytes to store.
    #[expect(clippy::missing_panics_doc, reason = "writing to a Vec cannot fail")]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// Reads what [`Photo::encode`] of this or an earlier version wrote; `None` when the bytes are something else.
    pub fn decode(payload: &[u8]) -> Option<Photo> {
        minicbor::decode(payload).ok()
    }

    /// Whether a file that looks like `now` needs no second look.
    pub fn is_current(&self, now: &Stamp) -> bool {
        let version = self.skip.as_ref().map_or(self.decoder_version, |skip| skip.decoder_version);
        self.stamp == *now && version == DECODER_VERSION && self.trouble.is_none()
    }

    /// Whether the files beside it are those that its details come from.
    pub fn has_seen(&self, sidecars: &Sidecars) -> bool {
        let beside = self.details.as_ref().and_then(|details| details.beside.as_ref());
        self.skip.is_some() || beside.map_or(0, |beside| beside.stamp) == sidecars.stamp()
    }

    /// Whether the details come from the same pixels, lying the same way: then so does the vector. A photo that was
    /// stored before there were perceptual hashes cannot tell.
    pub fn has_pixels_of(&self, details: &Details) -> bool {
        let look = |details: &Details| {
            let Details { width, height, orientation, perceptual, .. } = details;
            perceptual.as_ref().map(|hash| (*width, *height, *orientation, *hash))
        };
        self.details.as_ref().and_then(look).is_some_and(|own| Some(own) == look(details))
    }
}

/// A file that was looked at and has no vector, remembered so that it is not tried again until it changes.
#[derive(Clone, Debug, PartialEq, Eq, Encode, Decode)]
pub struct Skip {
    /// The kind, which totals are counted by.
    #[n(0)]
    pub kind: SkipKind,
    /// What exactly was wrong, for a person; may be empty.
    #[n(1)]
    pub detail: String,
    /// [`DECODER_VERSION`] at the time; 0 for what every run is to try again.
    #[n(2)]
    pub decoder_version: u32,
}

impl Skip {
    /// A skip by this version's decoder. The detail may come from a decoder or from the file itself.
    pub fn new(kind: SkipKind, detail: impl AsRef<str>) -> Skip {
        Skip { kind, detail: one_short_line(detail.as_ref()), decoder_version: DECODER_VERSION }
    }

    /// A skip for a reason that may pass without a change of the file: the next run tries again.
    pub fn for_now(kind: SkipKind, detail: impl AsRef<str>) -> Skip {
        Skip { decoder_version: 0, ..Skip::new(kind, detail) }
    }

    /// Whether the reason may pass without a change of the file.
    pub fn is_for_now(&self) -> bool {
        self.decoder_version == 0
    }
}

/// A text that cannot break a line and is not too long to be stored.
fn one_short_line(text: &str) -> String {
    let blanked = |c: char| if c.is_control() { ' ' } else { c };
    let mut line: String = text.trim().chars().map(blanked).take(LONGEST_TEXT + 1).collect();
    if let Some((end, _)) = line.char_indices().nth(LONGEST_TEXT) {
        line.truncate(end);
        line.push('…');
    }
    line
}

impl std::fmt::Display for Skip {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.kind.label())?;
        if self.detail.is_empty() { Ok(()) } else { write!(f, ": {}", self.detail) }
    }
}

/// The reasons for which a file is left out of the results.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Encode, Decode)]
#[cbor(index_only)]
pub enum SkipKind {
    /// Zero bytes long.
    #[n(0)]
    Empty,
    /// The content is of no picture format we know.
    #[n(1)]
    NotAnImage,
    /// A picture, but of a format this build does not read.
    #[n(2)]
    Unsupported,
    /// A picture that breaks off or contradicts itself.
    #[n(3)]
    Damaged,
    /// More bytes or pixels than the limits allow.
    #[n(4)]
    TooLarge,
    /// The operating system would not let us read it.
    #[n(5)]
    Unreadable,
    /// A symbolic link whose target is gone.
    #[n(6)]
    DanglingLink,
    /// A bug in a decoder, contained.
    #[n(7)]
    DecoderFailed,
    /// Not read or not decoded in the time it is given.
    #[n(8)]
    TooSlow,
    /// Read, and refused by the model or the index.
    #[n(9)]
    NotStored,
    /// Its name does not say what it is, and its content is no picture: it counts as a file that is no picture, and
    /// not as one that was skipped.
    #[n(10)]
    OtherFile,
}

impl SkipKind {
    /// What people and `status --json` call it.
    pub fn label(self) -> &'static str {
        match self {
            SkipKind::Empty => "empty file",
            SkipKind::NotAnImage => "not an image",
            SkipKind::Unsupported => "unsupported",
            SkipKind::Damaged => "damaged",
            SkipKind::TooLarge => "too large",
            SkipKind::Unreadable => "unreadable",
            SkipKind::DanglingLink => "dangling link",
            SkipKind::DecoderFailed => "decoder failed",
            SkipKind::TooSlow => "too slow",
            SkipKind::NotStored => "not stored",
            SkipKind::OtherFile => "other file",
        }
    }
}

/// BLAKE3, cut to 128 bits: no two different files a person owns share it by chance.
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    Fingerprint(short)
}

/// The key of an absolute path: its bytes as the operating system has them, so that any file name can be a key.
/// `None` for a path that is too long for a key, or (off Unix) not valid Unicode.
pub fn key_of(path: &Path) -> Option<Key> {
    Key::new(path_bytes(path)?).ok()
}

/// The path a key stands for.
pub fn path_of(key: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        std::ffi::OsStr::from_bytes(key).into()
    }
    #[cfg(not(unix))]
    String::from_utf8_lossy(key).into_owned().into()
}

/// Whether `key` is `folder` itself or lies somewhere below it.
pub fn is_under(key: &[u8], folder: &Path) -> bool {
    let Some(folder) = path_bytes(folder) else { return false };
    let Some(rest) = key.strip_prefix(folder) else { return false };
    rest.is_empty() || folder.ends_with(&[SEPARATOR]) || rest[0] == SEPARATOR
}

/// A folder to look for photos in, by its name in any normal form of Unicode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// In NFC.
    path: PathBuf,
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Folder {
    fn from(path: &P) -> Folder {
        Folder { path: normal_path(path.as_ref()).into_owned() }
    }
}

impl Folder {
    /// Whether the photo with this key lies in the folder or somewhere below it.
    pub fn has(&self, key: &[u8]) -> bool {
        is_under(&normal(key), &self.path)
    }
}

// Separators are ASCII on every platform we build for.
const SEPARATOR: u8 = std::path::MAIN_SEPARATOR as u8;

/// The bytes of a path; `None` where the platform's paths are not bytes and this one is not valid Unicode.
pub fn path_bytes(path: &Path) -> Option<&[u8]> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(path.as_os_str().as_bytes())
    }
    #[cfg(not(unix))]
    path.to_str().map(str::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sidecar::Finder;

    const STAMP: Stamp = Stamp { size: 5, modified_ns: -7, changed_ns: 9 };

    #[test]
    fn payloads_come_back_as_they_were() {
        for skip in [None, Some(Skip::new(SkipKind::Damaged, "ends after 3 bytes"))] {
            let photo = Photo { skip, ..Photo::read(STAMP, 7, None) };
            assert_eq!(Photo::decode(&photo.encode()), Some(photo));
        }
        let trouble = Some(Skip::for_now(SkipKind::Unreadable, "no answer"));
        let photo = Photo { trouble, ..Photo::read(STAMP, 7, Some(details())) };
        assert_eq!(Photo::decode(&photo.encode()), Some(photo));
        assert_eq!(Photo::decode(b"something else"), None);
        assert_eq!(Photo::decode(b""), None);
    }

    fn details() -> Details {
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
        let told = bare.clone().with_sidecars(&sidecars, &STAMP);
        assert_eq!((told.taken_ms, told.offset_minutes, told.clock), (1_000, Some(0), Clock::Sidecar));
        assert_eq!((told.latitude_e7, told.longitude_e7), (Some(495_000_000), Some(152_500_000)));
        assert_eq!((told.description.as_deref(), &*told.keywords), (Some("theirs"), &["Ada".to_owned()][..]));
        assert_eq!(told.clone().with_sidecars(&sidecars, &STAMP), told);
        assert_eq!(told.with_sidecars(&Sidecars::default(), &STAMP), bare);
        // What the photo says itself stays.
        let own = Details {
            taken_ms: 7,
            clock: Clock::Camera,
            latitude_e7: Some(1),
            longitude_e7: Some(2),
            description: Some("own".into()),
            keywords: vec!["own".into()],
            ..details()
        };
        let told = own.clone().with_sidecars(&sidecars, &STAMP);
        let beside = Some(Beside { stamp: sidecars.stamp(), ..Beside::default() });
        assert_eq!(told, Details { beside, ..own.clone() });
        assert_eq!(told.with_sidecars(&Sidecars::default(), &STAMP), own);
    }

    #[test]
    fn a_photo_is_read_again_when_its_sidecars_are_others() {
        let photo = |stamp| {
            let beside = Some(Beside { stamp, ..Beside::default() });
            Photo::read(STAMP, 7, Some(Details { beside, ..details() }))
        };
        let none = Sidecars::default();
        assert!(Photo::read(STAMP, 7, Some(details())).has_seen(&none));
        assert!(Photo::skipped(STAMP, 7, Skip::new(SkipKind::Damaged, "")).has_seen(&none));
        assert!(!photo(5).has_seen(&none));
    }

    #[test]
    fn the_longest_texts_leave_room_in_a_record() {
        let long = "\u{10ffff}".repeat(10_000);
        let words: Vec<String> = (0..1_000).map(|i| format!("{i}{long}")).collect();
        let known = Details {
            title: decode::caption(&long),
            description: decode::caption(&long),
            keywords: decode::keywords(words.iter().map(String::as_str)),
            camera: decode::caption(&long[..400]),
            lens: decode::caption(&long[..400]),
            ..details()
        };
        let longest = imgsearch_index::MAX_PAYLOAD_LEN;
        assert!(Photo::read(STAMP, 7, Some(known)).encode().len() < longest - 2_000);
    }

    #[test]
    fn payloads_of_the_first_version_are_read() {
        // [[5, -7, 9], null], before there were disks and details.
        let photo = Photo { decoder_version: 0, ..Photo::read(STAMP, 0, None) };
        assert_eq!(Photo::decode(b"\x82\x83\x05\x26\x09\xf6"), Some(photo));
    }

    #[test]
    fn a_photo_is_current_until_its_stamp_or_the_decoder_changes() {
        #[track_caller]
        fn check(photo: &Photo, expected: bool) {
            assert_eq!(photo.is_current(&STAMP), expected, "{photo:?}");
        }
        let photo = |stamp| Photo::read(stamp, 0, None);
        let skipped = |stamp, skip| Photo::skipped(stamp, 0, skip);
        let unreadable = || Skip::new(SkipKind::Unreadable, "");
        check(&photo(STAMP), true);
        check(&photo(Stamp { changed_ns: 10, ..STAMP }), false);
        check(&photo(Stamp { modified_ns: 10, ..STAMP }), false);
        check(&photo(Stamp { size: 10, ..STAMP }), false);
        check(&Photo { decoder_version: DECODER_VERSION - 1, ..photo(STAMP) }, false);
        check(&Photo { trouble: Some(unreadable()), ..photo(STAMP) }, false);
        check(&skipped(STAMP, unreadable()), true);
        check(&skipped(Stamp { changed_ns: 10, ..STAMP }, unreadable()), false);
        check(&skipped(STAMP, Skip { decoder_version: DECODER_VERSION - 1, ..unreadable() }), false);
        check(&skipped(STAMP, Skip::for_now(SkipKind::TooSlow, "")), false);
    }

    #[test]
    fn pixels_are_the_same_where_everything_about_them_is() {
        #[track_caller]
        fn check(old: Option<Details>, expected: bool) {
            assert_eq!(Photo::read(STAMP, 0, old).has_pixels_of(&details()), expected);
        }
        check(Some(details()), true);
        check(Some(Details { camera: Some("missed before".into()), taken_ms: 5, ..details() }), true);
        check(Some(Details { orientation: 1, ..details() }), false);
        check(Some(Details { width: 299, ..details() }), false);
        check(Some(Details { perceptual: None, ..details() }), false);
        check(None, false);
    }

    #[test]
    fn texts_of_decoders_are_short_lines() {
        #[track_caller]
        fn check(detail: &str, expected: &str) {
            assert_eq!(Skip::new(SkipKind::Damaged, detail).detail, expected);
        }
        check(" ends\nafter 3 bytes ", "ends after 3 bytes");
        check(&"ä".repeat(300), &"ä".repeat(300));
        check(&"ä".repeat(70_000), &format!("{}…", "ä".repeat(300)));
    }

    #[test]
    fn under_means_the_folder_itself_or_below_it() {
        #[track_caller]
        fn check(key: &str, folder: &str, expected: bool) {
            assert_eq!(is_under(key.as_bytes(), Path::new(folder)), expected, "{key} under {folder}");
        }
        check("/a/b/c.jpg", "/a/b", true);
        check("/a/b/c.jpg", "/a/b/c.jpg", true);
        check("/a/bc.jpg", "/a/b", false);
        check("/a/b.jpg", "/", true);
        check("/a", "/a/b", false);
    }

    #[test]
    fn a_folder_has_photos_whatever_form_its_name_is_in() {
        #[track_caller]
        fn check(folder: &str, key: &[u8], expected: bool) {
            assert_eq!(Folder::from(folder).has(key), expected, "{folder}");
        }
        check("/T\u{fc}r", "/Tu\u{308}r/a.jpg".as_bytes(), true);
        check("/Tu\u{308}r", "/T\u{fc}r/a.jpg".as_bytes(), true);
        check("/Tu", "/Tu\u{308}r/a.jpg".as_bytes(), false);
        check("/T\u{fc}r", b"/T\xfcr/a.jpg", false);
        check("/a", b"/a/\xff.jpg", true);
    }
}
