//! An index in a temporary folder, and helpers for its contents.

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch_index::{
    Change, Error, Fingerprint, Key, Record, Searcher, Space, Vector, Writer, WriterOptions,
};
use tempfile::TempDir;

pub(crate) struct Fixture {
    folder: TempDir,
}

impl Fixture {
    pub(crate) fn new() -> Fixture {
        Fixture { folder: tempfile::tempdir().expect("a temporary folder") }
    }

    /// A folder that does not exist yet.
    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("new/index")
    }

    pub(crate) fn writer(&self) -> Writer {
        self.try_writer(&space()).expect("the index opens for writing")
    }

    pub(crate) fn try_writer(&self, space: &Space) -> Result<Writer, Error> {
        Writer::open(&self.dir(), space, WriterOptions::default().cache_bytes(4 << 20))
    }

    pub(crate) fn searcher(&self) -> Searcher {
        Searcher::open(&self.dir()).expect("the index opens for searching")
    }

    /// Applies the changes and closes the writer.
    pub(crate) fn apply(&self, changes: Vec<Change>) {
        let writer = self.writer();
        writer.apply(changes).expect("the changes apply");
        writer.close().expect("the writer closes");
    }

    /// All records that a searcher sees as sorted `key=payload`, in brackets if they have no vector.
    pub(crate) fn listing(&self) -> Vec<String> {
        let searcher = self.searcher();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let mut lines: Vec<String> = searcher
            .records()
            .map(|found| found.expect("a readable record"))
            .map(|found| match found.has_vector {
                true => format!("{}={}", text(found.key), text(found.payload)),
                false => format!("({}={})", text(found.key), text(found.payload)),
            })
            .collect();
        lines.sort();
        lines
    }
}

pub(crate) fn space() -> Space {
    Space::new("model-1", "a model", 2).unwrap()
}

pub(crate) fn key(key: &str) -> Key {
    Key::new(key).expect("a valid key")
}

/// The unit vector at this many degrees.
pub(crate) fn at(degrees: f32) -> Vector {
    let radians = degrees.to_radians();
    Vector::normalized(vec![radians.cos(), radians.sin()]).expect("a unit vector")
}

pub(crate) fn put(name: &str, payload: &str, vector: Option<Vector>) -> Change {
    put_with(name, payload, None, vector)
}

pub(crate) fn put_with(name: &str, payload: &str, fingerprint: Option<u8>, vector: Option<Vector>) -> Change {
    let fingerprint = fingerprint.map(|byte| Fingerprint([byte; 16]));
    Change::Put { key: key(name), record: Record { fingerprint, payload: payload.into() }, vector }
}

pub(crate) fn put_at(name: &str, degrees: f32) -> Change {
    put(name, "", Some(at(degrees)))
}

pub(crate) fn delete(name: &str) -> Change {
    Change::Delete { key: key(name) }
}

/// Copies a folder with everything in it.
pub(crate) fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("a folder") {
        let entry = entry.expect("an entry");
        let to = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &to);
        } else {
            fs::copy(entry.path(), to).expect("a file");
        }
    }
}
