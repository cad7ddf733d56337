//! Turns the parts of an expression into one vector.

use std::borrow::Cow;
use std::fs::File;
use std::path::Path;

use imgsearch_index::{Fingerprint, Vector};

use super::{EngineError, Search};
use crate::decode::{PictureError, decode_in_time, read};
use crate::item::Item;
use crate::name::canonicalize;
use crate::photo::{Id, Stamp, fingerprint};
use crate::query::{Expression, Source};

/// If the sum is shorter than this (with the largest weight scaled to 1), the parts cancel out and only rounding errors
/// remain. Even two texts with nearly the same meaning leave a hundred times as much.
const LEAST_LENGTH: f32 = 1e-5;

/// An expression as a vector, and the identities of its pictures, which are left out of the results.
pub(super) struct Asked {
    pub(super) vector: Vector,
    pub(super) items: Vec<Item>,
    pub(super) contents: Vec<Fingerprint>,
}

/// The identities of the pictures in an expression.
#[derive(Default)]
struct Pictures {
    items: Vec<Item>,
    contents: Vec<Fingerprint>,
}

impl Search<'_> {
    /// The weighted sum of the parts' unit vectors.
    pub(super) fn ask(&self, expression: &Expression) -> Result<Asked, EngineError> {
        let (mut parts, mut pictures) = (Vec::new(), Pictures::default());
        for term in expression.terms() {
            let vector = match &term.source {
                Source::Text(text) => self.engine.text()?.encode_query(text)?,
                Source::Picture(path) => self.picture(path, &mut pictures)?,
                Source::Bytes(bytes) => self.content("the picture".as_ref(), bytes.into(), &mut pictures)?,
                Source::Photo(id) => self.photo(*id, &mut pictures)?,
            };
            parts.push((term.weight, vector));
        }
        let Pictures { items, contents } = pictures;
        Ok(Asked { vector: sum(&parts).ok_or(EngineError::CancelsOut)?, items, contents })
    }

    /// The vector of a picture file. If the library has the unchanged file, neither the file nor the image tower is needed.
    fn picture(&self, path: &Path, pictures: &mut Pictures) -> Result<Vector, EngineError> {
        let unread = |error| refused(path, PictureError::File(error));
        let path = &canonicalize(path).map_err(unread)?;
        let item = Item::file(path.as_path());
        let file = File::open(path).map_err(unread)?;
        let stamp = Stamp::of(&file.metadata().map_err(unread)?);
        let stored = self.view.get(&item)?;
        pictures.items.push(item);
        if let Some(stored) = stored
            && let Some(photo) = stored.photo
            && let Some(vector) = stored.vector
            && photo.stamp.same_content(&stamp)
        {
            pictures.contents.extend(stored.content);
            return Ok(vector);
        }
        let bytes = read(file, &self.engine.limits).map_err(|error| refused(path, error))?;
        self.content(path, bytes.into(), pictures)
    }

    /// The vector of a photo of the library.
    fn photo(&self, id: Id, pictures: &mut Pictures) -> Result<Vector, EngineError> {
        pictures.contents.push(id.0);
        let known = self.view.of_content(&id.0, 1)?.pop();
        known.and_then(|stored| stored.vector).ok_or(EngineError::NoSuchPhoto { id })
    }

    /// The vector of a picture with this content; `name` is for error messages.
    fn content(
        &self,
        name: &Path,
        bytes: Cow<'_, [u8]>,
        pictures: &mut Pictures,
    ) -> Result<Vector, EngineError> {
        let content = fingerprint(&bytes);
        pictures.contents.push(content);
        let known = self.view.of_content(&content, 1)?.pop();
        if let Some(vector) = known.and_then(|stored| stored.vector) {
            return Ok(vector);
        }
        let preprocess = self.engine.model.preprocess();
        let picture = decode_in_time(bytes.into_owned(), &self.engine.limits, preprocess.detail())
            .map_err(|error| refused(name, error))?;
        Ok(self.engine.image()?.encode_image(preprocess.tensor(&picture))?)
    }
}

/// The direction of the weighted sum; `None` if the parts cancel out.
fn sum(parts: &[(f32, Vector)]) -> Option<Vector> {
    // Only the ratios of the weights matter. Scale them, because large weights could overflow in the sum.
    let greatest = parts.iter().map(|(weight, _)| weight.abs()).reduce(f32::max)?;
    let mut sum = vec![0.0; parts.first()?.1.dim()];
    for (weight, vector) in parts {
        sum.iter_mut().zip(vector.as_slice()).for_each(|(sum, x)| *sum += weight / greatest * x);
    }
    let length = sum.iter().map(|x| x * x).sum::<f32>().sqrt();
    if length < LEAST_LENGTH { None } else { Vector::normalized(sum).ok() }
}

fn refused(path: &Path, error: PictureError) -> EngineError {
    EngineError::Picture { path: path.to_owned(), error }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_cancel_out_only_if_nothing_remains() {
        #[track_caller]
        fn check(parts: &[(f32, [f32; 2])], expected: Option<[f32; 2]>) {
            let parts: Vec<_> =
                parts.iter().map(|(weight, x)| (*weight, Vector::normalized(x.to_vec()).unwrap())).collect();
            let expected = expected.map(|x| Vector::normalized(x.to_vec()).unwrap());
            let is_near = |(a, b): (Vector, Vector)| a.dot(&b) > 0.9999;
            match (sum(&parts), expected) {
                (None, None) => {}
                (Some(found), Some(expected)) => assert!(is_near((found, expected)), "{parts:?}"),
                (found, _) => panic!("{parts:?}: {found:?}"),
            }
        }
        let (x, y) = ([1.0, 0.0], [0.6, 0.8]);
        check(&[(1.0, x), (1.0, [0.0, 1.0])], Some([1.0, 1.0]));
        check(&[(1.0, x), (-0.5, x)], Some(x));
        check(&[(1.0, x), (-1.0, x)], None);
        // Rounding errors remain if equal parts are added and subtracted.
        check(&[(0.1, x), (0.7, y), (-0.7, y), (-0.1, x)], None);
        // Weights whose sum overflows, and tiny weights.
        check(&[(f32::MAX, x), (f32::MAX, x), (f32::MAX, x)], Some(x));
        check(&[(1e-30, x), (1e-30, y)], Some([0.8, 0.4]));
    }
}
