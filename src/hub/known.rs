//! The recommended models. Values that are not known for certain are left out, not guessed.
//!
//! Dimensions and picture sizes come from open_clip's model configurations. Download sizes are what Hugging Face shows for
//! the files needed (for mobileclip-s0 and nllb-b16: for their towers). The digests of mobileclip-s0 and siglip2-b16 are
//! those that the programs Schist and Imchlite use to check the same files. A revision is pinned if its full commit hash is
//! known; `main` is resolved when it is pulled, and recorded in `pulled.json`. Operations are those of open_clip's
//! docs/model_profile.csv for the same image tower. siglip2-b32 has no row there; its value is computed as its ViT-B-32-256
//! with one token less and the pooling of its ViT-B-16-SigLIP.

use super::Precisions;
use crate::model::Precision;

/// The source of the figures in [`Known::recall`].
pub const RECALL_SOURCE: &str = "text-to-image recall on Crossmodal-3600 in %, mean of recall@1, @5 and @10, as \
    measured at fp32 by Immich (docs.immich.app, \"Searching\")";

/// The model to recommend to people who don't want to choose: small and fast, with a text tower that starts quickly.
pub const RECOMMENDED: &str = "clip-b32";

/// The model to recommend to people who find too little with the offline model.
pub const STRONGER: &str = "clip-b32-laion";

/// A recommended model.
#[derive(Debug)]
pub struct Known {
    /// Its name in imgsearch.
    pub name: &'static str,
    /// Its repository on Hugging Face.
    pub repo: &'static str,
    /// A commit, or `main`.
    pub revision: &'static str,
    /// The weights to download by default.
    pub precisions: Precisions,
    /// Path → SHA-256, if known.
    pub sha256: &'static [(&'static str, &'static str)],
    /// Side of its input pictures, in pixels.
    pub image_size: u32,
    /// Dimension of its vectors.
    pub embed_dim: u32,
    /// Operations of the image tower per picture, in billions, if known; see [`Speeds`](super::Speeds).
    pub gflops: Option<f32>,
    /// Size of the download in MB, if known.
    pub megabytes: Option<u32>,
    /// The languages of its text model.
    pub languages: &'static str,
    /// The licence of the weights, if known.
    pub license: Option<&'static str>,
    /// Recall by language code; see [`RECALL_SOURCE`].
    pub recall: &'static [(&'static str, f32)],
    /// What it is good for.
    pub suits: &'static str,
}

impl Known {
    /// The model of this name.
    pub fn named(name: &str) -> Option<&'static Known> {
        KNOWN.iter().find(|known| known.name == name)
    }
}

/// The defaults of [`Precision::Auto`]: fp32 for images, and int8 for texts if there is a choice.
const AUTO: Precisions = Precisions { image: Precision::Auto, text: Precision::Auto };

/// The quality loss of an int8 text tower is unmeasured for these models, so fp32 is used.
const EXACT: Precisions = Precisions { image: Precision::Auto, text: Precision::Fp32 };

