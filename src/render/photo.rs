//! A photo's details as fields of a record.

use std::borrow::Cow;
use std::path::Path;

use imgsearch::Match;
use imgsearch::photo::{Clock, Details, Photo, Precision};
use imgsearch::query::Shape;
use jiff::Timestamp;
use jiff::tz::{Offset, TimeZone};

use super::record::{Field, Value};
use crate::settings::zone;
use crate::terminal::escape_path;

/// The file name for people.
pub(crate) fn name(path: &Path) -> Cow<'_, str> {
    escape_path(path.file_name().map_or(path, Path::new))
}

/// The fields of a record about a photo; `photo` gets it from the record.
pub(crate) fn photo_fields<R: 'static>(photo: fn(&R) -> Option<&Photo>) -> Vec<Field<R>> {
    let of_file = |name, read: fn(&Photo) -> Value<'_>| {
        Field::new(name, move |record| photo(record).map_or(Value::Absent, read))
    };
    let of_picture = |name, read: fn(&Details) -> Value<'_>| {
        Field::new(name, move |record| {
            photo(record).and_then(|photo| photo.details.as_ref()).map_or(Value::Absent, read)
        })
    };
    vec![
        of_picture("taken", |details| taken(details, zone).map_or(Value::Absent, Value::Time)),
        of_picture("taken_from", |details| taken_from(details).into()),
        of_picture("latitude", |details| details.latitude_e7.map(degrees).into()),
        of_picture("longitude", |details| details.longitude_e7.map(degrees).into()),
        of_picture("camera", |details| details.camera.as_deref().into()),
        of_picture("lens", |details| details.lens.as_deref().into()),
        of_picture("width", |details| details.width.into()),
        of_picture("height", |details| details.height.into()),
        of_picture("orientation", |details| orientation(details).into()),
        of_file("size", |photo| Value::Bytes(photo.stamp.size)),
        of_file("modified", |photo| modified(photo).into()),
        of_picture("note", |details| details.note.as_deref().into()),
        of_picture("title", |details| details.title.as_deref().into()),
        of_picture("description", |details| details.description.as_deref().into()),
        of_picture("keywords", |details| Value::List(&details.keywords)),
    ]
}

/// The day, month or year in which a photo that was found was taken; empty if that is unknown.
pub(crate) fn day(found: &Match) -> String {
    let details = found.photo.as_ref().and_then(|photo| photo.details.as_ref());
    let taken = details.and_then(|details| taken(details, crate::settings::zone));
    taken.unwrap_or_default().chars().take(10).collect()
}

/// ISO 8601: the camera's local time, with its offset from UTC if known. If only an instant is known, as for a file's
/// time, it is shown in `zone`. An inexact time is only a day, a month or a year.
fn taken(details: &Details, zone: impl FnOnce() -> TimeZone) -> Option<String> {
    let clock = Timestamp::from_millisecond(details.taken_ms).ok()?;
    if details.is_moment() {
        return Some(clock.display_with_offset(zone().to_offset(clock)).to_string());
    }
    let form = match details.precision {
        Precision::Time => None,
        Precision::Day => Some("%Y-%m-%d"),
        Precision::Month => Some("%Y-%m"),
        Precision::Year => Some("%Y"),
    };
    if let Some(form) = form {
        return Some(Offset::UTC.to_datetime(clock).strftime(form).to_string());
    }
    let Some(minutes) = details.offset_minutes else {
        return Some(Offset::UTC.to_datetime(clock).to_string());
    };
    let offset = Offset::from_seconds(i32::from(minutes) * 60).ok()?;
    let time = offset.to_timestamp(Offset::UTC.to_datetime(clock)).ok()?;
    Some(time.display_with_offset(offset).to_string())
}

fn taken_from(details: &Details) -> &'static str {
    match details.clock {
        Clock::Camera => "camera",
        Clock::File => "file",
        Clock::Sidecar => "sidecar",
    }
}

fn orientation(details: &Details) -> &'static str {
    match Shape::of(details.width, details.height) {
        Shape::Landscape => "landscape",
        Shape::Portrait => "portrait",
        Shape::Square => "square",
    }
}

fn degrees(ten_millionths: i32) -> f64 {
    f64::from(ten_millionths) / 1e7
}

/// RFC 3339, in UTC.
fn modified(photo: &Photo) -> Option<String> {
    Timestamp::from_nanosecond(photo.stamp.modified_ns.into()).ok().map(|time| time.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_the_clocks_with_its_offset() {
        #[track_caller]
        fn check(clock: Clock, taken_ms: i64, offset_minutes: Option<i16>, expected: Option<&str>) {
            let zone = || TimeZone::posix("PST8PDT,M3.2.0,M11.1.0").unwrap();
            let details = Details { taken_ms, offset_minutes, clock, ..Details::default() };
            assert_eq!(taken(&details, zone).as_deref(), expected);
        }
        use Clock::{Camera, File};
        check(Camera, 1_683_376_496_000, None, Some("2023-05-06T12:34:56"));
        check(Camera, 1_683_376_496_000, Some(120), Some("2023-05-06T12:34:56+02:00"));
        check(Camera, 1_683_376_496_500, Some(-210), Some("2023-05-06T12:34:56.5-03:30"));
        check(Camera, -1, Some(0), Some("1969-12-31T23:59:59.999+00:00"));
        check(Camera, i64::MAX, None, None);
        check(File, 1_720_159_200_000, Some(0), Some("2024-07-04T23:00:00-07:00"));
        check(File, 1_733_378_400_000, Some(0), Some("2024-12-04T22:00:00-08:00"));
        check(File, i64::MAX, Some(0), None);
        check(Clock::Sidecar, 1_720_159_200_000, Some(0), Some("2024-07-04T23:00:00-07:00"));
        check(Clock::Sidecar, 1_683_376_496_000, None, Some("2023-05-06T12:34:56"));
    }

    #[test]
    fn a_time_shows_no_more_than_is_known() {
        #[track_caller]
        fn check(precision: Precision, expected: &str) {
            // 1958-07-04 00:00.
            let details =
                Details { taken_ms: -362_793_600_000, precision, clock: Clock::Camera, ..Details::default() };
            assert_eq!(taken(&details, || TimeZone::UTC).as_deref(), Some(expected));
        }
        check(Precision::Year, "1958");
        check(Precision::Month, "1958-07");
        check(Precision::Day, "1958-07-04");
        check(Precision::Time, "1958-07-04T00:00:00");
    }
}
