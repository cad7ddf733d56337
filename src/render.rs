//! The only writer of stdout.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::io::{self, BufWriter, StdoutLock, Write};
use std::path::Path;

use base64::Engine as _;
use imgsearch::Match;
use imgsearch::ingest::Totals;
use imgsearch::photo::{Skip, path_bytes, path_of};
use imgsearch_index::{Problem, Report};
use serde::Serialize;

use crate::terminal::printable;

/// Standard output, buffered.
pub(crate) struct Output {
    out: BufWriter<StdoutLock<'static>>,
    is_terminal: bool,
}

/// What `status` shows. The names are the keys of `status --json`.
#[derive(Debug, Serialize)]
pub(crate) struct Status {
    pub(crate) library: String,
    pub(crate) model: Option<String>,
    pub(crate) images: usize,
    pub(crate) skipped: BTreeMap<&'static str, u64>,
    pub(crate) bytes_on_disk: u64,
    pub(crate) bytes_per_image: u64,
    pub(crate) segments: usize,
    pub(crate) rows: usize,
    pub(crate) dead_rows: usize,
    pub(crate) graph_rows: usize,
    /// RFC 3339, in UTC.
    pub(crate) last_indexed: Option<jiff::Timestamp>,
}

/// One line of `doctor`.
pub(crate) struct Check {
    pub(crate) what: &'static str,
    pub(crate) result: Result<String, Wrong>,
}

/// What is wrong, and what to do about it where that is known.
pub(crate) struct Wrong {
    pub(crate) error: anyhow::Error,
    pub(crate) hint: Option<String>,
}

