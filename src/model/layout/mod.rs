//! Reads the configuration of a model folder in any of several layouts.
//!
//! The layout is recognised by the files in the folder:
//!
//! | layout | sign | file |
//! |---|---|---|
//! | imgsearch's own | `model.json` | `own.rs` |
//! | Immich | `visual/model.onnx`, `textual/model.onnx` | `immich.rs` |
//! | transformers.js, Hugging Face ONNX | `onnx/vision_model*.onnx`, `onnx/text_model*.onnx` | `transformers.rs` |
//! | open_clip_inference | `visual.onnx`, `text.onnx` | `open_clip.rs` |
//! | rclip | `visual.onnx`, `textual.onnx` | `rclip.rs` |
//!
//! Nothing is assumed that no file states. If a setting is unclear, the error names the file and the field.

mod immich;
mod open_clip;
mod own;
mod rclip;
mod transformers;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::onnx::Graph;
use super::ports::{Embedding, PixelInput};
use super::tokenizer::{Clean, Vocabulary};
use super::{ModelError, Precision, Prompt};
use crate::text_file::{self, TextError};

/// The configuration of a model, with the names of open_clip and Hugging Face.
#[derive(Debug)]
pub(crate) struct ModelConfig {
    pub(crate) layout: Layout,
    pub(crate) name: String,
    pub(crate) embed_dim: usize,
    /// The dimensions that the model was trained to be cut to; empty if its files do not say.
    pub(crate) matryoshka: Vec<usize>,
    pub(crate) image: ImageConfig,
    pub(crate) text: TextConfig,
    /// The factor for scores before softmax or sigmoid, if stated.
    pub(crate) logit_scale: Option<f32>,
    /// The bias added to scaled scores before the sigmoid, if stated (SigLIP).
    pub(crate) logit_bias: Option<f32>,
    /// File → its stated SHA-256, in hexadecimal.
    pub(crate) sha256: BTreeMap<PathBuf, String>,
}

/// The layout of a model folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Layout {
    /// imgsearch's own layout, made by `scripts/export_clip.py` and `imgsearch setup`.
    Own,
    /// Immich's layout.
    Immich,
    /// The layout of transformers.js and Hugging Face's ONNX exports.
    Transformers,
    /// The layout of `open_clip_inference`.
    OpenClip,
    /// rclip's layout.
    Rclip,
}

impl Layout {
    /// Whether towers can come in several precisions.
    pub fn has_precisions(self) -> bool {
        self == Layout::Transformers
    }
}

impl fmt::Display for Layout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Layout::Own => "imgsearch",
            Layout::Immich => "Immich",
            Layout::Transformers => "transformers.js",
            Layout::OpenClip => "open_clip_inference",
            Layout::Rclip => "rclip",
        })
    }
}

/// An image tower and its preprocessing.
#[derive(Debug)]
pub(crate) struct ImageConfig {
    pub(crate) file: PathBuf,
    /// Files with external weights of the tower, ordered by name.
    pub(crate) data: Vec<PathBuf>,
    pub(crate) preprocess: PreprocessConfig,
}

/// The preprocessing of pictures for the image tower.
#[derive(Clone, Debug, PartialEq, Deserialize, Serialize)]
pub(crate) struct PreprocessConfig {
    /// Height, then width, in pixels.
    pub(crate) image_size: [u32; 2],
    pub(crate) resize_mode: ResizeMode,
    pub(crate) interpolation: Interpolation,
    /// Mean per channel, for pixels scaled to 0..1.
    pub(crate) mean: [f32; 3],
    pub(crate) std: [f32; 3],
    /// The padding value of `longest`, 0 to 255. If it is 0, it is not part of the identity, as before this field existed.
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
    /// Resize the short side to `image_size`, then crop the centre.
    Shortest,
    /// Resize both sides to `image_size`, ignoring the aspect ratio.
    Squash,
    /// Resize the long side to `image_size`, and pad the short one on both sides.
    Longest,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Interpolation {
    Bicubic,
    Bilinear,
}

/// A text tower and its preprocessing.
#[derive(Debug)]
pub(crate) struct TextConfig {
    pub(crate) file: PathBuf,
    pub(crate) vocabulary: Vocabulary,
    pub(crate) clean: Clean,
    /// The language token that NLLB's tokenizer puts in front of texts, such as `eng_Latn`.
    pub(crate) language: Option<String>,
    /// The default caption template for queries.
    pub(crate) prompt: Prompt,
    pub(crate) context_length: usize,
    pub(crate) padding: Padding,
    /// The padding token, also used if the graph has a fixed length.
    pub(crate) pad: Pad,
}

/// Whether short texts are padded to `context_length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Padding {
    /// The tower never looks past the end of a text (it has a causal mask, or a mask made from the ids). Padding would change
    /// nothing and cost up to five times the work.
    Needless,
    /// The tower was trained on padded texts and looks at all tokens.
    Needed,
}

/// The padding token.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Pad {
    Id(u32),
    /// By its spelling in the vocabulary.
    Token(String),
}

impl ModelConfig {
    /// Reads and checks the configuration in `folder`. If towers come in several precisions, `precision` selects.
    ///
    /// # Errors
    /// [`ModelError::Unknown`] if the layout is unknown, [`ModelError::Missing`] or [`ModelError::Config`] for a missing or
    /// wrong file.
    pub(crate) fn read(folder: &Path, precision: Precision) -> Result<ModelConfig, ModelError> {
        match layout_of(folder)? {
            Layout::Own => own::read(folder),
            Layout::Immich => immich::read(folder),
            Layout::Transformers => transformers::read(folder, precision),
            Layout::OpenClip => open_clip::read(folder),
            Layout::Rclip => rclip::read(folder),
        }
    }

