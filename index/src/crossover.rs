//! Measures where walking a graph begins to pay: `cargo test --release -p imgsearch-index crossover -- --ignored
//! --nocapture`. `scripts/bench/ann --crossover` runs it; constants cite what it prints.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::time::Instant;

use crate::codes::Query;
use crate::hnsw::{self, Builder, Graph, Plan};
use crate::selection::Allowed;
use crate::test_segment::{clustered, segment};
use crate::{GraphOptions, scan};

const DIM: usize = 512;
const EF: usize = 64;
const K: usize = 10;
const QUERIES: usize = 200;

/// Microseconds that `work` takes for one of `queries`.
fn micros(queries: &[Query<'_>], mut work: impl FnMut(&Query<'_>)) -> f64 {
    let begin = Instant::now();
    queries.iter().for_each(&mut work);
    begin.elapsed().as_secs_f64() * 1e6 / queries.len() as f64
}

/// Both on one thread: rows, then of how many one may be returned, then microseconds of the scan and the walk.
fn measure(rows: usize, one_in: &[usize]) {
    let folder = tempfile::tempdir().unwrap();
    let mut vectors = clustered(rows + QUERIES, DIM);
    let queries = vectors.split_off(rows);
    let queries: Vec<Query<'_>> = queries.iter().map(Query::new).collect();
    let segment = segment(folder.path(), &vectors, 0);
    let options = GraphOptions::default();
    let builder = Builder { options, parallel: true, cancelled: &|| false, progress: &|_| () };
    hnsw::write(folder.path(), 2, &segment, &builder.build(&segment, None).unwrap().unwrap()).unwrap();
    let graph = Graph::open(folder.path(), 2, &segment).unwrap();
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    for &one_in in one_in {
        let mut filter = vec![0u64; rows.div_ceil(64)];
        let selected =
            (0..rows).filter(|&row| crate::test_numbers::mix(row as u64).is_multiple_of(one_in as u64));
        selected.for_each(|row| filter[row / 64] |= 1 << (row % 64));
        let allowed = Allowed { rows, dead: &[], filter: Some(&filter) };
        let (mut scan, mut walk) = (f64::MAX, f64::MAX);
        for _ in 0..5 {
            let target = [scan::Target { segment: &segment, allowed }];
            let scanned = |query: &Query<'_>| drop(scan::best(&target, query, K).unwrap());
            scan = scan.min(pool.install(|| micros(&queries, scanned)));
            walk = walk.min(micros(&queries, |query| {
                drop(graph.walk(&segment, query, Plan { ef: EF, most: usize::MAX }, &allowed).unwrap())
            }));
        }
        println!("rows {rows} one in {one_in} scan {scan:.0} walk {walk:.0}");
    }
}

#[test]
#[ignore = "measures; asserts nothing"]
fn crossover() {
    println!("microseconds per query on one core, {DIM} dimensions, the best of five rounds, ef {EF}");
    for rows in [1_024, 2_048, 4_096, 8_192, 16_384] {
        measure(rows, &[1]);
    }
    measure(65_536, &[1, 2, 4, 8, 16, 32]);
}
