//! Measures the stages of indexing separately, and prints the vectors of a library, for `scripts/bench/index`.
//!
//! ```text
//! indexing decode MODEL PHOTO…     CPU milliseconds per photo for decoding and resizing
//! indexing embed MODEL PHOTO…      CPU milliseconds per photo for the image tower, as run by the indexer
//! indexing vectors LIBRARY         one line per photo: its path, a tab, and the components of its vector
//! ```
#![expect(clippy::print_stdout, reason = "a bench prints")]

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use directories::ProjectDirs;
use imgsearch::decode::{Limits, decode};
use imgsearch::library::Load;
use imgsearch::model::{Device, Execution, Precision, Preprocess};
use imgsearch::query::Filter;
use imgsearch::{Library, Model};
use ndarray::Array3;
use rustix::time::{ClockId, clock_gettime};

/// Photos decoded and batches embedded before the measurement, to fill caches and allocate buffers.
const WARM_UP: usize = 2;
/// The indexer's batch size.
const BATCH: usize = 4;
/// How often the same batch is embedded.
const ROUNDS: usize = 16;

fn main() -> Result<()> {
    let args: Vec<PathBuf> = std::env::args_os().skip(1).map(PathBuf::from).collect();
    let [command, of, photos @ ..] = &args[..] else { bail!("usage: indexing decode|embed|vectors …") };
    match command.to_str() {
        Some("decode") => decode_alone(&open(of)?, photos),
        Some("embed") => embed_alone(&open(of)?, photos),
        Some("vectors") => vectors(&Library::new(of)),
        _ => bail!("no such measurement: {}", command.display()),
    }
}

fn open(folder: &Path) -> Result<Model> {
    let data = ProjectDirs::from("", "", "imgsearch").context("no home folder")?.data_dir().to_owned();
    let threads = std::thread::available_parallelism()?.get();
    let execution = Execution {
        precision: Precision::Auto,
        dim: None,
        prompt: None,
        cache_folder: None,
        runtime_places: vec![data.join("runtime")],
        device: Device::Cpu,
        threads,
    };
    Ok(Model::open(folder, execution)?)
}

fn decode_alone(model: &Model, photos: &[PathBuf]) -> Result<()> {
    let preprocess = model.preprocess();
    let files = photos.iter().map(fs::read).collect::<Result<Vec<_>, _>>()?;
    for file in files.iter().take(WARM_UP) {
        tensor(file, &preprocess)?;
    }
    let begin = cpu_ms();
    for file in &files {
        tensor(file, &preprocess)?;
    }
    report(begin, files.len());
    Ok(())
}

fn embed_alone(model: &Model, photos: &[PathBuf]) -> Result<()> {
    let (preprocess, encoder) = (model.preprocess(), model.image_encoder_on(1)?);
    let photos: Vec<_> = photos.iter().take(BATCH).collect();
    let tensors =
        photos.iter().map(|photo| tensor(&fs::read(photo)?, &preprocess)).collect::<Result<Vec<_>>>()?;
    let batches = std::thread::available_parallelism()?.get();
    // In parallel as in the indexer, sharing caches and memory.
    let embed_all = |rounds: usize| -> Result<()> {
        let embed = || (0..rounds).try_for_each(|_| encoder.encode_images(&tensors).map(drop));
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..batches).map(|_| scope.spawn(embed)).collect();
            for thread in threads {
                thread.join().map_err(|_| anyhow::anyhow!("a thread panicked"))??;
            }
            Ok(())
        })
    };
    embed_all(WARM_UP)?;
    let begin = cpu_ms();
    embed_all(ROUNDS)?;
    report(begin, ROUNDS * batches * tensors.len());
    Ok(())
}

fn tensor(file: &[u8], preprocess: &Preprocess) -> Result<Array3<f32>> {
    Ok(preprocess.tensor(&decode(file, &Limits::default(), preprocess.detail())?))
}

fn vectors(library: &Library) -> Result<()> {
    library.view()?.each(&Filter::default(), Load::WithVector, &mut |stored| {
        let numbers = stored.vector.iter().flat_map(|vector| vector.as_slice());
        let numbers: Vec<String> = numbers.map(ToString::to_string).collect();
        println!("{}\t{}", stored.item.path.display(), numbers.join(" "));
        ControlFlow::Continue(())
    })?;
    Ok(())
}

#[expect(clippy::cast_precision_loss, reason = "seconds and photos, not billions")]
fn report(begin: f64, photos: usize) {
    println!("{:.2}", (cpu_ms() - begin) / photos as f64);
}

/// The CPU time of all threads of this process.
#[expect(clippy::cast_precision_loss, reason = "a process does not run for years")]
fn cpu_ms() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e3 + time.tv_nsec as f64 / 1e6
}
