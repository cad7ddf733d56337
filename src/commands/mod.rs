//! One function per command: settings in, library called, results rendered.

#[cfg(feature = "tui")]
mod browse;
mod classify;
mod complete;
mod config;
mod doctor;
mod duplicates;
mod explain;
mod filter;
mod forget;
mod generate;
mod index;
mod library;
mod maintain;
#[cfg(feature = "mcp")]
mod mcp;
mod models;
mod query;
mod search;
mod see;
#[cfg(feature = "serve")]
mod serve;
mod setup;
mod similar;
mod stale;
mod status;
mod tags;
mod text;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, bail};
use crossbeam_channel::{Receiver, bounded};
use imgsearch::decode::{Limits, heif};
use imgsearch::engine::Vocabulary;
use imgsearch::hub::is_archive;
use imgsearch::library::{Note, View};
use imgsearch::model::{Execution, Precision};
use imgsearch::name::canonicalize;
use imgsearch::text_file;
use imgsearch::{Engine, Library, Model};

use crate::cli::{Cli, Command, ConfigArgs};
use crate::progress::{self, Download};
use crate::settings::{self, CommandLine, Settings};
#[cfg(not(all(feature = "mcp", feature = "serve", feature = "tui")))]
use crate::usage::UsageError;

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
pub(crate) fn run(line: CommandLine) -> Result<Exit> {
    let CommandLine { cli: Cli { common, command }, config_file, settings: values } = line;
    let settings = Settings::resolve(common)?;
    heif::look_in(settings.heif_places());
    match command {
        Command::Index(args) => index::run(&settings, args),
        Command::Query(args) => query::run(&settings, args),
        Command::Classify(args) => classify::run(&settings, &args),
        Command::Similar(args) => similar::run(&settings, &args),
        #[cfg(feature = "tui")]
        Command::Browse(args) => browse::run(&settings, &args),
        #[cfg(not(feature = "tui"))]
        Command::Browse(_) => Err(UsageError::left_out("browse", "tui").into()),
        #[cfg(feature = "serve")]
        Command::Serve(args) => serve::run(settings, args),
        #[cfg(not(feature = "serve"))]
        Command::Serve(_) => Err(UsageError::left_out("serve", "serve").into()),
        #[cfg(feature = "mcp")]
        Command::Mcp(args) => mcp::run(settings, &args),
        #[cfg(not(feature = "mcp"))]
        Command::Mcp(_) => Err(UsageError::left_out("mcp", "mcp").into()),
        Command::Duplicates(args) => duplicates::run(&settings, &args),
        Command::Tags(args) => tags::run(&settings, &args),
        Command::Text(args) => text::run(&settings, &args),
        Command::Forget(args) => forget::run(&settings, &args),
        Command::Status(args) => status::run(&settings, &args),
        Command::Doctor(_) => doctor::run(&settings),
        Command::Optimize(_) => maintain::optimize(&settings),
        Command::Verify(_) => maintain::verify(&settings),
        Command::Repair(_) => maintain::repair(&settings),
        Command::Library(args) => library::run(&settings, &args),
        Command::Models(args) => models::run(&settings, &args.command),
        Command::Setup(args) => setup::run(&settings, &args),
        Command::Config(ConfigArgs { action }) => config::run(&settings, &action, &config_file, &values),
        Command::Completions(args) => generate::completions(settings.ui, &args),
        Command::Man(args) => generate::man(settings.ui, &args),
        Command::Complete(args) => complete::run(&settings, &args),
        Command::Options(_) => generate::options(settings.ui),
    }
}

/// Appended to "stopping" by commands that finish and store their current batch first.
const AFTER_BATCH: &str = " after the current batch";

/// How Ctrl-C reaches running work.
struct Stop {
    /// Set for work that checks it regularly.
    cancel: Arc<AtomicBool>,
    /// Gets a message, for work that waits.
    bell: Receiver<()>,
}

/// The first Ctrl-C triggers the returned [`Stop`] and prints "stopping" and `when`; the second ends the process.
fn stop_on_ctrl_c(when: &'static str) -> Result<Stop> {
    let (cancel, (ring, bell)) = (Arc::new(AtomicBool::new(false)), bounded(1));
    let flag = Arc::clone(&cancel);
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            // What was stored is durable.
            crate::end(Exit::Interrupted);
        }
        _ = ring.try_send(());
        progress::print_stopping(when);
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(Stop { cancel, bell })
}

/// The path in the form that the library stores: absolute, with symbolic links resolved if it exists.
fn absolute(folder: &Path) -> Result<PathBuf> {
    canonicalize(folder).or_else(|_| settings::absolute(folder))
}

