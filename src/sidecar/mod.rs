//! Files beside a photo that say something about it: XMP sidecars of photo managers, which imgsearch also writes, and
//! the JSON files of a Google Takeout.

mod find;
mod takeout;
mod write;

use std::path::PathBuf;

pub use find::Finder;
pub use write::{Written, path, write};

use crate::decode::Metadata;
use crate::files::read_bounded;

/// Longest sidecar that is read. They have some kilobytes.
const LONGEST: u64 = 4 << 20;

/// The sidecars of one photo, the one that counts most first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecars {
    files: Vec<Sidecar>,
    stamp: u64,
}

/// One file beside a photo.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Sidecar {
    path: PathBuf,
    /// The photo's name, where that of the sidecar is cut and may stand for those of several photos: the sidecar has to
    /// say itself that it is of this one.
    cut_from: Option<String>,
}

impl Sidecars {
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// A number that changes when one of them appears, changes or goes; 0 for none.
    pub fn stamp(&self) -> u64 {
        self.stamp
    }

    /// What they say. One that does not read says nothing: it may be readable next time, when its stamp has changed.
    pub fn read(&self) -> Metadata {
        let mut all = Metadata::default();
        for Metadata { taken, place, title, description, keywords, .. } in
            self.files.iter().filter_map(Sidecar::read)
        {
            all.taken = all.taken.or(taken);
            all.place = all.place.or(place);
            all.title = all.title.or(title);
            all.description = all.description.or(description);
            if all.keywords.is_empty() {
                all.keywords = keywords;
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
        // What imgsearch guesses is not what somebody filed a photo under.
        (!write::is_ours(&bytes)).then(|| Metadata::of_xmp(&bytes))
    }
}
