//! Measures how long looking for words takes: three words in the texts of a library of synthetic photos.
//!
//! ```text
//! cargo run --release --example words -- LIBRARY ROWS
//! ```
//!
//! LIBRARY is a folder or a URL. The vectors are random ones in the offline model's space. A third of the photos has 10 to
//! 100 words of text, from a vocabulary in which some words are frequent and most are rare. It prints the median of some
//! rounds, and the same per 100,000 photos: for a condition (`text:`) of three words; for the lift by three words of a query,
//! of which the third is rare; by the rare one alone; by a keyword of every second photo; and for a plain search.

mod synthetic;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use anyhow::{Context, Result};
use imgsearch::item::Item;
use imgsearch::library::{Ask, Note, Secrets, Url, Write};
use imgsearch::photo::{Clock, Details, Line, Photo, Stamp, Text};
use imgsearch::query::{Filter, MatchBy, Phrase, TextCondition, TextField};
use imgsearch::{Library, Model};
use imgsearch_index::Vector;

use synthetic::{Numbers, offline_model, time};

/// The number of different words.
const VOCABULARY: u64 = 30_000;

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let place = PathBuf::from(arguments.next().context("usage: words LIBRARY ROWS")?);
    let rows: u32 = arguments.next().context("ROWS is missing")?.to_string_lossy().parse()?;
    let model = offline_model()?;
    let library = match Url::parse(&place) {
        Some(url) => Library::on_server(&url, &Secrets::default(), &std::env::temp_dir())?,
        None => Library::new(place),
    };
    if library.view().and_then(|view| view.count(&Filter::default())).unwrap_or(0) != rows as usize {
        make(&library, &model, rows)?;
    }
    let view = &*library.view()?;
    let spelled = [1, 77, 20_000].map(spelled);
    let texts = spelled.iter().map(|word| condition(&[TextField::Text], word));
    let filter = Filter { texts: texts.collect(), ..Filter::default() };
    let lift = [TextField::Text, TextField::Caption, TextField::Keyword, TextField::Person];
    let words = spelled.map(|word| condition(&lift, &word));
    let album = [condition(&lift, "album")];
    let dim = view.space().dim();
    let vector = Vector::normalized((0..dim).map(|i| if i % 3 == 0 { 1.0 } else { -0.3 }).collect())?;
    let everything = Filter::default();
    let ask = Ask::new(&vector, NonZeroUsize::new(10).context("10 is not 0")?, &everything);
    let standing = view.standing(&ask, &words)?.context("the library has words")?;
    println!("{rows} photos; the words stand in {:?} of them", standing.counts);
    report("condition", rows, time(|| Ok(view.count(&filter).map(|_| ())?))?);
    report("lift, three words", rows, time(|| Ok(view.standing(&ask, &words).map(|_| ())?))?);
    report("lift, rare word", rows, time(|| Ok(view.standing(&ask, &words[2..]).map(|_| ())?))?);
    report("lift, frequent word", rows, time(|| Ok(view.standing(&ask, &album).map(|_| ())?))?);
    report("plain search", rows, time(|| Ok(view.search(&ask).map(|_| ())?))?);
    Ok(())
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn report(what: &str, rows: u32, milliseconds: f64) {
    let per = milliseconds * 100_000.0 / f64::from(rows);
    println!("{what}: {milliseconds:.2} ms, {per:.2} ms per 100,000 photos");
}

fn condition(fields: &[TextField], word: &str) -> TextCondition {
    TextCondition::new(fields, Phrase::new(word, MatchBy::Whole).into_iter().collect())
}

#[expect(clippy::print_stdout, reason = "figures are what this program is for")]
fn make(library: &Library, model: &Model, rows: u32) -> Result<()> {
    library.create()?;
    let sink = library.lock()?.open(model.space())?.sink;
    let mut note = Note::default();
    note.set_model(model.folder(), model.precision(), model.dim());
    sink.set_note(&note)?;
    let mut numbers = Numbers(7);
    let all: Vec<u32> = (0..rows).collect();
    let start = std::time::Instant::now();
    for batch in all.chunks(1_000) {
        let puts = batch.iter().map(|row| put(*row, model.space().dim(), &mut numbers));
        sink.apply(puts.collect::<Result<_>>()?)?;
    }
    println!("stored in {:.1} s", start.elapsed().as_secs_f64());
    sink.close()?;
    Ok(())
}

fn put(row: u32, dim: usize, numbers: &mut Numbers) -> Result<Write> {
    let details = Details {
        width: 4032,
        height: 3024,
        orientation: 1,
        taken_ms: 1_420_070_400_000 + i64::from(row) * 60_000,
        offset_minutes: Some(120),
        clock: Clock::Camera,
        camera: Some("Apple iPhone 12 Pro".into()),
        lens: Some("iPhone 12 Pro back triple camera 4.2mm f/1.6".into()),
        keywords: if row.is_multiple_of(2) { vec!["Album".into()] } else { Vec::new() },
        ..Details::default()
    };
    let stamp = Stamp { size: 3_000_000, modified_ns: 1_700_000_000_000_000_000, changed_ns: 7 };
    let photo = Photo::read(stamp, 1, Some(details));
    // Every photo was looked at, but two of three have no text.
    let words = if row.is_multiple_of(3) { 10 + numbers.below(91) } else { 0 };
    let words: Vec<String> = (0..words).map(|_| word(numbers)).collect();
    let line = |words: &[String]| Line { text: words.join(" "), confidence: 97, corners: [[0, 0]; 4] };
    let photo = photo.with_text(Text::new(words.chunks(5).map(line), 1));
    let item = Item::file(format!("/home/somebody/Pictures/{}/IMG_{row:06}.jpg", 2015 + row % 9));
    let vector = Vector::normalized((0..dim).map(|_| numbers.unit()).collect())?;
    Ok(Write::Put { item, content: None, photo, vector: Some(vector) })
}

/// A word: low numbers are frequent.
fn word(numbers: &mut Numbers) -> String {
    let most = 1 + numbers.below(VOCABULARY);
    spelled(numbers.below(most))
}

/// A word of 4 to 11 letters for each number. Words must differ in their first letters, as those of a language do.
fn spelled(number: u64) -> String {
    let mut letters = Numbers(number + 1);
    let length = 4 + letters.below(8);
    (0..length)
        .map(|_| char::from(b"etaoinshrdlucmfwypvbgkjqxz"[usize::try_from(letters.below(26)).unwrap_or(0)]))
        .collect()
}
