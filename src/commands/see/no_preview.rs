//! Stands in for the preview in builds without the feature `tui`: it reports that before the search.

use anyhow::Result;
use imgsearch::Match;

use crate::cli::SeeArgs;
use crate::settings::Settings;
use crate::ui::Ui;
use crate::usage::UsageError;

pub(super) fn check_preview(_: Ui) -> Result<(), UsageError> {
    Err(UsageError::left_out("--preview", "tui"))
}

/// Does nothing: [`check_preview`] has already failed.
#[expect(clippy::unnecessary_wraps, reason = "it stands in for a function that can fail")]
pub(in crate::commands) fn preview(_: &Settings, _: &[Match], _: &SeeArgs) -> Result<()> {
    Ok(())
}
