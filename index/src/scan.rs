//! Exact search: compares the query with every allowed row, on all cores.
//!
//! The scan reads the codes of all rows, and the stored vectors (half floats) of a few. The codes give a score with an
//! error bound that is proven for any data, see [`Query::error`]. So a row can be discarded once `k` other rows certainly
//! score more. The remaining rows are compared again by their half floats: first the `k` with the highest certain scores,
//! then those that could still beat the worst of these. This is a multi-step search in the sense of Seidl and Kriegel,
//! "Optimal Multi-Step k-Nearest Neighbor Search" (SIGMOD 1998). The result equals a comparison of the query with every
//! vector, in the same arithmetic.
//!
//! If vectors are nearly equal, many rows remain. A core that has gathered too many compares them right away and keeps the
//! best `k`. So memory stays bounded. In the worst case both codes and half floats of all rows are read, which takes about
//! five times as long as the codes alone.

use std::ops::Range;
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

use rayon::prelude::*;

use crate::Error;
use crate::codes::{Head, Query};
use crate::segment::Segment;
use crate::selection::Allowed;
use crate::simd::Kernels;
use crate::top::Scored;

/// How many words of 64 rows a task compares. 2,048 rows of 512 codes are 1 MB and take some tens of microseconds, so the
/// cost of starting a task is negligible.
const WORDS_PER_TASK: usize = 32;

/// How many rows per requested hit a core gathers before it discards some: enough to do so rarely, but not so many that
/// they need much memory. Chosen, not measured.
const GATHERED_PER_HIT: usize = 8;

/// For fewer hits than this, a core gathers as many rows as for this number.
const LEAST_HITS: usize = 128;

/// A segment to scan.
pub(crate) struct Target<'a> {
    pub(crate) segment: &'a Segment,
    pub(crate) allowed: Allowed<'a>,
}

/// The best `k` allowed rows of all targets, unordered, each with the index of its target. Ties are broken by key.
pub(crate) fn best(
    targets: &[Target<'_>],
    query: &Query<'_>,
    k: usize,
) -> Result<Vec<(usize, Scored)>, Error> {
    let scan = Scan::new(targets, query, k);
    let cores = rayon::current_num_threads().min(scan.tasks.len());
    let gathered = (0..cores).into_par_iter().with_max_len(1).map(|_| Core::new(&scan).work());
    let mut rows = gathered.try_reduce(Vec::new, |a, b| Ok([a, b].concat()))?;
    scan.settle(&mut rows)?;
    Ok(rows.iter().map(|row| scan.found(row)).collect())
}

/// A row that may be among the best: its score and the bound of its error, which is zero after the comparison by half
/// floats. The rows of all targets are numbered consecutively.
#[derive(Debug, Clone, Copy)]
struct Row {
    score: f32,
    error: f32,
    number: usize,
}

impl Row {
    /// The certain score: a lower bound.
    fn lower(&self) -> f32 {
        self.score - self.error
    }

    /// Whether the row could reach the score `floor`. This is true for a damaged row with a score of NaN.
    fn can_reach(&self, floor: f32) -> bool {
        let is_below = self.score + self.error < floor;
        !is_below
    }

    fn is_settled(&self) -> bool {
        self.error.to_bits() == 0
    }
}

/// A search, shared by all cores.
struct Scan<'a> {
    targets: &'a [Target<'a>],
    query: &'a Query<'a>,
    k: usize,
    /// The number of the first row of each target.
    firsts: Vec<usize>,
    tasks: Vec<Task>,
    /// The number of the next task.
    next: AtomicUsize,
    floor: Floor,
}

/// A range of words of a target.
struct Task {
    target: usize,
    words: Range<usize>,
    /// Whether this is the first scan of these codes, which loads them into memory.
    is_first: bool,
}

