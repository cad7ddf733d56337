//! Asks a loaded ONNX Runtime library for its version, which `ort` reads and does not tell.
//!
//! One of the unsafe files of this package, which ARCHITECTURE.md lists: two calls into a C library that `ort` has loaded and checked just before.

#![expect(unsafe_code, reason = "the version can only be had from the library's C interface")]

use std::ffi::CStr;
use std::path::Path;

use libloading::Library;
use ort::sys::OrtApiBase;

/// The version, such as `1.32.0`, of the library at `path`; `None` when it does not tell.
pub(super) fn version_of(path: &Path) -> Option<String> {
    // SAFETY: `ort` has loaded this very file, so loading it again runs no initialiser a second time.
    let library = unsafe { Library::new(path) }.ok()?;
    // SAFETY: `OrtGetApiBase` has this signature in every release of ONNX Runtime.
    let get_base =
        unsafe { library.get::<unsafe extern "C" fn() -> *const OrtApiBase>(b"OrtGetApiBase") }.ok()?;
    // SAFETY: it takes nothing and answers a pointer to a static, or null.
    let base = unsafe { get_base().as_ref() }?;
    // SAFETY: it answers a NUL-terminated string that is never freed.
    let version = unsafe { CStr::from_ptr((base.GetVersionString)()) };
    version.to_str().ok().map(str::to_owned)
}
