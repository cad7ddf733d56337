//! Graphs over segments: when they are built, how they are restored, and the recall of walks.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::LazyLock;

use imgsearch_index::{
    Change, GraphOptions, Hit, Key, Method, OptimizeOptions, Record, SearchOptions, Searcher, Space, Vector,
    Writer, WriterOptions, repair, verify,
};
use tempfile::TempDir;

use crate::fixture::copy;

/// Enough rows for a graph; fewer are scanned.
const ROWS: u32 = 4_200;
const DIM: usize = 8;

/// An index in a temporary folder, of vectors in clusters of twenty.
struct Index(TempDir);

impl Index {
    fn new() -> Index {
        Index(tempfile::tempdir().unwrap())
    }

    fn writer(&self) -> Writer {
        let space = Space::new("id", "label", DIM).unwrap();
        let graph = GraphOptions::default().m(8).ef_construction(40);
        let options = WriterOptions::default().graph(graph).segment_rows(4_100);
        Writer::open(self.0.path(), &space, options).unwrap()
    }

    /// A copy of an index with all rows and a graph, because building it takes seconds.
    fn filled() -> Index {
        static FILLED: LazyLock<Index> = LazyLock::new(|| {
            let index = Index::new();
            let writer = index.writer();
            writer.apply((0..ROWS).map(put).collect()).unwrap();
            writer.close().unwrap();
            index
        });
        let index = Index::new();
        copy(FILLED.0.path(), index.0.path());
        index
    }

    fn searcher(&self) -> Searcher {
        Searcher::open(self.0.path()).unwrap()
    }

    fn graphs(&self) -> Vec<PathBuf> {
        let entries = fs::read_dir(self.0.path()).unwrap().map(|entry| entry.unwrap().path());
        entries.filter(|path| path.extension().is_some_and(|found| found == "graph")).collect()
    }

