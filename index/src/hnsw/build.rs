//! Builds a graph: `hnsw_rs` makes a sketch of it, whose links are taken out and then chosen again.
//!
//! Most of what a graph costs is its walks, and those of `hnsw_rs` take some ten times as long as ours. So it only
//! has to find the levels and the neighbourhoods, with half the links and a third of the candidates, and our own
//! walks over that find what the links are chosen among, see [`links`].
//!
//! `hnsw_rs` gets positions for vectors, and a distance that looks their codes up in the mapped segment, so that it
//! copies 4 bytes of a row. Merging 100,000 rows of 512 dimensions and building their graph with `m` = 16 and
//! `ef_construction` = 100 took 88 CPU seconds, beside hnswlib's 170 (`ef_construction` = 200) on the same machine, and
//! at most 341 MB in all, 173 MB of it the mapped segment: the rows of a segment bound the memory.

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use hnsw_rs::prelude::{Distance, Hnsw};
use rayon::prelude::*;

use super::{Flat, NONE, links};
use crate::GraphOptions;
use crate::codes::Query;
use crate::segment::Segment;

/// As many as `hnsw_rs` has.
const MAX_LEVELS: usize = 16;

/// How many times fewer candidates the sketch looks at than our walks do. On 100,000 bench vectors, with 100
/// candidates for our walks: with 32 for the sketch a walk reaches every row (recall@10 is 1.0000 at `ef` = 64);
/// with 16, and 64 for our walks, it ends at 0.992.
const SKETCH_SHARE: usize = 3;

/// How often the links are chosen. After one time many rows are orphans still, see [`links::orphans`]: recall@10
/// at `ef` = 64 was 0.64, after two times 1.0000.
const ROUNDS: usize = 2;

/// How many rows are inserted between two looks at whether to go on.
const ROWS_AT_A_TIME: usize = 1_024;

/// Why there is no graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stop {
    /// Whoever asked for it does not want it any more.
    Cancelled,
    /// `hnsw_rs` panicked.
    Failed,
}

/// How to build.
pub(crate) struct Builder<'a> {
    pub(crate) options: GraphOptions,
    /// On all cores; otherwise on one, to leave the others to those who wait for something.
    pub(crate) parallel: bool,
    /// Asked now and then.
    pub(crate) cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told now and then how far it is, in rows.
    pub(crate) progress: &'a (dyn Fn(usize) + Sync),
}

impl Builder<'_> {
    pub(crate) fn build(&self, segment: &Segment) -> Result<Flat, Stop> {
        // `hnsw_rs` ends the process when `m` is above 256, and makes no graph of one link per row.
        let m = self.options.m.clamp(2, 128);
        let build = || {
            let distance = CodeDistance { segment };
            let sketch_ef = (self.options.ef_construction / SKETCH_SHARE).max(m);
            let hnsw = Hnsw::new((m / 2).max(2), segment.vectors(), MAX_LEVELS, sketch_ef, distance);
            self.insert(&hnsw, segment.vectors())?;
            Ok(take_out(&hnsw, m, segment.vectors()))
        };
        let mut flat = catch_unwind(AssertUnwindSafe(build)).unwrap_or(Err(Stop::Failed))?;
        for round in 1..=ROUNDS {
            self.on_threads(|| links::choose(self, round, segment, &mut flat));
            if (self.cancelled)() {
                return Err(Stop::Cancelled);
            }
        }
        flat.orphans = links::orphans(&flat, segment.vectors());
        Ok(flat)
    }

    fn insert(&self, hnsw: &Hnsw<'_, u32, CodeDistance<'_>>, rows: usize) -> Result<(), Stop> {
        let mut done = 0;
        for order in in_mixed_order(rows).chunks(ROWS_AT_A_TIME) {
            if (self.cancelled)() {
                return Err(Stop::Cancelled);
            }
            let insert = |&row: &u32| hnsw.insert_slice((&[row], row as usize));
            if self.parallel {
                order.par_iter().for_each(insert)
            } else {
                order.iter().for_each(insert)
            }
            done += order.len();
            self.tell(0, done, rows);
        }
        Ok(())
    }

    /// The sketch is step 0, and then there is one step for each round. All of them take about as long.
    pub(super) fn tell(&self, step: usize, done: usize, rows: usize) {
        if done == rows || done.is_multiple_of(ROWS_AT_A_TIME) {
            (self.progress)((step * rows + done) / (1 + ROUNDS));
        }
    }

    /// Runs on all cores, or on a pool of one thread.
    fn on_threads(&self, work: impl FnOnce() + Send) {
        if self.parallel {
            return work();
        }
        match rayon::ThreadPoolBuilder::new().num_threads(1).build() {
            Ok(pool) => pool.install(work),
            Err(_) => work(),
        }
    }
}

