//! Filters as conditions of SQL. Values are always parameters, so there is nothing to escape.

use std::path::Path;

use imgsearch_index::Fingerprint;
use postgres::types::ToSql;

use crate::item::{Item, SEPARATOR, path_bytes};
use crate::library::columns::successor;
use crate::query::{Circle, Filter, MinSize, Period, Shape, folded};

/// A condition on the rows of a table of photos, and the values of its parameters.
pub(super) struct Condition {
    sql: String,
    values: Vec<Box<dyn ToSql + Sync + Send>>,
    /// Whether the rows that meet it are exactly those that the filter admits. Otherwise there may be more.
    is_exact: bool,
}

impl Condition {
    /// Photos, that is rows with a vector, that meet the filter as far as the database can tell.
    pub(super) fn of(filter: &Filter) -> Condition {
        let mut condition = Condition::photos();
        let Filter { folders, names, types, taken, near, camera, lens, shape, size, texts } = filter;
        if !folders.is_empty() {
            let below: Vec<_> = folders.iter().map(|folder| condition.in_folder(folder.path())).collect();
            condition.and(&format!("({})", below.join(" or ")));
        }
        if !types.is_empty() {
            let endings: Vec<_> =
                types.iter().flat_map(|kind| kind.endings()).map(ToString::to_string).collect();
            let endings = condition.value(endings);
            condition.and(&format!("ending = any({endings})"));
        }
        if let Some(Period { wall, utc }) = taken {
            let [wall_from, wall_until, utc_from, utc_until] =
                [wall.from_ms, wall.until_ms, utc.from_ms, utc.until_ms].map(|ms| condition.value(ms));
            condition.and(&format!(
                "case when is_moment then taken_first >= {utc_from} and taken_last < {utc_until}
                 else taken_first >= {wall_from} and taken_last < {wall_until} end"
            ));
        }
        if let Some(circle) = near {
            condition.near(circle);
        }
        for (column, text) in [("camera", camera), ("lens", lens)] {
            if let Some(text) = text {
                let text = condition.value(folded(text).replace('\0', ""));
                condition.and(&format!("strpos({column}, {text}) > 0"));
            }
        }
        if let Some(shape) = shape {
            condition.and(match shape {
                Shape::Landscape => "width > height",
                Shape::Portrait => "width < height",
                Shape::Square => "width = height",
            });
        }
        match size {
            None => {}
            Some(MinSize::Sides(width, height)) => {
                let (width, height) =
                    (condition.value(i64::from(*width)), condition.value(i64::from(*height)));
                condition.and(&format!("width >= {width} and height >= {height}"));
            }
            Some(MinSize::Pixels(least)) => {
                let least = condition.value(*least);
                condition.and(&format!("width::float8 * height >= {least}"));
            }
        }
        // Patterns for names, and words in texts, are left to the caller.
        condition.is_exact &= names.is_none() && texts.is_empty();
        condition
    }

    /// All photos.
    pub(super) fn photos() -> Condition {
        Condition { sql: "vector is not null".to_owned(), ..Condition::everything() }
    }

    /// All rows.
    pub(super) fn everything() -> Condition {
        Condition { sql: "true".to_owned(), values: Vec::new(), is_exact: true }
    }

    /// Adds: not one of these items, and not of one of these contents.
    pub(super) fn without(&mut self, items: &[Item], contents: &[Fingerprint]) {
        let keys: Vec<Vec<u8>> =
            items.iter().filter_map(Item::key).map(|key| key.as_bytes().to_vec()).collect();
        if !keys.is_empty() {
            let keys = self.value(keys);
            self.and(&format!("key <> all({keys})"));
        }
        if !contents.is_empty() {
            let contents: Vec<Vec<u8>> = contents.iter().map(|content| content.0.to_vec()).collect();
            let contents = self.value(contents);
            self.and(&format!("(content is null or content <> all({contents}))"));
        }
    }

    /// Adds: of this content.
    pub(super) fn of_content(&mut self, content: &Fingerprint) {
        let content = self.value(content.0.to_vec());
        self.and(&format!("content = {content}"));
    }

