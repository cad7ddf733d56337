//! Reads CLIP-family model folders and computes vectors. It does not search and opens no photos.

mod batch;
mod class_token;
pub mod cuda;
mod device;
mod error;
mod fingerprint;
mod graph;
mod instant;
mod layout;
mod missing;
mod nvidia;
mod onnx;
mod ports;
mod preprocess;
mod prompt;
mod runtime;
mod session;
mod speed;
mod tokenizer;
mod tower;
mod version;

use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread::ScopedJoinHandle;
use std::{fs, io};

use imgsearch_index::{Space, SpaceError};

pub use device::Device;
pub use error::ModelError;
pub use layout::Layout;
pub use missing::PassedOver;
pub use nvidia::{Gpu, NoNvidia, Nvidia};
pub use preprocess::Preprocess;
pub use prompt::Prompt;
pub use runtime::Runtime;
pub use session::{ImageEncoder, TextEncoder};
pub use speed::{ImageSpeed, Speed};

pub(crate) use batch::{Ability, BATCH, BatchSize, Encode, Encoded};
pub(crate) use fingerprint::sha256_remembered;
pub(crate) use graph::Graph;

use instant::TowerCopy;
use layout::ModelConfig;
use tokenizer::Tokenizer;
use tower::Cut;

/// The precision of a model's weights, for models that come in several.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Precision {
    /// An image tower without quality loss (32 bits, or else 16) and a text tower that starts fast (8 bits).
    #[default]
    Auto,
    /// 32 bits.
    Fp32,
    /// 16 bits: half the size, and slower on most CPUs.
    Fp16,
    /// 8 bits: a quarter of the size, and faster; image towers lose some quality.
    Int8,
}

impl Precision {
    /// All precisions.
    pub const ALL: &[Precision] = &[Precision::Auto, Precision::Fp32, Precision::Fp16, Precision::Int8];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Precision::Auto => "auto",
            Precision::Fp32 => "fp32",
            Precision::Fp16 => "fp16",
            Precision::Int8 => "int8",
        }
    }

    /// The suffixes of image towers in Hugging Face's exports, best first.
    pub(crate) fn image_suffixes(self) -> &'static [&'static str] {
        match self {
            Precision::Auto => &["", "_fp16", "_int8", "_quantized", "_uint8"],
            Precision::Fp32 => &[""],
            Precision::Fp16 => &["_fp16"],
            Precision::Int8 => &["_int8", "_quantized", "_uint8"],
        }
    }

    /// The same for text towers.
    pub(crate) fn text_suffixes(self) -> &'static [&'static str] {
        match self {
            Precision::Auto => &["_int8", "_quantized", "_uint8", "", "_fp16"],
            Precision::Fp32 | Precision::Fp16 | Precision::Int8 => self.image_suffixes(),
        }
    }
}

/// Settings for running a model's towers.
#[derive(Clone, Debug)]
pub struct Execution {
    /// The precision of the weights.
    pub precision: Precision,
    /// How many dimensions of each vector to keep, from the first on; the rest is cut off. `None` for all.
    pub dim: Option<NonZeroUsize>,
    /// The caption template for queries; `None` for the model's own.
    pub prompt: Option<Prompt>,
    /// A cache folder for hashes of large files and copies of text towers. `None` for no cache.
    pub cache_folder: Option<PathBuf>,
    /// Where to look for the ONNX Runtime library, best first: files, or folders that may contain one.
    pub runtime_places: Vec<PathBuf>,
    /// The device of the image tower.
    pub device: Device,
    /// The number of threads for one tower.
    pub threads: usize,
}

/// A model folder whose configuration was read. Its towers and ONNX Runtime are loaded when first needed.
#[derive(Debug)]
pub struct Model {
    folder: PathBuf,
    config: ModelConfig,
    cut: Cut,
    space: Space,
    execution: Execution,
    runtime: OnceLock<Runtime>,
}

