//! One function per command: settings in, library called, results rendered.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Instant, SystemTime};

use anyhow::{Context, Result, bail};
use imgsearch::decode::{Limits, heif};
use imgsearch::engine::check_space;
use imgsearch::ingest::{self, Plan};
use imgsearch::library::Note;
use imgsearch::model::Runtime;
use imgsearch::photo::{Photo, Skip, path_of};
use imgsearch::walk::{Rules, resolve_roots};
use imgsearch::{Engine, Library, Model, Query};
use imgsearch_index::{Error as IndexError, OptimizeOptions, Report, Searcher, Stats, Writer, WriterOptions};

use crate::cli::{Cli, Command, Format, IndexArgs, QueryArgs, StatusArgs};
use crate::progress::{self, Progress};
use crate::render::{Check, Output, Status, Wrong, unless_reader_left};
use crate::settings::{Settings, Verbosity};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    Done = 0,
    NothingFound = 1,
    Failed = 2,
    Interrupted = 130,
}

/// Runs the command that was typed.
pub(crate) fn run(cli: Cli) -> Result<Exit> {
    let settings = Settings::resolve(cli.common)?;
    match cli.command {
        Command::Index(args) => index(&settings, args),
        Command::Query(args) => query(&settings, &args),
        Command::Status(args) => status(&settings, &args),
        Command::Doctor(_) => doctor(&settings),
        Command::Optimize(_) => optimize(&settings),
        Command::Verify(_) => report(&settings, &imgsearch_index::verify(&settings.library.index_folder())?),
        Command::Repair(_) => report(&settings, &imgsearch_index::repair(&settings.library.index_folder())?),
    }
}

fn index(settings: &Settings, args: IndexArgs) -> Result<Exit> {
    let IndexArgs { paths, exclude, include_hidden, follow_symlinks, prune } = args;
    let (roots, missing) = resolve_roots(&paths);
    let (gone, missing): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|(_, error)| prune && error.kind() == io::ErrorKind::NotFound);
    for (root, error) in &missing {
        progress::print_warning(&format!("cannot index {}: {error}", root.display()));
    }
    if roots.is_empty() && gone.is_empty() {
        bail!("none of the given paths can be indexed");
    }
    let gone_roots = gone.iter().map(|(root, _)| absolute(root)).collect::<Result<_>>()?;
    let model = settings.open_model(&noted(&settings.library)?)?;
    heif::look_in(settings.heif_places());
    let plan = Plan {
        roots,
        gone_roots,
        rules: Rules { exclude, include_hidden, follow_symlinks },
        prune,
        threads: settings.threads,
        limits: Limits::default(),
        now: SystemTime::now(),
    };
    let (start, cancel, progress) = (Instant::now(), stop_on_ctrl_c()?, Progress::new(settings));
    let totals = ingest::index(&settings.library, &model, &plan, &progress, &cancel);
    progress.finish();
    let totals = totals?;
    if settings.verbosity > Verbosity::Quiet {
        let mut output = Output::new(settings.stdout_is_terminal);
        let written = output.totals(&totals, start.elapsed().as_secs_f64()).and_then(|()| output.finish());
        unless_reader_left(written)?;
    }
    Ok(match (totals.cancelled, totals.has_failures() || !missing.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    })
}

/// The flag that the first Ctrl-C sets; the second one ends the process.
fn stop_on_ctrl_c() -> Result<Arc<AtomicBool>> {
    let cancel = Arc::new(AtomicBool::new(false));
    let flag = Arc::clone(&cancel);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            exit_at_once();
        }
        progress::print_stopping();
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(cancel)
}

#[expect(clippy::exit, reason = "a second Ctrl-C means now; what was stored is durable")]
fn exit_at_once() {
    std::process::exit(i32::from(Exit::Interrupted as u8));
}

