//! Contents that are being embedded, and the files of the same content that wait for it.
//!
//! A phone's backups hold many photos twice. In a first run none of them is in the library yet, so without this each
//! copy would be embedded.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Mutex, MutexGuard, PoisonError};

use imgsearch_index::Fingerprint;

use super::file::Job;

#[derive(Default)]
pub(super) struct InFlight {
    contents: Mutex<HashMap<Fingerprint, Vec<Job>>>,
}

impl InFlight {
    /// Hands the file back to the first that comes with this content; keeps those that come later until
    /// [`InFlight::settle`].
    pub(super) fn claim(&self, content: Fingerprint, file: Job) -> Option<Job> {
        match self.contents().entry(content) {
            Entry::Vacant(vacant) => {
                vacant.insert(Vec::new());
                Some(file)
            }
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(file);
                None
            }
        }
    }

    /// The content is stored, or refused: gives up the claim, and the files that waited for it.
    pub(super) fn settle(&self, content: &Fingerprint) -> Vec<Job> {
        self.contents().remove(content).unwrap_or_default()
    }

    /// No thread panics while it holds the map.
    fn contents(&self) -> MutexGuard<'_, HashMap<Fingerprint, Vec<Job>>> {
        self.contents.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
