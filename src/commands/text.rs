//! `text`, and reading text for `index` and `serve`.

use std::fs::File;
use std::io::stdin;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use anyhow::Result;
use imgsearch::Model;
use imgsearch::decode::{self, Limits, decode_in_time};
use imgsearch::ingest::{Plan, Reporter, TextReader, TextTotals, read_texts};
use imgsearch::library::LockedLibrary;
use imgsearch::model::{ModelError, Runtime};
use imgsearch::text::{self, DETAIL, Line, Reader, upright};

use super::Exit;
use crate::cli::{Format, TextArgs};
use crate::progress;
use crate::render::{FormatOptions, Output, ReadLine, Records, line_fields, unless_reader_left};
use crate::settings::Settings;
use crate::usage::UsageError;

pub(super) fn run(settings: &Settings, args: &TextArgs) -> Result<Exit> {
    let layout = FormatOptions::of(&args.output)?;
    let reader = open(settings, &folder(settings)?, settings.threads)?;
    let is_plain = layout.format == Format::Text && args.output.fields.is_empty();
    let mut output = Output::new(settings.ui.look);
    let (mut found, mut failed, mut is_first) = (false, false, true);
    let mut each = |write: &mut dyn FnMut(&Path, Vec<Line>) -> std::io::Result<()>| -> Result<()> {
        for file in &args.files {
            match read(&reader, file) {
                Ok(lines) => {
                    found |= !lines.is_empty();
                    write(file, lines)?;
                }
                Err(error) => {
                    progress::print_warning(&format!("cannot read {}: {error:#}", file.display()));
                    failed = true;
                }
            }
        }
        Ok(())
    };
    if is_plain {
        let has_names = args.files.len() > 1;
        each(&mut |file, lines| {
            if has_names && !std::mem::take(&mut is_first) {
                output.line("")?;
            }
            output.text_of(has_names.then_some(file), &lines)
        })
        .or_else(unless_left)?;
    } else {
        let mut records = Records::new(&mut output, &layout, line_fields())?;
        // Paths are those of pictures with text, so one line is enough.
        let most = if layout.format == Format::Paths { 1 } else { usize::MAX };
        each(&mut |file, lines| {
            let path: Rc<Path> = file.into();
            let mut lines = lines.into_iter().take(most);
            lines.try_for_each(|line| records.write(&ReadLine { path: Rc::clone(&path), line }))
        })
        .or_else(unless_left)?;
        unless_reader_left(records.finish())?;
    }
    unless_reader_left(output.finish())?;
    Ok(match (failed, found) {
        (true, _) => Exit::Failed,
        (false, true) => Exit::Done,
        (false, false) => Exit::NothingFound,
    })
}

/// Passes every error on but that of a reader who has left.
fn unless_left(error: anyhow::Error) -> Result<()> {
    match error.downcast::<std::io::Error>() {
        Ok(error) => Ok(unless_reader_left(Err(error))?),
        Err(error) => Err(error),
    }
}

/// The lines in a picture.
fn read(reader: &Reader, file: &Path) -> Result<Vec<Line>> {
    let limits = Limits::default();
    let bytes = if file == Path::new("-") {
        decode::read(stdin().lock(), &limits)?
    } else {
        decode::read(File::open(file)?, &limits)?
    };
    Ok(reader.read(&upright(decode_in_time(bytes, &limits, DETAIL)?))?)
}

/// The folder of the model that reads text.
fn folder(settings: &Settings) -> Result<PathBuf> {
    let folder = settings.text_folder()?;
    if folder.is_dir() {
        return Ok(folder);
    }
    let error = UsageError::new(format!("the text model is not installed: there is no {}", folder.display()));
    Err(error
        .hint("run `imgsearch setup text`, or name the folder of a PP-OCR model with `--text-model`")
        .into())
}

fn open(settings: &Settings, folder: &Path, threads: usize) -> Result<Reader, ModelError> {
    Reader::open(&Runtime::load(&settings.execution().runtime_places)?, folder, threads)
}

/// Reads the text in the photos of `plan`, after they were indexed.
pub(super) fn read_all(
    settings: &Settings,
    library: &mut LockedLibrary,
    model: &Model,
    plan: &Plan,
    reporter: &dyn Reporter,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<TextTotals> {
    let folder = folder(settings)?;
    // Each picture is read on one thread, and as many at a time as there are threads.
    let reader = TextReader { version: text::version(&folder)?, open: &|| open(settings, &folder, 1) };
    Ok(read_texts(library, model, &reader, plan, reporter, should_stop)?)
}

/// Checks before a long run that text could be read.
pub(super) fn check(settings: &Settings) -> Result<()> {
    folder(settings).map(|_| ())
}
