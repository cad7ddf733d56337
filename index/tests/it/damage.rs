//! Damaged files: they cause an error or a right answer, never a panic or a wrong answer. `src/fuzz.rs` tests the readers
//! themselves with corrected checksums.

use std::collections::BTreeSet;
use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use imgsearch_index::{
    Change, Error, Extractor, Fingerprint, GraphOptions, Hit, Key, Method, OptimizeOptions, Record,
    SearchOptions, Searcher, Space, Vector, Writer, WriterOptions, repair, verify,
};

use crate::fixture::{Fixture, at, copy, key, put_with};

const ROWS: u32 = 4_200;
const DIM: usize = 6;

/// Pseudo-random numbers.
fn next(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn vector(of: u32) -> Vector {
    let component = |i: usize| ((of as f32 * 1.7 + i as f32 * 2.3).sin() * 9_999.0).fract();
    Vector::normalized((0..DIM).map(component).collect()).unwrap()
}

/// Decimal numbers, to look for digits.
const DIGITS: Extractor = Extractor {
    version: 1,
    append: |payload, into| {
        into.extend(
            payload
                .first_chunk()
                .map(|of| u32::from_le_bytes(*of).to_string())
                .unwrap_or_default()
                .into_bytes(),
        )
    },
};

/// An index with a segment with a graph, a small segment, a dead row, and a row without a vector.
fn index(dir: &Path) {
    let space = Space::new("id", "label", DIM).unwrap();
    let graph = GraphOptions::default().m(4).ef_construction(16);
    let options = WriterOptions::default().graph(graph).extractor(DIGITS);
    let writer = Writer::open(dir, &space, options).unwrap();
    let put = |of: u32, vector| {
        let record = Record { fingerprint: Some(Fingerprint([3; 16])), payload: of.to_le_bytes().to_vec() };
        Change::Put { key: Key::new(format!("{of:05}")).unwrap(), record, vector }
    };
    writer.apply((0..ROWS).map(|of| put(of, Some(vector(of)))).collect()).unwrap();
    writer.optimize(&OptimizeOptions::default()).unwrap();
    let small = (ROWS..ROWS + 30).map(|of| put(of, (of % 7 != 0).then(|| vector(of))));
    writer.apply(small.collect()).unwrap();
    writer.apply(vec![Change::Delete { key: Key::new("00007").unwrap() }]).unwrap();
    writer.set_note(b"note".to_vec()).unwrap();
    writer.close().unwrap();
}

/// A searcher's answers: the note, the listing, the hits of scans and of a walk.
struct Answers {
    note: Option<Vec<u8>>,
    listing: Vec<(Vec<u8>, Vec<u8>)>,
    exact: Vec<Hit>,
    filtered: Vec<Hit>,
    containing: Vec<Hit>,
    walk: Vec<Hit>,
}

fn ask(dir: &Path) -> Result<Answers, Error> {
    let searcher = Searcher::open(dir)?;
    let (query, k) = (vector(99_999), NonZeroUsize::new(12).unwrap());
    let mut listing = Vec::new();
    for found in searcher.records() {
        let found = found?;
        listing.push((found.key.to_vec(), found.payload.to_vec()));
    }
    listing.sort();
    let even = searcher.select(|record| record.key.ends_with(b"2"));
    let digits = |payload: &[u8]| u32::from_le_bytes(*payload.first_chunk().unwrap_or(&[0; 4])).to_string();
    let containing = searcher.containing(&DIGITS, &[b"42"]);
    let containing = searcher.select_among(&containing, |record| digits(record.payload).contains("42"))?;
    let exact = SearchOptions::default().method(Method::Exact);
    Ok(Answers {
        note: searcher.note().map(<[u8]>::to_vec),
        listing,
        exact: searcher.search(&query, k, &exact)?,
        filtered: searcher.search(&query, k, &exact.filter(&even))?,
        containing: searcher.search(&query, k, &exact.filter(&containing))?,
        walk: searcher.search(&query, k, &SearchOptions::default().method(Method::Walk { ef: 40 }))?,
    })
}

/// Only scans, because they are the fastest.
#[track_caller]
fn check_hits(dir: &Path, truth: &Answers, what: &str) {
    let exact = SearchOptions::default().method(Method::Exact);
    let k = NonZeroUsize::new(12).unwrap();
    let found = Searcher::open(dir).and_then(|searcher| searcher.search(&vector(99_999), k, &exact));
    assert!(found.is_err() || found.is_ok_and(|found| found == truth.exact), "{what}");
}

/// Checks the answers of a damaged index.
#[track_caller]
fn check(dir: &Path, truth: &Answers, what: &str) {
    let Ok(found) = ask(dir) else { return };
    assert_eq!(found.note, truth.note, "{what}");
    assert_eq!(found.exact, truth.exact, "{what}");
    assert_eq!(found.filtered, truth.filtered, "{what}");
    assert_eq!(found.containing, truth.containing, "{what}");
    // A walk is approximate, but its hits must exist and have the right scores.
    for hit in &found.walk {
        let of: u32 = std::str::from_utf8(hit.key.as_bytes()).unwrap().parse().unwrap();
        assert!((hit.score - vector(of).dot(&vector(99_999))).abs() < 2e-3, "{what}: {hit:?}");
    }
    assert_eq!(found.listing, truth.listing, "{what}");
}

fn files(dir: &Path) -> Vec<PathBuf> {
    let all = fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path());
    let mut read_by_searchers: Vec<PathBuf> =
        all.filter(|path| path.is_file() && !path.ends_with("writer.lock")).collect();
    read_by_searchers.sort();
    read_by_searchers
}

