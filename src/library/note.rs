//! The note that every run of `index` leaves in its index.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};

use crate::item::{path_bytes, path_of};
use crate::model::{Device, Precision};
use crate::walk::Kind;

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
    /// The name of the device on which the last run embedded pictures.
    #[n(6)]
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
        assert_eq!(Note::read(Some(&note.encode())), note);
        assert_eq!((note.model(), note.precision()), (Some("/m".into()), Some(Precision::Int8)));
        assert_eq!((note.dim(), note.device()), (NonZeroUsize::new(256), Some("cuda")));
        // [7, h'2f6d'], from before precisions were noted.
        let old = Note::read(Some(b"\x82\x07\x82\x18\x2f\x18\x6d"));
        assert_eq!((old.last_indexed, old.model(), old.precision()), (7, Some("/m".into()), None));
        assert_eq!((old.dim(), old.device()), (None, None));
        assert_eq!((old.not_pictures().count(), old.stood_back), (0, 0));
        assert_eq!(Note::read(Some(b"\xff")), Note::default());
        assert_eq!(Note::read(None).model(), None);
    }
}
