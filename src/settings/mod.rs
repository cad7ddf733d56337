//! Resolves the options: command line, then environment, then config file, then default.
//!
//! Only this module reads the environment and detects what the machine and terminal can do.

mod config;
mod defaults;
#[cfg(feature = "tui")]
mod graphics;
mod guess;
mod packages;

use std::env;
use std::io::{IsTerminal, stderr, stdin, stdout};
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anstream::{AutoStream, ColorChoice};
use anyhow::{Context, Result};
use directories::{BaseDirs, ProjectDirs};
use imgsearch::Library;
use imgsearch::hub::{Access, Store};
use imgsearch::library::{Secrets, Url};
use imgsearch::model::cuda::{Driver, Libraries, NEEDED};
use imgsearch::model::{Device, Execution, Precision, Prompt};
use imgsearch::name::canonicalize;
use imgsearch::roots::Roots;
use imgsearch::setup::{Kind, Setup};
use imgsearch::text_file;
use jiff::tz::TimeZone;
use supports_hyperlinks::Stream;

use crate::cli::{Common, DEFAULT_RETRIES, DEFAULT_TIMEOUT, When};
use crate::terminal::Look;
use crate::ui::{Ui, Verbosity};
use crate::usage::UsageError;

pub(crate) use defaults::{CommandLine, ConfigFile, Origin, Setting};
#[cfg(feature = "tui")]
pub(crate) use graphics::Graphics;

/// The resolved common options.
pub(crate) struct Settings {
    pub(crate) library: Library,
    /// The named roots of this machine.
    pub(crate) roots: Roots,
    pub(crate) threads: usize,
    pub(crate) ui: Ui,
    /// The command that opens an editor; empty if none is set.
    pub(crate) editor: String,
    /// The value of `--model`: a folder, an archive, or the name of an installed model.
    pub(crate) model: Option<PathBuf>,
    pub(crate) precision: Option<Precision>,
    /// How many dimensions of each vector to keep.
    pub(crate) dim: Option<NonZeroUsize>,
    /// The value of `--text-model`.
    text_model: Option<PathBuf>,
    device: Device,
    prompt: Option<Prompt>,
    /// The platform's data folder; `None` for a user without a home folder.
    data_folder: Option<PathBuf>,
    /// The platform's cache folder.
    cache_folder: Option<PathBuf>,
}

impl Settings {
    pub(crate) fn resolve(common: Common) -> Result<Settings> {
        let Common { root, library, model, device, precision, dim, prompt, threads, .. } = common;
        let Common { color, hyperlink, verbose, quiet, text_model, .. } = common;
        let dirs = ProjectDirs::from("", "", "imgsearch");
        let data_folder = dirs.as_ref().map(|dirs| dirs.data_dir().to_owned());
        let library = library.or_else(|| Some(data_folder.as_ref()?.join("library")));
        let library = library.context("this user has no home folder: give the library with --library")?;
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let roots = named_roots(&root)?;
        Ok(Settings {
            library: open_library(&library, data_folder.as_deref())?.with_roots(&roots),
            roots,
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
            text_model,
            device,
            precision,
            dim: dim.and_then(|dim| NonZeroUsize::new(dim.try_into().ok()?)),
            prompt: prompt.map(Into::into),
            data_folder,
            cache_folder: dirs.map(|dirs| dirs.cache_dir().to_owned()),
        })
    }

    /// The installed models, with those that came with the program.
    pub(crate) fn store(&self) -> Result<Store> {
        let folder = self.data_folder.as_ref();
        let folder = folder.context("this user has no home folder: give a model folder with --model")?;
        let shipped = shipped().into_iter().map(|folder| folder.join("models")).collect();
        Ok(Store::new(folder.join("models")).with_shipped(shipped))
    }

    /// What is installed besides the program: in the data folder or in `data`, and with the program.
    pub(crate) fn setup(&self, data: Option<&Path>) -> Result<Setup> {
        let data = match data {
            Some(folder) => absolute(folder)?,
            None => self.data_folder.clone().context("this user has no home folder: give one with --data")?,
        };
        Ok(Setup::new(data).with_shipped(shipped()))
    }

    /// The folder into which `imgsearch setup --cuda` installs.
    pub(crate) fn cuda_folder(&self) -> Option<PathBuf> {
        Some(self.data_folder.as_ref()?.join(Kind::Cuda.name()))
    }

    /// The folder of the model that reads text.
    pub(crate) fn text_folder(&self) -> Result<PathBuf> {
        if let Some(named) = &self.text_model {
            return absolute(named);
        }
        let folder = self.installed(Kind::Text.name());
        folder.context("this user has no home folder: give a folder with --text-model")
    }

    /// How to reach Hugging Face.
    pub(crate) fn access(&self, timeout: Duration, retries: u32) -> Access {
        let endpoint = variable("HF_ENDPOINT").unwrap_or_else(|| "https://huggingface.co".to_owned());
        Access {
            token: token(),
            offline: variable("HF_HUB_OFFLINE").is_some_and(|value| is_true(&value)),
            cache: hub_cache(),
            ..reach(&endpoint, timeout, retries)
        }
    }

