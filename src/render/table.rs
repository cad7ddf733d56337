//! The formats `text` and `paths`.
//!
//! On a terminal, `text` is a table with a heading, aligned columns, colours and links. Otherwise its columns are
//! separated by tabs. Both escape invisible characters, so that each record is one line.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

use super::Standard;
use super::record::{Cell, Printer, Value, points_text};
use crate::terminal::{DIM, Look, SCORE, escape, escape_path};

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
}

/// A value as shown to a person.
struct Shown {
    /// With colours and links.
    bytes: Vec<u8>,
    /// Its width in terminal columns.
    width: usize,
    /// Whether to align it to the right, as numbers are.
    is_number: bool,
}

impl<'o> Table<'o> {
    pub(super) fn new(out: &'o mut Standard, look: Look, names: Vec<&'static str>) -> Table<'o> {
        Table { out, look, names, rows: Vec::new() }
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
        };
        columns.map(shown).collect()
    }
}

impl Printer for Table<'_> {
    fn record(&mut self, cells: &[Cell<'_>]) -> io::Result<()> {
        let row: Vec<_> = cells.iter().map(|cell| shown(&cell.value, self.look)).collect();
        if self.look.is_terminal {
            self.rows.push(row);
            return Ok(());
        }
        let texts: Vec<_> = row.into_iter().map(|shown| shown.bytes).collect();
        self.out.write_all(&texts.join(&b'\t'))?;
        self.out.write_all(b"\n")
    }

    fn finish(&mut self) -> io::Result<()> {
        if self.rows.is_empty() {
            return Ok(());
        }
        let heading = self.heading();
        let rows = std::mem::take(&mut self.rows);
        let all = || std::iter::once(&heading).chain(&rows);
        let widest = |column: usize| all().map(|row| row[column].width).max().unwrap_or(0);
        let widths: Vec<_> = (0..self.names.len()).map(widest).collect();
        all().try_for_each(|row| self.line(row, &widths))
    }
}

fn shown(value: &Value<'_>, look: Look) -> Shown {
    let plain = |text: String, is_number| Shown { width: text.width(), bytes: text.into_bytes(), is_number };
    match value {
        Value::Absent => plain(String::new(), false),
        Value::Text(text) => plain(escape(text).into_owned(), false),
        Value::Path(path) => {
            Shown { width: escape_path(path).width(), bytes: look.path(path), is_number: false }
        }
        Value::Bytes(bytes) if look.is_terminal => plain(indicatif::BinaryBytes(*bytes).to_string(), true),
        Value::Count(number) | Value::Bytes(number) => plain(number.to_string(), true),
        Value::Number(number) => plain(number.to_string(), true),
        Value::Score(score) => {
            let text = format!("{score:.*}", if look.is_terminal { 3 } else { 4 });
            Shown { width: text.len(), bytes: look.styled(&text, SCORE).into_bytes(), is_number: true }
        }
        Value::Points(points) => plain(points_text(points), false),
        Value::List(texts) => plain(escape(&texts.join("; ")).into_owned(), false),
        Value::Flag(flag) => plain(if *flag { "yes" } else { "no" }.to_owned(), false),
    }
}
