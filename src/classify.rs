//! Zero-shot classification: which of some labels fits a picture best?
//!
//! As in CLIP's own example, the picture and each label become vectors, and their cosines become probabilities.

use std::fs::File;
use std::path::Path;

use imgsearch_index::Vector;

use crate::decode::{Limits, PictureError, decode_in_time, read};
use crate::model::{ImageEncoder, Model, ModelError, Preprocess};

/// The `logit_scale` for models that don't state theirs. OpenAI's models were trained to this value, where it was clipped
/// (CLIP paper, 2.5).
const DEFAULT_LOGIT_SCALE: f32 = 100.0;

/// Classifies pictures with one model.
pub struct Classifier {
    image: ImageEncoder,
    preprocess: Preprocess,
    activation: Activation,
    labels: Vec<(String, Vector)>,
    limits: Limits,
}

/// A label, and how well it fits a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Fit {
    /// The label.
    pub label: String,
    /// How likely it is, 0 to 1.
    pub probability: f32,
    /// Cosine of the angle between picture and label.
    pub score: f32,
}

/// What makes probabilities of cosines.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Activation {
    /// Of labels of which one is right (CLIP): the softmax of `scale` × cosine. They add up to 1.
    Softmax {
        /// The model's logit scale.
        scale: f32,
    },
    /// Of each label by itself (SigLIP): the sigmoid of `scale` × cosine + `bias`.
    Sigmoid {
        /// The model's logit scale.
        scale: f32,
        /// The model's logit bias.
        bias: f32,
    },
}

impl Activation {
    /// The activation that the model was trained with, as far as it is stated.
    pub fn of(model: &Model) -> Activation {
        let scale = model.logit_scale().unwrap_or(DEFAULT_LOGIT_SCALE);
        model.logit_bias().map_or(Activation::Softmax { scale }, |bias| Activation::Sigmoid { scale, bias })
    }

    /// The probability for each cosine.
    pub fn apply(self, cosines: &[f32]) -> Vec<f32> {
        match self {
            Activation::Softmax { scale } => {
                // Subtract the greatest to avoid overflow; it cancels out.
                let greatest = cosines.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let parts: Vec<f32> =
                    cosines.iter().map(|cosine| (scale * (cosine - greatest)).exp()).collect();
                let sum: f32 = parts.iter().sum();
                parts.into_iter().map(|part| part / sum).collect()
            }
            Activation::Sigmoid { scale, bias } => {
                cosines.iter().map(|cosine| 1.0 / (1.0 + (-(scale * cosine + bias)).exp())).collect()
            }
        }
    }
}

impl Classifier {
    /// Loads both towers and embeds the labels.
    ///
    /// # Errors
    /// Any [`ModelError`].
    pub fn open(model: &Model, labels: &[String]) -> Result<Classifier, ModelError> {
        let text = model.text_encoder()?;
        let embed = |label: &String| Ok((label.clone(), text.encode_text(label)?));
        let labels = labels.iter().map(embed).collect::<Result<_, ModelError>>()?;
        let (image, preprocess) = (model.image_encoder()?, model.preprocess());
        Ok(Classifier {
            image,
            preprocess,
            activation: Activation::of(model),
            labels,
            limits: Limits::default(),
        })
    }

    /// The image tower, which knows its device.
    pub fn image_encoder(&self) -> &ImageEncoder {
        &self.image
    }

    /// Sets other limits for pictures than the default.
    #[must_use]
    pub fn with_limits(self, limits: Limits) -> Classifier {
        Classifier { limits, ..self }
    }

    /// How well each label fits the picture in `file`, best first.
    ///
    /// # Errors
    /// [`ClassifyError`].
    pub fn classify(&self, file: &Path) -> Result<Vec<Fit>, ClassifyError> {
        let file = File::open(file).map_err(PictureError::File)?;
        let picture = decode_in_time(read(file, &self.limits)?, &self.limits, self.preprocess.detail())?;
        let vector = self.image.encode_image(self.preprocess.tensor(&picture))?;
        let scores: Vec<f32> = self.labels.iter().map(|(_, label)| label.dot(&vector)).collect();
        let probabilities = self.activation.apply(&scores);
        let fits = self.labels.iter().zip(scores).zip(probabilities);
        let mut fits: Vec<Fit> = fits
            .map(|(((label, _), score), probability)| Fit { label: label.clone(), probability, score })
            .collect();
        fits.sort_by(|a, b| b.score.total_cmp(&a.score));
        Ok(fits)
    }
}

/// Why a picture was not classified.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ClassifyError {
    /// The file cannot be decoded.
    #[error(transparent)]
    Picture(#[from] PictureError),
    /// The model fails.
    #[error(transparent)]
    Model(#[from] ModelError),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probabilities_are_those_of_the_models_activation() {
        #[track_caller]
        fn check(activation: Activation, cosines: &[f32], expected: &[f32]) {
            let found = activation.apply(cosines);
            assert_eq!(found.len(), expected.len());
            for (found, expected) in found.iter().zip(expected) {
                assert!((found - expected).abs() < 1e-4, "{found} instead of {expected}");
            }
        }
        let clip = Activation::Softmax { scale: 100.0 };
        check(clip, &[0.25], &[1.0]);
        check(clip, &[0.2, 0.2], &[0.5, 0.5]);
        // 1 / (1 + e⁻¹)
        check(clip, &[0.25, 0.24], &[0.7311, 0.2689]);
        check(clip, &[1.0, -1.0], &[1.0, 0.0]);
        let siglip = Activation::Sigmoid { scale: 100.0, bias: -10.0 };
        check(siglip, &[0.1, 0.11, -1.0], &[0.5, 0.7311, 0.0]);
    }
}
