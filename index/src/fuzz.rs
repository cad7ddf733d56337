//! Fuzzes everything a searcher reads, in bounded time, so that it runs with the other tests. Inputs are files of random
//! bytes, and valid files with some wrong bytes but a correct checksum of the table, so that the code behind that check is
//! reached. Nothing may panic. `tests/it/damage.rs` tests that there are no wrong answers.

use std::fs;
use std::path::Path;

use proptest::prelude::*;

use crate::codes::Query;
use crate::hnsw::{self, Builder, Graph};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::test_segment::{clustered, segment};
use crate::{Fingerprint, GraphOptions, Key, Method, files, scan};

const ROWS: usize = 70;
const DIM: usize = 3;
const SEGMENT_SECTIONS: usize = 9;
const GRAPH_SECTIONS: usize = 8;

/// A segment and a graph over it, with the numbers 1 and 2.
fn write_both(dir: &Path) -> (Vec<u8>, Vec<u8>) {
    let segment = segment(dir, &clustered(ROWS, DIM), 5);
    let options = GraphOptions { m: 2, ef_construction: Some(10) };
    let builder = Builder { options, parallel: false, cancelled: &|| false, progress: &|_| () };
    hnsw::write(dir, 2, &segment, &builder.build(&segment, None).unwrap().unwrap()).unwrap();
    (fs::read(files::segment(dir, 1)).unwrap(), fs::read(files::graph(dir, 2)).unwrap())
}

/// Files are replaced, not changed: they may be mapped.
fn replace(path: &Path, bytes: &[u8]) {
    fs::remove_file(path).unwrap();
    fs::write(path, bytes).unwrap();
}

/// Reads everything. Errors are fine.
fn read_segment(dir: &Path) {
    let Ok(segment) = Segment::open(dir, 1) else { return };
    let _ = (segment.space(), segment.verify(), segment.positions_of(&Fingerprint([7; 16])));
    for position in (0..segment.len().min(2 * ROWS)).chain([usize::MAX / 16]) {
        let _ = (segment.record(position), segment.halves(position));
    }
    for row in [0, 3, 69, 72, u64::MAX] {
        let _ = segment.position_of(row, &Key::new(format!("{row:08}")).unwrap());
    }
    let vector = clustered(1, segment.dim().clamp(1, 600)).remove(0);
    if vector.dim() == segment.dim() {
        let allowed = Allowed { rows: segment.vectors(), dead: &[], filter: None };
        let target = scan::Target { segment: &segment, allowed };
        let _ = scan::best(&[target], &Query::new(&vector), 10);
    }
}

fn walk_graph(dir: &Path) {
    let segment = Segment::open(dir, 1).unwrap();
    let Ok(graph) = Graph::open(dir, 2, &segment) else { return };
    let _ = graph.sections().verify();
    let allowed = Allowed { rows: ROWS, dead: &[], filter: None };
    for vector in clustered(5, DIM) {
        for method in [Method::default(), Method::Walk { ef: 20 }] {
            let plan = graph.plan(10, method, ROWS);
            let _ = plan.map(|plan| graph.walk(&segment, &Query::new(&vector), plan, &allowed));
        }
    }
}

/// Changes some bytes and corrects the checksum of the table.
fn with_mutations(whole: &[u8], mutations: &[(bool, usize, u8)], sections: usize) -> Vec<u8> {
    let mut bytes = whole.to_vec();
    let table = 16 + 16 * sections;
    for &(in_table, at, byte) in mutations {
        // Don't change the magic number and the format: otherwise the file is not read at all.
        let at = if in_table { 12 + at % (table - 12) } else { table + 4 + at % (bytes.len() - table - 4) };
        bytes[at] = byte;
    }
    let checksum = crc32fast::hash(&bytes[..table]);
    bytes[table..table + 4].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn mutations() -> impl Strategy<Value = Vec<(bool, usize, u8)>> {
    prop::collection::vec((any::<bool>(), any::<usize>(), any::<u8>()), 1..6)
}

#[test]
fn files_of_any_bytes_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (whole_segment, whole_graph) = write_both(folder.path());
    let (path, graph) = (files::segment(folder.path(), 1), files::graph(folder.path(), 2));
    let any = prop::collection::vec(any::<u8>(), 0..300);
    proptest!(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() }, |(tail in any, kept in 0..24usize)| {
        replace(&path, &[&whole_segment[..kept], &tail].concat());
        read_segment(folder.path());
        replace(&path, &whole_segment);
        replace(&graph, &[&whole_graph[..kept], &tail].concat());
        walk_graph(folder.path());
    });
}

#[test]
fn damaged_files_with_right_checksums_never_panic() {
    let folder = tempfile::tempdir().unwrap();
    let (whole_segment, whole_graph) = write_both(folder.path());
    let (path, graph) = (files::segment(folder.path(), 1), files::graph(folder.path(), 2));
    proptest!(ProptestConfig { cases: 3_000, failure_persistence: None, ..ProptestConfig::default() }, |(mutations in mutations())| {
        replace(&path, &with_mutations(&whole_segment, &mutations, SEGMENT_SECTIONS));
        read_segment(folder.path());
        replace(&path, &whole_segment);
        replace(&graph, &with_mutations(&whole_graph, &mutations, GRAPH_SECTIONS));
        walk_graph(folder.path());
    });
}
