//! Shared code of the examples that measure with captioned photos.
//!
//! Their FOLDER contains `images/` and `captions.jsonl`, with one line `{"file": NAME, "captions": [TEXT, …]}` per photo.
//! Their MODEL is a model folder, by default the offline model.

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::thread::available_parallelism;
use std::time::SystemTime;

use anyhow::{Context, Result, ensure};
use directories::ProjectDirs;
use imgsearch::ingest::{Event, Plan, Reporter, index};
use imgsearch::model::{Device, Execution, Precision, Prompt};
use imgsearch::walk::resolve_roots;
use imgsearch::{Library, Model};

#[derive(serde::Deserialize)]
pub(crate) struct Captioned {
    pub(crate) file: String,
    pub(crate) captions: Vec<String>,
}

/// The photos with captions.
pub(crate) fn captioned(folder: &Path) -> Result<Vec<Captioned>> {
    let lines = std::fs::read_to_string(folder.join("captions.jsonl"))?;
    let photos = lines.lines().map(serde_json::from_str).collect::<Result<Vec<Captioned>, _>>()?;
    Ok(photos.into_iter().filter(|photo| !photo.captions.is_empty()).collect())
}

pub(crate) fn open_model(
    folder: Option<PathBuf>,
    prompt: Option<Prompt>,
    dim: Option<NonZeroUsize>,
) -> Result<Model> {
    let data = ProjectDirs::from("", "", "imgsearch").context("no home folder")?.data_dir().to_owned();
    let execution = Execution {
        runtime_places: vec![data.join("runtime")],
        device: Device::Cpu,
        threads: available_parallelism()?.get(),
        precision: Precision::Auto,
        dim,
        prompt,
        cache_folder: None,
    };
    Ok(Model::open(&folder.unwrap_or_else(|| data.join("models/offline")), execution)?)
}

/// Indexes these files and folders, and returns the number of photos.
pub(crate) fn index_all(library: &Library, model: &Model, paths: &[PathBuf]) -> Result<u64> {
    let (roots, missing) = resolve_roots(paths);
    ensure!(missing.is_empty(), "{} paths are not there", missing.len());
    let plan = Plan { threads: available_parallelism()?.get(), ..Plan::new(roots, SystemTime::now()) };
    Ok(index(&mut library.lock()?, model, &plan, &Silent, &AtomicBool::new(false))?.embedded)
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

#[expect(clippy::cast_precision_loss, reason = "a few thousand")]
pub(crate) fn share(part: usize, whole: usize) -> f64 {
    part as f64 / whole.max(1) as f64
}
