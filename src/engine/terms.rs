//! The parts of an expression → one vector.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use imgsearch_index::{Fingerprint, Key, Vector};

use super::{Engine, EngineError};
use crate::decode::{PictureError, decode_in_time, read};
use crate::name::canonicalize;
use crate::photo::{Photo, Stamp, fingerprint, key_of};
use crate::query::{Expression, Source};

/// An expression as a direction, and the pictures in it.
pub(super) struct Asked {
    pub(super) vector: Vector,
    pub(super) pictures: Vec<Picture>,
}

/// What a picture of the query is known by.
#[derive(Default)]
pub(super) struct Picture {
    pub(super) key: Option<Key>,
    pub(super) fingerprint: Option<Fingerprint>,
}

impl Engine<'_> {
    /// The sum of the parts' unit vectors, each times its weight.
    pub(super) fn ask(&mut self, expression: &Expression) -> Result<Asked, EngineError> {
        let mut sum = vec![0.0; self.searcher.space().dim];
        let mut pictures = Vec::new();
        for term in expression.terms() {
            let vector = match &term.source {
                Source::Text(text) => self.text()?.encode_query(text)?,
                Source::Picture(path) => self.picture(path, &mut pictures)?,
                Source::Bytes(bytes) => {
                    self.content("the picture on stdin".as_ref(), bytes.into(), &mut pictures)?
                }
                Source::Result(rank) => {
                    let path =
                        self.library.remembered(*rank).ok_or(EngineError::NotRemembered { rank: *rank })?;
                    self.picture(&path, &mut pictures)?
                }
            };
            for (sum, x) in sum.iter_mut().zip(vector.as_slice()) {
                *sum += term.weight * x;
            }
        }
        let vector = Vector::new(sum).map_err(|_| EngineError::CancelsOut)?;
        Ok(Asked { vector, pictures })
    }

    /// A picture file. If the library has it as it is now, neither the file nor the image tower is needed.
    fn picture(&mut self, path: &Path, pictures: &mut Vec<Picture>) -> Result<Vector, EngineError> {
        let unread = |error| refused(path, PictureError::File(error));
        let path = &canonicalize(path).map_err(unread)?;
        let key = key_of(path);
        let file = File::open(path).map_err(unread)?;
        let stamp = Stamp::of(&file.metadata().map_err(unread)?);
        if let Some(key) = &key
            && let Some(stored) = self.searcher.get(key)?
            && let Some(photo) = Photo::decode(stored.record.payload)
            && let Some(vector) = stored.vector
            && photo.stamp.same_content(&stamp)
        {
            let fingerprint = stored.record.fingerprint;
            pictures.push(Picture { key: Some(key.clone()), fingerprint });
            return Ok(vector);
        }
        let bytes = read(file, &self.limits).map_err(|error| refused(path, error))?;
        pictures.push(Picture { key, fingerprint: None });
        self.content(path, bytes.into(), pictures)
    }

    /// The content of a picture file that is called `name`.
    fn content(
        &mut self,
        name: &Path,
        bytes: Cow<'_, [u8]>,
        pictures: &mut Vec<Picture>,
    ) -> Result<Vector, EngineError> {
        let content = fingerprint(&bytes);
        pictures.push(Picture { key: None, fingerprint: Some(content) });
        let known = self.searcher.records_of(&content).next().transpose()?;
        if let Some(vector) = known.and_then(|stored| stored.vector) {
            return Ok(vector);
        }
        let preprocess = self.model.preprocess();
        let picture = decode_in_time(bytes.into_owned(), &self.limits, preprocess.detail())
            .map_err(|error| refused(name, error))?;
        Ok(self.image()?.encode_image(preprocess.tensor(&picture))?)
    }
}

fn refused(path: &Path, error: PictureError) -> EngineError {
    EngineError::Picture { path: path.to_owned(), error }
}
