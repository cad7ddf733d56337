//! Inserts rows into a graph: algorithm 1 of the paper, many rows at a time.
//!
//! The rows of a batch search for their neighbours in parallel, in the graph as it was before the batch. Then all links are
//! added. So no locks are needed, and the graph is the same on any number of cores. A batch is a small share of the graph,
//! so that rows in one batch seldom miss each other as neighbours.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::start::Linked;
use super::walk::{Explored, Level};
use super::{Lists, NONE, Plan, Seed, links, number};
use crate::Error;
use crate::codes::Query;
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::top::Scored;

/// A batch has at most one row per this many rows on its highest level, and at most [`LARGEST_BATCH`].
const ROWS_PER_NEW: usize = 64;
pub(super) const LARGEST_BATCH: usize = 1_024;

/// A level of a growing graph.
pub(super) struct Layer {
    /// The rows that are or will be on it, sorted. Empty on level 0, which has all rows.
    pub(super) members: Vec<u32>,
    /// A list of positions for each member.
    pub(super) links: Vec<u32>,
    pub(super) width: usize,
    /// How many rows are on it so far.
    rows: usize,
}

impl Layer {
    fn new(members: Vec<u32>, lists: usize, width: usize) -> Layer {
        Layer { members, links: vec![NONE; lists * width], width, rows: 0 }
    }

    /// The number of a row's list.
    fn slot(&self, row: u32) -> Option<u32> {
        if self.members.is_empty() {
            return Some(row);
        }
        self.members.binary_search(&row).ok().map(number)
    }

    pub(super) fn of(&self, row: u32) -> Option<&[u32]> {
        Lists { links: &self.links, width: self.width }.of(self.slot(row)?)
    }

    pub(super) fn replace(&mut self, row: u32, links: &[u32]) {
        let Some(slot) = self.slot(row) else { return };
        let places = &mut self.links[slot as usize * self.width..][..self.width];
        places.fill(NONE);
        places.iter_mut().zip(links).for_each(|(place, &link)| *place = link);
    }
}

/// The entry of the graph: a row on the highest level so far.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) row: u32,
    pub(super) level: usize,
}

/// A growing graph.
pub(super) struct Growing<'a> {
    segment: &'a Segment,
    m: usize,
    ef_construction: usize,
    /// By level.
    pub(super) layers: Vec<Layer>,
    pub(super) entry: Option<Entry>,
    /// Which rows already had links on level 0 at the start; empty if none had.
    planted: Vec<bool>,
}

