//! The JSON file that Google Takeout puts beside each photo.

use serde::Deserialize;
use serde_json::Value;

use crate::decode::{Metadata, Place, Precision, Taken, caption, keywords};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Takeout {
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
    /// Seconds since 1970 in UTC, as a text.
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

/// What it says; `None` for JSON of another kind.
pub(super) fn read(json: &[u8]) -> Option<Metadata> {
    let Takeout { photo_taken_time, description, geo_data, geo_data_exif, people } =
        serde_json::from_slice(json).ok()?;
    let taken = taken(&photo_taken_time?);
    // Google's own idea of the place comes first; both are zeros where it is not known.
    let place = [geo_data, geo_data_exif].into_iter().flatten();
    let place = place.filter_map(|geo| Place::new(geo.latitude, geo.longitude)).next();
    let keywords = keywords(people.iter().map(|person| person.name.as_str()));
    Some(Metadata { taken, place, description: caption(&description), keywords, ..Metadata::default() })
}

fn taken(time: &Time) -> Option<Taken> {
    let seconds: i64 = match time.timestamp.as_str() {
        Some(text) => text.parse().ok()?,
        None => time.timestamp.as_i64()?,
    };
    let clock_ms = seconds.checked_mul(1000).filter(|ms| *ms != 0)?;
    // Nothing later than what calendars have can be shown or asked for.
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
        let Metadata { taken, place, description, keywords, title, .. } = read(WHOLE.as_bytes()).unwrap();
        let expected =
            Taken { clock_ms: 1_557_126_489_000, offset_minutes: Some(0), precision: Precision::Time };
        assert_eq!(taken, Some(expected));
        assert_eq!(place, Some(Place { latitude: 49.5, longitude: 15.25 }));
        assert_eq!(description.as_deref(), Some("A day out"));
        assert_eq!((keywords, title), (vec!["Ada".to_owned(), "Alan".to_owned()], None));
    }

    #[test]
    fn other_json_says_nothing() {
        for json in
            ["", "{}", "[]", "null", r#"{"name": "a", "description": "b"}"#, "{\"photoTakenTime\": 1}"]
        {
            assert_eq!(read(json.as_bytes()), None, "{json}");
        }
        let empty = read(br#"{"photoTakenTime": {"timestamp": "0"}}"#);
        assert_eq!(empty, Some(Metadata::default()));
        assert_eq!(read(br#"{"photoTakenTime": {"timestamp": 99999999999999}}"#), empty);
    }
}
