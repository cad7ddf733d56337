//! Sidecars, the metadata files beside photos: XMP files, which imgsearch also writes, and Google Takeout's JSON.

mod find;
mod takeout;
mod write;

use std::path::PathBuf;

pub use find::Finder;
pub use write::{Written, path, write};

use crate::decode::Metadata;
use crate::files::read_bounded;

/// The longest sidecar that is read. Usual ones have a few kilobytes.
const LONGEST: u64 = 4 << 20;

/// The sidecars of one photo, in order of precedence.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecars {
    files: Vec<Sidecar>,
    stamp: u64,
}

/// One sidecar file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sidecar {
    path: PathBuf,
    /// The photo's name, if the sidecar's name is truncated and could belong to several photos. The sidecar's content
    /// must then name this photo.
    cut_from: Option<String>,
}

impl Sidecars {
    /// Whether there are no sidecars.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A number that changes when a sidecar appears, changes or disappears; 0 without sidecars.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// Reads the sidecars. One that cannot be read is ignored; if it is fixed, its stamp changes and it is read again.
    pub fn read(&self) -> Metadata {
        let mut all = Metadata::default();
        for Metadata { taken, place, title, description, keywords, people, .. } in
            self.files.iter().filter_map(Sidecar::read)
        {
            all.taken = all.taken.or(taken);
            all.place = all.place.or(place);
            all.title = all.title.or(title);
            all.description = all.description.or(description);
            if all.keywords.is_empty() {
                all.keywords = keywords;
            }
            if all.people.is_empty() {
                all.people = people;
            }
        }
        all
    }
}

impl Sidecar {
    fn read(&self) -> Option<Metadata> {
        let bytes = read_bounded(&self.path, LONGEST).ok()?;
        if self.path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
            return takeout::read(&bytes, self.cut_from.as_deref());
        }
        // Keywords that imgsearch guessed are not the user's keywords.
        (!write::is_ours(&bytes)).then(|| Metadata::of_xmp(&bytes))
    }
}
