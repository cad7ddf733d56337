//! Resolves the options: command line, then environment, then config file, then default.
//!
//! Only this module reads the environment and detects what the machine and terminal can do.

mod config;
mod defaults;
#[cfg(feature = "tui")]
mod graphics;
mod guess;

use std::env;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};
use directories::ProjectDirs;
use imgsearch::Library;
use imgsearch::hub::{Access, Store};
use imgsearch::model::{Device, Execution, Precision, Prompt};
use imgsearch::text_file;
use jiff::tz::TimeZone;
use supports_hyperlinks::Stream;

use crate::cli::{Common, When};
use crate::terminal::Look;
use crate::ui::{Ui, Verbosity};

pub(crate) use defaults::{CommandLine, ConfigFile, Origin, Setting};
#[cfg(feature = "tui")]
pub(crate) use graphics::Graphics;

/// The resolved common options.
pub(crate) struct Settings {
    pub(crate) library: Library,
    pub(crate) threads: usize,
    pub(crate) ui: Ui,
    /// The command that opens an editor; empty if none is set.
    pub(crate) editor: String,
    /// The value of `--model`: a folder, an archive, or the name of an installed model.
    pub(crate) model: Option<PathBuf>,
    pub(crate) precision: Option<Precision>,
    /// How many dimensions of each vector to keep.
    pub(crate) dim: Option<NonZeroUsize>,
    device: Device,
    prompt: Option<Prompt>,
    /// The platform's data folder; `None` for a user without a home folder.
    data_folder: Option<PathBuf>,
    /// The platform's cache folder.
    cache_folder: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn resolve(common: Common) -> Result<Settings> {
        let Common { library, model, device, precision, dim, prompt, threads, .. } = common;
        let Common { color, hyperlink, verbose, quiet, .. } = common;
        let dirs = ProjectDirs::from("", "", "imgsearch");
        let data_folder = dirs.as_ref().map(|dirs| dirs.data_dir().to_owned());
        let library = library.or_else(|| Some(data_folder.as_ref()?.join("library")));
        let library = library.context("this user has no home folder: give the library with --library")?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Settings {
            library: Library::new(absolute(&library)?),
            threads: threads.map_or(cores, usize::from),
            ui: Ui {
                verbosity: match (quiet, verbose) {
                    (true, _) => Verbosity::Quiet,
                    (false, true) => Verbosity::Verbose,
                    (false, false) => Verbosity::Normal,
                },
                look: look(color, hyperlink),
                stderr_is_terminal: stderr().is_terminal(),
                can_ask: !quiet && stderr().is_terminal() && stdin().is_terminal(),
            },
            editor: editor(),
            model,
            device,
            precision,
            dim: dim.and_then(|dim| NonZeroUsize::new(dim.try_into().ok()?)),
            prompt: prompt.map(Into::into),
            data_folder,
            cache_folder: dirs.map(|dirs| dirs.cache_dir().to_owned()),
        })
    }

    /// The installed models.
    pub(crate) fn store(&self) -> Result<Store> {
        let folder = self.data_folder.as_ref();
        let folder = folder.context("this user has no home folder: give a model folder with --model")?;
        Ok(Store::new(folder.join("models")))
    }

    /// How to reach Hugging Face.
    pub(crate) fn access(&self, timeout: Duration, retries: u32) -> Access {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        let schemes = if endpoint.starts_with("https://") {
            ["HTTPS_PROXY", "ALL_PROXY"]
        } else {
            ["HTTP_PROXY", "ALL_PROXY"]
        };
        let no_proxy = either_case("NO_PROXY").unwrap_or_default();
        Access {
            endpoint: endpoint.trim_end_matches('/').to_owned(),
            token: token(),
            proxy: schemes.into_iter().find_map(either_case),
            no_proxy: no_proxy.split(',').map(|host| host.trim().to_owned()).collect(),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            cache: hub_cache(),
            timeout,
            retries,
        }
    }

    /// The platform's cache folder.
    pub(crate) fn cache_folder(&self) -> Option<&Path> {
        self.cache_folder.as_deref()
    }

    /// The user's home folder.
    #[cfg(feature = "tui")]
    pub(crate) fn home(&self) -> Option<PathBuf> {
        Some(directories::BaseDirs::new()?.home_dir().to_owned())
    }

    /// What is known of the terminal's pictures.
    #[cfg(feature = "tui")]
    pub(crate) fn graphics(&self) -> Graphics {
        Graphics::detect(self.cache_folder())
    }

    /// The file into which `scripts/places` writes the names of towns.
    pub(crate) fn places_file(&self) -> Option<PathBuf> {
        Some(self.data_folder.as_ref()?.join("places.tsv"))
    }

    /// The system's folder for temporary files.
    pub(crate) fn scratch_folder(&self) -> PathBuf {
        env::temp_dir()
    }

    /// Folders where `scripts/setup` or a release archive puts libheif.
    pub(crate) fn heif_places(&self) -> Vec<PathBuf> {
        let beside = env::current_exe().ok().and_then(|path| Some(path.parent()?.join("heif")));
        beside.into_iter().chain(self.data_folder.iter().map(|folder| folder.join("heif"))).collect()
    }

    pub(crate) fn execution(&self) -> Execution {
        Execution {
            runtime_places: self.runtime_places(),
            device: self.device,
            threads: self.threads,
            precision: Precision::Auto,
            dim: None,
            prompt: self.prompt,
            cache_folder: self.cache_folder.clone(),
        }
    }

    /// Where ONNX Runtime may be, best first.
    fn runtime_places(&self) -> Vec<PathBuf> {
        let mut places: Vec<PathBuf> = Vec::new();
        if let Some(named) = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            return vec![named.into()]; // A file that the user named has no substitute.
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

/// The absolute path. This fails only for a relative path, if the current folder no longer exists.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf> {
    std::path::absolute(path)
        .with_context(|| format!("cannot find {}: the current folder no longer exists", path.display()))
}

