//! The crash test: a process that writes is ended at any moment, and what it had acknowledged is there.
//!
//! The child is this test binary again. It applies batches and prints the number of each one that is durable.
//! Half of the children are killed after a random time, half end themselves at one of the [`fault`] points
//! between a temporary file, its rename, and the manifest.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::{
    Change, Key, Record, SearchOptions, Searcher, Space, Vector, Writer, WriterOptions, fault, verify,
};

/// Where a child finds its index, which batch it begins with, and at which fault point it ends (0 for none).
const CHILD: &str = "INDEX_CRASH_TEST";

const KEYS: u64 = 40;
const ROWS_PER_BATCH: u64 = 5;

fn space() -> Space {
    Space { id: "crash".into(), label: "crash".into(), dim: 8 }
}

/// Small numbers, so that there are many publications and merges.
fn options() -> WriterOptions {
    let (cache_bytes, publish_rows, publish_interval) = (4 << 20, 7, Duration::from_millis(3));
    WriterOptions {
        cache_bytes,
        publish_rows,
        publish_interval,
        segment_rows: 20,
        ..WriterOptions::default()
    }
}

/// A vector that tells which batch has put it.
fn vector(batch: u64, key: u64) -> Vector {
    let component = |i: u64| crate::test_numbers::spread(batch * 1_000_003 + key * 101 + i);
    Vector::new((0..8).map(component).collect()).unwrap()
}

fn key(key: u64) -> Key {
    Key::new(format!("key {key:02}")).unwrap()
}

/// Puts some keys, deletes others, and remembers the batch under a key of its own.
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

/// What is there after so many batches.
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

/// Runs as the child of the test below; on its own it does nothing.
#[test]
fn child() {
    let Ok(told) = std::env::var(CHILD) else { return };
    let mut told = told.splitn(3, ' ');
    let mut number = || told.next().unwrap().parse::<u64>().unwrap();
    let (first, fault) = (number(), number());
    fault::end_at(usize::try_from(fault).unwrap());
    let writer = Writer::open(Path::new(told.next().unwrap()), &space(), options()).unwrap();
    let mut stdout = std::io::stdout();
    for number in first.. {
        writer.apply(batch(number)).unwrap();
        writeln!(stdout, "applied {number}").and_then(|()| stdout.flush()).unwrap();
    }
}

/// Starts a child that begins with batch `first`, ends it, and answers how many batches are acknowledged then.
fn run_child(dir: &Path, first: u64, fault: u64, wait: Duration) -> u64 {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "crash::child", "--nocapture"])
        .env(CHILD, format!("{first} {fault} {}", dir.display()))
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let stdout = BufReader::new(child.stdout.take().unwrap());
    let reader = std::thread::spawn(move || {
        let number = |line: String| line.split("applied ").nth(1)?.trim().parse::<u64>().ok();
        stdout.lines().map_while(Result::ok).filter_map(number).last()
    });
    if fault == 0 {
        std::thread::sleep(wait);
        child.kill().unwrap();
    }
    child.wait().unwrap();
    reader.join().unwrap().map_or(first, |last| last + 1)
}

/// What a searcher sees is a state between two batches, and every vector is the one that was put.
fn check(dir: &Path, least: u64) -> u64 {
    let searcher = Searcher::open(dir).unwrap();
    let number = |payload: &[u8]| u64::from_le_bytes(*payload.first_chunk().unwrap());
    let seen: BTreeMap<Key, u64> = searcher
        .records()
        .map(Result::unwrap)
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
        let acknowledged = run_child(&dir, batches, fault, Duration::from_millis(random % 120));
        if Searcher::open(&dir).is_ok() {
            // Without a writer, a searcher sees what was published: a state that was acknowledged or about to be.
            check(&dir, 0);
        }
        drop(Writer::open(&dir, &space(), options()).unwrap());
        batches = check(&dir, acknowledged);
        if round.is_multiple_of(50) {
            let report = verify(&dir).unwrap();
            assert!(report.is_clean(), "{report:?}");
        }
        // The whole state is computed from all batches each time.
        if batches > 400 {
            std::fs::remove_dir_all(&dir).unwrap();
            batches = 0;
        }
    }
}
