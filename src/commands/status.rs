//! `status`.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use anyhow::Result;
use imgsearch::Library;
use imgsearch::library::{self, Note, Stats, StoreError, Stored, View};
use imgsearch::photo::{Skip, SkipKind};
use imgsearch::query::Filter;

use super::{Exit, existing, models};
use crate::cli::StatusArgs;
use crate::render::{
    Building, Layout, Noted, Output, Records, Skipped, Status, noted_fields, skipped_fields,
    unless_reader_left,
};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &StatusArgs) -> Result<Exit> {
    let view = existing(&settings.library)?;
    let view = view.as_deref();
    let mut output = Output::new(settings.ui.look);
    let written = if args.skipped {
        let mut records = Records::new(&mut output, &Layout::of(&args.output)?, skipped_fields())?;
        let files = view.map_or_else(|| Ok(Vec::new()), skipped)?;
        files.iter().try_for_each(|file| records.write(file)).and_then(|()| records.finish())
    } else if args.noted {
        let mut records = Records::new(&mut output, &Layout::of(&args.output)?, noted_fields())?;
        let photos = view.map_or_else(|| Ok(Vec::new()), noted)?;
        photos.iter().try_for_each(|photo| records.write(photo)).and_then(|()| records.finish())
    } else {
        let status = status_of(&settings.library, view)?;
        if args.json {
            output.status_as_json(&status)
        } else {
            output.status(&status).and_then(|()| output.tip(models::stronger(settings).as_deref()))
        }
    };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

pub(super) fn status_of(library: &Library, view: Option<&dyn View>) -> Result<Status> {
    let note = view.map_or_else(Note::default, View::note);
    let (mut by_reason, mut images, mut noted) = (BTreeMap::new(), 0, 0);
    if let Some(view) = view {
        each_file(view, |file, is_photo| {
            if let Some(skip) = skip_of(&file) {
                *by_reason.entry(skip.kind.label()).or_default() += 1;
            }
            images += usize::from(is_photo);
            noted += usize::from(is_photo && note_of(&file).is_some());
        })?;
    }
    let stats = view.map_or_else(Stats::default, View::stats);
    let mut building = Vec::new();
    for library::Building { folder, view } in library.building()? {
        building.push(Building {
            folder: folder.display().to_string(),
            model: view.space().label().to_owned(),
            images: view.count(&Filter::default())?,
        });
    }
    Ok(Status {
        library: library.folder().display().to_string(),
        model: view.map(|view| view.space().label().to_owned()),
        images,
        skipped: by_reason,
        not_pictures: note.not_pictures().collect(),
        stood_back: note.stood_back,
        noted,
        bytes_on_disk: stats.bytes_on_disk,
        bytes_per_image: stats.bytes_on_disk.checked_div(stats.rows as u64).unwrap_or(0),
        segments: stats.segments,
        rows: stats.rows,
        dead_rows: stats.dead_rows,
        graph_rows: stats.graph_rows,
        last_indexed: (note.last_indexed > 0)
            .then(|| jiff::Timestamp::from_second(note.last_indexed).ok())
            .flatten(),
        building,
    })
}

/// Visits every file in a library with a flag that tells if it is a photo. Parts of files are skipped.
fn each_file(view: &dyn View, mut visit: impl FnMut(Stored, bool)) -> Result<(), StoreError> {
    view.each_item(&mut |stored, is_photo| {
        if stored.item.part.is_none() {
            visit(stored, is_photo);
        }
        ControlFlow::Continue(())
    })
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

/// Why a file was skipped, or why a photo that is still indexed could not be read again.
fn skip_of(file: &Stored) -> Option<&Skip> {
    let photo = file.photo.as_ref()?;
    photo.skip.as_ref().or(photo.trouble.as_ref()).filter(|skip| skip.kind != SkipKind::OtherFile)
}

/// The fault of a photo that was embedded in spite of it.
fn note_of(photo: &Stored) -> Option<&str> {
    photo.photo.as_ref()?.details.as_ref()?.note.as_deref()
}