/// Replaces a file instead of changing it, because a searcher may have mapped it.
fn replace(path: &Path, bytes: &[u8]) {
    let new = path.with_extension("new");
    fs::write(&new, bytes).unwrap();
    fs::rename(&new, path).unwrap();
}

#[test]
fn flipped_bits_are_found_or_do_no_harm() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    index(&dir);
    let truth = ask(&dir).unwrap();
    let numbers = [&truth.exact, &truth.filtered, &truth.containing, &truth.walk].map(Vec::len);
    assert_eq!(numbers, [12; 4]);
    let files: Vec<(PathBuf, Vec<u8>)> =
        files(&dir).into_iter().map(|path| (path.clone(), fs::read(path).unwrap())).collect();
    assert_eq!(files.len(), 6, "the manifest, two segments, their extracts, a graph");
    let mut state = 42;
    for case in 0..10_000 {
        let (path, bytes) = &files[usize::try_from(next(&mut state)).unwrap() % files.len()];
        // Every other flip is in the first 4 KB, where the tables are.
        let within = if case % 2 == 0 { bytes.len() } else { bytes.len().min(4_096) };
        let at = usize::try_from(next(&mut state)).unwrap() % within;
        let mut flipped = bytes.clone();
        flipped[at] ^= 1 << (next(&mut state) % 8);
        replace(path, &flipped);
        let what = format!("byte {at} of {}", path.display());
        check_hits(&dir, &truth, &what);
        if case % 8 < 2 {
            check(&dir, &truth, &what);
        }
        replace(path, bytes);
    }
    assert_eq!(ask(&dir).unwrap().exact, truth.exact);
    assert!(verify(&dir).unwrap().is_clean());
}

/// The boundaries of a file's table and sections, by the layout that `sections.rs` documents; in the manifest, every byte.
fn boundaries(path: &Path, bytes: &[u8]) -> Vec<usize> {
    if path.ends_with("manifest") {
        return (0..bytes.len()).collect();
    }
    let number =
        |at: usize| usize::try_from(u64::from_le_bytes(*bytes[at..].first_chunk().unwrap())).unwrap();
    let sections = usize::try_from(u32::from_le_bytes(*bytes[12..].first_chunk().unwrap())).unwrap();
    let mut end = 16 + 16 * sections + 4;
    let mut found = vec![0, 8, 12, 16, end];
    for section in 0..sections {
        let start = end.next_multiple_of(64);
        end = start + number(16 + 16 * section);
        found.extend([start, end]);
    }
    assert_eq!(end, bytes.len(), "the last section ends where the file does");
    found
}

