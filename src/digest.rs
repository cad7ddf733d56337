//! Digests of files.

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::Path;

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// A digest as used by Git, Git LFS or a `model.json`, in lower-case hexadecimal.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Digest {
    /// The SHA-256 of the bytes, as Git LFS uses it.
    Sha256(String),
    /// The SHA-1 of Git's blob header and the bytes. It protects against accidents, and Git has nothing else for small files.
    GitBlob(String),
}

impl Digest {
    /// Parses a digest: 64 hexadecimal digits are a SHA-256, 40 a Git blob.
    pub fn parse(text: &str) -> Option<Digest> {
        let text = text.to_ascii_lowercase();
        if !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
            return None;
        }
        match text.len() {
            64 => Some(Digest::Sha256(text)),
            40 => Some(Digest::GitBlob(text)),
            _ => None,
        }
    }

    /// The hexadecimal digits.
    pub fn hex(&self) -> &str {
        match self {
            Digest::Sha256(hex) | Digest::GitBlob(hex) => hex,
        }
    }

    /// The digest of a file, of the same kind as this one.
    ///
    /// # Errors
    /// If the file cannot be read.
    pub fn of_same_kind(&self, path: &Path) -> io::Result<Digest> {
        match self {
            Digest::Sha256(_) => sha256_of(path).map(Digest::Sha256),
            Digest::GitBlob(_) => git_blob_of(path).map(Digest::GitBlob),
        }
    }
}

/// The SHA-256 of a file, in lower-case hexadecimal.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_of(path: &Path) -> io::Result<String> {
    sha256_watched(path, &|_| ())
}

/// The SHA-256 of a file; `progress` is called with the number of bytes that each step read.
///
/// # Errors
/// If the file cannot be read.
pub fn sha256_watched(path: &Path, progress: &dyn Fn(u64)) -> io::Result<String> {
    hash(Sha256::new(), File::open(path)?, progress)
}

fn git_blob_of(path: &Path) -> io::Result<String> {
    let file = File::open(path)?;
    let header = format!("blob {}\0", file.metadata()?.len());
    hash(Sha1::new_with_prefix(header), file, &|_| ())
}

fn hash(mut hasher: impl sha2::Digest, file: File, progress: &dyn Fn(u64)) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 20, file);
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            return Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect());
        }
        hasher.update(chunk);
        let read = chunk.len();
        reader.consume(read);
        progress(read as u64);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_counts_every_byte() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        std::fs::write(&path, vec![7; 3_000_000]).unwrap();
        let steps = std::cell::RefCell::new(Vec::new());
        let digest = sha256_watched(&path, &|bytes| steps.borrow_mut().push(bytes)).unwrap();
        assert_eq!(digest, sha256_of(&path).unwrap());
        assert_eq!(steps.borrow().iter().sum::<u64>(), 3_000_000);
        assert!(steps.borrow().len() > 1);
    }

    #[test]
    fn digests_are_those_of_sha256sum_and_git() {
        #[track_caller]
        fn check(content: &str, expected: &str) {
            let folder = tempfile::tempdir().unwrap();
            let path = folder.path().join("a");
            std::fs::write(&path, content).unwrap();
            let expected = Digest::parse(expected).unwrap();
            assert_eq!(expected.of_same_kind(&path).unwrap(), expected);
        }
        check("", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        check("", "e69de29bb2d1d6434b8b29ae775ad8c2e48c5391");
        check("hello\n", "CE013625030BA8DBA906F756967F9E9CA394464A");
        assert_eq!(Digest::parse("ce0136"), None);
        assert_eq!(Digest::parse(&"x".repeat(40)), None);
    }
}
