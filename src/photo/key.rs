//! Paths as keys of the index, and fingerprints of contents.

use std::path::{Path, PathBuf};

use imgsearch_index::{Fingerprint, Key};

use crate::name::{normal, normal_path};

/// BLAKE3, cut to 128 bits: no two different files a person owns share it by chance.
pub fn fingerprint(bytes: &[u8]) -> Fingerprint {
    let mut short = [0; 16];
    short.copy_from_slice(&blake3::hash(bytes).as_bytes()[..16]);
    Fingerprint(short)
}

/// The key of an absolute path: its bytes as the operating system has them, so that any file name can be a key.
/// `None` for a path that is too long for a key, or (off Unix) not valid Unicode.
pub fn key_of(path: &Path) -> Option<Key> {
    Key::new(path_bytes(path)?).ok()
}

/// The path a key stands for.
pub fn path_of(key: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        std::ffi::OsStr::from_bytes(key).into()
    }
    #[cfg(not(unix))]
    String::from_utf8_lossy(key).into_owned().into()
}

/// Whether `key` is `folder` itself or lies somewhere below it.
pub fn is_under(key: &[u8], folder: &Path) -> bool {
    let Some(folder) = path_bytes(folder) else { return false };
    let Some(rest) = key.strip_prefix(folder) else { return false };
    rest.is_empty() || folder.ends_with(&[SEPARATOR]) || rest[0] == SEPARATOR
}

/// A folder to look for photos in, by its name in any normal form of Unicode.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Folder {
    /// In NFC.
    path: PathBuf,
}

impl<P: AsRef<Path> + ?Sized> From<&P> for Folder {
    fn from(path: &P) -> Folder {
        Folder { path: normal_path(path.as_ref()).into_owned() }
    }
}

impl Folder {
    /// Whether the photo with this key lies in the folder or somewhere below it.
    pub fn has(&self, key: &[u8]) -> bool {
        is_under(&normal(key), &self.path)
    }
}

// Separators are ASCII on every platform we build for.
const SEPARATOR: u8 = std::path::MAIN_SEPARATOR as u8;

/// The bytes of a path; `None` where the platform's paths are not bytes and this one is not valid Unicode.
pub fn path_bytes(path: &Path) -> Option<&[u8]> {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        Some(path.as_os_str().as_bytes())
    }
    #[cfg(not(unix))]
    path.to_str().map(str::as_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn under_means_the_folder_itself_or_below_it() {
        #[track_caller]
        fn check(key: &str, folder: &str, expected: bool) {
            assert_eq!(is_under(key.as_bytes(), Path::new(folder)), expected, "{key} under {folder}");
        }
        check("/a/b/c.jpg", "/a/b", true);
        check("/a/b/c.jpg", "/a/b/c.jpg", true);
        check("/a/bc.jpg", "/a/b", false);
        check("/a/b.jpg", "/", true);
        check("/a", "/a/b", false);
    }

    #[test]
    fn a_folder_has_photos_whatever_form_its_name_is_in() {
        #[track_caller]
        fn check(folder: &str, key: &[u8], expected: bool) {
            assert_eq!(Folder::from(folder).has(key), expected, "{folder}");
        }
        check("/T\u{fc}r", "/Tu\u{308}r/a.jpg".as_bytes(), true);
        check("/Tu\u{308}r", "/T\u{fc}r/a.jpg".as_bytes(), true);
        check("/Tu", "/Tu\u{308}r/a.jpg".as_bytes(), false);
        check("/T\u{fc}r", b"/T\xfcr/a.jpg", false);
        check("/a", b"/a/\xff.jpg", true);
    }
}
