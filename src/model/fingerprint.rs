//! Caches the SHA-256 of files, because hashing 350 MB takes too long for a query.

use std::fs;
use std::io;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest::sha256_of;
use crate::files::{Readers, replace};
use crate::stamp::Stamp;

/// The cached hash of a file, valid as long as its size and modification time are the same.
#[derive(PartialEq, Serialize, Deserialize)]
struct CachedHash {
    path: String,
    bytes: u64,
    modified_ns: i64,
    sha256: String,
}

/// The SHA-256 of the file at `path`, in lower-case hexadecimal. It is read from the folder `cache`, or else computed and
/// stored there. A cache that cannot be read or written is ignored.
pub(crate) fn sha256_remembered(path: &Path, cache: Option<&Path>) -> io::Result<String> {
    let path = path.canonicalize()?;
    let name = blake3::hash(path.as_os_str().as_encoded_bytes()).to_hex();
    let file = cache.map(|cache| cache.join("sha256").join(format!("{}.json", &name[..32])));
    let before = Stamp::of(&fs::metadata(&path)?);
    let noted =
        file.as_deref().and_then(|file| serde_json::from_slice::<CachedHash>(&fs::read(file).ok()?).ok());
    if let Some(note) =
        noted.filter(|note| (note.bytes, note.modified_ns) == (before.size, before.modified_ns))
    {
        return Ok(note.sha256);
    }
    let sha256 = sha256_of(&path)?;
    let is_unchanged = || fs::metadata(&path).is_ok_and(|after| Stamp::of(&after).same_content(&before));
    if let Some(file) = file.filter(|_| is_unchanged()) {
        let Stamp { size: bytes, modified_ns, .. } = before;
        let path = path.to_string_lossy().into_owned();
        let _unwritable = remember(&file, &CachedHash { path, bytes, modified_ns, sha256: sha256.clone() });
    }
    Ok(sha256)
}

fn remember(file: &Path, note: &CachedHash) -> io::Result<()> {
    fs::create_dir_all(file.parent().unwrap_or(Path::new("")))?;
    replace(file, &serde_json::to_vec(note)?, Readers::AsUsual)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_cached_until_the_file_changes() {
        let folder = tempfile::tempdir().unwrap();
        let (path, cache) = (folder.path().join("tower"), folder.path().join("cache"));
        let remembered = || sha256_remembered(&path, Some(&cache)).unwrap();
        fs::write(&path, "one").unwrap();
        let one = remembered();
        assert_eq!(one, sha256_of(&path).unwrap());
        // A wrong cached hash is used, which shows that the file is not read.
        let note = cache.join("sha256").read_dir().unwrap().next().unwrap().unwrap().path();
        fs::write(&note, fs::read_to_string(&note).unwrap().replace(&one, "lie")).unwrap();
        assert_eq!(remembered(), "lie");
        fs::write(&path, "other").unwrap();
        assert_eq!(remembered(), sha256_of(&path).unwrap());
        fs::write(&note, "{").unwrap();
        assert_eq!(remembered(), sha256_of(&path).unwrap());
        assert_eq!(sha256_remembered(&path, None).unwrap(), sha256_of(&path).unwrap());
    }
}
