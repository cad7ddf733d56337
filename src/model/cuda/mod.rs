//! CUDA: the driver of this machine, and the libraries that `imgsearch setup --cuda` installs beside a CUDA build of ONNX
//! Runtime.
//!
//! That build has two parts: `libonnxruntime.so.1.31.1`, and the provider `libonnxruntime_providers_cuda.so`, which ONNX
//! Runtime loads when a session asks for CUDA. The provider names the libraries of CUDA and cuDNN, but not where they are.
//! So [`prepare`] loads them first, by their full path and each after those that it needs. The system's loader then finds
//! them by their names, and nobody has to set `LD_LIBRARY_PATH`.
//!
//! What the folder that set-up made must have is known, and checked. Users may name a build of their own with
//! `ORT_DYLIB_PATH`, for another CUDA. Of that only ONNX Runtime knows what it needs, so its own error counts.

mod driver;

use std::error::Error;
use std::path::{Path, PathBuf};

pub use driver::{CudaVersion, Driver};

use super::{Device, Runtime};
use crate::hint::Hint;

/// The version of CUDA that the pinned libraries need: the provider was built with CUDA 13.0, and libraries of a later 13
/// work with every driver for CUDA 13.0 or newer ("minor version compatibility" in NVIDIA's CUDA Compatibility guide).
pub const NEEDED: CudaVersion = CudaVersion { major: 13, minor: 0 };

/// The oldest driver for [`NEEDED`], as NVIDIA numbers them (CUDA 13.0's release notes).
pub const NEEDED_DRIVER: u32 = 580;

/// The part of ONNX Runtime that uses CUDA.
const PROVIDER: &str =
    if cfg!(windows) { "onnxruntime_providers_cuda.dll" } else { "libonnxruntime_providers_cuda.so" };

/// A file in every folder that set-up made, and in no other: cuDNN's licence, under the name that `pins.txt` gives it.
const MADE_BY_SETUP: &str = "nvidia-cudnn-cu13-License.txt";

/// The libraries that the provider and cuDNN load by name, each after those that it needs (`readelf -d`).
const NAMES: &[&str] = &[
    "libcudart.so.13",
    "libcublasLt.so.13",
    "libcublas.so.13",
    "libcurand.so.10",
    "libnvrtc.so.13",
    "libnvJitLink.so.13",
    "libcudnn.so.9",
];

/// The files that these open by themselves when they need them, and which of these it is. They must lie beside it.
const PARTS: &[(&str, &str)] = &[
    ("libnvrtc-builtins.so.13.5", "libnvrtc.so.13"),
    ("libcudnn_adv.so.9", "libcudnn.so.9"),
    ("libcudnn_cnn.so.9", "libcudnn.so.9"),
    ("libcudnn_engines_precompiled.so.9", "libcudnn.so.9"),
    ("libcudnn_engines_runtime_compiled.so.9", "libcudnn.so.9"),
    ("libcudnn_engines_tensor_ir.so.9", "libcudnn.so.9"),
    ("libcudnn_ext.so.9", "libcudnn.so.9"),
    ("libcudnn_graph.so.9", "libcudnn.so.9"),
    ("libcudnn_heuristic.so.9", "libcudnn.so.9"),
    ("libcudnn_ops.so.9", "libcudnn.so.9"),
];

/// How the names of CUDA's own libraries end. cuDNN and cuRAND have the same names for CUDA 12.
const OF_CUDA_13: &str = ".so.13";

/// The folder of a CUDA build of ONNX Runtime, with CUDA's libraries beside it or in the system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Libraries {
    folder: PathBuf,
}

/// Where a library is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// In the folder.
    Folder(PathBuf),
    /// The system's loader finds it.
    System,
    /// Neither; with the reason, such as the loader's message.
    Missing(String),
}

/// Why CUDA cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CudaError {
    /// The driver's library cannot be loaded.
    #[error("this machine has no NVIDIA driver that can be used: {detail}")]
    NoDriver {
        /// The loader's message, or what the driver answered.
        detail: String,
    },
    /// The driver is for an older CUDA.
    #[error("the NVIDIA driver is too old: it is made for CUDA {found}, and CUDA {needed} is needed")]
    OldDriver {
        /// What the driver supports.
        found: CudaVersion,
        /// What the libraries need.
        needed: CudaVersion,
    },
    /// The ONNX Runtime in use was built without CUDA.
    #[error("{runtime} is a build of ONNX Runtime without CUDA", runtime = runtime.display())]
    WrongBuild {
        /// The library file.
        runtime: PathBuf,
    },
    /// A library of CUDA or cuDNN is neither in the folder nor, for CUDA 13, in the system.
    #[error("there is no {name} in {folder}, and none of this system can be used: {detail}", folder = folder.display())]
    MissingLibrary {
        /// Its file name.
        name: &'static str,
        /// The folder of ONNX Runtime.
        folder: PathBuf,
        /// The reason, such as the loader's message.
        detail: String,
    },
}

