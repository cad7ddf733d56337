//! Measures an index on vectors from a file, for `scripts/bench/ann`.
//!
//! ```text
//! ann index DIR base.f32 DIM     index the vectors and publish; print the time and memory
//! ann optimize DIR M [EF]        merge and build graphs with these m and ef_construction; print the time and memory
//! ann scan DIR q.f32 K           time of the exact scan for K hits, on all cores of rayon's pool
//! ann walk DIR q.f32 gt.u32      recall and time of default searches and of walks
//! ann exact DIR base.f32 q.f32   compare the scan's hits with full comparisons of the original and the stored vectors
//! ann first DIR q.f32            open and search once, in this new process
//! ```
//!
//! Files are little-endian numbers, as written by numpy's `tofile`. `gt.u32` contains the [`TRUTHS`] closest rows of each
//! query.
#![expect(clippy::print_stdout, reason = "a bench prints")]
#![expect(clippy::cast_precision_loss, reason = "a bench prints ratios")]

use std::error::Error;
use std::fs::{self, File};
use std::io::Read;
use std::num::NonZeroUsize;
use std::path::Path;
use std::time::Instant;

use imgsearch_index::{
    Change, GraphOptions, Hit, Key, Method, OptimizeOptions, Record, SearchOptions, Searcher, Space, Vector,
    Writer, WriterOptions,
};
use rayon::prelude::*;

/// Vectors per batch, as in the indexer.
const BATCH: usize = 64;

/// True neighbours per query.
const TRUTHS: usize = 100;

/// How often `scan` runs each query.
const SCANS: usize = 5;

type Done = Result<(), Box<dyn Error>>;

fn main() -> Done {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["index", dir, base, dim] => index(Path::new(dir), base, dim.parse()?),
        ["optimize", dir, m] => optimize(Path::new(dir), GraphOptions::default().m(m.parse()?)),
        ["optimize", dir, m, ef_construction] => {
            optimize(Path::new(dir), GraphOptions::default().m(m.parse()?).ef_construction(ef_construction.parse()?))
        }
        ["scan", dir, queries, k] => scan(Path::new(dir), queries, k.parse()?),
        ["walk", dir, queries, truth] => walk(Path::new(dir), queries, truth),
        ["exact", dir, base, queries] => exact(Path::new(dir), base, queries),
        ["first", dir, queries] => first(Path::new(dir), queries),
        _ => Err("usage: ann index DIR BASE DIM | optimize DIR M [EF] | scan DIR QUERIES K | walk DIR QUERIES TRUTH | \
                   exact DIR BASE QUERIES | first DIR QUERIES"
            .into()),
    }
}

/// Reads the vectors piece by piece, so that they don't count as the index's memory.
fn index(dir: &Path, base: &str, dim: usize) -> Done {
    let space = Space::new("bench", "bench", dim)?;
    let mut base = File::open(base)?;
    let mut bytes = vec![0; BATCH * dim * 4];
    let begin = (Instant::now(), cpu_seconds());
    let writer = Writer::open(dir, &space, WriterOptions::default())?;
    for batch in 0.. {
        let read = read_whole(&mut base, &mut bytes)?;
        if read == 0 {
            break;
        }
        let vectors = vectors(&bytes[..read], dim)?.into_iter().enumerate();
        writer.apply(vectors.map(|(i, vector)| put(batch * BATCH + i, vector)).collect())?;
    }
    writer.publish()?;
    drop(writer);
    report("index", begin, dir)
}

fn optimize(dir: &Path, graph: GraphOptions) -> Done {
    let space = Searcher::open(dir)?.space().clone();
    let begin = (Instant::now(), cpu_seconds());
    let writer = Writer::open(dir, &space, WriterOptions::default().graph(graph))?;
    writer.optimize(&OptimizeOptions::default())?;
    drop(writer);
    report("optimize", begin, dir)
}

/// A change with a key and a payload of realistic length.
fn put(row: usize, vector: Vector) -> Change {
    let key =
        Key::new(format!("/home/somebody/archives/2024/08-summer/DOC_{row:08}.txt")).expect("a short key");
    let payload = [&row.to_le_bytes()[..], &[7; 72]].concat();
    let fingerprint =
        Some(imgsearch_index::Fingerprint((row as u128 * 0x9e37_79b9_7f4a_7c15_f39c).to_le_bytes()));
    Change::Put { key, record: Record { fingerprint, payload }, vector: Some(vector) }
}

fn report(what: &str, (begin, cpu): (Instant, f64), dir: &Path) -> Done {
    let (seconds, cpu) = (begin.elapsed().as_secs_f64(), cpu_seconds() - cpu);
    let stats = Searcher::open(dir)?.stats();
    let each = stats.bytes_on_disk as f64 / stats.rows as f64;
    println!(
        "{what} seconds {seconds:.2} cpu {cpu:.2} segments {} graph_rows {}",
        stats.segments, stats.graph_rows
    );
    println!("{what} bytes_per_vector {each:.0} peak_mb {:.0}", status("VmHWM:") / 1024.0);
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        println!("  {} {}", entry.file_name().display(), size(&entry.path()));
    }
    Ok(())
}

