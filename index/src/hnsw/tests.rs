//! Tests of graphs over all kinds of rows.

use std::sync::Mutex;

use hnsw_rs::prelude::DistDot;
use proptest::prelude::*;

use super::grow::Growing;
use super::start::ROWS;
use super::{Builder, Flat, Graph, Plan, Seed, write};
use crate::codes::Query;
use crate::scan::{self, Target};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::test_segment::{clustered, segment};
use crate::{GraphOptions, Method, Vector};

fn check(rows: usize, dim: usize, copies: usize, (m, ef_construction): (usize, usize), parallel: bool) {
    let folder = tempfile::tempdir().unwrap();
    let vectors: Vec<_> =
        clustered(rows, dim).into_iter().flat_map(|vector| std::iter::repeat_n(vector, copies)).collect();
    let segment = segment(folder.path(), &vectors, 3);
    let options = GraphOptions { m, ef_construction: Some(ef_construction) };
    let builder = Builder { options, parallel, cancelled: &|| false, progress: &|_| () };
    write(folder.path(), 2, &segment, &builder.build(&segment, None).unwrap().unwrap()).unwrap();
    let graph = Graph::open(folder.path(), 2, &segment).unwrap();
    check_links(&graph, m.max(2), vectors.len());
    // With as many candidates as rows, a walk ends only when it has visited every reachable row.
    let allowed = Allowed { rows: vectors.len(), dead: &[], filter: None };
    let plan = Plan { ef: vectors.len(), most: usize::MAX };
    for query in vectors.iter().take(3) {
        let found = graph.walk(&segment, &Query::new(query), plan, &allowed).unwrap().unwrap();
        assert_eq!(found.len(), vectors.len(), "every row is reached");
    }
}

/// Checks that there are at most `m` links on upper levels and twice as many on level 0, without repetitions and self-links.
fn check_links(graph: &Graph, m: usize, rows: usize) {
    let check_list = |of: u32, links: &[u32], most: usize, rows: usize| {
        let mut sorted = links.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), links.len(), "a link is repeated");
        assert!(links.len() <= most && !links.contains(&of));
        assert!(links.iter().all(|&link| (link as usize) < rows));
    };
    for row in 0..u32::try_from(rows).unwrap() {
        check_list(row, graph.lists().of(row).unwrap(), 2 * m, rows);
    }
    for (above, level) in graph.levels.iter().enumerate() {
        for node in 0..u32::try_from(level.len()).unwrap() {
            check_list(node, graph.upper_links(level, node).unwrap(), m, level.len());
            let (position, down) = graph.place(level, node).unwrap();
            let below =
                above.checked_sub(1).map_or(down, |below| graph.place(&graph.levels[below], down).unwrap().0);
            assert_eq!(position, below, "the node below is another row");
        }
    }
}

/// Random vectors, without clusters.
fn random(rows: usize, dim: usize) -> Vec<Vector> {
    let component = |row: usize, i: usize| crate::test_numbers::spread((row * 65_536 + i) as u64);
    (0..rows).map(|row| Vector::normalized((0..dim).map(|i| component(row, i)).collect()).unwrap()).collect()
}

const OPTIONS: GraphOptions = GraphOptions { m: 8, ef_construction: Some(40) };

fn build(segment: &Segment, parallel: bool) -> Flat {
    let builder = Builder { options: OPTIONS, parallel, cancelled: &|| false, progress: &|_| () };
    builder.build(segment, None).unwrap().unwrap()
}

/// The progress reports of a build, in rows.
fn told(segment: &Segment) -> Vec<usize> {
    let told = Mutex::new(Vec::new());
    let progress = |rows| told.lock().unwrap().push(rows);
    let builder = Builder { options: OPTIONS, parallel: true, cancelled: &|| false, progress: &progress };
    builder.build(segment, None).unwrap().unwrap();
    told.into_inner().unwrap()
}

/// How many of the ten nearest neighbours are found for 50 vectors that are not in the graph, 500 in all.
fn found(segment: &Segment, unseen: &[Vector], search: impl Fn(&Query<'_>) -> Vec<usize>) -> usize {
    let allowed = Allowed { rows: segment.vectors(), dead: &[], filter: None };
    let of_query = |vector: &Vector| {
        let query = Query::new(vector);
        let best = scan::best(&[Target { segment, allowed }], &query, 10).unwrap();
        let found = search(&query);
        best.iter().filter(|(_, best)| found.contains(&best.position)).count()
    };
    unseen.iter().map(of_query).sum()
}

#[test]
fn a_graph_is_the_same_on_any_number_of_cores() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &clustered(2_000, 8), 0);
    assert_eq!(build(&segment, true), build(&segment, false));
}

#[test]
fn progress_counts_the_rows_that_hnsw_rs_links() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &clustered(ROWS + 200, 8), 0);
    let told = told(&segment);
    // One row in eight must still be inserted on higher levels.
    assert!(told[0] > ROWS * 3 / 4 && told.is_sorted(), "{told:?}");
    assert_eq!(told.last(), Some(&(ROWS + 200)));
}

