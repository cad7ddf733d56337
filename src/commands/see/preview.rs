//! Photos drawn on the terminal.

use anyhow::Result;
use imgsearch::Match;

use super::thumbnails;
use crate::cli::SeeArgs;
use crate::render::{LEAST, Output, Painter, Tile, caption, fits_a_tile, unless_reader_left};
use crate::settings::Settings;
use crate::usage::UsageError;

/// Checks that `--preview` can be done.
pub(super) fn check_preview(settings: &Settings) -> Result<(), UsageError> {
    check_terminal(settings, "--preview")
}

/// Checks that pictures can be drawn on standard output.
pub(in crate::commands) fn check_terminal(settings: &Settings, what: &str) -> Result<(), UsageError> {
    if !settings.look.is_terminal {
        let error = UsageError::new(format!("{what} draws on a terminal, and stdout is none"));
        return Err(error.hint("`imgsearch query TEXT --html FILE` writes a page of photos instead"));
    }
    if !settings.look.colours {
        let error = UsageError::new(format!("{what} draws in colours, and they are switched off"));
        return Err(error.hint("`--color always` uses them in spite of `NO_COLOR` or `TERM=dumb`"));
    }
    if !fits_a_tile() {
        let error = UsageError::new(format!("{what} needs a larger terminal"));
        return Err(error.hint(format!("{} columns and {} lines are the least", LEAST.0, LEAST.1)));
    }
    Ok(())
}

/// Draws the matches on the terminal, if that was asked for.
pub(in crate::commands) fn preview(settings: &Settings, matches: &[Match], args: &SeeArgs) -> Result<()> {
    if !args.preview || matches.is_empty() {
        return Ok(());
    }
    let painter = Painter::ask();
    let pictures = thumbnails(settings, matches, painter.side(), |picture| painter.paint(picture))?;
    let tiles = matches.iter().zip(&pictures).map(|(found, picture)| Tile {
        picture: Some(picture.as_ref().map_err(String::as_str)),
        caption: caption(found),
    });
    let mut output = Output::new(settings.look);
    let drawn = output.preview(&tiles.collect::<Vec<_>>()).and_then(|()| output.finish());
    Ok(unless_reader_left(drawn)?)
}
