//! `status`.

use std::collections::BTreeMap;

use anyhow::Result;
use imgsearch::Library;
use imgsearch::library::Note;
use imgsearch::photo::{Photo, Skip, SkipKind, path_of};
use imgsearch_index::{Searcher, Stats, StoredRecord};

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
        let files = searcher.iter().flat_map(skipped).collect::<Result<Vec<_>>>()?;
        files.iter().try_for_each(|file| records.write(file)).and_then(|()| records.finish())
    } else if args.noted {
        let mut records = Records::new(&mut output, &Layout::of(&args.output)?, noted_fields())?;
        let photos = searcher.iter().flat_map(noted).collect::<Result<Vec<_>>>()?;
        photos.iter().try_for_each(|photo| records.write(photo)).and_then(|()| records.finish())
    } else {
        let status = status_of(&settings.library, searcher.as_ref())?;
        if args.json { output.status_as_json(&status) } else { output.status(&status) }
    };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

pub(super) fn status_of(library: &Library, searcher: Option<&Searcher>) -> Result<Status> {
    let note = Note::read(searcher.and_then(Searcher::note));
    let (mut by_reason, mut noted) = (BTreeMap::new(), 0);
    for photo in searcher.into_iter().flat_map(photos) {
        let (record, photo) = photo?;
        if let Some(skip) = skip_of(&photo) {
            *by_reason.entry(skip.kind.label()).or_default() += 1;
        }
        noted += usize::from(note_of(&record, &photo).is_some());
    }
    let stats = searcher.map_or_else(Stats::default, Searcher::stats);
    let building = library.building()?.into_iter().map(|(folder, searcher)| Building {
        folder: folder.display().to_string(),
        model: searcher.space().label().to_owned(),
        images: searcher.len(),
    });
    Ok(Status {
        library: library.folder().display().to_string(),
        model: searcher.map(|searcher| searcher.space().label().to_owned()),
        images: stats.rows,
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
        building: building.collect(),
    })
}

/// The records of a library and what they say.
fn photos(searcher: &Searcher) -> impl Iterator<Item = Result<(StoredRecord<'_>, Photo)>> {
    searcher.records().filter_map(|record| {
        let decoded = record.map(|record| Some((record, Photo::decode(record.payload)?)));
        decoded.map_err(Into::into).transpose()
    })
}

fn skipped(searcher: &Searcher) -> impl Iterator<Item = Result<Skipped>> {
    photos(searcher).filter_map(|photo| {
        let of = |(record, photo): (StoredRecord<'_>, Photo)| {
            Some(Skipped { path: path_of(record.key), skip: skip_of(&photo)?.clone() })
        };
        photo.map(of).transpose()
    })
}

fn noted(searcher: &Searcher) -> impl Iterator<Item = Result<Noted>> {
    photos(searcher).filter_map(|photo| {
        let of = |(record, photo): (StoredRecord<'_>, Photo)| {
            Some(Noted { path: path_of(record.key), note: note_of(&record, &photo)?.to_owned() })
        };
        photo.map(of).transpose()
    })
}

/// Why a file was left out, or why a photo could not be read again, which keeps the vector it had.
fn skip_of(photo: &Photo) -> Option<&Skip> {
    photo.skip.as_ref().or(photo.trouble.as_ref()).filter(|skip| skip.kind != SkipKind::OtherFile)
}

/// What is wrong with a photo that was embedded all the same.
fn note_of<'a>(record: &StoredRecord<'_>, photo: &'a Photo) -> Option<&'a str> {
    photo.details.as_ref()?.note.as_deref().filter(|_| record.has_vector)
}
