//! The formats `json` and `jsonl`.
//!
//! JSON is Unicode, so a path that is not valid Unicode also has its exact bytes in a second key, `path_base64`.
//! Invisible characters are always escaped, which protects terminals.

use std::io::{self, Write};

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use imgsearch::item::path_bytes;
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::Standard;
#[cfg(feature = "serve")]
use super::record::Field;
use super::record::{Cell, Printer, Value};
use crate::terminal::escape_with;

/// The format `jsonl`: one object per line.
pub(super) struct Jsonl<'o> {
    out: &'o mut Standard,
}

impl<'o> Jsonl<'o> {
    pub(super) fn new(out: &'o mut Standard) -> Jsonl<'o> {
        Jsonl { out }
    }
}

impl Printer for Jsonl<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        writeln!(self.out, "{}", object(cells)?)
    }
}

/// The format `json`: an array with one object per line.
pub(super) struct Json<'o> {
    out: &'o mut Standard,
    is_first: bool,
}

impl<'o> Json<'o> {
    pub(super) fn new(out: &'o mut Standard) -> io::Result<Json<'o>> {
        write!(out, "[")?;
        Ok(Json { out, is_first: true })
    }
}

impl Printer for Json<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let between = if self.is_first { "\n" } else { ",\n" };
        self.is_first = false;
        write!(self.out, "{between}{}", object(cells)?)
    }

    fn finish(&mut self) -> io::Result<()> {
        let end = if self.is_first { "]\n" } else { "\n]\n" };
        write!(self.out, "{end}")
    }
}

fn object(cells: &[Cell<'_>]) -> io::Result<String> {
    Ok(escaped(&serde_json::to_string(&Object(cells))?))
}

/// Escapes invisible characters in the output of serde_json, which escapes only characters below U+0020. Line feeds
/// separate values and stay.
pub(super) fn escaped(json: &str) -> String {
    let code = |c: char| c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")).collect();
    json.split('\n').map(|line| escape_with(line, code)).collect::<Vec<_>>().join("\n")
}

/// Records in a JSON document: an array of objects as in the format `json`.
#[cfg(feature = "serve")]
pub(crate) struct Listing<R> {
    pub(crate) fields: Vec<Field<R>>,
    pub(crate) records: Vec<R>,
}

#[cfg(feature = "serve")]
impl<R> Listing<R> {
    /// The first record as an object.
    pub(crate) fn one(&self) -> Option<impl Serialize> {
        self.records.first().map(|record| One { fields: &self.fields, record })
    }
}

#[cfg(feature = "serve")]
impl<R> Serialize for Listing<R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.records.iter().map(|record| One { fields: &self.fields, record }))
    }
}

#[cfg(feature = "serve")]
struct One<'a, R> {
    fields: &'a [Field<R>],
    record: &'a R,
}

#[cfg(feature = "serve")]
impl<R> Serialize for One<'_, R> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let cells: Vec<_> = self.fields.iter().map(|field| field.cell(self.record)).collect();
        Object(&cells).serialize(serializer)
    }
}

/// A JSON document with escaped invisible characters.
#[cfg(feature = "serve")]
pub(crate) fn document(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(escaped(&serde_json::to_string(value)?))
}

struct Object<'a>(&'a [Cell<'a>]);

impl Serialize for Object<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for Cell { name, value } in self.0 {
            map.serialize_entry(name, value)?;
            if let Value::Path(path) = value
                && path.to_str().is_none()
                && let Some(bytes) = path_bytes(path)
            {
                map.serialize_entry(&format!("{name}_base64"), &BASE64_STANDARD.encode(bytes))?;
            }
        }
        map.end()
    }
}

impl Serialize for Value<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Value::Absent => serializer.serialize_none(),
            Value::Text(text) => serializer.serialize_str(text),
            Value::Path(path) => serializer.serialize_str(&path.to_string_lossy()),
            Value::Count(number) | Value::Bytes(number) => serializer.serialize_u64(*number),
            Value::Number(number) => serializer.serialize_f64(*number),
            Value::Score(score) | Value::Rated(score, _) => serializer.serialize_f32(*score),
            Value::Time(time) => serializer.serialize_str(time),
            Value::Flag(flag) => serializer.serialize_bool(*flag),
            Value::List(texts) => serializer.collect_seq(*texts),
            Value::Points(points) => serializer.collect_seq(*points),
        }
    }
}
