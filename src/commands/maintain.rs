//! `optimize`, `verify` and `repair`.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use anyhow::{Context, Result};
use imgsearch::library::StoreError;
use imgsearch::photo::Id;
use imgsearch_index::{Error, Report};
use tempfile::Builder;

use super::{AFTER_BATCH, Exit, existing, stop_on_ctrl_c};
use crate::progress;
use crate::render::{Output, unless_reader_left};
use crate::settings::Settings;
use crate::status::status_of;

pub(super) fn optimize(settings: &Settings) -> Result<Exit> {
    let library = settings.library.lock()?;
    let cancel = stop_on_ctrl_c(AFTER_BATCH)?.cancel;
    let bar = progress::rows_bar(settings.ui);
    let show = |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    };
    let ended = library.optimize(&|| cancel.load(Ordering::Relaxed), &show)?;
    bar.finish_and_clear();
    if ended {
        let view = settings.library.view()?;
        let is_known = |id: Id| Ok::<_, StoreError>(!view.of_content(&id.0, 1)?.is_empty());
        settings.library.thumbnails().retain(SystemTime::now(), is_known)?;
    }
    if !settings.ui.is_quiet() {
        let mut output = Output::new(settings.ui.look);
        let written =
            output.status(&status_of(&settings.library, existing(&settings.library)?.as_deref())?, true);
        unless_reader_left(written.and_then(|()| output.finish()))?;
    }
    Ok(if ended { Exit::Done } else { Exit::Interrupted })
}

pub(super) fn verify(settings: &Settings) -> Result<Exit> {
    each_index(settings, |folder| match imgsearch_index::verify(folder) {
        Err(error) if error.is_refusal() => {
            let scratch = settings.scratch_folder();
            let cannot = || format!("{error}, and the catalog cannot be copied to {}", scratch.display());
            let scratch = Builder::new().prefix("imgsearch-").tempdir_in(&scratch).with_context(cannot)?;
            Ok(imgsearch_index::verify_copy(folder, scratch.path())?)
        }
        report => Ok(report?),
    })
}

pub(super) fn repair(settings: &Settings) -> Result<Exit> {
    let _lock = settings.library.lock_to_repair()?;
    each_index(settings, |folder| Ok(imgsearch_index::repair(folder)?))
}

/// Shows what `verify` or `repair` finds in each index of the library. Any problem counts as a failure unless a repair
/// lost nothing. A missing index is an error, because its photos cannot be recovered.
fn each_index(settings: &Settings, read: impl Fn(&Path) -> Result<Report>) -> Result<Exit> {
    let mut output = Output::new(settings.ui.look);
    let mut exit = Exit::Done;
    let collections = settings.library.collections();
    for library in std::iter::once(&settings.library).chain(&collections) {
        for folder in library.index_folders()? {
            let report = match read(&folder) {
                // A run that was killed right at the start leaves an empty library folder.
                Err(error) if is_missing(&error) && library.folder().is_dir() => Report::default(),
                report => report?,
            };
            if report.is_clean() && library.has_lost(&folder) {
                return Err(Error::Missing { path: folder }.into());
            }
            unless_reader_left(output.report(&report).and_then(|()| output.finish()))?;
            exit = if report.is_clean() || report.is_whole_again() { exit } else { Exit::Failed };
        }
    }
    Ok(exit)
}

fn is_missing(error: &anyhow::Error) -> bool {
    matches!(error.downcast_ref(), Some(Error::Missing { .. }))
}
