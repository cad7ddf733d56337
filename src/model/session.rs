//! The two towers as ONNX Runtime sessions: tensors in, unit vectors out.

use std::path::{Path, PathBuf};

use imgsearch_index::Vector;
use ndarray::{Array2, Array3, Array4, Axis};
use ort::ep::CUDA;
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::value::TensorRef;

use super::tokenizer::Tokenizer;
use super::{Device, ModelError, Runtime};

/// The image tower.
pub struct ImageEncoder {
    tower: Tower,
}

impl ImageEncoder {
    pub(crate) fn open(
        runtime: &Runtime,
        file: &Path,
        embed_dim: usize,
        device: Device,
        threads: usize,
    ) -> Result<ImageEncoder, ModelError> {
        Ok(ImageEncoder { tower: Tower::open(runtime, file, embed_dim, device, threads)? })
    }

    /// One unit vector for each tensor of [`super::Preprocess::tensor`], in the same order.
    ///
    /// # Errors
    /// [`ModelError::Inference`] when ONNX Runtime fails or the output is not `[batch, embed_dim]` finite numbers.
    pub fn encode_images(&mut self, tensors: &[Array3<f32>]) -> Result<Vec<Vector>, ModelError> {
        let views: Vec<_> = tensors.iter().map(|tensor| tensor.view()).collect();
        let batch: Array4<f32> =
            ndarray::stack(Axis(0), &views).map_err(|error| self.tower.failed(&error))?;
        let input = TensorRef::from_array_view(&batch).map_err(|error| self.tower.failed(&error))?;
        self.tower.run(input.into(), tensors.len())
    }

    /// Where it really runs.
    pub fn device(&self) -> Device {
        self.tower.device
    }
}

/// The text tower with its tokenizer.
pub struct TextEncoder {
    tower: Tower,
    tokenizer: Tokenizer,
}

impl TextEncoder {
    pub(crate) fn open(
        runtime: &Runtime,
        file: &Path,
        embed_dim: usize,
        threads: usize,
        tokenizer: Tokenizer,
    ) -> Result<TextEncoder, ModelError> {
        // One sentence is milliseconds on a CPU; bringing a GPU up is seconds.
        let tower = Tower::open(runtime, file, embed_dim, Device::Cpu, threads)?;
        Ok(TextEncoder { tower, tokenizer })
    }

    /// The unit vector of `text`.
    ///
    /// # Errors
    /// [`ModelError::Tokenize`] or [`ModelError::Inference`].
    pub fn encode_text(&mut self, text: &str) -> Result<Vector, ModelError> {
        let ids = self.tokenizer.encode(text)?;
        // Not padded: the mask makes padding worthless here, and it costs up to five times the work.
        let ids = Array2::from_shape_vec((1, ids.len()), ids).map_err(|error| self.tower.failed(&error))?;
        let input = TensorRef::from_array_view(&ids).map_err(|error| self.tower.failed(&error))?;
        let mut vectors = self.tower.run(input.into(), 1)?;
        vectors.pop().ok_or_else(|| self.tower.failed(&"no output"))
    }
}

/// One ONNX file with one input and one `[batch, embed_dim]` output.
struct Tower {
    session: Session,
    file: PathBuf,
    embed_dim: usize,
    device: Device,
}

impl Tower {
    fn open(
        runtime: &Runtime,
        file: &Path,
        embed_dim: usize,
        device: Device,
        threads: usize,
    ) -> Result<Tower, ModelError> {
        let refuse =
            |error: ort::Error| ModelError::Load { path: file.to_owned(), detail: error.to_string() };
        let builder = || configured(runtime, threads).map_err(refuse);
        let on_cuda = || with_cuda(builder()?)?.commit_from_file(file).map_err(refuse);
        let on_cpu = || builder()?.commit_from_file(file).map_err(refuse);
        let (session, device) = match device {
            Device::Cpu => (on_cpu()?, Device::Cpu),
            Device::Cuda => (on_cuda()?, Device::Cuda),
            Device::Auto => match on_cuda() {
                Ok(session) => (session, Device::Cuda),
                Err(_) => (on_cpu()?, Device::Cpu),
            },
        };
        Ok(Tower { session, file: file.to_owned(), embed_dim, device })
    }

    fn run(
        &mut self,
        input: ort::session::SessionInputValue<'_>,
        batch: usize,
    ) -> Result<Vec<Vector>, ModelError> {
        let (file, embed_dim) = (self.file.clone(), self.embed_dim);
        let failed = |detail: String| ModelError::Inference { path: file.clone(), detail };
        let outputs = self.session.run([input]).map_err(|error| failed(error.to_string()))?;
        let output = outputs.values().next().ok_or_else(|| failed("no output".into()))?;
        let array = output.try_extract_array::<f32>().map_err(|error| failed(error.to_string()))?;
        if array.shape() != [batch, embed_dim] {
            return Err(failed(format!("output is {:?}, expected [{batch}, {embed_dim}]", array.shape())));
        }
        array
            .axis_iter(Axis(0))
            .map(|row| Vector::new(row.iter().copied().collect()).map_err(|error| failed(error.to_string())))
            .collect()
    }

    fn failed(&self, detail: &dyn std::fmt::Display) -> ModelError {
        ModelError::Inference { path: self.file.clone(), detail: detail.to_string() }
    }
}

fn configured(runtime: &Runtime, threads: usize) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        // Threads that spin while they wait would take the cores that decode.
        .with_intra_op_spinning(false)?)
}

/// CUDA or an error: `ort` by itself would fall back to the CPU without a word.
fn with_cuda(builder: SessionBuilder) -> Result<SessionBuilder, ModelError> {
    builder
        .with_execution_providers([CUDA::default().build().error_on_failure()])
        .map_err(|error| ModelError::DeviceMissing { device: Device::Cuda, detail: error.to_string() })
}
