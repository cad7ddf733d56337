//! Writes the records that a command lists, in the requested format.
//!
//! Every command that lists records uses [`Records`], so `--format`, `--fields` and `-0` mean the same everywhere, and
//! a new format is implemented once. A command
//!
//! 1. flattens [`crate::cli::OutputArgs`] into its arguments,
//! 2. defines its fields, in the order of the machine formats:
//!
//!    ```ignore
//!    fn fields() -> Vec<Field<Installed>> {
//!        vec![
//!            Field::new("name", |model: &Installed| model.name.as_str().into()).in_text(),
//!            Field::new("bytes", |model: &Installed| Value::Bytes(model.bytes)).in_text(),
//!            Field::new("path", |model: &Installed| model.folder.as_path().into()),
//!        ]
//!    }
//!    ```
//!
//! 3. writes its records:
//!
//!    ```ignore
//!    let mut output = Output::new(settings.ui.look);
//!    let mut records = Records::new(&mut output, &FormatOptions::of(&args.output)?, fields())?;
//!    let written = models.iter().try_for_each(|model| records.write(model));
//!    unless_reader_left(written.and_then(|()| records.finish()).and_then(|()| output.finish()))?;
//!    ```
//!
//! 4. and describes its fields in `docs/FORMATS.md`; a test below compares that page with the fields.
//!
//! Without `--fields`, the machine formats have all fields, and `text` has the fields marked [`Field::in_text`].
//! `--format paths` prints the field `path`. [`photo_fields`](super::photo::photo_fields) are the fields of every
//! record of a photo.

use std::borrow::Cow;
use std::io;
use std::path::Path;

use anyhow::Result;
use imgsearch::hint::nearest;

use super::delimited::{Csv, Tsv};
use super::json::{Json, Jsonl};
use super::table::{Paths, Table};
use super::{Output, Standard};
use crate::cli::{Format, OutputArgs};
use crate::terminal::Look;
#[cfg(feature = "serve")]
use crate::terminal::{escape, escape_path};
use crate::usage::UsageError;

/// A field of the records.
pub(crate) struct Field<R> {
    name: &'static str,
    in_text: Shown,
    read: Read<R>,
}

type Read<R> = Box<dyn Fn(&R) -> Value<'_>>;

/// Whether the format `text` shows a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Always,
    OnTerminal,
    OnRequest,
}

impl<R> Field<R> {
    /// A field with its stable name. `read` returns its value for a record.
    pub(crate) fn new(name: &'static str, read: impl Fn(&R) -> Value<'_> + 'static) -> Field<R> {
        Field { name, in_text: Shown::OnRequest, read: Box::new(read) }
    }

    /// Makes it a column of `text`.
    pub(crate) fn in_text(self) -> Field<R> {
        Field { in_text: Shown::Always, ..self }
    }

    /// Makes it a column of `text`, but only on a terminal.
    pub(crate) fn on_terminal(self) -> Field<R> {
        Field { in_text: Shown::OnTerminal, ..self }
    }

    /// Makes its value absent.
    #[cfg(feature = "serve")]
    pub(crate) fn hidden(self) -> Field<R> {
        Field { read: Box::new(|_| Value::Absent), ..self }
    }

    pub(crate) fn name(&self) -> &'static str {
        self.name
    }

    /// Its value for a record, as text for people; `None` if unknown.
    #[cfg(feature = "serve")]
    pub(crate) fn said(&self, record: &R) -> Option<String> {
        let said = match (self.read)(record) {
            Value::Absent => return None,
            Value::Text(text) => escape(&text).into_owned(),
            Value::Path(path) => escape_path(&path).into_owned(),
            Value::Count(number) => number.to_string(),
            Value::Bytes(bytes) => indicatif::BinaryBytes(bytes).to_string(),
            Value::Number(number) => number.to_string(),
            Value::Score(score) | Value::Rated(score, _) => format!("{score:.3}"),
            Value::Time(time) => time,
            Value::Flag(flag) => if flag { "yes" } else { "no" }.to_owned(),
            Value::List(texts) => escape(&texts.join("; ")).into_owned(),
            Value::Points(points) => points_text(points),
        };
        (!said.is_empty()).then_some(said)
    }

    pub(super) fn cell<'r>(&self, record: &'r R) -> Cell<'r> {
        Cell { name: self.name, value: (self.read)(record) }
    }

    fn is_in_text(&self, look: Look) -> bool {
        match self.in_text {
            Shown::Always => true,
            Shown::OnTerminal => look.is_terminal,
            Shown::OnRequest => false,
        }
    }
}

