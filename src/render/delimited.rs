//! The formats `csv` and `tsv`.
//!
//! `csv` is for spreadsheets. It is quoted as in RFC 4180, lines end with a line feed, and a text that a spreadsheet
//! would take for a formula gets an apostrophe in front. `tsv` is for scripts. Each record is exactly one line, because
//! tabs, line ends and backslashes in values are escaped as `\t`, `\n`, `\r` and `\\`. Paths keep their exact bytes in
//! both.

use std::borrow::Cow;
use std::io::{self, Write};

use super::Standard;
use super::record::{Cell, Printer, Value, points_text};
use crate::terminal::{Look, escape_bytes, exact};

pub(super) struct Csv<'o> {
    writer: csv::Writer<&'o mut Standard>,
    look: Look,
}

impl<'o> Csv<'o> {
    pub(super) fn new(out: &'o mut Standard, look: Look, names: &[&str]) -> io::Result<Csv<'o>> {
        let mut writer = csv::Writer::from_writer(out);
        writer.write_record(names).map_err(io_error)?;
        Ok(Csv { writer, look })
    }
}

impl Printer for Csv<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let texts = cells.iter().map(|cell| seen(guarded(&cell.value), self.look));
        self.writer.write_record(texts).map_err(io_error)
    }

    fn finish(&mut self) -> io::Result<()> {
        self.writer.flush()
    }
}

/// The io error inside a csv error, so that callers can recognise a closed pipe.
fn io_error(error: csv::Error) -> io::Error {
    let text = error.to_string();
    if let csv::ErrorKind::Io(error) = error.into_kind() { error } else { io::Error::other(text) }
}

/// The value, guarded so that a spreadsheet does not evaluate it.
fn guarded(value: &Value<'_>) -> Vec<u8> {
    let plain = plain(value);
    let is_formula = matches!(value, Value::Text(text) if is_formula(text))
        || matches!(value, Value::List([first, ..]) if is_formula(first))
        || matches!(value, Value::Path(path) if is_formula(&path.to_string_lossy()));
    if is_formula { [b"'", &*plain].concat() } else { plain.into_owned() }
}

/// Whether a spreadsheet would evaluate it (OWASP's list under "CSV injection").
fn is_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

pub(super) struct Tsv<'o> {
    out: &'o mut Standard,
    look: Look,
}

impl<'o> Tsv<'o> {
    pub(super) fn new(out: &'o mut Standard, look: Look, names: &[&str]) -> io::Result<Tsv<'o>> {
        writeln!(out, "{}", names.join("\t"))?;
        Ok(Tsv { out, look })
    }
}

impl Printer for Tsv<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let texts: Vec<_> =
            cells.iter().map(|cell| seen(escape_separators(&plain(&cell.value)), self.look)).collect();
        self.out.write_all(&texts.join(&b'\t'))?;
        self.out.write_all(b"\n")
    }
}

fn escape_separators(bytes: &[u8]) -> Vec<u8> {
    let mut escaped = Vec::with_capacity(bytes.len());
    for &byte in bytes {
        match byte {
            b'\t' => escaped.extend(br"\t"),
            b'\n' => escaped.extend(br"\n"),
            b'\r' => escaped.extend(br"\r"),
            b'\\' => escaped.extend(br"\\"),
            other => escaped.push(other),
        }
    }
    escaped
}

/// The exact bytes, but escaped on a terminal.
fn seen(bytes: Vec<u8>, look: Look) -> Vec<u8> {
    if look.is_terminal { escape_bytes(&bytes).into_owned().into_bytes() } else { bytes }
}

/// A value as programs read it.
fn plain<'a>(value: &'a Value<'a>) -> Cow<'a, [u8]> {
    match value {
        Value::Absent => Cow::Borrowed(b""),
        Value::Text(text) => Cow::Borrowed(text.as_bytes()),
        Value::Points(points) => Cow::Owned(points_text(points).into_bytes()),
        Value::List(texts) => Cow::Owned(texts.join("; ").into_bytes()),
        Value::Path(path) => exact(path),
        Value::Count(number) | Value::Bytes(number) => owned(number),
        Value::Number(number) => owned(number),
        Value::Score(score) | Value::Rated(score, _) => owned(score),
        Value::Time(time) => Cow::Borrowed(time.as_bytes()),
        Value::Flag(flag) => owned(flag),
    }
}

fn owned(value: &impl ToString) -> Cow<'static, [u8]> {
    Cow::Owned(value.to_string().into_bytes())
}
