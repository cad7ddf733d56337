//! Finds and loads the ONNX Runtime library.
//!
//! The path is always resolved here before any other call to `ort`, which by itself panics if the library is missing.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use ort::environment::Environment;
use ort::logging::LogLevel;

use super::version::{providers, version_of};
use super::{Device, ModelError};

/// The library's file name starts with this on every platform.
const STEM: &str = if cfg!(windows) { "onnxruntime" } else { "libonnxruntime" };

/// The loaded runtime. A process can load only one, but it may open several models.
static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

/// A loaded ONNX Runtime.
#[derive(Clone, Debug)]
pub struct Runtime {
    pub(crate) environment: Environment,
    path: PathBuf,
}

impl Runtime {
    /// Loads the first ONNX Runtime found in `places`. Each place is the library file or a folder that may contain it. A
    /// process has only one: all later calls return the same, whatever their `places`.
    ///
    /// Builds from PyPI record telemetry in the user's cache folder, unless the environment variable
    /// `ORT_DISABLE_TELEMETRY` is set before this call. That is up to the program; the command `imgsearch` does it.
    ///
    /// # Errors
    /// [`ModelError::RuntimeMissing`] if no place has one, [`ModelError::RuntimeRefused`] if the one found cannot be loaded
    /// or is too old.
    pub fn load(places: &[PathBuf]) -> Result<Runtime, ModelError> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        let Some(path) = Runtime::find(places) else {
            return Err(ModelError::RuntimeMissing { searched: places.to_vec() });
        };
        let refuse = |detail: String| ModelError::RuntimeRefused { path: path.clone(), detail };
        let environment = ort::init_from(&path)
            .map_err(|error| refuse(error.to_string()))?
            .with_telemetry(false)
            .build()
            .map_err(|error| refuse(error.to_string()))?;
        // Its warnings (a missing GPU, an unused initializer) are for developers. Errors are returned as values anyway.
        environment.set_log_level(LogLevel::Fatal);
        Ok(loaded.insert(Runtime { environment, path }).clone())
    }

    /// The library file that [`Runtime::load`] would load.
    pub(super) fn find(places: &[PathBuf]) -> Option<PathBuf> {
        places.iter().find_map(|place| library_in(place))
    }

    /// The library file in use.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The library's version, such as `1.32.0`, if it reports one.
    pub fn version(&self) -> Option<String> {
        version_of(&self.path)
    }

    /// The devices that its build knows, the CPU first. A device that it knows may still not work here.
    pub fn devices(&self) -> Vec<Device> {
        let providers = providers();
        let known = Device::ALL.iter().copied().filter(|device| *device != Device::Auto);
        known.filter(|device| providers.iter().any(|name| name == device.provider_name())).collect()
    }
}

/// The library file at or in `place`; of several versions in one folder, the last by name.
fn library_in(place: &Path) -> Option<PathBuf> {
    if place.is_file() {
        return Some(place.to_owned());
    }
    let mut found: Vec<PathBuf> = fs::read_dir(place)
        .ok()?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && is_library(path))
        .collect();
    found.sort();
    found.pop()
}

/// `libonnxruntime.so`, `libonnxruntime.so.1.32.0`, `libonnxruntime.1.32.0.dylib`, `onnxruntime.dll`; not
/// `libonnxruntime_providers_shared.so`.
fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    let extension = std::env::consts::DLL_SUFFIX;
    name.strip_prefix(STEM).is_some_and(|rest| rest.starts_with('.') && rest.contains(extension))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_os = "linux")]
    fn only_the_library_itself_counts() {
        let folder = tempfile::tempdir().unwrap();
        for name in
            ["libonnxruntime_providers_shared.so", "libonnxruntime.so.1.31.0", "libonnxruntime.so.1.32.0"]
        {
            fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(library_in(folder.path()), Some(folder.path().join("libonnxruntime.so.1.32.0")));
        assert_eq!(library_in(&folder.path().join("none")), None);
    }
}
