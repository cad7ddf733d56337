//! Chooses the links of level 0 again, among more candidates than `hnsw_rs` has looked at.
//!
//! When a list overflows, `hnsw_rs` drops the farthest link, and with it the ways out of a cluster; the paper's
//! heuristic, which it uses only for a row's first links, keeps them. Here every row chooses among what a walk from
//! it finds, its links, and those that lead to it: old links are among the longest, and without them clusters lose
//! each other. Then a row chooses once more, among its own choice and the rows that have chosen it.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;

use super::build::Builder;
use super::walk::Level;
use super::{Flat, Lists, NONE};
use crate::codes::Query;
use crate::segment::Segment;
use crate::selection::Allowed;

/// Replaces the links of level 0, in one of the rounds of `builder`. If that is cancelled they are of no use.
pub(super) fn choose(builder: &Builder<'_>, round: usize, segment: &Segment, flat: &mut Flat) {
    let candidates = builder.options.ef_construction.max(flat.m);
    let width = 2 * flat.m;
    let rows = segment.vectors();
    let done = AtomicUsize::new(0);
    let old = Lists { links: &flat.links, width };
    let reverse = reverse(old, number(rows));
    let forward: Vec<Vec<u32>> = (0..number(rows))
        .into_par_iter()
        .map(|row| {
            let query = Query::of_row(segment, row).filter(|_| !(builder.cancelled)());
            let Some(query) = query else { return Vec::new() };
            builder.tell(round, 1 + done.fetch_add(1, Ordering::Relaxed), rows);
            let mut found = near(segment, &query, old, row, candidates);
            found.extend(old.of(row).unwrap_or_default().iter().chain(&reverse[row as usize]).copied());
            select(segment, best_first(segment, &query, found, row), width, false)
        })
        .collect();
    let mut lists: Vec<Vec<u32>> = forward.clone();
    for (row, links) in (0..).zip(&forward) {
        links.iter().for_each(|&link| lists[link as usize].push(row));
    }
    let chosen = flat.links.par_chunks_mut(width).zip(lists.par_iter_mut()).enumerate();
    chosen.for_each(|(row, (places, list))| {
        let query = Query::of_row(segment, number(row)).filter(|_| !(builder.cancelled)());
        let Some(query) = query else { return };
        let links =
            select(segment, best_first(segment, &query, std::mem::take(list), number(row)), width, true);
        places.fill(NONE);
        places.iter_mut().zip(links).for_each(|(place, link)| *place = link);
    });
}

fn number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NONE)
}

/// The rows that lead to each.
fn reverse(lists: Lists<'_>, rows: u32) -> Vec<Vec<u32>> {
    let mut reverse = vec![Vec::new(); rows as usize];
    for row in 0..rows {
        for &link in lists.of(row).unwrap_or_default() {
            // A row in the middle of everything is linked by thousands; some of them are enough.
            if reverse[link as usize].len() < lists.width {
                reverse[link as usize].push(row);
            }
        }
    }
    reverse
}

/// The rows that a walk which begins at the row of the query finds close to it.
fn near(segment: &Segment, query: &Query<'_>, lists: Lists<'_>, row: u32, candidates: usize) -> Vec<u32> {
    let allowed = Allowed { rows: segment.vectors(), dead: &[], filter: None };
    let level = Level { lists, segment, query };
    let found = level.explore(std::iter::once(row), candidates, &allowed).unwrap_or_default();
    found.into_iter().map(|found| number(found.position)).collect()
}

/// The rows other than that of the query, once each, with their scores, best first.
fn best_first(segment: &Segment, query: &Query<'_>, mut rows: Vec<u32>, of: u32) -> Vec<(f32, u32)> {
    rows.sort_unstable();
    rows.dedup();
    let others = rows.into_iter().filter(|&row| row != of);
    let mut scored: Vec<_> = others.filter_map(|row| Some((query.score_of(segment, row)?, row))).collect();
    scored.sort_unstable_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
    scored
}

/// The paper's heuristic: a candidate is taken when it is closer to the row than to all that were taken before
/// it. With `fill`, the places left go to the best of the others.
fn select(segment: &Segment, candidates: Vec<(f32, u32)>, width: usize, fill: bool) -> Vec<u32> {
    let mut taken: Vec<Query<'_>> = Vec::with_capacity(width);
    let (mut links, mut others) = (Vec::with_capacity(width), Vec::new());
    for (score, row) in candidates {
        if links.len() == width {
            break;
        }
        let is_closer =
            |taken: &Query<'_>| taken.score_of(segment, row).is_some_and(|to_taken| to_taken < score);
        if taken.iter().all(is_closer) {
            taken.extend(Query::of_row(segment, row));
            links.push(row);
        } else {
            others.push(row);
        }
    }
    if fill {
        others.truncate(width - links.len());
        links.extend(others);
    }
    links
}

/// The rows that no way leads to from the entry, with which every walk on level 0 begins.
pub(super) fn orphans(flat: &Flat, rows: usize) -> Vec<u32> {
    let lists = Lists { links: &flat.links, width: 2 * flat.m };
    let mut reached = vec![false; rows];
    let top = flat.sizes.last().map(|&size| flat.nodes.len() - size as usize + flat.entry as usize);
    let entry = top.map_or(flat.entry, |node| flat.nodes[node]);
    let mut queue = VecDeque::from([entry as usize]);
    while let Some(row) = queue.pop_front() {
        if row < rows && !std::mem::replace(&mut reached[row], true) {
            let links = lists.of(number(row)).unwrap_or_default();
            queue.extend(links.iter().map(|&link| link as usize));
        }
    }
    (0..rows).filter(|&row| !reached[row]).map(number).collect()
}
