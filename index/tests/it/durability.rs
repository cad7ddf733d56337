//! Everything applied is still there after a writer ends, however it ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use imgsearch_index::{Writer, WriterOptions};

use crate::fixture::{Fixture, put_at};

/// Where the child process of [`a_killed_writer_loses_nothing_acknowledged`] finds its index.
const CHILD_DIR: &str = "INDEX_TEST_CHILD_DIR";

#[test]
fn notes_stay() {
    let index = Fixture::new();
    let writer = index.writer();
    assert_eq!(writer.note().unwrap(), None);
    writer.set_note(b"first".to_vec()).unwrap();
    writer.set_note(b"second".to_vec()).unwrap();
    writer.close().unwrap();
    assert_eq!(index.searcher().note(), Some(&b"second"[..]));
    assert_eq!(index.writer().note().unwrap(), Some(b"second".to_vec()));
}

#[test]
fn a_dropped_writer_loses_nothing() {
    let index = Fixture::new();
    for i in 0..5 {
        let writer = index.writer();
        writer.apply(vec![put_at(&format!("{i}"), 0.0)]).unwrap();
        drop(writer);
    }
    index.apply(vec![]);
    assert_eq!(index.searcher().len(), 5);
}

/// An open writer publishes by itself: here after five rows or some time.
#[test]
fn rows_are_published_while_the_writer_stays_open() {
    #[track_caller]
    fn check(rows: usize, publish_rows: usize, publish_interval: Duration) {
        let index = Fixture::new();
        let options = WriterOptions::default().publish_rows(publish_rows).publish_interval(publish_interval);
        let writer = Writer::open(&index.dir(), &crate::fixture::space(), options).unwrap();
        writer.apply((0..rows).map(|i| put_at(&i.to_string(), 0.0)).collect()).unwrap();
        let begin = Instant::now();
        while index.searcher().len() < rows {
            assert!(begin.elapsed() < Duration::from_secs(60), "never published");
            std::thread::yield_now();
        }
    }
    const NEVER: Duration = Duration::from_secs(3_600);
    check(5, 5, NEVER);
    check(1, 1_000, Duration::from_millis(20));
}

/// The child process of the test below; does nothing when run by itself.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Ok(dir) = std::env::var(CHILD_DIR) else { return };
    let writer = Writer::open(dir.as_ref(), &crate::fixture::space(), WriterOptions::default()).unwrap();
    let mut stdout = std::io::stdout();
    for batch in 0.. {
        // A batch is atomic: both or neither must be there.
        writer.apply(vec![put_at(&format!("{batch}-x"), 0.0), put_at(&format!("{batch}-y"), 90.0)]).unwrap();
        writeln!(stdout, "applied {batch}").and_then(|()| stdout.flush()).unwrap();
    }
}

#[test]
fn a_killed_writer_loses_nothing_acknowledged() {
    let index = Fixture::new();
    for wanted in [1, 7, 30] {
        std::fs::remove_dir_all(index.dir()).ok();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "durability::child_that_writes_until_it_is_killed", "--nocapture"])
            .env(CHILD_DIR, index.dir())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let applied = lines.filter(|line| line.as_ref().is_ok_and(|line| line.contains("applied ")));
        let acknowledged = applied.take(wanted).count();
        child.kill().unwrap();
        child.wait().unwrap();
        index.apply(vec![]);
        let found = index.searcher().len();
        assert!(
            acknowledged == wanted && found >= 2 * wanted && found.is_multiple_of(2),
            "{acknowledged} {found}"
        );
    }
}
