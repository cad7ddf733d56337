//! Files beside a photo that say something about it: XMP sidecars of photo managers, which imgsearch also writes, and
//! the JSON files of a Google Takeout.

mod find;
mod takeout;
mod write;

use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

pub use find::Finder;
pub use write::{Written, path, write};

use crate::decode::Metadata;

/// Longest sidecar that is read. They have some kilobytes.
const LONGEST: u64 = 4 << 20;

/// The sidecars of one photo, the one that counts most first.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Sidecars {
    files: Vec<PathBuf>,
    stamp: u64,
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
            self.files.iter().filter_map(|file| read(file))
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

fn read(sidecar: &Path) -> Option<Metadata> {
    let mut bytes = Vec::new();
    File::open(sidecar).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    if sidecar.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
        return takeout::read(&bytes);
    }
    // What imgsearch guesses is not what somebody filed a photo under.
    (!write::is_ours(&bytes)).then(|| Metadata::of_xmp(&bytes))
}
