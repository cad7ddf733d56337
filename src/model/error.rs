//! Errors of models and of ONNX Runtime, with hints.

use std::io;
use std::path::PathBuf;

use super::cuda::CudaError;
use super::{Device, missing};
use crate::hint::Hint;

/// An error of a model or of the runtime it needs.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ModelError {
    /// A file of the model cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Missing {
        /// The file.
        path: PathBuf,
        /// The system's error.
        source: io::Error,
    },
    /// A folder with an unknown layout.
    #[error("{folder} has no model that this version can read", folder = folder.display())]
    Unknown {
        /// The folder.
        folder: PathBuf,
    },
    /// A model without a tower in the requested precision.
    #[error("{folder} has none of {files}", folder = folder.display(), files = looked_for.join(", "))]
    NoTower {
        /// The model's folder.
        folder: PathBuf,
        /// The files that were looked for.
        looked_for: Vec<String>,
    },
    /// A model without a tokenizer.
    #[error("{folder} has none of {files}", folder = folder.display(), files = looked_for.join(", "))]
    NoTokenizer {
        /// The model's folder.
        folder: PathBuf,
        /// The files that were looked for.
        looked_for: Vec<String>,
    },
    /// A config file of the model is invalid or incomplete, or needs a newer version.
    #[error("{path}: {detail}", path = path.display())]
    Config {
        /// The file.
        path: PathBuf,
        /// The field, and what is wrong with it.
        detail: String,
    },
    /// A file differs from the published one.
    #[error("{path} has changed: its sha256 is {found}, but model.json says {expected}", path = path.display())]
    Altered {
        /// The file.
        path: PathBuf,
        /// Its SHA-256.
        found: String,
        /// The SHA-256 in `model.json`.
        expected: String,
    },
    /// The user asked for more dimensions than the model's vectors have.
    #[error("the vectors of `{model}` have {found} dimensions, so they cannot be cut to {asked}")]
    DimTooLarge {
        /// The model's name.
        model: String,
        /// The dimensions of its vectors.
        found: usize,
        /// The dimensions that the user asked for.
        asked: usize,
    },
    /// No ONNX Runtime library was found.
    #[error("ONNX Runtime was not found (looked in {})", list(searched))]
    RuntimeMissing {
        /// The places searched.
        searched: Vec<PathBuf>,
    },
    /// A library was found but cannot be used.
    #[error("cannot use {path} as ONNX Runtime: {detail}", path = path.display())]
    RuntimeRefused {
        /// The library.
        path: PathBuf,
        /// The loader's message.
        detail: String,
    },
    /// The requested device does not work here.
    #[error("cannot run on {device}: {detail}")]
    DeviceMissing {
        /// The requested device.
        device: Device,
        /// ONNX Runtime's message.
        detail: String,
    },
    /// CUDA was requested and cannot be used.
    #[error("cannot run on cuda")]
    Cuda(#[source] CudaError),
    /// ONNX Runtime cannot load a tower.
    #[error("cannot load {path}: {detail}", path = path.display())]
    Load {
        /// The ONNX file.
        path: PathBuf,
        /// ONNX Runtime's message.
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
    /// The tokenizer fails on a text.
    #[error("cannot tokenize {text:?}: {detail}")]
    Tokenize {
        /// The text.
        text: String,
        /// The tokenizer's message.
        detail: String,
    },
    /// None of a text's words is in the model's vocabulary.
    #[error("the model has no words for `{text}`")]
    NoWords {
        /// The text.
        text: String,
    },
    /// The device has too little memory for the model or for a batch.
    #[error("{device} ran out of memory {}: {detail}", at_what(*batch))]
    OutOfMemory {
        /// The device.
        device: Device,
        /// The number of pictures in the batch; 0 if the model itself did not fit.
        batch: usize,
        /// ONNX Runtime's message.
        detail: String,
    },
    /// A tower failed while running, or its output has the wrong shape.
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
            ModelError::Cuda(error) => return error.hint(),
            ModelError::Unknown { .. } => Some(
                "a model folder has `model.json`, Immich's `visual` and `textual`, Hugging Face's `onnx`, or \
                 `visual.onnx` with `text.onnx` or `textual.onnx`; `imgsearch setup` installs the offline model",
            ),
            ModelError::NoTower { .. } => Some(
                "choose another precision, or a folder that has both `vision_model` and `text_model`; a single \
                 `model.onnx` with both towers does not work",
            ),
            ModelError::Missing { .. }
            | ModelError::NoTokenizer { .. }
            | ModelError::Altered { .. }
            | ModelError::Config { .. }
            | ModelError::Load { .. }
            | ModelError::Tokenizer { .. } => Some(
                "give a complete model folder with `--model DIR`; \
                 `imgsearch setup --force offline` installs the offline model again",
            ),
            ModelError::DimTooLarge { .. } => {
                Some("give a smaller `--dim`, or leave it out to keep all dimensions")
            }
            ModelError::RuntimeMissing { .. } => {
                Some("run `imgsearch setup`, or set ORT_DYLIB_PATH to the library file")
            }
            ModelError::RuntimeRefused { .. } => Some(
                "imgsearch needs ONNX Runtime 1.24 or newer: run `imgsearch setup`, or set ORT_DYLIB_PATH to one",
            ),
            ModelError::DeviceMissing { device, detail } => return Some(missing::hint(*device, detail)),
            ModelError::OutOfMemory { device: Device::Cpu, .. } => {
                Some("close other programs, or choose a smaller model")
            }
            ModelError::OutOfMemory { .. } => Some(
                "what was embedded is stored; close other programs that use the GPU and run the same command again, or \
                 use `--device cpu` or a smaller model",
            ),
            ModelError::NoWords { .. } => Some(
                "search in English, or change the library to a multilingual model with `imgsearch index --model`; \
                 `imgsearch models list` shows them",
            ),
            ModelError::Tokenize { .. } | ModelError::Inference { .. } => {
                Some("`imgsearch doctor` checks the model and the runtime")
            }
        };
        hint.map(str::to_owned)
    }
}

fn at_what(batch: usize) -> String {
    match batch {
        0 => "while loading the model".to_owned(),
        1 => "with one picture".to_owned(),
        _ => format!("with {batch} pictures at once"),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn running_out_of_memory_is_told_in_a_sentence() {
        let error = |device, batch| ModelError::OutOfMemory { device, batch, detail: "no more".into() };
        assert_eq!(error(Device::Cuda, 1).to_string(), "cuda ran out of memory with one picture: no more");
        assert_eq!(
            error(Device::Cuda, 8).to_string(),
            "cuda ran out of memory with 8 pictures at once: no more"
        );
        assert_eq!(
            error(Device::Cuda, 0).to_string(),
            "cuda ran out of memory while loading the model: no more"
        );
        assert!(error(Device::Cuda, 1).hint().unwrap().contains("--device cpu"));
        assert!(!error(Device::Cpu, 1).hint().unwrap().contains("--device"));
    }
}