/// From small to large, multilingual ones last.
pub const KNOWN: &[Known] = &[
    Known {
        name: "clip-b32",
        repo: "Xenova/clip-vit-base-patch32",
        revision: "4c1807b705b1d015fb032789cc4d221b23025a6f",
        precisions: AUTO,
        sha256: &[
            ("onnx/vision_model.onnx", "fd6e1402a588279d1723c7534d4bcba5bc0b14b47dfab0e46f8c47b8270d7d40"),
            (
                "onnx/text_model_quantized.onnx",
                "73baab855d406190da9faa498cfedf65f15cf309f4cc7385b7b032e6d08e5c3a",
            ),
        ],
        image_size: 224,
        embed_dim: 512,
        gflops: Some(8.82),
        megabytes: Some(419),
        languages: "English",
        license: Some("MIT"),
        recall: &[("en", 59.37)],
        suits: "any computer: OpenAI's ViT-B/32, small and quick to answer",
    },
    Known {
        name: "clip-b32-laion",
        repo: "immich-app/ViT-B-32__laion2b-s34b-b79k",
        revision: "927497311ca58ec911247a796e4ac5bb49efe4f0",
        precisions: AUTO,
        sha256: &[],
        image_size: 224,
        embed_dim: 512,
        gflops: Some(8.82),
        megabytes: Some(607),
        languages: "English",
        license: Some("MIT"),
        recall: &[("en", 68.78), ("de", 36.60)],
        suits: "any computer: better than clip-b32 at the same speed",
    },
    Known {
        name: "clip-b16",
        repo: "Xenova/clip-vit-base-patch16",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 224,
        embed_dim: 512,
        gflops: Some(35.13),
        megabytes: Some(412),
        languages: "English",
        license: Some("MIT"),
        recall: &[("en", 58.27), ("de", 20.83)],
        suits: "finer detail than clip-b32 at several times the work",
    },
    Known {
        name: "clip-l14",
        repo: "Xenova/clip-vit-large-patch14",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 224,
        embed_dim: 768,
        gflops: Some(162.03),
        megabytes: None,
        languages: "English",
        license: Some("MIT"),
        recall: &[("en", 60.12), ("de", 27.63)],
        suits: "when you need OpenAI's ViT-L/14",
    },
    Known {
        name: "mobileclip-s0",
        repo: "Xenova/mobileclip_s0",
        revision: "757d59c9c6870a76a4b0306f05f5061bca15c39f",
        precisions: EXACT,
        sha256: &[
            ("onnx/vision_model.onnx", "17d3c037b1d488c10c50e09f6009ea5a198caef4e0e8f4ea5617b7cb2d067ac0"),
            ("onnx/text_model.onnx", "f6e9bd5742bfc515889e901634d8a2ff2a57fab8564e4ad3760e800b1a51b77c"),
        ],
        image_size: 256,
        embed_dim: 512,
        gflops: None,
        megabytes: Some(215),
        languages: "English",
        license: Some("Apple AMLR"),
        recall: &[],
        suits: "slow computers, for research: the smallest image tower",
    },
    Known {
        name: "mobileclip-s2",
        repo: "Xenova/mobileclip_s2",
        revision: "main",
        precisions: EXACT,
        sha256: &[],
        image_size: 256,
        embed_dim: 512,
        gflops: None,
        megabytes: Some(399),
        languages: "English",
        license: Some("Apple AMLR"),
        recall: &[],
        suits: "slow computers, for research: a small image tower",
    },
    Known {
        name: "siglip-b16",
        repo: "Xenova/siglip-base-patch16-224",
        revision: "65a4a3071a821054207f0a80eaa35fb2ed6d46f0",
        precisions: EXACT,
        sha256: &[(
            "onnx/text_model.onnx",
            "3aa7fdbd20eaa8740cce17bf82913de641fcb632a768fed59f661cdcd0c32553",
        )],
        image_size: 224,
        embed_dim: 768,
        gflops: Some(35.42),
        megabytes: Some(815),
        languages: "English",
        license: Some("Apache-2.0"),
        recall: &[("en", 71.64), ("de", 75.19)],
        suits: "better answers at moderate size",
    },
    Known {
        name: "siglip2-b32",
        repo: "immich-app/ViT-B-32-SigLIP2-256__webli",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 256,
        embed_dim: 768,
        gflops: Some(11.5),
        megabytes: None,
        languages: "many",
        license: Some("Apache-2.0"),
        recall: &[("en", 73.15), ("de", 84.44), ("zh", 62.56), ("ar", 60.70)],
        suits: "the best answers for the time that indexing takes",
    },
    Known {
        name: "siglip2-b16",
        repo: "immich-app/ViT-B-16-SigLIP2__webli",
        revision: "main",
        precisions: AUTO,
        sha256: &[
            ("visual/model.onnx", "fee10c729875dd203d94f396ac3d664e301d39c977ef6d92e7f467a2a716f0b0"),
            ("textual/model.onnx", "fc9991b415d7d0fac7ed540e875fd08a647c8a1abba99f12542531b004c4b68f"),
        ],
        image_size: 224,
        embed_dim: 768,
        gflops: Some(35.42),
        megabytes: Some(1500),
        languages: "many",
        license: Some("Apache-2.0"),
        recall: &[("en", 75.19), ("de", 86.44), ("zh", 64.39), ("ar", 61.71)],
        suits: "the best English answers short of a very large model",
    },
    Known {
        name: "siglip2-l16",
        repo: "immich-app/ViT-L-16-SigLIP2-256__webli",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 256,
        embed_dim: 1024,
        gflops: Some(162.56),
        megabytes: None,
        languages: "many",
        license: Some("Apache-2.0"),
        recall: &[("en", 74.26), ("de", 88.82), ("zh", 66.10), ("ar", 66.89)],
        suits: "European languages, with a GPU or patience",
    },
    Known {
        name: "siglip2-so400m",
        repo: "immich-app/ViT-SO400M-16-SigLIP2-384__webli",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 384,
        embed_dim: 1152,
        gflops: None,
        megabytes: None,
        languages: "many",
        license: Some("Apache-2.0"),
        recall: &[("en", 75.09), ("de", 89.81), ("zh", 67.33), ("ar", 69.31)],
        suits: "the best answers in European languages, with a GPU",
    },
    Known {
        name: "xlmr-b32",
        repo: "immich-app/XLM-Roberta-Base-ViT-B-32__laion5b_s13b_b90k",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 224,
        embed_dim: 512,
        gflops: Some(8.82),
        megabytes: None,
        languages: "many",
        license: Some("MIT"),
        recall: &[("en", 68.33), ("de", 81.63), ("zh", 72.52), ("ar", 59.66)],
        suits: "many languages, Chinese above all, on any computer",
    },
    Known {
        name: "xlmr-h14",
        repo: "immich-app/XLM-Roberta-Large-ViT-H-14__frozen_laion5b_s13b_b90k",
        revision: "main",
        precisions: AUTO,
        sha256: &[],
        image_size: 224,
        embed_dim: 1024,
        gflops: Some(334.59),
        megabytes: None,
        languages: "many",
        license: Some("MIT"),
        recall: &[("en", 71.45), ("de", 87.19), ("zh", 77.19), ("ar", 66.52)],
        suits: "Chinese, with a GPU or patience",
    },
    Known {
        name: "nllb-b16",
        repo: "immich-app/nllb-clip-base-siglip__v1",
        revision: "fa45ecae1fa679685dc5b39b2b9cb8402aa3aac7",
        precisions: AUTO,
        sha256: &[],
        image_size: 384,
        embed_dim: 768,
        gflops: Some(112.13),
        megabytes: Some(2030),
        languages: "201",
        license: Some("CC-BY-NC-4.0"),
        recall: &[("en", 68.41), ("de", 84.81), ("zh", 72.65), ("ar", 73.19)],
        suits: "languages that no other model here knows",
    },
    Known {
        name: "nllb-so400m",
        repo: "immich-app/nllb-clip-large-siglip__v1",
        revision: "3b9f4148733a1a4eaa614adeefa0089e12d83b35",
        precisions: AUTO,
        sha256: &[],
        image_size: 384,
        embed_dim: 1152,
        gflops: Some(670.35),
        megabytes: None,
        languages: "201",
        license: Some("CC-BY-NC-4.0"),
        recall: &[("en", 71.19), ("de", 88.42), ("zh", 77.49), ("ar", 76.44)],
        suits: "the best answers in most languages, with a GPU",
    },
];

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;
    use crate::hub::Wanted;

    #[test]
    fn every_row_is_well_formed() {
        for known in KNOWN {
            let wanted = Wanted::parse(known.name, None, Precisions::default()).unwrap();
            assert_eq!((wanted.name.as_str(), wanted.id.repo.as_str()), (known.name, known.repo));
            for (file, sha256) in known.sha256 {
                assert!(matches!(Digest::parse(sha256), Some(Digest::Sha256(_))), "{file}");
            }
            assert!(known.recall.iter().all(|(_, recall)| (0.0..100.0).contains(recall)), "{}", known.name);
            assert_eq!(KNOWN.iter().filter(|other| other.name == known.name).count(), 1, "{}", known.name);
        }
        assert!(Known::named(RECOMMENDED).is_some_and(|known| known.megabytes.is_some()));
        let stronger = Known::named(STRONGER).unwrap();
        assert!(stronger.megabytes.is_some() && stronger.gflops.is_some() && stronger.license.is_some());
    }
}
