//! `library.json`: which of a library's indexes is in use.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use imgsearch_index::{Error, Space};
use serde::{Deserialize, Serialize};

/// The name of a library's first index, and the beginning of the names of all others.
const FIRST: &str = "index";

/// Names are those of folders in the library's folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Layout {
    /// The index that answers.
    pub(super) in_use: String,
    /// Indexes that were replaced and are to be removed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(super) retired: Vec<String>,
}

/// The folder for vectors of `space`, which may have any id.
pub(super) fn name_of(space: &Space) -> String {
    format!("{FIRST}-{}", &blake3::hash(space.id.as_bytes()).to_hex()[..16])
}

fn is_name(name: &str) -> bool {
    let hex = |rest: &str| rest.bytes().all(|byte| byte.is_ascii_hexdigit());
    name == FIRST || name.strip_prefix(FIRST).and_then(|rest| rest.strip_prefix('-')).is_some_and(hex)
}

impl Layout {
    /// The layout of the library in `folder`.
    pub(super) fn read(folder: &Path) -> Result<Layout, Error> {
        let path = path(folder);
        let json = match fs::read(&path) {
            Ok(json) => json,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Layout::guessed(folder)),
            Err(error) => return Err(super::io("read", &path)(error)),
        };
        let layout: Option<Layout> = serde_json::from_slice(&json).ok();
        let right = |layout: &Layout| layout.retired.iter().chain([&layout.in_use]).all(|name| is_name(name));
        layout
            .filter(right)
            .ok_or(Error::Damaged { path, what: "the file does not say which index is in use" })
    }

    /// Before the first change of model there is no file, and the first index is in use. A library whose file was
    /// lost has another one; where that leaves no doubt, it is in use.
    fn guessed(folder: &Path) -> Layout {
        let mut in_use = FIRST.to_owned();
        if !folder.join(FIRST).exists()
            && let [other] = &indexes(folder)[..]
        {
            in_use.clone_from(other);
        }
        Layout { in_use, retired: Vec::new() }
    }

    /// Replaces the file, so that whoever reads it finds the old one or this one. Whoever calls it holds the lock.
    pub(super) fn write(&self, folder: &Path) -> Result<(), Error> {
        let (path, new) = (path(folder), folder.join("library.json.tmp"));
        let json = serde_json::to_vec(self).expect("plain fields become JSON");
        let replace = || -> io::Result<()> {
            let mut file = File::create(&new)?;
            file.write_all(&json)?;
            file.sync_all()?;
            fs::rename(&new, &path)?;
            // Windows neither needs nor allows it.
            if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
        };
        replace().map_err(super::io("replace", &path))
    }

    /// The folders of the other indexes, which may take the place of the one in use.
    pub(super) fn building(&self, folder: &Path) -> Vec<PathBuf> {
        let mut names = indexes(folder);
        names.retain(|name| *name != self.in_use && !self.retired.contains(name));
        names.into_iter().map(|name| folder.join(name)).collect()
    }
}

fn path(folder: &Path) -> PathBuf {
    folder.join("library.json")
}

/// The names of all indexes in `folder`, in their order.
fn indexes(folder: &Path) -> Vec<String> {
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
    fn what_is_in_use_is_read_or_beyond_doubt() {
        #[track_caller]
        fn check(json: Option<&str>, folders: &[&str], expected: Option<&str>) {
            let library = tempfile::tempdir().unwrap();
            folders.iter().for_each(|name| fs::create_dir(library.path().join(name)).unwrap());
            if let Some(json) = json {
                fs::write(path(library.path()), json).unwrap();
            }
            let layout = Layout::read(library.path());
            assert_eq!(layout.ok().map(|layout| layout.in_use).as_deref(), expected);
        }
        check(None, &[], Some("index"));
        check(None, &["index", "index-ab"], Some("index"));
        check(None, &["index-ab"], Some("index-ab"));
        check(None, &["index-ab", "index-cd"], Some("index"));
        check(Some(r#"{"in_use": "index-ab"}"#), &["index"], Some("index-ab"));
        check(Some(r#"{"in_use": "index-ab", "new": 1}"#), &[], Some("index-ab"));
        check(Some(r#"{"in_use": "../index"}"#), &[], None);
        check(Some(r#"{"in_use": "index", "retired": [".."]}"#), &[], None);
        check(Some(r#"{"in_use": "#), &[], None);
    }

    #[test]
    fn a_layout_comes_back_and_tells_what_is_being_built() {
        let library = tempfile::tempdir().unwrap();
        for name in ["index", "index-ab", "index-cd", "index.txt", "photos"] {
            fs::create_dir(library.path().join(name)).unwrap();
        }
        let layout = Layout { in_use: "index-ab".into(), retired: vec!["index".into()] };
        layout.write(library.path()).unwrap();
        assert_eq!(Layout::read(library.path()).unwrap(), layout);
        assert_eq!(layout.building(library.path()), [library.path().join("index-cd")]);
    }
}