/// The value of a field.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value<'a> {
    /// Unknown: `null` in JSON, empty in other formats.
    Absent,
    Text(Cow<'a, str>),
    Path(Cow<'a, Path>),
    Count(u64),
    /// A size in bytes: a number for machines, with a unit for people.
    Bytes(u64),
    Number(f64),
    /// A score, rounded for people.
    Score(f32),
    /// A score, and how probably it means a hit (0 to 1), if that is known. People see the probability as a bar.
    Rated(f32, Option<f32>),
    /// A time in ISO 8601. A table shows only its day.
    Time(String),
    Flag(bool),
    /// Several texts, joined by semicolons except in JSON.
    List(&'a [String]),
    /// Points, as x and y: arrays in JSON, otherwise numbers with spaces between points.
    Points(&'a [(f32, f32)]),
}

/// Points in one text: `x,y x,y`.
pub(super) fn points_text(points: &[(f32, f32)]) -> String {
    points.iter().map(|(x, y)| format!("{x:.4},{y:.4}")).collect::<Vec<_>>().join(" ")
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(text: &'a str) -> Value<'a> {
        Value::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Value<'_> {
    fn from(text: String) -> Self {
        Value::Text(Cow::Owned(text))
    }
}

impl<'a> From<&'a Path> for Value<'a> {
    fn from(path: &'a Path) -> Value<'a> {
        Value::Path(Cow::Borrowed(path))
    }
}

impl From<u64> for Value<'_> {
    fn from(count: u64) -> Self {
        Value::Count(count)
    }
}

impl From<u32> for Value<'_> {
    fn from(count: u32) -> Self {
        Value::Count(count.into())
    }
}

impl From<usize> for Value<'_> {
    fn from(count: usize) -> Self {
        Value::Count(count as u64)
    }
}

impl From<f64> for Value<'_> {
    fn from(number: f64) -> Self {
        Value::Number(number)
    }
}

impl From<bool> for Value<'_> {
    fn from(flag: bool) -> Self {
        Value::Flag(flag)
    }
}

impl<'a, T: Into<Value<'a>>> From<Option<T>> for Value<'a> {
    fn from(value: Option<T>) -> Value<'a> {
        value.map_or(Value::Absent, Into::into)
    }
}

/// The value of one field in one record.
pub(super) struct Cell<'a> {
    pub(super) name: &'static str,
    pub(super) value: Value<'a>,
}

/// Writes records in one format. Its constructor writes the heading.
pub(super) trait Printer {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()>;

    /// Separates the records so far from those that follow, in a format for people.
    fn divide(&mut self, _heading: &'static str) {}

    /// Writes the end after the last record.
    fn finish(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The validated format options.
#[derive(Clone, Debug)]
pub(crate) struct FormatOptions {
    pub(crate) format: Format,
    /// The byte after each path of `paths`.
    end: u8,
    /// The names of the fields to print, in this order; `None` for the format's default.
    fields: Option<Vec<String>>,
}

impl FormatOptions {
    /// # Errors
    /// If options contradict each other.
    pub(crate) fn of(args: &OutputArgs) -> Result<FormatOptions, UsageError> {
        let OutputArgs { format, null, json: _, fields } = args;
        if *null && *format != Format::Paths {
            let error = UsageError::new("--null works only with --format paths");
            return Err(error.hint("leave out --format: --null alone prints paths"));
        }
        if !fields.is_empty() && *format == Format::Paths {
            let error =
                UsageError::new("--fields does not work with --format paths, which prints one column");
            return Err(error.hint("use --format tsv or --format jsonl"));
        }
        let end = if *null { b'\0' } else { b'\n' };
        Ok(FormatOptions { format: *format, end, fields: (!fields.is_empty()).then(|| fields.clone()) })
    }
}

/// Writes records to standard output.
pub(crate) struct Records<'o, R> {
    fields: Vec<Field<R>>,
    printer: Box<dyn Printer + 'o>,
}

impl<'o, R> Records<'o, R> {
    /// # Errors
    /// If a field does not exist, if the format is `paths` but the records have no path, or if writing fails.
    pub(crate) fn new(
        output: &'o mut Output,
        layout: &FormatOptions,
        fields: Vec<Field<R>>,
    ) -> Result<Records<'o, R>> {
        let look = output.look;
        let fields = chosen(layout, look, fields)?;
        let names: Vec<_> = fields.iter().map(|field| field.name).collect();
        let printer = printer(&mut output.out, look, layout, names)?;
        Ok(Records { fields, printer })
    }

    pub(crate) fn write(&mut self, record: &R) -> io::Result<()> {
        let cells: Vec<_> = self.fields.iter().map(|field| field.cell(record)).collect();
        self.printer.record(&cells)
    }

    /// Writes a heading for the records that follow, if the format is for people.
    pub(crate) fn divide(&mut self, heading: &'static str) {
        self.printer.divide(heading);
    }

    /// Writes the end after the last record. Call it once, at the end.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.printer.finish()
    }
}