    /// Changes a bit in the graph's file. The file is replaced, because it may be mapped.
    fn damage_graph(&self) {
        let path = self.graphs().remove(0);
        let mut bytes = fs::read(&path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        fs::remove_file(&path).unwrap();
        fs::write(&path, bytes).unwrap();
    }

    /// Checks that all rows are in one graph, and that walks over it have a high recall.
    #[track_caller]
    fn check_one_graph(&self, rows: usize) {
        let stats = self.searcher().stats();
        assert_eq!((stats.rows, stats.graph_rows, self.graphs().len()), (rows, rows, 1));
        let found = found_by_walks(&self.searcher());
        assert!(found >= 480, "{found}");
    }
}

fn vector(of: u32) -> Vector {
    let noise = |seed: f32, i: usize| ((seed * 1.7 + i as f32 * 2.3).sin() * 9_999.0).fract();
    let component = |i: usize| noise((of / 20) as f32, i) + 0.4 * noise(of as f32 + 0.5, i);
    Vector::normalized((0..DIM).map(component).collect()).unwrap()
}

fn key(of: u32) -> Key {
    Key::new(format!("{of:05}")).unwrap()
}

fn put(of: u32) -> Change {
    Change::Put {
        key: key(of),
        record: Record { fingerprint: None, payload: vec![] },
        vector: Some(vector(of)),
    }
}

fn number(key: &[u8]) -> u32 {
    std::str::from_utf8(key).unwrap().parse().unwrap()
}

fn search(searcher: &Searcher, of: u32, k: usize, options: &SearchOptions<'_>) -> Vec<Hit> {
    searcher.search(&vector(of), NonZeroUsize::new(k).unwrap(), options).unwrap()
}

fn search_by(searcher: &Searcher, of: u32, k: usize, method: Method) -> Vec<Hit> {
    search(searcher, of, k, &SearchOptions::default().method(method))
}

/// How many of the ten nearest of 50 queries (500 in all) walks find.
fn found_by_walks(searcher: &Searcher) -> usize {
    let of_query = |of: u32| {
        let exact = search_by(searcher, of, 10, Method::Exact);
        let walk = search_by(searcher, of, 10, Method::Walk { ef: 40 });
        walk.iter().filter(|hit| exact.contains(hit)).count()
    };
    (0..50).map(|i| of_query(ROWS + 20 * i)).sum()
}

#[test]
fn a_full_segment_gets_its_graph_while_indexing() {
    let index = Index::new();
    let writer = index.writer();
    writer.apply((0..4_000).map(put).collect()).unwrap();
    writer.publish().unwrap();
    assert_eq!(index.searcher().stats().graph_rows, 0, "not full yet");
    writer.apply((4_000..ROWS).map(put).collect()).unwrap();
    writer.close().unwrap();
    index.check_one_graph(ROWS as usize);
}

#[test]
fn full_segments_become_one_with_a_graph_of_its_own() {
    let index = Index::filled();
    let writer = index.writer();
    writer.apply((ROWS..2 * ROWS).map(put).collect()).unwrap();
    writer.publish().unwrap();
    let with_old = index.searcher();
    // Changes during the merge: deleted rows stay deleted, and new ones are found.
    writer.apply(vec![Change::Delete { key: key(7) }, put(2 * ROWS)]).unwrap();
    writer.close().unwrap();
    let (searcher, rows) = (index.searcher(), 2 * ROWS as usize);
    let stats = searcher.stats();
    assert!(stats.graph_rows >= rows - 1, "{stats:?}");
    assert_eq!((stats.rows, index.graphs().len()), (rows, 1));
    assert!(search(&searcher, 7, 1, &SearchOptions::default())[0].key != key(7));
    for of in [0, ROWS + 7, 2 * ROWS] {
        assert_eq!(search(&searcher, of, 1, &SearchOptions::default())[0].key, key(of));
    }
    let found = found_by_walks(&searcher);
    assert!(found >= 480, "{found}");
    // An older searcher still answers from the old segments.
    assert_eq!(search(&with_old, 7, 1, &SearchOptions::default())[0].key, key(7));
}

/// A regression: the background thread built the same graphs as `optimize`.
#[test]
fn optimize_builds_every_graph_once() {
    let index = Index::new();
    let writer = index.writer();
    writer.apply((0..ROWS).map(put).collect()).unwrap();
    writer.publish().unwrap();
    assert!(writer.optimize(&OptimizeOptions::default()).unwrap());
    writer.close().unwrap();
    index.check_one_graph(ROWS as usize);
}

#[test]
fn a_cancelled_optimize_keeps_everything() {
    let index = Index::filled();
    let writer = index.writer();
    writer.apply(vec![Change::Delete { key: key(7) }]).unwrap();
    let options = OptimizeOptions::default().cancelled(&|| true);
    assert!(!writer.optimize(&options).unwrap());
    assert_eq!(index.searcher().len(), ROWS as usize - 1);
    writer.close().unwrap();
    assert_eq!(index.searcher().stats().graph_rows, ROWS as usize - 1, "the writer's thread builds it");
}

/// Damages the graph's file, opens a writer, and checks the result.
#[track_caller]
fn check_restored(damage: impl Fn(&PathBuf)) {
    let index = Index::filled();
    let path = index.graphs().remove(0);
    let (bytes, found) = (fs::read(&path).unwrap(), found_by_walks(&index.searcher()));
    damage(&path);
    drop(index.writer());
    assert!(fs::read(&path).unwrap() == bytes, "the same file is there again");
    assert_eq!((found_by_walks(&index.searcher()), index.graphs().len()), (found, 1));
    assert!(verify(index.0.path()).unwrap().is_clean());
}

#[test]
fn a_lost_graph_comes_back_from_the_catalog() {
    check_restored(|path| fs::remove_file(path).unwrap());
    check_restored(|path| {
        let bytes = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        fs::write(path, &bytes[..bytes.len() / 2]).unwrap();
    });
}

#[test]
fn a_graph_that_both_sides_have_lost_is_built_again() {
    let index = Index::filled();
    fs::remove_file(&index.graphs()[0]).unwrap();
    fs::remove_dir_all(index.0.path().join("catalog")).unwrap();
    index.writer().close().unwrap();
    index.check_one_graph(ROWS as usize);
}

#[test]
fn a_damaged_graph_is_repaired() {
    let index = Index::filled();
    index.damage_graph();
    assert!(!verify(index.0.path()).unwrap().is_clean());
    assert!(repair(index.0.path()).unwrap().repaired);
    assert!(verify(index.0.path()).unwrap().is_clean());
    assert_eq!(index.searcher().len(), ROWS as usize);
}

/// With this few rows, a walk for five hundred hits takes longer than a scan.
#[test]
fn many_hits_are_scanned_for() {
    let index = Index::filled();
    let searcher = index.searcher();
    for of in (ROWS..ROWS + 200).step_by(20) {
        let exact = search_by(&searcher, of, 500, Method::Exact);
        assert_eq!(search_by(&searcher, of, 500, Method::default()), exact);
    }
}

/// Optimizes, and returns how many rows were in the graph at the first progress report.
fn optimize(writer: &Writer) -> usize {
    let told = std::sync::Mutex::new(Vec::new());
    let progress = |done: usize, _: usize| told.lock().unwrap().push(done);
    assert!(writer.optimize(&OptimizeOptions::default().progress(&progress)).unwrap());
    told.into_inner().unwrap()[0]
}

/// `optimize` reuses the existing graph and inserts only the new rows.
#[test]
fn optimize_goes_on_from_the_largest_graph() {
    let index = Index::filled();
    let writer = index.writer();
    let removed = (0..300).map(|of| Change::Delete { key: key(of * 13) });
    // Replace some under the same keys.
    let replaced = (0..100).map(|of| Change::Put {
        key: key(of * 13 + 1),
        record: Record { fingerprint: None, payload: vec![] },
        vector: Some(vector(ROWS + 2_000 + of)),
    });
    let added = (ROWS + 1_000..ROWS + 1_500).map(put);
    writer.apply(removed.chain(replaced).chain(added).collect()).unwrap();
    let first = optimize(&writer);
    writer.close().unwrap();
    let searcher = index.searcher();
    let rows = ROWS as usize - 300 + 500;
    index.check_one_graph(rows);
    assert_eq!(searcher.stats().dead_rows, 0);
    assert!(first > rows - 1_500, "{first} of {rows} rows were there from the beginning");
    for of in [ROWS + 1_000, ROWS + 1_499, ROWS + 2_000] {
        assert!(search_by(&searcher, of, 1, Method::Walk { ef: 40 })[0].score > 0.999, "{of}");
    }
}

#[test]
fn optimize_does_not_go_on_from_a_damaged_graph() {
    let index = Index::filled();
    index.damage_graph();
    let writer = index.writer();
    writer.apply(vec![put(ROWS + 1_000)]).unwrap();
    let first = optimize(&writer);
    assert!(first < ROWS as usize / 2, "{first} rows were there from the beginning");
    writer.close().unwrap();
    assert!(verify(index.0.path()).unwrap().is_clean());
}

/// Codes cannot distinguish six hundred frames of a time lapse, and walks select by codes.
#[test]
fn nearly_equal_rows_are_told_apart() {
    let index = Index::filled();
    let writer = index.writer();
    let frame = |i: u32| {
        let vector = vector(7);
        let noise = |j: usize| 1e-4 * ((i * 8) as f32 + j as f32 * 0.7).sin();
        Vector::normalized(vector.as_slice().iter().enumerate().map(|(j, x)| x + noise(j)).collect()).unwrap()
    };
    let put = |i: u32| Change::Put {
        key: key(90_000 + i),
        record: Record { fingerprint: None, payload: vec![] },
        vector: Some(frame(i)),
    };
    writer.apply((0..600).map(put).collect()).unwrap();
    writer.optimize(&OptimizeOptions::default()).unwrap();
    writer.close().unwrap();
    let searcher = index.searcher();
    for i in (0..600).step_by(60) {
        let search = |method| {
            let options = SearchOptions::default().method(method);
            searcher.search(&frame(i), NonZeroUsize::new(10).unwrap(), &options).unwrap()
        };
        assert_eq!(search(Method::default()), search(Method::Exact), "{i}");
    }
}

/// Checks that there are as many hits as requested or as match, and that each of them matches.
#[track_caller]
fn check_filter(searcher: &Searcher, keep: impl Fn(u32) -> bool + Sync) {
    let selection = searcher.select(|record| keep(number(record.key)));
    for k in [1, 100, 5_000] {
        for method in [Method::default(), Method::Walk { ef: 1 }, Method::Walk { ef: k }] {
            let options = SearchOptions::default().filter(&selection).method(method);
            let hits = search(searcher, ROWS, k, &options);
            assert_eq!(hits.len(), k.min(selection.len()), "{k} {method:?} of {}", selection.len());
            assert!(hits.iter().all(|hit| keep(number(hit.key.as_bytes()))));
            assert!(hits.is_sorted_by(|a, b| a.score >= b.score));
        }
    }
}

#[test]
fn filtered_walks_find_as_many_as_match() {
    let index = Index::filled();
    let writer = index.writer();
    writer.apply((0..300).map(|of| Change::Delete { key: key(of * 13) }).collect()).unwrap();
    writer.close().unwrap();
    let searcher = index.searcher();
    assert_eq!(searcher.stats().graph_rows, ROWS as usize - 300, "the graph is still there");
    let query = vector(ROWS);
    check_filter(&searcher, |_| true);
    check_filter(&searcher, |of| of.is_multiple_of(2));
    check_filter(&searcher, |of| of.is_multiple_of(50));
    check_filter(&searcher, |of| of == 77);
    check_filter(&searcher, |of| of < 2_000);
    // The rows that a walk reaches last.
    check_filter(&searcher, |of| vector(of).dot(&query) < 0.0);
    check_filter(&searcher, |_| false);
}
