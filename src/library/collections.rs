//! Collections: more vectors of the same files, for example from another kind of model, each in its own index.
//!
//! ```text
//! LIBRARY/collection-NAME/index/          its first index
//! LIBRARY/collection-NAME/library.json    which of its indexes is in use
//! ```
//!
//! A collection has the layout of a library, so the same rules apply: the index of another model is built beside the
//! one in use and replaces it, in this collection only. Versions that do not support collections leave the folder
//! alone. The library's lock guards all of it.

use std::fs;
use std::path::Path;

use super::{Held, Library, LockedLibrary, StoreError, layout};

const PREFIX: &str = "collection-";
/// The maximum length of a name, in bytes.
const LONGEST: usize = 32;

impl Library {
    /// The collection with this name, which need not exist yet. `None` unless the name consists of 1 to 32 lowercase
    /// letters, digits and hyphens.
    pub fn collection(&self, name: &str) -> Option<Library> {
        let is_good = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
        let is_name = (1..=LONGEST).contains(&name.len()) && name.bytes().all(is_good);
        is_name.then(|| Library {
            folder: self.folder.join(format!("{PREFIX}{name}")),
            lock_folder: self.lock_folder.clone(),
            server: self.server.as_ref().map(|server| server.collection(name)),
            roots: self.roots.clone(),
        })
    }

    /// The name of this collection; empty for a library.
    pub(super) fn collection_name(&self) -> &str {
        let name = self.folder.file_name().and_then(|name| name.to_str());
        name.and_then(|name| name.strip_prefix(PREFIX)).unwrap_or_default()
    }

    /// All collections that have an index, sorted by name. If the library is in a database that does not answer, there are
    /// none.
    pub fn collections(&self) -> Vec<Library> {
        if let Some(server) = &self.server {
            let names = server.collections().unwrap_or_default();
            return names.iter().filter_map(|name| self.collection(name)).collect();
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut names: Vec<String> =
            entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.sort();
        let collection = |name: &String| self.collection(name.strip_prefix(PREFIX)?);
        let has_index = |collection: &Library| has_index(collection.folder());
        names.iter().filter_map(collection).filter(has_index).collect()
    }
}

/// Whether the folder has an index. Unrelated folders with such a name have none.
fn has_index(folder: &Path) -> bool {
    !layout::indexes(folder).is_empty()
}

impl LockedLibrary {
    /// Opens the collection with this name under the library's lock. Creates it if it does not exist. `None` as for
    /// [`Library::collection`].
    ///
    /// # Errors
    /// As [`Library::lock`], and if its folder cannot be created.
    pub fn collection(&self, name: &str) -> Result<Option<LockedLibrary>, StoreError> {
        let Some(collection) = self.library.collection(name) else { return Ok(None) };
        match &self.held {
            Held::Folder(folder) => {
                collection.create()?;
                collection.locked(folder.lock.clone()).map(Some)
            }
            Held::Server(_) => collection.lock().map(Some),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_collections_are_plain() {
        #[track_caller]
        fn check(name: &str, expected: bool) {
            assert_eq!(Library::new("/l").collection(name).is_some(), expected, "{name}");
        }
        check("faces", true);
        check("text-2", true);
        for name in ["", "..", "a/b", "Faces", "\u{fc}", &"a".repeat(33)] {
            check(name, false);
        }
    }
}
