//! Models from Hugging Face: the recommended ones, downloading, and the folder of installed models.
//!
//! ```text
//! MODELS/NAME/                a complete, verified model folder; with a `pulled.json` if it was pulled
//! MODELS/default              the name of the default model for new libraries
//! MODELS/speeds.json          the measured speeds of models on this computer
//! MODELS/.partial/NAME@COMMIT a model being pulled; renamed to MODELS/NAME once everything is verified
//! MODELS/.partial/NAME.lock   exists and is locked while NAME is pulled or removed
//! ```
//!
//! A model can also come from an archive (`unpack.rs`) and is stored here like any other.
//!
//! All files are verified. The server lists the files of a revision with their SHA-256 (or Git blob), and each file is
//! compared with that, whether it comes from the server, an earlier attempt, or a Hugging Face cache folder. A file without
//! a digest is refused.

#[cfg(feature = "archives")]
mod archive;
mod cache;
mod client;
mod error;
mod known;
mod listing;
mod pull;
mod select;
mod speeds;
mod store;
mod table;
#[cfg(not(feature = "archives"))]
#[path = "no_archives.rs"]
mod unpack;
#[cfg(feature = "archives")]
mod unpack;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub(crate) use client::{Client, Page};
pub use error::HubError;
pub use known::{Known, RECALL_SOURCE, RECOMMENDED, STRONGER};
pub use pull::{Event, Pulled, Wanted};
pub use select::Precisions;
pub use speeds::Speeds;
pub use store::{Installed, OFFLINE, Origin, Store};
pub use table::KNOWN;

/// Extensions of archives, which are removed for a model's name.
const ARCHIVES: &[&str] = &[".tar.gz", ".tgz", ".tar", ".zip"];

/// Whether this names an archive: a file with an archive's extension, or with a folder in its path. A file in the current
/// folder that just happens to have a model's name does not count.
pub fn is_archive(named: &Path) -> bool {
    let name = named.to_string_lossy().to_ascii_lowercase();
    let is_path = named.components().count() > 1 || ARCHIVES.iter().any(|ending| name.ends_with(ending));
    is_path && named.is_file()
}

/// How to reach Hugging Face or a mirror.
#[derive(Clone, Debug)]
pub struct Access {
    /// The server: `https://huggingface.co` or a mirror.
    pub endpoint: String,
    /// The user's token, needed for private and gated models.
    pub token: Option<String>,
    /// The URL of the proxy to use.
    pub proxy: Option<String>,
    /// Hosts for which the proxy is not used: names, `.suffixes`, or `*`.
    pub no_proxy: Vec<String>,
    /// Whether to use only the Hugging Face cache.
    pub offline: bool,
    /// The Hugging Face cache folder, if there is one.
    pub cache: Option<PathBuf>,
    /// How long to wait for a connection or for more data before trying again.
    pub timeout: Duration,
    /// How often to retry when an attempt received nothing new.
    pub retries: u32,
}

/// A model on Hugging Face.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RepoId {
    /// `org/name`.
    pub repo: String,
    /// A commit, branch or tag.
    pub revision: String,
}

impl RepoId {
    /// Parses `org/name` or `org/name@revision`.
    ///
    /// # Errors
    /// [`HubError::Id`].
    pub fn parse(text: &str) -> Result<RepoId, HubError> {
        let (repo, revision) = text.split_once('@').unwrap_or((text, "main"));
        let part = |part: &str| {
            let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
            !part.is_empty() && !part.starts_with('.') && !part.contains("..") && part.chars().all(plain)
        };
        let is_repo = repo.split_once('/').is_some_and(|(org, name)| part(org) && part(name));
        if is_repo && revision.split('/').all(part) {
            return Ok(RepoId { repo: repo.to_owned(), revision: revision.to_owned() });
        }
        Err(HubError::Id { id: text.to_owned() })
    }

    /// The part after the slash, which is the default name for the model.
    pub fn name(&self) -> &str {
        self.repo.rsplit('/').next().unwrap_or(&self.repo)
    }
}

impl std::fmt::Display for RepoId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.repo, self.revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_the_name_of_a_model_is_not_an_archive() {
        #[track_caller]
        fn check(named: &str, expected: bool) {
            assert_eq!(is_archive(Path::new(named)), expected, "{named}");
        }
        // Tests run in the package's folder.
        check("Cargo.toml", false);
        check("./Cargo.toml", true);
        check("./src", false);
        check("missing.zip", false);
    }

    #[test]
    fn ids_have_an_organisation_a_name_and_an_optional_revision() {
        #[track_caller]
        fn check(text: &str, expected: Option<(&str, &str)>) {
            let id = RepoId::parse(text).ok();
            let id = id.as_ref().map(|id| (id.repo.as_str(), id.revision.as_str()));
            assert_eq!(id, expected, "{text}");
        }
        check("Xenova/clip-vit-base-patch32", Some(("Xenova/clip-vit-base-patch32", "main")));
        check("a/b@4c1807b", Some(("a/b", "4c1807b")));
        check("a/b@refs/pr/1", Some(("a/b", "refs/pr/1")));
        for wrong in
            ["", "a", "a/", "/b", "a/b/c", "a/b@", "../b", "a/..", "a/b@..", "a/b c", "a\\b/c", "a/b@x//y"]
        {
            check(wrong, None);
        }
    }
}
