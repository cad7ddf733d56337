//! Takes folders out of a library. The photos themselves are not touched.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use crate::library::{LockedLibrary, Opened, Sink, StoreError, Write};

/// Removes all records at and below `folders` from the index in use and from those that are being built, and from now on
/// leaves these folders out of runs over the known folders. Returns the number of photos removed from the index in use;
/// `None` if the library knew nothing of these folders, so that nothing was changed.
///
/// # Errors
/// [`StoreError`] if an index cannot be read or written. Then some records may already be removed.
pub fn forget(library: &mut LockedLibrary, folders: &[PathBuf]) -> Result<Option<u64>, StoreError> {
    let mut spaces = vec![library.library().view()?.space().clone()];
    spaces.extend(library.library().building()?.iter().map(|building| building.view.space().clone()));
    let mut counts = Vec::new();
    for space in spaces {
        let Opened { sink, .. } = library.open(&space)?;
        let mut removed = None;
        let mut note = sink.note()?;
        for folder in folders {
            let photos = remove_below(&*sink, folder)?;
            if photos.is_some() || note.roots().iter().any(|root| root.path().starts_with(folder)) {
                note.forget_root(folder);
                removed = Some(removed.unwrap_or(0) + photos.unwrap_or(0));
            }
        }
        sink.set_note(&note)?;
        sink.close()?;
        counts.push(removed);
    }
    Ok(counts.into_iter().next().flatten())
}

/// The number of photos removed; `None` if there was no record.
fn remove_below(sink: &dyn Sink, folder: &Path) -> Result<Option<u64>, StoreError> {
    let (mut gone, mut photos) = (Vec::new(), 0);
    sink.each_under(folder, &mut |stored| {
        if stored.item.part.is_none() {
            photos += u64::from(stored.photo.is_none_or(|photo| photo.skip.is_none()));
            gone.push(stored.item.path);
        }
        ControlFlow::Continue(())
    })?;
    let is_any = !gone.is_empty();
    while !gone.is_empty() {
        let batch = gone.split_off(gone.len().saturating_sub(super::sweep::BATCH));
        sink.apply(batch.into_iter().map(|path| Write::Remove { path }).collect())?;
    }
    Ok(is_any.then_some(photos))
}
