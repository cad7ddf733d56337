//! One writer and eight reader processes at the same time.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgsearch_index::{SearchOptions, Searcher, WriterOptions};

use crate::fixture::{Fixture, at, put_at, space};

const CHILD_DIR: &str = "INDEX_TEST_READER_DIR";
const READERS: usize = 8;

/// A child process of the test below; does nothing when run by itself.
#[test]
fn child_that_reads_until_all_is_there() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let mut seen = BTreeSet::new();
    let deadline = Instant::now() + Duration::from_secs(60);
    while !seen.contains(&b"end"[..]) {
        assert!(Instant::now() < deadline, "the end was never published");
        let Ok(searcher) = Searcher::open(dir.as_ref()) else { panic!("no index") };
        let found: BTreeSet<Vec<u8>> =
            searcher.records().map(Result::unwrap).map(|record| record.key.to_vec()).collect();
        // Keys that are never deleted must stay once they are published.
        let lost: Vec<_> = seen.difference(&found).filter(|key| !key.starts_with(b"gone")).collect();
        assert!(lost.is_empty(), "{lost:?}");
        let k = NonZeroUsize::new(5).unwrap();
        let hits = searcher.search(&at(12.0), k, &SearchOptions::default()).unwrap();
        assert_eq!(hits.len(), searcher.len().min(5));
        assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
        seen = found;
    }
}

#[test]
fn eight_processes_read_while_one_writes() {
    let index = Fixture::new();
    let options = WriterOptions::default().publish_rows(5).segment_rows(50);
    let writer = imgsearch_index::Writer::open(&index.dir(), &space(), options).unwrap();
    let readers: Vec<_> = (0..READERS)
        .map(|_| {
            Command::new(std::env::current_exe().unwrap())
                .args(["--exact", "concurrency::child_that_reads_until_all_is_there", "--nocapture"])
                .env(CHILD_DIR, index.dir())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        })
        .collect();
    let begin = Instant::now();
    let mut i = 0;
    while begin.elapsed() < Duration::from_secs(4) {
        let gone = format!("gone {}", i % 9);
        let changes = if i % 2 == 0 { put_at(&gone, 3.0) } else { crate::fixture::delete(&gone) };
        let angle = f32::from(u16::try_from(i % 360).unwrap());
        writer.apply(vec![put_at(&format!("stays {}", i % 500), angle), changes]).unwrap();
        i += 1;
    }
    writer.apply(vec![put_at("end", 0.0)]).unwrap();
    writer.close().unwrap();
    for mut reader in readers {
        assert!(reader.wait().unwrap().success());
    }
}
