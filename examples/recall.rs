//! How often does a photo's caption find the photo? Prints R@1, R@5 and R@10.
//!
//! ```text
//! cargo run --release --example recall -- FOLDER [MODEL [off|photo|ensemble]]
//! ```
//!
//! FOLDER holds `images/` and `captions.jsonl`, one line `{"file": NAME, "captions": [TEXT, …]}` per captioned photo;
//! MODEL is a model folder, by default the offline model; then comes what is put around each caption. Every caption is a query over all photos.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use anyhow::{Context, Result};
use directories::ProjectDirs;
use imgsearch::decode::Limits;
use imgsearch::ingest::{Event, Plan, Reporter, index};
use imgsearch::model::{Device, Execution, Precision, Prompt};
use imgsearch::walk::{Rules, resolve_roots};
use imgsearch::{Engine, Expression, Library, Model, Query};

/// The ranks that recall is counted at.
const RANKS: [usize; 3] = [1, 5, 10];

#[derive(serde::Deserialize)]
struct Captioned {
    file: String,
    captions: Vec<String>,
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("usage: recall FOLDER [MODEL]")?;
    let data = ProjectDirs::from("", "", "imgsearch").context("no home folder")?.data_dir().to_owned();
    let model = arguments.next().unwrap_or_else(|| data.join("models/offline"));
    let prompt = match arguments.next().as_deref().and_then(Path::to_str) {
        None => None,
        Some("off") => Some(Prompt::Off),
        Some("photo") => Some(Prompt::Photo),
        Some("ensemble") => Some(Prompt::Ensemble),
        Some(other) => anyhow::bail!("{other} is no prompt"),
    };
    let threads = std::thread::available_parallelism()?.get();
    let execution = Execution {
        runtime_places: vec![data.join("runtime")],
        device: Device::Cpu,
        threads,
        precision: Precision::Auto,
        prompt,
        cache_folder: None,
    };
    let model = Model::open(&model, execution)?;
    let library = tempfile::tempdir()?;
    let library = Library::new(library.path());
    let photos = index_all(&library, &model, &folder.join("images"), threads)?;
    let mut engine = Engine::open(&library, library.searcher()?, &model)?;
    let ranks = ranks(&mut engine, &captions(&folder)?)?;
    println!("{} photos, {} captions", photos, ranks.len());
    for rank in RANKS {
        let found = ranks.iter().filter(|found| found.is_some_and(|found| found <= rank)).count();
        println!("R@{rank} {:.1}", share(found, ranks.len()));
    }
    Ok(())
}

fn index_all(library: &Library, model: &Model, images: &Path, threads: usize) -> Result<u64> {
    let (roots, missing) = resolve_roots(&[images.to_owned()]);
    anyhow::ensure!(missing.is_empty(), "{} is not there", images.display());
    let (rules, limits, now) = (Rules::default(), Limits::default(), SystemTime::now());
    let batches = None;
    let plan = Plan {
        roots,
        gone_roots: Vec::new(),
        rules,
        prune: false,
        force: false,
        threads,
        batches,
        limits,
        max_wait: limits.max_time,
        now,
    };
    Ok(index(&mut library.lock()?, model, &plan, &Silent, &AtomicBool::new(false))?.embedded)
}

/// Caption → file name. A caption two photos share counts for the last.
fn captions(folder: &Path) -> Result<BTreeMap<String, String>> {
    let lines = std::fs::read_to_string(folder.join("captions.jsonl"))?;
    let mut captions = BTreeMap::new();
    for line in lines.lines() {
        let Captioned { file, captions: of_file } = serde_json::from_str(line)?;
        captions.extend(of_file.into_iter().map(|caption| (caption, file.clone())));
    }
    Ok(captions)
}

/// For each caption the rank of its photo, if it is among the best ten.
fn ranks(engine: &mut Engine<'_>, captions: &BTreeMap<String, String>) -> Result<Vec<Option<usize>>> {
    let top = NonZeroUsize::new(10).context("10 is not 0")?;
    let mut ranks = Vec::new();
    for (text, file) in captions {
        let query = Query { exact: true, ..Query::new(Expression::text(text), top) };
        let matches = engine.search(&query)?;
        ranks.push(matches.iter().find(|found| found.path.ends_with(file)).map(|found| found.rank));
    }
    Ok(ranks)
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand captions")]
fn share(part: usize, whole: usize) -> f64 {
    100.0 * part as f64 / whole as f64
}
