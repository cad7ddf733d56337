//! NVIDIA's driver and GPUs, as NVML (the NVIDIA Management Library, a part of every driver) reports them.
//!
//! One of the unsafe files listed in ARCHITECTURE.md: calls into a C library that is loaded at run time, with the signatures
//! of `nvml.h`. The symbols used have been there since the drivers of 2012 (`nvmlSystemGetCudaDriverVersion_v2` since 2018).

#![expect(unsafe_code, reason = "NVML is a C library, loaded at run time")]

use std::ffi::{CStr, c_char, c_int, c_uint, c_ulonglong, c_void};
use std::path::Path;
use std::ptr::null_mut;

use libloading::{Library, Symbol};

use crate::hint::Hint;

/// The library's name, which the system looks up.
const NAME: &str = if cfg!(windows) { "nvml.dll" } else { "libnvidia-ml.so.1" };
/// `NVML_DEVICE_NAME_V2_BUFFER_SIZE`, the longest text that is asked for.
const TEXT: usize = 96;

/// NVIDIA's driver and its GPUs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nvidia {
    /// The driver's version, such as `580.65.06`.
    pub driver: String,
    /// The newest version of CUDA that the driver supports, major and minor.
    pub cuda: Option<(u32, u32)>,
    /// The GPUs, in the driver's order.
    pub gpus: Vec<Gpu>,
}

/// A GPU.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gpu {
    /// Its name, such as `NVIDIA GeForce RTX 4090`.
    pub name: String,
    /// All of its memory, in bytes.
    pub memory: u64,
    /// The part of it that is free now, in bytes.
    pub free: u64,
}

/// Why nothing is known of NVIDIA's GPUs.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoNvidia {
    /// There is no driver, or its library cannot be loaded.
    #[error("no NVIDIA driver was found")]
    NoDriver,
    /// The driver is installed but does not work. It may wait for a restart after an update.
    #[error("the NVIDIA driver does not work: {0}")]
    Refused(String),
}

impl Hint for NoNvidia {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            NoNvidia::NoDriver => "install NVIDIA's driver; in a container, pass the GPU on (`--gpus all`)",
            NoNvidia::Refused(_) => {
                "restart the computer if the driver was updated, or install the driver again"
            }
        };
        Some(hint.to_owned())
    }
}

/// Whether `/dev` has the file of a GPU, such as `nvidia0`. The kernel's part of the driver makes it, on Linux only.
pub(super) fn has_device_file(dev: &Path) -> bool {
    let entries = dev.read_dir().into_iter().flatten().flatten();
    let is_gpu = |name: &str| name.strip_prefix("nvidia").is_some_and(|number| number.parse::<u32>().is_ok());
    entries.map(|entry| entry.file_name()).any(|name| name.to_str().is_some_and(is_gpu))
}

impl Nvidia {
    /// Asks the driver.
    ///
    /// # Errors
    /// [`NoNvidia`].
    pub fn find() -> Result<Nvidia, NoNvidia> {
        Nvml::open(NAME)?.describe()
    }
}

/// The free memory of the GPU, in bytes; `None` if there is not exactly one, because CUDA numbers several in another order.
pub(super) fn free_memory() -> Option<u64> {
    match Nvidia::find().ok()?.gpus.as_slice() {
        [gpu] => Some(gpu.free),
        _ => None,
    }
}

/// `nvmlReturn_t`; 0 is success.
type Status = c_int;
/// `nvmlDevice_t`.
type Handle = *mut c_void;

/// `nvmlMemory_t`.
#[repr(C)]
#[derive(Default)]
struct Memory {
    total: c_ulonglong,
    free: c_ulonglong,
    used: c_ulonglong,
}

/// The loaded and initialised library.
struct Nvml(Library);

impl Nvml {
    fn open(name: &str) -> Result<Nvml, NoNvidia> {
        // SAFETY: the library of this name is a part of the driver; its initialisers have no preconditions.
        let library = unsafe { Library::new(name) }.map_err(|_| NoNvidia::NoDriver)?;
        // SAFETY: `nvml.h` declares it so.
        let init: Symbol<'_, unsafe extern "C" fn() -> Status> =
            unsafe { library.get(b"nvmlInit_v2") }.map_err(|_| NoNvidia::NoDriver)?;
        // SAFETY: it may be called at any time, from any thread.
        let status = unsafe { init() };
        let nvml = Nvml(library);
        nvml.check(status)?;
        Ok(nvml)
    }

    fn describe(&self) -> Result<Nvidia, NoNvidia> {
        let gpus = (0..self.count()?).map(|index| self.gpu(index)).collect::<Result<_, _>>()?;
        Ok(Nvidia { driver: self.driver()?, cuda: self.cuda(), gpus })
    }

