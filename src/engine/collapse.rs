//! Near-duplicates among matches, collapsed into the best of them.

use std::num::NonZeroUsize;

use imgsearch_index::Vector;

use super::terms::Asked;
use super::{Engine, EngineError, Match, in_order};
use crate::Query;
use crate::duplicates::cosine_needed;
use crate::photo::Details;

/// How many times as many matches are looked at as are to be shown: at once, since most photos stand alone, and again
/// each time that was not enough.
const WIDER: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

impl Engine<'_> {
    /// Like [`Engine::search`], but of near-duplicates among the matches only the best is returned, and told how many
    /// it stands for. There are as many matches as without, if there are enough different photos.
    ///
    /// # Errors
    /// As [`Engine::search`].
    pub fn search_collapsed(&mut self, query: &Query) -> Result<Vec<Match>, EngineError> {
        let Asked { vector, pictures } = self.ask(&query.expression)?;
        let filter = self.select(&query.filter, &pictures);
        let mut top = query.top;
        loop {
            top = top.saturating_mul(WIDER);
            let matches = self.best(&vector, filter.as_ref(), query, top)?;
            let is_all = matches.len() < top.get();
            let mut best = self.collapsed(matches)?;
            if is_all || best.len() >= query.top.get() {
                best.truncate(query.top.get());
                return Ok(in_order(best, &query.order));
            }
        }
    }

    /// The matches that are no near-duplicates of better ones.
    fn collapsed(&self, matches: Vec<Match>) -> Result<Vec<Match>, EngineError> {
        let mut best: Vec<(Match, Option<Vector>)> = Vec::new();
        for found in matches {
            let vector = self.vector_of(&found)?;
            let twin = best.iter_mut().find(|(other, others)| {
                let needed = cosine_needed(details(&found), details(other));
                let cosine = || Some(vector.as_ref()?.dot(others.as_ref()?));
                needed.is_some_and(|needed| cosine().is_some_and(|cosine| cosine >= needed))
            });
            match twin {
                Some((other, _)) => other.similar += 1,
                None => {
                    let rank = best.len() + 1;
                    best.push((Match { rank, ..found }, vector));
                }
            }
        }
        Ok(best.into_iter().map(|(found, _)| found).collect())
    }
}

fn details(found: &Match) -> Option<&Details> {
    found.photo.as_ref()?.details.as_ref()
}
