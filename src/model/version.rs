//! Gets the version of a loaded ONNX Runtime library. `ort` reads it too but does not expose it.
//!
//! One of the unsafe files listed in ARCHITECTURE.md: two calls into a C library that `ort` has just loaded and checked.

#![expect(unsafe_code, reason = "only the library's C interface reports the version")]

use std::ffi::CStr;
use std::path::Path;

use libloading::Library;
use ort::sys::OrtApiBase;

/// The version of the library at `path`, such as `1.32.0`; `None` if it reports none.
pub(super) fn version_of(path: &Path) -> Option<String> {
    // SAFETY: `ort` has already loaded this file, so no initialiser runs a second time.
    let library = unsafe { Library::new(path) }.ok()?;
    // SAFETY: `OrtGetApiBase` has this signature in every release of ONNX Runtime.
    let get_base =
        unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") }.ok()?;
    // SAFETY: it takes no arguments and returns a pointer to a static, or null.
    let base = unsafe { get_base().as_ref() }?;
    // SAFETY: it returns a NUL-terminated string that is never freed.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    version.to_str().ok().map(str::to_owned)
}
