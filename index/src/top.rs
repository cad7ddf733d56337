//! Keeps the best `k` rows.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

/// A row and its score. Greater is better; of equal scores the earlier row is greater.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scored {
    pub(crate) score: f32,
    pub(crate) position: usize,
}

impl Ord for Scored {
    fn cmp(&self, other: &Scored) -> std::cmp::Ordering {
        self.score.total_cmp(&other.score).then(other.position.cmp(&self.position))
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

/// The best `k` of the pushed rows. The worst of them is at the top of the heap, to be removed first.
pub(crate) struct Top {
    k: usize,
    heap: BinaryHeap<Reverse<Scored>>,
}

impl Top {
    pub(crate) fn new(k: usize) -> Top {
        Top { k, heap: BinaryHeap::new() }
    }

    #[inline]
    pub(crate) fn push(&mut self, scored: Scored) {
        if self.heap.len() < self.k {
            self.heap.push(Reverse(scored));
        } else if let Some(mut worst) = self.heap.peek_mut()
            && scored > worst.0
        {
            *worst = Reverse(scored);
        }
    }

    /// A row must score more than this to be kept; `None` while every row is kept.
    #[inline]
    pub(crate) fn worst(&self) -> Option<f32> {
        if self.heap.len() < self.k { None } else { self.heap.peek().map(|worst| worst.0.score) }
    }

    /// The rows, unordered.
    pub(crate) fn into_vec(self) -> Vec<Scored> {
        self.heap.into_iter().map(|Reverse(scored)| scored).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scores: &[f32], k: usize, expected: &[usize]) {
        let mut top = Top::new(k);
        (0..).zip(scores).for_each(|(position, &score)| top.push(Scored { score, position }));
        let found: Vec<usize> =
            top.heap.into_sorted_vec().into_iter().map(|Reverse(scored)| scored.position).collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn best_are_kept_and_ties_keep_their_order() {
        check(&[], 3, &[]);
        check(&[0.5], 3, &[0]);
        check(&[0.25, 0.5, -1.0, 0.75], 3, &[3, 1, 0]);
        check(&[0.5, 0.75, 0.5, 0.75, 0.5], 4, &[1, 3, 0, 2]);
    }
}
