//! `tags`.

use std::path::Path;
use std::rc::Rc;

use anyhow::Result;
use imgsearch::engine::{Choice, Tagged, Vocabulary};
use imgsearch::sidecar::{self, Written};

use super::filter::filter;
use super::{Exit, explain, open_engine, read_vocabulary};
use crate::cli::TagsArgs;
use crate::progress;
use crate::render::{FormatOptions, Output, Records, Tag, tag_fields, unless_reader_left};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &TagsArgs) -> Result<Exit> {
    let vocabulary =
        args.vocabulary.as_deref().map_or_else(|| Ok(Vocabulary::everyday()), read_vocabulary)?;
    let layout = FormatOptions::of(&args.output)?;
    let (filter, choice) =
        (filter(settings, &args.filter)?, Choice { least: args.min_probability, most: args.top.get() });
    let engine = open_engine(settings)?;
    let bar = progress::words_bar(settings.ui);
    let prepared = engine.prepare(vocabulary, &progress::shown_on(&bar))?;
    bar.finish_and_clear();
    let mut output = Output::new(settings.ui.look);
    let mut records = Records::new(&mut output, &layout, tag_fields())?;
    let (mut written, mut tags, mut failed) = (Ok(()), 0, false);
    engine.tag(&prepared, &filter, choice, |tagged| {
        if args.xmp {
            failed |= !write_sidecar(&tagged);
        }
        tags += tagged.labels.len();
        let path: Rc<Path> = tagged.path.into();
        let mut labels = tagged.labels.into_iter();
        if written.is_ok() {
            written = labels.try_for_each(|label| records.write(&Tag { path: Rc::clone(&path), label }));
        }
        // Go on writing sidecars even if nobody reads the output any more.
        args.xmp || written.is_ok()
    })?;
    let written = written.and_then(|()| records.finish());
    drop(records);
    unless_reader_left(written.and_then(|()| output.finish()))?;
    if tags == 0 {
        explain::no_label(settings, &filter, &args.filter, args.min_probability)?;
    }
    Ok(match (failed, tags) {
        (true, _) => Exit::Failed,
        (false, 0) => Exit::NothingFound,
        (false, _) => Exit::Done,
    })
}

/// Writes a photo's labels to its sidecar. Returns whether they are in it now.
fn write_sidecar(tagged: &Tagged) -> bool {
    let labels: Vec<&str> = tagged.labels.iter().map(|label| label.name.as_str()).collect();
    let file = sidecar::path(&tagged.path);
    match sidecar::write(&file, &labels) {
        Ok(Written::Done) => true,
        Ok(Written::NotOurs) => {
            progress::print_warning(&format!(
                "not overwritten, because imgsearch did not write it: {}",
                file.display()
            ));
            false
        }
        Err(error) => {
            progress::print_warning(&format!("cannot write {}: {error}", file.display()));
            false
        }
    }
}
