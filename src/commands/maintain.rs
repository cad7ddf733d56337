//! `optimize`, `verify` and `repair`.

use std::sync::atomic::Ordering;

use anyhow::Result;
use imgsearch_index::{OptimizeOptions, Report, Writer, WriterOptions};

use super::status::status_of;
use super::{Exit, existing, stop_on_ctrl_c};
use crate::progress;
use crate::render::{Output, unless_reader_left};
use crate::settings::{Settings, Verbosity};

pub(super) fn optimize(settings: &Settings) -> Result<Exit> {
    let space = settings.library.searcher()?.space().clone();
    let cancel = stop_on_ctrl_c()?;
    let writer = Writer::open(&settings.library.index_folder(), &space, WriterOptions::default())?;
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
        let mut output = Output::new(settings.stdout_is_terminal);
        let written = output.status(&status_of(&settings.library, existing(&settings.library)?.as_ref()));
        unless_reader_left(written.and_then(|()| output.finish()))?;
    }
    Ok(if ended { Exit::Done } else { Exit::Interrupted })
}

pub(super) fn verify(settings: &Settings) -> Result<Exit> {
    report(settings, &imgsearch_index::verify(&settings.library.index_folder())?)
}

pub(super) fn repair(settings: &Settings) -> Result<Exit> {
    report(settings, &imgsearch_index::repair(&settings.library.index_folder())?)
}

/// Shows what `verify` or `repair` found. A problem is a failure, except where a repair lost nothing.
fn report(settings: &Settings, report: &Report) -> Result<Exit> {
    let mut output = Output::new(settings.stdout_is_terminal);
    unless_reader_left(output.report(report).and_then(|()| output.finish()))?;
    Ok(if report.is_clean() || report.repaired && report.lost.is_empty() { Exit::Done } else { Exit::Failed })
}
