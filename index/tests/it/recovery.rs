//! Recovery from missing or damaged files.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use imgsearch_index::{Error, SearchOptions, Searcher, repair, verify};

use crate::fixture::{Fixture, at, delete, key, put, put_at};

/// Three segments: `a` replaced, `b` deleted, `c` without a vector.
fn index() -> Fixture {
    let index = Fixture::new();
    index.apply(vec![put("a", "1", Some(at(0.0))), put("b", "1", Some(at(10.0))), put_at("d", 20.0)]);
    index.apply(vec![put("a", "2", Some(at(30.0))), put("c", "3", None)]);
    index.apply(vec![delete("b"), put_at("e", 40.0)]);
    index
}

const LISTING: [&str; 4] = ["(c=3)", "a=2", "d=", "e="];

fn files(index: &Fixture, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(index.dir()).unwrap().map(|entry| entry.unwrap().path());
    entries.filter(|path| path.extension().is_some_and(|found| found == extension)).collect()
}

/// Does some damage, opens a writer, and checks the contents.
#[track_caller]
fn check(damage: impl Fn(&Fixture)) {
    let index = index();
    damage(&index);
    index.apply(vec![]);
    assert_eq!(index.listing(), LISTING);
    assert!(verify(&index.dir()).unwrap().is_clean());
    let hits = index.searcher().search(&at(30.0), NonZeroUsize::MIN, &SearchOptions::default()).unwrap();
    assert_eq!(hits[0].key, key("a"));
    assert!((hits[0].score - 1.0).abs() < 1e-3);
}

fn remove(path: &Path) {
    if path.is_dir() { fs::remove_dir_all(path).unwrap() } else { fs::remove_file(path).unwrap() }
}

fn damage(path: &Path) {
    let mut bytes = fs::read(path).unwrap();
    bytes.truncate(bytes.len() / 2);
    fs::write(path, bytes).unwrap();
}

#[test]
fn one_side_is_made_again_from_the_other() {
    check(|_| {});
    check(|index| remove(&index.dir().join("catalog")));
    check(|index| {
        fs::write(index.dir().join("catalog/db"), "").unwrap();
        assert!(matches!(index.try_writer(&crate::fixture::space()), Err(Error::Damaged { .. })));
        assert_eq!(repair(&index.dir()).unwrap().lost, []);
    });
    check(|index| remove(&index.dir().join("manifest")));
    check(|index| damage(&index.dir().join("manifest")));
    check(|index| files(index, "segment").iter().for_each(|path| remove(path)));
    check(|index| remove(&files(index, "segment")[0]));
    check(|index| damage(&files(index, "segment")[1]));
}

#[test]
fn what_a_crash_leaves_behind_is_removed() {
    check(|index| fs::write(index.dir().join("0000000000000099.segment"), "half").unwrap());
    let index = index();
    fs::write(index.dir().join("0000000000000099.segment.tmp"), "half").unwrap();
    fs::create_dir(index.dir().join("catalog.tmp")).unwrap();
    index.apply(vec![]);
    assert_eq!((files(&index, "tmp").len(), index.listing()), (0, LISTING.map(String::from).to_vec()));
}

#[test]
fn what_both_sides_have_lost_is_named() {
    let index = index();
    remove(&index.dir().join("catalog"));
    let path = files(&index, "segment").into_iter().min().unwrap();
    let mut bytes = fs::read(&path).unwrap();
    let last = bytes.len() - 1;
    // Damage the last record, that of the last key.
    bytes[last] ^= 1;
    fs::write(&path, &bytes).unwrap();
    assert!(matches!(index.try_writer(&crate::fixture::space()), Err(Error::Damaged { .. })));
    let report = repair(&index.dir()).unwrap();
    assert!(!report.is_clean());
    assert!(verify(&index.dir()).unwrap().is_clean());
    assert!(index.listing().len() >= 3);
}

/// The keys in a segment cannot be read either.
#[test]
fn lost_records_without_readable_keys_are_reported() {
    #[track_caller]
    fn check(losses: &[&dyn Fn(&Fixture)], lost_others: bool) {
        let index = index();
        losses.iter().for_each(|lose| lose(&index));
        let report = repair(&index.dir()).unwrap();
        assert_eq!((report.lost_others, report.is_whole_again()), (lost_others, !lost_others));
        assert!(verify(&index.dir()).unwrap().is_clean());
    }
    let catalog = |index: &Fixture| remove(&index.dir().join("catalog"));
    let manifest = |index: &Fixture| remove(&index.dir().join("manifest"));
    let segments = |index: &Fixture| files(index, "segment").iter().for_each(|path| remove(path));
    let half_a_segment = |index: &Fixture| damage(&files(index, "segment")[0]);
    check(&[&catalog], false);
    check(&[&segments], false);
    check(&[&catalog, &segments], true);
    check(&[&catalog, &half_a_segment], true);
    check(&[&catalog, &manifest, &half_a_segment], true);
}

#[test]
fn a_damaged_catalog_is_an_error_with_a_hint() {
    let index = index();
    let path = index.dir().join("catalog/db");
    let mut bytes = fs::read(&path).unwrap();
    bytes.iter_mut().skip(10).step_by(7).for_each(|byte| *byte ^= 0x55);
    fs::write(&path, bytes).unwrap();
    if let Err(error) = index.try_writer(&crate::fixture::space()) {
        assert!(error.hint().is_some(), "{error}");
    }
    repair(&index.dir()).unwrap();
    assert_eq!(index.listing(), LISTING);
    index.apply(vec![put_at("f", 0.0)]);
    assert_eq!(index.listing().len(), 5);
}

#[test]
fn searchers_need_neither_catalog_nor_lock() {
    let index = index();
    let writer = index.writer();
    writer.apply(vec![put_at("f", 50.0)]).unwrap();
    assert_eq!(Searcher::open(&index.dir()).unwrap().len(), 3, "not published yet");
    writer.publish().unwrap();
    let before = Searcher::open(&index.dir()).unwrap();
    assert_eq!(before.len(), 4);
    writer.apply(vec![delete("f"), delete("e")]).unwrap();
    writer.publish().unwrap();
    assert_eq!((before.len(), Searcher::open(&index.dir()).unwrap().len()), (4, 2));
    writer.close().unwrap();
    remove(&index.dir().join("catalog"));
    assert_eq!(index.searcher().len(), 2);
}
