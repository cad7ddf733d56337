//! Exact searches give the result of a full comparison with the stored vectors, on any data.

use std::num::NonZeroUsize;

use imgsearch_index::{
    Change, Key, Method, Record, SearchOptions, Searcher, Selection, Space, Vector, Writer, WriterOptions,
};
use proptest::prelude::*;
use tempfile::TempDir;

/// More rows than a core gathers before it compares them by half floats to bound memory.
const MANY: usize = 3_000;

/// An index with these vectors in segments of this size. The keys are in another order than the vectors.
fn indexed(vectors: &[Vector], segment_rows: usize) -> (TempDir, Searcher) {
    let folder = tempfile::tempdir().unwrap();
    let space = Space::new("id", "label", vectors[0].dim()).unwrap();
    let options = WriterOptions::default().cache_bytes(4 << 20).segment_rows(segment_rows);
    let writer = Writer::open(folder.path(), &space, options).unwrap();
    let puts: Vec<Change> = vectors.iter().enumerate().map(|(row, vector)| put(row, vector)).collect();
    for puts in puts.chunks(segment_rows) {
        writer.apply(puts.to_vec()).unwrap();
        writer.publish().unwrap();
    }
    writer.close().unwrap();
    let searcher = Searcher::open(folder.path()).unwrap();
    (folder, searcher)
}

fn put(row: usize, vector: &Vector) -> Change {
    let key = Key::new(format!("{:08}", row.wrapping_mul(7_919) % 65_536)).unwrap();
    Change::Put {
        key,
        record: Record { fingerprint: None, payload: Vec::new() },
        vector: Some(vector.clone()),
    }
}

/// The expected hits: scores and keys of all selected vectors by their dot products, best first.
fn compared(searcher: &Searcher, query: &Vector, keep: fn(&[u8]) -> bool) -> Vec<(u32, Vec<u8>)> {
    let mut scored: Vec<(f32, Vec<u8>)> = Vec::new();
    for stored in searcher.vectors() {
        let stored = stored.unwrap();
        if keep(stored.record.key) {
            scored.push((query.dot(&stored.vector.unwrap()), stored.record.key.to_vec()));
        }
    }
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then_with(|| a.1.cmp(&b.1)));
    scored.into_iter().map(|(score, key)| (score.to_bits(), key)).collect()
}

#[track_caller]
fn check_filtered(searcher: &Searcher, query: &Vector, keep: fn(&[u8]) -> bool, filter: Option<&Selection>) {
    let expected = compared(searcher, query, keep);
    let options = SearchOptions::default().filter(filter).method(Method::Exact);
    for k in [1, 2, 3, 10, 100, expected.len().saturating_sub(1).max(1), 10_000] {
        let hits = searcher.search(query, NonZeroUsize::new(k).unwrap(), &options).unwrap();
        let found: Vec<_> =
            hits.into_iter().map(|hit| (hit.score.to_bits(), hit.key.as_bytes().to_vec())).collect();
        assert!(found == expected[..k.min(expected.len())], "k {k} of {}", expected.len());
    }
}

/// Searches for the first vectors and some others, with and without a filter.
#[track_caller]
fn check(vectors: &[Vector], segment_rows: usize) {
    let (_folder, searcher) = indexed(vectors, segment_rows);
    assert_eq!(searcher.len(), vectors.len());
    let keep = |key: &[u8]| key.contains(&b'3');
    let selection = searcher.select(|record| keep(record.key));
    for query in vectors.iter().step_by(vectors.len().div_ceil(4)) {
        check_filtered(&searcher, query, |_| true, None);
        check_filtered(&searcher, query, keep, Some(&selection));
    }
}

/// Pseudo-random, between -1 and 1.
fn noise(seed: usize, i: usize) -> f32 {
    (((seed * 977 + i * 131) as f32 * 0.618_034).sin() * 43_758.547).fract()
}

/// A negative power of ten.
fn tenth(times: usize) -> f32 {
    (0..times).fold(1.0, |size, _| size / 10.0)
}

/// `rows` vectors: the same direction plus noise.
fn like(rows: usize, dim: usize, noisy: f32) -> Vec<Vector> {
    let component = |row: usize, i: usize| noise(0, i) + noisy * noise(row + 1, i);
    (0..rows).map(|row| Vector::normalized((0..dim).map(|i| component(row, i)).collect()).unwrap()).collect()
}

#[test]
fn of_nearly_equal_vectors() {
    // As in a time lapse, the differences are far below the steps of the codes.
    check(&like(600, 384, 1e-2), 600);
    check(&like(600, 384, 1e-3), 250);
    check(&like(MANY, 32, 1e-3), 700);
}

#[test]
fn of_vectors_that_differ_in_one_component() {
    let rows = (0..MANY).map(|row| {
        let component = |i: usize| if i == row % 40 { 1.0 + row as f32 * 1e-4 } else { 1.0 };
        Vector::normalized((0..40).map(component).collect()).unwrap()
    });
    check(&rows.collect::<Vec<_>>(), 1_100);
}

#[test]
fn of_equal_vectors() {
    check(&like(MANY, 17, 0.0), MANY);
    check(&like(MANY, 17, 0.0), 400);
}

#[test]
fn of_groups_of_equal_vectors_in_several_segments() {
    let groups = like(7, 65, 0.1);
    check(&(0..2_000).map(|row| groups[row % 7].clone()).collect::<Vec<_>>(), 300);
}

#[test]
fn of_ordinary_vectors() {
    for dim in [1, 2, 31, 64, 100, 513] {
        check(&like(500, dim, 2.0), 200);
    }
    check(&like(MANY, 64, 1.0), 2_000);
}

#[test]
fn of_vectors_with_a_few_large_and_many_tiny_components() {
    let rows = (0..1_000usize).map(|row| {
        let component = |i: usize| if i == row % 3 { 1.0 } else { noise(row, i) * tenth(i % 9) };
        Vector::normalized((0..70).map(component).collect()).unwrap()
    });
    check(&rows.collect::<Vec<_>>(), 400);
    let axes = (0..300usize).map(|row| {
        let sign = if row % 2 == 0 { 1.0 } else { -1.0 };
        Vector::normalized((0..64).map(|i| if i == row % 64 { sign } else { 0.0 }).collect()).unwrap()
    });
    check(&axes.collect::<Vec<_>>(), 100);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    /// Rows around a few centres, from equal to unrelated; with components from 1 down to 10⁻⁵.
    #[test]
    fn of_any_vectors(
        (dim, rows, centres) in (1..150usize, 1..400usize, 1..4usize),
        segment_rows in 20..300usize,
        (noisy, decades) in (0..8usize, 0..6usize),
        seed in 0..1_000usize,
    ) {
        let vectors: Vec<Vector> = (0..rows).map(|row| {
            let component = |i: usize| {
                tenth(i % (decades + 1)) * (noise(seed + row % centres, i) + tenth(noisy) * noise(seed + 7 + row, i))
            };
            // If all components happen to be zero, there is no vector.
            let components: Vec<f32> = (0..dim).map(component).collect();
            Vector::normalized(components).unwrap_or_else(|_| Vector::normalized(vec![1.0; dim]).unwrap())
        }).collect();
        check(&vectors, segment_rows);
    }
}
