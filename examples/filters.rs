//! Measures the cost of filters: makes a library of synthetic photos for `scripts/bench/filters`, and times searches in one
//! process.
//!
//! ```text
//! cargo run --release --example filters -- LIBRARY ROWS
//! ```
//!
//! The vectors are random ones in the offline model's space. Dates, places, cameras and sizes are distributed so that about
//! one photo in four meets all conditions.

mod synthetic;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use imgsearch::item::Item;
use imgsearch::library::{Ask, Note, View, Write};
use imgsearch::photo::{Clock, Details, Photo, Stamp};
use imgsearch::query::{Circle, Filter, MinSize, Names, Period, Shape};
use imgsearch::{Library, Model};
use imgsearch_index::Vector;
use jiff::civil::date;
use jiff::tz::TimeZone;

use synthetic::{Numbers, offline_model, time};

/// 2015-01-01, and the nine years that follow, in milliseconds.
const FIRST_MS: i64 = 1_420_070_400_000;
const NINE_YEARS_MS: u64 = 9 * 365 * 86_400_000;

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = PathBuf::from(arguments.next().context("usage: filters LIBRARY ROWS")?);
    let rows: u64 = arguments.next().context("ROWS is missing")?.to_string_lossy().parse()?;
    let model = offline_model()?;
    let library = Library::new(folder);
    if library.view().and_then(|view| view.count(&Filter::default())).unwrap_or(0) as u64 != rows {
        make(&library, &model, rows)?;
    }
    let view = &*library.view()?;
    let filter = every_condition()?;
    println!("{rows} photos, of which every condition together leaves {}", view.count(&filter)?);
    let plain = time(|| search(view, &Filter::default()))?;
    let filtered = time(|| search(view, &filter))?;
    println!("plain search {plain:.2} ms, with every condition {filtered:.2} ms");
    Ok(())
}

fn make(library: &Library, model: &Model, rows: u64) -> Result<()> {
    library.create()?;
    let sink = library.lock()?.open(model.space())?.sink;
    let mut note = Note::default();
    note.set_model(model.folder(), model.precision(), model.dim());
    sink.set_note(&note)?;
    let mut numbers = Numbers(7);
    for first in (0..rows).step_by(1_000) {
        let puts = (first..rows.min(first + 1_000)).map(|row| put(row, model.space().dim(), &mut numbers));
        sink.apply(puts.collect::<Result<_>>()?)?;
    }
    sink.close()?;
    Ok(())
}

fn put(row: u64, dim: usize, numbers: &mut Numbers) -> Result<Write> {
    let upright = numbers.below(8) > 0;
    let details = Details {
        width: if upright { 4032 } else { 3024 },
        height: if upright { 3024 } else { 4032 },
        orientation: 1,
        taken_ms: FIRST_MS + i64::try_from(numbers.below(NINE_YEARS_MS))?,
        offset_minutes: Some(120),
        clock: Clock::Camera,
        latitude_e7: Some(525_000_000 + i32::try_from(numbers.below(200_000))?),
        longitude_e7: Some(134_000_000 + i32::try_from(numbers.below(200_000))?),
        camera: Some(["Apple iPhone 12 Pro", "Canon EOS R5"][usize::from(numbers.below(8) == 0)].into()),
        lens: Some("iPhone 12 Pro back triple camera 4.2mm f/1.6".into()),
        ..Details::default()
    };
    let stamp = Stamp { size: 3_000_000 + row, modified_ns: 1_700_000_000_000_000_000, changed_ns: 7 };
    let photo = Photo::read(stamp, 1, Some(details));
    let path = format!("/home/somebody/Pictures/{}/{:02}/IMG_{row:06}.jpg", 2015 + row % 9, 1 + row % 12);
    let vector = Vector::normalized((0..dim).map(|_| numbers.unit()).collect())?;
    Ok(Write::Put { item: Item::file(path), content: None, photo, vector: Some(vector) })
}

fn every_condition() -> Result<Filter> {
    let now = date(2024, 5, 17).at(12, 0, 0, 0).to_zoned_datetime(TimeZone::UTC)?;
    Ok(Filter {
        folders: vec!["/home/somebody/Pictures".into()],
        names: Some(Names::new(&["IMG_*.jpg".into()])?),
        types: vec!["jpeg".parse().map_err(anyhow::Error::msg)?],
        taken: Period::parse("2017", &now)?.onwards().and(Period::parse("2022", &now)?.before()),
        near: Some(Circle { latitude: 52.51, longitude: 13.41, km: 20.0 }),
        camera: Some("iphone".into()),
        lens: Some("triple".into()),
        shape: Some(Shape::Landscape),
        size: Some(MinSize::Pixels(12e6)),
        ..Filter::default()
    })
}

fn search(view: &dyn View, filter: &Filter) -> Result<()> {
    let dim = view.space().dim();
    let query = Vector::normalized((0..dim).map(|i| if i % 3 == 0 { 1.0 } else { -0.3 }).collect())?;
    let top = NonZeroUsize::new(10).context("10 is not 0")?;
    let hits = view.search(&Ask::new(&query, top, filter))?;
    anyhow::ensure!(hits.len() == 10, "{} hits", hits.len());
    Ok(())
}
