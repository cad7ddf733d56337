//! Invalid requests are refused and change nothing.

use std::fs;
use std::num::NonZeroUsize;

use imgsearch_index::{Change, Error, MAX_NOTE_LEN, MAX_PAYLOAD_LEN, SearchOptions, Searcher, Space, Vector};

use crate::fixture::{Fixture, at, put, put_at, space};

#[track_caller]
fn check_batch(changes: Vec<Change>, expected: fn(&Error) -> bool) {
    let index = Fixture::new();
    index.apply(vec![put("a", "1", Some(at(0.0))), put("b", "1", None)]);
    let writer = index.writer();
    let checked: Vec<_> = changes.iter().filter_map(|change| writer.check(change).err()).collect();
    assert!(matches!(&checked[..], [refused] if expected(refused)), "{checked:?}");
    let refused = writer.apply(changes).unwrap_err();
    assert!(expected(&refused), "{refused}");
    writer.close().unwrap();
    assert_eq!(index.listing(), ["(b=1)", "a=1"]);
}

#[test]
fn a_batch_is_refused_as_a_whole() {
    let too_long = "x".repeat(MAX_PAYLOAD_LEN + 1);
    let three = Some(Vector::normalized(vec![1.0; 3]).unwrap());
    let with = |refused| vec![put_at("a", 10.0), refused];
    check_batch(with(put("b", &too_long, None)), |e| matches!(e, Error::TooLong { .. }));
    check_batch(with(put("b", "", three)), |e| {
        matches!(e, Error::DimensionMismatch { found: 3, expected: 2, .. })
    });
}

#[test]
fn the_longest_payload_fits() {
    let index = Fixture::new();
    let payload = "x".repeat(MAX_PAYLOAD_LEN);
    index.apply(vec![put("a", &payload, None)]);
    assert_eq!(index.searcher().records().next().unwrap().unwrap().payload, payload.as_bytes());
}

#[track_caller]
fn check_space(other: &Space, expected: fn(&Error) -> bool) {
    let index = Fixture::new();
    index.apply(vec![put_at("a", 0.0)]);
    let refused = index.try_writer(other).expect_err("another space is refused");
    assert!(expected(&refused), "{refused}");
    assert_eq!(index.searcher().space(), &space());
}

#[test]
fn another_space_is_refused() {
    let mismatch = |e: &Error| {
        matches!(e, Error::SpaceMismatch { found, .. } if **found == space()) && e.hint().is_some()
    };
    check_space(&Space::new("model-2", "a model", 2).unwrap(), mismatch);
    check_space(&Space::new("model-1", "a model", 3).unwrap(), mismatch);
}

#[test]
fn another_label_is_accepted() {
    let index = Fixture::new();
    index.apply(vec![]);
    index.try_writer(&Space::new("model-1", "another name", 2).unwrap()).unwrap();
}

#[test]
fn a_second_writer_learns_the_pid_of_the_first() {
    let index = Fixture::new();
    let _first = index.writer();
    let refused = index.try_writer(&space()).expect_err("only one may write");
    assert!(matches!(refused, Error::Locked { pid, .. } if pid == Some(std::process::id())), "{refused}");
}

#[test]
fn a_folder_without_an_index_is_missing() {
    let index = Fixture::new();
    let is_missing = || matches!(Searcher::open(&index.dir()), Err(Error::Missing { .. }));
    assert!(is_missing());
    fs::create_dir_all(index.dir()).unwrap();
    assert!(is_missing());
    assert_eq!(fs::read_dir(index.dir()).unwrap().count(), 0, "looking for an index must not create one");
}

#[test]
fn a_query_must_fit_the_index() {
    let index = Fixture::new();
    index.apply(vec![put_at("a", 0.0)]);
    let searcher = index.searcher();
    let query = Vector::normalized(vec![1.0; 3]).unwrap();
    let refused = searcher.search(&query, NonZeroUsize::MIN, &SearchOptions::default()).unwrap_err();
    assert!(matches!(refused, Error::DimensionMismatch { found: 3, expected: 2, .. }), "{refused}");
}

#[test]
fn a_selection_of_another_searcher_is_refused() {
    let index = Fixture::new();
    index.apply(vec![put_at("a", 0.0)]);
    let selection = index.searcher().select(|_| true);
    let options = SearchOptions::default().filter(&selection);
    let refused = index.searcher().search(&at(0.0), NonZeroUsize::MIN, &options).unwrap_err();
    assert!(matches!(refused, Error::ForeignSelection { .. }), "{refused}");
}

#[test]
fn a_long_note_is_refused() {
    let index = Fixture::new();
    let writer = index.writer();
    writer.set_note(vec![1; MAX_NOTE_LEN]).unwrap();
    let refused = writer.set_note(vec![2; MAX_NOTE_LEN + 1]).unwrap_err();
    assert!(matches!(refused, Error::TooLong { .. }), "{refused}");
    assert_eq!(writer.note().unwrap(), Some(vec![1; MAX_NOTE_LEN]));
}