/// The current folder with symbolic links resolved, as the library stores paths.
pub(crate) fn here() -> Option<PathBuf> {
    env::current_dir().ok()?.canonicalize().ok()
}

/// The home folder of Hugging Face's own tools.
fn hub_home() -> Option<PathBuf> {
    let home = || directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".cache"));
    path("HF_HOME").or_else(|| Some(path("XDG_CACHE_HOME").or_else(home)?.join("huggingface")))
}

/// The download cache of Hugging Face's own tools.
fn hub_cache() -> Option<PathBuf> {
    path("HF_HUB_CACHE").or_else(|| Some(hub_home()?.join("hub")))
}

/// The token from `HF_TOKEN`, or else the one that `huggingface-cli login` saved. `HF_HUB_DISABLE_IMPLICIT_TOKEN=1` turns
/// both off, as in huggingface_hub.
fn token() -> Option<String> {
    if variable("HF_HUB_DISABLE_IMPLICIT_TOKEN").is_some_and(|value| is_true(&value)) {
        return None;
    }
    let file = || path("HF_TOKEN_PATH").or_else(|| Some(hub_home()?.join("token")));
    let token = variable("HF_TOKEN").or_else(|| text_file::read(&file()?).ok())?;
    Some(token.trim().to_owned()).filter(|token| !token.is_empty())
}

/// The user's time zone, or UTC if it is unknown. The first call takes milliseconds.
pub(crate) fn zone() -> TimeZone {
    TimeZone::system()
}

/// What this machine calls itself in a network.
#[cfg(feature = "serve")]
pub(crate) fn machine_name() -> Option<String> {
    let name = rustix::system::uname().nodename().to_str().ok()?.to_owned();
    (!name.is_empty()).then_some(name)
}

fn path(name: &str) -> Option<PathBuf> {
    variable(name).map(PathBuf::from)
}

/// An environment variable, unless it is empty or not Unicode.
fn variable(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// Proxy variables may be in upper or lower case. Lower case is older and wins, as in curl.
fn either_case(name: &str) -> Option<String> {
    variable(&name.to_lowercase()).or_else(|| variable(name))
}

/// Whether a value means yes to Hugging Face's tools.
fn is_true(value: &str) -> bool {
    ["1", "ON", "YES", "TRUE"].contains(&value.to_uppercase().as_str())
}

fn editor() -> String {
    let named = ["VISUAL", "EDITOR"].into_iter().filter_map(|name| env::var(name).ok());
    named.into_iter().find(|command| !command.trim().is_empty()).unwrap_or_default()
}

/// `auto` follows the conventions: it uses colours on a terminal unless `NO_COLOR` or `TERM=dumb` is set, and always with
/// `CLICOLOR_FORCE`. It uses links if there are colours and the terminal is known to support links.
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

/// Folders of an `onnxruntime` that pip installed, in the active virtual environment or for this user.
fn python_packages() -> Vec<PathBuf> {
    let environment = env::var_os("VIRTUAL_ENV").map(PathBuf::from);
    let user = directories::BaseDirs::new().map(|dirs| dirs.home_dir().join(".local"));
    let bases = environment.into_iter().chain(user);
    let versions = bases.filter_map(|base| base.join("lib").read_dir().ok()).flatten().flatten();
    versions.map(|version| version.path().join("site-packages/onnxruntime/capi")).collect()
}
