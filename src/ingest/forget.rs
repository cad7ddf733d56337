//! Takes folders out of a library. The photos themselves are not touched.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::library::{LockedLibrary, Role, Sink, StoreError, Write};

/// What was taken out of a library.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Forgotten {
    /// Photos of the index in use.
    pub photos: u64,
    /// Records of the library's collections.
    pub in_collections: u64,
}

/// Removes all records at and below `folders` from every index of the library and of its collections, and from now on
/// leaves these folders out of runs over the known folders. `None` if the library knew nothing of these folders, so that
/// nothing was changed.
///
/// # Errors
/// [`StoreError`] if an index cannot be read or written. Then some records may already be removed.
pub fn forget(library: &mut LockedLibrary, folders: &[PathBuf]) -> Result<Option<Forgotten>, StoreError> {
    let (mut forgotten, mut is_known) = (Forgotten::default(), false);
    library.each_index(&mut |role, _, sink| {
        let noted = sink.note()?;
        let mut note = noted.clone();
        for folder in folders {
            let removed = remove_below(sink, folder)?;
            let is_root = note.roots().iter().any(|root| root.path().starts_with(folder));
            if removed.is_none() && !is_root {
                continue;
            }
            is_known = true;
            note.forget_root(folder);
            let Removed { photos, records } = removed.unwrap_or_default();
            match role {
                Role::Photos => forgotten.photos += photos,
                Role::Collection => forgotten.in_collections += records,
                Role::Building => {}
            }
        }
        if note == noted { Ok(()) } else { sink.set_note(&note) }
    })?;
    Ok(is_known.then_some(forgotten))
}

#[derive(Default)]
struct Removed {
    /// Files that were not skipped.
    photos: u64,
    /// Everything, also parts and skipped files.
    records: u64,
}

/// `None` if there was no record.
fn remove_below(sink: &dyn Sink, folder: &Path) -> Result<Option<Removed>, StoreError> {
    let (mut gone, mut removed) = (Vec::new(), Removed::default());
    sink.each_under(folder, &mut |stored| {
        let is_photo = stored.item.part.is_none() && stored.photo.is_none_or(|photo| photo.skip.is_none());
        removed.photos += u64::from(is_photo);
        removed.records += 1;
        // The records of a file come one after the other, and a collection may have parts of it alone.
        if gone.last() != Some(&stored.item.path) {
            gone.push(stored.item.path);
        }
        ControlFlow::Continue(())
    })?;
    let is_any = !gone.is_empty();
    while !gone.is_empty() {
        let batch = gone.split_off(gone.len().saturating_sub(super::sweep::BATCH));
        sink.apply(batch.into_iter().map(|path| Write::Remove { path }).collect())?;
    }
    Ok(is_any.then_some(removed))
}
