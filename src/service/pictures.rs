//! Thumbnails, previews and original files.
//!
//! A thumbnail or preview is made only from bytes with the requested fingerprint, so it can be cached forever. Thumbnails
//! are also kept beside the library, where `index` puts them.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use lru::LruCache;

use super::{Known, ServiceError};
use crate::decode::{self, HEAD, Limits, PictureError, media_type};
use crate::library::Thumbnails;
use crate::photo::{Id, Stamp, fingerprint};
use crate::thumbnail::{Thumbnailer, jpeg};

/// Memory for the cache, in bytes.
const MOST_BYTES: usize = 48 << 20;

/// The size of a thumbnail or preview.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Size {
    /// A thumbnail for a grid of photos.
    Thumbnail,
    /// A preview for viewing one photo.
    Preview,
}

impl Size {
    /// The maximum of the longer side, in pixels.
    pub fn side(self) -> u32 {
        match self {
            Size::Thumbnail => Thumbnails::SIDE,
            Size::Preview => 1600,
        }
    }
}

/// An open photo file that has not changed since it was indexed.
#[derive(Debug)]
pub struct Original {
    /// The file, at its beginning.
    pub file: File,
    /// Its path.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// Its media type by its content, if browsers can show it.
    pub media_type: Option<&'static str>,
}

/// Makes thumbnails and previews, and caches the most recently used.
pub(super) struct Pictures {
    limits: Limits,
    thumbnailer: Thumbnailer,
    thumbnails: Option<Thumbnails>,
    kept: Mutex<Kept>,
}

struct Kept {
    pictures: LruCache<(Id, Size), Arc<[u8]>>,
    bytes: usize,
}

impl Pictures {
    pub(super) fn new(limits: Limits, thumbnails: Option<Thumbnails>) -> Pictures {
        Pictures {
            limits,
            thumbnailer: Thumbnailer::new(Size::Thumbnail.side(), limits),
            thumbnails,
            kept: Mutex::new(Kept { pictures: LruCache::unbounded(), bytes: 0 }),
        }
    }

    /// The picture, if it is cached.
    pub(super) fn kept(&self, id: Id, size: Size) -> Option<Arc<[u8]>> {
        self.lock().pictures.get(&(id, size)).cloned()
    }

    /// Reads or makes a JPEG, and caches it.
    pub(super) fn make(&self, photo: &Known, size: Size) -> Result<Arc<[u8]>, ServiceError> {
        let thumbnails = self.thumbnails.as_ref().filter(|_| size == Size::Thumbnail);
        if let Some(picture) = thumbnails.and_then(|thumbnails| thumbnails.get(photo.id)) {
            return Ok(self.cached(photo.id, size, picture));
        }
        let mut why = ServiceError::Changed { id: photo.id };
        for path in &photo.paths {
            match self.small(path, photo.id, size) {
                Ok(Some(picture)) => {
                    if let Some(thumbnails) = thumbnails {
                        // A thumbnail that cannot be kept is made again next time.
                        _ = thumbnails.keep(photo.id, &picture);
                    }
                    return Ok(self.cached(photo.id, size, picture));
                }
                Ok(None) | Err(PictureError::File(_)) => {}
                Err(error) => why = ServiceError::Picture { id: photo.id, error },
            }
        }
        Err(why)
    }

    fn cached(&self, id: Id, size: Size, picture: Vec<u8>) -> Arc<[u8]> {
        let picture: Arc<[u8]> = picture.into();
        self.lock().keep((id, size), Arc::clone(&picture));
        picture
    }

    /// The JPEG for a file; `None` if the file has other content.
    fn small(&self, path: &Path, id: Id, size: Size) -> Result<Option<Vec<u8>>, PictureError> {
        let bytes = decode::read(open(path).map_err(PictureError::File)?, &self.limits)?;
        if fingerprint(&bytes) != id.0 {
            return Ok(None);
        }
        Ok(Some(jpeg(&self.thumbnailer.sized(bytes, size.side())?)))
    }

    /// A smaller version of a JPEG.
    pub(super) fn within(&self, picture: &[u8], side: u32) -> Result<Vec<u8>, PictureError> {
        Ok(jpeg(&self.thumbnailer.sized(picture.to_vec(), side)?))
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Kept {
    fn keep(&mut self, key: (Id, Size), picture: Arc<[u8]>) {
        self.bytes += picture.len();
        if let Some(before) = self.pictures.put(key, picture) {
            self.bytes -= before.len();
        }
        while self.bytes > MOST_BYTES
            && let Some((_, oldest)) = self.pictures.pop_lru()
        {
            self.bytes -= oldest.len();
        }
    }
}

/// Opens the first file of a photo that has not changed since it was indexed.
pub(super) fn original(photo: &Known) -> Result<Original, ServiceError> {
    let current = photo.paths.iter().zip(&photo.stamps).find_map(|(path, stamp)| {
        let mut file = open(path).ok()?;
        let now = Stamp::of(&file.metadata().ok()?);
        let media_type = media_type(&head(&mut file).ok()?);
        now.same_content(stamp).then(|| Original { file, path: path.clone(), size: now.size, media_type })
    });
    current.ok_or(ServiceError::Changed { id: photo.id })
}

/// Opens a regular file only: opening a pipe could block forever.
fn open(path: &Path) -> std::io::Result<File> {
    if !path.metadata()?.is_file() {
        return Err(std::io::ErrorKind::InvalidInput.into());
    }
    File::open(path)
}

fn head(file: &mut File) -> std::io::Result<Vec<u8>> {
    use std::io::{Read, Seek};
    let mut head = Vec::new();
    file.by_ref().take(HEAD as u64).read_to_end(&mut head)?;
    file.rewind()?;
    Ok(head)
}

#[cfg(test)]
mod tests {
    use imgsearch_index::Fingerprint;

    use super::*;

    #[test]
    fn the_cache_stays_within_its_limit() {
        let pictures = Pictures::new(Limits::default(), None);
        let id = |number: u128| Id(Fingerprint(number.to_be_bytes()));
        let large: Arc<[u8]> = vec![0; MOST_BYTES / 2].into();
        for number in 0..3 {
            pictures.lock().keep((id(number), Size::Preview), Arc::clone(&large));
        }
        let kept = |number| pictures.kept(id(number), Size::Preview).is_some();
        assert_eq!([kept(0), kept(1), kept(2)], [false, true, true]);
        pictures.lock().keep((id(2), Size::Preview), Arc::clone(&large));
        assert_eq!(pictures.lock().bytes, MOST_BYTES / 2 * 2);
        assert!(pictures.kept(id(2), Size::Thumbnail).is_none());
    }
}
