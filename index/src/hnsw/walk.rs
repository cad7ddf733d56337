//! Walks a graph to the rows closest to a query.
//!
//! It descends the upper levels greedily. On level 0 it follows the links of the best known row, until the best remaining
//! one is worse than the `ef` best found. Rows that may not be returned are visited like others, but not kept.

use std::cell::RefCell;
use std::collections::BinaryHeap;

use super::{Graph, Plan};
use crate::Error;
use crate::codes::{Query, prefetch};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::top::{Scored, Top};

/// How many rows ahead are prefetched. Chosen, not measured.
const AHEAD: usize = 4;

/// Buffers of a walk, reused by the next one on the same thread.
#[derive(Default)]
struct Scratch {
    /// One bit per visited row, all zero between walks. For 65,536 rows this is 8 KB, which fits the L1 cache.
    seen: Vec<u64>,
    /// The rows whose bits are set. A walk sees a few thousand of a million rows, so clearing all bits would take longer.
    marked: Vec<u32>,
    /// The rows to compare next.
    fresh: Vec<u32>,
    candidates: BinaryHeap<Scored>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

impl Graph {
    /// Approximately the best `ef` allowed rows by their codes, unordered. `None` if the walk reached the plan's limit of
    /// compared rows.
    pub(crate) fn walk(
        &self,
        segment: &Segment,
        query: &Query<'_>,
        plan: Plan,
        allowed: &Allowed<'_>,
    ) -> Result<Option<Vec<Scored>>, Error> {
        if self.rows == 0 {
            return Ok(None);
        }
        let nearest = self.descend(segment, query)?;
        let lists = self.lists();
        let level = Level { links: |row| lists.of(row), segment, query };
        // Orphans are the rows not reachable from the entry, so the entry must be among the starts.
        let starts = [nearest, self.entry_position()?].into_iter().chain(self.orphans().iter().copied());
        let explored = level.explore(starts, plan, allowed).ok_or_else(|| self.broken())?;
        Ok((explored.compared <= plan.most).then_some(explored.found))
    }

    fn entry_position(&self) -> Result<u32, Error> {
        self.levels.last().map_or(Ok(self.entry), |level| Ok(self.place(level, self.entry)?.0))
    }

    /// The position nearest to the query that the descent through the upper levels finds.
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

/// A level to walk on. `links` returns a row's links, or `None` if there is no such row.
pub(super) struct Level<'a, F> {
    pub(super) links: F,
    pub(super) segment: &'a Segment,
    pub(super) query: &'a Query<'a>,
}

/// The unordered result of a walk, and how many rows it compared.
pub(super) struct Explored {
    pub(super) found: Vec<Scored>,
    pub(super) compared: usize,
}

impl<'a, F: Fn(u32) -> Option<&'a [u32]>> Level<'a, F> {
    /// Approximately the best allowed rows by their codes, as many as the plan says, starting at `starts`. `None` if a link
    /// is invalid.
    pub(super) fn explore(
        &self,
        starts: impl Iterator<Item = u32>,
        plan: Plan,
        allowed: &Allowed<'_>,
    ) -> Option<Explored> {
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.candidates.clear();
            scratch.fresh.clear();
            scratch.seen.resize(scratch.seen.len().max(allowed.words()), 0);
            let explored = self.explore_with(starts, plan, allowed, scratch);
            let Scratch { seen, marked, .. } = scratch;
            marked.drain(..).for_each(|row| seen[row as usize / 64] = 0);
            explored
        })
    }

    fn explore_with(
        &self,
        starts: impl Iterator<Item = u32>,
        plan: Plan,
        allowed: &Allowed<'_>,
        scratch: &mut Scratch,
    ) -> Option<Explored> {
        let mut top = Top::new(plan.ef);
        scratch.fresh.extend(starts);
        loop {
            scratch.leave_out_seen(allowed.rows)?;
            let Scratch { marked, fresh, candidates, .. } = scratch;
            self.compare(fresh, allowed, &mut top, candidates)?;
            let Some(best) = candidates.pop() else { break };
            if top.worst().is_some_and(|worst| worst > best.score) || marked.len() > plan.most {
                break;
            }
            fresh.clear();
            fresh.extend((self.links)(u32::try_from(best.position).ok()?)?);
        }
        Some(Explored { found: top.into_vec(), compared: scratch.marked.len() })
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

impl Scratch {
    /// Removes rows that were already seen from `fresh` and marks the others as seen. `None` if a row does not exist.
    fn leave_out_seen(&mut self, rows: usize) -> Option<()> {
        let Scratch { seen, marked, fresh, .. } = self;
        if fresh.iter().any(|&row| row as usize >= rows) {
            return None;
        }
        fresh.retain(|&row| {
            let (word, bit) = (&mut seen[row as usize / 64], 1 << (row % 64));
            let is_new = *word & bit == 0;
            *word |= bit;
            is_new
        });
        marked.extend_from_slice(fresh);
        Some(())
    }
}
