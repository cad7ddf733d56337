//! Parsing the config file: TOML whose keys are the names of options.
//!
//! Nothing here reads a file or the environment.

use std::ffi::OsString;
use std::ops::Range;
use std::path::Path;

use imgsearch::hint::nearest;
use imgsearch::library::Url;
use toml::de::{DeTable, DeValue};

use crate::cli::{KEYS, Key, Kind};
use crate::usage::UsageError;

/// An option's value in the file.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: &'static Key,
    /// More than one for [`Kind::Texts`] only.
    pub(super) values: Vec<OsString>,
    /// Line and column, both from 1.
    pub(super) place: (usize, usize),
}

/// Where relative paths in the file start.
#[derive(Clone, Copy)]
pub(super) struct Folders<'a> {
    pub(super) of_file: &'a Path,
    pub(super) home: Option<&'a Path>,
}

/// Parses the text of `file`. The caller must check that the options accept the values.
///
/// # Errors
/// Invalid TOML, an unknown key or a value of the wrong type, with file, line and column.
pub(super) fn parse(text: &str, file: &Path, folders: Folders<'_>) -> Result<Vec<Entry>, UsageError> {
    let wrong = |span: Range<usize>, what: String| UsageError::new(at(file, place(text, span.start), &what));
    let table = DeTable::parse(text)
        .map_err(|error| wrong(error.span().unwrap_or_default(), error.message().to_owned()))?;
    let mut entries = Vec::new();
    for (name, value) in table.get_ref() {
        let Some(key) = Key::named(name.get_ref()) else {
            let what = format!("unknown setting `{}`", name.get_ref());
            return Err(wrong(name.span(), what).hint(instead(name.get_ref())));
        };
        let values = texts(key.kind, value.get_ref(), folders).ok_or_else(|| {
            let (name, found) = (key.name, value.get_ref().type_str());
            let what = if let DeValue::Integer(number) = value.get_ref()
                && takes_integers(key.kind)
            {
                format!("`{name}` cannot be {}: the number is too large", number.as_str())
            } else {
                format!("`{name}` must be {}, but its type is {found}", described(key.kind))
            };
            wrong(value.span(), what).hint(format!("for example: `{name} = {}`", key.example))
        })?;
        entries.push(Entry { key, values, place: place(text, value.span().start) });
    }
    Ok(entries)
}

/// `FILE:LINE:COLUMN: WHAT`, as compilers write it, so that editors can jump there.
pub(super) fn at(file: &Path, (line, column): (usize, usize), what: &str) -> String {
    format!("{}:{line}:{column}: {what}", file.display())
}

fn place(text: &str, byte: usize) -> (usize, usize) {
    let before = text.get(..byte).unwrap_or(text);
    let line = before.rsplit('\n').next().unwrap_or("");
    (before.matches('\n').count() + 1, line.chars().count() + 1)
}

fn instead(name: &str) -> String {
    let names = || KEYS.iter().map(|key| key.name);
    match nearest(name, names()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the settings are {}", names().collect::<Vec<_>>().join(", ")),
    }
}

fn takes_integers(kind: Kind) -> bool {
    matches!(kind, Kind::Integer | Kind::Number)
}

fn described(kind: Kind) -> &'static str {
    match kind {
        Kind::Word => "a string",
        Kind::Integer => "an integer",
        Kind::Number => "a number",
        Kind::Path => "a string that is a path",
        Kind::PathOrName => "a string that is a path or a name",
        Kind::Flag => "true or false",
        Kind::Texts => "an array of strings",
    }
}

/// The value as it would be typed on the command line; `None` if its type is wrong.
fn texts(kind: Kind, value: &DeValue<'_>, folders: Folders<'_>) -> Option<Vec<OsString>> {
    let one = |text: OsString| Some(vec![text]);
    match (kind, value) {
        (Kind::Word, DeValue::String(text)) => one(text.as_ref().into()),
        (Kind::Path, DeValue::String(text)) => one(folders.resolve(text)),
        (Kind::PathOrName, DeValue::String(text)) if text.contains(std::path::is_separator) => {
            one(folders.resolve(text))
        }
        (Kind::PathOrName, DeValue::String(text)) => one(text.as_ref().into()),
        (kind, DeValue::Integer(number)) if takes_integers(kind) => {
            one(i64::from_str_radix(number.as_str(), number.radix()).ok()?.to_string().into())
        }
        (Kind::Number, DeValue::Float(number)) => one(number.to_string().into()),
        (Kind::Flag, DeValue::Boolean(flag)) => one(flag.to_string().into()),
        (Kind::Texts, DeValue::Array(values)) => {
            let text = |value: &toml::Spanned<DeValue<'_>>| Some(value.get_ref().as_str()?.into());
            values.iter().map(text).collect()
        }
        _ => None,
    }
}

impl Folders<'_> {
    fn resolve(self, path: &str) -> OsString {
        if Url::parse(Path::new(path)).is_some() {
            return path.into();
        }
        match (path.strip_prefix("~/"), self.home) {
            (Some(rest), Some(home)) => home.join(rest).into(),
            _ => self.of_file.join(path).into(),
        }
    }
}
