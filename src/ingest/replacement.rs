//! A change to another model: does the index that is being built have all that the one in use has?
//!
//! It must have every photo that an ordinary run would have kept in the one in use. Photos that are gone or excluded
//! are not waited for, nor those whose file has changed into something that cannot be embedded.

use super::pipeline::Run;
use super::scan::Walked;
use super::sweep::{Fate, Fates};
use super::{Event, IngestError};
use crate::photo::{Photo, key_of, path_of};

/// What became of a change to another model.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Replacement {
    /// The model whose index was in use.
    pub old: String,
    /// The model of this run.
    pub new: String,
    /// What kept the new index from taking the place of the old one; not known after a cancelled run.
    pub lacking: Option<Lacking>,
}

/// Photos of the index in use that the new one has not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Lacking {
    /// They are there as they were, and could not be embedded.
    pub failed: u64,
    /// They are gone together with their disk.
    pub absent: u64,
}

impl Replacement {
    /// Whether the new index takes the place of the old one.
    pub fn is_done(&self) -> bool {
        self.lacking.as_ref().is_some_and(|lacking| *lacking == Lacking::default())
    }
}

/// Tells whoever waits what this run does.
pub(super) fn announce(run: &Run<'_>) {
    if let Some(old) = run.replaces {
        let (photos, old, new) = (old.len(), old.space().label(), run.model.space().label());
        run.reporter.report(Event::Replacing { old, new, photos });
    }
}

/// How far the change has come; `None` when there is none.
pub(super) fn state(run: &Run<'_>, walked: &Walked) -> Result<Option<Replacement>, IngestError> {
    let Some(old) = run.replaces else { return Ok(None) };
    let lacking = lacking(run, walked)?;
    let (old, new) = (old.space().label().to_owned(), run.model.space().label().to_owned());
    Ok(Some(Replacement { old, new, lacking }))
}

fn lacking(run: &Run<'_>, walked: &Walked) -> Result<Option<Lacking>, IngestError> {
    let mut fates = Fates::new(run, walked)?;
    let mut lacking = Lacking::default();
    for stored in run.replaces.into_iter().flat_map(|old| old.records()) {
        if run.should_stop() {
            return Ok(None);
        }
        let stored = stored?;
        if !stored.has_vector {
            continue;
        }
        let Some(key) = key_of(&path_of(stored.key)) else { continue };
        let old = Photo::decode(stored.payload);
        let new = run.writer.get(&key)?.and_then(|record| Photo::decode(&record.payload));
        if new.is_some_and(|new| stands_for(&new, old.as_ref())) {
            continue;
        }
        match fates.of(&key, stored.payload) {
            Fate::Stays => lacking.failed += 1,
            Fate::Kept => lacking.absent += 1,
            Fate::Goes => {}
        }
    }
    Ok((!run.should_stop()).then_some(lacking))
}

/// Whether the new index has the photo, or has found that its file changed since the old index embedded it and cannot
/// be embedded any more. A file that could not be read for now may still be the same.
fn stands_for(new: &Photo, old: Option<&Photo>) -> bool {
    let Some(skip) = &new.skip else { return true };
    !skip.is_for_now() && old.is_some_and(|old| !new.stamp.same_content(&old.stamp))
}