impl Hint for CudaError {
    fn hint(&self) -> Option<String> {
        Some(match self {
            CudaError::NoDriver { .. } => format!(
                "install NVIDIA's driver {NEEDED_DRIVER} or newer with your system's tools, or use `--device cpu`"
            ),
            CudaError::OldDriver { .. } => {
                format!("update NVIDIA's driver to {NEEDED_DRIVER} or newer, or use `--device cpu`")
            }
            CudaError::WrongBuild { .. } => {
                "run `imgsearch setup --cuda`, which installs a build with CUDA; if \
                                             ORT_DYLIB_PATH is set, unset it or name such a build there"
                    .to_owned()
            }
            CudaError::MissingLibrary { .. } => {
                "run `imgsearch setup --cuda`, which installs the missing libraries".to_owned()
            }
        })
    }
}

impl Libraries {
    /// Those in this folder, which need not exist.
    pub fn new(folder: impl Into<PathBuf>) -> Libraries {
        Libraries { folder: folder.into() }
    }

    /// Those beside this ONNX Runtime.
    pub fn beside(runtime: &Path) -> Libraries {
        Libraries::new(runtime.parent().unwrap_or(Path::new("")))
    }

    /// The folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The file names of all libraries that are loaded, each after those that it needs.
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// The CUDA build of ONNX Runtime in this folder, if there is one.
    pub fn runtime(&self) -> Option<PathBuf> {
        self.has_provider().then(|| Runtime::find(std::slice::from_ref(&self.folder)))?
    }

    /// Whether set-up made this folder.
    pub fn are_of_setup(&self) -> bool {
        self.folder.join(MADE_BY_SETUP).is_file()
    }

    fn has_provider(&self) -> bool {
        self.folder.join(PROVIDER).is_file()
    }

    /// Where each library is that the folder of set-up needs, and each of their parts. It loads those of the system.
    pub fn places(&self) -> Vec<(&'static str, Place)> {
        let loaded = NAMES.iter().map(|name| (*name, self.place(name)));
        loaded.chain(self.parts()).collect()
    }

    fn place(&self, name: &str) -> Place {
        let path = self.folder.join(name);
        if path.is_file() {
            return Place::Folder(path);
        }
        in_system(name).map_or_else(Place::Missing, |()| Place::System)
    }

    /// The parts of the libraries in the folder. Those of the system have theirs.
    fn parts(&self) -> impl Iterator<Item = (&'static str, Place)> {
        PARTS.iter().filter(|(_, of)| self.folder.join(of).is_file()).map(|(part, of)| {
            let path = self.folder.join(part);
            let is_there = path.is_file();
            (*part, if is_there { Place::Folder(path) } else { Place::Missing(format!("{of} needs it")) })
        })
    }

    /// Loads all libraries that the folder of set-up needs.
    ///
    /// # Errors
    /// [`CudaError::MissingLibrary`] for the first that is missing or cannot be loaded.
    fn load_all(&self) -> Result<(), CudaError> {
        let missing = |name, detail| CudaError::MissingLibrary { name, folder: self.folder.clone(), detail };
        for name in NAMES {
            match self.place(name) {
                Place::System => {}
                Place::Missing(detail) => return Err(missing(name, detail)),
                Place::Folder(path) => load(&path).map_err(|detail| missing(name, detail))?,
            }
        }
        self.parts().try_for_each(|(name, place)| match place {
            Place::Missing(detail) => Err(missing(name, detail)),
            Place::Folder(_) | Place::System => Ok(()),
        })
    }

    /// Loads the libraries that are in the folder, of any version. Users can also name other folders in `LD_LIBRARY_PATH`.
    fn load_found(&self) {
        let entries = self.folder.read_dir().into_iter().flatten().flatten();
        let files: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        for stem in NAMES.iter().filter_map(|name| name.split_inclusive(".so").next()) {
            for file in files.iter().filter(|file| file.starts_with(stem)) {
                // If this fails, ONNX Runtime says what it lacks.
                _ = load(&self.folder.join(file));
            }
        }
    }
}

