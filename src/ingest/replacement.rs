//! A change to another model: does the index that is being built have all that the one in use has?
//!
//! It must have every photo that an ordinary run would have kept in the one in use. Photos that are gone or excluded
//! are not waited for, nor those whose file has changed into something that cannot be embedded.

use super::pipeline::Run;
use super::scan::Walked;
use super::sweep::{Fate, Fates};
use super::{Event, IngestError};
use crate::item::Item;
use crate::library::{Load, StoreError, Stored, View, Visit, try_visit};
use crate::photo::Photo;
use crate::query::Filter;

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
pub(super) fn announce(run: &Run<'_>) -> Result<(), StoreError> {
    if let Some(old) = run.replaces {
        let (photos, old, new) =
            (old.count(&Filter::default())?, old.space().label(), run.model.space().label());
        run.reporter.report(Event::Replacing { old, new, photos });
    }
    Ok(())
}

/// How far the change has come; `None` when there is none.
pub(super) fn state(run: &Run<'_>, walked: &Walked) -> Result<Option<Replacement>, IngestError> {
    let Some(old) = run.replaces else { return Ok(None) };
    let lacking = lacking(run, old, walked)?;
    let (old, new) = (old.space().label().to_owned(), run.model.space().label().to_owned());
    Ok(Some(Replacement { old, new, lacking }))
}

fn lacking(run: &Run<'_>, old: &dyn View, walked: &Walked) -> Result<Option<Lacking>, IngestError> {
    let mut fates = Fates::new(run, walked)?;
    let mut lacking = Lacking::default();
    let all = |visit: Visit<'_>| old.each(&Filter::default(), Load::WithoutVector, visit);
    try_visit(all, |stored| compare(run, &mut fates, &stored, &mut lacking).map(|()| run.goes_on()))?;
    Ok((!run.should_stop()).then_some(lacking))
}

fn compare(
    run: &Run<'_>,
    fates: &mut Fates<'_>,
    old: &Stored,
    lacking: &mut Lacking,
) -> Result<(), StoreError> {
    // The parts of a file come with it.
    let Item { path, part: None } = &old.item else { return Ok(()) };
    let new = run.sink.get(&old.item)?.and_then(|stored| stored.photo);
    if new.is_some_and(|new| stands_for(&new, old.photo.as_ref())) {
        return Ok(());
    }
    match fates.of(path, old.photo.as_ref()) {
        Fate::Stays => lacking.failed += 1,
        Fate::Kept => lacking.absent += 1,
        Fate::Goes => {}
    }
    Ok(())
}

/// Whether the new index has the photo, or has found that its file changed since the old index embedded it and cannot
/// be embedded any more. A file that could not be read for now may still be the same.
fn stands_for(new: &Photo, old: Option<&Photo>) -> bool {
    let Some(skip) = &new.skip else { return true };
    !skip.is_for_now() && old.is_some_and(|old| !new.stamp.same_content(&old.stamp))
}
