//! Measures a library in any store with vectors from a file, for `scripts/bench/stores`.
//!
//! ```text
//! stores fill LIBRARY base.f32       store the vectors, and optimize; print the rates
//! stores ask LIBRARY q.f32 gt.u32    recall@10, times and rate of searches; print the size
//! ```
//!
//! LIBRARY is a folder or a URL. Files are little-endian numbers, as numpy's `tofile` writes them: 512 dimensions, and for
//! each query its closest rows, of which there are the number that the file's size gives.
#![expect(clippy::print_stdout, reason = "figures are what this program is for")]
#![expect(clippy::cast_precision_loss, reason = "a bench prints ratios")]

use std::fs;
use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use imgsearch::Library;
use imgsearch::item::Item;
use imgsearch::library::{Ask, Secrets, Url, Write};
use imgsearch::photo::{Clock, Details, Photo, Stamp};
use imgsearch::query::Filter;
use imgsearch_index::{Fingerprint, Space, Vector};

const DIM: usize = 512;
const TOP: usize = 10;
/// Photos written at once.
const BATCH: usize = 1_000;
/// How long exact searches are measured, if 50 of them take longer.
const EXACT: Duration = Duration::from_secs(20);
/// Clients that search at the same time.
const CLIENTS: usize = 8;

fn main() -> Result<()> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match args.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["fill", library, base] => fill(&open(library)?, base),
        ["ask", library, queries, truth] => ask(&open(library)?, queries, truth),
        _ => bail!("usage: stores fill LIBRARY BASE | ask LIBRARY QUERIES TRUTH"),
    }
}

fn open(place: &str) -> Result<Library> {
    let Some(url) = Url::parse(Path::new(place)) else { return Ok(Library::new(place)) };
    Ok(Library::on_server(&url, &Secrets::default(), &std::env::temp_dir())?)
}

fn vectors(file: &str) -> Result<Vec<Vector>> {
    let bytes = fs::read(file).with_context(|| format!("cannot read {file}"))?;
    let numbers: Vec<f32> = bytes.as_chunks().0.iter().map(|number| f32::from_le_bytes(*number)).collect();
    Ok(numbers.chunks_exact(DIM).map(|row| Vector::normalized(row.to_vec())).collect::<Result<_, _>>()?)
}

/// A photo of this row, with details of realistic length.
fn put(row: usize, vector: Vector) -> Write {
    let details = Details {
        width: 4032,
        height: 3024,
        orientation: 1,
        taken_ms: 1_420_070_400_000 + i64::try_from(row).unwrap_or(0) * 1_000,
        clock: Clock::Camera,
        latitude_e7: Some(525_000_000),
        longitude_e7: Some(134_000_000),
        camera: Some("Apple iPhone 12 Pro".into()),
        lens: Some("iPhone 12 Pro back triple camera 4.2mm f/1.6".into()),
        ..Details::default()
    };
    let stamp = Stamp { size: 3_000_000, modified_ns: 1_700_000_000_000_000_000, changed_ns: 7 };
    let content = Fingerprint((row as u128 + 1).to_le_bytes());
    Write::Put {
        item: Item::file(path(row)),
        content: Some(content),
        photo: Photo::read(stamp, 1, Some(details)),
        vector: Some(vector),
    }
}

fn path(row: usize) -> String {
    format!("/home/somebody/Pictures/{:03}/IMG_{row:08}.jpg", row / 1_000)
}

fn row(path: &Path) -> Option<usize> {
    path.file_stem()?.to_str()?.strip_prefix("IMG_")?.parse().ok()
}

fn fill(library: &Library, base: &str) -> Result<()> {
    let vectors = vectors(base)?;
    let rows = vectors.len();
    library.create()?;
    let mut locked = library.lock()?;
    let sink = locked.open(&Space::new("bench", "bench", DIM)?)?.sink;
    let start = Instant::now();
    for (number, batch) in vectors.chunks(BATCH).enumerate() {
        sink.apply(
            batch.iter().enumerate().map(|(i, vector)| put(number * BATCH + i, vector.clone())).collect(),
        )?;
    }
    let stored = start.elapsed().as_secs_f64();
    sink.close()?;
    ensure!(locked.optimize(&|| false, &|_, _| ())?, "stopped");
    let optimized = start.elapsed().as_secs_f64() - stored;
    println!("stored_per_second {:.0}", rows as f64 / stored);
    println!("optimize_seconds {optimized:.1}");
    Ok(())
}

fn ask(library: &Library, queries: &str, truth: &str) -> Result<()> {
    let queries = vectors(queries)?;
    let truth: Vec<usize> =
        fs::read(truth)?.as_chunks().0.iter().map(|row| u32::from_le_bytes(*row) as usize).collect();
    let truths: Vec<&[usize]> = truth.chunks_exact(truth.len() / queries.len()).collect();
    let view = &*library.view()?;
    let filter = Filter::default();
    let top = NonZeroUsize::new(TOP).context("10 is not 0")?;
    let search = |query: &Vector, exact| -> Result<Vec<usize>> {
        let hits = view.search(&Ask { exact, ..Ask::new(query, top, &filter) })?;
        Ok(hits.iter().filter_map(|hit| row(&hit.stored.item.path)).collect())
    };
    // What the first queries read from the disk is not what is measured.
    for query in queries.iter().take(100) {
        search(query, false)?;
    }
    let (mut found, mut times) = (0, Vec::new());
    for (query, truth) in queries.iter().zip(&truths) {
        let start = Instant::now();
        let rows = search(query, false)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
        found += rows.iter().filter(|row| truth[..TOP].contains(row)).count();
    }
    times.sort_by(f64::total_cmp);
    println!("recall_at_10 {:.4}", found as f64 / (TOP * queries.len()) as f64);
    println!("p50_ms {:.2}", times[times.len() / 2]);
    println!("p95_ms {:.2}", times[times.len() * 95 / 100]);
    let start = Instant::now();
    let (mut exact, mut asked) = (0, 0);
    // A store on a server may take seconds for each.
    for (query, truth) in queries.iter().zip(&truths).take(50) {
        if start.elapsed() > EXACT {
            break;
        }
        asked += 1;
        exact += search(query, true)?.iter().filter(|row| truth[..TOP].contains(row)).count();
    }
    println!("exact_ms {:.2}", start.elapsed().as_secs_f64() * 1e3 / f64::from(asked));
    println!("exact_recall_at_10 {:.4}", exact as f64 / (f64::from(asked) * TOP as f64));
    let (next, start) = (AtomicUsize::new(0), Instant::now());
    std::thread::scope(|scope| {
        let client = || -> Result<()> {
            while let Some(query) = queries.get(next.fetch_add(1, Ordering::Relaxed)) {
                search(query, false)?;
            }
            Ok(())
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        clients
            .into_iter()
            .try_for_each(|client| client.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    })?;
    println!("queries_per_second_8_clients {:.0}", queries.len() as f64 / start.elapsed().as_secs_f64());
    let stats = view.stats();
    // A server may not know yet what it has stored.
    if stats.bytes_on_disk > 0 {
        println!("bytes_per_photo {:.0}", stats.bytes_on_disk as f64 / stats.rows.max(1) as f64);
    }
    Ok(())
}
