//! Walks a graph to the rows closest to a query.
//!
//! Greedily down the upper levels, then on level 0 from the best row known to its links, until the best one left
//! is worse than the `ef` best found. Rows that may not be returned are walked like others, and only not kept.

use std::cell::RefCell;
use std::collections::BinaryHeap;

use super::Graph;
use crate::Error;
use crate::codes::Query;
use crate::scan::{Scored, Top};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::simd::Kernels;

/// How many rows ahead of the one being compared are asked for from memory. Chosen, not measured.
const AHEAD: usize = 4;

/// What a walk needs, kept for the next one on the same thread.
#[derive(Default)]
struct Scratch {
    /// One bit per row. For 65,536 rows it is 8 KB, which stay in the first-level cache.
    seen: Vec<u64>,
    fresh: Vec<u32>,
    candidates: BinaryHeap<Scored>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

struct Walk<'a> {
    graph: &'a Graph,
    segment: &'a Segment,
    query: &'a Query<'a>,
    kernels: Kernels,
}

impl Graph {
    /// About the best `ef` of the allowed rows by their codes, in no order.
    pub(crate) fn walk(
        &self,
        segment: &Segment,
        query: &Query<'_>,
        ef: usize,
        allowed: &Allowed<'_>,
    ) -> Result<Vec<Scored>, Error> {
        if self.rows == 0 {
            return Ok(Vec::new());
        }
        let walk = Walk { graph: self, segment, query, kernels: Kernels::best() };
        let entry = walk.descend()?;
        SCRATCH.with_borrow_mut(|scratch| walk.explore(entry, ef, allowed, scratch))
    }
}

impl Walk<'_> {
    fn score(&self, position: u32) -> Result<f32, Error> {
        let stride = self.query.codes.len();
        let position = position as usize;
        let row = self.segment.codes().get(position * stride..).and_then(|rest| rest.get(..stride));
        let head = self.segment.heads().get(position);
        let (row, &head) = row.zip(head).ok_or_else(|| self.graph.broken())?;
        let (products, _) = self.kernels.products(row, &self.query.codes);
        Ok(self.query.score(products, head))
    }

    fn prefetch(&self, position: u32) {
        let stride = self.query.codes.len();
        if let Some(row) = self.segment.codes().get(position as usize * stride..) {
            Kernels::prefetch(&row[..stride.min(row.len())]);
        }
    }

    /// The position where level 0 begins.
    fn descend(&self) -> Result<u32, Error> {
        let mut node = self.graph.entry;
        for level in self.graph.levels.iter().rev() {
            let mut best = self.score(self.graph.place(level, node)?.0)?;
            loop {
                let from = node;
                for &link in self.graph.upper_links(level, from)? {
                    let score = self.score(self.graph.place(level, link)?.0)?;
                    if score > best {
                        (best, node) = (score, link);
                    }
                }
                if node == from {
                    break;
                }
            }
            node = self.graph.place(level, node)?.1;
        }
        Ok(node)
    }

    fn explore(
        &self,
        entry: u32,
        ef: usize,
        allowed: &Allowed<'_>,
        scratch: &mut Scratch,
    ) -> Result<Vec<Scored>, Error> {
        let Scratch { seen, fresh, candidates } = scratch;
        seen.clear();
        seen.resize(self.graph.rows.div_ceil(64), 0);
        candidates.clear();
        let mut top = Top::new(ef);
        fresh.clear();
        fresh.push(entry);
        self.mark(entry, seen)?;
        for &orphan in self.graph.orphans() {
            if self.mark(orphan, seen)? {
                fresh.push(orphan);
            }
        }
        loop {
            self.compare(fresh, allowed, &mut top, candidates)?;
            let Some(best) = candidates.pop() else { break };
            if top.worst().is_some_and(|worst| worst > best.score) {
                break;
            }
            fresh.clear();
            let position = u32::try_from(best.position).map_err(|_| self.graph.broken())?;
            for &link in self.graph.links(position)? {
                if self.mark(link, seen)? {
                    fresh.push(link);
                }
            }
        }
        Ok(top.into_vec())
    }

    /// Whether the position was not seen before.
    fn mark(&self, position: u32, seen: &mut [u64]) -> Result<bool, Error> {
        let word = seen.get_mut(position as usize / 64).ok_or_else(|| self.graph.broken())?;
        let bit = 1 << (position % 64);
        let is_new = *word & bit == 0;
        *word |= bit;
        Ok(is_new)
    }

    fn compare(
        &self,
        rows: &[u32],
        allowed: &Allowed<'_>,
        top: &mut Top,
        candidates: &mut BinaryHeap<Scored>,
    ) -> Result<(), Error> {
        rows.iter().take(AHEAD).for_each(|&row| self.prefetch(row));
        for (i, &row) in rows.iter().enumerate() {
            rows.get(i + AHEAD).into_iter().for_each(|&row| self.prefetch(row));
            let scored = Scored { score: self.score(row)?, position: row as usize };
            if top.worst().is_none_or(|worst| scored.score > worst) {
                candidates.push(scored);
                if allowed.contains(scored.position) {
                    top.push(scored);
                }
            }
        }
        Ok(())
    }
}
