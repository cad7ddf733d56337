//! Does a search find what a full comparison finds, on vectors of real pictures that it has not seen?
//!
//! ```text
//! cargo run --release --example crops -- CROPS PHOTO_OR_FOLDER…
//! ```
//!
//! Each photo is cut CROPS times at random: squares of 30 to 100 % of its shorter side. All but every twentieth cut are
//! indexed with the offline model, and `optimize` builds a graph, which measures how many candidates a walk needs. The other
//! cuts ask. It prints recall@10 of the default search, and how long the default and the exact search take.

#[expect(dead_code, reason = "other examples use the rest")]
mod captioned;
#[expect(dead_code, reason = "other examples use the rest")]
mod synthetic;

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use image::DynamicImage;
use imgsearch::Library;
use imgsearch::library::{Ask, Load, View};
use imgsearch::query::Filter;
use imgsearch_index::Vector;
use walkdir::WalkDir;

use captioned::{index_all, open_model, share};
use synthetic::{Numbers, time};

/// One of so many cuts asks.
const ASKING: usize = 20;

/// The longer side of a cut, in pixels: enough for the model.
const SIDE: u32 = 288;

const TOP: NonZeroUsize = NonZeroUsize::new(10).expect("not zero");

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let crops: usize = arguments.next().context("CROPS is missing")?.to_string_lossy().parse()?;
    let photos: Vec<PathBuf> =
        arguments.flat_map(WalkDir::new).filter_map(|entry| Some(entry.ok()?.into_path())).collect();
    let folder = tempfile::tempdir()?;
    let [indexed, asking] = ["indexed", "asking"].map(|name| folder.path().join(name));
    [&indexed, &asking].into_iter().try_for_each(std::fs::create_dir)?;
    let (mut numbers, mut cut) = (Numbers(7), 0);
    for photo in photos {
        let Ok(photo) = image::open(&photo) else { continue };
        for _ in 0..crops {
            let folder = if cut % ASKING == 0 { &asking } else { &indexed };
            random_square(&photo, &mut numbers).to_rgb8().save(folder.join(format!("{cut}.jpg")))?;
            cut += 1;
        }
    }
    let model = open_model(None, None, None)?;
    let libraries = [Library::new(folder.path().join("library")), Library::new(folder.path().join("other"))];
    libraries.iter().try_for_each(Library::create)?;
    let [library, other] = &libraries;
    index_all(library, &model, &[indexed])?;
    index_all(other, &model, &[asking])?;
    library.lock()?.optimize(&|| false, &|_, _| ())?;
    let (view, queries) = (library.view()?, vectors(other)?);
    let stats = view.stats();
    println!("{} cuts, {} of them in a graph; {} others ask", stats.rows, stats.graph_rows, queries.len());
    let mut found = 0;
    for query in &queries {
        let best = |is_exact| best(&*view, query, is_exact);
        found += best(true)?.intersection(&best(false)?).count();
    }
    println!("recall@10 {:.4}", share(found, queries.len() * TOP.get()));
    for (what, is_exact) in [("default", false), ("exact", true)] {
        let all = time(|| queries.iter().try_for_each(|query| best(&*view, query, is_exact).map(|_| ())))?;
        println!("{what}: {:.3} ms a query", all / queries.len().max(1) as f64);
    }
    Ok(())
}

/// A random square of a picture, scaled down.
fn random_square(photo: &DynamicImage, numbers: &mut Numbers) -> DynamicImage {
    let shorter = u64::from(photo.width().min(photo.height()));
    let side = shorter * (30 + numbers.below(71)) / 100;
    let mut within = |length: u32| u32::try_from(numbers.below(u64::from(length) - side + 1)).unwrap_or(0);
    let (x, y) = (within(photo.width()), within(photo.height()));
    let side = u32::try_from(side).unwrap_or(0);
    photo.crop_imm(x, y, side.max(1), side.max(1)).thumbnail(SIDE, SIDE)
}

/// The vectors of all photos of a library.
fn vectors(library: &Library) -> Result<Vec<Vector>> {
    let mut all = Vec::new();
    library.view()?.each(&Filter::default(), Load::WithVector, &mut |stored| {
        all.extend(stored.vector);
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

fn best(view: &dyn View, query: &Vector, is_exact: bool) -> Result<HashSet<PathBuf>> {
    let filter = Filter::default();
    let ask = Ask { exact: is_exact, ..Ask::new(query, TOP, &filter) };
    let paths = view.search(&ask)?.into_iter().map(|hit| Path::to_owned(&hit.stored.item.path));
    Ok(paths.collect())
}
