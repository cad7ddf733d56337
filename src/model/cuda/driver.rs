//! Asks NVIDIA's driver for its version.
//!
//! One of the unsafe files listed in ARCHITECTURE.md: the driver is a C library, loaded when it is asked.

#![expect(unsafe_code, reason = "the driver is a C library")]

use std::ffi::c_int;
use std::fmt;

use libloading::Library;

use super::{CudaError, with_cause};

/// The driver's library. It comes with the driver, not with CUDA.
const LIBRARY: &str = if cfg!(windows) { "nvcuda.dll" } else { "libcuda.so.1" };

/// A version of CUDA.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct CudaVersion {
    /// 13 of 13.0.
    pub major: u32,
    /// 0 of 13.0.
    pub minor: u32,
}

impl fmt::Display for CudaVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)
    }
}

impl CudaVersion {
    /// From the driver's number: 13020 is 13.2 (`cuDriverGetVersion` in the CUDA Driver API).
    fn of(number: c_int) -> Option<CudaVersion> {
        let number = u32::try_from(number).ok().filter(|number| *number >= 1000)?;
        Some(CudaVersion { major: number / 1000, minor: number % 1000 / 10 })
    }
}

/// NVIDIA's driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Driver {
    /// The newest CUDA that it supports.
    pub cuda: CudaVersion,
}

impl Driver {
    /// The driver of this machine. No GPU is started by this.
    ///
    /// # Errors
    /// [`CudaError::NoDriver`].
    pub fn find() -> Result<Driver, CudaError> {
        let missing = |detail: String| CudaError::NoDriver { detail };
        // SAFETY: NVIDIA's driver is written to be loaded by any process.
        let library = unsafe { Library::new(LIBRARY) }.map_err(|error| missing(with_cause(&error)))?;
        // SAFETY: the function has had this signature since CUDA 2.2.
        let get = unsafe { library.get::<unsafe extern "C" fn(*mut c_int) -> c_int>(b"cuDriverGetVersion") };
        let get = get.map_err(|error| missing(with_cause(&error)))?;
        let mut number = 0;
        // SAFETY: it writes one number, and can be called before the driver is initialised.
        let status = unsafe { get(&raw mut number) };
        let version = CudaVersion::of(number).filter(|_| status == 0);
        let cuda = version.ok_or_else(|| missing(format!("{LIBRARY} answers with error {status}")))?;
        Ok(Driver { cuda })
    }

    /// Checks that it supports this CUDA.
    ///
    /// # Errors
    /// [`CudaError::OldDriver`].
    pub fn check(self, needed: CudaVersion) -> Result<(), CudaError> {
        if self.cuda >= needed { Ok(()) } else { Err(CudaError::OldDriver { found: self.cuda, needed }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_versions() {
        #[track_caller]
        fn check(number: c_int, expected: Option<(u32, u32)>) {
            assert_eq!(CudaVersion::of(number).map(|version| (version.major, version.minor)), expected);
        }
        check(13000, Some((13, 0)));
        check(12040, Some((12, 4)));
        check(0, None);
        check(-1, None);
    }

    #[test]
    fn an_older_driver_is_too_old() {
        let needed = CudaVersion { major: 13, minor: 0 };
        let driver = |major, minor| Driver { cuda: CudaVersion { major, minor } };
        assert_eq!(driver(13, 0).check(needed), Ok(()));
        assert_eq!(driver(14, 1).check(needed), Ok(()));
        let found = CudaVersion { major: 12, minor: 9 };
        assert_eq!(driver(12, 9).check(needed), Err(CudaError::OldDriver { found, needed }));
    }
}
