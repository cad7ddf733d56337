//! Stores the records of an export in a library.

use std::io::Read;

use super::TransferError;
use super::format::{Exports, Row};
use crate::item::Item;
use crate::library::{Note, Sink, Stored, Write};
use crate::photo::Photo;

/// Records stored at once: a few megabytes.
const BATCH: usize = 500;

/// What became of the records of an export.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// The library had no record of the file.
    pub added: u64,
    /// They were newer than the library's, and replaced them.
    pub replaced: u64,
    /// The library's were newer or the same, and stayed.
    pub kept: u64,
    /// They come from a later version of imgsearch, and were left out.
    pub later: u64,
    /// The library refused them.
    pub refused: u64,
    /// Why it refused the first of them.
    pub first_refusal: Option<String>,
    /// Whether it was stopped before its end.
    pub cancelled: bool,
}

/// Stores the records of `exports` through `sink`. If both have a record of a file, the newer one stays: see
/// [`is_newer`]. `progress` receives the number of records so far.
///
/// Records are stored in batches as they are read, so after an error all of those before it are stored, each as it was
/// exported. Importing them again changes nothing.
///
/// # Errors
/// As [`Exports::next`], and [`TransferError::Store`]. The caller has checked that the model is the library's.
pub fn import<R: Read>(
    exports: Exports<R>,
    sink: &dyn Sink,
    cancelled: &dyn Fn() -> bool,
    progress: &dyn Fn(u64),
) -> Result<Imported, TransferError> {
    if sink.note()? == Note::default() {
        sink.set_note(&Note::read(Some(&exports.header().note)))?;
    }
    let mut import = Import { sink, pending: Vec::new(), imported: Imported::default() };
    let ended = import.all(exports, cancelled, progress);
    // What was read before an error is right, so it is stored.
    import.flush()?;
    ended.map(|()| import.imported)
}

struct Import<'a> {
    sink: &'a dyn Sink,
    pending: Vec<Write>,
    imported: Imported,
}

impl Import<'_> {
    fn all<R: Read>(
        &mut self,
        mut exports: Exports<R>,
        cancelled: &dyn Fn() -> bool,
        progress: &dyn Fn(u64),
    ) -> Result<(), TransferError> {
        let mut records = 0;
        while let Some(row) = exports.next()? {
            if cancelled() {
                self.imported.cancelled = true;
                break;
            }
            self.row(row)?;
            records += 1;
            progress(records);
            if self.pending.len() >= BATCH {
                self.flush()?;
            }
        }
        Ok(())
    }

    fn row(&mut self, row: Row) -> Result<(), TransferError> {
        let Row { key, content, record, vector } = row;
        let (Some(item), Some(photo)) = (Item::of_key(&key), Photo::decode(&record)) else {
            self.imported.later += 1;
            return Ok(());
        };
        if item.part.is_some() && self.has_pending_files() {
            self.flush()?;
        }
        let put = Write::Put { item: item.clone(), content, photo: photo.clone(), vector };
        if let Err(error) = self.sink.check(&put) {
            self.imported.refused += 1;
            self.imported.first_refusal.get_or_insert_with(|| error.to_string());
            return Ok(());
        }
        let known = self.sink.get(&item)?;
        let is_wanted = match (&item.part, &known) {
            // A part belongs to a content, so it is wanted if the library has the file with that content.
            (Some(_), None) => {
                let file = self.sink.get(&Item::file(&item.path))?;
                content.is_some() && file.is_some_and(|file| file.content == content)
            }
            (None, None) => true,
            (_, Some(Stored { photo: known, .. })) => {
                known.as_ref().is_some_and(|known| is_newer(&photo, known))
            }
        };
        match (is_wanted, known.is_some()) {
            (true, false) => self.imported.added += 1,
            (true, true) => self.imported.replaced += 1,
            (false, _) => self.imported.kept += 1,
        }
        if is_wanted {
            self.pending.push(put);
        }
        Ok(())
    }

    /// Whether files wait to be stored, so that the library does not know them yet. Files come before all parts.
    fn has_pending_files(&self) -> bool {
        let last = self.pending.last();
        last.is_some_and(|write| matches!(write, Write::Put { item, .. } if item.part.is_none()))
    }

    fn flush(&mut self) -> Result<(), TransferError> {
        if !self.pending.is_empty() {
            self.sink.apply(std::mem::take(&mut self.pending))?;
        }
        Ok(())
    }
}

/// Whether record `a` of a file is newer than record `b`: the file changed later; or it is the same file, and `a` is a
/// photo and `b` was skipped; or a later decoder read `a`. A record that a later version wrote always stays.
pub fn is_newer(a: &Photo, b: &Photo) -> bool {
    let age = |photo: &Photo| {
        let version = photo.skip.as_ref().map_or(photo.decoder_version, |skip| skip.decoder_version);
        (photo.stamp.changed_ns, photo.stamp.modified_ns, photo.skip.is_none(), version)
    };
    age(a) > age(b)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{Skip, SkipKind, Stamp};

    #[test]
    fn the_newer_record_is_of_the_later_file_then_a_photo_then_of_the_later_decoder() {
        #[track_caller]
        fn check(a: &Photo, b: &Photo) {
            assert!(is_newer(a, b) && !is_newer(b, a) && !is_newer(a, a), "{a:?} {b:?}");
        }
        let stamp = Stamp { size: 1, modified_ns: 5, changed_ns: 5 };
        let photo = |stamp| Photo::read(stamp, 0, None);
        let skipped = Photo::skipped(stamp, 0, Skip::new(SkipKind::TooSlow, ""));
        check(&photo(Stamp { changed_ns: 6, modified_ns: 1, ..stamp }), &photo(stamp));
        check(&photo(Stamp { modified_ns: 6, ..stamp }), &photo(stamp));
        check(&photo(stamp), &skipped);
        check(&photo(stamp), &Photo { decoder_version: 1, ..photo(stamp) });
    }
}
