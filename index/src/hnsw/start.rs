//! The first rows of a graph, linked by `hnsw_rs`.
//!
//! Its lists of level 0 are taken over, as [`seed`](super::seed) takes over those of an older segment; the levels above
//! are ours. It inserts one row after the other, and its random numbers are the same each time, so that a graph does
//! not depend on the number of cores.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Mutex, PoisonError};

use hnsw_rs::prelude::{Distance, Hnsw};

use super::{NONE, number};
use crate::codes::Query;
use crate::segment::Segment;

/// How many rows `hnsw_rs` links: while there are fewer, a batch of [`grow`](super::grow) has at most 16 rows.
pub(super) const ROWS: usize = 1_024;

/// The most that `hnsw_rs` allows.
const MAX_LEVELS: usize = 16;

/// A row and its links on level 0.
pub(super) type Linked = (u32, Vec<u32>);

/// Links `rows` with one another; nothing if `hnsw_rs` panics.
pub(super) fn linked(segment: &Segment, rows: &[u32], (m, ef_construction): (usize, usize)) -> Vec<Linked> {
    let link = || {
        // `hnsw_rs` gets positions for vectors, so that it copies 4 bytes of a row.
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

/// The distance of two rows, each given by its position.
struct CodeDistance<'a> {
    segment: &'a Segment,
    /// The row that was last on the left: an insertion compares one with hundreds of others.
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
        // `hnsw_rs` asserts that no distance is negative.
        query.score_of(self.segment, b).map_or(f32::MAX, |score| (1.0 - score).max(0.0))
    }
}
