//! The note that every run of `index` leaves in its index.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};

use super::known_roots::{self, Root};
use crate::item::{path_bytes, path_of};
use crate::model::{Device, Precision};
use crate::walk::{Kind, Rules};

/// The note of a run of `index`, for later runs and for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    /// The start of the last run that finished or was stopped, in seconds since the Unix epoch.
    #[n(0)]
    pub last_indexed: i64,
    /// The model's folder, as path bytes. It is the default for later commands.
    #[n(1)]
    model: Vec<u8>,
    /// The name of the precision of the model's files.
    #[n(2)]
    precision: Option<String>,
    /// The numbers of files that are not pictures, by kind, from the last complete run.
    #[n(3)]
    #[cbor(default)]
    not_pictures: Vec<(Kind, u64)>,
    /// RAW files that the last complete run left out because of the JPEG beside them.
    #[n(4)]
    #[cbor(default)]
    pub stood_back: u64,
    /// How many dimensions of the model's vectors are kept; `None` if all are.
    #[n(5)]
    dim: Option<u32>,
    /// The folders that were indexed.
    #[n(6)]
    #[cbor(default)]
    roots: Vec<Root>,
    /// The start of the last run, also of one that looked at a part only, in seconds since the Unix epoch.
    #[n(7)]
    #[cbor(default)]
    pub last_looked: i64,
    /// The name of the device on which the last run embedded pictures.
    #[n(8)]
    device: Option<String>,
}

impl Note {
    /// Decodes a note; an empty one if there is none or a newer version changed the format.
    pub fn read(bytes: Option<&[u8]>) -> Note {
        bytes.and_then(|bytes| minicbor::decode(bytes).ok()).unwrap_or_default()
    }

    /// Encodes the note.
    #[expect(clippy::missing_panics_doc, reason = "writing to a Vec cannot fail")]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// The model's folder, if the note has one.
    pub fn model(&self) -> Option<PathBuf> {
        (!self.model.is_empty()).then(|| path_of(&self.model))
    }

    /// The precision of the model's files, if the note has it.
    pub fn precision(&self) -> Option<Precision> {
        Precision::ALL.iter().copied().find(|precision| Some(precision.name()) == self.precision.as_deref())
    }

    /// The numbers of files that are not pictures, by kind, from the last complete run.
    pub fn not_pictures(&self) -> impl Iterator<Item = (Kind, u64)> {
        self.not_pictures.iter().copied()
    }

    /// Notes the files that a complete run found and did not index.
    pub fn set_left_out(&mut self, not_pictures: &BTreeMap<Kind, u64>, stood_back: u64) {
        self.not_pictures = not_pictures.iter().map(|(kind, files)| (*kind, *files)).collect();
        self.stood_back = stood_back;
    }

    /// How many dimensions of the model's vectors are kept; `None` if all are.
    pub fn dim(&self) -> Option<NonZeroUsize> {
        self.dim.and_then(|dim| NonZeroUsize::new(dim.try_into().ok()?))
    }

    /// The name of the device on which pictures were embedded last, if any were.
    pub fn device(&self) -> Option<&str> {
        self.device.as_deref()
    }

    /// Notes the device on which pictures were embedded.
    pub fn set_device(&mut self, device: Device) {
        self.device = Some(device.name().to_owned());
    }

    /// The folders that were indexed, sorted by path. Empty for a library that only earlier versions changed.
    pub fn roots(&self) -> &[Root] {
        &self.roots
    }

    /// Notes folders that a run is about to index with these rules.
    pub fn add_roots(&mut self, folders: &[PathBuf], rules: &Rules) {
        known_roots::add(&mut self.roots, folders, rules);
    }

    /// Notes that a run over these folders was complete. `now` is its start, in seconds since the Unix epoch.
    pub fn finish_roots(&mut self, folders: &[PathBuf], now: i64) {
        known_roots::finish(&mut self.roots, folders, now);
    }

    /// Adds the folders of another index of the same library.
    pub fn take_over_roots(&mut self, from: &Note) {
        for root in &from.roots {
            self.add_roots(&[root.path()], &root.rules());
        }
    }

    /// No longer lists folders at and below this one.
    pub fn drop_roots(&mut self, folder: &Path) {
        self.roots.retain(|root| !root.path().starts_with(folder));
    }

    /// Takes a folder away, or excludes it from the folder that contains it.
    pub fn forget_root(&mut self, folder: &Path) {
        known_roots::forget(&mut self.roots, folder);
    }

    /// Notes the model's folder, the precision of its files, and how many dimensions are kept.
    pub fn set_model(&mut self, folder: &Path, precision: Precision, dim: Option<NonZeroUsize>) {
        self.model = path_bytes(folder).unwrap_or_default().to_vec();
        self.precision = Some(precision.name().to_owned());
        self.dim = dim.and_then(|dim| dim.get().try_into().ok());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_round_trip_and_unknown_bytes_give_an_empty_note() {
        let mut note = Note { last_indexed: 7, ..Note::default() };
        note.set_model(Path::new("/m"), Precision::Int8, NonZeroUsize::new(256));
        note.set_device(Device::Cuda);
        note.set_left_out(&BTreeMap::from([(Kind::Pdf, 40), (Kind::Video, 312)]), 12);
        note.add_roots(&["/a".into()], &Rules { exclude: vec!["*.gif".into()], ..Rules::default() });
        note.finish_roots(&["/a".into()], 9);
        assert_eq!(Note::read(Some(&note.encode())), note);
        assert_eq!((note.roots()[0].path(), note.roots()[0].last_indexed), ("/a".into(), 9));
        assert_eq!((note.model(), note.precision()), (Some("/m".into()), Some(Precision::Int8)));
        assert_eq!((note.dim(), note.device()), (NonZeroUsize::new(256), Some("cuda")));
        // [7, h'2f6d'], from before precisions were noted.
        let old = Note::read(Some(b"\x82\x07\x82\x18\x2f\x18\x6d"));
        assert_eq!((old.last_indexed, old.model(), old.precision()), (7, Some("/m".into()), None));
        assert_eq!((old.dim(), old.device()), (None, None));
        assert_eq!((old.not_pictures().count(), old.stood_back, old.roots().len()), (0, 0, 0));
        assert_eq!(Note::read(Some(b"\xff")), Note::default());
        assert_eq!(Note::read(None).model(), None);
    }
}