/// The labels in a file. A file without labels is an error.
fn read_vocabulary(file: &Path) -> Result<Vocabulary> {
    let text = text_file::read(file).with_context(|| format!("cannot read {}", file.display()))?;
    let vocabulary = Vocabulary::parse(&text);
    if vocabulary.is_empty() {
        bail!("{} has no labels", file.display());
    }
    Ok(vocabulary)
}

/// The model of `--model`, or else the library's model, or else the default model. The library's own model is opened with the
/// library's precision and dimensions.
fn open_model(settings: &Settings, note: &Note) -> Result<Model> {
    let noted = note.model();
    let folder = match (&settings.model, &noted) {
        (Some(choice), _) => model_folder(settings, choice)?,
        (None, Some(folder)) => here(settings, folder)?,
        (None, None) => settings.store()?.default_model()?.folder,
    };
    let is_noted = noted.is_some_and(|noted| here(settings, &noted).is_ok_and(|noted| noted == folder));
    let execution = if is_noted { execution(settings, note) } else { execution(settings, &Note::default()) };
    let model = Model::open(&folder, execution)?;
    let asked = settings.precision.filter(|asked| *asked != Precision::Auto);
    if let Some(precision) = asked.filter(|_| !model.layout().has_precisions()) {
        let (name, precision) = (model.space().label(), precision.name());
        bail!("{name} comes in one precision only, so it cannot be {precision}: leave out --precision");
    }
    Ok(model)
}

/// The folder of the noted model on this machine. A library that another machine fills, or that was imported, may note a
/// folder that only that machine has; then the installed model of the same name is meant. If a model of this machine was
/// removed, the error says how to install it again.
fn here(settings: &Settings, noted: &Path) -> Result<PathBuf> {
    let Some((store, name)) = settings.store().ok().zip(noted.file_name()) else {
        return Ok(noted.to_owned());
    };
    if noted.is_dir() {
        return Ok(noted.to_owned());
    }
    match store.find(&name.to_string_lossy()) {
        Ok(installed) => Ok(installed.folder),
        Err(error) if noted.parent() == Some(store.folder()) => Err(error.into()),
        Err(_) => Ok(noted.to_owned()),
    }
}

/// The execution settings: as the user asked, or else as in the library's note.
fn execution(settings: &Settings, note: &Note) -> Execution {
    Execution {
        precision: settings.precision.or(note.precision()).unwrap_or_default(),
        dim: settings.dim.or(note.dim()),
        ..settings.execution()
    }
}

/// The model for an open index: that of `--model`, or else the one that made the index.
///
/// `imgsearch setup` may have replaced the model of the noted name by a newer one. It keeps the older one under the name
/// in its `model.json`, so that queries work until the index is rebuilt.
fn open_model_of(settings: &Settings, view: &dyn View) -> Result<Model> {
    let note = view.note();
    let model = open_model(settings, &note)?;
    if settings.model.is_some() || settings.dim.is_some() || model.space() == view.space() {
        return Ok(model);
    }
    let mut installed = settings.store()?.installed().into_iter();
    let older = installed.find_map(|installed| {
        Model::open(&installed.folder, execution(settings, &note))
            .ok()
            .filter(|model| model.space() == view.space())
    });
    Ok(older.unwrap_or(model))
}

/// The library, ready to answer queries with the model that made its index.
fn open_engine(settings: &Settings) -> Result<Engine> {
    let view = settings.library.view()?;
    let model = open_model_of(settings, &*view)?;
    Ok(Engine::open(&settings.library, view, Arc::new(model), Limits::default())?)
}

/// The model folder that a choice means. A file is an archive. A path, or the name of a folder in the current folder, is
/// a folder. Any other name is an installed model.
fn model_folder(settings: &Settings, choice: &Path) -> Result<PathBuf> {
    if is_archive(choice) {
        let progress = Download::unpacking(settings.ui, choice);
        let unpacked =
            settings.store()?.unpack(choice, None, settings.execution(), &|event| progress.report(&event));
        progress.finish();
        return Ok(unpacked?.into_model().folder);
    }
    let is_name = choice.components().count() == 1 && !choice.is_dir();
    if is_name {
        return Ok(settings.store()?.find(&choice.to_string_lossy())?.folder);
    }
    settings::absolute(choice)
}

/// The note of the last run, or an empty one.
fn noted(library: &Library) -> Result<Note> {
    Ok(existing(library)?.map_or_else(Note::default, |view| view.note()))
}

/// The library's view, or `None` if nothing is indexed yet.
fn existing(library: &Library) -> Result<Option<Arc<dyn View>>> {
    match library.view() {
        Ok(view) => Ok(Some(view)),
        Err(error) if error.is_missing() => Ok(None),
        Err(error) => Err(error.into()),
    }
}
