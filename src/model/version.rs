//! Gets the version of a loaded ONNX Runtime library, and the execution providers in its build. `ort` reads them too but
//! does not expose them.
//!
//! One of the unsafe files listed in ARCHITECTURE.md: calls into a C library that `ort` has just loaded and checked.

#![expect(unsafe_code, reason = "only the library's C interface reports the version")]

use std::ffi::CStr;
use std::path::Path;
use std::ptr::null_mut;

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

/// The names of the execution providers in the loaded library's build, such as `CUDAExecutionProvider`. A provider in the
/// build may still not work here.
pub(super) fn providers() -> Vec<String> {
    let (mut names, mut count) = (null_mut(), 0);
    // SAFETY: it writes a list of NUL-terminated strings and its length.
    let status = unsafe { (ort::api().GetAvailableProviders)(&raw mut names, &raw mut count) };
    // SAFETY: the status was returned by ONNX Runtime and is used only here.
    if unsafe { ort::Error::result_from_status(status) }.is_err() || names.is_null() {
        return Vec::new();
    }
    let length = usize::try_from(count).unwrap_or(0);
    // SAFETY: the list has this length.
    let list = unsafe { std::slice::from_raw_parts(names, length) };
    // SAFETY: each is a NUL-terminated string; they are copied before the list is released.
    let found =
        list.iter().map(|name| unsafe { CStr::from_ptr(*name) }.to_string_lossy().into_owned()).collect();
    // SAFETY: the list was returned by ONNX Runtime, and nothing points into it any more.
    let status = unsafe { (ort::api().ReleaseAvailableProviders)(names, count) };
    // SAFETY: the status was returned by ONNX Runtime and is used only here. A failure would only leak the list.
    _ = unsafe { ort::Error::result_from_status(status) };
    found
}
