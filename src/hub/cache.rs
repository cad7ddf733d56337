//! The download cache of Hugging Face's own tools.
//!
//! ```text
//! CACHE/models--ORG--NAME/refs/main          the commit of `main` when it was last downloaded
//! CACHE/models--ORG--NAME/snapshots/COMMIT/  the files of that commit: links into blobs
//! CACHE/models--ORG--NAME/blobs/DIGEST       contents under their SHA-256 or Git digest
//! ```
//!
//! A blob's name is its digest, so files from the cache are checked like those from the server.

use std::fs;
use std::path::{Path, PathBuf};

use super::listing::{Listing, RemoteFile, check_name, is_commit};
use super::{HubError, RepoId};
use crate::digest::Digest;

/// One model's folder in the cache.
pub(super) struct Cached {
    cache: Option<PathBuf>,
}

impl Cached {
    pub(super) fn new(cache: Option<&Path>) -> Cached {
        Cached { cache: cache.map(Path::to_owned) }
    }

    /// The file with this digest, if the cache has it.
    pub(super) fn blob(&self, repo: &str, digest: &Digest) -> Option<PathBuf> {
        let blob = self.folder(repo)?.join("blobs").join(digest.hex());
        blob.is_file().then_some(blob)
    }

    /// The cached files of `id`.
    pub(super) fn listing(&self, id: &RepoId) -> Result<Listing, HubError> {
        let missing = |detail: &str| HubError::NotCached {
            id: id.to_string(),
            cache: self.cache.clone(),
            detail: detail.to_owned(),
        };
        let folder = self.folder(&id.repo).ok_or_else(|| missing("there is no such folder"))?;
        let commit = commit_of(&folder, &id.revision).ok_or_else(|| missing("it has no such revision"))?;
        let snapshot = folder.join("snapshots").join(&commit);
        let mut files = Vec::new();
        for entry in walkdir::WalkDir::new(&snapshot) {
            let entry = entry.map_err(|error| missing(&error.to_string()))?;
            if entry.file_type().is_dir() {
                continue;
            }
            let file = described(&snapshot, entry.path())
                .ok_or_else(|| missing(&format!("{} is not a link to a blob", entry.path().display())))?;
            check_name(&id.repo, &file.path)?;
            files.push(file);
        }
        Ok(Listing { commit, files })
    }

    fn folder(&self, repo: &str) -> Option<PathBuf> {
        let folder = self.cache.as_ref()?.join(format!("models--{}", repo.replace('/', "--")));
        folder.is_dir().then_some(folder)
    }
}

/// The commit of a branch, a tag, or an abbreviated commit.
fn commit_of(folder: &Path, revision: &str) -> Option<String> {
    if let Ok(commit) = fs::read_to_string(folder.join("refs").join(revision)) {
        return Some(commit.trim().to_owned()).filter(|commit| is_commit(commit));
    }
    let snapshots = folder.join("snapshots").read_dir().ok()?.flatten();
    let mut names = snapshots.filter_map(|entry| entry.file_name().into_string().ok());
    names.find(|name| is_commit(name) && revision.len() >= 7 && name.starts_with(revision))
}

/// A link in a snapshot. The name of its target is the digest.
fn described(snapshot: &Path, link: &Path) -> Option<RemoteFile> {
    let blob = fs::read_link(link).ok()?;
    let digest = Digest::parse(blob.file_name()?.to_str()?)?;
    let parts = link.strip_prefix(snapshot).ok()?.components();
    let parts: Option<Vec<&str>> = parts.map(|part| part.as_os_str().to_str()).collect();
    Some(RemoteFile { path: parts?.join("/"), size: link.metadata().ok()?.len(), digest })
}
