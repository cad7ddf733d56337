//! The only writer of stdout.

mod classify;
mod doctor;
mod matches;
mod models;
mod status;
mod tags;
mod totals;

use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use crate::terminal::printable;

pub(crate) use doctor::{Check, Wrong};
pub(crate) use models::Description;
pub(crate) use status::{Building, Status};

/// Standard output, buffered.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
}

/// Whoever reads our output has read enough (`imgsearch query … | head -1`): no error, and no reason to hide how the
/// command ended.
pub(crate) fn unless_reader_left(written: io::Result<()>) -> io::Result<()> {
    match written {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

impl Output {
    pub(crate) fn new(is_terminal: bool) -> Output {
        Output { out: BufWriter::new(io::stdout().lock()), is_terminal }
    }

    /// Passes everything on to whoever reads; called once, at the end.
    pub(crate) fn finish(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    /// One line.
    pub(crate) fn line(&mut self, line: &str) -> io::Result<()> {
        writeln!(self.out, "{line}")
    }

    fn path(&mut self, path: &Path, end: u8) -> io::Result<()> {
        self.out.write_all(&printable(path, self.is_terminal))?;
        self.out.write_all(&[end])
    }
}
