//! The only writer of stdout.

mod delimited;
mod doctor;
#[cfg(any(feature = "serve", test))]
mod documented;
mod duplicates;
mod html;
mod json;
mod labels;
mod lines;
mod matches;
mod models;
mod photo;
#[cfg(feature = "tui")]
mod preview;
#[cfg(feature = "tui")]
mod probe;
mod record;
#[cfg(feature = "tui")]
mod screen;
mod setting;
mod status;
mod table;
mod totals;
#[cfg(feature = "tui")]
mod typed;
mod when;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use crate::terminal::{Look, escape};

pub(crate) use doctor::{Check, Wrong};
#[cfg(any(feature = "serve", test))]
pub(crate) use documented::documented;
pub(crate) use duplicates::{Listed, duplicate_fields};
pub(crate) use html::{Figure, Links, Section, contact_sheet, is_page};
#[cfg(feature = "serve")]
pub(crate) use json::{Listing, document};
pub(crate) use labels::{Fitting, Tag, fit_fields, tag_fields};
pub(crate) use lines::{ReadLine, line_fields};
pub(crate) use matches::{ResultRow, match_fields};
pub(crate) use models::Description;
pub(crate) use photo::day;
#[cfg(any(feature = "serve", feature = "tui"))]
pub(crate) use photo::name;
#[cfg(feature = "serve")]
pub(crate) use photo::photo_fields;
#[cfg(feature = "tui")]
pub(crate) use preview::{LEAST, PICTURE, Painted, Painter, Tile, caption, dated_caption, fits_a_tile};
#[cfg(feature = "serve")]
pub(crate) use record::Value;
pub(crate) use record::{Field, FormatOptions, Records};
#[cfg(feature = "tui")]
pub(crate) use screen::{Screen, View, give_back, grid, large_picture};
pub(crate) use setting::setting_fields;
pub(crate) use status::{Noted, Skipped, noted_fields, skipped_fields};
#[cfg(feature = "tui")]
pub(crate) use typed::events;
pub(crate) use when::ago;

/// The destination of the formats.
type Standard = BufWriter<StdoutLock<'static>>;

/// Standard output, buffered.
pub(crate) struct Output {
    out: Standard,
    look: Look,
}

/// Ignores a closed pipe. In `imgsearch query … | head -1`, it is not an error, and the command keeps its exit code.
pub(crate) fn unless_reader_left(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// What was written before an error is shown, also if no line ends it.
impl Drop for Output {
    fn drop(&mut self) {
        _ = self.out.flush();
    }
}

impl Output {
    pub(crate) fn new(look: Look) -> Output {
        Output { out: BufWriter::new(io::stdout().lock()), look }
    }

    /// Writes a line with a path, exactly, so that programs can read it.
    pub(crate) fn line_with(&mut self, path: &Path) -> io::Result<()> {
        self.out.write_all(&self.look.exact_path(path))?;
        self.out.write_all(b"\n")
    }

    /// Writes a generated file unchanged.
    pub(crate) fn generated(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.out.write_all(bytes)
    }

    /// For bytes that a command makes piece by piece.
    pub(crate) fn raw(&mut self) -> &mut impl Write {
        &mut self.out
    }

    /// Flushes the output. Call it once, at the end.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// Writes a line for people, and escapes special characters in names.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{}", escape(line))
    }

    /// Writes a tip, if there is one.
    pub(crate) fn tip(&mut self, tip: Option<&str>) -> io::Result<()> {
        tip.map_or(Ok(()), |tip| self.line(&format!("tip: {tip}")))
    }

    /// Writes a line with a path for people.
    fn path(&mut self, path: &Path) -> io::Result<()> {
        self.out.write_all(&self.look.path(path))?;
        self.out.write_all(b"\n")
    }
}
