//! Vectors of many texts, kept in the cache folder, because embedding hundreds of texts takes seconds.
//!
//! A file has a magic number, a hash of the vectors and of everything that they depend on, and the vectors as
//! little-endian `f32`. Its name is made of the same hash without the vectors. The files can be deleted at any time.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use imgsearch_index::Vector;

use crate::files::{self, Readers, read_bounded};
use crate::model::{Model, ModelError, TextEncoder};

const MAGIC: &[u8; 8] = b"imgtext1";

/// The folder in the cache folder.
const FOLDER: &str = "texts";

/// The largest file: ten thousand texts in 4,096 dimensions take 164 MB.
const MOST_BYTES: u64 = 200 << 20;

/// How many files are kept; the oldest ones are removed.
const MOST_FILES: usize = 16;

/// What to embed texts with, and where to keep the vectors.
pub(super) struct KeptTexts<'m> {
    folder: Option<PathBuf>,
    model: &'m Model,
}

impl<'m> KeptTexts<'m> {
    pub(super) fn of(model: &'m Model) -> KeptTexts<'m> {
        KeptTexts { folder: model.cache_folder().map(|folder| folder.join(FOLDER)), model }
    }

    /// The vectors of these texts, in order: kept ones, or else new ones, made with the encoder and kept. `progress` gets
    /// the number of texts embedded so far and of all texts.
    pub(super) fn get<'t>(
        &self,
        texts: &[&str],
        encoder: impl FnOnce() -> Result<&'t TextEncoder, ModelError>,
        progress: &dyn Fn(usize, usize),
    ) -> Result<Vec<Vector>, ModelError> {
        let key = self.key(texts);
        let file = self.folder.as_ref().map(|folder| folder.join(&key.to_hex()[..32]));
        let kept = file.as_ref().and_then(|file| read_bounded(file, MOST_BYTES).ok());
        if let Some(vectors) = kept.and_then(|bytes| decode(&bytes, &key, self.model.space().dim()))
            && vectors.len() == texts.len()
        {
            return Ok(vectors);
        }
        let encoder = encoder()?;
        let mut vectors = Vec::with_capacity(texts.len());
        for text in texts {
            progress(vectors.len(), texts.len());
            vectors.push(encoder.encode_text(text)?);
        }
        progress(texts.len(), texts.len());
        if let Some(file) = file {
            // If the cache is not writable, the texts are embedded again next time.
            _ = keep(&file, &encode(&vectors, &key));
        }
        Ok(vectors)
    }

    /// A hash of everything that the vectors depend on.
    fn key(&self, texts: &[&str]) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let model = [self.model.space().id().to_owned(), self.model.text_key()];
        for part in model.iter().map(String::as_str).chain(texts.iter().copied()) {
            hasher.update(&(part.len() as u64).to_le_bytes()).update(part.as_bytes());
        }
        hasher.finalize()
    }
}

fn encode(vectors: &[Vector], key: &blake3::Hash) -> Vec<u8> {
    let numbers = vectors.iter().flat_map(Vector::as_slice).flat_map(|x| x.to_le_bytes());
    let numbers: Vec<u8> = numbers.collect();
    [MAGIC.as_slice(), checksum(key, &numbers).as_bytes(), &numbers].concat()
}

/// The vectors; `None` for damaged bytes.
fn decode(bytes: &[u8], key: &blake3::Hash, dim: usize) -> Option<Vec<Vector>> {
    let (found, numbers) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
    if checksum(key, numbers) != *found {
        return None;
    }
    let numbers: Vec<f32> = numbers.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
    let vectors = numbers.chunks_exact(dim).map(|numbers| Vector::normalized(numbers.to_vec()));
    vectors.collect::<Result<_, _>>().ok()
}

fn checksum(key: &blake3::Hash, numbers: &[u8]) -> blake3::Hash {
    blake3::keyed_hash(key.as_bytes(), numbers)
}

/// Writes a file, and removes the oldest ones if there are too many.
fn keep(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = file.parent().unwrap_or(Path::new(""));
    fs::create_dir_all(folder)?;
    files::replace(file, bytes, Readers::Owner)?;
    let entries = fs::read_dir(folder)?.flatten();
    let mut all: Vec<_> =
        entries.filter_map(|entry| Some((entry.metadata().ok()?.modified().ok()?, entry.path()))).collect();
    all.sort();
    let too_many = all.len().saturating_sub(MOST_FILES);
    all.iter().take(too_many).try_for_each(|(_, path)| fs::remove_file(path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kept_vectors_are_read_only_for_the_same_texts_and_undamaged() {
        let vectors: Vec<_> =
            [[3.0, 4.0], [0.0, 1.0]].map(|numbers| Vector::normalized(numbers.to_vec()).unwrap()).into();
        let (key, other) = (blake3::hash(b"a"), blake3::hash(b"b"));
        let bytes = encode(&vectors, &key);
        assert_eq!(decode(&bytes, &key, 2).unwrap(), vectors);
        assert!(decode(&bytes, &other, 2).is_none());
        for cut in [0, 7, 20, 40, bytes.len() - 1] {
            assert!(decode(&bytes[..cut], &key, 2).is_none());
        }
    }

    #[test]
    fn only_the_newest_files_stay() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MOST_FILES + 3 {
            keep(&folder.path().join(number.to_string()), b"x").unwrap();
        }
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), MOST_FILES);
    }
}
