//! An index that this version's format was released with is read for ever.
//!
//! `fixtures/format-1` was made by [`make_the_fixture`], which only runs when asked for:
//! `cargo test -p imgsearch-index -- --ignored make_the_fixture`. A new format gets a new folder and a test
//! beside this one; a folder that is there is never made again.

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch_index::{Error, SearchOptions, Searcher, Writer, WriterOptions, verify};

use crate::fixture::{Fixture, at, delete, put, put_at, put_with, space};

fn fixture() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(Result::unwrap) {
        let to = to.join(entry.file_name());
        if entry.path().is_dir() { copy(&entry.path(), &to) } else { _ = fs::copy(entry.path(), to).unwrap() }
    }
}

#[test]
#[ignore = "makes the fixture anew"]
fn make_the_fixture() {
    let index = Fixture::new();
    index.apply(vec![put_with("a", "1", Some(1), Some(at(0.0))), put_at("b", 10.0), put("c", "3", None)]);
    index.apply(vec![put_at("d", 20.0), put_with("e", "5", Some(2), Some(at(30.0)))]);
    index.apply(vec![delete("b")]);
    index.writer().set_note(b"note".to_vec()).unwrap();
    index.apply(vec![]);
    copy(&index.dir(), &fixture());
    fs::remove_file(fixture().join("writer.lock")).unwrap();
}

#[test]
fn format_1_is_read() {
    let index = Fixture::new();
    copy(&fixture(), &index.dir());
    let expected = ["(c=3)", "a=1", "d=", "e=5"];
    assert_eq!(
        (index.listing(), index.searcher().note()),
        (expected.map(String::from).to_vec(), Some(&b"note"[..]))
    );
    let k = std::num::NonZeroUsize::new(2).unwrap();
    let hits = index.searcher().search(&at(25.0), k, &SearchOptions::default()).unwrap();
    assert_eq!((hits[0].key.as_bytes(), hits[1].key.as_bytes()), (&b"d"[..], &b"e"[..]));
    assert!(verify(&index.dir()).unwrap().is_clean());
    index.apply(vec![put_at("f", 0.0)]);
    assert_eq!(index.listing().len(), 5);
}

/// Both numbers are kept behind a checksum, which is made right again.
#[test]
fn a_newer_format_is_refused_by_name() {
    let index = Fixture::new();
    copy(&fixture(), &index.dir());
    let path = index.dir().join("manifest");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 2;
    let content = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let newer =
        |error: Option<Error>| matches!(error, Some(Error::NewerFormat { found: 2, expected: 1, .. }));
    assert!(newer(Searcher::open(&index.dir()).err()));
    assert!(newer(Writer::open(&index.dir(), &space(), WriterOptions::default()).err()));
    assert!(newer(verify(&index.dir()).err()));
}