#[test]
fn a_batch_is_a_small_share_of_its_level() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &clustered(ROWS + 100, 8), 0);
    let rows: Vec<u32> = (0..u32::try_from(ROWS + 100).unwrap()).collect();
    let (started, others) = rows.split_at(ROWS);
    let mut growing = Growing::new(&segment, (8, 40), vec![started[..192].to_vec()]);
    growing.start(&started.iter().map(|&row| (row, Vec::new())).collect::<Vec<_>>());
    let mut upper = &started[..192];
    while let most @ 1.. = upper.len().min(((192 - upper.len()) / 64).max(1)) {
        assert_eq!(growing.insert_some(upper), most);
        upper = &upper[most..];
    }
    assert_eq!(growing.insert_some(others), ROWS / 64);
}

/// A build that was cancelled once makes no graph, even if `cancelled` returns false when called again.
#[test]
fn a_cancelled_build_makes_no_graph() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &clustered(ROWS + 200, 8), 0);
    let asked = Mutex::new(0);
    let build = |stop: Option<usize>| {
        *asked.lock().unwrap() = 0;
        let cancelled = || {
            let mut asked = asked.lock().unwrap();
            *asked += 1;
            Some(*asked) == stop
        };
        let builder = Builder { options: OPTIONS, parallel: false, cancelled: &cancelled, progress: &|_| () };
        builder.build(&segment, None).unwrap()
    };
    assert!(build(None).is_some());
    let all = *asked.lock().unwrap();
    for stop in [1, all / 2, all - 1, all] {
        assert_eq!(build(Some(stop)), None, "{stop} of {all}");
    }
}

#[test]
fn a_graph_with_impossible_numbers_is_not_taken_over() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &clustered(200, 8), 0);
    let flat = || build(&segment, false);
    let take_over = |flat: Flat| {
        write(folder.path(), 2, &segment, &flat).unwrap();
        let graph = Graph::open(folder.path(), 2, &segment).ok()?;
        Seed::new((&graph, &segment), &segment, OPTIONS.m).map(|_| ())
    };
    assert!(take_over(flat()).is_some());
    let mut strange = flat();
    strange.links[0] = 200;
    assert_eq!(take_over(strange), None);
    // Without rows, the lengths of the sections don't limit `m`.
    write(folder.path(), 2, &segment, &Flat { m: 1 << 40, ..Flat::default() }).unwrap();
    assert!(Graph::open(folder.path(), 2, &segment).is_err());
}

/// The planned walk reaches its recall on queries that are not in the graph. With as many links and candidates as the
/// reference, walks find as much, give or take one hit in a hundred.
#[test]
fn the_planned_walk_reaches_the_requested_recall() {
    let folder = tempfile::tempdir().unwrap();
    let mut vectors = clustered(8_050, 8);
    let unseen = vectors.split_off(8_000);
    let segment = segment(folder.path(), &vectors, 0);
    write(folder.path(), 2, &segment, &build(&segment, true)).unwrap();
    let graph = Graph::open(folder.path(), 2, &segment).unwrap();
    let allowed = Allowed { rows: segment.vectors(), dead: &[], filter: None };
    let walk = |plan: Plan| {
        found(&segment, &unseen, |query| {
            let found = graph.walk(&segment, query, plan, &allowed).unwrap().unwrap();
            found.into_iter().map(|found| found.position).collect()
        })
    };
    let plan = graph.plan(10, Method::Auto { recall: 0.98 }, segment.vectors()).unwrap();
    assert!(walk(plan) >= 485, "{} with {plan:?}", walk(plan));
    assert_eq!(graph.plan(10, Method::Auto { recall: 1.1 }, segment.vectors()), None);

    let reference = hnsw_rs::prelude::Hnsw::<f32, DistDot>::new(8, vectors.len(), 16, 40, DistDot);
    vectors.iter().enumerate().for_each(|(i, vector)| reference.insert_slice((vector.as_slice(), i)));
    let of_reference = found(&segment, &unseen, |query| {
        let found = reference.search(query.components, 32, 32);
        found.into_iter().map(|found| found.d_id).collect()
    });
    let ours = walk(Plan { ef: 32, most: usize::MAX });
    assert!(ours + 5 >= of_reference, "{ours}, the reference {of_reference}");
}

#[test]
fn a_graph_that_is_not_worth_walking_has_no_links() {
    let folder = tempfile::tempdir().unwrap();
    let segment = segment(folder.path(), &random(4_096, 96), 0);
    assert_eq!(told(&segment), [1_024], "a quarter of the rows tells");
    write(folder.path(), 2, &segment, &build(&segment, true).if_of_use()).unwrap();
    let graph = Graph::open(folder.path(), 2, &segment).unwrap();
    assert!(graph.is_measured() && !graph.has_links());
    assert_eq!(graph.plan(10, Method::default(), 4_096), None);
    assert!(graph.verdict(4_096, 8_191).is_some_and(|flat| flat.links.is_empty()), "nobody builds it again");
    assert_eq!(graph.verdict(4_096, 8_192), None);
}

#[test]
fn graphs_of_few_rows() {
    for rows in [1, 2, 3, 17, 64, 65] {
        check(rows, 4, 1, (2, 1), false);
        check(rows, 4, 2, (16, 100), true);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn graphs_of_any_rows(
        rows in 1..400usize, dim in 1..70usize, copies in 1..4usize, m in 0..20usize, ef in 0..60usize,
        parallel: bool,
    ) {
        check(rows, dim, copies, (m, ef), parallel);
    }
}
