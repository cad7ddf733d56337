//! Filters as Milvus's expressions.

use std::path::Path;

use imgsearch_index::Fingerprint;

use super::key::{NOTE, quoted, quoted_list, text};
use super::row::{self, content_text};
use crate::item::{Item, SEPARATOR, path_bytes};
use crate::library::columns::successor;
use crate::query::{Circle, Filter, MinSize, Period, Shape};

/// A condition on the rows of a collection.
#[derive(Clone)]
pub(super) struct Condition {
    terms: Vec<String>,
    /// Whether the rows that meet it are exactly those that the filter admits. Otherwise there may be more.
    is_exact: bool,
}

impl Condition {
    /// Photos that meet the filter as far as Milvus can tell. It knows no search within a text, so camera, lens and
    /// patterns for names, and words in texts, are left to the caller.
    pub(super) fn of(filter: &Filter) -> Condition {
        let Filter { folders, names, types, taken, near, camera, lens, shape, size, texts } = filter;
        let mut condition = Condition::photos();
        if !folders.is_empty() {
            let below: Vec<String> = folders.iter().map(|folder| in_folder(folder.path())).collect();
            condition.and(format!("({})", below.join(" or ")));
        }
        if !types.is_empty() {
            let endings: Vec<String> =
                types.iter().flat_map(|kind| kind.endings()).map(ToString::to_string).collect();
            condition.and(format!("ending in {}", quoted_list(&endings)));
        }
        if let Some(period) = taken {
            condition.and(format!("{HAS_DETAILS} and {}", in_period(period)));
        }
        if let Some(circle) = near {
            condition.near(circle);
        }
        if let Some(shape) = shape {
            let compared = match shape {
                Shape::Landscape => "width > height",
                Shape::Portrait => "width < height",
                Shape::Square => "width == height",
            };
            condition.and(format!("{HAS_DETAILS} and {compared}"));
        }
        match size {
            None => {}
            Some(MinSize::Sides(width, height)) => {
                condition.and(format!("width >= {width} and height >= {height}"));
            }
            // Numbers of pixels are whole and far below 2⁵³, so rounding up changes nothing.
            Some(MinSize::Pixels(least)) => condition.and(format!("pixels >= {:.0}", least.ceil().min(1e18))),
        }
        condition.is_exact &= names.is_none() && camera.is_none() && lens.is_none() && texts.is_empty();
        condition
    }

    /// All photos.
    pub(super) fn photos() -> Condition {
        Condition { terms: vec![format!("kind == {}", row::PHOTO)], is_exact: true }
    }

    /// All records.
    pub(super) fn everything() -> Condition {
        Condition { terms: vec![format!("key != {}", quoted(NOTE))], is_exact: true }
    }

    /// The row with this primary key.
    pub(super) fn row(key: &str) -> Condition {
        Condition { terms: vec![format!("key == {}", quoted(key))], is_exact: true }
    }

    /// All parts of files.
    pub(super) fn parts() -> Condition {
        Condition { terms: vec!["is_part == true".to_owned()], is_exact: true }
    }

    /// The parts of these files, given as keys.
    pub(super) fn parts_of<'k>(files: impl IntoIterator<Item = &'k Vec<u8>>) -> Condition {
        let parts = files.into_iter().map(|file| beginning_with("key", &[file.as_slice(), &[0]].concat()));
        let parts: Vec<String> = parts.collect();
        Condition { terms: vec![format!("({})", parts.join(" or "))], is_exact: true }
    }

    /// Adds: not one of these items, and not of one of these contents.
    pub(super) fn without(&mut self, items: &[Item], contents: &[Fingerprint]) {
        let keys: Vec<String> = items.iter().filter_map(Item::key).map(|key| text(key.as_bytes())).collect();
        if !keys.is_empty() {
            self.and(format!("key not in {}", quoted_list(&keys)));
        }
        let contents: Vec<String> = contents.iter().map(content_text).collect();
        if !contents.is_empty() {
            self.and(format!("content not in {}", quoted_list(&contents)));
        }
    }

    /// Adds: of this content.
    pub(super) fn of_content(&mut self, content: &Fingerprint) {
        self.and(format!("content == {}", quoted(&content_text(content))));
    }

    /// Adds: files at and below a folder, and their parts.
    pub(super) fn under(&mut self, folder: &Path) {
        self.and(keys_under("key", folder));
    }

    /// Adds: this key and all behind it.
    pub(super) fn from(&mut self, key: &[u8]) {
        self.and(format!("key >= {}", quoted(&text(key))));
    }

    /// Adds: behind this primary key.
    pub(super) fn behind(&mut self, key: &str) {
        self.and(format!("key > {}", quoted(key)));
    }

    /// Leaves a part of the filter to the caller.
    pub(super) fn set_inexact(&mut self) {
        self.is_exact = false;
    }

    /// The expression.
    pub(super) fn expression(&self) -> String {
        self.terms.join(" and ")
    }

    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Adds a condition.
    pub(super) fn and(&mut self, term: String) {
        self.terms.push(term);
    }

    /// In a rectangle around the circle. The caller looks closer.
    fn near(&mut self, circle: &Circle) {
        self.is_exact = false;
        let ((south, north), west_east) = circle.bounds();
        // Photos without a place are at 1000 degrees.
        let north = north.min(90.0);
        self.and(format!("latitude >= {south:.9} and latitude <= {north:.9}"));
        if let Some((west, east)) = west_east {
            self.and(format!("longitude >= {west:.9} and longitude <= {east:.9}"));
        }
    }
}