impl Model {
    /// Reads the folder's configuration without loading anything.
    ///
    /// # Errors
    /// [`ModelError::DimTooLarge`] if `execution.dim` is more than the model has; [`ModelError::Unknown`],
    /// [`ModelError::Missing`], [`ModelError::Config`] and others about the folder's files.
    pub fn open(folder: &Path, execution: Execution) -> Result<Model, ModelError> {
        let config = ModelConfig::read(folder, execution.precision)?;
        // Check all files now: the text tower is loaded only at the first query, long after indexing.
        for path in [config.image.file.as_path(), &config.text.file, config.text.vocabulary.path()] {
            fs::metadata(path).map_err(|source| ModelError::Missing { path: path.to_owned(), source })?;
        }
        let cut = Cut::new(&config, execution.dim)?;
        let id = space_id(&config, cut, execution.cache_folder.as_deref())?;
        let label = if cut.is_whole() { config.name.clone() } else { format!("{} ({cut})", config.name) };
        let space = Space::new(id, label, cut.to);
        let refused = |error: SpaceError| ModelError::Config {
            path: config.image.file.clone(),
            detail: error.to_string(),
        };
        let space = space.map_err(refused)?;
        Ok(Model { folder: folder.to_owned(), config, cut, space, execution, runtime: OnceLock::new() })
    }

    /// The model's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The precision in use.
    pub fn precision(&self) -> Precision {
        self.execution.precision
    }

    /// How many dimensions of its vectors are kept; `None` if all are.
    pub fn dim(&self) -> Option<NonZeroUsize> {
        self.execution.dim.filter(|_| !self.cut.is_whole())
    }

    /// A warning that cut vectors find less; `None` if nothing is cut, or if the model's files say that it was trained for it.
    pub fn cut_warning(&self) -> Option<String> {
        let Cut { from, to } = self.cut;
        let trained = &self.config.matryoshka;
        let name = &self.config.name;
        if self.cut.is_whole() || trained.contains(&to) {
            return None;
        }
        Some(if trained.is_empty() {
            format!(
                "`{name}` is not known to be trained for cut vectors (Matryoshka): it finds less with {to} of {from} \
                 dimensions"
            )
        } else {
            let list = trained.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("`{name}` was trained for {list} dimensions: it may find less with {to}")
        })
    }

    /// The folder's layout.
    pub fn layout(&self) -> Layout {
        self.config.layout
    }

    /// The space of its vectors.
    pub fn space(&self) -> &Space {
        &self.space
    }

    /// The factor for scores before softmax or sigmoid, if the model states it.
    pub fn logit_scale(&self) -> Option<f32> {
        self.config.logit_scale
    }

    /// The bias added to scaled scores before the sigmoid, if the model states one (SigLIP family).
    pub fn logit_bias(&self) -> Option<f32> {
        self.config.logit_bias
    }

    /// The folder for files that can be made again, if there is one.
    pub fn cache_folder(&self) -> Option<&Path> {
        self.execution.cache_folder.as_deref()
    }

    /// What the vectors of texts depend on besides [`Model::space`]: the text tower's file and the caption template. It
    /// changes if the file is replaced.
    pub fn text_key(&self) -> String {
        let text = &self.config.text;
        let metadata = fs::metadata(&text.file).ok();
        let size = metadata.as_ref().map_or(0, fs::Metadata::len);
        let modified = metadata.and_then(|metadata| metadata.modified().ok());
        let prompt = self.execution.prompt.unwrap_or(text.prompt);
        format!("{} {size} {modified:?} {prompt:?}", text.file.display())
    }

    /// Whether its folder also has an image tower with 16-bit weights, which is not used.
    pub fn has_unused_fp16(&self) -> bool {
        let half = ModelConfig::read(&self.folder, Precision::Fp16);
        half.is_ok_and(|half| half.image.file != self.config.image.file && half.image.file.is_file())
    }

    /// The preprocessing of pictures for [`ImageEncoder::encode_images`].
    pub fn preprocess(&self) -> Preprocess {
        Preprocess::new(self.config.image.preprocess.clone())
    }

    /// Loads the image tower.
    ///
    /// # Errors
    /// Any [`ModelError`] about the runtime, the device or the file.
    pub fn image_encoder(&self) -> Result<ImageEncoder, ModelError> {
        self.image_encoder_on(self.execution.threads)
    }

    /// Loads the image tower for this number of threads.
    ///
    /// # Errors
    /// As [`Model::image_encoder`].
    pub fn image_encoder_on(&self, threads: usize) -> Result<ImageEncoder, ModelError> {
        ImageEncoder::open(self.runtime()?, &self.config.image, self.cut, self.execution.device, threads)
    }

    /// Loads the image tower for a few pictures, as in queries: without a wish for a device it runs on the CPU, because a GPU
    /// takes seconds to start.
    ///
    /// # Errors
    /// As [`Model::image_encoder`].
    pub fn image_encoder_for_few(&self) -> Result<ImageEncoder, ModelError> {
        let Execution { device, threads, .. } = self.execution;
        let device = if device == Device::Auto { Device::Cpu } else { device };
        ImageEncoder::open(self.runtime()?, &self.config.image, self.cut, device, threads)
    }

