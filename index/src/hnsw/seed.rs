//! Reuses the links of an older segment's graph, so that only new rows have to be inserted.
//!
//! Only level 0 is reused, which is nearly all of a graph. The higher levels contain one row in `m` and are rebuilt.

use super::grow::Layer;
use super::{Graph, NONE, links, number};
use crate::Error;
use crate::codes::Query;
use crate::segment::Segment;

/// If more than one in this many rows of the old segment was deleted, too many links are lost to reuse the graph.
const GONE_ONE_IN: usize = 5;

/// The graph of an older segment, some of whose rows are in a new one.
pub(crate) struct Seed<'a> {
    graph: &'a Graph,
    /// The position of each old row in the new segment; [`NONE`] if it was deleted.
    positions: Vec<u32>,
}

impl<'a> Seed<'a> {
    /// `None` if the graph cannot be reused for one over `new` with this `m`, or is damaged.
    pub(crate) fn new((graph, old): (&'a Graph, &Segment), new: &Segment, m: usize) -> Option<Seed<'a>> {
        if !graph.is_measured() || !graph.has_links() || graph.m != m {
            return None;
        }
        // Damage must neither spread to a new file nor fail the build.
        graph.sections.verify().ok()?;
        let leads_somewhere = |&link: &u32| link == NONE || (link as usize) < old.vectors();
        if !graph.lists().links.iter().all(leads_somewhere) {
            return None;
        }
        let positions = positions(old, new).ok()?;
        let gone = positions.iter().filter(|&&position| position == NONE).count();
        (gone * GONE_ONE_IN <= positions.len()).then_some(Seed { graph, positions })
    }

    /// Puts the links into level 0 of a new graph, except those of the rows `held`, which must be sorted. Returns for each
    /// row of the new segment whether it has links now.
    pub(super) fn plant(
        mut self,
        segment: &Segment,
        held: &[u32],
        layer: &mut Layer,
    ) -> Result<Vec<bool>, Error> {
        let is_held = |position: &&mut u32| held.binary_search(position).is_ok();
        self.positions.iter_mut().filter(is_held).for_each(|position| *position = NONE);
        let mut planted = vec![false; segment.vectors()];
        for old in 0..number(self.positions.len()) {
            let new = self.here(old);
            if new != NONE {
                layer.replace(new, &self.links(segment, old, new)?);
                planted[new as usize] = true;
            }
        }
        Ok(planted)
    }

    fn here(&self, old: u32) -> u32 {
        self.positions.get(old as usize).copied().unwrap_or(NONE)
    }

    /// The links of a row. A link to a deleted row is replaced by the best links of that row.
    fn links(&self, segment: &Segment, old: u32, new: u32) -> Result<Vec<u32>, Error> {
        let lists = self.graph.lists();
        let of = |old| lists.of(old).ok_or_else(|| self.graph.broken());
        let (here, gone): (Vec<u32>, Vec<u32>) = of(old)?.iter().partition(|&&link| self.here(link) != NONE);
        let mut kept: Vec<u32> = here.into_iter().map(|link| self.here(link)).collect();
        if gone.is_empty() {
            return Ok(kept);
        }
        for link in gone {
            kept.extend(of(link)?.iter().map(|&link| self.here(link)));
        }
        kept.retain(|&link| link != NONE && link != new);
        kept.sort_unstable();
        kept.dedup();
        let query = Query::of_row(segment, new).ok_or_else(|| self.graph.broken())?;
        let candidates = links::best_first(segment, &query, kept.into_iter());
        Ok(links::select(segment, &candidates, lists.width))
    }
}

/// The position in `new` of each row of `old` that has a vector. Both are in key order.
fn positions(old: &Segment, new: &Segment) -> Result<Vec<u32>, Error> {
    let mut at = 0;
    let mut positions = Vec::with_capacity(old.vectors());
    for position in 0..old.vectors() {
        let wanted = old.record(position)?;
        while at < new.vectors() && new.record(at)?.key < wanted.key {
            at += 1;
        }
        let is_here = at < new.vectors() && {
            let found = new.record(at)?;
            found.key == wanted.key && found.entry.row == wanted.entry.row
        };
        positions.push(if is_here { number(at) } else { NONE });
    }
    Ok(positions)
}
