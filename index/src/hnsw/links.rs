//! Chooses the links of level 0 again, among more candidates than `hnsw_rs` has looked at.
//!
//! When a list overflows, `hnsw_rs` drops the farthest link, and with it the ways out of a cluster; the paper's
//! heuristic, which it uses only for a row's first links, keeps them. Here every row chooses among its links,
//! those that lead to it, and the links of all of these; then a row that others have chosen chooses again, among
//! its own choice and those others. What this gains over the links of
//! `hnsw_rs` has not been measured on its own; `scripts/bench/ann` prints what walks over the result reach.

use std::collections::VecDeque;

use rayon::prelude::*;

use super::{Flat, NONE};
use crate::codes::RowQuery;
use crate::segment::Segment;

/// How many candidates a row chooses among, the closest ones. Chosen, not measured.
const CANDIDATES: usize = 160;

/// Replaces the links of level 0.
pub(super) fn choose(segment: &Segment, flat: &mut Flat) {
    let width = 2 * flat.m;
    let rows = segment.vectors();
    let old = Lists { links: &flat.links, width };
    let reverse = reverse(&old, rows);
    let forward: Vec<Vec<u32>> = (0..rows)
        .into_par_iter()
        .map(|row| {
            let query = RowQuery::new(segment, number(row));
            let near = around(&old, &reverse, row);
            select(segment, best(segment, &query, near), width, false)
        })
        .collect();
    let mut lists: Vec<Vec<u32>> = forward.clone();
    for (row, links) in forward.iter().enumerate() {
        links.iter().for_each(|&link| lists[link as usize].push(number(row)));
    }
    let chosen = flat.links.par_chunks_mut(width).zip(lists.par_iter_mut()).enumerate();
    chosen.for_each(|(row, (places, list))| {
        let query = RowQuery::new(segment, number(row));
        list.sort_unstable();
        list.dedup();
        let links = select(segment, best(segment, &query, std::mem::take(list)), width, true);
        places.fill(NONE);
        places.iter_mut().zip(links).for_each(|(place, link)| *place = link);
    });
}

fn number(row: usize) -> u32 {
    u32::try_from(row).unwrap_or(NONE)
}

/// Lists of links, one after another.
struct Lists<'a> {
    links: &'a [u32],
    width: usize,
}

impl Lists<'_> {
    fn of(&self, row: usize) -> impl Iterator<Item = u32> {
        self.links[row * self.width..][..self.width].iter().copied().take_while(|&link| link != NONE)
    }
}

fn reverse(lists: &Lists<'_>, rows: usize) -> Vec<Vec<u32>> {
    let mut reverse = vec![Vec::new(); rows];
    for row in 0..rows {
        // A row in the middle of everything is linked by thousands; some of them are enough.
        let links = lists.of(row).filter(|&link| link as usize != row);
        for link in links {
            if reverse[link as usize].len() < 2 * lists.width {
                reverse[link as usize].push(number(row));
            }
        }
    }
    reverse
}

/// The rows that a row links to or is linked by, and those that these link to.
fn around(lists: &Lists<'_>, reverse: &[Vec<u32>], row: usize) -> Vec<u32> {
    let mut near: Vec<u32> = lists.of(row).chain(reverse[row].iter().copied()).collect();
    for i in 0..near.len() {
        near.extend(lists.of(near[i] as usize));
    }
    near.sort_unstable();
    near.dedup();
    near.retain(|&other| other as usize != row);
    near
}

/// The closest candidates with their scores, best first.
fn best(segment: &Segment, query: &RowQuery, candidates: Vec<u32>) -> Vec<(f32, u32)> {
    let mut scored: Vec<(f32, u32)> =
        candidates.into_iter().map(|row| (query.score(segment, row), row)).collect();
    let closer = |a: &(f32, u32), b: &(f32, u32)| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1));
    if scored.len() > CANDIDATES {
        scored.select_nth_unstable_by(CANDIDATES, closer);
        scored.truncate(CANDIDATES);
    }
    scored.sort_unstable_by(closer);
    scored
}

/// The paper's heuristic: a candidate is taken when it is closer to the row than to all that were taken before
/// it. With `fill`, the places left go to the best of the others.
fn select(segment: &Segment, candidates: Vec<(f32, u32)>, width: usize, fill: bool) -> Vec<u32> {
    let mut taken: Vec<RowQuery> = Vec::with_capacity(width);
    let (mut links, mut others) = (Vec::with_capacity(width), Vec::new());
    for (score, row) in candidates {
        if links.len() == width {
            break;
        }
        if taken.iter().all(|taken| taken.score(segment, row) < score) {
            taken.push(RowQuery::new(segment, row));
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

/// The rows that no way leads to from where walks begin on level 0.
pub(super) fn orphans(flat: &Flat, rows: usize) -> Vec<u32> {
    let lists = Lists { links: &flat.links, width: 2 * flat.m };
    let mut reached = vec![false; rows];
    let entry = flat.nodes.last().copied().unwrap_or(flat.entry);
    let mut queue = VecDeque::from([entry as usize]);
    while let Some(row) = queue.pop_front() {
        if row < rows && !std::mem::replace(&mut reached[row], true) {
            queue.extend(lists.of(row).map(|link| link as usize));
        }
    }
    (0..rows).filter(|&row| !reached[row]).map(number).collect()
}
