//! Builds without the feature `tui` cannot draw on a terminal, and say so before they search.

use anyhow::Result;
use imgsearch::Match;

use crate::cli::SeeArgs;
use crate::settings::Settings;
use crate::usage::UsageError;

pub(super) fn check_preview(_: &Settings) -> Result<(), UsageError> {
    Err(UsageError::left_out("--preview", "tui"))
}

/// Draws nothing: [`check_preview`] has refused to.
#[expect(clippy::unnecessary_wraps, reason = "it stands for a function that may fail")]
pub(in crate::commands) fn preview(_: &Settings, _: &[Match], _: &SeeArgs) -> Result<()> {
    Ok(())
}
