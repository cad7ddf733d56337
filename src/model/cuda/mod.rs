//! CUDA: the driver of this machine, and the libraries that `imgsearch setup --cuda` installs beside a CUDA build of ONNX
//! Runtime.
//!
//! That build has two parts: `libonnxruntime.so.1.31.1`, and the provider `libonnxruntime_providers_cuda.so`, which ONNX
//! Runtime loads when a session asks for CUDA. The provider names the libraries of CUDA and cuDNN, but not where they are.
//! So [`Libraries::load`] loads them first, by their full path and each after those that it needs. The system's loader then
//! finds them by their names, and nobody has to set `LD_LIBRARY_PATH`.

mod driver;

use std::error::Error;
use std::path::{Path, PathBuf};

pub use driver::{CudaVersion, Driver};

use super::Runtime;
use crate::hint::Hint;

/// The version of CUDA that the pinned libraries need: the provider was built with CUDA 13.0, and libraries of a later 13
/// work with every driver for CUDA 13.0 or newer ("minor version compatibility" in NVIDIA's CUDA Compatibility guide).
pub const NEEDED: CudaVersion = CudaVersion { major: 13, minor: 0 };

/// The oldest driver for [`NEEDED`], as NVIDIA numbers them (CUDA 13.0's release notes).
pub const NEEDED_DRIVER: u32 = 580;

/// The part of ONNX Runtime that uses CUDA.
const PROVIDER: &str = "libonnxruntime_providers_cuda.so";

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
    /// Neither; with the loader's message.
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
    /// A library of CUDA or cuDNN is neither in the folder nor in the system.
    #[error("{name} is neither in {folder} nor in this system: {detail}", folder = folder.display())]
    MissingLibrary {
        /// Its file name.
        name: &'static str,
        /// The folder of ONNX Runtime.
        folder: PathBuf,
        /// The loader's message.
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

    /// The file names of all libraries, each after those that it needs.
    pub fn names() -> &'static [&'static str] {
        NAMES
    }

    /// The CUDA build of ONNX Runtime in this folder, if there is one.
    pub fn runtime(&self) -> Option<PathBuf> {
        self.folder.join(PROVIDER).is_file().then(|| Runtime::find(std::slice::from_ref(&self.folder)))?
    }

    /// Where each library is. Those of the system are loaded by this.
    pub fn places(&self) -> Vec<(&'static str, Place)> {
        NAMES.iter().map(|name| (*name, self.place(name))).collect()
    }

    /// Checks the driver and loads all libraries, so that the provider finds them. They stay loaded. Calling it again costs
    /// little.
    ///
    /// # Errors
    /// [`CudaError`] for the first problem.
    pub fn load(&self, runtime: &Path) -> Result<(), CudaError> {
        // First what set-up cannot install.
        Driver::find()?.check(NEEDED)?;
        if !self.folder.join(PROVIDER).is_file() {
            return Err(CudaError::WrongBuild { runtime: runtime.to_owned() });
        }
        NAMES.iter().try_for_each(|name| {
            let detail = match self.place(name) {
                Place::System => return Ok(()),
                Place::Missing(detail) => detail,
                Place::Folder(path) => match load(&path) {
                    Ok(()) => return Ok(()),
                    Err(detail) => detail,
                },
            };
            Err(CudaError::MissingLibrary { name, folder: self.folder.clone(), detail })
        })
    }

    fn place(&self, name: &str) -> Place {
        let path = self.folder.join(name);
        if path.is_file() {
            return Place::Folder(path);
        }
        load(Path::new(name)).map_or_else(Place::Missing, |()| Place::System)
    }
}

/// Whether the system's loader finds a library of this name. It stays loaded.
pub fn is_in_system(name: &str) -> bool {
    load(Path::new(name)).is_ok()
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

    #[test]
    fn a_folder_without_the_provider_has_no_runtime_for_cuda() {
        let folder = tempfile::tempdir().unwrap();
        let runtime = folder.path().join("libonnxruntime.so.1.32.0");
        std::fs::write(&runtime, "").unwrap();
        let libraries = Libraries::beside(&runtime);
        assert_eq!(libraries.runtime(), None);
        libraries.load(&runtime).unwrap_err();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn the_runtime_is_the_library_beside_the_provider() {
        let folder = tempfile::tempdir().unwrap();
        for name in [PROVIDER, "libonnxruntime_providers_shared.so", "libonnxruntime.so.1.31.1"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        let libraries = Libraries::new(folder.path());
        assert_eq!(libraries.runtime(), Some(folder.path().join("libonnxruntime.so.1.31.1")));
    }

    #[test]
    fn a_file_in_the_folder_comes_before_the_system() {
        let folder = tempfile::tempdir().unwrap();
        let own = folder.path().join("libcudart.so.13");
        std::fs::write(&own, "").unwrap();
        let places = Libraries::new(folder.path()).places();
        assert_eq!(places[0], ("libcudart.so.13", Place::Folder(own)));
        assert_eq!(places.len(), Libraries::names().len());
    }
}
