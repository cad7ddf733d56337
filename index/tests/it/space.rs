//! Disk space: the space of deleted rows is freed.

use imgsearch_index::{OptimizeOptions, Vector};

use crate::fixture::{Fixture, delete, put};

const ROWS: u16 = 3_000;

/// Rows with two dimensions and a payload that makes them about as large as rows with 512.
fn fill(index: &Fixture) {
    let (payload, vector) = ("p".repeat(2_000), Vector::normalized(vec![1.0, 0.0]).unwrap());
    index.apply((0..ROWS).map(|i| put(&format!("{i:05}"), &payload, Some(vector.clone()))).collect());
}

#[test]
fn segments_with_many_dead_rows_are_rewritten() {
    let index = Fixture::new();
    fill(&index);
    let names = |rows: std::ops::Range<u16>| rows.map(|i| delete(&format!("{i:05}"))).collect();
    index.apply(names(0..ROWS / 5));
    assert_eq!(index.searcher().stats().dead_rows, usize::from(ROWS / 5), "one in five is not yet too many");
    index.apply(names(ROWS / 5..ROWS / 5 + 1));
    let stats = index.searcher().stats();
    assert_eq!((stats.dead_rows, stats.rows), (0, usize::from(ROWS - ROWS / 5 - 1)));
}

#[test]
fn space_comes_back() {
    let index = Fixture::new();
    fill(&index);
    let full = index.searcher().stats().bytes_on_disk;
    index.apply((0..ROWS - 100).map(|i| delete(&format!("{i:05}"))).collect());
    let writer = index.writer();
    assert!(writer.optimize(&OptimizeOptions::default()).unwrap());
    writer.close().unwrap();
    let stats = index.searcher().stats();
    assert!(stats.bytes_on_disk < full / 8, "{} of {full}", stats.bytes_on_disk);
    assert_eq!((stats.rows, stats.dead_rows), (100, 0));
    assert!(imgsearch_index::verify(&index.dir()).unwrap().is_clean());
    assert_eq!(index.listing().len(), 100);
}