impl<'a> Scan<'a> {
    fn new(targets: &'a [Target<'a>], query: &'a Query<'a>, k: usize) -> Scan<'a> {
        let (mut firsts, mut tasks, mut rows) = (Vec::new(), Vec::new(), 0);
        for (target, Target { segment, allowed }) in targets.iter().enumerate() {
            let is_first = allowed.filter.is_none() && segment.begin_scan();
            let words = (0..allowed.words()).step_by(WORDS_PER_TASK);
            tasks.extend(words.map(|first| {
                let words = first..allowed.words().min(first + WORDS_PER_TASK);
                Task { target, words, is_first }
            }));
            firsts.push(rows);
            rows += allowed.rows;
        }
        // There cannot be more hits than rows.
        let k = k.min(rows);
        Scan { targets, query, k, firsts, tasks, next: AtomicUsize::new(0), floor: Floor::new() }
    }

    /// The index of a row's target, and its position there.
    fn place(&self, row: &Row) -> (usize, usize) {
        let target = self.firsts.partition_point(|&first| first <= row.number) - 1;
        (target, row.number - self.firsts[target])
    }

    fn found(&self, row: &Row) -> (usize, Scored) {
        let (target, position) = self.place(row);
        (target, Scored { score: row.score, position })
    }

    /// A row's key. Empty for a damaged record, which becomes an error if it is returned.
    fn key(&self, row: &Row) -> &'a [u8] {
        let (target, position) = self.place(row);
        self.targets[target].segment.record(position).map_or(&[], |record| record.key)
    }

    /// Reduces the rows to the best `k`, comparing by half floats as far as needed.
    fn settle(&self, rows: &mut Vec<Row>) -> Result<(), Error> {
        self.leave_out(rows);
        let surely_best = rows.len().min(self.k);
        self.compare(&mut rows[..surely_best])?;
        if rows.len() > self.k {
            let floor = rows[..surely_best].iter().map(|row| row.score).fold(f32::INFINITY, f32::min);
            rows.retain(|row| row.can_reach(floor));
            self.compare(rows)?;
            self.keep_best(rows);
        }
        Ok(())
    }

    /// Discards rows that certainly score less than `k` others. The `k` with the highest certain scores come first.
    fn leave_out(&self, rows: &mut Vec<Row>) {
        if let Some(last) = self.k.checked_sub(1).filter(|&last| last < rows.len()) {
            let (_, last, _) = rows.select_nth_unstable_by(last, |a, b| b.lower().total_cmp(&a.lower()));
            self.floor.raise(last.lower());
        }
        // Another core may have found a higher floor.
        let floor = self.floor.get();
        rows.retain(|row| row.can_reach(floor));
    }

    /// Compares rows by half floats, unless they already were.
    fn compare(&self, rows: &mut [Row]) -> Result<(), Error> {
        let open = rows.par_iter_mut().with_min_len(64).filter(|row| !row.is_settled());
        open.try_for_each(|row| {
            let (target, position) = self.place(row);
            let score = score(self.targets[target].segment, self.query, position)?;
            *row = Row { score, error: 0.0, ..*row };
            Ok(())
        })
    }

    /// Keeps the best `k` of settled rows.
    fn keep_best(&self, rows: &mut Vec<Row>) {
        if rows.len() <= self.k {
            return;
        }
        let (_, &mut Row { score: worst, .. }, _) =
            rows.select_nth_unstable_by(self.k - 1, |a, b| b.score.total_cmp(&a.score));
        let (better, mut ties): (Vec<Row>, Vec<Row>) =
            rows.drain(..).filter(|row| row.score >= worst).partition(|row| row.score > worst);
        ties.sort_by_cached_key(|row| (self.key(row), row.number));
        ties.truncate(self.k - better.len());
        rows.extend(better.into_iter().chain(ties));
    }
}

/// The exact score of a row: the [`dot`](crate::Vector::dot) of the query and the stored vector.
pub(crate) fn score(segment: &Segment, query: &Query<'_>, position: usize) -> Result<f32, Error> {
    let (halves, inverse_length) = segment.halves(position)?;
    Ok(Kernels::best().dot_kept(halves, inverse_length, query.components))
}

/// A score that `k` rows certainly reach, shared by all cores. It only rises.
struct Floor(AtomicU32);

impl Floor {
    fn new() -> Floor {
        Floor(AtomicU32::new(Floor::to_ordered(f32::NEG_INFINITY)))
    }

    fn raise(&self, score: f32) {
        self.0.fetch_max(Floor::to_ordered(score), Ordering::Relaxed);
    }

    fn get(&self) -> f32 {
        Floor::from_ordered(self.0.load(Ordering::Relaxed))
    }

