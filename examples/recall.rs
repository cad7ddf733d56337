//! How often does a photo's caption find the photo? Prints R@1, R@5 and R@10.
//!
//! ```text
//! cargo run --release --example recall -- FOLDER [MODEL [off|photo|ensemble [DIM]]]
//! ```
//!
//! FOLDER and MODEL are described in `captioned/mod.rs`; then come the prompt, and how many dimensions of each vector are kept.
//! Every caption is a query over all photos, including those without captions.

mod captioned;

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, bail};
use imgsearch::decode::Limits;
use imgsearch::model::Prompt;
use imgsearch::{Engine, Expression, Library, Query};

use captioned::{captioned, index_all, open_model, share};

/// The ranks at which recall is measured.
const RANKS: [usize; 3] = [1, 5, 10];

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1).map(PathBuf::from);
    let folder = arguments.next().context("usage: recall FOLDER [MODEL [off|photo|ensemble [DIM]]]")?;
    let model = arguments.next();
    let prompt = match arguments.next().as_deref().and_then(Path::to_str) {
        None => None,
        Some("off") => Some(Prompt::Off),
        Some("photo") => Some(Prompt::Photo),
        Some("ensemble") => Some(Prompt::Ensemble),
        Some(other) => bail!("the prompt is `off`, `photo` or `ensemble`, not `{other}`"),
    };
    let dim = arguments.next().map(|dim| dim.to_string_lossy().parse().context("DIM is a number above 0"));
    let model = open_model(model, prompt, dim.transpose()?)?;
    let library = tempfile::tempdir()?;
    let library = Library::new(library.path());
    let photos = index_all(&library, &model, &[folder.join("images")])?;
    let engine = Engine::open(&library, library.view()?, Arc::new(model), Limits::default())?;
    let ranks = ranks(&engine, &captions(&folder)?)?;
    println!("{} photos, {} captions", photos, ranks.len());
    for rank in RANKS {
        let found = ranks.iter().filter(|found| found.is_some_and(|found| found <= rank)).count();
        println!("R@{rank} {:.1}", 100.0 * share(found, ranks.len()));
    }
    Ok(())
}

/// Caption → file name. If two photos share a caption, the last one counts.
fn captions(folder: &Path) -> Result<BTreeMap<String, String>> {
    let mut captions = BTreeMap::new();
    for photo in captioned(folder)? {
        captions.extend(photo.captions.into_iter().map(|caption| (caption, photo.file.clone())));
    }
    Ok(captions)
}

/// The rank of each caption's photo, if it is among the best ten.
fn ranks(engine: &Engine, captions: &BTreeMap<String, String>) -> Result<Vec<Option<usize>>> {
    let top = NonZeroUsize::new(10).context("10 is not 0")?;
    let mut ranks = Vec::new();
    for (text, file) in captions {
        let query = Query { exact: true, ..Query::new(Expression::text(text), top) };
        let matches = engine.search(&query)?;
        ranks.push(matches.iter().find(|found| found.path.ends_with(file)).map(|found| found.rank));
    }
    Ok(ranks)
}