    /// The preprocessing, in the form used for the identity of the vector space.
    pub(crate) fn preprocess_json(&self) -> Vec<u8> {
        serde_json::to_vec(&self.image.preprocess).expect("plain fields become JSON")
    }
}

fn layout_of(folder: &Path) -> Result<Layout, ModelError> {
    let has = |name: &str| folder.join(name).exists();
    if has("model.json") {
        Ok(Layout::Own)
    } else if has("visual/model.onnx") || has("textual/model.onnx") {
        Ok(Layout::Immich)
    } else if has("onnx") {
        Ok(Layout::Transformers)
    } else if has("visual.onnx") && has("text.onnx") {
        Ok(Layout::OpenClip)
    } else if has("visual.onnx") && has("textual.onnx") {
        Ok(Layout::Rclip)
    } else {
        // A folder that is missing or unreadable is a different error from an unknown layout.
        fs::read_dir(folder).map_err(|source| ModelError::Missing { path: folder.to_owned(), source })?;
        Err(ModelError::Unknown { folder: folder.to_owned() })
    }
}

/// Properties from an image tower's ONNX file. The configuration may omit them but must not contradict them.
struct ImageTower {
    /// Names of the input and of the output.
    input: String,
    output: String,
    embed_dim: Option<usize>,
    /// Height and width.
    size: [Option<usize>; 2],
    data: Vec<PathBuf>,
}

impl ImageTower {
    fn read(file: &Path) -> Result<ImageTower, ModelError> {
        let refuse = |detail| config_error(file, detail);
        let graph = Graph::read(file)?;
        let input = PixelInput::of(&graph.inputs).map_err(refuse)?;
        let embedding = Embedding::of(&graph.outputs).map_err(refuse)?;
        Ok(ImageTower {
            data: weights(file, &graph)?,
            input: input.name,
            output: embedding.name,
            embed_dim: embedding.dim,
            size: input.size,
        })
    }

    /// The embedding's dimension, from the graph or from `stated`. It is an error if they differ.
    fn embed_dim(&self, file: &Path, stated: Option<usize>) -> Result<usize, ModelError> {
        match (self.embed_dim, stated) {
            (Some(found), Some(stated)) if found != stated => Err(config_error(
                file,
                format!("its output has {found} dimensions, but the model's config says {stated}"),
            )),
            (Some(dim), _) | (None, Some(dim)) => Ok(dim),
            (None, None) => Err(config_error(file, "does not state the dimension of its output".to_owned())),
        }
    }
}

/// The files with external weights of `graph`, which was read from `file`. They must be beside it.
fn weights(file: &Path, graph: &Graph) -> Result<Vec<PathBuf>, ModelError> {
    let folder = file.parent().unwrap_or(Path::new(""));
    let beside = |name: &String| {
        let path = folder.join(plain(file, name)?);
        fs::metadata(&path).map_err(|source| ModelError::Missing { path: path.clone(), source })?;
        Ok(path)
    };
    graph.data.iter().map(beside).collect()
}

/// Checks that `name`, found in `file`, does not lead outside the file's folder.
fn plain<'a>(file: &Path, name: &'a str) -> Result<&'a str, ModelError> {
    let path = Path::new(name.strip_prefix("./").unwrap_or(name));
    if path.components().count() == 1 && !name.contains("..") {
        return Ok(name);
    }
    Err(config_error(file, format!("`{name}` is not a plain file name")))
}

fn config_error(path: &Path, detail: String) -> ModelError {
    ModelError::Config { path: path.to_owned(), detail }
}

/// Reads a JSON file. Errors name the missing or wrong field.
fn read_json<T: DeserializeOwned>(path: &Path) -> Result<T, ModelError> {
    let json = text_file::read(path).map_err(|error| match error {
        TextError::Io(source) => ModelError::Missing { path: path.to_owned(), source },
        TextError::Utf16 | TextError::NotUtf8 | TextError::TooLong { .. } => {
            config_error(path, error.to_string())
        }
    })?;
    serde_json::from_str(&json).map_err(|error| config_error(path, error.to_string()))
}

/// The folder's name, for models that don't state their own.
fn name_of(folder: &Path) -> String {
    let folder = folder.canonicalize().unwrap_or_else(|_| folder.to_owned());
    folder.file_name().map_or_else(|| "model".to_owned(), |name| name.to_string_lossy().into_owned())
}

impl PreprocessConfig {
    /// # Errors
    /// An error that names the invalid field; `path` is the file it was read from.
    fn checked(self, path: &Path) -> Result<PreprocessConfig, ModelError> {
        if !self.image_size.iter().all(|side| (1..=4096).contains(side)) {
            let detail = format!("`image_size` is {:?}, each side must be 1 to 4096", self.image_size);
            return Err(config_error(path, detail));
        }
        if self.std.iter().any(|std| !std.is_normal()) || self.mean.iter().any(|mean| !mean.is_finite()) {
            return Err(config_error(path, "`mean` and `std` must be finite and `std` not 0".to_owned()));
        }
        Ok(self)
    }

    /// Checks the size against the fixed size of an image tower.
    fn fits(self, path: &Path, tower: &ImageTower) -> Result<PreprocessConfig, ModelError> {
        for (stated, fixed) in self.image_size.iter().zip(tower.size) {
            if fixed.is_some_and(|fixed| fixed != *stated as usize) {
                let detail = format!(
                    "the image size is {:?}, but the image tower takes {:?}",
                    self.image_size, tower.size
                );
                return Err(config_error(path, detail));
            }
        }
        Ok(self)
    }
}

#[cfg(test)]
pub(super) mod tests;
