//! `query`.

use std::rc::Rc;

use anyhow::{Result, bail};
use imgsearch::library::Note;
use imgsearch::{Engine, Query};

use super::{Exit, absolute};
use crate::cli::QueryArgs;
use crate::render::{Found, Layout, Output, Records, match_fields, unless_reader_left};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &QueryArgs) -> Result<Exit> {
    let text = args.text.join(" ");
    if text.trim().is_empty() {
        bail!("the query is empty");
    }
    let layout = Layout::of(&args.output)?;
    let folders = args.folders.iter().map(|folder| absolute(folder)).collect::<Result<_>>()?;
    let query = Query { text, top: args.top, min_score: args.min_score, folders, exact: args.exact };
    let searcher = settings.library.searcher()?;
    let model = settings.open_model(&Note::read(searcher.note()))?;
    let matches = Engine::open(&settings.library, searcher, &model)?.search(&query)?;
    let is_empty = matches.is_empty();
    let mut output = Output::new(settings.look);
    let mut records = Records::new(&mut output, &layout, match_fields())?;
    let asked: Rc<str> = query.text.into();
    let mut found = matches.into_iter().map(|found| Found { query: Rc::clone(&asked), found });
    let written = found.try_for_each(|found| records.write(&found)).and_then(|()| records.finish());
    drop(records);
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(if is_empty { Exit::NothingFound } else { Exit::Done })
}
