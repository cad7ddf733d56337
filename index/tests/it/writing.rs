//! Applying batches.

use imgsearch_index::{Change, Fingerprint, Key, Vector};

use crate::fixture::{Fixture, at, delete, key, put, put_at, put_with};

/// Applies the batches one after another, and checks the contents.
#[track_caller]
fn check<const N: usize>(batches: [Vec<Change>; N], expected: &[&str]) {
    let index = Fixture::new();
    for batch in batches {
        index.apply(batch);
    }
    assert_eq!(index.listing(), expected);
}

fn new() -> Option<Vector> {
    Some(at(0.0))
}

#[test]
fn puts_and_deletes() {
    check([vec![]], &[]);
    check([vec![put("b", "2", new()), put("a", "1", new())]], &["a=1", "b=2"]);
    check([vec![put("a", "1", None)]], &["(a=1)"]);
    check([vec![put("a", "1", new())], vec![put("a", "2", new())]], &["a=2"]);
    check([vec![put("a", "1", new())], vec![put("a", "2", None)]], &["(a=2)"]);
    check([vec![put("a", "1", None)], vec![put("a", "2", new())]], &["a=2"]);
    check([vec![put("a", "1", new())], vec![delete("a"), delete("never")]], &[]);
}

#[test]
fn of_several_changes_to_a_key_the_last_counts() {
    check([vec![put("a", "1", new()), put("a", "2", new())]], &["a=2"]);
    check([vec![put("a", "1", new()), delete("a")]], &[]);
    check([vec![put("a", "1", new())], vec![delete("a"), put("a", "2", new())]], &["a=2"]);
}

#[test]
fn a_record_is_found_by_its_content_only() {
    let index = Fixture::new();
    let writer = index.writer();
    let content = Fingerprint([1; 16]);
    #[track_caller]
    fn check(writer: &imgsearch_index::Writer, content: Fingerprint, expected: Option<f32>) {
        let found = writer.records_of(&content).next().map(|found| found.unwrap().2);
        assert_eq!(found.is_some(), expected.is_some());
        if let (Some(found), Some(degrees)) = (found, expected) {
            assert!((found.dot(&at(degrees)) - 1.0).abs() < 1e-3);
        }
    }
    check(&writer, content, None);
    writer.apply(vec![put_with("a", "", Some(1), None)]).unwrap();
    check(&writer, content, None);
    writer.apply(vec![put_with("b", "", Some(1), Some(at(30.0)))]).unwrap();
    check(&writer, content, Some(30.0));
    writer.apply(vec![put_with("b", "", Some(2), Some(at(90.0)))]).unwrap();
    check(&writer, content, None);
    check(&writer, Fingerprint([2; 16]), Some(90.0));
}

#[test]
fn fingerprints_lead_to_all_records_that_have_a_vector() {
    let index = Fixture::new();
    let writer = index.writer();
    #[track_caller]
    fn check(writer: &imgsearch_index::Writer, byte: u8, expected: &[&str]) {
        let found = writer.records_of(&Fingerprint([byte; 16])).map(|found| found.unwrap().0);
        assert_eq!(found.collect::<Vec<Key>>(), expected.iter().map(|name| key(name)).collect::<Vec<_>>());
    }
    writer
        .apply(vec![
            put_with("b", "", Some(1), new()),
            put_with("a", "", Some(1), new()),
            put_with("c", "", Some(1), None),
            put_with("d", "", Some(2), new()),
            put_with("e", "", None, new()),
        ])
        .unwrap();
    check(&writer, 1, &["a", "b"]);
    check(&writer, 2, &["d"]);
    check(&writer, 3, &[]);
    writer.apply(vec![delete("a"), put_with("b", "", Some(2), new()), put("d", "", new())]).unwrap();
    check(&writer, 1, &[]);
    check(&writer, 2, &["b"]);
}

#[test]
fn records_are_read_back_by_key_and_by_prefix() {
    let index = Fixture::new();
    let writer = index.writer();
    let names = ["a", "a/1", "a/2", "b/1"];
    writer.apply(names.iter().map(|name| put(name, name, None)).collect()).unwrap();
    let under = |prefix: &str| -> Vec<String> {
        writer
            .records(prefix.as_bytes())
            .map(|found| String::from_utf8(found.unwrap().1.payload).unwrap())
            .collect()
    };
    assert_eq!(under(""), names);
    assert_eq!(under("a/"), ["a/1", "a/2"]);
    assert_eq!(under("c"), [""; 0]);
    assert_eq!(writer.get(&key("a")).unwrap().unwrap().payload, b"a");
    assert_eq!(writer.get(&key("c")).unwrap(), None);
}

#[test]
fn threads_take_turns() {
    let index = Fixture::new();
    let writer = index.writer();
    std::thread::scope(|scope| {
        for thread in 0..4 {
            let writer = &writer;
            scope.spawn(move || {
                for i in 0..25 {
                    writer.apply(vec![put_at(&format!("{thread}-{i}"), 0.0)]).unwrap();
                }
            });
        }
    });
    writer.close().unwrap();
    assert_eq!(index.searcher().len(), 100);
}
