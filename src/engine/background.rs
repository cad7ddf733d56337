//! What a score is worth: how a photo scores against a background of unrelated prompts.
//!
//! A cosine by itself says little: some photos score high with whatever is asked, others with nothing. A few hundred
//! everyday concepts (`concepts.txt`) are each photo's background. A prompt's score is first measured in standard
//! deviations from their mean, `z`, and then asked how much better it explains the photo than they do on average:
//!
//! ```text
//! ratio = exp(1.5 z) ÷ mean over all concepts of exp(1.5 z of the concept)
//! ```
//!
//! That is a likelihood ratio for scores that are log-likelihoods up to a factor, as those of models trained with a
//! softmax are. `examples/cutoff.rs` measures what it is good for.

use imgsearch_index::{Space, Vector};

use crate::text_file;

/// One concept a line; lines that begin with `#` are headings.
pub(super) const CONCEPTS: &str = include_str!("concepts.txt");

/// How much likelier, in powers of e, one standard deviation more makes a prompt. It was chosen with the first offline
/// model; `examples/cutoff.rs` measures what it is good for with any.
const SHARPNESS: f32 = 1.5;

/// A prompt that explains a photo so many times as well as the background does is as likely right as wrong. It was
/// chosen with the first offline model, and on queries that `examples/cutoff.rs` still has.
const EVEN_ODDS: f32 = 40.0;

const MAGIC: &[u8; 8] = b"imgback1";

/// The concepts' vectors in one model's space.
pub(super) struct Background {
    vectors: Vec<Vector>,
}

/// What one photo's scores are measured against.
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
    /// The vectors must be those of [`concepts`].
    pub(super) fn new(vectors: Vec<Vector>) -> Background {
        Background { vectors }
    }

    /// The concepts' scores with a photo, summed up.
    pub(super) fn yardstick(&self, photo: &Vector) -> Yardstick {
        let scores: Vec<f32> = self.vectors.iter().map(|concept| concept.dot(photo)).collect();
        let mean = mean(scores.iter().copied());
        let deviation = mean_of(&scores, |score| (score - mean).powi(2)).sqrt().max(f32::MIN_POSITIVE);
        let evidence = mean_of(&scores, |score| (SHARPNESS * (score - mean) / deviation).exp());
        Yardstick { mean, deviation, evidence }
    }

    /// The bytes to keep: a magic number, a hash of all that the vectors depend on and of the vectors, and these.
    pub(super) fn encode(&self, space: &Space) -> Vec<u8> {
        let vectors: Vec<u8> =
            self.vectors.iter().flat_map(Vector::as_slice).flat_map(|x| x.to_le_bytes()).collect();
        [MAGIC.as_slice(), hash(space, &vectors).as_bytes(), &vectors].concat()
    }

    /// Reads what [`Background::encode`] wrote for this space and these concepts; `None` for anything else.
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
    /// How likely it is that a prompt with this score says what the photo shows, 0 to 1.
    pub(super) fn probability(&self, score: f32) -> f32 {
        let ratio = (SHARPNESS * (score - self.mean) / self.deviation).exp() / self.evidence;
        // For a ratio beyond all bounds the quotient would not be a number.
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
    fn what_is_kept_comes_back_for_the_same_model_only() {
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
    fn a_photo_that_scores_alike_with_everything_is_no_reason_to_fail() {
        let same = vec![Vector::normalized(vec![1.0, 0.0]).unwrap(); 3];
        let yardstick = Background::new(same).yardstick(&Vector::normalized(vec![0.0, 1.0]).unwrap());
        assert!(yardstick.probability(0.0).is_finite());
    }

    #[test]
    fn concepts_are_each_there_once() {
        let all: std::collections::BTreeSet<&str> = concepts().collect();
        assert_eq!(all.len(), concepts().count());
        assert!(all.len() > 400);
    }
}