fn size(path: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(path) else { return fs::metadata(path).map_or(0, |found| found.len()) };
    entries.flatten().map(|entry| size(&entry.path())).sum()
}

/// The median over all queries, each run [`SCANS`] times.
fn scan(dir: &Path, queries: &str, k: NonZeroUsize) -> Done {
    let searcher = Searcher::open(dir)?;
    let mut queries = read(queries, searcher.space().dim())?;
    queries.truncate(200);
    let options = SearchOptions::default().method(Method::Exact);
    searcher.search(&queries[0], k, &options)?;
    let cpu = cpu_seconds();
    let mut times = Vec::new();
    for query in queries.iter().cycle().take(SCANS * queries.len()) {
        let begin = Instant::now();
        searcher.search(query, k, &options)?;
        times.push(begin.elapsed().as_secs_f64());
    }
    let cpu = 1e3 * (cpu_seconds() - cpu) / times.len() as f64;
    times.sort_unstable_by(f64::total_cmp);
    println!("scan k {k} ms {:.3} cpu_ms {cpu:.3}", 1e3 * times[times.len() / 2]);
    Ok(())
}

fn walk(dir: &Path, queries: &str, truth: &str) -> Done {
    let begin = Instant::now();
    let searcher = Searcher::open(dir)?;
    let queries = read(queries, searcher.space().dim())?;
    searcher.search(&queries[0], NonZeroUsize::MIN, &SearchOptions::default())?;
    println!("first both_ms {:.1}", 1e3 * begin.elapsed().as_secs_f64());
    let truth: Vec<u32> = numbers(truth, u32::from_le_bytes)?;
    let some = &queries[..queries.len().min(200)];
    let walk = |ef| SearchOptions::default().method(Method::Walk { ef });
    // Load the graph into memory.
    queries.iter().try_for_each(|query| searcher.search(query, NonZeroUsize::MIN, &walk(64)).map(drop))?;
    for (k, what) in [(10, "default"), (100, "default k 100")] {
        measure(&searcher, some, (&truth, k), &SearchOptions::default(), what)?;
    }
    for ef in [200, 400, 800, 1600] {
        measure(&searcher, some, (&truth, 100), &walk(ef), &format!("ef {ef} k 100"))?;
    }
    for ef in [10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 400] {
        measure(&searcher, &queries, (&truth, 10), &walk(ef), &format!("ef {ef}"))?;
    }
    Ok(())
}

/// The row number of a hit.
fn row(hit: &Hit) -> u64 {
    hit.payload.first_chunk().map_or(u64::MAX, |&row| u64::from_le_bytes(row))
}

fn measure(
    searcher: &Searcher,
    queries: &[Vector],
    (truth, k): (&[u32], usize),
    options: &SearchOptions<'_>,
    what: &str,
) -> Done {
    let wanted = NonZeroUsize::new(k).ok_or("k is zero")?;
    let begin = Instant::now();
    let hits: Vec<_> =
        queries.iter().map(|query| searcher.search(query, wanted, options)).collect::<Result<_, _>>()?;
    let each = 1e3 * begin.elapsed().as_secs_f64() / queries.len() as f64;
    let right = hits.iter().zip(truth.chunks_exact(TRUTHS)).map(|(hits, truth)| {
        hits.iter().filter(|hit| truth[..k].iter().any(|&truth| row(hit) == u64::from(truth))).count()
    });
    let recall = right.sum::<usize>() as f64 / (k * queries.len()) as f64;
    println!("{what} recall {recall:.4} ms {each:.4}");
    Ok(())
}

/// Compares the scan's hits for the first 100 queries with two full comparisons: one in `f64` with the original vectors,
/// and one with the stored vectors, which the scan must equal.
fn exact(dir: &Path, base: &str, queries: &str) -> Done {
    let searcher = Searcher::open(dir)?;
    let mut queries = read(queries, searcher.space().dim())?;
    queries.truncate(100);
    let given = best_given(base, &queries)?;
    let stored = best_stored(&searcher, &queries)?;
    let options = SearchOptions::default().method(Method::Exact);
    for (best, what) in [(given, "given"), (stored, "stored")] {
        for k in [1, 10, TRUTHS] {
            let (mut missing, mut in_order, mut widest) = (0, 0, 0.0f64);
            for (query, best) in queries.iter().zip(&best) {
                let hits = searcher.search(query, NonZeroUsize::new(k).ok_or("k is zero")?, &options)?;
                let best = &best[..k];
                missing += best.iter().filter(|(_, truth)| hits.iter().all(|hit| row(hit) != *truth)).count();
                in_order += usize::from(hits.iter().zip(best).all(|(hit, best)| row(hit) == best.1));
                let differences =
                    hits.iter().zip(best).map(|(hit, best)| (f64::from(hit.score) - best.0).abs());
                widest = differences.fold(widest, f64::max);
            }
            println!(
                "exact k {k} vectors as {what}: recall {:.5}, {missing} missing; {in_order} of {} lists the same, \
                 in order; scores differ by at most {widest:.1e}",
                1.0 - missing as f64 / (k * queries.len()) as f64,
                queries.len()
            );
        }
    }
    Ok(())
}

