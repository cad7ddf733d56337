//! Lists the newest photos that meet conditions. This answers a query that says nothing about what photos show, and it
//! needs no model.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;

use imgsearch_index::Fingerprint;
use jiff::tz::TimeZone;

use super::collapse::different;
use super::{EngineError, Match, Ranked, explained, in_order};
use crate::item::{Item, path_bytes};
use crate::library::{Hit, Load, StoreError, View};
use crate::query::{Filter, NearDuplicates, Query};

/// An item with its date.
pub(crate) struct Dated {
    /// The local time at which it was taken: milliseconds since 1970-01-01 00:00.
    pub(crate) taken_ms: i64,
    pub(crate) item: Item,
    /// The fingerprint of its content, if known.
    pub(crate) content: Option<Fingerprint>,
}

/// The newest `query.top` photos that meet the query's conditions, in its order; by score means the newest first. The
/// expression, and what it says about scores, do not count. `zone` compares files' times with cameras' local times.
///
/// # Errors
/// [`EngineError::Store`] if the library cannot be read.
pub fn newest(view: &dyn View, query: &Query, zone: &TimeZone) -> Result<Vec<Match>, EngineError> {
    first(view, query, &dated(view, &query.filter, zone)?)
}

/// All photos that meet the conditions, the newest first.
pub(crate) fn dated(view: &dyn View, filter: &Filter, zone: &TimeZone) -> Result<Vec<Dated>, StoreError> {
    let mut all = Vec::new();
    view.each(filter, Load::WithoutVector, &mut |stored| {
        let details = stored.photo.as_ref().and_then(|photo| photo.details.as_ref());
        let taken_ms = details.map_or(i64::MIN, |details| details.wall_ms(zone));
        all.push(Dated { taken_ms, item: stored.item, content: stored.content });
        ControlFlow::Continue(())
    })?;
    all.sort_by(|a, b| {
        b.taken_ms.cmp(&a.taken_ms).then_with(|| path_bytes(&a.item.path).cmp(&path_bytes(&b.item.path)))
    });
    Ok(all)
}

/// The first `query.top` of these photos, in the query's order. Near-duplicates are compared only with each other.
pub(crate) fn first(view: &dyn View, query: &Query, all: &[Dated]) -> Result<Vec<Match>, EngineError> {
    let first = |top: NonZeroUsize| Ok(records(view, all.iter().take(top.get()).map(|one| &one.item))?);
    let found = match query.near_duplicates {
        NearDuplicates::Show => first(query.top)?.into_iter().map(|found| (found, 0)).collect(),
        NearDuplicates::Collapse => different(view, query.top, first)?,
    };
    let listed = found
        .into_iter()
        .zip(1..)
        .map(|((found, similar), rank)| Match { score: None, ..Match::of(found, rank, similar) });
    Ok(in_order(explained(listed.collect(), &query.filter, &[]), &query.order))
}

/// The records of these items. One that was removed meanwhile is left out.
fn records<'i>(view: &dyn View, items: impl Iterator<Item = &'i Item>) -> Result<Vec<Ranked>, StoreError> {
    let mut found = Vec::new();
    for item in items {
        let stored = view.get(item)?;
        found.extend(stored.map(|stored| Ranked { hit: Hit { stored, score: 0.0 }, lift: None }));
    }
    Ok(found)
}
