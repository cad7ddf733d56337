//! Errors of set-up, with hints.

use std::io;
use std::path::PathBuf;

use super::Kind;
use crate::hint::Hint;
use crate::hub::HubError;
use crate::model::cuda::{CudaError, NEEDED_DRIVER};

/// Why something could not be installed, checked or removed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SetupError {
    /// The address of the package index is not known.
    #[error("the address of the package index is not known")]
    NoIndex,
    /// There is no pinned package for this system and processor.
    #[error("set-up knows no package with {title} for {platform}", title = kind.title())]
    NoPackage {
        /// What was to be installed.
        kind: Kind,
        /// The system and processor.
        platform: String,
    },
    /// The machine has no suitable NVIDIA driver.
    #[error("{title} would not work here", title = Kind::Cuda.title())]
    Driver(#[source] CudaError),
    /// The server cannot be reached, or refuses.
    #[error(transparent)]
    Download(HubError),
    /// The index does not offer a file.
    #[error("the package index offers no {file} at {url}")]
    NotOffered {
        /// The file of the package.
        file: String,
        /// The page that should name it.
        url: String,
    },
    /// A file is not the one that was pinned.
    #[error("{file} is not as expected: its sha256 is {found}, expected {expected}")]
    Altered {
        /// The file, or its name.
        file: String,
        /// Its digest.
        found: String,
        /// The pinned digest.
        expected: String,
    },
    /// A package cannot be unpacked.
    #[error("cannot unpack {path}: {detail}", path = path.display())]
    Package {
        /// The package.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// Something cannot be made from the packages.
    #[error("cannot make the {title}: {source}", title = kind.title())]
    Making {
        /// What was to be made.
        kind: Kind,
        /// The problem.
        source: io::Error,
    },
    /// The disk has too little space.
    #[error(
        "{title} needs {needed} MB of free space in {folder}, which has {available} MB",
        title = kind.title(), folder = folder.display()
    )]
    NoSpace {
        /// What was to be installed.
        kind: Kind,
        /// The data folder.
        folder: PathBuf,
        /// Megabytes to be written.
        needed: u64,
        /// Free megabytes.
        available: u64,
    },
    /// A file or folder cannot be read or written.
    #[error("cannot use {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Hint for SetupError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            SetupError::Driver(_) => {
                return Some(format!(
                    "install NVIDIA's driver {NEEDED_DRIVER} or newer with your system's tools, and run this again; \
                     `--force` installs the libraries all the same"
                ));
            }
            SetupError::NoIndex => {
                "give the address that pip uses, with `--index URL` or PIP_INDEX_URL; or give a folder with the packages, \
                 `--from DIR`: `imgsearch setup --list` names them"
            }
            SetupError::NoPackage { kind: Kind::Runtime, .. } => {
                "install ONNX Runtime 1.24 or newer yourself and name its library in ORT_DYLIB_PATH"
            }
            SetupError::NoPackage { kind: Kind::Heif, .. } => {
                "install your system's libheif; imgsearch finds it"
            }
            SetupError::NoPackage { kind: Kind::Cuda, .. } => {
                "install a build of ONNX Runtime with CUDA yourself and name its library in ORT_DYLIB_PATH"
            }
            SetupError::Download(HubError::Unreachable { .. }) => {
                "run the same command again to go on with the download; behind a proxy set HTTPS_PROXY, for another \
                 package index give `--index URL`"
            }
            SetupError::Download(HubError::Setting { .. }) => return None,
            SetupError::Download(_) => "try again later; the download will go on where it stopped",
            SetupError::NotOffered { .. } => {
                "it may be another kind of server: give the address that pip uses, which ends with `/simple`"
            }
            SetupError::Altered { .. } => {
                "nothing was installed: run the same command again; if it happens again, don't trust this package index"
            }
            SetupError::Package { .. } | SetupError::Making { .. } => {
                "nothing was installed: run the same command again; if it happens again, please report it"
            }
            SetupError::NoSpace { .. } => {
                "free some space, or give a folder on another disk with `--data DIR`"
            }
            SetupError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: free some space and run the same command again"
            }
            SetupError::Io { .. } => {
                "check the permissions of the data folder, and run the same command again"
            }
            SetupError::NoPackage { .. } => return None,
        };
        Some(text.to_owned())
    }
}
