//! What a searcher shows while others publish.

use std::fs;
use std::num::NonZeroUsize;

use imgsearch_index::{Error, OptimizeOptions, SearchOptions, Searcher};

use crate::fixture::{Fixture, at, delete, key, put_at};

/// Checks that a searcher opened before `change` notices the newer state and opens it.
#[track_caller]
fn check(change: impl FnOnce(&Fixture), expected: Option<usize>) {
    let index = Fixture::new();
    index.apply(vec![put_at("a", 0.0), put_at("b", 10.0)]);
    let searcher = index.searcher();
    assert!(searcher.is_current().unwrap() && searcher.newer().unwrap().is_none());
    change(&index);
    let newer = searcher.newer().unwrap();
    assert_eq!(newer.as_ref().map(Searcher::len), expected);
    assert_eq!(searcher.is_current().unwrap(), expected.is_none());
    assert_eq!(searcher.generation() == index.searcher().generation(), expected.is_none());
    if let Some(newer) = newer {
        assert!(newer.is_current().unwrap());
        assert_eq!(newer.generation(), index.searcher().generation());
    }
    // The old view has not changed.
    assert_eq!(searcher.len(), 2);
}

#[test]
fn every_publication_is_a_new_generation() {
    check(|index| index.apply(vec![put_at("c", 20.0)]), Some(3));
    check(|index| index.apply(vec![put_at("a", 20.0)]), Some(2));
    check(|index| index.apply(vec![delete("a")]), Some(1));
    let set_note = |index: &Fixture| {
        let writer = index.writer();
        writer.set_note(b"note".to_vec()).unwrap();
        writer.close().unwrap();
    };
    check(set_note, Some(2));
    let optimize = |index: &Fixture| {
        index.apply(vec![delete("b"), put_at("c", 20.0)]);
        assert!(index.writer().optimize(&OptimizeOptions::default()).unwrap());
    };
    check(optimize, Some(2));
}

#[test]
fn what_publishes_nothing_is_no_new_generation() {
    check(|index| index.writer().close().unwrap(), None);
    let apply = |index: &Fixture| index.writer().apply(vec![put_at("c", 20.0)]).unwrap();
    check(apply, None);
    check(|index| index.apply(vec![]), None);
}

#[test]
fn an_index_that_is_gone_is_missing() {
    let index = Fixture::new();
    index.apply(vec![put_at("a", 0.0)]);
    let searcher = index.searcher();
    fs::remove_dir_all(index.dir()).unwrap();
    assert!(!searcher.is_current().unwrap());
    let error = searcher.newer().unwrap_err();
    assert!(matches!(&error, Error::Missing { path } if *path == index.dir()), "{error}");
}

/// A newer view reuses the files that the older one has mapped, even if nobody else can open them any more.
#[cfg(unix)]
#[test]
fn a_newer_view_maps_only_what_is_new() {
    let index = Fixture::new();
    // Enough rows that one dead row does not cause a rewrite of the segment.
    index.apply((0..10u8).map(|i| put_at(&format!("{i}"), f32::from(i))).collect());
    let searcher = index.searcher();
    let files = fs::read_dir(index.dir()).unwrap().map(|entry| entry.unwrap().path());
    let old: Vec<_> = files.filter(|file| file.extension().is_some_and(|found| found == "segment")).collect();
    index.apply(vec![put_at("new", 20.0), delete("0")]);
    old.iter().for_each(|file| fs::remove_file(file).unwrap());
    assert!(Searcher::open(&index.dir()).is_err());
    let newer = searcher.newer().unwrap().unwrap();
    let nearest = |searcher: &Searcher| {
        let hits = searcher.search(&at(0.0), NonZeroUsize::MAX, &SearchOptions::default()).unwrap();
        (hits[0].key.clone(), hits.last().unwrap().key.clone(), hits.len())
    };
    assert_eq!(nearest(&searcher), (key("0"), key("9"), 10));
    assert_eq!(nearest(&newer), (key("1"), key("new"), 10));
}

#[test]
fn clones_are_one_searcher() {
    let index = Fixture::new();
    index.apply(vec![put_at("a", 0.0), put_at("b", 10.0)]);
    let searcher = index.searcher();
    let clone = searcher.clone();
    let selection = clone.select(|record| record.key == b"b");
    drop(clone);
    let search = |searcher: Searcher| {
        let options = SearchOptions::default().filter(&selection);
        searcher.search(&at(0.0), NonZeroUsize::MIN, &options).unwrap().swap_remove(0).key
    };
    let found = std::thread::scope(|scope| {
        let threads = [(); 4].map(|()| scope.spawn(|| search(searcher.clone())));
        threads.map(|thread| thread.join().unwrap())
    });
    assert!(found.iter().all(|key| key.as_bytes() == b"b"));
    let shown = format!("{searcher:?}");
    assert!(shown.starts_with("Searcher { dir: ") && shown.contains("len: 2"), "{shown}");
}