impl<'a> Growing<'a> {
    /// `levels` are the sorted rows of each level from 1 on.
    pub(super) fn new(
        segment: &'a Segment,
        (m, ef_construction): (usize, usize),
        levels: Vec<Vec<u32>>,
    ) -> Growing<'a> {
        let mut layers = vec![Layer::new(Vec::new(), segment.vectors(), 2 * m)];
        layers.extend(levels.into_iter().map(|members| {
            let lists = members.len();
            Layer::new(members, lists, m)
        }));
        Growing {
            segment,
            m,
            ef_construction: ef_construction.max(m),
            layers,
            entry: None,
            planted: Vec::new(),
        }
    }

    /// Takes over links of level 0. These rows need to be inserted only on their higher levels, if they have any.
    pub(super) fn plant(&mut self, seed: Seed<'_>, held: &[u32]) -> Result<(), Error> {
        self.planted = seed.plant(self.segment, held, &mut self.layers[0])?;
        self.enter();
        Ok(())
    }

    /// Takes over rows that are linked on level 0, as [`Growing::plant`] does.
    pub(super) fn start(&mut self, linked: &[Linked]) {
        self.planted = vec![false; self.segment.vectors()];
        for (row, links) in linked {
            self.layers[0].replace(*row, links);
            self.planted[*row as usize] = true;
        }
        self.enter();
    }

    fn enter(&mut self) {
        self.layers[0].rows = self.planted.iter().filter(|&&planted| planted).count();
        let first = self.planted.iter().position(|&planted| planted);
        // The entry until the first row of a higher level is inserted.
        self.entry = first.map(|row| Entry { row: number(row), level: 0 });
    }

    /// Whether a row needs no insertion.
    pub(super) fn is_done(&self, row: u32) -> bool {
        self.lowest(row) > self.level_of(row)
    }

    /// The lowest level that a row is to be inserted on.
    fn lowest(&self, row: u32) -> usize {
        usize::from(self.planted.get(row as usize).is_some_and(|&planted| planted))
    }

    /// Inserts some of the first `rows` and returns how many. None of them may have been inserted, and those of higher
    /// levels must come first.
    pub(super) fn insert_some(&mut self, rows: &[u32]) -> usize {
        let highest = rows.first().map_or(0, |&row| self.level_of(row));
        let most = (self.layers[highest].rows / ROWS_PER_NEW).clamp(1, LARGEST_BATCH);
        let becomes_entry = |&row: &u32| self.entry.is_none_or(|entry| self.level_of(row) > entry.level);
        // A row that becomes the entry is inserted alone.
        let ordinary = rows.iter().take(most).take_while(|row| !becomes_entry(row)).count();
        let batch = &rows[..ordinary.max(1).min(rows.len())];
        let chosen: Vec<Vec<Vec<u32>>> = batch.par_iter().map(|&row| self.choose(row)).collect();
        if ordinary == 0 {
            self.entry = batch.first().map(|&row| Entry { row, level: self.level_of(row) });
        }
        for level in 0..self.layers.len() {
            let here = batch.iter().zip(&chosen).filter(|(row, _)| level >= self.lowest(**row));
            let forward: Vec<(u32, &[u32])> =
                here.filter_map(|(&row, by_level)| Some((row, by_level.get(level)?.as_slice()))).collect();
            self.link(level, &forward);
        }
        batch.len()
    }

    fn level_of(&self, row: u32) -> usize {
        self.layers[1..].iter().take_while(|layer| layer.members.binary_search(&row).is_ok()).count()
    }

    /// The links of a new row, on each of its levels.
    fn choose(&self, row: u32) -> Vec<Vec<u32>> {
        let own = self.level_of(row);
        let mut chosen = vec![Vec::new(); own + 1];
        let (Some(query), Some(entry)) = (Query::of_row(self.segment, row), self.entry) else {
            return chosen;
        };
        let mut starts = vec![self.descend(&query, entry, own + 1)];
        for level in (self.lowest(row)..=own.min(entry.level)).rev() {
            let found = self.near(level, &query, &starts);
            chosen[level] = links::select(self.segment, &found, self.m);
            starts = found.into_iter().map(|found| number(found.position)).collect();
        }
        chosen
    }

    /// The row nearest to the query on the levels from `lowest` up, found greedily.
    fn descend(&self, query: &Query<'_>, entry: Entry, lowest: usize) -> u32 {
        let levels = self.layers.iter().take(entry.level + 1).skip(lowest).rev();
        levels.fold(entry.row, |start, layer| self.nearest(layer, query, start))
    }

    /// Follows the best link while that gets closer.
    fn nearest(&self, layer: &Layer, query: &Query<'_>, start: u32) -> u32 {
        let score = |row| query.score_of(self.segment, row).unwrap_or(f32::MIN);
        let (mut best, mut row) = (score(start), start);
        loop {
            let from = row;
            for &link in layer.of(from).unwrap_or_default() {
                let score = score(link);
                if score > best {
                    (best, row) = (score, link);
                }
            }
            if row == from {
                return row;
            }
        }
    }

    /// The rows of a level that a walk finds, best first.
    fn near(&self, level: usize, query: &Query<'_>, starts: &[u32]) -> Vec<Scored> {
        let mut found = self.explore(level, query, starts, self.ef_construction).found;
        found.sort_unstable_by(|a, b| b.cmp(a));
        found
    }

    fn explore(&self, level: usize, query: &Query<'_>, starts: &[u32], ef: usize) -> Explored {
        let allowed = Allowed { rows: self.segment.vectors(), dead: &[], filter: None };
        let walk = Level { links: |row| self.layers[level].of(row), segment: self.segment, query };
        let explored = walk.explore(starts.iter().copied(), Plan { ef, most: usize::MAX }, &allowed);
        explored.unwrap_or(Explored { found: Vec::new(), compared: 0 })
    }

    /// Runs a search in the graph as it is now.
    pub(super) fn walk(&self, query: &Query<'_>, ef: usize) -> Explored {
        let starts = self.entry.map(|entry| [self.descend(query, entry, 1), entry.row]);
        self.explore(0, query, starts.as_ref().map_or(&[], |starts| &starts[..]), ef)
    }

    /// Adds the links of new rows on one level, in both directions.
    fn link(&mut self, level: usize, forward: &[(u32, &[u32])]) {
        let backward = forward.iter().flat_map(|&(row, links)| links.iter().map(move |&link| (link, row)));
        let mut backward: Vec<(u32, u32)> = backward.collect();
        backward.sort_unstable();
        let groups: Vec<&[(u32, u32)]> = backward.chunk_by(|a, b| a.0 == b.0).collect();
        let lists: Vec<Vec<u32>> = groups.par_iter().map(|group| self.with(level, group)).collect();
        let layer = &mut self.layers[level];
        layer.rows += forward.len();
        forward.iter().for_each(|(row, links)| layer.replace(*row, links));
        groups.iter().zip(lists).for_each(|(group, list)| layer.replace(group[0].0, &list));
    }

    /// A row's list with new links added. If there are too many, the best are selected again.
    fn with(&self, level: usize, group: &[(u32, u32)]) -> Vec<u32> {
        let (row, layer) = (group[0].0, &self.layers[level]);
        let old = layer.of(row).unwrap_or_default();
        let all = old.iter().copied().chain(group.iter().map(|&(_, link)| link));
        if old.len() + group.len() <= layer.width {
            return all.collect();
        }
        let Some(query) = Query::of_row(self.segment, row) else { return old.to_vec() };
        links::select(self.segment, &links::best_first(self.segment, &query, all), layer.width)
    }

    /// Makes every row reachable on level 0 from the entry, where walks start. This is needed because most of several
    /// equal rows lose all their incoming links. Such a row is linked from the nearest row with a free place. Returns the
    /// rows for which there was none.
    pub(super) fn adopt(&mut self) -> Vec<u32> {
        let rows = number(self.segment.vectors());
        let Some(entry) = self.entry else { return Vec::new() };
        let mut reached = vec![false; rows as usize];
        self.reach(entry.row, &mut reached);
        let mut orphans = Vec::new();
        for row in 0..rows {
            if reached[row as usize] {
                continue;
            }
            match self.with_a_place(row, entry, &reached) {
                Some(near) => {
                    let links = [self.layers[0].of(near).unwrap_or_default(), &[row]].concat();
                    self.layers[0].replace(near, &links);
                    self.reach(row, &mut reached);
                }
                None => orphans.push(row),
            }
        }
        orphans.retain(|&row| !reached[row as usize]);
        orphans
    }

    /// The nearest reachable row with a free place. (The descent through the levels may end at a row that is not reachable
    /// on level 0.)
    fn with_a_place(&self, row: u32, entry: Entry, reached: &[bool]) -> Option<u32> {
        let query = Query::of_row(self.segment, row)?;
        let found = self.near(0, &query, &[self.descend(&query, entry, 1), entry.row]);
        let layer = &self.layers[0];
        let near = found.into_iter().filter(|found| reached[found.position]);
        near.map(|found| number(found.position))
            .find(|&near| layer.of(near).is_some_and(|links| links.len() < layer.width))
    }

    /// Marks all rows that are reachable from a row.
    fn reach(&self, from: u32, reached: &mut [bool]) {
        let mut queue = VecDeque::from([from]);
        while let Some(row) = queue.pop_front() {
            if !std::mem::replace(&mut reached[row as usize], true) {
                queue.extend(self.layers[0].of(row).unwrap_or_default());
            }
        }
    }
}
