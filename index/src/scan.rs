//! Exact search: the query against every row that may be returned, by its codes, on all cores.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use rayon::prelude::*;

use crate::Error;
use crate::codes::Query;
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::simd::Kernels;

/// How many words of 64 rows one task compares: 2,048 rows of 512 codes are 1 MB, some tens of microseconds of
/// work, so that starting a task costs nothing beside it.
const WORDS_PER_TASK: usize = 32;

/// A row and how close it is. The greater is the better one; of equally close rows the earlier.
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

/// The best `wanted` of the allowed rows by their codes, in no order.
pub(crate) fn best(
    segment: &Segment,
    query: &Query<'_>,
    wanted: usize,
    allowed: &Allowed<'_>,
) -> Result<Vec<Scored>, Error> {
    let first_scan = allowed.filter.is_none() && segment.begin_scan();
    let firsts = (0..allowed.words()).into_par_iter().step_by(WORDS_PER_TASK);
    // What one task has found goes on into the next one of the same core, so that there is soon little to push.
    let begin = || Task { segment, query, top: Top::new(wanted), products: Vec::new() };
    let tasks = firsts.try_fold(begin, |mut task, first| {
        let last = allowed.words().min(first + WORDS_PER_TASK);
        if first_scan {
            segment.bring_in_codes(first * 64..allowed.rows.min(last * 64));
        }
        task.run(first..last, allowed)?;
        Ok(task)
    });
    let found = tasks.map(|task: Result<Task<'_>, Error>| Ok(task?.top));
    Ok(found.try_reduce(|| Top::new(wanted), |a, b| Ok(a.merge(b)))?.into_vec())
}

/// What one core does at a time.
struct Task<'a> {
    segment: &'a Segment,
    query: &'a Query<'a>,
    top: Top,
    products: Vec<(i32, u32)>,
}

impl Task<'_> {
    fn run(&mut self, words: std::ops::Range<usize>, allowed: &Allowed<'_>) -> Result<(), Error> {
        for word in words {
            let bits = allowed.word(word);
            if bits == allowed.all_of(word) {
                self.compare_all(word * 64, bits.count_ones() as usize)?;
            } else {
                self.compare_some(word * 64, bits)?;
            }
        }
        Ok(())
    }

    fn compare_all(&mut self, first: usize, count: usize) -> Result<(), Error> {
        let stride = self.query.codes.len();
        let rows = &self.segment.codes()[first * stride..(first + count) * stride];
        let mut products = std::mem::take(&mut self.products);
        Kernels::best().products_of_all(rows, &self.query.codes, &mut products);
        for (position, &found) in (first..).zip(&products) {
            self.push(position, found)?;
        }
        self.products = products;
        Ok(())
    }

    fn compare_some(&mut self, first: usize, mut bits: u64) -> Result<(), Error> {
        let stride = self.query.codes.len();
        while bits != 0 {
            let position = first + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let row = &self.segment.codes()[position * stride..][..stride];
            self.push(position, Kernels::best().products(row, &self.query.codes))?;
        }
        Ok(())
    }

    fn push(&mut self, position: usize, (products, sum): (i32, u32)) -> Result<(), Error> {
        let head = self.segment.heads()[position];
        if !head.fits(sum) {
            return Err(self.segment.damaged("the codes of a vector do not add up"));
        }
        self.top.push(Scored { score: self.query.score(products, head), position });
        Ok(())
    }
}

/// The best `k` of what was pushed. The worst of them is at the top of the heap, to be thrown out first.
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

    /// The score that a row must have more than to be kept; `None` while any is.
    #[inline]
    pub(crate) fn worst(&self) -> Option<f32> {
        if self.heap.len() < self.k { None } else { self.heap.peek().map(|worst| worst.0.score) }
    }

    /// In no order.
    pub(crate) fn into_vec(self) -> Vec<Scored> {
        self.heap.into_iter().map(|Reverse(scored)| scored).collect()
    }

    fn merge(mut self, other: Top) -> Top {
        for Reverse(scored) in other.heap {
            self.push(scored);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(scores: &[f32], k: usize, expected: &[usize]) {
        let halves = scores.split_at(scores.len() / 2);
        let top = |scores: &[f32], first: usize| {
            let mut top = Top::new(k);
            (first..).zip(scores).for_each(|(position, &score)| top.push(Scored { score, position }));
            top
        };
        let merged = top(halves.0, 0).merge(top(halves.1, halves.0.len()));
        let found: Vec<usize> =
            merged.heap.into_sorted_vec().into_iter().map(|Reverse(scored)| scored.position).collect();
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
