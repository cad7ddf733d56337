//! The JSON file that Google Takeout puts beside each photo.

use serde::Deserialize;
use serde_json::Value;

use crate::decode::{self, Metadata, Place, Precision, Taken, caption};
use crate::name::normal_text;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Takeout {
    /// The photo's name before Google truncated it.
    #[serde(default)]
    title: String,
    photo_taken_time: Option<Time>,
    #[serde(default)]
    description: String,
    geo_data: Option<Geo>,
    geo_data_exif: Option<Geo>,
    #[serde(default)]
    people: Vec<Person>,
}

#[derive(Deserialize)]
struct Time {
    /// Seconds since 1970 in UTC, as text.
    timestamp: Value,
}

#[derive(Deserialize)]
struct Geo {
    latitude: f64,
    longitude: f64,
}

#[derive(Deserialize)]
struct Person {
    #[serde(default)]
    name: String,
}

/// The metadata in a Takeout JSON. `None` if it is not one, or if it belongs to a photo other than `photo`.
pub(super) fn read(json: &[u8], photo: Option<&str>) -> Option<Metadata> {
    let Takeout { title, photo_taken_time, description, geo_data, geo_data_exif, people } =
        serde_json::from_slice(json).ok()?;
    if photo.is_some_and(|photo| !is_cut_from(photo, &title)) {
        return None;
    }
    let taken = taken(&photo_taken_time?);
    // Prefer the place that Google Photos shows. Unknown places are zeros.
    let place = [geo_data, geo_data_exif].into_iter().flatten();
    let place = place.filter_map(|geo| Place::new(geo.latitude, geo.longitude)).next();
    let names = || people.iter().map(|person| person.name.as_str());
    // Earlier versions kept the names as keywords, and people search for them as such.
    let (keywords, people) = (decode::keywords(names()), decode::people(names()));
    Some(Metadata {
        taken,
        place,
        description: caption(&description),
        keywords,
        people,
        ..Metadata::default()
    })
}

/// Whether Google may have turned `title` into this name: it truncates long names and replaces special characters by `_`.
fn is_cut_from(photo: &str, title: &str) -> bool {
    let (photo, title) = (normal_text(photo), normal_text(title));
    let (Some((stem, ending)), Some((whole, ending_of_title))) =
        (photo.rsplit_once('.'), title.rsplit_once('.'))
    else {
        return photo == title;
    };
    let mut whole = whole.chars();
    let mut is_next = |c: char| whole.next().is_some_and(|of_title| c == of_title || c == '_');
    ending.eq_ignore_ascii_case(ending_of_title) && stem.chars().all(&mut is_next)
}

fn taken(time: &Time) -> Option<Taken> {
    let seconds: i64 = match time.timestamp.as_str() {
        Some(text) => text.parse().ok()?,
        None => time.timestamp.as_i64()?,
    };
    let clock_ms = seconds.checked_mul(1000).filter(|ms| *ms != 0)?;
    // A time beyond the calendar's range cannot be shown or searched for.
    jiff::Timestamp::from_millisecond(clock_ms).ok()?;
    Some(Taken { clock_ms, offset_minutes: Some(0), precision: Precision::Time })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &str = r#"{
        "title": "IMG_1.jpg", "description": "A day\nout", "imageViews": "3",
        "creationTime": {"timestamp": "1600000000", "formatted": "13 Sept 2020"},
        "photoTakenTime": {"timestamp": "1557126489", "formatted": "6 May 2019, 07:08:09 UTC"},
        "geoData": {"latitude": 0.0, "longitude": 0.0, "altitude": 0.0},
        "geoDataExif": {"latitude": 49.5, "longitude": 15.25, "altitude": 0.0},
        "people": [{"name": "Ada"}, {"name": "Alan"}, {"name": "Ada"}, {}]
    }"#;

    #[test]
    fn all_of_it_is_read() {
        let Metadata { taken, place, description, keywords, people, title, .. } =
            read(WHOLE.as_bytes(), None).unwrap();
        let expected =
            Taken { clock_ms: 1_557_126_489_000, offset_minutes: Some(0), precision: Precision::Time };
        assert_eq!(taken, Some(expected));
        assert_eq!(place, Some(Place { latitude: 49.5, longitude: 15.25 }));
        assert_eq!(description.as_deref(), Some("A day out"));
        assert_eq!((&keywords, title), (&vec!["Ada".to_owned(), "Alan".to_owned()], None));
        assert_eq!(people, keywords);
    }

    #[test]
    fn other_json_says_nothing() {
        for json in
            ["", "{}", "[]", "null", r#"{"name": "a", "description": "b"}"#, "{\"photoTakenTime\": 1}"]
        {
            assert_eq!(read(json.as_bytes(), None), None, "{json}");
        }
        let empty = read(br#"{"photoTakenTime": {"timestamp": "0"}}"#, None);
        assert_eq!(empty, Some(Metadata::default()));
        assert_eq!(read(br#"{"photoTakenTime": {"timestamp": 99999999999999}}"#, None), empty);
    }

    #[test]
    fn a_title_tells_whose_it_is() {
        #[track_caller]
        fn check(photo: &str, expected: bool) {
            assert_eq!(read(WHOLE.as_bytes(), Some(photo)).is_some(), expected, "{photo}");
        }
        for photo in ["IMG_1.jpg", "IMG_1.JPG", "IMG_.jpg", "IM.jpg"] {
            check(photo, true);
        }
        for photo in ["IMG_2.jpg", "IMG_1.png", "IMG_12.jpg", "IMG_1"] {
            check(photo, false);
        }
        assert!(is_cut_from("It_s_ a photo.jpg", "It's: a photo taken.jpg"));
        assert!(is_cut_from("u\u{308}ber.jpg", "\u{fc}ber alles.jpg"));
    }
}
