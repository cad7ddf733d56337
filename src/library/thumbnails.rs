//! Thumbnails of photos, kept beside a library: `thumbnails/ab/abcdef….jpg`, by the id of the content.
//!
//! They only save time. Any of them, and the whole folder, may be deleted at any time: the server makes missing ones
//! from the photos.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use crate::files::{Readers, create_private_folder, read_bounded, remove_unfinished, replace};
use crate::photo::Id;

/// The name of the folder in the library's folder.
const FOLDER: &str = "thumbnails";

/// The ending of the files' names.
const ENDING: &str = ".jpg";

/// No thumbnail is larger than this, in bytes.
const MOST_BYTES: u64 = 1 << 20;

/// How a JPEG begins and ends. After a power cut a file may be empty or cut off.
const BEGINNING: &[u8] = b"\xFF\xD8";
const END: &[u8] = b"\xFF\xD9";

/// The thumbnails of one library.
#[derive(Clone, Debug)]
pub struct Thumbnails {
    folder: PathBuf,
}

impl Thumbnails {
    /// The maximum of a thumbnail's longer side, in pixels.
    pub const SIDE: u32 = 360;

    pub(super) fn of(library: &Path) -> Thumbnails {
        Thumbnails { folder: library.join(FOLDER) }
    }

    /// Whether there is a file for this content.
    pub fn has(&self, id: Id) -> bool {
        self.file(id).is_file()
    }

    /// The JPEG for this content; `None` if there is none, or only a damaged one.
    pub fn get(&self, id: Id) -> Option<Vec<u8>> {
        let jpeg = read_bounded(&self.file(id), MOST_BYTES).ok()?;
        (jpeg.starts_with(BEGINNING) && jpeg.ends_with(END)).then_some(jpeg)
    }

    /// Keeps a JPEG. It is not made durable, because it can be made again.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn keep(&self, id: Id, jpeg: &[u8]) -> io::Result<()> {
        let file = self.file(id);
        match replace(&file, jpeg, Readers::Owner) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                create_private_folder(&self.folder)?;
                create_private_folder(file.parent().unwrap_or(&self.folder))?;
                replace(&file, jpeg, Readers::Owner)
            }
            kept => kept,
        }
    }

    /// Deletes the thumbnail of this content, if there is one.
    ///
    /// # Errors
    /// Any error of the system.
    pub fn remove(&self, id: Id) -> io::Result<()> {
        match fs::remove_file(self.file(id)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Deletes the thumbnails of all contents that are not `wanted`, and what killed processes left behind.
    ///
    /// # Errors
    /// The errors of `wanted`. Files that cannot be read or deleted are left.
    pub fn retain<E>(&self, now: SystemTime, mut wanted: impl FnMut(Id) -> Result<bool, E>) -> Result<(), E> {
        for folder in entries(&self.folder) {
            remove_unfinished(&folder, now);
            for file in entries(&folder) {
                if let Some(id) = id_of(&file)
                    && !wanted(id)?
                {
                    _ = fs::remove_file(&file);
                }
            }
            // Only an empty folder can be removed.
            _ = fs::remove_dir(&folder);
        }
        Ok(())
    }

    /// The size of all thumbnails, in bytes.
    pub fn bytes(&self) -> u64 {
        let size = |file: PathBuf| file.metadata().map_or(0, |file| file.len());
        entries(&self.folder).flat_map(|folder| entries(&folder)).map(size).sum()
    }

    fn file(&self, id: Id) -> PathBuf {
        let name = id.to_string();
        self.folder.join(&name[..2]).join(name + ENDING)
    }
}

/// The files and folders in a folder; none if it cannot be read.
fn entries(folder: &Path) -> impl Iterator<Item = PathBuf> + use<> {
    fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The id of the content that a file is the thumbnail of.
fn id_of(file: &Path) -> Option<Id> {
    file.file_name()?.to_str()?.strip_suffix(ENDING)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use imgsearch_index::Fingerprint;

    use super::*;

    const JPEG: &[u8] = b"\xFF\xD8 pixels \xFF\xD9";

    #[test]
    fn thumbnails_are_kept_by_content() {
        let library = tempfile::tempdir().unwrap();
        let thumbnails = Thumbnails::of(library.path());
        let (one, other) = (Id(Fingerprint([0xab; 16])), Id(Fingerprint([1; 16])));
        assert_eq!((thumbnails.get(one), thumbnails.bytes()), (None, 0));
        thumbnails.keep(one, JPEG).unwrap();
        thumbnails.keep(other, JPEG).unwrap();
        assert!(library.path().join("thumbnails/ab").join("ab".repeat(16) + ".jpg").is_file());
        assert_eq!(thumbnails.get(one).as_deref(), Some(JPEG));
        assert_eq!(thumbnails.bytes(), 2 * JPEG.len() as u64);

        thumbnails.retain(SystemTime::UNIX_EPOCH, |id| Ok::<_, Infallible>(id == other)).unwrap();
        assert_eq!((thumbnails.has(one), thumbnails.has(other)), (false, true));
        assert!(!library.path().join("thumbnails/ab").exists());
        thumbnails.remove(other).unwrap();
        thumbnails.remove(other).unwrap();
        assert!(!thumbnails.has(other));
    }

    /// After a power cut a file may be empty, cut off, or a folder that somebody made.
    #[test]
    fn damaged_thumbnails_count_as_missing() {
        let library = tempfile::tempdir().unwrap();
        let thumbnails = Thumbnails::of(library.path());
        let id = Id(Fingerprint([3; 16]));
        for bytes in [&b""[..], &JPEG[..JPEG.len() - 1], &JPEG[1..]] {
            thumbnails.keep(id, bytes).unwrap();
            assert_eq!(thumbnails.get(id), None);
        }
        thumbnails.keep(id, &vec![0xFF; (1 << 20) + 1]).unwrap();
        assert_eq!(thumbnails.get(id), None);
        thumbnails.keep(id, JPEG).unwrap();
        assert_eq!(thumbnails.get(id).as_deref(), Some(JPEG));
    }
}
