//! What holds of every graph, whatever the rows.

use proptest::prelude::*;

use super::{Builder, Graph, write};
use crate::GraphOptions;
use crate::codes::Query;
use crate::selection::Allowed;
use crate::test_segment::{clustered, segment};

fn check(rows: usize, dim: usize, copies: usize, (m, ef_construction): (usize, usize), parallel: bool) {
    let folder = tempfile::tempdir().unwrap();
    let vectors: Vec<_> =
        clustered(rows, dim).into_iter().flat_map(|vector| std::iter::repeat_n(vector, copies)).collect();
    let segment = segment(folder.path(), &vectors, 3);
    let options = GraphOptions { m, ef_construction };
    let builder = Builder { options, parallel, cancelled: &|| false, progress: &|_| () };
    write(folder.path(), 2, &segment, &builder.build(&segment).unwrap()).unwrap();
    let graph = Graph::open(folder.path(), 2, &segment).unwrap();
    check_links(&graph, m.max(2), vectors.len());
    // A walk that keeps as many as there are ends only when it comes to no more.
    let allowed = Allowed { rows: vectors.len(), dead: &[], filter: None };
    for query in vectors.iter().take(3) {
        let found = graph.walk(&segment, &Query::new(query), vectors.len(), &allowed).unwrap();
        assert_eq!(found.len(), vectors.len(), "every row is reached");
    }
}

/// At most `m` links on upper levels and twice as many on level 0, none twice, and none to the row itself.
fn check_links(graph: &Graph, m: usize, rows: usize) {
    let check_list = |of: u32, links: &[u32], most: usize, rows: usize| {
        let mut sorted = links.to_vec();
        sorted.sort_unstable();
        sorted.dedup();
        assert_eq!(sorted.len(), links.len(), "no link twice");
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
            assert_eq!(position, below, "the way down leads to the same row");
        }
    }
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
