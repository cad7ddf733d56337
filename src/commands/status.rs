//! `status`.

use anyhow::Result;
use imgsearch::library::{StoreError, View};

use super::{Exit, existing, models, stale};
use crate::cli::StatusArgs;
use crate::progress;
use crate::render::{
    FormatOptions, Noted, Output, Records, Skipped, noted_fields, skipped_fields, unless_reader_left,
};
use crate::settings::Settings;
use crate::status::{each_file, note_of, skip_of, status_of};

pub(super) fn run(settings: &Settings, args: &StatusArgs) -> Result<Exit> {
    let view = existing(&settings.library)?;
    let view = view.as_deref();
    let mut output = Output::new(settings.ui.look);
    let written = if args.skipped {
        let mut records = Records::new(&mut output, &FormatOptions::of(&args.output)?, skipped_fields())?;
        let files = view.map_or_else(|| Ok(Vec::new()), skipped)?;
        if files.is_empty() {
            say(settings, "no file was skipped");
        }
        files.iter().try_for_each(|file| records.write(file)).and_then(|()| records.finish())
    } else if args.noted {
        let mut records = Records::new(&mut output, &FormatOptions::of(&args.output)?, noted_fields())?;
        let photos = view.map_or_else(|| Ok(Vec::new()), noted)?;
        if photos.is_empty() {
            say(settings, "no indexed photo has a fault");
        }
        photos.iter().try_for_each(|photo| records.write(photo)).and_then(|()| records.finish())
    } else {
        let status = status_of(&settings.library, view)?;
        if args.output.json {
            output.status_as_json(&status)
        } else {
            output
                .status(&status, settings.ui.is_verbose())
                .and_then(|()| output.tip(models::stronger(settings).as_deref()))
        }
    };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    if let Some(view) = view {
        stale::print(settings, &view.note());
    }
    Ok(Exit::Done)
}

/// An empty list could also mean that something went wrong, so say what it means.
fn say(settings: &Settings, text: &str) {
    if !settings.ui.is_quiet() {
        progress::print_note(text);
    }
}

fn skipped(view: &dyn View) -> Result<Vec<Skipped>, StoreError> {
    let mut skipped = Vec::new();
    each_file(view, |file, _| {
        if let Some(skip) = skip_of(&file).cloned() {
            skipped.push(Skipped { path: file.item.path, skip });
        }
    })?;
    Ok(skipped)
}

fn noted(view: &dyn View) -> Result<Vec<Noted>, StoreError> {
    let mut noted = Vec::new();
    each_file(view, |file, is_photo| {
        if let Some(note) = note_of(&file).filter(|_| is_photo).map(str::to_owned) {
            noted.push(Noted { path: file.item.path, note });
        }
    })?;
    Ok(noted)
}
