//! The listing of a model's revision: commit, files, sizes and digests.

use std::path::{Component, Path};

use serde::Deserialize;

use super::HubError;
use crate::digest::Digest;

/// One file of a revision.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct RemoteFile {
    /// Its path inside the model, with `/`.
    pub(super) path: String,
    /// Its size in bytes.
    pub(super) size: u64,
    pub(super) digest: Digest,
}

/// All files of one commit.
#[derive(Debug)]
pub(super) struct Listing {
    /// The commit, 40 hexadecimal digits. For a branch or tag, its commit at the time of the request.
    pub(super) commit: String,
    pub(super) files: Vec<RemoteFile>,
}

/// The needed parts of the answer of `/api/models/ORG/NAME/revision/REVISION?blobs=true`.
#[derive(Deserialize)]
struct Answer {
    sha: String,
    siblings: Vec<Sibling>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Sibling {
    rfilename: String,
    size: Option<u64>,
    blob_id: Option<String>,
    lfs: Option<Lfs>,
}

#[derive(Deserialize)]
struct Lfs {
    sha256: String,
    size: u64,
}

impl Listing {
    /// Parses the server's answer to `url`.
    pub(super) fn parse(json: &[u8], repo: &str, url: &str) -> Result<Listing, HubError> {
        let wrong = |detail: String| HubError::Answer { url: url.to_owned(), detail };
        let answer: Answer = serde_json::from_slice(json).map_err(|error| wrong(error.to_string()))?;
        if !is_commit(&answer.sha) {
            return Err(wrong(format!("`sha` is {:?}, and no commit", answer.sha)));
        }
        let files = answer.siblings.into_iter().map(|sibling| {
            check_name(repo, &sibling.rfilename)?;
            let path = sibling.rfilename.clone();
            sibling.described().ok_or_else(|| wrong(format!("`{path}` has no size or no digest")))
        });
        Ok(Listing { commit: answer.sha, files: files.collect::<Result<_, _>>()? })
    }
}

impl Sibling {
    fn described(self) -> Option<RemoteFile> {
        let (size, digest) = match self.lfs {
            Some(lfs) => (lfs.size, lfs.sha256),
            None => (self.size?, self.blob_id?),
        };
        Some(RemoteFile { path: self.rfilename, size, digest: Digest::parse(&digest)? })
    }
}

pub(super) fn is_commit(text: &str) -> bool {
    text.len() == 40 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// Refuses names that lead outside the model's folder on any operating system.
pub(super) fn check_name(repo: &str, name: &str) -> Result<(), HubError> {
    let mut parts = Path::new(name).components();
    let is_below = parts.all(|part| matches!(part, Component::Normal(_)));
    let is_plain = !name.contains(['\\', ':']) && !name.contains(char::is_control);
    let is_safe = is_below && is_plain && name.split('/').all(|part| !part.is_empty() && part != ".");
    if is_safe { Ok(()) } else { Err(HubError::UnsafeName { repo: repo.to_owned(), name: name.to_owned() }) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_lead_elsewhere_are_refused() {
        for name in ["onnx/vision_model.onnx", "a..b", "visual/Constant_1", "a b#c.json"] {
            check_name("a/b", name).unwrap();
        }
        for name in
            ["", ".", "..", "../a", "a/../../b", "/etc/passwd", "a//b", "a/./b", "a/", "C:a", "a\\b", "a\nb"]
        {
            assert!(matches!(check_name("a/b", name), Err(HubError::UnsafeName { .. })), "{name:?}");
        }
    }

    #[test]
    fn an_incomplete_answer_is_refused() {
        #[track_caller]
        fn check(json: &str, named: &str) {
            let error = Listing::parse(json.as_bytes(), "a/b", "u").unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        let sha = "a".repeat(40);
        check("<html>", "u sends an unexpected answer");
        check(r#"{"sha": "main", "siblings": []}"#, "`sha`");
        check(&format!(r#"{{"sha": "{sha}", "siblings": [{{"rfilename": "a", "size": 1}}]}}"#), "no digest");
        let escaping = r#"{"rfilename": "../a", "size": 1, "blobId": "b"}"#;
        check(&format!(r#"{{"sha": "{sha}", "siblings": [{escaping}]}}"#), "unsafe");
    }
}
