//! Search results.

use std::num::NonZeroUsize;

use imgsearch_index::{Fingerprint, Hit, Method, SearchOptions};

use crate::fixture::{Fixture, at, delete, key, put, put_at, put_with};

fn names_of(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| String::from_utf8_lossy(hit.key.as_bytes()).into_owned()).collect()
}

/// Rows at 0, 10, … 90 degrees named after their angle, one row without a vector, and a deleted one.
fn fan() -> Fixture {
    let index = Fixture::new();
    let mut changes: Vec<_> = (0..10u8).map(|i| put_at(&format!("{i}0"), f32::from(i) * 10.0)).collect();
    changes.push(put("nothing", "", None));
    changes.push(put_at("gone", 45.0));
    index.apply(changes);
    index.apply(vec![delete("gone")]);
    index
}

#[track_caller]
fn check(degrees: f32, k: usize, keep: impl Fn(&[u8], &[u8]) -> bool + Sync, expected: &[&str]) {
    let index = fan();
    let searcher = index.searcher();
    let selection = searcher.select(|record| keep(record.key, record.payload));
    let options = SearchOptions::default().filter(&selection);
    let hits = searcher.search(&at(degrees), NonZeroUsize::new(k).unwrap(), &options).unwrap();
    assert_eq!(names_of(&hits), expected);
    assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
}

#[test]
fn the_closest_come_first() {
    check(42.0, 3, |_, _| true, &["40", "50", "30"]);
    check(-5.0, 2, |_, _| true, &["00", "10"]);
    check(90.0, 1, |_, _| true, &["90"]);
    check(1.0, usize::MAX, |_, _| true, &["00", "10", "20", "30", "40", "50", "60", "70", "80", "90"]);
}

#[test]
fn filters_leave_as_many_as_match() {
    check(42.0, 3, |key, _| key != b"40", &["50", "30", "60"]);
    check(0.0, 2, |key, _| key >= &b"70"[..], &["70", "80"]);
    check(0.0, 9, |key, _| key == b"90", &["90"]);
    check(0.0, 9, |key, _| key == b"gone" || key == b"nothing", &[]);
}

#[test]
fn a_record_is_found_by_its_key_and_its_content() {
    let index = fan();
    index.apply(vec![put_with("60", "newer", Some(7), Some(at(61.0))), put_with("none", "", Some(8), None)]);
    let searcher = index.searcher();
    let get = |name: &str| searcher.get(&key(name)).unwrap();
    let newer = get("60").unwrap();
    assert_eq!(newer.record.payload, b"newer");
    assert!((newer.vector.unwrap().dot(&at(61.0)) - 1.0).abs() < 1e-3);
    assert_eq!(get("nothing").unwrap().vector, None);
    assert_eq!((get("gone"), get("00a"), get("zz")), (None, None, None));
    assert_eq!(searcher.vectors().filter(|stored| stored.as_ref().unwrap().vector.is_some()).count(), 10);
    assert_eq!(searcher.vectors().count(), 10);
}

/// The records are in several segments; some have no vector, one is replaced, and one deleted.
#[test]
fn all_records_of_a_content_are_found() {
    let index = fan();
    for (name, degrees) in
        [("a", Some(61.0)), ("b", Some(62.0)), ("c", None), ("d", Some(63.0)), ("e", Some(64.0))]
    {
        index.apply(vec![put_with(name, "old", Some(7), degrees.map(at))]);
    }
    index.apply(vec![
        put_with("b", "new", Some(7), Some(at(65.0))),
        put_with("d", "", Some(8), Some(at(0.0))),
    ]);
    index.apply(vec![delete("e")]);
    let searcher = index.searcher();
    let keys = |byte| {
        let found = searcher.records_of(&Fingerprint([byte; 16])).map(Result::unwrap);
        let mut keys: Vec<Vec<u8>> = found.map(|stored| stored.record.key.to_vec()).collect();
        keys.sort();
        keys
    };
    assert_eq!(
        (keys(7), keys(8), keys(9)),
        (vec![b"a".to_vec(), b"b".to_vec()], vec![b"d".to_vec()], vec![])
    );
    for stored in searcher.records_of(&Fingerprint([7; 16])).map(Result::unwrap) {
        let (payload, degrees) = if stored.record.key == b"a" { (b"old", 61.0) } else { (b"new", 65.0) };
        assert_eq!(stored.record.payload, payload);
        assert!((stored.vector.unwrap().dot(&at(degrees)) - 1.0).abs() < 1e-6);
    }
}

