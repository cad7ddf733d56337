//! RAW files and the JPEGs of the same shot: finding both would be finding it twice.
//!
//! A RAW file stands back for a JPEG of the same name in the same folder, and only while that JPEG is in the library
//! with a vector. Whatever keeps the JPEG out (damage, its size, a rule, a link that is not followed) lets the RAW in.

use std::collections::HashMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use crate::photo::{Photo, Stamp};
use crate::sidecar::Sidecars;

/// Short side that a JPEG must have to stand for a RAW file, in pixels. Cameras' and programs' thumbnails have 120 to
/// 192.
const SHORT_SIDE: u32 = 200;

/// The JPEGs that the walk met in the folder it is in. It meets a folder's files together, RAW files last.
#[derive(Default)]
pub(super) struct Pairs {
    folder: PathBuf,
    jpegs: HashMap<OsString, Vec<Jpeg>>,
}

struct Jpeg {
    path: PathBuf,
    stands: bool,
}

/// What the JPEGs beside a RAW file mean for it.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Jpegs {
    /// No JPEG of its name was met.
    Nothing,
    /// One that stands for it is in the library as it is now.
    Stands,
    /// These may come to stand for it in this run.
    Waits(Vec<PathBuf>),
}

/// A RAW file that waits until it is known what becomes of the JPEGs beside it.
pub(super) struct Held {
    pub(super) path: PathBuf,
    pub(super) stamp: Stamp,
    pub(super) disk: u64,
    pub(super) jpegs: Vec<PathBuf>,
    pub(super) sidecars: Sidecars,
}

impl Pairs {
    /// Notes a JPEG, and whether it stands for a RAW file already.
    pub(super) fn add(&mut self, path: &Path, stands: bool) {
        let Some((folder, name)) = split(path) else { return };
        if folder != self.folder {
            *self = Pairs { folder: folder.to_owned(), jpegs: HashMap::new() };
        }
        self.jpegs.entry(name).or_default().push(Jpeg { path: path.to_owned(), stands });
    }

    /// Whether a RAW file stands back for the JPEGs beside it.
    pub(super) fn beside(&self, raw: &Path) -> Jpegs {
        let named = split(raw).filter(|(folder, _)| *folder == self.folder);
        let Some(jpegs) = named.and_then(|(_, name)| self.jpegs.get(&name)) else { return Jpegs::Nothing };
        if jpegs.iter().any(|jpeg| jpeg.stands) {
            return Jpegs::Stands;
        }
        Jpegs::Waits(jpegs.iter().map(|jpeg| jpeg.path.clone()).collect())
    }
}

/// The folder, and the name without its ending.
fn split(path: &Path) -> Option<(&Path, OsString)> {
    Some((path.parent()?, path.file_stem()?.to_owned()))
}

/// Whether a photo of the library can stand for a RAW file. One without details is from before sizes were kept.
pub(super) fn can_stand(photo: &Photo) -> bool {
    let is_large = photo.details.as_ref().is_none_or(|it| it.width.min(it.height) >= SHORT_SIDE);
    photo.skip.is_none() && is_large
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jpegs_of_the_same_name_and_folder_are_beside_a_raw_file() {
        let mut pairs = Pairs::default();
        pairs.add(Path::new("/o/a.jpg"), true);
        for (path, stands) in [("/p/a.JPG", true), ("/p/b.jpeg", false), ("/p/b.jpg", false)] {
            pairs.add(Path::new(path), stands);
        }
        #[track_caller]
        fn check(pairs: &Pairs, raw: &str, expected: &Jpegs) {
            assert_eq!(pairs.beside(Path::new(raw)), *expected, "{raw}");
        }
        check(&pairs, "/p/a.DNG", &Jpegs::Stands);
        check(&pairs, "/p/b.cr2", &Jpegs::Waits(vec!["/p/b.jpeg".into(), "/p/b.jpg".into()]));
        check(&pairs, "/p/c.cr2", &Jpegs::Nothing);
        check(&pairs, "/o/a.cr2", &Jpegs::Nothing);
    }
}
