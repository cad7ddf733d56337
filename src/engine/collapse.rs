//! Collapses near-duplicates among matches into the best of them.

use std::num::NonZeroUsize;

use imgsearch_index::Vector;

use super::{EngineError, Ranked};
use crate::duplicates::{Leaders, Likeness, compares_content};
use crate::library::{Stored, View};
use crate::photo::Details;

/// The search first fetches this many times the photos to show, and each time that was not enough, this many times more.
const WIDER: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

/// Returns the `wanted` best matches, each with how many near-duplicates it stands for; those are left out. `best` returns
/// as many of the best photos as it is asked for.
pub(super) fn different(
    view: &dyn View,
    wanted: NonZeroUsize,
    best: impl Fn(NonZeroUsize) -> Result<Vec<Ranked>, EngineError>,
) -> Result<Vec<(Ranked, usize)>, EngineError> {
    let mut top = wanted;
    loop {
        top = top.saturating_mul(WIDER);
        let found = best(top)?;
        let is_all = found.len() < top.get();
        let different = collapsed(view, found, wanted.get())?;
        if is_all || different.len() >= wanted.get() {
            return Ok(different);
        }
    }
}

/// The first `most` photos that are not near-duplicates of better ones.
fn collapsed(view: &dyn View, found: Vec<Ranked>, most: usize) -> Result<Vec<(Ranked, usize)>, EngineError> {
    let mut leaders = Leaders::new(Likeness::Similar);
    // For each leader: the index of its hit, and the number of its near-duplicates.
    let mut best: Vec<(usize, usize)> = Vec::new();
    for (at, Ranked { hit, .. }) in found.iter().enumerate() {
        let stored = &hit.stored;
        let content = stored.content.filter(|_| compares_content(details(stored)));
        let cosine = |leader: usize| -> Result<Option<f32>, EngineError> {
            let pair = vector_of(view, stored)?.zip(vector_of(view, &found[best[leader].0].hit.stored)?);
            Ok(pair.map(|(a, b)| a.dot(&b)))
        };
        match leaders.of(content, details(stored), cosine)? {
            Some((leader, _)) => best[leader].1 += 1,
            None if best.len() < most => {
                leaders.add(content, details(stored));
                best.push((at, 0));
            }
            None => {}
        }
    }
    drop(leaders);
    let mut found: Vec<Option<Ranked>> = found.into_iter().map(Some).collect();
    Ok(best.into_iter().filter_map(|(at, similar)| Some((found[at].take()?, similar))).collect())
}

/// Loads a vector. This is needed for few photos, those that look similar enough for the vectors to decide.
fn vector_of(view: &dyn View, stored: &Stored) -> Result<Option<Vector>, EngineError> {
    if stored.vector.is_some() {
        return Ok(stored.vector.clone());
    }
    Ok(view.get(&stored.item)?.and_then(|stored| stored.vector))
}

fn details(stored: &Stored) -> Option<&Details> {
    stored.photo.as_ref()?.details.as_ref()
}