/// Rows lie in the order of their keys, and those with similar keys are often of similar things. Inserted in that
/// order, such a cluster would fill its lists with links to itself before the rest is there.
fn in_mixed_order(rows: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..u32::try_from(rows).unwrap_or(NONE)).collect();
    // Multiples of an odd number are all different; those of 2^32 divided by the golden ratio are far apart.
    order.sort_unstable_by_key(|row| row.wrapping_mul(0x9e37_79b1));
    order
}

/// The distance of two rows, each given by its position.
struct CodeDistance<'a> {
    segment: &'a Segment,
}

thread_local! {
    /// The row that was last on the left: an insertion compares one with hundreds of others.
    static LEFT: RefCell<(usize, u32, Query<'static>)> = RefCell::new((0, NONE, Query::default()));
}

impl Distance<u32> for CodeDistance<'_> {
    fn eval(&self, a: &[u32], b: &[u32]) -> f32 {
        let (&[a], &[b]) = (a, b) else { return f32::MAX };
        LEFT.with_borrow_mut(|(of, position, query)| {
            let segment = self.segment.codes().as_ptr().addr();
            if (*of, *position) != (segment, a) {
                *query = Query::of_row(self.segment, a).unwrap_or_default();
                (*of, *position) = (segment, a);
            }
            // `hnsw_rs` asserts that no distance is negative.
            query.score_of(self.segment, b).map_or(f32::MAX, |score| (1.0 - score).max(0.0))
        })
    }
}

fn take_out(hnsw: &Hnsw<'_, u32, CodeDistance<'_>>, m: usize, rows: usize) -> Flat {
    let mut flat = Flat { m, links: vec![NONE; rows * 2 * m], ..Flat::default() };
    let number = |x: usize| u32::try_from(x).unwrap_or(NONE);
    // By level: position and links, sorted by position.
    let mut levels: Vec<Vec<(u32, Vec<u32>)>> = Vec::new();
    for point in hnsw.get_point_indexation() {
        let position = point.get_origin_id();
        let level = usize::from(point.get_point_id().0);
        let neighbours = point.get_neighborhood_id();
        let found = |level: usize| neighbours[level].iter().map(|link| number(link.d_id));
        for (place, link) in flat.links[position * 2 * m..][..2 * m].iter_mut().zip(found(0)) {
            *place = link;
        }
        levels.resize_with(levels.len().max(level), Vec::new);
        for level in 1..=level {
            levels[level - 1].push((number(position), found(level).take(m).collect()));
        }
    }
    lay_out(&mut flat, &mut levels);
    flat
}

/// Gives the nodes of the upper levels their numbers.
fn lay_out(flat: &mut Flat, levels: &mut [Vec<(u32, Vec<u32>)>]) {
    levels.iter_mut().for_each(|level| level.sort_unstable());
    let number = |x: usize| u32::try_from(x).unwrap_or(NONE);
    let node =
        |level: &[(u32, Vec<u32>)], position| level.binary_search_by_key(&position, |node| node.0).ok();
    for (i, level) in levels.iter().enumerate() {
        flat.sizes.push(number(level.len()));
        for (position, links) in level {
            let below = if i == 0 { Some(*position as usize) } else { node(&levels[i - 1], *position) };
            flat.nodes.push(*position);
            flat.down.push(below.map_or(NONE, number));
            // `hnsw_rs` also keeps links to points of lower levels in the lists of higher ones.
            let same_level = links.iter().filter(|&&link| link != *position);
            let mut links: Vec<u32> = same_level.filter_map(|&link| node(level, link).map(number)).collect();
            links.resize(flat.m, NONE);
            flat.upper.extend(links);
        }
    }
}