fn printer<'o>(
    out: &'o mut Standard,
    look: Look,
    layout: &FormatOptions,
    names: Vec<&'static str>,
) -> io::Result<Box<dyn Printer + 'o>> {
    Ok(match layout.format {
        Format::Text => Box::new(Table::new(out, look, names, layout.fields.is_none())),
        Format::Paths => Box::new(Paths::new(out, look, layout.end)),
        Format::Jsonl => Box::new(Jsonl::new(out)),
        Format::Json => Box::new(Json::new(out)?),
        Format::Csv => Box::new(Csv::new(out, look, &names)?),
        Format::Tsv => Box::new(Tsv::new(out, look, &names)?),
    })
}

/// The fields to print, in order.
fn chosen<R>(layout: &FormatOptions, look: Look, fields: Vec<Field<R>>) -> Result<Vec<Field<R>>, UsageError> {
    if let Some(names) = &layout.fields {
        return picked(names, fields);
    }
    Ok(match layout.format {
        Format::Text => {
            let shown = fields.into_iter().filter(|field| field.is_in_text(look));
            // On a terminal, the widest column comes last.
            let (paths, others): (Vec<_>, Vec<_>) =
                shown.partition(|field| look.is_terminal && field.name == "path");
            others.into_iter().chain(paths).collect()
        }
        Format::Paths => {
            let path: Vec<_> = fields.into_iter().filter(|field| field.name == "path").collect();
            if path.is_empty() {
                let error = UsageError::new("--format paths: these records have no path");
                return Err(error.hint("use --format tsv or --format jsonl"));
            }
            path
        }
        Format::Jsonl | Format::Json | Format::Csv | Format::Tsv => fields,
    })
}

/// The fields with these names. Each name may be given once, because JSON keys must be unique.
fn picked<R>(names: &[String], mut fields: Vec<Field<R>>) -> Result<Vec<Field<R>>, UsageError> {
    let known: Vec<_> = fields.iter().map(|field| field.name).collect();
    let mut picked = Vec::new();
    for name in names {
        let Some(at) = fields.iter().position(|field| field.name == name) else {
            return Err(not_picked(name, &known));
        };
        picked.push(fields.remove(at));
    }
    Ok(picked)
}

fn not_picked(name: &str, known: &[&'static str]) -> UsageError {
    if known.contains(&name) {
        return UsageError::new(format!("--fields names `{name}` twice"));
    }
    let error = UsageError::new(format!("--fields: these records have no field `{name}`"));
    error.hint(match nearest(name, known.iter().copied()) {
        Some(name) => format!("did you mean `{name}`?"),
        None => format!("the fields are {}", known.join(", ")),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::photo::photo_fields;
    use crate::render::{
        duplicate_fields, fit_fields, line_fields, match_fields, noted_fields, setting_fields,
        skipped_fields, tag_fields,
    };

    /// The names in the first columns of a section's tables.
    fn documented(section: &str) -> Vec<&'static str> {
        super::super::documented(section).into_iter().map(|field| field.name).collect()
    }

    #[test]
    fn the_formats_page_lists_every_field_in_order() {
        #[track_caller]
        fn check<R>(section: &str, fields: &[Field<R>]) {
            let names: Vec<_> = fields.iter().map(|field| field.name).collect();
            assert_eq!(documented(section), names, "{section}");
        }
        check("Photos\n", &photo_fields(|(): &()| None));
        check("`query` and `similar`\n", &match_fields());
        check("`duplicates`\n", &duplicate_fields());
        check("`tags`\n", &tag_fields());
        check("`classify`\n", &fit_fields());
        check("`text`\n", &line_fields());
        check("`status --skipped`\n", &skipped_fields());
        check("`status --noted`\n", &noted_fields());
        check("`config show`\n", &setting_fields());
    }
}
