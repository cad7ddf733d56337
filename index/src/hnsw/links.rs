//! Selects the links of a row.

use super::number;
use crate::codes::Query;
use crate::segment::Segment;
use crate::top::Scored;

/// Algorithm 4 of the paper: takes a candidate if it is closer to the row than to every candidate taken before, until there
/// are `most`. So it takes only one of several that are close together, and some links lead out of a cluster. `candidates`
/// must be sorted best first, with their scores to the row.
pub(super) fn select(segment: &Segment, candidates: &[Scored], most: usize) -> Vec<u32> {
    let mut taken: Vec<Query<'_>> = Vec::with_capacity(most);
    let mut links = Vec::with_capacity(most);
    for candidate in candidates {
        if links.len() == most {
            break;
        }
        let row = number(candidate.position);
        let is_closer =
            |taken: &Query<'_>| taken.score_of(segment, row).is_some_and(|score| score < candidate.score);
        if taken.iter().all(is_closer) {
            taken.extend(Query::of_row(segment, row));
            links.push(row);
        }
    }
    links
}

/// The rows with their scores, best first.
pub(super) fn best_first(
    segment: &Segment,
    query: &Query<'_>,
    rows: impl Iterator<Item = u32>,
) -> Vec<Scored> {
    let scored = |row| Some(Scored { score: query.score_of(segment, row)?, position: row as usize });
    let mut scored: Vec<Scored> = rows.filter_map(scored).collect();
    scored.sort_unstable_by(|a, b| b.cmp(a));
    scored
}
