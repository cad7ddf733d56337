//! A RAW file is skipped in favour of the JPEG beside it, but only if that is in the library.

use std::fs;
use std::path::Path;

use crate::workspace::{Workspace, dng, jpeg};

struct Pairs(Workspace);

impl Pairs {
    fn new() -> Pairs {
        Pairs(Workspace::new())
    }

    fn write(&self, name: &str, bytes: &[u8]) {
        fs::write(self.0.photos().join(name), bytes).unwrap();
    }

    /// Checks the contents of the library, in order.
    #[track_caller]
    fn check(&self, expected: &[&str]) {
        let mut found: Vec<_> = self.0.found(&[]).iter().map(|path| name(path)).collect();
        found.sort();
        assert_eq!(found, expected);
    }
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

#[test]
fn a_raw_file_is_skipped_only_for_a_jpeg_that_is_in_the_library() {
    let pairs = Pairs::new();
    for (seed, raw) in (0..).zip(["A.DNG", "B.DNG", "C.DNG", "D.DNG", "E.DNG"]) {
        pairs.write(raw, &dng(seed));
    }
    pairs.write("A.JPG", &jpeg(480, 320, 10));
    pairs.write("B.jpg", &jpeg(480, 320, 11));
    pairs.write("C.JPG", b"");
    #[cfg(unix)]
    std::os::unix::fs::symlink("/nowhere/at/all.jpg", pairs.0.photos().join("D.jpg")).unwrap();
    let first = pairs.0.index(&[], 2);
    first.check(&[("embedded", 5)]);
    assert!(first.0.contains("2 RAW files skipped in favour of their JPEGs"), "{}", first.0);
    pairs.check(&["A.JPG", "B.jpg", "C.DNG", "D.DNG", "E.DNG"]);
    assert_eq!(pairs.0.status()["stood_back"], 2);
    let second = pairs.0.index(&[], 0);
    second.check(&[("embedded", 0), ("unchanged", 5), ("removed", 0)]);
    pairs.0.index(&["--exclude", "*.jpg"], 0).check(&[("embedded", 1), ("removed", 2)]);
    pairs.check(&["A.JPG", "B.DNG", "C.DNG", "D.DNG", "E.DNG"]);
}

/// Each JPEG is missing from the library, or unsuitable, for a different reason.
#[test]
fn if_the_jpeg_is_missing_the_raw_file_is_indexed() {
    let pairs = Pairs::new();
    for (seed, raw) in (0..).zip(["damaged.CR2", "large.NEF", "tiny.ARW", "folder.DNG", "other name.DNG"]) {
        pairs.write(raw, &dng(seed));
    }
    let whole = jpeg(480, 320, 10);
    pairs.write("damaged.jpg", &whole[..100]);
    let large = fs::File::create(pairs.0.photos().join("large.jpeg")).unwrap();
    large.set_len(300 << 20).unwrap();
    pairs.write("tiny.JPG", &jpeg(160, 120, 12));
    fs::create_dir(pairs.0.photos().join("folder.jpg")).unwrap();
    pairs.write("Other Name.jpg", &jpeg(480, 320, 13));
    pairs.0.index(&[], 2).check(&[("embedded", 7), ("skipped", 2)]);
    pairs.check(&[
        "Other Name.jpg",
        "damaged.CR2",
        "folder.DNG",
        "large.NEF",
        "other name.DNG",
        "tiny.ARW",
        "tiny.JPG",
    ]);
}

#[test]
fn a_raw_file_follows_changes_of_its_jpeg() {
    let pairs = Pairs::new();
    pairs.write("a.DNG", &dng(1));
    pairs.0.index(&[], 0).check(&[("embedded", 1)]);
    pairs.check(&["a.DNG"]);
    let expect = |jpeg: &[u8], exit, expected: &[&str]| {
        pairs.write("a.JPEG", jpeg);
        pairs.0.index(&[], exit);
        pairs.check(expected);
    };
    expect(&jpeg(480, 320, 2), 0, &["a.JPEG"]);
    expect(b"broken", 2, &["a.DNG"]);
    expect(&jpeg(480, 320, 2), 0, &["a.JPEG"]);
    fs::remove_file(pairs.0.photos().join("a.JPEG")).unwrap();
    pairs.0.index(&[], 0).check(&[("removed", 1), ("embedded", 1)]);
    pairs.check(&["a.DNG"]);
}

#[test]
fn a_raw_file_given_as_a_root_is_indexed() {
    let pairs = Pairs::new();
    pairs.write("a.DNG", &dng(1));
    pairs.write("a.JPG", &jpeg(480, 320, 2));
    let (folder, raw) = (pairs.0.photos(), pairs.0.photos().join("a.DNG"));
    pairs.0.index_paths(&[&folder, &raw], &[], 0).check(&[("embedded", 2)]);
    pairs.check(&["a.DNG", "a.JPG"]);
}

#[test]
#[cfg(unix)]
fn a_change_of_model_does_not_wait_for_skipped_raw_files() {
    let pairs = Pairs::new();
    pairs.write("a.DNG", &dng(1));
    pairs.0.index(&[], 0);
    pairs.write("a.JPG", &jpeg(480, 320, 2));
    let other = pairs.0.other_model();
    let changed = pairs.0.index(&["--model", other.to_str().unwrap()], 0);
    assert!(changed.0.contains("the library now uses `other`"), "{}", changed.0);
    pairs.check(&["a.JPG"]);
}