    /// Adds: files at and below a folder, and their parts, by the bytes of their keys.
    pub(super) fn under(&mut self, folder: &Path) {
        let under = self.keys_under("key", folder);
        self.and(&under);
    }

    /// Adds: of this key.
    pub(super) fn key(&mut self, key: Vec<u8>) {
        let key = self.value(key);
        self.and(&format!("key = {key}"));
    }

    /// Adds: this key and all behind it.
    pub(super) fn from(&mut self, key: Vec<u8>) {
        let key = self.value(key);
        self.and(&format!("key >= {key}"));
    }

    /// Adds: behind this key.
    pub(super) fn behind(&mut self, key: Vec<u8>) {
        let key = self.value(key);
        self.and(&format!("key > {key}"));
    }

    /// Adds a value, and returns its place in a statement, for example `$3`.
    pub(super) fn value(&mut self, value: impl ToSql + Sync + Send + 'static) -> String {
        self.values.push(Box::new(value));
        format!("${}", self.values.len())
    }

    pub(super) fn sql(&self) -> &str {
        &self.sql
    }

    pub(super) fn values(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect()
    }

    pub(super) fn is_exact(&self) -> bool {
        self.is_exact
    }

    /// Leaves a part of the filter to the caller.
    pub(super) fn set_inexact(&mut self) {
        self.is_exact = false;
    }

    /// Adds a condition.
    pub(super) fn and(&mut self, sql: &str) {
        self.sql = format!("{} and {sql}", self.sql);
    }

    /// In this folder, also where its name is stored in another normal form. Few paths differ from their NFC form, and those have it
    /// in a column of its own.
    fn in_folder(&mut self, folder: &Path) -> String {
        let as_stored = self.keys_under("key", folder);
        let in_nfc = self.keys_under("normal", folder);
        format!("(normal is null and {as_stored} or normal is not null and {in_nfc})")
    }

    /// Paths (or keys) in this column at and below the folder: the folder itself, its parts, and what begins with the folder
    /// and a separator.
    fn keys_under(&mut self, column: &str, folder: &Path) -> String {
        let Some(folder) = path_bytes(folder) else { return "false".to_owned() };
        let [part, below] = [0, SEPARATOR].map(|byte| [folder, &[byte]].concat());
        if folder.is_empty() || folder.ends_with(&[SEPARATOR]) {
            return self.beginning_with(column, folder);
        }
        let (itself, parts) = (self.value(folder.to_vec()), self.beginning_with(column, &part));
        let below = self.beginning_with(column, &below);
        format!("({column} = {itself} or {parts} or {below})")
    }

    fn beginning_with(&mut self, column: &str, prefix: &[u8]) -> String {
        let from = self.value(prefix.to_vec());
        match successor(prefix) {
            Some(until) => {
                let until = self.value(until);
                format!("({column} >= {from} and {column} < {until})")
            }
            None => format!("{column} >= {from}"),
        }
    }

    /// In a rectangle around the circle. The caller looks closer.
    fn near(&mut self, circle: &Circle) {
        self.is_exact = false;
        let (south_north, west_east) = circle.bounds();
        let [south, north] = [south_north.0, south_north.1].map(|degrees| self.value(degrees));
        self.and(&format!("latitude between {south} and {north}"));
        match west_east {
            Some((west, east)) => {
                let [west, east] = [west, east].map(|degrees| self.value(degrees));
                self.and(&format!("longitude between {west} and {east}"));
            }
            None => self.and("longitude is not null"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parameters_are_numbered_in_order() {
        let filter =
            Filter { folders: vec!["/a".into()], camera: Some("X'; --".into()), ..Filter::default() };
        let mut condition = Condition::of(&filter);
        condition.without(&[Item::file("/a/b")], &[]);
        let count = condition.values().len();
        assert!(
            (1..=count).all(|number| condition.sql().contains(&format!("${number}"))),
            "{}",
            condition.sql()
        );
        assert!(!condition.sql().contains("--"));
    }
}
