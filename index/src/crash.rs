//! The crash test: a writing process ends at any moment, and every batch that it acknowledged must be there.
//!
//! The child process is this test binary. It applies batches and prints the number of each durable one. Half of the
//! children are killed after a random time. The other half end themselves at one of the [`fault`] points between a
//! temporary file, its rename, and the manifest. Others merge full segments in the background, and end themselves between
//! writing the new segments and naming them in the manifest.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};
use std::time::Duration;

use crate::{
    Change, Extractor, GraphOptions, Key, Method, Record, SearchOptions, Searcher, Space, Vector, Writer,
    WriterOptions, fault, files, verify,
};

/// Tells a child its first batch, the fault point at which it ends (0 for none), and its index.
const CHILD: &str = "INDEX_CRASH_TEST";

/// Tells a merging child the fault point at which it ends, and its index.
const MERGING_CHILD: &str = "INDEX_MERGE_CRASH_TEST";

const KEYS: u64 = 40;
const ROWS_PER_BATCH: u64 = 5;

/// Rows in a full segment.
const FULL: u64 = 4_096;

fn space() -> Space {
    Space::new("crash", "crash", 8).unwrap()
}

/// Extracts are the whole payloads.
const WHOLE: Extractor = Extractor { version: 1, append: |payload, into| into.extend(payload) };

/// Options with small numbers, so that there are many publications and merges.
fn options() -> WriterOptions {
    let (cache_bytes, publish_rows, publish_interval) = (4 << 20, 7, Duration::from_millis(3));
    WriterOptions {
        cache_bytes,
        publish_rows,
        publish_interval,
        segment_rows: 20,
        extractor: Some(WHOLE),
        ..WriterOptions::default()
    }
}

/// Options with few links, so that graphs are built quickly.
fn options_that_merge() -> WriterOptions {
    let graph = GraphOptions { m: 4, ef_construction: Some(16) };
    WriterOptions { segment_rows: usize::try_from(FULL).unwrap(), graph, ..options() }
}

/// A vector that identifies its batch.
fn vector(batch: u64, key: u64) -> Vector {
    let component = |i: u64| crate::test_numbers::spread(batch * 1_000_003 + key * 101 + i);
    Vector::normalized((0..8).map(component).collect()).unwrap()
}

fn key(key: u64) -> Key {
    Key::new(format!("key {key:02}")).unwrap()
}

/// Puts some keys, deletes others, and stores the batch's number under a separate key.
fn batch(batch: u64) -> Vec<Change> {
    let put = |key: Key, vector| {
        let payload = batch.to_le_bytes().to_vec();
        Change::Put { key, record: Record { fingerprint: None, payload }, vector }
    };
    let mut changes = vec![put(Key::new("batch").unwrap(), None)];
    for i in 0..ROWS_PER_BATCH {
        let number = (batch * 7 + i * 3) % KEYS;
        let delete = (batch + i).is_multiple_of(4);
        changes.push(match delete {
            true => Change::Delete { key: key(number) },
            false => put(key(number), Some(vector(batch, number))),
        });
    }
    changes
}

/// The expected contents after this many batches.
fn expected(batches: u64) -> BTreeMap<Key, u64> {
    let mut state = BTreeMap::new();
    for number in 0..batches {
        for change in batch(number) {
            match change {
                Change::Put { key, .. } => _ = state.insert(key, number),
                Change::Delete { key } => _ = state.remove(&key),
            }
        }
    }
    state
}

/// The child process of the test below; does nothing when run by itself.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let mut told = told.splitn(3, ' ');
    let mut number = || told.next().unwrap().parse::<u64>().unwrap();
    let (first, fault) = (number(), number());
    fault::end_at(usize::try_from(fault).unwrap());
    let writer = Writer::open(Path::new(told.next().unwrap()), &space(), options()).unwrap();
    apply_batches(&writer, first);
}

/// Fills two segments, which are merged in the background while batches are applied. Does nothing when run by itself.
#[test]
fn child_that_merges() {
    let Ok(told) = std::env::var(MERGING_CHILD) else { return };
    let (point, dir) = told.rsplit_once(" at ").unwrap();
    fault::end_at_point(point);
    let writer = Writer::open(Path::new(dir), &space(), options_that_merge()).unwrap();
    for first in [0, FULL] {
        writer.apply((first..first + FULL).map(fill).collect()).unwrap();
        writer.publish().unwrap();
    }
    apply_batches(&writer, 0);
}

/// A row that only fills a segment. No batch touches it.
fn fill(row: u64) -> Change {
    let record = Record { fingerprint: None, payload: row.to_le_bytes().to_vec() };
    Change::Put { key: full_key(row), record, vector: Some(vector(row, KEYS)) }
}

fn full_key(row: u64) -> Key {
    Key::new(format!("full {row:05}")).unwrap()
}

/// Applies batches until the process ends, and acknowledges each.
fn apply_batches(writer: &Writer, first: u64) {
    let mut stdout = std::io::stdout();
    for number in first.. {
        writer.apply(batch(number)).unwrap();
        writeln!(stdout, "applied {number}").and_then(|()| stdout.flush()).unwrap();
    }
}

