//! The output of `status`, `verify` and `repair`.

use std::io::{self, Write};
use std::path::PathBuf;

use imgsearch::item::{file_of_key, path_of};
use imgsearch::photo::Skip;
use imgsearch_index::{Problem, Report};
use jiff::Timestamp;

use super::Output;
use super::json::escaped;
use super::record::Field;
use super::totals::left_alone;
use super::when::ago;
use crate::status::{Building, KnownFolder, Status};
use crate::terminal::escape;

impl Output {
    /// Writes the status for people; `verbose` adds what only concerns the program.
    pub(crate) fn status(&mut self, status: &Status, verbose: bool) -> io::Result<()> {
        let Status {
            library,
            model,
            device,
            images,
            folders,
            skipped,
            not_pictures,
            stood_back,
            noted,
            bytes_on_disk,
            bytes_per_image,
            segments,
            rows,
            dead_rows,
            graph_rows,
            last_indexed,
            building,
        } = status;
        let said = |time: &Option<Timestamp>| {
            time.map_or_else(
                || "never".to_owned(),
                |time| ago(time, Timestamp::now(), crate::settings::zone()),
            )
        };
        self.line(&format!("library       {library}"))?;
        self.line(&format!("model         {}", model.as_deref().unwrap_or("none yet")))?;
        if let Some(device) = device {
            self.line(&format!("embedded on   {device}"))?;
        }
        writeln!(self.out, "images        {images}")?;
        for KnownFolder { folder, images, last_indexed } in folders {
            let indexed = last_indexed.map_or_else(
                || "not indexed completely yet".to_owned(),
                |_| format!("indexed {}", said(last_indexed)),
            );
            self.line(&format!("  {images} in {folder}, {indexed}"))?;
        }
        if !skipped.is_empty() {
            writeln!(self.out, "skipped       {}", skipped.values().sum::<u64>())?;
        }
        for (label, files) in skipped {
            writeln!(self.out, "  {files} {label}")?;
        }
        for line in left_alone(not_pictures, *stood_back) {
            writeln!(self.out, "last run      {line}")?;
        }
        if *noted > 0 {
            writeln!(self.out, "noted         {noted} with a fault (--noted lists them)")?;
        }
        let size = indicatif::BinaryBytes(*bytes_on_disk);
        writeln!(self.out, "on disk       {size}")?;
        if verbose {
            writeln!(self.out, "              {bytes_per_image} bytes per image")?;
            writeln!(
                self.out,
                "index         {segments} segments, {dead_rows} dead rows, {graph_rows} of {rows} in graphs"
            )?;
        }
        writeln!(self.out, "last indexed  {}", said(last_indexed))?;
        for Building { folder, model, images } in building {
            self.line(&format!("building      {model}: {images} images so far, in {folder}"))?;
        }
        Ok(())
    }

    pub(crate) fn status_as_json(&mut self, status: &Status) -> io::Result<()> {
        writeln!(self.out, "{}", escaped(&serde_json::to_string_pretty(status)?))
    }

    /// Prints what `verify` or `repair` found.
    pub(crate) fn report(&mut self, report: &Report) -> io::Result<()> {
        for Problem { key, error, .. } in &report.problems {
            write!(self.out, "wrong  {}", escape(&chain(error)))?;
            match key {
                Some(key) => {
                    write!(self.out, ": ")?;
                    self.path(&path_of(file_of_key(key.as_bytes())))?;
                }
                None => writeln!(self.out)?,
            }
        }
        for key in &report.lost {
            write!(self.out, "lost   ")?;
            self.path(&path_of(file_of_key(key.as_bytes())))?;
        }
        if report.is_clean() {
            return writeln!(self.out, "no problems found in {} records", report.records);
        }
        if !report.repaired {
            return writeln!(self.out, "run `imgsearch repair` to fix this");
        }
        if report.is_whole_again() {
            return writeln!(self.out, "repaired; nothing was lost");
        }
        if report.lost_others {
            return writeln!(
                self.out,
                "repaired, but photos may be lost: run `imgsearch index` to embed them again"
            );
        }
        writeln!(self.out, "repaired; run `imgsearch index` to embed {} photos again", report.lost.len())
    }
}

/// A skipped file.
pub(crate) struct Skipped {
    pub(crate) path: PathBuf,
    pub(crate) skip: Skip,
}

/// The fields of `status --skipped`.
pub(crate) fn skipped_fields() -> Vec<Field<Skipped>> {
    vec![
        Field::new("reason", |skipped: &Skipped| skipped.skip.to_string().into()).in_text(),
        Field::new("kind", |skipped: &Skipped| skipped.skip.kind.label().into()),
        Field::new("path", |skipped: &Skipped| skipped.path.as_path().into()).in_text(),
    ]
}

/// A photo that was embedded although it has a fault.
pub(crate) struct Noted {
    pub(crate) path: PathBuf,
    pub(crate) note: String,
}

/// The fields of `status --noted`.
pub(crate) fn noted_fields() -> Vec<Field<Noted>> {
    vec![
        Field::new("note", |noted: &Noted| noted.note.as_str().into()).in_text(),
        Field::new("path", |noted: &Noted| noted.path.as_path().into()).in_text(),
    ]
}

/// An error with its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}
