//! Measures recall and cost of walks over a graph, with some of its own rows as queries.
//!
//! While a graph is built, some rows are held out. When all others are in the graph, walks search for the neighbours of the
//! held-out rows, and an exact scan gives the right answers. The graph has never seen these queries, so the curve is valid
//! for new queries of the same kind. At the end these rows are inserted too.

use rayon::prelude::*;

use super::walk::Explored;
use crate::codes::Query;
use crate::scan::{self, Target};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::{Error, Vector};

/// The numbers of hits that are measured. A search for another number uses the next greater one.
const HITS: [usize; 5] = [10, 32, 100, 320, 1_000];

/// The numbers of candidates that are measured, until a walk costs as much as a scan.
const EFS: [usize; 8] = [16, 32, 64, 128, 256, 512, 1_024, 2_048];

/// How many rows are held out, and at most which share. The mean recall of 256 walks at 0.98 has a standard error of 0.003
/// (the recall of single walks varies by 0.05).
const HELD_OUT: usize = 256;
const ONE_IN: usize = 16;

/// Measuring stops at this recall.
const ENOUGH: f32 = 0.999;

/// The lowest recall that anybody is expected to request.
const LEAST_RECALL: f32 = 0.98;

/// Comparing one row on a walk takes at most as long as scanning this many rows, because a walk reads memory at random and
/// a scan in sequence. With 100,000 bench vectors it took 7 times as long, and a walk also follows links. This depends on
/// processor and memory, not on the vectors. `cargo bench -p imgsearch-index --bench crossover` prints the times of both.
const SCANNED_PER_WALKED: f32 = 10.0;

/// A measurement of walks with `ef` candidates: the least share of the best `k` rows that they found, and how many rows
/// they compared.
#[derive(Debug, Clone, Copy, PartialEq, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(crate) struct Point {
    pub(crate) k: u32,
    pub(crate) ef: u32,
    pub(crate) recall: f32,
    pub(crate) compared: f32,
}

/// Settings for a walk.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Plan {
    /// The number of candidates to keep.
    pub(crate) ef: usize,
    /// The number of rows after which to give up.
    pub(crate) most: usize,
}

/// How many of this many rows are held out.
pub(super) fn held_out(rows: usize) -> usize {
    HELD_OUT.min(rows / ONE_IN)
}

/// The walk that finds `recall` of the best `k` among the `matching` of all `rows`, if it is known to cost less than
/// scanning the matching rows. A walk also visits the rows that do not match. So if one row in `x` matches, it has the
/// recall and the cost of an unfiltered walk for `x` times as many hits.
pub(super) fn plan(curve: &[Point], k: usize, recall: f32, (matching, rows): (usize, usize)) -> Option<Plan> {
    let share = matching as f32 / rows as f32;
    let (ef, compared) = cheapest(curve, k as f32 / share, recall)?;
    let cost = compared * SCANNED_PER_WALKED;
    // Some walks are longer than average. If the matching rows are clustered, they can be much longer than measured.
    let half_a_scan = matching as f32 / SCANNED_PER_WALKED / 2.0;
    let plan = Plan { ef: whole(ef * share).max(k), most: whole(half_a_scan.max(2.0 * compared)) };
    (cost < matching as f32).then_some(plan)
}

/// Whether searches will use the graph: whether a search for ten hits does, at [`LEAST_RECALL`].
pub(super) fn is_of_use(curve: &[Point], rows: usize) -> bool {
    plan(curve, HITS[0], LEAST_RECALL, (rows, rows)).is_some()
}

/// The number of candidates needed, and the number of rows compared with them.
fn cheapest(curve: &[Point], k: f32, recall: f32) -> Option<(f32, f32)> {
    let measured = curve.iter().map(|point| point.k).filter(|&measured| measured as f32 >= k).min()?;
    let mut points = curve.iter().filter(|point| point.k == measured);
    let mut below: Option<&Point> = None;
    let above = points.find(|point| {
        let is_enough = point.recall >= recall;
        below = if is_enough { below } else { Some(point) };
        is_enough
    })?;
    let Some(below) = below else { return Some((above.ef as f32, above.compared)) };
    // The recall curve is concave, so a straight line between two points is below it.
    let share = (recall - below.recall) / (above.recall - below.recall);
    let between = |from: f32, to: f32| from + share * (to - from);
    Some((between(below.ef as f32, above.ef as f32), between(below.compared, above.compared)))
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and makes 0 of NaN"
)]
fn whole(x: f32) -> usize {
    x.ceil() as usize
}

/// A held-out row as a query.
struct Asked {
    vector: Vector,
    /// The scores of the closest rows, best first.
    truth: Vec<f32>,
}