/// Gets CUDA ready for a session: checks the driver and loads the libraries beside this ONNX Runtime, so that its provider
/// finds them. They stay loaded. Calling it again costs little.
///
/// # Errors
/// [`CudaError`] for the first problem.
pub fn prepare(runtime: &Runtime) -> Result<(), CudaError> {
    let (driver, libraries) = (Driver::find()?, Libraries::beside(runtime.path()));
    let has_cuda = libraries.has_provider() || runtime.devices().contains(&Device::Cuda);
    if has_cuda && !libraries.are_of_setup() {
        libraries.load_found();
        return Ok(());
    }
    // First what set-up cannot install.
    driver.check(NEEDED)?;
    if !has_cuda {
        return Err(CudaError::WrongBuild { runtime: runtime.path().to_owned() });
    }
    libraries.load_all()
}

/// Whether the system's loader finds a library of this name that is for CUDA 13. It stays loaded.
pub fn is_in_system(name: &str) -> bool {
    in_system(name).is_ok()
}

fn in_system(name: &str) -> Result<(), String> {
    if !name.ends_with(OF_CUDA_13) {
        return Err("its name does not tell for which CUDA it is".to_owned());
    }
    load(Path::new(name))
}

fn load(library: &Path) -> Result<(), String> {
    ort::util::preload_dylib(library).map_err(|error| with_cause(&error))
}

/// The loader's message. It is in the cause: the error itself says only which function failed.
fn with_cause(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), ToString::to_string)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A folder with these files, all empty.
    fn folder(names: &[&str]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        names.iter().for_each(|name| std::fs::write(folder.path().join(name), "").unwrap());
        folder
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_runtime_for_cuda_is_the_library_beside_the_provider() {
        let without = folder(&["libonnxruntime.so.1.32.0"]);
        assert_eq!(Libraries::new(without.path()).runtime(), None);
        let with = folder(&[PROVIDER, "libonnxruntime_providers_shared.so", "libonnxruntime.so.1.31.1"]);
        let libraries = Libraries::beside(&with.path().join("libonnxruntime.so.1.31.1"));
        assert_eq!(libraries.runtime(), Some(with.path().join("libonnxruntime.so.1.31.1")));
    }

    #[test]
    fn a_file_in_the_folder_comes_before_the_system_and_has_its_parts_beside_it() {
        let folder = folder(&["libcudart.so.13", "libcudnn.so.9", "libcudnn_ops.so.9"]);
        let path = |name: &str| Place::Folder(folder.path().join(name));
        let places = Libraries::new(folder.path()).places();
        let place = |name: &str| places.iter().find(|(of, _)| *of == name).map(|(_, place)| place.clone());
        assert_eq!(places[0], ("libcudart.so.13", path("libcudart.so.13")));
        assert_eq!(place("libcudnn_ops.so.9"), Some(path("libcudnn_ops.so.9")));
        assert_eq!(place("libcudnn_graph.so.9"), Some(Place::Missing("libcudnn.so.9 needs it".into())));
        assert_eq!(place("libnvrtc-builtins.so.13.5"), None, "the whole library is missing");
    }

    #[test]
    fn only_a_name_with_the_version_of_cuda_is_looked_up_in_the_system() {
        let refused = Err("its name does not tell for which CUDA it is".to_owned());
        assert_eq!(in_system("libcudnn.so.9"), refused);
        assert_eq!(in_system("libcurand.so.10"), refused);
        assert_ne!(in_system("libnone.so.13"), refused);
    }

    #[test]
    fn the_packages_of_set_up_have_exactly_these_libraries() {
        let list = include_str!("../../setup/pins.txt");
        let part = list.split("\npart ").find(|part| part.starts_with("cuda linux-x86_64\n")).unwrap();
        let files = part.lines().filter_map(|line| line.strip_prefix("file "));
        let files: Vec<_> =
            files.map(|file| file.split(' ').next().unwrap().rsplit('/').next().unwrap()).collect();
        let mut pinned: Vec<_> = files.into_iter().filter(|name| name.contains(".so")).collect();
        pinned.retain(|name| !name.contains("onnxruntime"));
        let mut known: Vec<_> = NAMES.iter().chain(PARTS.iter().map(|(part, _)| part)).copied().collect();
        pinned.sort_unstable();
        known.sort_unstable();
        assert_eq!(known, pinned);
        assert!(part.contains(&format!(" as {MADE_BY_SETUP}\n")));
        assert!(PARTS.iter().all(|(_, of)| NAMES.contains(of)));
    }
}
