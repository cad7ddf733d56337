//! Changes that concern every index of a library.

use std::sync::Arc;

use imgsearch_index::Space;

use super::{LockedLibrary, Sink, StoreError, View};

/// What an index is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It answers for the photos of the library.
    Photos,
    /// It answers for one of the library's collections.
    Collection,
    /// It is being built, and answers nothing yet.
    Building,
}

/// A change of one index, from its view to its sink.
type Change<'a, E> = dyn FnMut(Role, &dyn View, &dyn Sink) -> Result<(), E> + 'a;

impl LockedLibrary {
    /// Opens the index in use, those that are being built beside it, and the same of each collection, one after the
    /// other. `change` gets a view and a sink of each; the view has everything that the sink has at first.
    ///
    /// # Errors
    /// The first error of a store or of `change`. What was changed before stays changed.
    pub fn each_index<E: From<StoreError>>(&mut self, change: &mut Change<'_, E>) -> Result<(), E> {
        self.each_own_index(Role::Photos, change)?;
        for collection in self.library().collections() {
            let name = collection.collection_name().to_owned();
            if let Some(mut collection) = self.collection(&name)? {
                collection.each_own_index(Role::Collection, change)?;
            }
        }
        Ok(())
    }

    /// The same without the collections. The index in use has the role `in_use`.
    fn each_own_index<E: From<StoreError>>(
        &mut self,
        in_use: Role,
        change: &mut Change<'_, E>,
    ) -> Result<(), E> {
        let mut role = in_use;
        let mut spaces = vec![self.library().view()?.space().clone()];
        spaces.extend(self.library().building()?.iter().map(|building| building.view.space().clone()));
        for space in spaces {
            // Opening it publishes the changes of a killed run, so the view comes after it.
            let sink = self.open(&space)?.sink;
            let view = self.view_of(&space)?;
            let changed = change(role, &*view, &*sink);
            sink.close()?;
            changed?;
            role = Role::Building;
        }
        Ok(())
    }

    fn view_of(&self, space: &Space) -> Result<Arc<dyn View>, StoreError> {
        let in_use = self.library().view()?;
        if in_use.space() == space {
            return Ok(in_use);
        }
        let mut building = self.library().building()?.into_iter().map(|building| building.view);
        Ok(building.find(|view| view.space() == space).unwrap_or(in_use))
    }
}