/// Measures walks with the rows `held` as queries. `allowed` are all other rows. `walk` takes a number of candidates and
/// returns the rows found and how many were compared. `None` if it was cancelled.
pub(super) fn measure(
    segment: &Segment,
    held: &[u32],
    allowed: &Allowed<'_>,
    walk: impl Fn(&Query<'_>, usize) -> Explored + Sync,
    cancelled: &(dyn Fn() -> bool + Sync),
) -> Result<Option<Vec<Point>>, Error> {
    let mut asked = Vec::with_capacity(held.len());
    for &row in held {
        if cancelled() {
            return Ok(None);
        }
        asked.push(ask(segment, row as usize, allowed)?);
    }
    let mut curve = Vec::new();
    if asked.is_empty() {
        return Ok(Some(curve));
    }
    for ef in EFS {
        if cancelled() {
            return Ok(None);
        }
        let walks = asked.par_iter().map(|asked| {
            let query = Query::new(&asked.vector);
            let Explored { found, compared } = walk(&query, ef);
            let scores = found.into_iter().map(|found| scan::score(segment, &query, found.position));
            let mut scores = scores.collect::<Result<Vec<f32>, Error>>()?;
            scores.sort_unstable_by(|a, b| b.total_cmp(a));
            Ok((HITS.map(|k| recall(&scores, &asked.truth, k)), compared as f32))
        });
        let walks: Vec<([f32; HITS.len()], f32)> = walks.collect::<Result<_, Error>>()?;
        let compared = mean(walks.iter().map(|walk| walk.1));
        let of_hits = HITS.iter().enumerate().filter(|(_, k)| **k <= ef && **k <= allowed.rows);
        let points = of_hits.map(|(i, &k)| Point {
            k: u32::try_from(k).unwrap_or(u32::MAX),
            ef: u32::try_from(ef).unwrap_or(u32::MAX),
            recall: surely(walks.iter().map(|walk| walk.0[i])),
            compared,
        });
        let before = curve.len();
        curve.extend(points);
        let is_enough =
            curve[before..].len() == HITS.len() && curve[before..].iter().all(|point| point.recall >= ENOUGH);
        if is_enough || compared * SCANNED_PER_WALKED > allowed.rows as f32 {
            break;
        }
    }
    Ok(Some(curve))
}

fn mean(of: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = of.len() as f32;
    of.sum::<f32>() / count
}

/// The mean minus its standard error, so that other queries will hardly have a lower one.
fn surely(recalls: impl ExactSizeIterator<Item = f32> + Clone) -> f32 {
    let count = recalls.len() as f32;
    let mean = mean(recalls.clone());
    let variance = recalls.map(|recall| (recall - mean).powi(2)).sum::<f32>() / count;
    mean - (variance / count).sqrt()
}

fn ask(segment: &Segment, row: usize, allowed: &Allowed<'_>) -> Result<Asked, Error> {
    let vector = Vector::from_half_bytes(segment.checked_half_bytes(row)?);
    let vector = vector.ok_or_else(|| segment.damaged("a vector has no direction"))?;
    let query = Query::new(&vector);
    let most = HITS[HITS.len() - 1];
    let found = scan::best(&[Target { segment, allowed: *allowed }], &query, most)?;
    let mut truth: Vec<f32> = found.into_iter().map(|(_, found)| found.score).collect();
    truth.sort_unstable_by(|a, b| b.total_cmp(a));
    Ok(Asked { vector, truth })
}

/// The share of the best `k` that is among `found`. A row counts if it scores as much as the last of the best.
fn recall(found: &[f32], truth: &[f32], k: usize) -> f32 {
    let Some(&last) = truth.get(k.min(truth.len()).wrapping_sub(1)) else { return 1.0 };
    let right = found.iter().take(k).filter(|&&score| score >= last).count();
    right as f32 / k.min(truth.len()) as f32
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn point(k: u32, ef: u32, recall: f32, compared: f32) -> Point {
        Point { k, ef, recall, compared }
    }

    const CURVE: [Point; 5] = [
        point(10, 16, 0.5, 100.0),
        point(10, 32, 0.75, 200.0),
        point(10, 64, 1.0, 300.0),
        point(32, 32, 0.5, 200.0),
        point(32, 64, 0.75, 300.0),
    ];

    #[track_caller]
    fn check(k: usize, recall: f32, (matching, rows): (usize, usize), expected: Option<Plan>) {
        assert_eq!(plan(&CURVE, k, recall, (matching, rows)), expected);
    }

    #[test]
    fn a_walk_is_as_long_as_the_recall_needs() {
        let rows = (10_000, 10_000);
        check(10, 0.25, rows, Some(Plan { ef: 16, most: 500 }));
        check(1, 0.75, rows, Some(Plan { ef: 32, most: 500 }));
        check(10, 0.875, rows, Some(Plan { ef: 48, most: 500 }));
        check(11, 0.75, rows, Some(Plan { ef: 64, most: 600 }));
        check(11, 0.875, rows, None);
        check(33, 0.25, rows, None);
    }

    #[test]
    fn what_costs_more_than_a_scan_is_not_walked() {
        check(10, 0.75, (2_001, 2_001), Some(Plan { ef: 32, most: 400 }));
        check(10, 0.75, (2_000, 2_000), None);
        // One row in three matches: ten of these correspond to thirty of all.
        check(10, 0.75, (10_000, 30_000), Some(Plan { ef: 22, most: 600 }));
        check(10, 0.75, (10_000, 40_000), None);
        check(10, 0.75, (0, 30_000), None);
        check(10, 0.75, (0, 0), None);
    }

    #[test]
    fn equally_good_rows_count() {
        assert_eq!(recall(&[0.9, 0.5, 0.5], &[0.9, 0.5, 0.5, 0.5], 2).to_bits(), 1.0f32.to_bits());
        assert_eq!(recall(&[0.9, 0.4], &[0.9, 0.5, 0.5], 2).to_bits(), 0.5f32.to_bits());
        assert_eq!(recall(&[0.9], &[0.9], 10).to_bits(), 1.0f32.to_bits());
        assert_eq!(recall(&[], &[], 10).to_bits(), 1.0f32.to_bits());
    }
}