#[test]
fn a_hit_tells_its_content_and_its_payload() {
    let index = Fixture::new();
    index.apply(vec![put_with("a", "A", Some(7), Some(at(0.0))), put("b", "B", Some(at(90.0)))]);
    let hits = index.searcher().search(&at(0.0), NonZeroUsize::new(2).unwrap(), &Default::default()).unwrap();
    let told: Vec<_> = hits.iter().map(|hit| (hit.fingerprint, hit.payload.as_slice())).collect();
    assert_eq!(told, [(Some(Fingerprint([7; 16])), &b"A"[..]), (None, b"B")]);
}

#[test]
fn the_score_is_the_cosine() {
    let index = fan();
    let options = SearchOptions::default().method(Method::Exact);
    let hits = index.searcher().search(&at(0.0), NonZeroUsize::new(10).unwrap(), &options).unwrap();
    for (i, hit) in (0..10u8).zip(&hits) {
        let cosine = (f32::from(i) * 10.0).to_radians().cos();
        assert!((hit.score - cosine).abs() < 1e-3, "{hit:?}");
    }
}

#[test]
fn equal_scores_come_in_the_order_of_their_keys() {
    let index = Fixture::new();
    for name in ["c", "a", "d", "b"] {
        index.apply(vec![put_at(name, 20.0)]);
    }
    let hits = index.searcher().search(&at(0.0), NonZeroUsize::new(3).unwrap(), &Default::default()).unwrap();
    assert_eq!(names_of(&hits), ["a", "b", "c"]);
}

#[test]
fn selections_count_rows_and_see_payloads() {
    let index = Fixture::new();
    index.apply(vec![put("a", "cat", Some(at(0.0))), put("b", "dog", Some(at(0.0))), put("c", "cat", None)]);
    let searcher = index.searcher();
    let cats = searcher.select(|record| record.payload == b"cat");
    assert_eq!((cats.len(), cats.is_empty()), (1, false));
    assert!(searcher.select(|_| false).is_empty());
    let options = SearchOptions::default().filter(&cats);
    let hits = searcher.search(&at(0.0), NonZeroUsize::new(5).unwrap(), &options).unwrap();
    assert_eq!((hits[0].payload.as_slice(), &hits[0].key, hits.len()), (&b"cat"[..], &key("a"), 1));
}

/// With several segments, one with dead rows, and with missing keys.
#[test]
fn rows_are_selected_by_their_keys() {
    let index = fan();
    index.apply(vec![put_at("20", 21.0), put_at("95", 95.0), put("96", "", None)]);
    let searcher = index.searcher();
    let check = |names: &[&str], expected: &[&str]| {
        let keys: Vec<_> = names.iter().map(|name| key(name)).collect();
        let selection = searcher.select_keys(&keys).unwrap();
        assert_eq!(selection.len(), expected.len(), "{names:?}");
        let options = SearchOptions::default().filter(&selection);
        let hits = searcher.search(&at(0.0), NonZeroUsize::new(20).unwrap(), &options).unwrap();
        assert_eq!(names_of(&hits), expected);
    };
    check(&[], &[]);
    check(&["95", "00", "20", "95"], &["00", "20", "95"]);
    check(&["gone", "nothing", "96", "0", "zz", "50"], &["50"]);
}

#[test]
fn an_empty_index_finds_nothing() {
    let index = Fixture::new();
    index.apply(vec![put("a", "", None)]);
    let searcher = index.searcher();
    assert!(searcher.is_empty());
    assert_eq!(searcher.search(&at(0.0), NonZeroUsize::MIN, &Default::default()).unwrap(), []);
    assert_eq!((searcher.stats().rows, searcher.stats().remembered), (0, 1));
}
