//! `query`.

use anyhow::{Result, bail};
use imgsearch::library::Note;
use imgsearch::{Engine, Query};

use super::{Exit, absolute};
use crate::cli::{Format, QueryArgs};
use crate::render::{Output, unless_reader_left};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings, args: &QueryArgs) -> Result<Exit> {
    let text = args.text.join(" ");
    if text.trim().is_empty() {
        bail!("the query is empty");
    }
    if args.null && !matches!(args.format, None | Some(Format::Paths)) {
        bail!("--null ends paths, and goes with --format paths only");
    }
    let folders = args.folders.iter().map(|folder| absolute(folder)).collect::<Result<_>>()?;
    let query = Query { text, top: args.top, min_score: args.min_score, folders, exact: args.exact };
    let searcher = settings.library.searcher()?;
    let model = settings.open_model(&Note::read(searcher.note()))?;
    let matches = Engine::open(&settings.library, searcher, &model)?.search(&query)?;
    let mut output = Output::new(settings.stdout_is_terminal);
    let written = match (args.null, args.format) {
        (true, _) => output.matches_as_paths(&matches, b'\0'),
        (false, None | Some(Format::Text)) => output.matches_as_text(&matches),
        (false, Some(Format::Paths)) => output.matches_as_paths(&matches, b'\n'),
        (false, Some(Format::Jsonl)) => output.matches_as_jsonl(&query.text, &matches),
    };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(if matches.is_empty() { Exit::NothingFound } else { Exit::Done })
}
