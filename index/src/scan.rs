//! Exact search: the query against every row, on all cores.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use half::f16;
use half::slice::HalfFloatSliceExt;
use rayon::prelude::*;

use crate::vector::dot;

/// How many rows one task compares: 1,024 of 512 dimensions are 1 MB, some tens of microseconds of work, so
/// that starting a task costs nothing beside it.
const ROWS_PER_TASK: usize = 1_024;

/// A row and how close it is. The greater is the better one; of equally close rows the earlier.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    pub(crate) score: f32,
    pub(crate) row: usize,
}

impl Ord for Scored {
    fn cmp(&self, other: &Scored) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(other.row.cmp(&self.row))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Scored) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Scored {
    fn eq(&self, other: &Scored) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Scored {}

/// Rows of halves, one after another, with one over the length of each.
#[derive(Debug, Default)]
pub(crate) struct HalfRows {
    pub(crate) halves: Vec<f16>,
    pub(crate) inverse_lengths: Vec<f32>,
}

/// The best `k` of the rows that `keep` wants, best first.
pub(crate) fn best(
    rows: &HalfRows,
    query: &[f32],
    k: usize,
    keep: impl Fn(usize) -> bool + Sync,
) -> Vec<Scored> {
    let tasks = rows.halves.par_chunks(ROWS_PER_TASK * query.len()).enumerate();
    let found = tasks.map(|(task, halves)| {
        let mut top = Top::new(k);
        let mut row_floats = vec![0.0; query.len()];
        for (offset, row_halves) in halves.chunks_exact(query.len()).enumerate() {
            let row = task * ROWS_PER_TASK + offset;
            if keep(row) {
                row_halves.convert_to_f32_slice(&mut row_floats);
                top.push(Scored { score: dot(query, &row_floats) * rows.inverse_lengths[row], row });
            }
        }
        top
    });
    found.reduce(|| Top::new(k), Top::merge).into_sorted()
}

/// The best `k` of what was pushed. The worst of them is at the top of the heap, to be thrown out first.
struct Top {
    k: usize,
    heap: BinaryHeap<Reverse<Scored>>,
}

impl Top {
    fn new(k: usize) -> Top {
        Top { k, heap: BinaryHeap::new() }
    }

    fn push(&mut self, scored: Scored) {
        if self.heap.len() < self.k {
            self.heap.push(Reverse(scored));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && scored > worst.0
        {
            *worst = Reverse(scored);
        }
    }

    fn merge(mut self, other: Top) -> Top {
        for Reverse(scored) in other.heap {
            self.push(scored);
        }
        self
    }

    fn into_sorted(self) -> Vec<Scored> {
        self.heap.into_sorted_vec().into_iter().map(|Reverse(scored)| scored).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rows of one dimension, so that the component is the score.
    fn rows(scores: &[f32]) -> HalfRows {
        let halves = scores.iter().map(|&score| f16::from_f32(score)).collect();
        HalfRows { halves, inverse_lengths: vec![1.0; scores.len()] }
    }

    #[track_caller]
    fn check(scores: &[f32], k: usize, keep: impl Fn(usize) -> bool + Sync, expected: &[usize]) {
        let found: Vec<usize> =
            best(&rows(scores), &[1.0], k, keep).iter().map(|scored| scored.row).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn best_come_first_and_ties_keep_their_order() {
        check(&[], 3, |_| true, &[]);
        check(&[0.5], 3, |_| true, &[0]);
        check(&[0.25, 0.5, -1.0, 0.75], 3, |_| true, &[3, 1, 0]);
        check(&[0.5, 0.75, 0.5, 0.75, 0.5], 4, |_| true, &[1, 3, 0, 2]);
        check(&[0.25, 0.5, -1.0, 0.75], 3, |row| row != 3, &[1, 0, 2]);
        check(&[0.25, 0.5], 1, |_| false, &[]);
    }

    #[test]
    fn tasks_are_merged() {
        let mut scores = vec![0.0; 3 * ROWS_PER_TASK + 1];
        scores[ROWS_PER_TASK] = 0.5;
        scores[3 * ROWS_PER_TASK] = 0.75;
        check(&scores, 4, |_| true, &[3 * ROWS_PER_TASK, ROWS_PER_TASK, 0, 1]);
    }
}
