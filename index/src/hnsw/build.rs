//! Builds and measures the graph of a segment.

use std::cmp::Reverse;

use super::grow::{Growing, LARGEST_BATCH};
use super::{Flat, MOST_M, NONE, Point, Seed, curve, number, start};
use crate::codes::Query;
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::{Error, GraphOptions};

/// When this share of a full segment's rows is in the graph, a first measurement decides whether to continue: if walks over
/// a quarter of the rows cost more than a full scan, walks over all rows will too.
const EARLY_ONE_IN: usize = 4;

/// Segments with fewer rows are built without that check, because it takes little time anyway. Unit tests use fewer rows.
const LEAST_EARLY: usize = if cfg!(test) { 4_096 } else { 65_536 };

/// Settings for a build.
pub(crate) struct Builder<'a> {
    pub(crate) options: GraphOptions,
    /// Build on all cores; otherwise on one, to leave the others free.
    pub(crate) parallel: bool,
    /// Called now and then; true cancels the build.
    pub(crate) cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Called now and then with the number of rows done.
    pub(crate) progress: &'a (dyn Fn(usize) + Sync),
}

/// Why a build ended early.
enum Ended {
    Cancelled,
    /// Walks would cost more than scans.
    OfNoUse,
    Failed(Error),
}

impl From<Error> for Ended {
    fn from(error: Error) -> Ended {
        Ended::Failed(error)
    }
}

impl Builder<'_> {
    /// Builds the graph of a segment, starting from `seed`; `None` if it was cancelled.
    pub(crate) fn build(&self, segment: &Segment, seed: Option<Seed<'_>>) -> Result<Option<Flat>, Error> {
        match self.on_threads(|| self.build_here(segment, seed)) {
            Ok(flat) => Ok(Some(flat)),
            Err(Ended::OfNoUse) => Ok(Some(Flat { m: m_of(&self.options), ..Flat::default() })),
            Err(Ended::Cancelled) => Ok(None),
            Err(Ended::Failed(error)) => Err(error),
        }
    }

    fn build_here(&self, segment: &Segment, seed: Option<Seed<'_>>) -> Result<Flat, Ended> {
        let m = m_of(&self.options);
        let rows = segment.vectors();
        let mut order = in_mixed_order(rows, m);
        let links = (m, self.options.ef_construction_for(rows));
        let mut growing = Growing::new(segment, links, levels(&order, m));
        let mut held = order.split_off(rows - curve::held_out(rows));
        held.sort_unstable();
        let measured = order.len();
        let is_new = seed.is_none();
        match seed {
            Some(seed) => growing.plant(seed, &held)?,
            None => {
                let rows = &order[..order.len().min(start::ROWS)];
                growing.start(&start::linked(segment, rows, links));
            }
        }
        order.retain(|&row| !growing.is_done(row));
        if is_new && rows >= LEAST_EARLY {
            let done = measured - order.len();
            let early: Vec<u32> = order.drain(..(rows / EARLY_ONE_IN).saturating_sub(done)).collect();
            self.insert(&mut growing, &early, done)?;
            let few: Vec<u32> = held.iter().step_by(EARLY_ONE_IN).copied().collect();
            let curve = self.measure(segment, &growing, &few, &[held.as_slice(), &order].concat())?;
            if !curve::is_of_use(&curve, rows) {
                return Err(Ended::OfNoUse);
            }
        }
        self.insert(&mut growing, &order, measured - order.len())?;
        let curve = self.measure(segment, &growing, &held, &held)?;
        self.insert(&mut growing, &held, measured)?;
        let orphans = growing.adopt();
        Ok(Flat { orphans, curve, ..lay_out(growing, m) })
    }

    /// Inserts rows into a graph that already has `before` rows.
    fn insert(&self, growing: &mut Growing<'_>, rows: &[u32], before: usize) -> Result<(), Ended> {
        let (mut done, mut told) = (0, 0);
        while done < rows.len() {
            if (self.cancelled)() {
                return Err(Ended::Cancelled);
            }
            done += growing.insert_some(&rows[done..]);
            if done == rows.len() || done - told >= LARGEST_BATCH {
                told = done;
                (self.progress)(before + done);
            }
        }
        Ok(())
    }

    /// Measures walks with the rows `held` as queries. Neither these nor the rows `missing` are in the graph yet.
    fn measure(
        &self,
        segment: &Segment,
        growing: &Growing<'_>,
        held: &[u32],
        missing: &[u32],
    ) -> Result<Vec<Point>, Ended> {
        let rows = segment.vectors();
        let mut inserted = vec![!0u64; rows.div_ceil(64)];
        missing.iter().for_each(|&row| inserted[row as usize / 64] &= !(1 << (row % 64)));
        let allowed = Allowed { rows, dead: &[], filter: Some(&inserted) };
        let walk = |query: &Query<'_>, ef| growing.walk(query, ef);
        curve::measure(segment, held, &allowed, walk, self.cancelled)?.ok_or(Ended::Cancelled)
    }

    /// Runs `work` on all cores, or on a pool of one thread.
    fn on_threads<T: Send>(&self, work: impl FnOnce() -> T + Send) -> T {
        let one = || rayon::ThreadPoolBuilder::new().num_threads(1).build().ok();
        match (!self.parallel).then(one).flatten() {
            Some(pool) => pool.install(work),
            None => work(),
        }
    }
}

