//! Batches of changes, for stores on servers: checked as a whole, and reduced to the last word on each key.

use std::collections::{BTreeMap, BTreeSet};

use imgsearch_index::{Error, Fingerprint, Key, Vector};

use super::store::{StoreError, Write};
use crate::item::{Item, file_of_key};
use crate::photo::Photo;

/// A record to be written.
#[derive(Clone, Debug)]
pub(super) struct Written {
    pub(super) content: Option<Fingerprint>,
    pub(super) payload: Vec<u8>,
    pub(super) vector: Option<Vector>,
}

/// What a server takes.
pub(super) struct Limits {
    /// The name of the library, for errors.
    pub(super) place: String,
    /// The dimensions of its vectors.
    pub(super) dim: usize,
    /// Whether a key is short enough.
    pub(super) fits: fn(&Key) -> bool,
    /// The maximum length of encoded details, in bytes.
    pub(super) payload: usize,
}

/// The last word on each key in a batch of changes.
#[derive(Default)]
pub(super) struct Batch {
    /// Keys and their records; `None` for a record to remove.
    pub(super) rows: BTreeMap<Vec<u8>, Option<Written>>,
    /// Files that lose the parts that they have in the store.
    pub(super) cleared: BTreeSet<Vec<u8>>,
}

impl Limits {
    /// The error with which a batch would refuse this change.
    ///
    /// # Errors
    /// As [`Batch::of`]; and [`StoreError::Unnameable`] for every path that is too long.
    pub(super) fn check(&self, write: &Write) -> Result<(), StoreError> {
        let Write::Put { item, content, photo, vector } = write else { return Ok(()) };
        self.written(item, *content, photo, vector.as_ref()).map(drop)
    }

    fn written(
        &self,
        item: &Item,
        content: Option<Fingerprint>,
        photo: &Photo,
        vector: Option<&Vector>,
    ) -> Result<(Vec<u8>, Written), StoreError> {
        let Some(key) = self.key(item) else {
            return Err(StoreError::Unnameable { path: item.path.clone() });
        };
        let (path, expected) = (self.place.clone().into(), self.dim);
        if let Some(found) = vector.map(Vector::dim).filter(|found| *found != expected) {
            return Err(Error::DimensionMismatch { path, found, expected }.into());
        }
        let payload = photo.encode();
        if payload.len() > self.payload {
            let (what, found, expected) = ("a payload", payload.len(), self.payload);
            return Err(Error::TooLong { path, what, found, expected }.into());
        }
        Ok((key, Written { content, payload, vector: vector.cloned() }))
    }

    fn key(&self, item: &Item) -> Option<Vec<u8>> {
        item.key().filter(self.fits).map(|key| key.as_bytes().to_vec())
    }
}

impl Batch {
    /// What these changes come to, in their order.
    ///
    /// # Errors
    /// [`StoreError::Unnameable`] if a path is too long; [`StoreError::Index`] if a vector has other dimensions than the
    /// store, or the details are too long.
    pub(super) fn of(writes: &[Write], limits: &Limits) -> Result<Batch, StoreError> {
        let mut batch = Batch::default();
        for write in writes {
            match write {
                // A file that is left out because its path is too long. That cannot be stored either, and need not be.
                Write::Put { item, vector: None, .. } if limits.key(item).is_none() => {}
                Write::Put { item, content, photo, vector } => {
                    let (key, written) = limits.written(item, *content, photo, vector.as_ref())?;
                    if item.part.is_none() {
                        batch.clear(&key);
                    }
                    batch.rows.insert(key, Some(written));
                }
                Write::Remove { path } => {
                    let Some(key) = limits.key(&Item::file(path.as_path())) else { continue };
                    batch.clear(&key);
                    batch.rows.insert(key, None);
                }
            }
        }
        Ok(batch)
    }

    /// Removes the parts of a file: those that are stored, and those put before in this batch.
    fn clear(&mut self, file: &[u8]) {
        let is_part = |key: &&Vec<u8>| file_of_key(key) == file && key.len() > file.len();
        let behind = self.rows.range(file.to_vec()..).map(|(key, _)| key);
        let parts = behind.take_while(|key| key.starts_with(file)).filter(is_part);
        let parts: Vec<Vec<u8>> = parts.cloned().collect();
        parts.iter().for_each(|part| drop(self.rows.remove(part)));
        self.cleared.insert(file.to_vec());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::Part;
    use crate::photo::{Skip, SkipKind, Stamp};

    fn limits() -> Limits {
        Limits { place: "m".into(), dim: 2, fits: |key| key.as_bytes().len() <= 20, payload: 1_000 }
    }

    fn photo() -> Photo {
        Photo::read(Stamp { size: 1, modified_ns: 2, changed_ns: 3 }, 1, None)
    }

    fn put(path: &str, part: Option<Part>, vector: Vec<f32>) -> Write {
        let vector = Some(Vector::normalized(vector).unwrap());
        Write::Put { item: Item { path: path.into(), part }, content: None, photo: photo(), vector }
    }

    fn keys(batch: &Batch) -> Vec<Vec<u8>> {
        batch.rows.iter().filter(|(_, row)| row.is_some()).map(|(key, _)| key.clone()).collect()
    }

    #[test]
    fn the_last_word_on_each_key_counts() {
        let part = |ms| put("/a", Some(Part::Moment { ms }), vec![1.0, 0.0]);
        let file = || put("/a", None, vec![0.0, 1.0]);
        let batch = |writes: Vec<Write>| Batch::of(&writes, &limits()).unwrap();
        let key = |ms| Item { path: "/a".into(), part: Some(Part::Moment { ms }) }.key().unwrap();
        let whole = batch(vec![file(), part(1), part(2)]);
        assert_eq!(keys(&whole).len(), 3);
        // Putting the file again removes the parts before, and those that are stored.
        let again = batch(vec![file(), part(1), file(), part(2), put("/ab", None, vec![1.0, 0.0])]);
        assert_eq!(keys(&again), [b"/a".to_vec(), key(2).as_bytes().to_vec(), b"/ab".to_vec()]);
        assert!(again.cleared.contains(b"/a".as_slice()));
        let gone = batch(vec![file(), part(1), Write::Remove { path: "/a".into() }]);
        assert_eq!(keys(&gone), [b""; 0]);
        assert!(gone.rows[b"/a".as_slice()].is_none());
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let long = "/long path that does not fit";
        let refused = |write: Write| Batch::of(&[write], &limits()).err().map(|error| error.to_string());
        assert!(refused(put(long, None, vec![1.0, 0.0])).is_some_and(|why| why.contains("too long")));
        assert!(refused(put("/a", None, vec![1.0; 3])).is_some_and(|why| why.contains("3 dimensions")));
        // A skipped file is left out without an error, and so is the removal of what cannot be there.
        let skip = Photo::skipped(photo().stamp, 1, Skip::new(SkipKind::Damaged, ""));
        let left_out = Write::Put { item: Item::file(long), content: None, photo: skip, vector: None };
        assert!(limits().check(&left_out).is_err());
        let batch = Batch::of(&[left_out, Write::Remove { path: long.into() }], &limits()).unwrap();
        assert!(batch.rows.is_empty());
    }
}
