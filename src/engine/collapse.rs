//! Near-duplicates among matches, collapsed into the best of them.

use std::num::NonZeroUsize;

use imgsearch_index::{Fingerprint, Selection, Vector};

use super::{EngineError, Match, Search};
use crate::Query;
use crate::duplicates::{Leaders, Likeness, compares_content};
use crate::photo::{Details, key_of};

/// How many times as many matches are looked at as are to be shown: at once, since most photos stand alone, and again
/// each time that was not enough.
const WIDER: NonZeroUsize = NonZeroUsize::new(4).expect("not zero");

impl Search<'_> {
    /// The best matches, of near-duplicates only the best one, which tells how many it stands for.
    pub(super) fn different(
        &self,
        vector: &Vector,
        filter: Option<&Selection>,
        query: &Query,
    ) -> Result<Vec<Match>, EngineError> {
        let mut top = query.top;
        loop {
            top = top.saturating_mul(WIDER);
            let matches = self.best(vector, filter, query, top)?;
            let is_all = matches.len() < top.get();
            let best = self.collapsed(matches, query.top.get())?;
            if is_all || best.len() >= query.top.get() {
                return Ok(best);
            }
        }
    }

    /// The first `most` matches that are no near-duplicates of better ones.
    fn collapsed(&self, matches: Vec<Match>, most: usize) -> Result<Vec<Match>, EngineError> {
        let mut leaders = Leaders::new(Likeness::Similar);
        // Of each leader: which match it is, and how many others it stands for.
        let mut best: Vec<(usize, usize)> = Vec::new();
        for (at, found) in matches.iter().enumerate() {
            let content = if compares_content(details(found)) { self.content_of(found)? } else { None };
            let cosine = |leader: usize| -> Result<Option<f32>, EngineError> {
                let pair = self.vector_of(found)?.zip(self.vector_of(&matches[best[leader].0])?);
                Ok(pair.map(|(a, b)| a.dot(&b)))
            };
            match leaders.of(content, details(found), cosine)? {
                Some((leader, _)) => best[leader].1 += 1,
                None if best.len() < most => {
                    leaders.add(content, details(found));
                    best.push((at, 0));
                }
                None => {}
            }
        }
        drop(leaders);
        let mut matches: Vec<Option<Match>> = matches.into_iter().map(Some).collect();
        let best = best.into_iter().zip(1..);
        let ranked =
            best.filter_map(|((at, similar), rank)| Some(Match { rank, similar, ..matches[at].take()? }));
        Ok(ranked.collect())
    }

    fn content_of(&self, found: &Match) -> Result<Option<Fingerprint>, EngineError> {
        let Some(key) = key_of(&found.path) else { return Ok(None) };
        Ok(self.view.searcher().get(&key)?.and_then(|stored| stored.record.fingerprint))
    }

    fn vector_of(&self, found: &Match) -> Result<Option<Vector>, EngineError> {
        let Some(key) = key_of(&found.path) else { return Ok(None) };
        Ok(self.view.searcher().get(&key)?.and_then(|stored| stored.vector))
    }
}

fn details(found: &Match) -> Option<&Details> {
    found.photo.as_ref()?.details.as_ref()
}
