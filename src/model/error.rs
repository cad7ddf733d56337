//! What can be wrong with a model, and what to do about it.

use std::io;
use std::path::PathBuf;

use super::Device;
use crate::hint::Hint;

/// What can be wrong with a model or the runtime it needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the model cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: io::Error,
    },
    /// A folder that is of no known layout.
    #[error("{folder} holds no model that this version can read", folder = folder.display())]
    Unknown {
        /// The folder.
        folder: PathBuf,
    },
    /// A model without a tower of the precision asked for.
    #[error("{folder} has none of {files}", folder = folder.display(), files = looked_for.join(", "))]
    NoTower {
        /// Where it was looked for.
        folder: PathBuf,
        /// The files that would have served.
        looked_for: Vec<String>,
    },
    /// A model without a tokenizer.
    #[error("{folder} has none of {files}", folder = folder.display(), files = looked_for.join(", "))]
    NoTokenizer {
        /// Where it was looked for.
        folder: PathBuf,
        /// The files that would have served.
        looked_for: Vec<String>,
    },
    /// A file of the model is not what this version reads, or leaves something uncertain.
    #[error("{path}: {detail}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field, and what is wrong with it.
        detail: String,
    },
    /// A file is not the one the model was published with.
    #[error("{path} was altered: its sha256 is {found}, model.json states {expected}", path = path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// Its sha256.
        found: String,
        /// The stated one.
        expected: String,
    },
    /// No ONNX Runtime library anywhere.
    #[error("ONNX Runtime was not found (looked in {})", list(searched))]
    RuntimeMissing {
        /// Where it was looked for.
        searched: Vec<PathBuf>,
    },
    /// A library was found and does not serve.
    #[error("{path} does not serve as ONNX Runtime: {detail}", path = path.display())]
    RuntimeRefused {
        /// The library.
        path: PathBuf,
        /// What the loader said.
        detail: String,
    },
    /// The device asked for does not work here.
    #[error("cannot run on {device}: {detail}")]
    DeviceMissing {
        /// The device asked for.
        device: Device,
        /// What ONNX Runtime said.
        detail: String,
    },
    /// ONNX Runtime refuses a tower.
    #[error("cannot load {path}: {detail}", path = path.display())]
    Load {
        /// The ONNX file.
        path: PathBuf,
        /// What ONNX Runtime said.
        detail: String,
    },
    /// The tokenizer file cannot be used.
    #[error("cannot load {path}: {detail}", path = path.display())]
    Tokenizer {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        detail: String,
    },
    /// A text that the tokenizer cannot take.
    #[error("cannot tokenize {text:?}: {detail}")]
    Tokenize {
        /// The text.
        text: String,
        /// What the tokenizer said.
        detail: String,
    },
    /// A text that means nothing in the model's vocabulary.
    #[error("the model has no words for `{text}`")]
    NoWords {
        /// The text.
        text: String,
    },
    /// A tower failed while running, or its output is of the wrong shape.
    #[error("{path} failed: {detail}", path = path.display())]
    Inference {
        /// The ONNX file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
}

impl Hint for ModelError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            ModelError::Unknown { .. } => Some(
                "a model folder has `model.json`, Immich's `visual` and `textual`, Hugging Face's `onnx`, or \
                 `visual.onnx` with `text.onnx` or `textual.onnx`; `scripts/setup` installs the offline model",
            ),
            ModelError::NoTower { .. } => Some(
                "name another precision, or a folder with `vision_model` and `text_model` in one; a single `model.onnx` \
                 with both towers does not serve",
            ),
            ModelError::Missing { .. }
            | ModelError::NoTokenizer { .. }
            | ModelError::Altered { .. }
            | ModelError::Config { .. }
            | ModelError::Load { .. }
            | ModelError::Tokenizer { .. } => Some(
                "name a model folder that is whole with `--model DIR`; \
                 `scripts/setup --force` installs the offline model anew",
            ),
            ModelError::RuntimeMissing { .. } => {
                Some("run `scripts/setup`, or name the library file in ORT_DYLIB_PATH")
            }
            ModelError::RuntimeRefused { .. } => Some(
                "ONNX Runtime 1.24 or newer is needed: run `scripts/setup`, or name one in ORT_DYLIB_PATH",
            ),
            ModelError::DeviceMissing { .. } => {
                Some("use `--device cpu`, or name a CUDA build of ONNX Runtime in ORT_DYLIB_PATH")
            }
            ModelError::NoWords { .. } => Some(
                "ask in English, or change the library to a multilingual model with `imgsearch index --model`; \
                 `imgsearch models list` shows which there are",
            ),
            ModelError::Tokenize { .. } | ModelError::Inference { .. } => {
                Some("`imgsearch doctor` checks the model and the runtime")
            }
        };
        hint.map(str::to_owned)
    }
}

fn list(paths: &[PathBuf]) -> String {
    let mut text = String::new();
    for path in paths {
        let comma = if text.is_empty() { "" } else { ", " };
        text = format!("{text}{comma}{}", path.display());
    }
    text
}
