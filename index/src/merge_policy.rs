//! Decides which segments are merged.
//!
//! Small segments are merged while publishing, at least [`FAN`] of one size at a time. So a row is written once per size,
//! about five times until it is in a full segment (one of `segment_rows` rows). A full segment gets a graph.
//!
//! One walk over many rows is faster than many walks over few. So full segments are merged too, in the background: the
//! largest absorbs the others when they have at least one row per [`GROWTH`] of its own. Its links are reused, so only the
//! rows of the others must search for links. On the way to a million rows a row is written five times, and an index of a
//! million rows has one large graph and at most four small ones.

use crate::WriterOptions;
use crate::manifest::Named;
use crate::options::{LEAST_GRAPH_ROWS, MOST_ROWS};

/// How many small segments of one size are merged into one of the next. There are 8 sizes from 1 to 65,536 rows, with at
/// most 7 segments each; each segment costs a search a few microseconds.
const FAN: usize = 8;

/// The largest full segment absorbs the others when they have at least one row per this many of its own.
const GROWTH: u64 = 4;

/// A segment is rewritten when more than one in this many of its rows is dead.
const DEAD_ONE_IN: u64 = 5;

/// How many rows make a segment full.
pub(crate) fn full_rows(options: &WriterOptions) -> usize {
    options.segment_rows.max(LEAST_GRAPH_ROWS)
}

fn is_rotten(named: &Named) -> bool {
    named.dead_rows() * DEAD_ONE_IN > named.records
}

fn is_full(named: &Named, options: &WriterOptions) -> bool {
    named.vectors >= full_rows(options) as u64
}

/// The places of the small segments to merge next.
pub(crate) fn small(segments: &[Named], options: &WriterOptions) -> Option<Vec<usize>> {
    let is_rotten = |named: &Named| is_rotten(named) && !is_full(named, options);
    if let Some(place) = segments.iter().position(is_rotten) {
        return Some(vec![place]);
    }
    let limit = options.segment_rows.max(1) as u64;
    let mut open: Vec<usize> = (0..segments.len()).filter(|&i| segments[i].records < limit).collect();
    open.sort_by_key(|&place| segments[place].records);
    let rows = |places: &[usize]| places.iter().map(|&place| segments[place].live_rows()).sum::<u64>();
    let mut merged = if rows(&open) >= limit && open.len() > 1 {
        // Take just enough for a full segment; the largest are left for the next time. None has `limit` rows, so the sum is
        // less than twice that.
        let enough = (1..=open.len()).find(|&count| rows(&open[..count]) >= limit);
        open[..enough.unwrap_or(open.len())].to_vec()
    } else {
        let size = |place: &usize| segments[*place].records.max(1).ilog(FAN as u64);
        open.chunk_by(|a, b| size(a) == size(b)).find(|places| places.len() >= FAN)?.to_vec()
    };
    merged.sort_unstable();
    Some(merged)
}

/// The places of the full segments to merge next.
pub(crate) fn full(segments: &[Named], options: &WriterOptions) -> Option<Vec<usize>> {
    let is_full = |named: &Named| is_full(named, options);
    if let Some(place) = segments.iter().position(|named| is_full(named) && is_rotten(named)) {
        return Some(vec![place]);
    }
    let mut places: Vec<usize> = (0..segments.len()).filter(|&place| is_full(&segments[place])).collect();
    places.sort_by_key(|&place| std::cmp::Reverse(segments[place].live_rows()));
    // A segment that is too large to grow by that share stays as it is.
    let rows = |place: usize| segments[place].live_rows();
    places.retain(|&place| rows(place) + rows(place) / GROWTH <= MOST_ROWS as u64);
    let mut sum = 0;
    places.retain(|&place| {
        let fits = sum + rows(place) <= MOST_ROWS as u64;
        sum += if fits { rows(place) } else { 0 };
        fits
    });
    let largest = rows(*places.first()?);
    let has_grown = places.len() > 1 && (sum - largest) * GROWTH >= largest;
    places.sort_unstable();
    has_grown.then_some(places)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named((records, dead): (u64, u64)) -> Named {
        let dead =
            if dead == 0 { vec![] } else { vec![u64::MAX; usize::try_from(dead.div_ceil(64)).unwrap()] };
        Named { id: 0, vectors: records, records, checksum: 0, graph: None, dead }
    }

    /// A full segment has 6,400 rows here.
    #[track_caller]
    fn check(
        policy: fn(&[Named], &WriterOptions) -> Option<Vec<usize>>,
        segments: &[(u64, u64)],
        expected: Option<&[usize]>,
    ) {
        let segments: Vec<Named> = segments.iter().copied().map(named).collect();
        let options = WriterOptions { segment_rows: 6_400, ..WriterOptions::default() };
        assert_eq!(policy(&segments, &options).as_deref(), expected);
    }

    #[test]
    fn many_of_a_size_are_merged() {
        check(small, &[(10, 0); 7], None);
        check(small, &[(10, 0); 8], Some(&[0, 1, 2, 3, 4, 5, 6, 7]));
        check(
            small,
            &[(10, 0), (10, 0), (10, 0), (100, 0), (10, 0), (10, 0), (10, 0), (10, 0), (700, 0)],
            None,
        );
        check(small, &[(9000, 0); 8], None);
    }

    #[test]
    fn enough_for_a_full_one_is_merged() {
        check(small, &[(6000, 0), (390, 0), (10, 0)], Some(&[0, 1, 2]));
        check(small, &[(6000, 0), (3200, 0), (3201, 0), (9000, 0)], Some(&[1, 2]));
        check(small, &[(6399, 0)], None);
    }

    #[test]
    fn much_that_is_dead_is_left_behind() {
        check(small, &[(640, 128)], None);
        check(small, &[(640, 0), (640, 192)], Some(&[1]));
        check(small, &[(64, 64)], Some(&[0]));
        check(small, &[(9600, 1984)], None);
        check(full, &[(640, 640), (9600, 1984), (6400, 0)], Some(&[1]));
    }

    #[test]
    fn the_largest_absorbs_the_others_when_they_have_grown() {
        check(full, &[(6400, 0)], None);
        check(full, &[(6400, 0), (100, 0), (25_600, 0)], Some(&[0, 2]));
        check(full, &[(6400, 0), (25_601, 0), (6399, 0)], None);
        check(full, &[(7000, 0), (40_000, 0), (3000, 0), (8000, 0)], Some(&[0, 1, 3]));
        check(full, &[(3_500_000, 0), (900_000, 0), (100_000, 0)], None);
        check(full, &[(3_000_000, 0), (1_500_000, 0), (900_000, 0)], Some(&[0, 2]));
    }

    /// An index that grows by one full segment after the other.
    #[test]
    fn few_segments_hold_many_rows_and_each_is_written_a_few_times() {
        let options = WriterOptions::default();
        let (mut segments, mut written): (Vec<Named>, u64) = (Vec::new(), 0);
        for _ in 0..16 {
            segments.push(named((65_536, 0)));
            written += 65_536;
            if let Some(places) = full(&segments, &options) {
                let sum = places.iter().map(|&place| segments[place].records).sum();
                places.iter().rev().for_each(|&place| drop(segments.remove(place)));
                segments.push(named((sum, 0)));
                written += sum;
            }
            assert!(segments.len() <= 5, "{}", segments.len());
        }
        assert!(written < 6 * 16 * 65_536, "{}", written as f64 / (16.0 * 65_536.0));
    }
}