/// Runs one test of this binary as a child, which ends itself or is killed after a while. Returns how it ended and the last
/// batch that it acknowledged.
fn run_child(test: &str, (told, how): (&str, &str), killed: Option<Duration>) -> (ExitStatus, Option<u64>) {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture"])
        .env(told, how)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let number = |line: String| line.split("applied ").nth(1)?.trim().parse::<u64>().ok();
        stdout.lines().map_while(Result::ok).filter_map(number).last()
    });
    if let Some(wait) = killed {
        std::thread::sleep(wait);
        child.kill().unwrap();
    }
    (child.wait().unwrap(), reader.join().unwrap())
}

/// Checks that a searcher sees a state between two batches, and that every vector is the one that was put.
fn check(dir: &Path, least: u64) -> u64 {
    let searcher = Searcher::open(dir).unwrap();
    let number = |payload: &[u8]| u64::from_le_bytes(*payload.first_chunk().unwrap());
    let seen: BTreeMap<Key, u64> = searcher
        .records()
        .map(Result::unwrap)
        .filter(|found| !found.key.starts_with(b"full"))
        .map(|found| (Key::new(found.key).unwrap(), number(found.payload)))
        .collect();
    let batches = seen.get(&Key::new("batch").unwrap()).map_or(0, |last| last + 1);
    assert!(batches >= least, "{batches} batches are there, {least} were acknowledged");
    assert_eq!(seen, expected(batches));
    for key_number in 0..KEYS {
        let Some(&put_by) = seen.get(&key(key_number)) else { continue };
        let query = vector(put_by, key_number);
        let hits = searcher.search(&query, NonZeroUsize::MIN, &SearchOptions::default()).unwrap();
        assert!(hits[0].key == key(key_number) && (hits[0].score - 1.0).abs() < 1e-3, "{hits:?}");
        let containing = searcher.containing(&WHOLE, &[&put_by.to_le_bytes()]);
        let found =
            searcher.select_among(&containing, |found| found.key == key(key_number).as_bytes()).unwrap();
        assert_eq!(found.len(), 1);
    }
    batches
}

#[test]
fn nothing_acknowledged_is_lost_at_any_of_200_moments() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("index");
    let mut batches = 0;
    for round in 0..200u64 {
        let random = crate::test_numbers::mix(round);
        let fault = if round.is_multiple_of(2) { 1 + random % 40 } else { 0 };
        let killed = (fault == 0).then(|| Duration::from_millis(random % 120));
        let how = format!("{batches} {fault} {}", dir.display());
        let (_, last) = run_child("crash::child", (CHILD, &how), killed);
        let acknowledged = last.map_or(batches, |last| last + 1);
        if Searcher::open(&dir).is_ok() {
            // Without a writer, a searcher sees the published state, which was acknowledged or about to be.
            check(&dir, 0);
        }
        drop(Writer::open(&dir, &space(), options()).unwrap());
        batches = check(&dir, acknowledged);
        if round.is_multiple_of(50) {
            let report = verify(&dir).unwrap();
            assert!(report.is_clean(), "{report:?}");
        }
        // The expected state is computed from all batches each time, so limit their number.
        if batches > 400 {
            std::fs::remove_dir_all(&dir).unwrap();
            batches = 0;
        }
    }
}

/// Checks that all rows that fill segments are there.
#[track_caller]
fn check_full(dir: &Path) {
    let searcher = Searcher::open(dir).unwrap();
    let full = searcher.records().map(Result::unwrap).filter(|found| found.key.starts_with(b"full"));
    assert_eq!(full.count(), usize::try_from(2 * FULL).unwrap());
    for row in [0, FULL - 1, FULL, 2 * FULL - 1] {
        let options = SearchOptions::default().method(Method::Exact);
        let hits = searcher.search(&vector(row, KEYS), NonZeroUsize::MIN, &options).unwrap();
        assert!(hits[0].key == full_key(row) && hits[0].payload == row.to_le_bytes(), "{hits:?}");
    }
}

/// The process ends after writing a merge's segments or graphs, before the manifest names them.
#[test]
fn an_interrupted_merge_loses_nothing() {
    for point in ["after the segments of a merge", "after the graphs of a merge"] {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("index");
        let how = format!("{point} at {}", dir.display());
        let (ended, last) = run_child("crash::child_that_merges", (MERGING_CHILD, &how), None);
        // Exit code 101 is a panic; an abort has another code or none.
        assert!(!matches!(ended.code(), Some(0 | 101)), "{point}: {ended}");
        let acknowledged = last.map_or(0, |last| last + 1);
        let segments =
            || (files::segments(&dir).unwrap().len(), Searcher::open(&dir).unwrap().stats().segments);
        let (there, named) = segments();
        assert!(there > named, "{point}: {there} segments, {named} named");
        check(&dir, 0);
        check_full(&dir);
        assert!(verify(&dir).unwrap().is_clean(), "{point}");
        Writer::open(&dir, &space(), options_that_merge()).unwrap().close().unwrap();
        check(&dir, acknowledged);
        check_full(&dir);
        let (there, named) = segments();
        assert_eq!(there, named, "{point}");
        assert!(verify(&dir).unwrap().is_clean(), "{point}");
    }
}
