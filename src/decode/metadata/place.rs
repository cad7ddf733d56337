//! Parses coordinates in the notations of cameras and programs.

use super::Place;
use crate::decode::ifd::Value;

impl Place {
    /// `None` for invalid coordinates, and for 0, 0 (in the Gulf of Guinea), which phones write before they know their
    /// position.
    pub(crate) fn new(latitude: f64, longitude: f64) -> Option<Place> {
        let is_known = latitude.abs() + longitude.abs() > 0.0;
        (is_known && latitude.abs() <= 90.0 && longitude.abs() <= 180.0)
            .then_some(Place { latitude, longitude })
    }
}

/// Parses an EXIF value and its letter (N, S, E, W), which some programs omit. The value is degrees, minutes and seconds, as
/// numbers of any type or as a text. A fraction 0/0 means no number.
pub(super) fn degrees(value: &Value<'_>, letter: Option<&str>) -> Option<f64> {
    let angle = match value.text() {
        Some(text) => parse(std::str::from_utf8(text).ok()?)?,
        None => angle([value.number(0)?, value.number(1).unwrap_or(0.0), value.number(2).unwrap_or(0.0)]),
    };
    Some(if letter.is_some_and(is_backwards) { -angle.abs() } else { angle })
}

/// Parses degrees from a text: `49,30.0N` as in XMP, `49 30 0`, `49.5`, `-49.5`, `49° 30' 0" S`.
pub(super) fn parse(text: &str) -> Option<f64> {
    let mut numbers =
        text.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|part| part.parse().ok());
    let degrees: f64 = numbers.next()?;
    let angle = angle([degrees, numbers.next().unwrap_or(0.0), numbers.next().unwrap_or(0.0)]);
    Some(if is_backwards(text) || text.trim_start().starts_with('-') { -angle } else { angle })
}

/// Whether the letter means south or west.
fn is_backwards(text: &str) -> bool {
    let mut words = text.split(|c: char| !c.is_alphabetic());
    words.any(|word| ["s", "south", "w", "west"].iter().any(|name| word.eq_ignore_ascii_case(name)))
}

/// Combines degrees, minutes and seconds. A sign in front of any of them applies to all.
fn angle(parts: [f64; 3]) -> f64 {
    let [degrees, minutes, seconds] = parts.map(f64::abs);
    let angle = degrees + minutes / 60.0 + seconds / 3600.0;
    if parts.iter().any(|part| *part < 0.0) { -angle } else { angle }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_degrees() {
        #[track_caller]
        fn check(text: &str, expected: Option<f64>) {
            let found = parse(text);
            let is_same = match (found, expected) {
                (Some(found), Some(expected)) => (found - expected).abs() < 1e-9,
                (found, expected) => found == expected,
            };
            assert!(is_same, "{text}: {found:?}");
        }
        check("49,30.0N", Some(49.5));
        check("49,30,36S", Some(-49.51));
        check("15,15.0W", Some(-15.25));
        check("49.5", Some(49.5));
        check("-49.5", Some(-49.5));
        check("49 30 0", Some(49.5));
        check("49 deg 30' 0.00\" South", Some(-49.5));
        check("north", None);
        check("", None);
    }
}
