//! The formats `text` and `paths`.
//!
//! On a terminal, `text` is a table with a heading, aligned columns, colours and links. Otherwise its columns are
//! separated by tabs. Both escape invisible characters, so that each record is one line.

use std::io::{self, Write};
use std::path::PathBuf;

use imgsearch::engine::LEAST_PROBABILITY;
use unicode_width::UnicodeWidthStr;

use super::Standard;
use super::record::{Cell, Printer, Value, points_text};
use crate::settings::here;
use crate::terminal::{DIM, Look, SCORE, below, escape, escape_path};

/// One path after the other.
pub(super) struct Paths<'o> {
    out: &'o mut Standard,
    look: Look,
    end: u8,
}

impl<'o> Paths<'o> {
    pub(super) fn new(out: &'o mut Standard, look: Look, end: u8) -> Paths<'o> {
        Paths { out, look, end }
    }
}

impl Printer for Paths<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        for cell in cells {
            if let Value::Path(path) = &cell.value {
                self.out.write_all(&self.look.exact_path(path))?;
                self.out.write_all(&[self.end])?;
            }
        }
        Ok(())
    }
}

/// A table. On a terminal it is printed at the end, when all column widths are known.
pub(super) struct Table<'o> {
    out: &'o mut Standard,
    look: Look,
    names: Vec<&'static str>,
    rows: Vec<Vec<Shown>>,
    /// Headings between rows, each with the number of the row below it.
    dividers: Vec<(usize, &'static str)>,
    /// Whether columns that are zero or empty in every row are left out.
    is_brief: bool,
    /// The current folder: paths below it are shown from there.
    here: Option<PathBuf>,
}

/// A value as shown to a person.
struct Shown {
    /// With colours and links.
    bytes: Vec<u8>,
    /// Its width in terminal columns.
    width: usize,
    /// Whether to align it to the right, as numbers are.
    is_number: bool,
    /// Whether it says nothing: a count of zero, or no value.
    is_nothing: bool,
}

impl<'o> Table<'o> {
    /// `is_brief` leaves out columns that say nothing, on a terminal.
    pub(super) fn new(
        out: &'o mut Standard,
        look: Look,
        names: Vec<&'static str>,
        is_brief: bool,
    ) -> Table<'o> {
        let here = look.is_terminal.then(here).flatten();
        Table { out, look, names, rows: Vec::new(), dividers: Vec::new(), is_brief, here }
    }

    /// Leaves out the columns that say nothing in any row.
    fn drop_nothing(&mut self) {
        let says = |column: usize| self.rows.iter().any(|row| !row[column].is_nothing);
        let kept: Vec<bool> = (0..self.names.len()).map(says).collect();
        let is_kept = |column: usize| kept[column];
        self.names = kept_of(std::mem::take(&mut self.names), &is_kept);
        for row in &mut self.rows {
            *row = kept_of(std::mem::take(row), &is_kept);
        }
    }

    fn shown(&self, value: &Value<'_>) -> Shown {
        let (look, here) = (self.look, self.here.as_deref());
        let is_nothing = matches!(value, Value::Absent | Value::Count(0) | Value::List([]));
        let plain = |text: String, is_number| Shown {
            width: text.width(),
            bytes: text.into_bytes(),
            is_number,
            is_nothing,
        };
        match value {
            Value::Absent => plain(String::new(), false),
            Value::Time(time) if look.is_terminal && self.is_brief => {
                plain(time.chars().take(10).collect(), false)
            }
            Value::Time(time) => plain(time.clone(), false),
            Value::Text(text) => plain(escape(text).into_owned(), false),
            Value::Path(path) => {
                let width = escape_path(below(path, here)).width();
                Shown { width, bytes: look.path_from(path, here), is_number: false, is_nothing }
            }
            Value::Bytes(bytes) if look.is_terminal => {
                plain(indicatif::BinaryBytes(*bytes).to_string(), true)
            }
            Value::Count(number) | Value::Bytes(number) => plain(number.to_string(), true),
            Value::Number(number) => plain(number.to_string(), true),
            Value::Rated(score, Some(probability)) if look.is_terminal => {
                let text = format!("{score:6.3} {}", bar(*probability));
                let bytes = look.styled(&text, SCORE).into_bytes();
                Shown { width: text.width(), bytes, is_number: false, is_nothing }
            }
            Value::Score(score) | Value::Rated(score, _) => {
                let text = format!("{score:.*}", if look.is_terminal { 3 } else { 4 });
                let bytes = look.styled(&text, SCORE).into_bytes();
                Shown { width: text.len(), bytes, is_number: true, is_nothing }
            }
            Value::Points(points) => plain(points_text(points), false),
            Value::List(texts) => plain(escape(&texts.join("; ")).into_owned(), false),
            Value::Flag(flag) => plain(if *flag { "yes" } else { "no" }.to_owned(), false),
        }
    }

    fn line(&mut self, row: &[Shown], widths: &[usize]) -> io::Result<()> {
        for (column, (shown, width)) in row.iter().zip(widths).enumerate() {
            let missing = width.saturating_sub(shown.width);
            let is_last = column + 1 == row.len();
            let (before, behind) = if shown.is_number { (missing, 0) } else { (0, missing) };
            write!(self.out, "{:before$}", "")?;
            self.out.write_all(&shown.bytes)?;
            if !is_last {
                write!(self.out, "{:behind$}  ", "")?;
            }
        }
        writeln!(self.out)
    }

    /// Prints each name above its column.
    fn heading(&self) -> Vec<Shown> {
        let columns = self.names.iter().enumerate();
        let shown = |(column, name): (usize, &&str)| Shown {
            bytes: self.look.styled(name, DIM).into_bytes(),
            width: name.width(),
            is_number: self.rows.iter().any(|row| row[column].is_number),
            is_nothing: false,
        };
        columns.map(shown).collect()
    }
}

impl Printer for Table<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let row: Vec<_> = cells.iter().map(|cell| self.shown(&cell.value)).collect();
        if self.look.is_terminal {
            self.rows.push(row);
            return Ok(());
        }
        let texts: Vec<_> = row.into_iter().map(|shown| shown.bytes).collect();
        self.out.write_all(&texts.join(&b'\t'))?;
        self.out.write_all(b"\n")
    }

    fn divide(&mut self, heading: &'static str) {
        self.dividers.push((self.rows.len(), heading));
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        if self.is_brief {
            self.drop_nothing();
        }
        let heading = self.heading();
        let rows = std::mem::take(&mut self.rows);
        let all = || std::iter::once(&heading).chain(&rows);
        let widest = |column: usize| all().map(|row| row[column].width).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.names.len()).map(widest).collect();
        self.line(&heading, &widths)?;
        for (number, row) in rows.iter().enumerate() {
            if let Some((_, heading)) = self.dividers.iter().find(|(below, _)| *below == number) {
                writeln!(self.out, "{}", self.look.styled(heading, DIM))?;
            }
            self.line(row, &widths)?;
        }
        Ok(())
    }
}

fn kept_of<T>(all: Vec<T>, is_kept: &impl Fn(usize) -> bool) -> Vec<T> {
    all.into_iter().enumerate().filter(|(column, _)| is_kept(*column)).map(|(_, one)| one).collect()
}

/// A bar of five cells. A likely hit has three or more.
fn bar(probability: f32) -> String {
    let steps = [0.05, 0.15, LEAST_PROBABILITY, 0.6, 0.85];
    let full = steps.iter().filter(|step| probability >= **step).count();
    "■".repeat(full) + &"□".repeat(steps.len() - full)
}
