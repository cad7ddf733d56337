//! A CLIP-family model folder → vectors. Does no search and opens no photo.

mod layout;
mod preprocess;
mod runtime;
mod session;
mod tokenizer;
mod version;

use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use imgsearch_index::Space;
use sha2::{Digest, Sha256};

pub use preprocess::Preprocess;
pub use runtime::Runtime;
pub use session::{ImageEncoder, TextEncoder};

use layout::ModelConfig;
use tokenizer::Tokenizer;

/// Where the image tower is to run, or runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// CUDA where it works, else the CPU.
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU, or an error.
    Cuda,
}

impl std::fmt::Display for Device {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Device::Auto => "auto",
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
        })
    }
}

/// How a model's towers are run.
#[derive(Clone, Debug)]
pub struct Execution {
    /// Where to look for the ONNX Runtime library, best first: files, or folders that may hold one.
    pub runtime_places: Vec<PathBuf>,
    /// Where the image tower runs.
    pub device: Device,
    /// Threads of one tower.
    pub threads: usize,
}

/// A model folder that was read and understood. Its towers, and ONNX Runtime itself, are loaded when first asked for.
#[derive(Debug)]
pub struct Model {
    folder: PathBuf,
    config: ModelConfig,
    space: Space,
    execution: Execution,
    runtime: OnceLock<Runtime>,
}

impl Model {
    /// Reads what the folder says about itself; loads nothing.
    ///
    /// # Errors
    /// [`ModelError::Missing`] or [`ModelError::Config`].
    pub fn open(folder: &Path, execution: Execution) -> Result<Model, ModelError> {
        let config = ModelConfig::read(folder)?;
        let space = Space { id: config.space_id(folder)?, label: config.name.clone(), dim: config.embed_dim };
        Ok(Model { folder: folder.to_owned(), config, space, execution, runtime: OnceLock::new() })
    }

    /// The folder it was read from.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Identity of the vectors it makes.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// What is done to a picture before [`ImageEncoder::encode_images`].
    pub fn preprocess(&self) -> Preprocess {
        Preprocess::new(self.config.image.preprocess.clone())
    }

    /// Loads the image tower.
    ///
    /// # Errors
    /// Any [`ModelError`] about the runtime, the device or the file.
    pub fn image_encoder(&self) -> Result<ImageEncoder, ModelError> {
        let file = self.folder.join(&self.config.image.file);
        let Execution { device, threads, .. } = self.execution;
        ImageEncoder::open(self.runtime()?, &file, self.config.embed_dim, device, threads)
    }

    /// Loads the text tower and its tokenizer, side by side.
    ///
    /// # Errors
    /// Any [`ModelError`] about the runtime or the files.
    pub fn text_encoder(&self) -> Result<TextEncoder, ModelError> {
        let text = &self.config.text;
        let tokenizer = self.folder.join(&text.tokenizer);
        std::thread::scope(|scope| {
            let tokenizer = scope.spawn(|| Tokenizer::read(&tokenizer, text.context_length));
            let runtime = self.runtime()?;
            let tokenizer = tokenizer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
            let file = self.folder.join(&text.file);
            TextEncoder::open(runtime, &file, self.config.embed_dim, self.execution.threads, tokenizer)
        })
    }

    /// The ONNX Runtime its towers run in.
    ///
    /// # Errors
    /// As [`Runtime::load`].
    pub fn runtime(&self) -> Result<&Runtime, ModelError> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime);
        }
        let runtime = Runtime::load(&self.execution.runtime_places)?;
        Ok(self.runtime.get_or_init(|| runtime))
    }

    /// Compares every file with the sha256 that `model.json` states.
    ///
    /// # Errors
    /// [`ModelError::Missing`] or [`ModelError::Altered`] for the first file that is wrong.
    pub fn verify(&self) -> Result<(), ModelError> {
        for (path, expected) in self.config.stated_files(&self.folder) {
            let found =
                sha256_of(&path).map_err(|source| ModelError::Missing { path: path.clone(), source })?;
            if !found.eq_ignore_ascii_case(expected) {
                return Err(ModelError::Altered { path, found, expected: expected.to_owned() });
            }
        }
        Ok(())
    }
}

/// In lower-case hexadecimal.
fn sha256_of(path: &Path) -> io::Result<String> {
    let mut reader = BufReader::with_capacity(1 << 20, File::open(path)?);
    let mut hasher = Sha256::new();
    loop {
        let chunk = reader.fill_buf()?;
        if chunk.is_empty() {
            break;
        }
        hasher.update(chunk);
        let read = chunk.len();
        reader.consume(read);
    }
    Ok(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
}

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
    /// `model.json` is not what this version reads.
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
    /// A tower failed while running, or its output is of the wrong shape.
    #[error("{path} failed: {detail}", path = path.display())]
    Inference {
        /// The ONNX file.
        path: PathBuf,
        /// What went wrong.
        detail: String,
    },
}

impl ModelError {
    /// What to do next, where that is known.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            ModelError::Missing { .. }
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
            ModelError::Tokenize { .. } | ModelError::Inference { .. } => {
                Some("`imgsearch doctor` checks the model and the runtime")
            }
        }
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