#[derive(Serialize)]
struct JsonMatch<'a> {
    query: &'a str,
    rank: usize,
    score: f32,
    path: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    path_base64: Option<String>,
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

    /// A table on a terminal; elsewhere score and path, with a tab between.
    pub(crate) fn matches_as_text(&mut self, matches: &[Match]) -> io::Result<()> {
        if self.is_terminal && !matches.is_empty() {
            writeln!(self.out, "rank  score  path")?;
        }
        for Match { rank, score, path } in matches {
            if self.is_terminal {
                write!(self.out, "{rank:>4}  {score:.3}  ")?;
            } else {
                write!(self.out, "{score:.4}\t")?;
            }
            self.path(path, b'\n')?;
        }
        Ok(())
    }

    /// One path after the other, each ended by `end`.
    pub(crate) fn matches_as_paths(&mut self, matches: &[Match], end: u8) -> io::Result<()> {
        matches.iter().try_for_each(|found| self.path(&found.path, end))
    }

    /// One JSON object a line.
    pub(crate) fn matches_as_jsonl(&mut self, query: &str, matches: &[Match]) -> io::Result<()> {
        for Match { rank, score, path } in matches {
            let exact = path.to_str().is_none().then(|| path_bytes(path)).flatten();
            let line = JsonMatch {
                query,
                rank: *rank,
                score: *score,
                path: path.to_string_lossy(),
                path_base64: exact.map(|bytes| base64::prelude::BASE64_STANDARD.encode(bytes)),
            };
            serde_json::to_writer(&mut self.out, &line)?;
            self.out.write_all(b"\n")?;
        }
        Ok(())
    }

    /// What a run of `index` did.
    pub(crate) fn totals(&mut self, totals: &Totals, seconds: f64) -> io::Result<()> {
        let Totals {
            embedded,
            unchanged,
            moved,
            copied,
            removed,
            kept,
            skipped,
            skipped_before,
            unreadable,
            links_not_followed,
            cancelled,
        } = totals;
        let changes = embedded + moved + copied + removed + unreadable + skipped.values().sum::<u64>();
        match (cancelled, changes) {
            (true, _) => writeln!(self.out, "stopped after {seconds:.1} s; what was done is kept")?,
            (false, 0) => writeln!(self.out, "nothing to do: no photo is new, changed or gone")?,
            (false, _) => writeln!(self.out, "done in {seconds:.1} s")?,
        }
        writeln!(self.out, "  embedded   {embedded}")?;
        writeln!(self.out, "  unchanged  {unchanged}")?;
        writeln!(self.out, "  moved      {moved}")?;
        if *copied > 0 {
            writeln!(self.out, "  copied     {copied}")?;
        }
        writeln!(self.out, "  removed    {removed}")?;
        if *kept > 0 {
            writeln!(
                self.out,
                "  kept       {kept} that are gone together with their disk (--prune drops them)"
            )?;
        }
        writeln!(self.out, "  skipped    {}", skipped.values().sum::<u64>())?;
        for (kind, files) in skipped {
            writeln!(self.out, "    {files} {}", kind.label())?;
        }
        if *skipped_before > 0 {
            writeln!(self.out, "  skipped before and not changed since  {skipped_before}")?;
        }
        if *unreadable > 0 {
            writeln!(self.out, "  folders or files that could not be looked at  {unreadable}")?;
        }
        if *links_not_followed > 0 {
            writeln!(
                self.out,
                "  symbolic links not followed  {links_not_followed} (see --follow-symlinks)"
            )?;
        }
        if !skipped.is_empty() {
            writeln!(self.out, "`imgsearch status --skipped` lists the skipped files")?;
        }
        Ok(())
    }

    pub(crate) fn status(&mut self, status: &Status) -> io::Result<()> {
        let Status {
            library,
            model,
            images,
            skipped,
            bytes_on_disk,
            bytes_per_image,
            segments,
            rows,
            dead_rows,
            graph_rows,
            last_indexed,
        } = status;
        let last = last_indexed.map_or_else(|| "never".to_owned(), local_time);
        writeln!(self.out, "library       {library}")?;
        writeln!(self.out, "model         {}", model.as_deref().unwrap_or("none yet"))?;
        writeln!(self.out, "images        {images}")?;
        writeln!(self.out, "skipped       {}", skipped.values().sum::<u64>())?;
        for (label, files) in skipped {
            writeln!(self.out, "  {files} {label}")?;
        }
        let size = indicatif::BinaryBytes(*bytes_on_disk);
        writeln!(self.out, "on disk       {size}, {bytes_per_image} bytes an image")?;
        writeln!(
            self.out,
            "index         {segments} segments, {dead_rows} dead rows, {graph_rows} of {rows} in graphs"
        )?;
        writeln!(self.out, "last indexed  {last}")
    }

    pub(crate) fn status_as_json(&mut self, status: &Status) -> io::Result<()> {
        serde_json::to_writer_pretty(&mut self.out, status)?;
        writeln!(self.out)
    }

    /// What `verify` or `repair` found.
    pub(crate) fn report(&mut self, report: &Report) -> io::Result<()> {
        for Problem { key, error, .. } in &report.problems {
            write!(self.out, "wrong  {}", chain(error))?;
            match key {
                Some(key) => {
                    write!(self.out, ": ")?;
                    self.path(&path_of(key.as_bytes()), b'\n')?;
                }
                None => writeln!(self.out)?,
            }
        }
        for key in &report.lost {
            write!(self.out, "lost   ")?;
            self.path(&path_of(key.as_bytes()), b'\n')?;
        }
        match (report.is_clean(), report.repaired, report.lost.len()) {
            (true, _, _) => writeln!(self.out, "nothing is wrong: {} records read", report.records),
            (false, false, _) => writeln!(self.out, "run `imgsearch repair` to put this right"),
            (false, true, 0) => writeln!(self.out, "repaired; nothing is lost"),
            (false, true, lost) => {
                writeln!(self.out, "repaired; run `imgsearch index` to embed {lost} photos again")
            }
        }
    }

    /// A skipped file: its reason, a tab, its path.
    pub(crate) fn skipped(&mut self, path: &Path, skip: &Skip) -> io::Result<()> {
        write!(self.out, "{skip}\t")?;
        self.path(path, b'\n')
    }

    pub(crate) fn check(&mut self, check: &Check) -> io::Result<()> {
        let Check { what, result } = check;
        match result {
            Ok(detail) => writeln!(self.out, "ok     {what}: {detail}")?,
            Err(Wrong { error, hint }) => {
                writeln!(self.out, "wrong  {what}: {error:#}")?;
                if let Some(hint) = hint {
                    writeln!(self.out, "       hint: {hint}")?;
                }
            }
        }
        Ok(())
    }

    fn path(&mut self, path: &Path, end: u8) -> io::Result<()> {
        self.out.write_all(&printable(path, self.is_terminal))?;
        self.out.write_all(&[end])
    }
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

fn local_time(time: jiff::Timestamp) -> String {
    time.to_zoned_datetime(jiff::tz::TimeZone::system()).strftime("%Y-%m-%d %H:%M:%S").to_string()
}
