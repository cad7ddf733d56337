//! Measures the times of scans and walks, to find the number of rows from which a graph is faster:
//! `cargo bench -p imgsearch-index --bench crossover`. Constants in the code cite its output.
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use imgsearch_index::{
    Change, Key, Method, OptimizeOptions, Record, SearchOptions, Searcher, Space, Vector, Writer,
    WriterOptions,
};

const DIM: usize = 512;
const EF: usize = 64;
const K: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");
const QUERIES: usize = 200;
const ROUNDS: usize = 5;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    println!("microseconds per query on one core, {DIM} dimensions, the best of {ROUNDS} rounds, ef {EF}");
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build()?;
    for rows in [1_024, 2_048, 4_096, 8_192, 16_384] {
        measure(&pool, rows, &[1])?;
    }
    measure(&pool, 65_536, &[1, 2, 4, 8, 16, 32])
}

/// Prints the times of scan and walk when a filter allows one row in `one_in`.
fn measure(pool: &rayon::ThreadPool, rows: usize, one_in: &[usize]) -> Done<()> {
    let folder = tempfile::tempdir()?;
    let mut vectors = clustered(rows + QUERIES)?;
    let queries = vectors.split_off(rows);
    index(folder.path(), vectors)?;
    let searcher = Searcher::open(folder.path())?;
    let has_graph = searcher.stats().graph_rows > 0;
    for &one_in in one_in {
        let keys: Vec<Key> = (0..rows).step_by(one_in).map(key).collect::<Result<_, _>>()?;
        let selection = searcher.select_keys(&keys)?;
        let options = SearchOptions::default().filter(&selection);
        let micros = |method| pool.install(|| best_micros(&searcher, &queries, &options.method(method)));
        let scan = micros(Method::Exact)?;
        let walk = match has_graph {
            true => format!("{:.0}", micros(Method::Walk { ef: EF })?),
            false => "(no graph)".into(),
        };
        println!("rows {rows} one in {one_in} scan {scan:.0} walk {walk}");
    }
    Ok(())
}

/// The mean over all queries, in the fastest round.
fn best_micros(searcher: &Searcher, queries: &[Vector], options: &SearchOptions<'_>) -> Result<f64, String> {
    let mut best = f64::MAX;
    for _ in 0..ROUNDS {
        let begin = Instant::now();
        for query in queries {
            searcher.search(query, K, options).map_err(|error| error.to_string())?;
        }
        best = best.min(begin.elapsed().as_secs_f64() * 1e6 / QUERIES as f64);
    }
    Ok(best)
}

fn index(dir: &Path, vectors: Vec<Vector>) -> Done<()> {
    let space = Space::new("bench", "bench", DIM)?;
    let writer = Writer::open(dir, &space, WriterOptions::default())?;
    let put = |(row, vector): (usize, Vector)| {
        let record = Record { fingerprint: None, payload: Vec::new() };
        Ok(Change::Put { key: key(row)?, record, vector: Some(vector) })
    };
    writer.apply(vectors.into_iter().enumerate().map(put).collect::<Done<_>>()?)?;
    writer.optimize(&OptimizeOptions::default())?;
    Ok(writer.close()?)
}

fn key(row: usize) -> Result<Key, imgsearch_index::KeyError> {
    Key::new(format!("{row:08}"))
}

/// Vectors that resemble real embeddings: a common direction, clusters of about fifty, and noise.
fn clustered(rows: usize) -> Done<Vec<Vector>> {
    let clusters = rows.div_ceil(50);
    let vector = |row: usize| {
        let centre = 1 + row * 7_919 % clusters;
        let component =
            |i: usize| 0.8 * spread(0, i) + 0.75 * spread(centre, i) + 0.6 * spread(clusters + 1 + row, i);
        Ok(Vector::normalized((0..DIM).map(component).collect())?)
    };
    (0..rows).map(vector).collect()
}

/// A pseudo-random number from -1 to 1: the finaliser of SplitMix64.
fn spread(of: usize, i: usize) -> f32 {
    let mut z = ((of * 65_536 + i) as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let high = u16::try_from((z ^ (z >> 31)) >> 48).unwrap_or(0);
    f32::from(high) / 32_767.5 - 1.0
}