    /// Maps floats to integers of the same order: flips all bits of negative floats, and the sign bit of others.
    fn to_ordered(score: f32) -> u32 {
        let bits = score.to_bits();
        if bits >> 31 == 1 { !bits } else { bits | 1 << 31 }
    }

    fn from_ordered(bits: u32) -> f32 {
        f32::from_bits(if bits >> 31 == 1 { bits & !(1 << 31) } else { !bits })
    }
}

/// The work of one core.
struct Core<'a> {
    scan: &'a Scan<'a>,
    rows: Vec<Row>,
    /// The score that a row must be able to reach.
    floor: f32,
    /// How many rows are gathered before some are discarded.
    limit: usize,
    products: Vec<(i32, u32)>,
}

impl<'a> Core<'a> {
    fn new(scan: &'a Scan<'a>) -> Core<'a> {
        let limit = GATHERED_PER_HIT * scan.k.max(LEAST_HITS);
        Core { scan, rows: Vec::new(), floor: f32::NEG_INFINITY, limit, products: Vec::new() }
    }

    /// Does tasks until none are left. Returns the rows that may be among the best.
    fn work(mut self) -> Result<Vec<Row>, Error> {
        while let Some(task) = self.scan.tasks.get(self.scan.next.fetch_add(1, Ordering::Relaxed)) {
            self.run(task)?;
        }
        self.scan.leave_out(&mut self.rows);
        Ok(self.rows)
    }

    fn run(&mut self, task: &Task) -> Result<(), Error> {
        let Target { segment, allowed } = &self.scan.targets[task.target];
        let first = self.scan.firsts[task.target];
        if task.is_first {
            segment.bring_in_codes(task.words.start * 64..allowed.rows.min(task.words.end * 64));
        }
        for word in task.words.clone() {
            self.floor = self.floor.max(self.scan.floor.get());
            let bits = allowed.word(word);
            if bits == allowed.all_of(word) {
                self.compare_all(segment, first, word * 64..word * 64 + bits.count_ones() as usize)?;
            } else {
                self.compare_some(segment, first, word * 64, bits)?;
            }
            if self.rows.len() >= self.limit {
                self.narrow()?;
            }
        }
        Ok(())
    }

    fn compare_all(&mut self, segment: &Segment, first: usize, positions: Range<usize>) -> Result<(), Error> {
        let query = self.scan.query;
        let stride = query.codes.len();
        let codes = &segment.codes()[positions.start * stride..positions.end * stride];
        let mut products = std::mem::take(&mut self.products);
        Kernels::best().products_of_all(codes, &query.codes, &mut products);
        for ((position, &head), &found) in positions.clone().zip(&segment.heads()[positions]).zip(&products) {
            self.push(segment, first + position, head, found)?;
        }
        self.products = products;
        Ok(())
    }

    fn compare_some(
        &mut self,
        segment: &Segment,
        first: usize,
        start: usize,
        mut bits: u64,
    ) -> Result<(), Error> {
        let query = self.scan.query;
        let stride = query.codes.len();
        while bits != 0 {
            let position = start + bits.trailing_zeros() as usize;
            bits &= bits - 1;
            let found =
                Kernels::best().products(&segment.codes()[position * stride..][..stride], &query.codes);
            self.push(segment, first + position, segment.heads()[position], found)?;
        }
        Ok(())
    }

    #[inline]
    fn push(
        &mut self,
        segment: &Segment,
        number: usize,
        head: Head,
        (products, sum): (i32, u32),
    ) -> Result<(), Error> {
        if !head.fits(sum) {
            return Err(segment.damaged("the checksum of a vector's codes is wrong"));
        }
        let query = self.scan.query;
        let row = Row { score: query.score(products, head), error: query.error(head), number };
        if row.can_reach(self.floor) {
            self.rows.push(row);
        }
        Ok(())
    }

    /// Discards rows that cannot be among the best. If more than half of the limit remain, compares them by half floats.
    fn narrow(&mut self) -> Result<(), Error> {
        self.scan.leave_out(&mut self.rows);
        if self.rows.len() > self.limit / 2 {
            self.scan.settle(&mut self.rows)?;
            self.scan.leave_out(&mut self.rows);
        }
        Ok(())
    }
}
