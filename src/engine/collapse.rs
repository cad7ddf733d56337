//! Collapses near-duplicates among matches into the best of them.

use std::num::NonZeroUsize;

use imgsearch_index::Vector;

use super::terms::Asked;
use super::{EngineError, Match, Search};
use crate::Query;
use crate::duplicates::{Leaders, Likeness, compares_content};
use crate::library::{Hit, Stored};
use crate::photo::Details;

/// The search first fetches this many times the photos to show, and each time that was not enough, this many times more.
const WIDER: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

impl Search<'_> {
    /// The best matches. Of near-duplicates only the best one is a match; it counts the others.
    pub(super) fn different(&self, asked: &Asked, query: &Query) -> Result<Vec<Match>, EngineError> {
        let mut top = query.top;
        loop {
            top = top.saturating_mul(WIDER);
            let hits = self.best(asked, query, top)?;
            let is_all = hits.len() < top.get();
            let best = self.collapsed(hits, query.top.get())?;
            if is_all || best.len() >= query.top.get() {
                return Ok(best);
            }
        }
    }

    /// The first `most` photos that are not near-duplicates of better ones.
    fn collapsed(&self, hits: Vec<Hit>, most: usize) -> Result<Vec<Match>, EngineError> {
        let mut leaders = Leaders::new(Likeness::Similar);
        // For each leader: the index of its hit, and the number of its near-duplicates.
        let mut best: Vec<(usize, usize)> = Vec::new();
        for (at, Hit { stored, .. }) in hits.iter().enumerate() {
            let content = stored.content.filter(|_| compares_content(details(stored)));
            let cosine = |leader: usize| -> Result<Option<f32>, EngineError> {
                let pair = self.vector_of(stored)?.zip(self.vector_of(&hits[best[leader].0].stored)?);
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
        let mut hits: Vec<Option<Hit>> = hits.into_iter().map(Some).collect();
        let best = best.into_iter().zip(1..);
        Ok(best
            .filter_map(|((at, similar), rank)| Some(Match::of(hits[at].take()?, rank, similar)))
            .collect())
    }

    /// Loads a vector. This is needed for few photos, those that look similar enough for the vectors to decide.
    fn vector_of(&self, stored: &Stored) -> Result<Option<Vector>, EngineError> {
        if stored.vector.is_some() {
            return Ok(stored.vector.clone());
        }
        Ok(self.view.get(&stored.item)?.and_then(|stored| stored.vector))
    }
}

fn details(stored: &Stored) -> Option<&Details> {
    stored.photo.as_ref()?.details.as_ref()
}
