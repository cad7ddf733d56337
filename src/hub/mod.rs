//! Models from Hugging Face: which ones to choose from, how they come here, and where they lie.
//!
//! ```text
//! MODELS/NAME/                a model folder, whole and checked; what was pulled has a `pulled.json`
//! MODELS/default              the name of the model that new libraries use
//! MODELS/speeds.json          how fast models are on this computer, if that was measured
//! MODELS/.partial/NAME@COMMIT what is being pulled; becomes MODELS/NAME by one rename, once all of it is checked
//! MODELS/.partial/NAME.lock   held while NAME is pulled or removed, and there only then
//! ```
//!
//! A model may also come in an archive (`unpack.rs`), and lies here like any other afterwards.
//!
//! Nothing is taken on trust: the server says what a revision holds and under which SHA-256 (or Git blob), and what
//! arrives is compared with that, wherever it came from: the server, an earlier attempt, or a Hugging Face cache
//! folder. A file without a digest is refused.

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
#[cfg(not(feature = "archives"))]
#[path = "no_archives.rs"]
mod unpack;
#[cfg(feature = "archives")]
mod unpack;

use std::path::{Path, PathBuf};
use std::time::Duration;

pub use error::HubError;
pub use known::{KNOWN, Known, RECALL_SOURCE, RECOMMENDED, STRONGER};
pub use pull::{Event, Pulled, Wanted};
pub use select::Precisions;
pub use speeds::Speeds;
pub use store::{Installed, OFFLINE, Origin, Store};

/// Endings of archives, which a model's name does without.
const ARCHIVES: &[&str] = &[".tar.gz", ".tgz", ".tar", ".zip"];

/// Whether this names an archive: a file, and none that only happens to be called what an installed model is.
pub fn is_archive(named: &Path) -> bool {
    let name = named.to_string_lossy().to_ascii_lowercase();
    let is_path = named.components().count() > 1 || ARCHIVES.iter().any(|ending| name.ends_with(ending));
    is_path && named.is_file()
}

/// How Hugging Face, or what stands in its place, is reached.
#[derive(Clone, Debug)]
pub struct Access {
    /// Where it is: `https://huggingface.co`, or a mirror.
    pub endpoint: String,
    /// Who asks; needed for private and gated models.
    pub token: Option<String>,
    /// The proxy to go through, as a URL.
    pub proxy: Option<String>,
    /// Hosts that are reached without the proxy: names, `.suffixes`, or `*`.
    pub no_proxy: Vec<String>,
    /// Whether to use nothing but Hugging Face cache folders.
    pub offline: bool,
    /// The Hugging Face cache folder, where there is one.
    pub cache: Option<PathBuf>,
    /// How long to wait for a connection, or for the next bytes, before trying again.
    pub timeout: Duration,
    /// How often to try again when an attempt brought nothing new.
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
    /// Reads `org/name` or `org/name@revision`.
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

    /// The part behind the slash: what the model is called here unless told otherwise.
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
    fn a_file_called_like_a_model_is_no_archive() {
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
    fn ids_are_organisation_slash_name_and_perhaps_a_revision() {
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