#[test]
fn files_cut_off_at_every_section_boundary_are_found() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    index(&dir);
    let truth = ask(&dir).unwrap();
    for path in files(&dir) {
        let bytes = fs::read(&path).unwrap();
        let around = boundaries(&path, &bytes).into_iter().flat_map(|at| [at.saturating_sub(1), at, at + 1]);
        let cuts: BTreeSet<usize> = around.chain((0..bytes.len()).step_by(4_099)).collect();
        for &at in cuts.iter().filter(|&&at| at < bytes.len()) {
            replace(&path, &bytes[..at]);
            let what = format!("{} cut at {at}", path.display());
            match path.extension().is_some_and(|extension| extension == "extract") {
                // Extracts repeat what is in the segments, so answers stay right.
                true => check(&dir, &truth, &what),
                false => assert!(Searcher::open(&dir).is_err(), "{what}"),
            }
        }
        replace(&path, &bytes);
    }
    assert!(verify(&dir).unwrap().is_clean());
}

/// Only writers use the catalog: one opens what is left of it or says why not, and `repair` repairs it.
#[test]
fn a_catalog_cut_off_anywhere_loses_nothing_that_is_published() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    small_index(&dir);
    let truth = ask_small(&dir);
    let path = dir.join("catalog/db");
    let bytes = fs::read(&path).unwrap();
    let last = bytes.iter().rposition(|&byte| byte != 0).unwrap();
    for eighth in 0..=8 {
        let whole = tempfile::tempdir().unwrap();
        copy(&dir, whole.path());
        fs::write(whole.path().join("catalog/db"), &bytes[..last * eighth / 8]).unwrap();
        if let Err(error) = Writer::open(whole.path(), &small_space(), WriterOptions::default()) {
            assert!(error.hint().is_some(), "{error}");
            repair(whole.path()).unwrap();
        }
        drop(Writer::open(whole.path(), &small_space(), WriterOptions::default()).unwrap());
        assert_eq!(ask_small(whole.path()), truth, "cut to {eighth} eighths");
    }
}

fn small_space() -> Space {
    Space::new("id", "label", DIM).unwrap()
}

fn small_index(dir: &Path) {
    let writer = Writer::open(dir, &small_space(), WriterOptions::default()).unwrap();
    for of in 0..40 {
        let record = Record { fingerprint: None, payload: of.to_string().into_bytes() };
        let key = Key::new(format!("{of:05}")).unwrap();
        writer.apply(vec![Change::Put { key, record, vector: Some(vector(of)) }]).unwrap();
    }
    writer.close().unwrap();
}

fn ask_small(dir: &Path) -> Vec<Hit> {
    let k = NonZeroUsize::new(100).unwrap();
    Searcher::open(dir).unwrap().search(&vector(99_999), k, &SearchOptions::default()).unwrap()
}

/// Every method that lists or finds records reports a damaged one instead of leaving it out.
#[test]
fn every_list_tells_of_a_damaged_record() {
    let index = Fixture::new();
    let record = |name: &str| put_with(name, &format!("payload of {name}"), Some(7), Some(at(10.0)));
    index.apply(["a", "b", "c"].map(record).to_vec());
    let segment = index.dir().join("0000000000000001.segment");
    let mut bytes = fs::read(&segment).unwrap();
    let damaged = b"payload of b";
    let place = bytes.windows(damaged.len()).position(|window| window == damaged).unwrap();
    bytes[place] ^= 1;
    fs::write(&segment, bytes).unwrap();
    let searcher = index.searcher();
    let told = |found: Vec<Result<Vec<u8>, Error>>| {
        let damaged = found.iter().filter(|found| matches!(found, Err(Error::Damaged { .. }))).count();
        (found.len(), damaged)
    };
    assert_eq!(told(searcher.records().map(|found| Ok(found?.key.to_vec())).collect()), (3, 1));
    assert_eq!(told(searcher.vectors().map(|found| Ok(found?.record.key.to_vec())).collect()), (3, 1));
    let of_content = searcher.records_of(&Fingerprint([7; 16]));
    assert!(told(of_content.map(|found| Ok(found?.record.key.to_vec())).collect()).1 > 0);
    assert!(searcher.get(&key("b")).is_err() && searcher.select_keys([&key("b")]).is_err());
    let hits = searcher.search(&at(0.0), NonZeroUsize::new(3).unwrap(), &SearchOptions::default());
    assert!(matches!(hits, Err(Error::Damaged { .. })), "{hits:?}");
}
