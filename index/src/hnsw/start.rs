//! Links the first rows of a graph with `hnsw_rs`.
//!
//! Only its links on level 0 are used, as [`seed`](super::seed) does with an older segment's; we build the higher levels.
//! It inserts one row at a time with reproducible random numbers, so the graph does not depend on the number of cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use hnsw_rs::prelude::{Distance, Hnsw};

use super::{NONE, number};
use crate::codes::Query;
use crate::segment::Segment;

/// How many rows `hnsw_rs` links. With fewer rows in the graph, a batch of [`grow`](super::grow) has at most 16 rows.
pub(super) const ROWS: usize = 1_024;

/// The maximum in `hnsw_rs`.
const MAX_LEVELS: usize = 16;

/// A row and its links on level 0.
pub(super) type Linked = (u32, Vec<u32>);

/// Links `rows` with each other; empty if `hnsw_rs` panics.
pub(super) fn linked(segment: &Segment, rows: &[u32], (m, ef_construction): (usize, usize)) -> Vec<Linked> {
    let link = || {
        // Pass positions as vectors to `hnsw_rs`, so that it copies only 4 bytes per row.
        let distance = CodeDistance { segment, left: Mutex::new((NONE, Query::default())) };
        let hnsw = Hnsw::new(m, rows.len(), MAX_LEVELS, ef_construction.max(m), distance);
        rows.iter().for_each(|row| hnsw.insert_slice((std::slice::from_ref(row), *row as usize)));
        let points = hnsw.get_point_indexation().into_iter();
        let of_level_0 = |lists: Vec<Vec<_>>| lists.into_iter().next().unwrap_or_default();
        let linked = points.map(|point| {
            let links = of_level_0(point.get_neighborhood_id()).into_iter();
            (number(point.get_origin_id()), links.map(|link| number(link.d_id)).take(2 * m).collect())
        });
        linked.collect()
    };
    catch_unwind(AssertUnwindSafe(link)).unwrap_or_default()
}

/// The distance between two rows, given by their positions.
struct CodeDistance<'a> {
    segment: &'a Segment,
    /// The last left row, cached because an insertion compares it with hundreds of others.
    left: Mutex<(u32, Query<'static>)>,
}

impl Distance<u32> for CodeDistance<'_> {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let (&[a], &[b]) = (a, b) else { return f32::MAX };
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        let (position, query) = &mut *left;
        if *position != a {
            (*position, *query) = (a, Query::of_row(self.segment, a).unwrap_or_default());
        }
        // `hnsw_rs` panics on negative distances.
        query.score_of(self.segment, b).map_or(f32::MAX, |score| (1.0 - score).max(0.0))
    }
}