fn query(settings: &Settings, args: &QueryArgs) -> Result<Exit> {
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

/// Comparable with the paths in a library: absolute, and without symbolic links where it exists.
fn absolute(folder: &Path) -> Result<PathBuf> {
    Ok(folder.canonicalize().or_else(|_| std::path::absolute(folder))?)
}

fn status(settings: &Settings, args: &StatusArgs) -> Result<Exit> {
    let searcher = existing(&settings.library)?;
    let mut output = Output::new(settings.stdout_is_terminal);
    let written = if args.skipped {
        searcher.iter().flat_map(skipped).try_for_each(|(path, skip)| output.skipped(&path, &skip))
    } else {
        let status = status_of(&settings.library, searcher.as_ref());
        if args.json { output.status_as_json(&status) } else { output.status(&status) }
    };
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(Exit::Done)
}

fn status_of(library: &Library, searcher: Option<&Searcher>) -> Status {
    let note = Note::read(searcher.and_then(Searcher::note));
    let mut by_reason = BTreeMap::new();
    for (_, skip) in searcher.into_iter().flat_map(skipped) {
        *by_reason.entry(skip.kind.label()).or_default() += 1;
    }
    let stats = searcher.map_or_else(Stats::default, Searcher::stats);
    Status {
        library: library.folder().display().to_string(),
        model: searcher.map(|searcher| searcher.space().label.clone()),
        images: stats.rows,
        skipped: by_reason,
        bytes_on_disk: stats.bytes_on_disk,
        bytes_per_image: stats.bytes_on_disk.checked_div(stats.rows as u64).unwrap_or(0),
        segments: stats.segments,
        rows: stats.rows,
        dead_rows: stats.dead_rows,
        graph_rows: stats.graph_rows,
        last_indexed: (note.last_indexed > 0)
            .then(|| jiff::Timestamp::from_second(note.last_indexed).ok())
            .flatten(),
    }
}

/// The files of a library that have no vector, with the reason.
fn skipped(searcher: &Searcher) -> impl Iterator<Item = (PathBuf, Skip)> {
    searcher.records().filter(|record| !record.has_vector).filter_map(|record| {
        let skip = Photo::decode(record.payload)?.skip?;
        Some((path_of(record.key), skip))
    })
}

fn optimize(settings: &Settings) -> Result<Exit> {
    let space = settings.library.searcher()?.space().clone();
    let cancel = stop_on_ctrl_c()?;
    let writer = Writer::open(&settings.library.index_folder(), &space, WriterOptions::default())?;
    let bar = progress::rows_bar(settings);
    let options = OptimizeOptions {
        cancelled: &|| cancel.load(Ordering::Relaxed),
        progress: &|done, total| {
            bar.set_length(total as u64);
            bar.set_position(done as u64);
        },
        ..OptimizeOptions::default()
    };
    let ended = writer.optimize(&options)?;
    bar.finish_and_clear();
    drop(writer);
    if settings.verbosity > Verbosity::Quiet {
        let mut output = Output::new(settings.stdout_is_terminal);
        let written = output.status(&status_of(&settings.library, existing(&settings.library)?.as_ref()));
        unless_reader_left(written.and_then(|()| output.finish()))?;
    }
    Ok(if ended { Exit::Done } else { Exit::Interrupted })
}

/// Shows what `verify` or `repair` found. A problem is a failure, except where a repair lost nothing.
fn report(settings: &Settings, report: &Report) -> Result<Exit> {
    let mut output = Output::new(settings.stdout_is_terminal);
    unless_reader_left(output.report(report).and_then(|()| output.finish()))?;
    Ok(if report.is_clean() || report.repaired && report.lost.is_empty() { Exit::Done } else { Exit::Failed })
}

fn doctor(settings: &Settings) -> Result<Exit> {
    let checks = checks(settings);
    let exit = if checks.iter().all(|check| check.result.is_ok()) { Exit::Done } else { Exit::Failed };
    let mut output = Output::new(settings.stdout_is_terminal);
    let written = checks.iter().try_for_each(|check| output.check(check));
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(exit)
}

fn checks(settings: &Settings) -> Vec<Check> {
    let check = |what, result: Result<String>| {
        let result = result.map_err(|error| Wrong { hint: progress::hint(&error), error });
        Check { what, result }
    };
    let model = settings.open_model(&noted(&settings.library).unwrap_or_default());
    match model {
        Ok(model) => vec![
            check("ONNX Runtime", model.runtime().map_err(Into::into).map(describe)),
            check("model", check_model(&model)),
            check("device", check_device(&model)),
            check("text", check_text(&model)),
            check("library", check_library(settings, Some(&model))),
        ],
        Err(error) => {
            let runtime = Runtime::load(&settings.execution().runtime_places);
            vec![
                check("ONNX Runtime", runtime.map_err(Into::into).map(|runtime| describe(&runtime))),
                check("model", Err(error)),
                check("library", check_library(settings, None)),
            ]
        }
    }
}

fn describe(runtime: &Runtime) -> String {
    let version = runtime.version().unwrap_or_else(|| "of unknown version".to_owned());
    format!("{version} at {}", runtime.path().display())
}

fn check_model(model: &Model) -> Result<String> {
    model.verify()?;
    let space = model.space();
    let folder = model.folder().display();
    Ok(format!("{}, {} dimensions, files as published, at {folder}", space.label, space.dim))
}

fn check_device(model: &Model) -> Result<String> {
    Ok(format!("the image model runs on {}", model.image_encoder()?.device()))
}

fn check_text(model: &Model) -> Result<String> {
    model.text_encoder()?.encode_text("a photo of a dog")?;
    Ok("the text model answers".into())
}

fn check_library(settings: &Settings, model: Option<&Model>) -> Result<String> {
    let folder = settings.library.folder().display();
    let Some(searcher) = existing(&settings.library)? else {
        return Ok(format!("nothing indexed yet at {folder}"));
    };
    if let Some(model) = model {
        check_space(&settings.library, &searcher, model)?;
    }
    Ok(format!("{} photos at {folder}", searcher.len()))
}

/// What the last run noted; nothing where there was none.
fn noted(library: &Library) -> Result<Note> {
    Ok(existing(library)?.map_or_else(Note::default, |searcher| Note::read(searcher.note())))
}

/// The library's index, if there is one.
fn existing(library: &Library) -> Result<Option<Searcher>> {
    match library.searcher() {
        Ok(searcher) => Ok(Some(searcher)),
        Err(IndexError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}
