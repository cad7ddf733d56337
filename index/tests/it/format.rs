//! Indexes in released formats must stay readable forever.
//!
//! `fixtures/format-1` was made by [`make_the_fixture`], and `fixtures/format-1-graph` by
//! [`make_the_fixture_with_a_graph`]. To run them: `cargo test -p imgsearch-index -- --ignored --exact
//! format::make_the_fixture`. Add new folders and tests for a new format; never make an existing folder again.

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch_index::{
    Error, GraphOptions, OptimizeOptions, SearchOptions, Searcher, Writer, WriterOptions, verify,
};

use crate::fixture::{Fixture, at, copy, delete, put, put_at, put_with, space};

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
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
    copy(&index.dir(), &fixture("format-1"));
    fs::remove_file(fixture("format-1").join("writer.lock")).unwrap();
}

#[test]
fn format_1_is_read() {
    let index = Fixture::new();
    copy(&fixture("format-1"), &index.dir());
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

/// The least number of rows for a graph.
const GRAPH_ROWS: u16 = 4_096;

#[test]
#[ignore = "makes the fixture anew"]
fn make_the_fixture_with_a_graph() {
    let index = Fixture::new();
    let graph = GraphOptions::default().m(2).ef_construction(20);
    let options = WriterOptions::default().graph(graph).cache_bytes(4 << 20);
    let writer = Writer::open(&index.dir(), &space(), options).unwrap();
    let degrees = |i: u16| f32::from(i) * 360.0 / f32::from(GRAPH_ROWS);
    writer.apply((0..GRAPH_ROWS).map(|i| put_at(&format!("{i:04}"), degrees(i))).collect()).unwrap();
    writer.optimize(&OptimizeOptions::default()).unwrap();
    writer.apply(vec![delete("0512")]).unwrap();
    writer.close().unwrap();
    copy(&index.dir(), &fixture("format-1-graph"));
    fs::remove_file(fixture("format-1-graph").join("writer.lock")).unwrap();
}

#[test]
fn format_1_with_a_graph_is_read() {
    let index = Fixture::new();
    copy(&fixture("format-1-graph"), &index.dir());
    let searcher = index.searcher();
    let rows = usize::from(GRAPH_ROWS) - 1;
    assert_eq!((searcher.stats().graph_rows, searcher.len()), (rows, rows));
    for degrees in [0.0, 45.0, 200.0] {
        let k = std::num::NonZeroUsize::new(3).unwrap();
        let walk = searcher.search(&at(degrees), k, &SearchOptions::default()).unwrap();
        assert!(walk[0].score > 0.999_99 && walk.iter().all(|hit| hit.key.as_bytes() != b"0512"), "{walk:?}");
    }
    assert!(verify(&index.dir()).unwrap().is_clean());
    // The catalog contains the graph too.
    let graph = fs::read_dir(index.dir()).unwrap().map(|entry| entry.unwrap().path());
    let graph =
        graph.into_iter().find(|path| path.extension().is_some_and(|found| found == "graph")).unwrap();
    fs::remove_file(&graph).unwrap();
    drop(index.writer());
    assert_eq!(index.searcher().stats().graph_rows, rows);
    // It has no recall curve, so it is rebuilt, again with the least number of rows.
    let writer = index.writer();
    writer.apply(vec![put_at("one more", 1.0)]).unwrap();
    writer.optimize(&OptimizeOptions::default()).unwrap();
    writer.close().unwrap();
    let newer = fs::read_dir(index.dir()).unwrap().map(|entry| entry.unwrap().path());
    let newer: Vec<_> = newer.filter(|path| path.extension().is_some_and(|found| found == "graph")).collect();
    assert!(newer.len() == 1 && newer[0] != graph, "{newer:?}");
    assert_eq!(fs::read(&newer[0]).unwrap()[8], 2, "its format");
    assert!(verify(&index.dir()).unwrap().is_clean());
}

/// Both format numbers are protected by a checksum, which is corrected here.
#[test]
fn a_newer_format_is_refused_by_name() {
    let index = Fixture::new();
    copy(&fixture("format-1"), &index.dir());
    let path = index.dir().join("manifest");
    let mut bytes = fs::read(&path).unwrap();
    bytes[8] = 3;
    let content = bytes.len() - 4;
    let checksum = crc32fast::hash(&bytes[..content]);
    bytes[content..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&path, bytes).unwrap();
    let newer =
        |error: Option<Error>| matches!(error, Some(Error::NewerFormat { found: 3, expected: 2, .. }));
    assert!(newer(Searcher::open(&index.dir()).err()));
    assert!(newer(Writer::open(&index.dir(), &space(), WriterOptions::default()).err()));
    assert!(newer(verify(&index.dir()).err()));
}
