//! `status`.

use std::collections::BTreeMap;

use anyhow::Result;
use imgsearch::Library;
use imgsearch::library::Note;
use imgsearch::photo::{Photo, SkipKind, path_of};
use imgsearch_index::{Searcher, Stats};

use super::{Exit, existing};
use crate::cli::StatusArgs;
use crate::render::{
    Building, Layout, Noted, Output, Records, Skipped, Status, noted_fields, skipped_fields,
    unless_reader_left,
};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &StatusArgs) -> Result<Exit> {
    let searcher = existing(&settings.library)?;
    let mut output = Output::new(settings.look);
    let written = if args.skipped {
        let mut records = Records::new(&mut output, &Layout::of(&args.output)?, skipped_fields())?;
        let mut files = searcher.iter().flat_map(skipped);
        files.try_for_each(|file| records.write(&file)).and_then(|()| records.finish())
    } else if args.noted {
        let mut records = Records::new(&mut output, &Layout::of(&args.output)?, noted_fields())?;
        let mut photos = searcher.iter().flat_map(noted);
        photos.try_for_each(|photo| records.write(&photo)).and_then(|()| records.finish())
    } else {
        let status = status_of(&settings.library, searcher.as_ref())?;
        if args.json { output.status_as_json(&status) } else { output.status(&status) }
    };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

pub(super) fn status_of(library: &Library, searcher: Option<&Searcher>) -> Result<Status> {
    let note = Note::read(searcher.and_then(Searcher::note));
    let mut by_reason = BTreeMap::new();
    for Skipped { skip, .. } in searcher.into_iter().flat_map(skipped) {
        *by_reason.entry(skip.kind.label()).or_default() += 1;
    }
    let stats = searcher.map_or_else(Stats::default, Searcher::stats);
    let building = library.building()?.into_iter().map(|(folder, searcher)| Building {
        folder: folder.display().to_string(),
        model: searcher.space().label.clone(),
        images: searcher.len(),
    });
    Ok(Status {
        library: library.folder().display().to_string(),
        model: searcher.map(|searcher| searcher.space().label.clone()),
        images: stats.rows,
        skipped: by_reason,
        not_pictures: note.not_pictures().collect(),
        stood_back: note.stood_back,
        noted: searcher.map_or(0, |searcher| noted(searcher).count()),
        bytes_on_disk: stats.bytes_on_disk,
        bytes_per_image: stats.bytes_on_disk.checked_div(stats.rows as u64).unwrap_or(0),
        segments: stats.segments,
        rows: stats.rows,
        dead_rows: stats.dead_rows,
        graph_rows: stats.graph_rows,
        last_indexed: (note.last_indexed > 0)
            .then(|| jiff::Timestamp::from_second(note.last_indexed).ok())
            .flatten(),
        building: building.collect(),
    })
}

/// The files of a library that were left out, with the reason; among them photos that could not be read again, which
/// keep the vector they had.
fn skipped(searcher: &Searcher) -> impl Iterator<Item = Skipped> {
    searcher.records().filter_map(|record| {
        let photo = Photo::decode(record.payload)?;
        let skip = photo.skip.or(photo.trouble).filter(|skip| skip.kind != SkipKind::OtherFile)?;
        Some(Skipped { path: path_of(record.key), skip })
    })
}

/// The photos that were embedded although something is wrong with them, with what it is.
fn noted(searcher: &Searcher) -> impl Iterator<Item = Noted> {
    searcher.records().filter(|record| record.has_vector).filter_map(|record| {
        let note = Photo::decode(record.payload)?.details?.note?;
        Some(Noted { path: path_of(record.key), note })
    })
}
