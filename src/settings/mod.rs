//! What was typed → what it resolves to: flag, then environment, then config file, then default.
//!
//! The one place that reads the environment and asks what kind of machine this is.

mod config;
mod defaults;

use std::env;
use std::io::{IsTerminal, stderr, stdout};
use std::path::{Path, PathBuf};

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};
use directories::ProjectDirs;
use imgsearch::library::Note;
use imgsearch::model::{Device, Execution, Precision};
use imgsearch::{Library, Model};
use supports_hyperlinks::Stream;

use crate::cli::{Common, When};
use crate::terminal::Look;

pub(crate) use defaults::{CommandLine, ConfigFile, Origin, Setting};

/// The model used where none was named and the library has none yet.
const DEFAULT_MODEL: &str = "offline";

/// How much is said on stderr.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    Quiet,
    Normal,
    Verbose,
}

/// The resolved common options.
pub(crate) struct Settings {
    pub(crate) library: Library,
    pub(crate) threads: usize,
    pub(crate) verbosity: Verbosity,
    /// What standard output can show.
    pub(crate) look: Look,
    pub(crate) stderr_is_terminal: bool,
    /// The command that opens an editor; empty where none is known.
    pub(crate) editor: String,
    model: Option<PathBuf>,
    device: Device,
    /// The platform's data folder; a user without a home has none.
    data_folder: Option<PathBuf>,
    /// The platform's folder for what can be made again.
    cache_folder: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn resolve(common: Common) -> Result<Settings> {
        let Common { library, model, device, threads, color, hyperlink, config: _, verbose, quiet } = common;
        let dirs = ProjectDirs::from("", "", "imgsearch");
        let data_folder = dirs.as_ref().map(|dirs| dirs.data_dir().to_owned());
        let library = library.or_else(|| Some(data_folder.as_ref()?.join("library")));
        let library = library.context("this user has no home folder: name the library with --library")?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            library: Library::new(std::path::absolute(&library)?),
            threads: threads.map_or(cores, usize::from),
            verbosity: match (quiet, verbose) {
                (true, _) => Verbosity::Quiet,
                (false, true) => Verbosity::Verbose,
                (false, false) => Verbosity::Normal,
            },
            look: look(color, hyperlink),
            stderr_is_terminal: stderr().is_terminal(),
            editor: editor(),
            model,
            device: device.into(),
            data_folder,
            cache_folder: dirs.map(|dirs| dirs.cache_dir().to_owned()),
        })
    }

    /// The model that was asked for, else the one the library was indexed with, else the default one.
    pub(crate) fn open_model(&self, note: &Note) -> Result<Model> {
        let folder = match &self.model {
            Some(choice) => self.model_folder(choice)?,
            None => note.model().map_or_else(|| self.installed_model(DEFAULT_MODEL.as_ref()), Ok)?,
        };
        Ok(Model::open(&folder, self.execution())?)
    }

    /// A path, or a plain name of a folder that is here, is a folder; any other plain name an installed model.
    fn model_folder(&self, choice: &Path) -> Result<PathBuf> {
        let is_name = choice.components().count() == 1 && !choice.is_dir();
        if is_name { self.installed_model(choice) } else { Ok(std::path::absolute(choice)?) }
    }

    /// Where set-up puts libheif, or a release archive does.
    pub(crate) fn heif_places(&self) -> Vec<PathBuf> {
        let beside = env::current_exe().ok().and_then(|path| Some(path.parent()?.join("heif")));
        beside.into_iter().chain(self.data_folder.iter().map(|folder| folder.join("heif"))).collect()
    }

    fn installed_model(&self, name: &Path) -> Result<PathBuf> {
        let folder = self
            .data_folder
            .as_ref()
            .context("this user has no home folder: name a model folder with --model")?;
        Ok(folder.join("models").join(name))
    }

    pub(crate) fn execution(&self) -> Execution {
        Execution {
            runtime_places: self.runtime_places(),
            device: self.device,
            threads: self.threads,
            precision: Precision::Auto,
            cache_folder: self.cache_folder.clone(),
        }
    }

    /// Where ONNX Runtime may be, best first.
    fn runtime_places(&self) -> Vec<PathBuf> {
        let mut places: Vec<PathBuf> = Vec::new();
        if let Some(named) = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            return vec![named.into()]; // What was named is meant.
        }
        if let Some(folder) = env::current_exe().ok().as_deref().and_then(Path::parent) {
            places.push(folder.to_owned());
            places.push(folder.join("../lib"));
        }
        places.extend(self.data_folder.iter().map(|folder| folder.join("runtime")));
        places.extend(python_packages());
        let system = ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/opt/homebrew/lib"];
        places.extend(system.map(PathBuf::from));
        places
    }
}

fn editor() -> String {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| env::var(name).ok());
    named.into_iter().find(|command| !command.trim().is_empty()).unwrap_or_default()
}

/// `auto` follows the conventions: colours on a terminal unless `NO_COLOR` or `TERM=dumb` forbids them, anywhere when
/// `CLICOLOR_FORCE` demands them; links where there are colours and the terminal is known to understand links.
fn look(color: When, hyperlink: When) -> Look {
    let colours = match color {
        When::Always => true,
        When::Never => false,
        When::Auto => AutoStream::choice(&stdout()) != ColorChoice::Never,
    };
    let hyperlinks = match hyperlink {
        When::Always => true,
        When::Never => false,
        When::Auto => colours && supports_hyperlinks::on(Stream::Stdout),
    };
    Look { is_terminal: stdout().is_terminal(), colours, hyperlinks }
}

/// Folders of an `onnxruntime` installed by pip, in the active virtual environment or for this user.
fn python_packages() -> Vec<PathBuf> {
    let environment = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let user = directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".local"));
    let bases = environment.into_iter().chain(user);
    let versions = bases.filter_map(|base| base.join("lib").read_dir().ok()).flatten().flatten();
    versions.map(|version| version.path().join("site-packages/onnxruntime/capi")).collect()
}
