//! Files and parts of files, and the keys that the library keeps them under.
//!
//! ```text
//! a file       its absolute path, in the operating system's bytes
//! a part of it the same, a NUL, one byte for the kind of part, and its number as a big-endian u32
//! ```
//!
//! A path contains no NUL. Sorted by key, the parts of a file therefore follow it directly. Keys below a folder begin
//! with the folder's path.

use std::path::{Path, PathBuf};

use imgsearch_index::{Key, MAX_KEY_LEN};
use memchr::memchr;

use crate::name::{normal, normal_path};

/// What one record of the library is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Item {
    /// The absolute path of the file.
    pub path: PathBuf,
    /// `None` for the file as a whole.
    pub part: Option<Part>,
}

/// A part of a file that has a record of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Part {
    /// A frame of a video.
    Moment {
        /// Its time from the beginning of the video, in milliseconds.
        ms: u32,
    },
}

const MOMENT: u8 = 1;

impl Item {
    /// A file as a whole.
    pub fn file(path: impl Into<PathBuf>) -> Item {
        Item { path: path.into(), part: None }
    }

    /// The key of its record; `None` if the path cannot be part of a key.
    pub fn key(&self) -> Option<Key> {
        let path = key_bytes(&self.path)?;
        let part = self.part.map(|part| part.to_bytes());
        Key::new([path, part.as_ref().map_or(&[], |part| part.as_slice())].concat()).ok()
    }

    /// The item with this key; `None` if the part is of a kind that only a later version knows.
    pub fn of_key(key: &[u8]) -> Option<Item> {
        let path = file_of_key(key);
        let part = match &key[path.len()..] {
            [] => None,
            part => Some(Part::from_bytes(part)?),
        };
        Some(Item { path: path_of(path), part })
    }
}

impl Part {
    fn to_bytes(self) -> [u8; 6] {
        let (kind, number) = match self {
            Part::Moment { ms } => (MOMENT, ms),
        };
        let [a, b, c, d] = number.to_be_bytes();
        [0, kind, a, b, c, d]
    }

    fn from_bytes(bytes: &[u8]) -> Option<Part> {
        let [0, kind, number @ ..] = bytes else { return None };
        let number = u32::from_be_bytes(number.try_into().ok()?);
        match *kind {
            MOMENT => Some(Part::Moment { ms: number }),
            _ => None,
        }
    }
}

/// Whether the library can store a file with this path. It cannot if the path is empty, too long for a key, contains a
/// NUL or (on systems other than Unix) is not valid Unicode.
pub fn can_be_kept(path: &Path) -> bool {
    key_bytes(path).is_some()
}

fn key_bytes(path: &Path) -> Option<&[u8]> {
    path_bytes(path).filter(|bytes| (1..=MAX_KEY_LEN).contains(&bytes.len()) && memchr(0, bytes).is_none())
}

/// The path of the item's file, in bytes, from the item's key.
pub fn file_of_key(key: &[u8]) -> &[u8] {
    &key[..memchr(0, key).unwrap_or(key.len())]
}

/// The path with these bytes.
pub fn path_of(bytes: &[u8]) -> PathBuf {
    #[cfg(unix)]
    {
        use std::os::unix::ffi::OsStrExt;
        std::ffi::OsStr::from_bytes(bytes).into()
    }
    #[cfg(not(unix))]
    String::from_utf8_lossy(bytes).into_owned().into()
}

/// Whether the path with these bytes is `folder` itself or below it, at any depth.
pub fn is_under(path: &[u8], folder: &Path) -> bool {
    let Some(folder) = path_bytes(folder) else { return false };
    let Some(rest) = path.strip_prefix(folder) else { return false };
    rest.is_empty() || folder.ends_with(&[SEPARATOR]) || rest[0] == SEPARATOR
}

/// A folder to search in. Its name may be in any Unicode normal form.
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

impl std::fmt::Display for Folder {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.path.display().fmt(out)
    }
}

impl Folder {
    /// Its path, in NFC.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Whether the path with these bytes is the folder itself or below it, at any depth.
    pub fn has(&self, path: &[u8]) -> bool {
        is_under(&normal(path), &self.path)
    }
}

// Separators are ASCII on every platform we build for.
pub(crate) const SEPARATOR: u8 = std::path::MAIN_SEPARATOR as u8;

/// The bytes of a path; `None` on systems other than Unix if it is not valid Unicode.
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

    /// Names with all kinds of bytes but `/` and NUL, and part numbers with zero bytes.
    fn items() -> Vec<Item> {
        let names: [&[u8]; 8] =
            [b"a", b"a.jpg", b"a\x01", b"a\xff", b"a b", "\u{fc}".as_bytes(), b"\x01", b"#t"];
        let mut paths: Vec<Vec<u8>> = Vec::new();
        for first in names {
            paths.push([b"/", first].concat());
            paths.extend(names.map(|second| [b"/", first, b"/", second].concat()));
        }
        let moments = [0, 1, 255, 256, 65_536, u32::MAX].map(|ms| Some(Part::Moment { ms }));
        let parts = || [None].into_iter().chain(moments);
        // On systems other than Unix, paths are Unicode.
        let paths = paths.iter().filter(|path| cfg!(unix) || str::from_utf8(path).is_ok());
        paths.flat_map(|path| parts().map(|part| Item { path: path_of(path), part })).collect()
    }

    #[test]
    fn items_come_back_from_their_keys() {
        for item in items() {
            let key = item.key().unwrap();
            assert_eq!(Item::of_key(key.as_bytes()), Some(item.clone()));
            assert_eq!(path_of(file_of_key(key.as_bytes())), item.path);
        }
    }

    #[test]
    fn parts_come_right_behind_their_file_in_order() {
        let mut items = items();
        // `items` has each file's parts together already; this sorts the files by the bytes of their paths.
        items.sort_by(|a, b| path_bytes(&a.path).cmp(&path_bytes(&b.path)));
        let mut by_key = items.clone();
        by_key.reverse();
        by_key.sort_by_key(Item::key);
        assert_eq!(by_key, items);
    }

    #[test]
    fn keys_without_a_part_are_the_bytes_of_the_path() {
        #[track_caller]
        fn check(key: &[u8], expected: Option<Option<u32>>) {
            let found = Item::of_key(key).map(|item| {
                assert_eq!(item.path, Path::new("/a"));
                item.part.map(|Part::Moment { ms }| ms)
            });
            assert_eq!(found, expected, "{}", key.escape_ascii());
        }
        check(b"/a", Some(None));
        check(b"/a\0\x01\0\0\0\x07", Some(Some(7)));
        // A later version may write the first of these; no version writes the others.
        check(b"/a\0\x09\0\0\0\x07", None);
        check(b"/a\0\x01\0\0\x07", None);
        check(b"/a\0", None);
        assert_eq!(Item::file("/a\0\x01\0\0\0\x07").key(), None);
        assert_eq!(Item::file("").key(), None);
        let longest = "/".repeat(MAX_KEY_LEN);
        assert!(can_be_kept(Path::new(&longest)) && !can_be_kept(Path::new(&(longest.clone() + "/"))));
        assert_eq!(Item { path: longest.into(), part: Some(Part::Moment { ms: 1 }) }.key(), None);
    }

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
    fn a_folder_matches_any_normal_form_of_its_name() {
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
