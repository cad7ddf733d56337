//! Previews of photos in the terminal.

use anyhow::Result;
use imgsearch::Match;

use super::thumbnails;
use crate::cli::SeeArgs;
use crate::render::{LEAST, Output, PICTURE, Painter, Tile, caption, fits_a_tile, unless_reader_left};
use crate::settings::Settings;
use crate::ui::Ui;
use crate::usage::UsageError;

/// Checks that `--preview` works on this terminal.
pub(super) fn check_preview(ui: Ui) -> Result<(), UsageError> {
    check_terminal(ui, "--preview")
}

/// Checks that stdout can show pictures.
pub(in crate::commands) fn check_terminal(ui: Ui, what: &str) -> Result<(), UsageError> {
    if !ui.look.is_terminal {
        let error = UsageError::new(format!("{what} needs a terminal, but stdout is redirected"));
        return Err(error.hint("`imgsearch query TEXT --html FILE` writes a page of photos instead"));
    }
    if !ui.look.colours {
        let error = UsageError::new(format!("{what} needs colours, but they are switched off"));
        return Err(error.hint("`--color always` overrides `NO_COLOR` and `TERM=dumb`"));
    }
    if !fits_a_tile() {
        let error = UsageError::new(format!("{what} needs a larger terminal"));
        return Err(error.hint(format!("it must have at least {} columns and {} lines", LEAST.0, LEAST.1)));
    }
    Ok(())
}

/// Draws the matches in the terminal if `--preview` was given.
pub(in crate::commands) fn preview(settings: &Settings, matches: &[Match], args: &SeeArgs) -> Result<()> {
    if !args.preview || matches.is_empty() {
        return Ok(());
    }
    let (painter, _) = Painter::ask(&settings.graphics());
    let pictures =
        thumbnails(settings, matches, painter.side(PICTURE), |picture| painter.paint(picture, PICTURE))?;
    let tiles = matches.iter().zip(&pictures).map(|(found, picture)| Tile {
        picture: Some(picture.as_ref().map_err(String::as_str)),
        caption: caption(found),
    });
    let mut output = Output::new(settings.ui.look);
    let drawn = output.preview(&tiles.collect::<Vec<_>>()).and_then(|()| output.finish());
    Ok(unless_reader_left(drawn)?)
}
