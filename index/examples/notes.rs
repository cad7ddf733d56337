//! Stores notes and searches them: `cargo run -p imgsearch-index --example notes FOLDER`.
//!
//! The embedding is a toy that counts letters. A real program gets its vectors from a model.
#![expect(clippy::print_stdout, reason = "an example prints")]

use std::error::Error;
use std::num::NonZeroUsize;
use std::path::Path;

use imgsearch_index::{
    Change, Fingerprint, Key, Method, OptimizeOptions, Record, SearchOptions, Searcher, Space, Vector,
    Writer, WriterOptions,
};

const LETTERS: usize = 26;

type Done<T> = Result<T, Box<dyn Error>>;

fn main() -> Done<()> {
    let folder = std::env::args_os().nth(1).ok_or("usage: notes FOLDER")?;
    let dir = Path::new(&folder);
    let space = Space::new("letters-1", "letters", LETTERS)?;
    let writer = Writer::open(dir, &space, WriterOptions::default().publish_rows(100))?;
    writer.apply(vec![
        note("work/monday", "meet the team at noon")?,
        note("work/tuesday", "send the report")?,
        note("home/monday", "feed the cat")?,
        note("home/tuesday", "feed the cat")?,
        Change::Put { key: Key::new("home/empty")?, record: record(""), vector: None },
    ])?;
    writer.publish()?;

    let searcher = Searcher::open(dir)?;
    show("nearest", &searcher, "a cat to feed", SearchOptions::default())?;
    let exact = SearchOptions::default().method(Method::Exact);
    let work = searcher.select(|record| record.key.starts_with(b"work/"));
    show("at work", &searcher, "a cat to feed", exact.filter(&work))?;
    let mondays = searcher.select_keys(&[Key::new("work/monday")?, Key::new("home/monday")?])?;
    show("on mondays", &searcher, "a cat to feed", exact.filter(&mondays))?;
    let copies: Vec<_> = searcher.records_of(&fingerprint("feed the cat")).collect::<Result<_, _>>()?;
    println!("copies: {}", copies.len());

    // A searcher shows one state. A clone can be used in another thread.
    let (earlier, generation) = (searcher.clone(), searcher.generation());
    writer.apply(vec![Change::Delete { key: Key::new("home/tuesday")? }])?;
    writer.optimize(&OptimizeOptions::default())?;
    writer.close()?;
    let newer = searcher.newer()?.ok_or("nothing was published")?;
    println!("then {} and now {} notes", earlier.len(), newer.len());
    println!("newer: {}", generation != newer.generation() && newer.is_current()?);
    println!("clean: {}", imgsearch_index::verify(dir)?.is_clean());
    Ok(())
}

fn note(key: &str, text: &str) -> Done<Change> {
    Ok(Change::Put { key: Key::new(key)?, record: record(text), vector: Some(embed(text)?) })
}

fn record(text: &str) -> Record {
    Record { fingerprint: Some(fingerprint(text)), payload: text.into() }
}

/// A real program uses a hash.
fn fingerprint(text: &str) -> Fingerprint {
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(text.bytes()).for_each(|(byte, letter)| *byte = letter);
    Fingerprint(bytes)
}

fn embed(text: &str) -> Done<Vector> {
    let mut counts = vec![0.0; LETTERS];
    for letter in text.bytes().filter(u8::is_ascii_lowercase) {
        counts[usize::from(letter - b'a')] += 1.0;
    }
    Ok(Vector::normalized(counts)?)
}

fn show(what: &str, searcher: &Searcher, query: &str, options: SearchOptions<'_>) -> Done<()> {
    let two = NonZeroUsize::new(2).ok_or("two is not zero")?;
    for hit in searcher.search(&embed(query)?, two, &options)? {
        let (key, text) = (str::from_utf8(hit.key.as_bytes())?, str::from_utf8(&hit.payload)?);
        println!("{what}: {:.2} {key}: {text}", hit.score);
    }
    Ok(())
}
