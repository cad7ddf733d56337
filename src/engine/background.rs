//! Calibrates scores: compares a photo's score with its scores for a background of unrelated prompts.
//!
//! A cosine by itself says little, because some photos score high with every query and others with none. So each photo is
//! also compared with a few hundred everyday concepts (`concepts.txt`). A prompt's score is first expressed in standard
//! deviations from their mean, `z`. Then it is compared with how well the concepts fit the photo on average:
//!
//! ```text
//! ratio = exp(1.5 z) ÷ mean over all concepts of exp(1.5 z of the concept)
//! ```
//!
//! This is a likelihood ratio if scores are log-likelihoods up to a factor, as in models trained with a softmax.
//! `examples/cutoff.rs` measures how well it works.

use imgsearch_index::{Space, Vector};

use crate::text_file;

/// One concept per line; lines that start with `#` are headings.
pub(super) const CONCEPTS: &str = include_str!("concepts.txt");

/// The change in log-likelihood per standard deviation. Chosen with the first offline model; `examples/cutoff.rs` measures
/// how well it works with any model.
const SHARPNESS: f32 = 1.5;

/// The likelihood ratio at which a label is right half the time. Chosen with the first offline model on the queries of
/// `examples/cutoff.rs`.
const EVEN_ODDS: f32 = 40.0;

const MAGIC: &[u8; 8] = b"imgback1";

/// The concepts' vectors in one model's space.
pub(super) struct Background {
    vectors: Vec<Vector>,
}

/// The reference for one photo's scores.
#[derive(Clone, Copy, Debug)]
pub(super) struct Yardstick {
    mean: f32,
    deviation: f32,
    /// The mean of exp([`SHARPNESS`] z) over the concepts.
    evidence: f32,
}

/// The concepts, without headings.
pub(super) fn concepts() -> impl Iterator<Item = &'static str> {
    text_file::entries(CONCEPTS)
}

impl Background {
    /// The vectors must be those of [`concepts`], in order.
    pub(super) fn new(vectors: Vec<Vector>) -> Background {
        Background { vectors }
    }

    /// The vectors of the concepts, in their order.
    pub(super) fn vectors(&self) -> &[Vector] {
        &self.vectors
    }

    /// Statistics of the concepts' scores with a photo.
    pub(super) fn yardstick(&self, photo: &Vector) -> Yardstick {
        let scores: Vec<f32> = self.vectors.iter().map(|concept| concept.dot(photo)).collect();
        let mean = mean(scores.iter().copied());
        let deviation = mean_of(&scores, |score| (score - mean).powi(2)).sqrt().max(f32::MIN_POSITIVE);
        let evidence = mean_of(&scores, |score| (SHARPNESS * (score - mean) / deviation).exp());
        Yardstick { mean, deviation, evidence }
    }

    /// The bytes to store: a magic number, a hash of the vectors and of everything they depend on, and the vectors.
    pub(super) fn encode(&self, space: &Space) -> Vec<u8> {
        let vectors: Vec<u8> =
            self.vectors.iter().flat_map(Vector::as_slice).flat_map(|x| x.to_le_bytes()).collect();
        [MAGIC.as_slice(), hash(space, &vectors).as_bytes(), &vectors].concat()
    }

    /// Reads the bytes of [`Background::encode`] for this space and these concepts; `None` for anything else.
    pub(super) fn decode(bytes: &[u8], space: &Space) -> Option<Background> {
        let (found, vectors) = bytes.strip_prefix(MAGIC)?.split_first_chunk::<32>()?;
        if hash(space, vectors) != *found {
            return None;
        }
        let numbers: Vec<f32> =
            vectors.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect();
        let vectors = numbers.chunks_exact(space.dim()).map(|numbers| Vector::normalized(numbers.to_vec()));
        vectors.collect::<Result<_, _>>().ok().map(Background::new)
    }
}

impl Yardstick {
    /// The probability, 0 to 1, that a prompt with this score describes the photo.
    pub(super) fn probability(&self, score: f32) -> f32 {
        let ratio = (SHARPNESS * (score - self.mean) / self.deviation).exp() / self.evidence;
        // Written this way, an infinite ratio gives 1 and not NaN.
        1.0 / (1.0 + EVEN_ODDS / ratio)
    }
}

fn hash(space: &Space, vectors: &[u8]) -> blake3::Hash {
    let mut hasher = blake3::Hasher::new();
    for part in [space.id().as_bytes(), CONCEPTS.as_bytes()] {
        hasher.update(&(part.len() as u64).to_le_bytes()).update(part);
    }
    hasher.update(vectors).finalize()
}

fn mean_of(scores: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    mean(scores.iter().map(|score| of(*score)))
}

#[expect(clippy::cast_precision_loss, reason = "there are a few hundred concepts")]
fn mean(numbers: impl ExactSizeIterator<Item = f32>) -> f32 {
    let count = numbers.len().max(1) as f32;
    numbers.sum::<f32>() / count
}

#[cfg(test)]
mod tests {
    use super::*;

    fn space() -> Space {
        Space::new("a", "A", 2).unwrap()
    }

    /// Unit vectors around a circle.
    fn background() -> Background {
        let at = |turn: f32| Vector::normalized(vec![turn.cos(), turn.sin()]).unwrap();
        Background::new((0..concepts().count()).map(|i| at(i as f32)).collect())
    }

    #[test]
    fn stored_vectors_are_read_only_for_the_same_model() {
        let bytes = background().encode(&space());
        let read = Background::decode(&bytes, &space()).unwrap();
        let near = |a: &Vector, b: &Vector| (a.dot(b) - 1.0).abs() < 1e-6;
        assert!(read.vectors.iter().zip(&background().vectors).all(|(a, b)| near(a, b)));
        assert!(Background::decode(&bytes, &Space::new("b", "B", 2).unwrap()).is_none());
        for cut in [0, 7, 20, 40, bytes.len() - 1] {
            assert!(Background::decode(&bytes[..cut], &space()).is_none());
        }
    }

    #[test]
    fn the_more_a_prompt_stands_out_the_likelier_it_is() {
        let yardstick = background().yardstick(&Vector::normalized(vec![1.0, 0.0]).unwrap());
        let probabilities = [-1.0, 0.0, 1.0, 3.0, 9.0, 1e30].map(|score| yardstick.probability(score));
        assert!(probabilities.is_sorted(), "{probabilities:?}");
        assert!(probabilities[0] >= 0.0 && (probabilities[5] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn a_photo_with_equal_scores_for_everything_does_not_fail() {
        let same = vec![Vector::normalized(vec![1.0, 0.0]).unwrap(); 3];
        let yardstick = Background::new(same).yardstick(&Vector::normalized(vec![0.0, 1.0]).unwrap());
        assert!(yardstick.probability(0.0).is_finite());
    }

    #[test]
    fn no_concept_is_repeated() {
        let all: std::collections::BTreeSet<&str> = concepts().collect();
        assert_eq!(all.len(), concepts().count());
        assert!(all.len() > 400);
    }
}