/// The best rows of each query, with their scores.
type Best = Vec<Vec<(f64, u64)>>;

fn best_given(base: &str, queries: &[Vector]) -> Result<Best, Box<dyn Error>> {
    let dim = queries[0].dim();
    let mut best: Best = vec![Vec::new(); queries.len()];
    let mut file = File::open(base)?;
    let mut bytes = vec![0; 8_192 * dim * 4];
    let mut first = 0;
    loop {
        let read = read_whole(&mut file, &mut bytes)?;
        if read == 0 {
            return Ok(best);
        }
        let vectors = vectors(&bytes[..read], dim)?;
        let rows: Vec<(u64, Vector)> = (first..).zip(vectors).collect();
        add(&mut best, queries, &rows, dot);
        first += rows.len() as u64;
    }
}

/// Rows were put in key order, so sorting by row number orders ties by key.
fn best_stored(searcher: &Searcher, queries: &[Vector]) -> Result<Best, Box<dyn Error>> {
    let mut best: Best = vec![Vec::new(); queries.len()];
    let mut all = searcher.vectors().peekable();
    while all.peek().is_some() {
        let mut rows = Vec::new();
        for stored in all.by_ref().take(8_192) {
            let stored = stored?;
            let row = stored.record.payload.first_chunk().ok_or("a payload is too short")?;
            rows.push((u64::from_le_bytes(*row), stored.vector.ok_or("a vector is missing")?));
        }
        add(&mut best, queries, &rows, |query, vector| f64::from(query.dot(vector)));
    }
    Ok(best)
}

fn add(
    best: &mut Best,
    queries: &[Vector],
    rows: &[(u64, Vector)],
    score: impl Fn(&Vector, &Vector) -> f64 + Sync,
) {
    best.par_iter_mut().zip(queries).for_each(|(best, query)| {
        best.extend(rows.iter().map(|(row, vector)| (score(query, vector), *row)));
        best.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(TRUTHS);
    });
}

fn dot(a: &Vector, b: &Vector) -> f64 {
    a.as_slice().iter().zip(b.as_slice()).map(|(&x, &y)| f64::from(x) * f64::from(y)).sum()
}

/// Reads until the buffer is full or the file ends.
fn read_whole(file: &mut File, bytes: &mut [u8]) -> std::io::Result<usize> {
    let mut filled = 0;
    while filled < bytes.len() {
        match file.read(&mut bytes[filled..])? {
            0 => break,
            read => filled += read,
        }
    }
    Ok(filled)
}

fn first(dir: &Path, queries: &str) -> Done {
    let query = read(queries, 512)?.swap_remove(0);
    // The first line is the cost in a new process; the second is for comparison.
    for exact in [false, true] {
        let begin = Instant::now();
        let searcher = Searcher::open(dir)?;
        let opened = begin.elapsed().as_secs_f64();
        let method = if exact { Method::Exact } else { Method::default() };
        let options = SearchOptions::default().method(method);
        let hits = searcher.search(&query, NonZeroUsize::new(10).ok_or("ten is not zero")?, &options)?;
        let all = begin.elapsed().as_secs_f64();
        println!(
            "first exact {exact} open_ms {:.2} both_ms {:.2} hits {}",
            opened * 1e3,
            all * 1e3,
            hits.len()
        );
    }
    Ok(())
}

fn read(path: &str, dim: usize) -> Result<Vec<Vector>, Box<dyn Error>> {
    vectors(&fs::read(path)?, dim)
}

fn vectors(bytes: &[u8], dim: usize) -> Result<Vec<Vector>, Box<dyn Error>> {
    let all: Vec<f32> = bytes.as_chunks().0.iter().map(|&bytes| f32::from_le_bytes(bytes)).collect();
    Ok(all.chunks_exact(dim).map(|row| Vector::normalized(row.to_vec())).collect::<Result<_, _>>()?)
}

fn numbers<T>(path: &str, of: fn([u8; 4]) -> T) -> Result<Vec<T>, Box<dyn Error>> {
    Ok(fs::read(path)?.as_chunks().0.iter().map(|&bytes| of(bytes)).collect())
}

/// User and system time of this process, from Linux's clock ticks of 10 ms.
fn cpu_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    after_name.split_whitespace().skip(11).take(2).filter_map(|ticks| ticks.parse::<f64>().ok()).sum::<f64>()
        / 100.0
}

fn status(name: &str) -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}
