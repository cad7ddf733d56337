//! What can be asked: a text, how many answers, and which photos count.

use std::num::NonZeroUsize;
use std::path::PathBuf;

use crate::photo::is_under;

/// A question to an [`crate::Engine`].
#[derive(Clone, Debug)]
pub struct Query {
    /// What the photos should show.
    pub text: String,
    /// How many matches at most.
    pub top: NonZeroUsize,
    /// Matches that score less are left out.
    pub min_score: Option<f32>,
    /// Only photos in or below one of these absolute folders; empty for all.
    pub folders: Vec<PathBuf>,
    /// Compare with every photo, even where a graph would be faster.
    pub exact: bool,
}

impl Query {
    /// Whether a filter is set that photos must pass.
    pub fn is_filtered(&self) -> bool {
        !self.folders.is_empty()
    }

    /// Whether the photo with this key passes the filters.
    pub fn admits(&self, key: &[u8]) -> bool {
        self.folders.is_empty() || self.folders.iter().any(|folder| is_under(key, folder))
    }
}
