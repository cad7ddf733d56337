//! Walks a graph to the rows closest to a query.
//!
//! Greedily down the upper levels, then on level 0 from the best row known to its links, until the best one left
//! is worse than the `ef` best found. Rows that may not be returned are walked like others, and only not kept.

use std::cell::RefCell;
use std::collections::BinaryHeap;

use super::{Graph, Lists};
use crate::Error;
use crate::codes::{Query, prefetch};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::top::{Scored, Top};

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
        let nearest = self.descend(segment, query)?;
        let level = Level { lists: self.lists(), segment, query };
        // Orphans are what no way leads to from the entry; from another row there might be ways to less.
        let starts = [nearest, self.entry_position()?].into_iter().chain(self.orphans().iter().copied());
        level.explore(starts, ef, allowed).ok_or_else(|| self.broken())
    }

    fn entry_position(&self) -> Result<u32, Error> {
        self.levels.last().map_or(Ok(self.entry), |level| Ok(self.place(level, self.entry)?.0))
    }

    /// The position where level 0 is nearest to the query, as far as the levels above can tell.
    fn descend(&self, segment: &Segment, query: &Query<'_>) -> Result<u32, Error> {
        let score = |position| query.score_of(segment, position).ok_or_else(|| self.broken());
        let mut node = self.entry;
        for level in self.levels.iter().rev() {
            let mut best = score(self.place(level, node)?.0)?;
            loop {
                let from = node;
                for &link in self.upper_links(level, from)? {
                    let score = score(self.place(level, link)?.0)?;
                    if score > best {
                        (best, node) = (score, link);
                    }
                }
                if node == from {
                    break;
                }
            }
            node = self.place(level, node)?.1;
        }
        Ok(node)
    }
}

/// The links of level 0, of a row after that of the other. Whatever leads nowhere is `None`.
pub(super) struct Level<'a> {
    pub(super) lists: Lists<'a>,
    pub(super) segment: &'a Segment,
    pub(super) query: &'a Query<'a>,
}

impl Level<'_> {
    /// About the best `ef` of the allowed rows by their codes, in no order, beginning at `starts`.
    pub(super) fn explore(
        &self,
        starts: impl Iterator<Item = u32>,
        ef: usize,
        allowed: &Allowed<'_>,
    ) -> Option<Vec<Scored>> {
        SCRATCH.with_borrow_mut(|scratch| self.explore_with(starts, ef, allowed, scratch))
    }

    fn explore_with(
        &self,
        starts: impl Iterator<Item = u32>,
        ef: usize,
        allowed: &Allowed<'_>,
        scratch: &mut Scratch,
    ) -> Option<Vec<Scored>> {
        let Scratch { seen, fresh, candidates } = scratch;
        seen.clear();
        seen.resize(allowed.words(), 0);
        candidates.clear();
        let mut top = Top::new(ef);
        fresh.clear();
        for start in starts {
            if mark(start, seen)? {
                fresh.push(start);
            }
        }
        loop {
            self.compare(fresh, allowed, &mut top, candidates)?;
            let Some(best) = candidates.pop() else { break };
            if top.worst().is_some_and(|worst| worst > best.score) {
                break;
            }
            fresh.clear();
            for &link in self.lists.of(u32::try_from(best.position).ok()?)? {
                if mark(link, seen)? {
                    fresh.push(link);
                }
            }
        }
        Some(top.into_vec())
    }

    fn compare(
        &self,
        rows: &[u32],
        allowed: &Allowed<'_>,
        top: &mut Top,
        candidates: &mut BinaryHeap<Scored>,
    ) -> Option<()> {
        rows.iter().take(AHEAD).for_each(|&row| prefetch(self.segment, row));
        for (i, &row) in rows.iter().enumerate() {
            rows.get(i + AHEAD).into_iter().for_each(|&row| prefetch(self.segment, row));
            let score = self.query.score_of(self.segment, row)?;
            if top.worst().is_none_or(|worst| score > worst) {
                let scored = Scored { score, position: row as usize };
                candidates.push(scored);
                if allowed.contains(scored.position) {
                    top.push(scored);
                }
            }
        }
        Some(())
    }
}

/// Whether the position was not seen before.
fn mark(position: u32, seen: &mut [u64]) -> Option<bool> {
    let word = seen.get_mut(position as usize / 64)?;
    let bit = 1 << (position % 64);
    let is_new = *word & bit == 0;
    *word |= bit;
    Some(is_new)
}
