//! A model folder on disk → what it says about itself. Reads `model.json` and nothing else.
//!
//! Only imgsearch's own layout is read so far:
//!
//! ```text
//! model.json       what follows, in JSON
//! image.onnx       pixels f32 [batch, 3, height, width] → embeddings f32 [batch, embed_dim]
//! text.onnx        token ids i64 [batch, length] → embeddings f32 [batch, embed_dim]
//! tokenizer.json   Hugging Face tokenizers
//! ```

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ModelError;

/// The only `format` this version reads.
const FORMAT: u32 = 1;

/// A parsed `model.json`. Names are open_clip's and Hugging Face's.
#[derive(Debug, Deserialize)]
pub(crate) struct ModelConfig {
    format: u32,
    pub(crate) name: String,
    pub(crate) embed_dim: usize,
    pub(crate) image: ImageConfig,
    pub(crate) text: TextConfig,
    /// File name → sha256 of the file, in hexadecimal.
    pub(crate) sha256: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
pub(crate) struct ImageConfig {
    pub(crate) file: String,
    #[serde(flatten)]
    pub(crate) preprocess: PreprocessConfig,
}

/// What is done to a picture before the image tower sees it.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct PreprocessConfig {
    /// Height, then width, in pixels.
    pub(crate) image_size: [u32; 2],
    pub(crate) resize_mode: ResizeMode,
    pub(crate) interpolation: Interpolation,
    /// Per channel, for pixels scaled to 0..1.
    pub(crate) mean: [f32; 3],
    pub(crate) std: [f32; 3],
    /// What `longest` pads with, 0 to 255. Left out of the identity when it is 0, as it was before it existed.
    #[serde(default, skip_serializing_if = "is_black")]
    pub(crate) fill_color: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes fields by reference")]
fn is_black(fill_color: &u8) -> bool {
    *fill_color == 0
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ResizeMode {
    /// The short side becomes `image_size`, then the centre is cut out.
    Shortest,
    /// Both sides become `image_size`, whatever that does to the proportions.
    Squash,
    /// The long side becomes `image_size`, and the short one is padded on both sides.
    Longest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interpolation {
    Bicubic,
    Bilinear,
}

#[derive(Debug, Deserialize)]
pub(crate) struct TextConfig {
    pub(crate) file: String,
    pub(crate) tokenizer: String,
    pub(crate) context_length: usize,
}

impl ModelConfig {
    /// Reads and checks `folder/model.json`.
    pub(crate) fn read(folder: &Path) -> Result<ModelConfig, ModelError> {
        let path = folder.join("model.json");
        let json = fs::read(&path).map_err(|source| ModelError::Missing { path: path.clone(), source })?;
        let config: ModelConfig = serde_json::from_slice(&json)
            .map_err(|error| ModelError::Config { path: path.clone(), detail: error.to_string() })?;
        config.check().map_err(|detail| ModelError::Config { path, detail })?;
        Ok(config)
    }

    fn check(&self) -> Result<(), String> {
        if self.format != FORMAT {
            return Err(format!("`format` is {}, this version reads {FORMAT}", self.format));
        }
        if self.embed_dim == 0 || self.text.context_length < 2 {
            return Err("`embed_dim` and `text.context_length` must be greater".into());
        }
        let image = &self.image.preprocess;
        if !image.image_size.iter().all(|side| (1..=4096).contains(side)) {
            return Err(format!("`image.image_size` is {:?}, each side must be 1 to 4096", image.image_size));
        }
        if image.std.iter().any(|std| !std.is_normal()) || image.mean.iter().any(|mean| !mean.is_finite()) {
            return Err("`image.mean` and `image.std` must be finite and `std` not 0".into());
        }
        let names = [&self.image.file, &self.text.file, &self.text.tokenizer];
        match names.iter().find(|name| Path::new(name).components().count() != 1 || name.contains("..")) {
            Some(name) => Err(format!("`{name}` is not a plain file name")),
            None => Ok(()),
        }
    }

    /// Identity of the vector space: the image tower's content and everything done to a picture before it.
    ///
    /// The tower's hash is the one `model.json` states, not one computed here: hashing 350 MB on every start would
    /// cost more than the query. `doctor` compares the stated hash with the file.
    pub(crate) fn space_id(&self, folder: &Path) -> Result<String, ModelError> {
        let Some(tower) = self.sha256.get(&self.image.file) else {
            let detail = format!("`sha256` has no entry for `{}`", self.image.file);
            return Err(ModelError::Config { path: folder.join("model.json"), detail });
        };
        let preprocess = serde_json::to_vec(&self.image.preprocess).expect("plain fields become JSON");
        let mut hasher = blake3::Hasher::new();
        hasher.update(tower.to_ascii_lowercase().as_bytes()).update(&preprocess);
        Ok(hasher.finalize().to_hex()[..32].to_owned())
    }

    /// The files `model.json` names, with their stated sha256.
    pub(crate) fn stated_files<'a>(
        &'a self,
        folder: &'a Path,
    ) -> impl Iterator<Item = (PathBuf, &'a str)> + 'a {
        self.sha256.iter().map(|(name, sha256)| (folder.join(name), sha256.as_str()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"format": 1, "name": "n", "embed_dim": 4,
        "image": {"file": "i.onnx", "image_size": [8, 8], "resize_mode": "squash", "interpolation": "bicubic",
                  "mean": [0, 0, 0], "std": [1, 1, 1]},
        "text": {"file": "t.onnx", "tokenizer": "t.json", "context_length": 64}, "sha256": {"i.onnx": "ab"}}"#;

    fn read(json: &str) -> Result<ModelConfig, ModelError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("model.json"), json).unwrap();
        ModelConfig::read(folder.path())
    }

    #[test]
    fn what_cannot_be_right_is_refused_and_named() {
        #[track_caller]
        fn check(from: &str, to: &str, named: &str) {
            let error = read(&GOOD.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(named), "{error}");
        }
        check("\"format\": 1", "\"format\": 2", "`format` is 2");
        check("squash", "stretch", "stretch");
        check("[8, 8]", "[0, 8]", "image_size");
        check("[1, 1, 1]", "[1, 0, 1]", "std");
        check("t.onnx", "../t.onnx", "../t.onnx");
        check("\"name\": \"n\",", "", "name");
    }

    #[test]
    fn the_space_depends_on_the_tower_and_the_preprocessing_only() {
        let id = |json: &str| read(json).unwrap().space_id(Path::new("")).unwrap();
        assert_eq!(id(GOOD), id(&GOOD.replace("\"n\"", "\"other\"").replace("t.onnx", "u.onnx")));
        assert_ne!(id(GOOD), id(&GOOD.replace("ab", "cd")));
        assert_ne!(id(GOOD), id(&GOOD.replace("bicubic", "bilinear")));
    }
}