    /// Loads the text tower, its tokenizer and ONNX Runtime in parallel. It is optimised for a fast start; to embed thousands
    /// of texts, it is faster without a `cache_folder`.
    ///
    /// # Errors
    /// Any [`ModelError`] about the runtime or the files.
    pub fn text_encoder(&self) -> Result<TextEncoder, ModelError> {
        let text = &self.config.text;
        std::thread::scope(|scope| {
            let tokenizer = scope.spawn(|| Tokenizer::read(text));
            let copy = scope.spawn(|| self.copy_of(&text.file));
            let runtime = self.runtime()?;
            let tower = instant::load_text(runtime, &text.file, self.execution.threads, join(copy))?;
            let prompt = self.execution.prompt.unwrap_or(text.prompt);
            TextEncoder::open(tower, text, self.cut, join(tokenizer)?, prompt)
        })
    }

    fn copy_of(&self, tower: &Path) -> Option<TowerCopy> {
        let library = Runtime::find(&self.execution.runtime_places)?;
        TowerCopy::find(self.execution.cache_folder.as_ref()?, tower, &library)
    }

    /// The ONNX Runtime that runs its towers.
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

    /// Compares every file's SHA-256, by `sha256_of`, with the one that the model states. Returns the number of files.
    ///
    /// # Errors
    /// [`ModelError::Missing`] or [`ModelError::Altered`] for the first wrong file.
    pub fn verify(&self, sha256_of: &dyn Fn(&Path) -> io::Result<String>) -> Result<usize, ModelError> {
        for (path, expected) in &self.config.sha256 {
            let found =
                sha256_of(path).map_err(|source| ModelError::Missing { path: path.clone(), source })?;
            if !found.eq_ignore_ascii_case(expected) {
                return Err(ModelError::Altered { path: path.clone(), found, expected: expected.clone() });
            }
        }
        Ok(self.config.sha256.len())
    }
}

fn join<T>(handle: ScopedJoinHandle<'_, T>) -> T {
    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// The identity of the vector space: a hash of the image tower, all preprocessing, and how vectors are cut.
///
/// If the model states a file's hash, that is used; `verify` checks it. Otherwise the file is hashed once, and the hash is
/// stored in `cache`.
fn space_id(config: &ModelConfig, cut: Cut, cache: Option<&Path>) -> Result<String, ModelError> {
    let mut hasher = blake3::Hasher::new();
    for path in [&config.image.file].into_iter().chain(&config.image.data) {
        let hash = config.sha256.get(path).cloned().map_or_else(|| sha256_remembered(path, cache), Ok);
        let hash = hash.map_err(|source| ModelError::Missing { path: path.clone(), source })?;
        hasher.update(hash.to_ascii_lowercase().as_bytes());
    }
    hasher.update(&config.preprocess_json());
    // Whole vectors have the identity that they had before there were others.
    if !cut.is_whole() {
        hasher.update(format!("first {}", cut.to).as_bytes());
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_space_depends_only_on_the_tower_the_preprocessing_and_the_cut() {
        let id_of = |from: &str, to: &str, dim| {
            let folder = tempfile::tempdir().unwrap();
            fs::write(folder.path().join("model.json"), layout::tests::OWN.replace(from, to)).unwrap();
            let config = ModelConfig::read(folder.path(), Precision::Auto).unwrap();
            let cut = Cut::new(&config, NonZeroUsize::new(dim)).unwrap();
            space_id(&config, cut, None).unwrap()
        };
        let id = |from: &str, to: &str| id_of(from, to, 0);
        let id_of_own = id("", "");
        assert_eq!(id_of_own, id("\"name\": \"n\"", "\"name\": \"other\""));
        assert_eq!(id_of_own, id("t.onnx", "u.onnx"));
        assert_ne!(id_of_own, id("ab", "cd"));
        assert_ne!(id_of_own, id("bicubic", "bilinear"));
        assert_eq!(id_of_own, id_of("", "", 4), "all that it makes");
        let cut = [1, 2, 3].map(|dim| id_of("", "", dim));
        assert!(!cut.contains(&id_of_own) && cut[0] != cut[1] && cut[1] != cut[2] && cut[0] != cut[2]);
    }
}
