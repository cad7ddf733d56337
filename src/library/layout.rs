//! `library.json`: which of a library's indexes is in use.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use imgsearch_index::Space;
use serde::{Deserialize, Serialize};

use super::{StoreError, embedded};
use crate::files::{Readers, read_bounded, replace_durably};

/// The name of a library's first index, and the prefix of all other names.
const FIRST: &str = "index";

/// The maximum size of the file, which is always far smaller.
const MOST_BYTES: u64 = 1 << 20;

/// The indexes of a library. Their names are folders in the library's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct IndexFolders {
    /// The index in use.
    pub(super) in_use: String,
    /// Replaced indexes that are still to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retired: Vec<String>,
}

/// The name of the folder for vectors of `space`, whose id may be any text.
pub(super) fn name_of(space: &Space) -> String {
    format!("{FIRST}-{}", &blake3::hash(space.id().as_bytes()).to_hex()[..16])
}

pub(super) fn is_name(name: &str) -> bool {
    let hex = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    name == FIRST || name.strip_prefix(FIRST).and_then(|rest| rest.strip_prefix('-')).is_some_and(hex)
}

impl IndexFolders {
    /// The layout of the library in `folder`.
    ///
    /// # Errors
    /// [`StoreError::Layout`] if the file is invalid, or names a missing index while others exist;
    /// [`StoreError::Io`].
    pub(super) fn read(folder: &Path) -> Result<IndexFolders, StoreError> {
        // The index may be replaced after the file was read and before the index is looked up.
        IndexFolders::read_once(folder).or_else(|_| IndexFolders::read_once(folder))
    }

    fn read_once(folder: &Path) -> Result<IndexFolders, StoreError> {
        let path = path(folder);
        let layout = match read_bounded(&path, MOST_BYTES) {
            Ok(json) => serde_json::from_slice(&json).ok(),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Some(IndexFolders::guessed(folder)),
            Err(_) if path.is_dir() => None,
            Err(error) => return Err(super::io("read", &path)(error)),
        };
        let right =
            |layout: &IndexFolders| layout.retired.iter().chain([&layout.in_use]).all(|name| is_name(name));
        let is_there = |layout: &IndexFolders| {
            let mut others = indexes(folder);
            others.retain(|name| !layout.retired.contains(name));
            others.is_empty() || others.contains(&layout.in_use)
        };
        layout.filter(right).filter(is_there).ok_or(StoreError::Layout { path })
    }

    /// The layout without a file. Before the first change of model, the first index is in use. If the file was lost,
    /// the only index there is in use.
    fn guessed(folder: &Path) -> IndexFolders {
        let mut in_use = FIRST.to_owned();
        if !folder.join(FIRST).exists()
            && let [other] = &indexes(folder)[..]
        {
            in_use.clone_from(other);
        }
        IndexFolders { in_use, retired: Vec::new() }
    }

    /// Repairs an invalid file: the index with the most photos is in use, because a new index replaces the old one
    /// only when it has all photos.
    pub(super) fn repair(folder: &Path) -> Result<(), StoreError> {
        let Err(StoreError::Layout { path }) = IndexFolders::read(folder) else { return Ok(()) };
        if path.is_dir() {
            // We never create a folder with this name.
            fs::remove_dir(&path).map_err(super::io("remove", &path))?;
        }
        let photos = |name: &String| embedded::photos_in(&folder.join(name));
        let names = indexes(folder).into_iter();
        let in_use = names.max_by_key(photos).unwrap_or_else(|| FIRST.to_owned());
        IndexFolders { in_use, retired: Vec::new() }.write(folder)
    }

    /// Replaces the file. The caller holds the lock.
    pub(super) fn write(&self, folder: &Path) -> Result<(), StoreError> {
        let path = path(folder);
        let json = serde_json::to_vec(self).expect("plain fields become JSON");
        replace_durably(&path, &json, Readers::Owner).map_err(super::io("replace", &path))
    }

    /// The folders of the indexes that may replace the one in use.
    pub(super) fn building(&self, folder: &Path) -> Vec<PathBuf> {
        let mut names = indexes(folder);
        names.retain(|name| *name != self.in_use && !self.retired.contains(name));
        names.into_iter().map(|name| folder.join(name)).collect()
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("library.json")
}

/// The names of all indexes in `folder`, sorted.
pub(super) fn indexes(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> = names.filter(|name| is_name(name)).collect();
    names.sort();
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_index_in_use_is_read_or_unambiguous() {
        #[track_caller]
        fn check(json: Option<&str>, folders: &[&str], expected: Option<&str>) {
            let library = tempfile::tempdir().unwrap();
            folders.iter().for_each(|name| fs::create_dir(library.path().join(name)).unwrap());
            if let Some(json) = json {
                fs::write(path(library.path()), json).unwrap();
            }
            let layout = IndexFolders::read(library.path());
            assert_eq!(layout.ok().map(|layout| layout.in_use).as_deref(), expected);
        }
        check(None, &[], Some("index"));
        check(None, &["index", "index-ab"], Some("index"));
        check(None, &["index-ab"], Some("index-ab"));
        check(None, &["index-ab", "index-cd"], None);
        check(Some(r#"{"in_use": "index-ab"}"#), &["index"], None);
        check(Some(r#"{"in_use": "index-ab", "retired": ["index"]}"#), &["index"], Some("index-ab"));
        check(Some(r#"{"in_use": "index-ab"}"#), &["index", "index-ab"], Some("index-ab"));
        check(Some(r#"{"in_use": "index-ab", "new": 1}"#), &[], Some("index-ab"));
        check(Some(r#"{"in_use": "../index"}"#), &[], None);
        check(Some(r#"{"in_use": "index", "retired": [".."]}"#), &[], None);
        check(Some(r#"{"in_use": "#), &[], None);
    }

    #[test]
    fn an_invalid_file_is_repaired() {
        #[track_caller]
        fn check(damage: impl Fn(&Path)) {
            let library = tempfile::tempdir().unwrap();
            for (name, photos) in [("index", 0), ("index-ab", 2), ("index-cd", 1)] {
                crate::library::tests::index(&library.path().join(name), photos);
            }
            damage(&path(library.path()));
            assert!(IndexFolders::read(library.path()).is_err());
            IndexFolders::repair(library.path()).unwrap();
            assert_eq!(IndexFolders::read(library.path()).unwrap().in_use, "index-ab");
        }
        check(|file| fs::write(file, "{").unwrap());
        check(|file| fs::write(file, r#"{"in_use": "index-abc"}"#).unwrap());
        check(|file| fs::create_dir(file).unwrap());
    }

    #[test]
    fn a_layout_round_trips_and_lists_indexes_being_built() {
        let library = tempfile::tempdir().unwrap();
        for name in ["index", "index-ab", "index-cd", "index.txt", "photos"] {
            fs::create_dir(library.path().join(name)).unwrap();
        }
        let layout = IndexFolders { in_use: "index-ab".into(), retired: vec!["index".into()] };
        layout.write(library.path()).unwrap();
        assert_eq!(IndexFolders::read(library.path()).unwrap(), layout);
        assert_eq!(layout.building(library.path()), [library.path().join("index-cd")]);
    }
}