/// Rows without details have −1 here.
const HAS_DETAILS: &str = "width >= 0";

/// A `between` of the times of a photo, in its own time or in UTC.
fn in_period(period: &Period) -> String {
    let within = |from: i64, until: i64| {
        let from = (from > i64::MIN).then(|| format!("taken_first >= {from}"));
        let until = (until < i64::MAX).then(|| format!("taken_last < {until}"));
        let both: Vec<String> = from.into_iter().chain(until).collect();
        if both.is_empty() { HAS_DETAILS.to_owned() } else { both.join(" and ") }
    };
    let Period { wall, utc } = period;
    let (utc, wall) = (within(utc.from_ms, utc.until_ms), within(wall.from_ms, wall.until_ms));
    format!("((is_moment == true and {utc}) or (is_moment == false and {wall}))")
}

/// In this folder, also where its name is stored in another normal form. Few paths differ from their NFC form, and those have it in
/// a column of its own.
fn in_folder(folder: &Path) -> String {
    let (as_stored, in_nfc) = (keys_under("key", folder), keys_under("normal", folder));
    format!("((normal == \"\" and {as_stored}) or {in_nfc})")
}

/// Keys (or paths) in this column at and below the folder: the folder itself, its parts, and what begins with the folder
/// and a separator.
fn keys_under(column: &str, folder: &Path) -> String {
    let Some(folder) = path_bytes(folder) else { return "key == \"\"".to_owned() };
    if folder.is_empty() || folder.ends_with(&[SEPARATOR]) {
        return beginning_with(column, folder);
    }
    let [parts, below] = [0, SEPARATOR].map(|byte| beginning_with(column, &[folder, &[byte]].concat()));
    format!("({column} == {} or {parts} or {below})", quoted(&text(folder)))
}

/// A range of texts. It needs no escapes, unlike a pattern.
fn beginning_with(column: &str, prefix: &[u8]) -> String {
    let from = quoted(&text(prefix));
    match successor(prefix) {
        Some(until) => format!("({column} >= {from} and {column} < {})", quoted(&text(&until))),
        None => format!("{column} >= {from}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_ranges_of_keys() {
        #[track_caller]
        fn check(folder: &str, expected: &str) {
            assert_eq!(keys_under("key", Path::new(folder)), expected);
        }
        check(
            "/a\"b",
            r#"(key == "/a\"b" or (key >= "/a\"b\x01\x01" and key < "/a\"b\x01\x02") or (key >= "/a\"b/" and key < "/a\"b0"))"#,
        );
        check("/", r#"(key >= "/" and key < "0")"#);
        check("", r#"key >= """#);
    }

    #[test]
    fn only_what_milvus_cannot_tell_is_left_over() {
        let exact = |filter: &Filter| Condition::of(filter).is_exact();
        let types = vec!["jpeg".parse().unwrap()];
        assert!(exact(&Filter { types, folders: vec!["/a".into()], ..Filter::default() }));
        assert!(exact(&Filter { size: Some("2MP".parse().unwrap()), ..Filter::default() }));
        assert!(!exact(&Filter { camera: Some("x".into()), ..Filter::default() }));
        assert!(!exact(&Filter { near: Some("1,2".parse().unwrap()), ..Filter::default() }));
    }
}