/// `m`, at least 2: with one link per row the graph would be a chain.
pub(crate) fn m_of(options: &GraphOptions) -> usize {
    options.m.clamp(2, MOST_M)
}

/// The level of a row: one in `m` rows is on level 1 or higher, one in `m` of those on level 2 or higher, and so on.
fn level(row: u32, m: usize) -> usize {
    let m = m as u64;
    let mut random = mix(u64::from(row));
    let mut level = 0;
    while random.is_multiple_of(m) && random > 0 {
        (random, level) = (random / m, level + 1);
    }
    level
}

/// The finaliser of SplitMix64: reproducible pseudo-random numbers.
fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

/// The order of insertion: the rows of the highest levels first, so that the entry exists from the start, then the others
/// shuffled. Rows are stored in key order, and similar keys often have similar contents. In that order, the rows of such a
/// cluster would link only to each other.
fn in_mixed_order(rows: usize, m: usize) -> Vec<u32> {
    let mut order: Vec<u32> = (0..number(rows)).collect();
    order.sort_by_cached_key(|&row| (Reverse(level(row, m)), mix(!u64::from(row))));
    order
}

/// The sorted rows of each level from 1 on.
fn levels(order: &[u32], m: usize) -> Vec<Vec<u32>> {
    let highest = order.first().map_or(0, |&row| level(row, m));
    let members = |least: usize| {
        let mut rows: Vec<u32> = order.iter().copied().take_while(|&row| level(row, m) >= least).collect();
        rows.sort_unstable();
        rows
    };
    (1..=highest).map(members).collect()
}

/// Numbers the nodes of the upper levels.
fn lay_out(growing: Growing<'_>, m: usize) -> Flat {
    let Growing { mut layers, entry, .. } = growing;
    let mut flat = Flat { m, links: std::mem::take(&mut layers[0].links), ..Flat::default() };
    let node = |level: usize, row: u32| match level {
        0 => row,
        _ => layers[level].members.binary_search(&row).map_or(NONE, number),
    };
    for (level, layer) in layers.iter().enumerate().skip(1) {
        flat.sizes.push(number(layer.members.len()));
        for &row in &layer.members {
            flat.nodes.push(row);
            flat.down.push(node(level - 1, row));
            let links = layer.of(row).unwrap_or_default();
            let before = flat.upper.len();
            flat.upper.extend(links.iter().map(|&link| node(level, link)));
            flat.upper.resize(before + m, NONE);
        }
    }
    flat.entry = entry.map_or(0, |entry| node(entry.level, entry.row));
    flat
}
