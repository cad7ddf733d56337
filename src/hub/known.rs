//! The type of a recommended model. The rows are in `table.rs`.

use super::Precisions;
use super::table::KNOWN;

/// The source of the figures in [`Known::recall`].
pub const RECALL_SOURCE: &str = "text-to-image recall on Crossmodal-3600 in %, mean of recall@1, @5 and @10, as \
    measured at fp32 by Immich (docs.immich.app, \"Searching\")";

/// The model to recommend to people who don't want to choose: small and fast, with a text tower that starts quickly.
pub const RECOMMENDED: &str = "clip-b32";

/// The model to recommend to people who find too little with the offline model.
pub const STRONGER: &str = "clip-b32-laion";

/// Models trained with Matryoshka representation learning (arXiv 2205.13147), according to the pages of their checkpoints.
/// The lengths they were trained for are not known.
const MATRYOSHKA: &[&str] = &["nllb-b16-mrl", "nllb-so400m-mrl"];

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

    /// Whether it was trained for vectors that are cut to fewer dimensions.
    pub fn is_matryoshka(&self) -> bool {
        MATRYOSHKA.contains(&self.name)
    }
}

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
        assert!(MATRYOSHKA.iter().all(|name| Known::named(name).is_some_and(Known::is_matryoshka)));
        assert!(Known::named(RECOMMENDED).is_some_and(|known| known.megabytes.is_some()));
        let stronger = Known::named(STRONGER).unwrap();
        assert!(stronger.megabytes.is_some() && stronger.gflops.is_some() && stronger.license.is_some());
    }
}
