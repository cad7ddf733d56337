//! The note that every run of `index` leaves in its index.

use std::path::{Path, PathBuf};

use minicbor::{Decode, Encode};

use crate::photo::{path_bytes, path_of};

/// What a run of `index` leaves for later runs and for `status`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Note {
    /// Start of the last run that ended by itself or was stopped, in seconds since the Unix epoch.
    #[n(0)]
    pub last_indexed: i64,
    /// The model's folder, as path bytes: later commands use the same one unless told otherwise.
    #[n(1)]
    model: Vec<u8>,
}

impl Note {
    /// The note in `bytes`; an empty one when there is none or a newer version wrote something else.
    pub fn read(bytes: Option<&[u8]>) -> Note {
        bytes.and_then(|bytes| minicbor::decode(bytes).ok()).unwrap_or_default()
    }

    /// The bytes to store.
    #[expect(clippy::missing_panics_doc, reason = "writing to a Vec cannot fail")]
    pub fn encode(&self) -> Vec<u8> {
        minicbor::to_vec(self).expect("writing to a Vec cannot fail")
    }

    /// The model's folder, if one was noted.
    pub fn model(&self) -> Option<PathBuf> {
        (!self.model.is_empty()).then(|| path_of(&self.model))
    }

    /// Notes the model's folder.
    pub fn set_model(&mut self, folder: &Path) {
        self.model = path_bytes(folder).unwrap_or_default().to_vec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_come_back_and_strange_bytes_are_an_empty_note() {
        let mut note = Note { last_indexed: 7, ..Note::default() };
        note.set_model(Path::new("/m"));
        assert_eq!(Note::read(Some(&note.encode())), note);
        assert_eq!(note.model(), Some("/m".into()));
        assert_eq!(Note::read(Some(b"\xff")), Note::default());
        assert_eq!(Note::read(None).model(), None);
    }
}