    fn driver(&self) -> Result<String, NoNvidia> {
        let get: Symbol<'_, unsafe extern "C" fn(*mut c_char, c_uint) -> Status> =
            self.function(b"nvmlSystemGetDriverVersion")?;
        // SAFETY: it writes at most the given number of bytes, with a NUL at the end.
        self.text(|text, length| unsafe { get(text, length) })
    }

    fn cuda(&self) -> Option<(u32, u32)> {
        let get: Symbol<'_, unsafe extern "C" fn(*mut c_int) -> Status> =
            self.function(b"nvmlSystemGetCudaDriverVersion_v2").ok()?;
        let mut version = 0;
        // SAFETY: it writes one number.
        let status = unsafe { get(&raw mut version) };
        let version = u32::try_from(version).ok().filter(|_| status == 0)?;
        Some((version / 1000, version % 1000 / 10))
    }

    fn count(&self) -> Result<c_uint, NoNvidia> {
        let get: Symbol<'_, unsafe extern "C" fn(*mut c_uint) -> Status> =
            self.function(b"nvmlDeviceGetCount_v2")?;
        let mut count = 0;
        // SAFETY: it writes one number.
        self.check(unsafe { get(&raw mut count) })?;
        Ok(count)
    }

    fn gpu(&self, index: c_uint) -> Result<Gpu, NoNvidia> {
        let get_handle: Symbol<'_, unsafe extern "C" fn(c_uint, *mut Handle) -> Status> =
            self.function(b"nvmlDeviceGetHandleByIndex_v2")?;
        let get_name: Symbol<'_, unsafe extern "C" fn(Handle, *mut c_char, c_uint) -> Status> =
            self.function(b"nvmlDeviceGetName")?;
        let get_memory: Symbol<'_, unsafe extern "C" fn(Handle, *mut Memory) -> Status> =
            self.function(b"nvmlDeviceGetMemoryInfo")?;
        let (mut handle, mut memory) = (null_mut(), Memory::default());
        // SAFETY: it writes one handle, which stays valid while the library is initialised.
        self.check(unsafe { get_handle(index, &raw mut handle) })?;
        // SAFETY: the handle is valid, and it writes at most the given number of bytes, with a NUL at the end.
        let name = self.text(|text, length| unsafe { get_name(handle, text, length) })?;
        // SAFETY: the handle is valid, and it writes one structure.
        self.check(unsafe { get_memory(handle, &raw mut memory) })?;
        Ok(Gpu { name, memory: memory.total, free: memory.free })
    }

    /// The text that `get` writes.
    fn text(&self, get: impl FnOnce(*mut c_char, c_uint) -> Status) -> Result<String, NoNvidia> {
        // One byte more than it may use, so that there is a NUL in any case.
        let mut text = [0; TEXT + 1];
        let length = c_uint::try_from(TEXT).unwrap_or(c_uint::MAX);
        self.check(get(text.as_mut_ptr().cast(), length))?;
        let text = CStr::from_bytes_until_nul(&text).unwrap_or_default();
        Ok(text.to_string_lossy().into_owned())
    }

    /// A function of the library. The caller names its signature in `nvml.h`.
    fn function<F>(&self, name: &[u8]) -> Result<Symbol<'_, F>, NoNvidia> {
        // SAFETY: all callers are above, each with the signature of `nvml.h`.
        unsafe { self.0.get(name) }.map_err(|error| NoNvidia::Refused(error.to_string()))
    }

    fn check(&self, status: Status) -> Result<(), NoNvidia> {
        if status == 0 {
            return Ok(());
        }
        let get: Symbol<'_, unsafe extern "C" fn(Status) -> *const c_char> =
            self.function(b"nvmlErrorString")?;
        // SAFETY: it returns a NUL-terminated text that is never freed, for any number.
        let text = unsafe { get(status) };
        if text.is_null() {
            return Err(NoNvidia::Refused(format!("error {status}")));
        }
        // SAFETY: it is not null; see above.
        Err(NoNvidia::Refused(unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned()))
    }
}

impl Drop for Nvml {
    fn drop(&mut self) {
        let shutdown: Result<Symbol<'_, unsafe extern "C" fn() -> Status>, _> =
            self.function(b"nvmlShutdown");
        if let Ok(shutdown) = shutdown {
            // SAFETY: it takes back one initialisation, or reports that there was none. No handle is used after it.
            unsafe { shutdown() };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_has_a_device_file_with_a_number() {
        let dev = tempfile::tempdir().unwrap();
        assert!(!has_device_file(&dev.path().join("none")));
        for name in ["null", "nvidiactl", "nvidia-uvm"] {
            std::fs::write(dev.path().join(name), "").unwrap();
        }
        assert!(!has_device_file(dev.path()));
        std::fs::write(dev.path().join("nvidia1"), "").unwrap();
        assert!(has_device_file(dev.path()));
    }
}
