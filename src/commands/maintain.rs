//! `optimize`, `verify` and `repair`.

use std::path::Path;
use std::sync::atomic::Ordering;

use anyhow::Result;
use imgsearch_index::{Error, OptimizeOptions, Report, Writer, WriterOptions};

use super::status::status_of;
use super::{AFTER_BATCH, Exit, existing, stop_on_ctrl_c};
use crate::progress;
use crate::render::{Output, unless_reader_left};
use crate::settings::{Settings, Verbosity};

pub(super) fn optimize(settings: &Settings) -> Result<Exit> {
    let _lock = settings.library.lock()?;
    let space = settings.library.searcher()?.space().clone();
    let cancel = stop_on_ctrl_c(AFTER_BATCH)?;
    let writer = Writer::open(&settings.library.index_folder()?, &space, WriterOptions::default())?;
    let bar = progress::rows_bar(settings);
    let options = OptimizeOptions {
        cancelled: &|| cancel.load(Ordering::Relaxed),
        progress: &|done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        },
        ..OptimizeOptions::default()
    };
    let ended = writer.optimize(&options)?;
    bar.finish_and_clear();
    drop(writer);
    if settings.verbosity > Verbosity::Quiet {
        let mut output = Output::new(settings.look);
        let written = output.status(&status_of(&settings.library, existing(&settings.library)?.as_ref())?);
        unless_reader_left(written.and_then(|()| output.finish()))?;
    }
    Ok(if ended { Exit::Done } else { Exit::Interrupted })
}

pub(super) fn verify(settings: &Settings) -> Result<Exit> {
    each_index(settings, imgsearch_index::verify)
}

pub(super) fn repair(settings: &Settings) -> Result<Exit> {
    let _lock = settings.library.lock()?;
    each_index(settings, imgsearch_index::repair)
}

/// Shows what `verify` or `repair` finds in each index of the library. A problem is a failure, except where a repair
/// lost nothing.
fn each_index(settings: &Settings, read: impl Fn(&Path) -> Result<Report, Error>) -> Result<Exit> {
    let mut output = Output::new(settings.look);
    let mut exit = Exit::Done;
    for folder in settings.library.index_folders()? {
        let report = read(&folder)?;
        unless_reader_left(output.report(&report).and_then(|()| output.finish()))?;
        let is_well = report.is_clean() || report.repaired && report.lost.is_empty();
        exit = if is_well { exit } else { Exit::Failed };
    }
    Ok(exit)
}
