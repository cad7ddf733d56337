//! Compares file names independently of their Unicode form.
//!
//! Unicode has several ways to write a name: most keyboards produce `ü` as one character, but a Mac writes `u` and two
//! dots. So names are compared in one normal form, NFC. On the disk and in the library, names keep their bytes.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::path::{Component, Path, PathBuf};

use unicode_normalization::{UnicodeNormalization, is_nfc};

/// A name or path in NFC. Bytes that are not UTF-8 are kept.
pub fn normal(name: &[u8]) -> Cow<'_, [u8]> {
    // Filters call this for every photo in the library, and most names are ASCII.
    if name.is_ascii() || name.utf8_chunks().all(|chunk| is_nfc(chunk.valid())) {
        return Cow::Borrowed(name);
    }
    let chunks = name.utf8_chunks();
    let bytes = chunks.flat_map(|chunk| [normal_text(chunk.valid()).as_bytes(), chunk.invalid()].concat());
    Cow::Owned(bytes.collect())
}

/// A text in NFC.
pub fn normal_text(text: &str) -> String {
    text.nfc().collect()
}

/// A path in NFC.
pub fn normal_path(path: &Path) -> Cow<'_, Path> {
    match normal(path.as_os_str().as_encoded_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(path),
        Cow::Owned(bytes) => Cow::Owned(path_from(bytes)),
    }
}

#[cfg(unix)]
fn path_from(bytes: Vec<u8>) -> PathBuf {
    use std::os::unix::ffi::OsStringExt;
    std::ffi::OsString::from_vec(bytes).into()
}

#[cfg(not(unix))]
fn path_from(bytes: Vec<u8>) -> PathBuf {
    String::from_utf8_lossy(&bytes).into_owned().into()
}

/// Like [`Path::canonicalize`]. In addition, if a name does not exist as typed, but exactly one entry has the same normal
/// form, that entry is used.
///
/// # Errors
/// As [`Path::canonicalize`].
pub fn canonicalize(path: &Path) -> io::Result<PathBuf> {
    path.canonicalize().or_else(|error| {
        let may_differ = error.kind() == io::ErrorKind::NotFound && !path.as_os_str().is_ascii();
        let found = may_differ.then(|| as_on_disk(path)).flatten();
        found.map_or(Err(error), |found| found.canonicalize())
    })
}

/// The path with each name as on the disk; `None` if there is no such entry or more than one.
fn as_on_disk(path: &Path) -> Option<PathBuf> {
    let mut found = PathBuf::new();
    for part in path.components() {
        if let Component::Normal(name) = part
            && found.join(name).symlink_metadata().is_err()
        {
            let folder = if found.as_os_str().is_empty() { Path::new(".") } else { &found };
            let name = only_entry(folder, name)?;
            found.push(name);
        } else {
            found.push(part);
        }
    }
    Some(found)
}

/// The only entry of a folder whose name has the same normal form.
fn only_entry(folder: &Path, name: &OsStr) -> Option<std::ffi::OsString> {
    let wanted = normal(name.as_encoded_bytes());
    let names = folder.read_dir().ok()?.flatten().map(|entry| entry.file_name());
    let mut same = names.filter(|name| normal(name.as_encoded_bytes()) == wanted);
    let first = same.next()?;
    same.next().is_none().then_some(first)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// `Tür` with `ü` as one character, and as a Mac writes it.
    const COMPOSED: &str = "T\u{fc}r";
    const DECOMPOSED: &str = "Tu\u{308}r";

    #[test]
    fn names_have_one_normal_form() {
        #[track_caller]
        fn check(name: &[u8], expected: &[u8]) {
            assert_eq!(&*normal(name), expected);
        }
        check(b"plain", b"plain");
        check(COMPOSED.as_bytes(), COMPOSED.as_bytes());
        check(DECOMPOSED.as_bytes(), COMPOSED.as_bytes());
        check("\u{1112}\u{1161}\u{11ab}".as_bytes(), "\u{d55c}".as_bytes());
        // Bytes that are not UTF-8 are kept; the text beside them is normalised.
        check(b"\xff\xfe", b"\xff\xfe");
        check(b"u\xcc\x88\xff/u\xcc\x88", b"\xc3\xbc\xff/\xc3\xbc");
    }

    #[test]
    fn a_path_is_found_in_another_form_if_that_is_the_only_one() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap();
        let of = |folder: &str, file: &str| root.join(folder).join(file);
        fs::create_dir(root.join(DECOMPOSED)).unwrap();
        let file = of(DECOMPOSED, "a.jpg");
        fs::write(&file, "").unwrap();
        assert_eq!(canonicalize(&of(COMPOSED, "a.jpg")).unwrap(), file.canonicalize().unwrap());
        assert!(canonicalize(&of(COMPOSED, "b.jpg")).is_err());
        // There are two entries with forms of `ệ`, and the typed name has a third form.
        for name in ["\u{1eb9}\u{302}", "\u{ea}\u{323}"] {
            fs::write(root.join(name), "").unwrap();
        }
        let forms = root.read_dir().unwrap().count() - 1;
        assert_eq!(canonicalize(&root.join("\u{1ec7}")).is_err(), forms == 2);
    }
}