    /// How to reach the package index at `named`, or at the address that pip uses. `None` if there is none.
    pub(crate) fn package_index(&self, named: Option<&str>) -> Option<Access> {
        let address = named.map(str::to_owned).or_else(packages::index)?;
        Some(reach(&address, DEFAULT_TIMEOUT, DEFAULT_RETRIES))
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

    /// The file into which `imgsearch setup` writes the names of towns.
    pub(crate) fn places_file(&self) -> Option<PathBuf> {
        self.installed("places.tsv")
    }

    /// What has this name in the data folder, or else came with the program. If it is nowhere: its place in the data folder.
    fn installed(&self, name: &str) -> Option<PathBuf> {
        let shipped = shipped().into_iter().map(|folder| folder.join(name)).find(|path| path.exists());
        let own = self.data_folder.as_ref().map(|folder| folder.join(name));
        own.filter(|path| path.exists() || shipped.is_none()).or(shipped)
    }

    /// The system's folder for temporary files.
    pub(crate) fn scratch_folder(&self) -> PathBuf {
        env::temp_dir()
    }

    /// Folders where `imgsearch setup` or a release archive puts libheif.
    pub(crate) fn heif_places(&self) -> Vec<PathBuf> {
        let folders = shipped().into_iter().chain(self.data_folder.clone());
        folders.map(|folder| folder.join(Kind::Heif.name())).collect()
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

    /// Whether to load the ONNX Runtime with CUDA in `folder`: if it was asked for, or may be used and would work.
    fn can_use_cuda(&self, folder: &Path) -> bool {
        let is_installed = Libraries::new(folder).runtime().is_some();
        let works = || Driver::find().is_ok_and(|driver| driver.check(NEEDED).is_ok());
        is_installed && (self.device == Device::Cuda || self.device == Device::Auto && works())
    }

    /// Where ONNX Runtime may be, best first.
    fn runtime_places(&self) -> Vec<PathBuf> {
        let mut places: Vec<PathBuf> = Vec::new();
        if let Some(named) = env::var_os("ORT_DYLIB_PATH").filter(|path| !path.is_empty()) {
            return vec![named.into()]; // A file that the user named has no substitute.
        }
        places.extend(self.cuda_folder().filter(|folder| self.can_use_cuda(folder)));
        if let Some(folder) = beside() {
            places.push(folder.join("../lib"));
            places.push(folder);
        }
        let folders = shipped().into_iter().chain(self.data_folder.clone());
        places.extend(folders.map(|folder| folder.join(Kind::Runtime.name())));
        places.extend(python_packages());
        let system = ["/usr/local/lib", "/usr/lib", "/usr/lib64", "/opt/homebrew/lib"];
        places.extend(system.map(PathBuf::from));
        places
    }
}

/// The roots that the values of `--root` name. Folders are as `index` stores them: absolute and without symbolic links.
fn named_roots(values: &[String]) -> Result<Roots> {
    let root = |value: &String| {
        let (name, folder) =
            value.split_once('=').filter(|(_, folder)| !folder.is_empty()).ok_or_else(|| {
                UsageError::new(format!("`--root {value}` does not say which folder"))
                    .hint("write NAME=FOLDER, for example `--root photos=/mnt/nas/photos`")
            })?;
        let folder = Path::new(folder);
        let folder = canonicalize(folder).or_else(|_| absolute(folder))?;
        Ok((name.to_owned(), folder))
    };
    let roots: Vec<(String, PathBuf)> = values.iter().map(root).collect::<Result<_>>()?;
    Ok(Roots::new(roots)?)
}

/// The library that the value of `--library` names: a folder, or the URL of a database.
fn open_library(library: &Path, data_folder: Option<&Path>) -> Result<Library> {
    let Some(url) = Url::parse(library) else { return Ok(Library::new(absolute(library)?)) };
    let data_folder = data_folder.context("this user has no home folder for the files beside a database")?;
    let named = env::var_os("PGPASSFILE").filter(|path| !path.is_empty()).map(PathBuf::from);
    let usual = || Some(BaseDirs::new()?.home_dir().join(".pgpass"));
    let secrets = Secrets {
        postgres_password: variable("PGPASSWORD"),
        postgres_password_file: named.or_else(usual),
        milvus_token: variable("MILVUS_TOKEN"),
    };
    Ok(Library::on_server(&url, &secrets, &data_folder.join("servers"))?)
}

/// The folder of the running program.
fn beside() -> Option<PathBuf> {
    Some(env::current_exe().ok()?.parent()?.to_owned())
}

/// Folders that may have what came with the program, in the layout of the data folder: beside the program in a release
/// archive, and below `lib` in a package of the system.
fn shipped() -> Vec<PathBuf> {
    let of_the_system = |folder: &Path| Some(folder.parent()?.join("lib/imgsearch"));
    beside().map_or_else(Vec::new, |folder| of_the_system(&folder).into_iter().chain([folder]).collect())
}

/// How to reach a server through the proxies of the environment, without a token.
fn reach(endpoint: &str, timeout: Duration, retries: u32) -> Access {
    let schemes = match endpoint.starts_with("https://") {
        true => ["HTTPS_PROXY", "ALL_PROXY"],
        false => ["HTTP_PROXY", "ALL_PROXY"],
    };
    let no_proxy = either_case("NO_PROXY").unwrap_or_default();
    Access {
        endpoint: endpoint.trim_end_matches('/').to_owned(),
        token: None,
        proxy: schemes.into_iter().find_map(either_case),
        no_proxy: no_proxy.split(',').map(|host| host.trim().to_owned()).collect(),
        offline: false,
        cache: None,
        timeout,
        retries,
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
