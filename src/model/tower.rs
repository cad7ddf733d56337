//! A tower as an ONNX Runtime session: tensors in, unit vectors out.

use std::path::{Path, PathBuf};

use half::f16;
use imgsearch_index::Vector;
use memmap2::Mmap;
use ndarray::{Array2, ArrayViewD, Axis};
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

use super::ports::{Element, Embedding, Port};
use super::{Device, ModelError, Runtime, heap};

/// One ONNX file whose inputs are known, and one of whose outputs is `[batch, embed_dim]`.
pub(super) struct Tower {
    session: Session,
    file: PathBuf,
    output: Embedding,
    embed_dim: usize,
    device: Device,
    /// Comes after the session, which reads it to its end.
    _content: Option<Mmap>,
}

/// A session, and where it runs.
pub(super) struct Loaded {
    pub(super) session: Session,
    pub(super) device: Device,
    /// What the session reads its weights from, if it is not memory of its own.
    pub(super) content: Option<Mmap>,
}

impl Tower {
    /// The tower loaded from `file`; `inputs_of` says which of its inputs is what, or what is wrong with them.
    pub(super) fn open<T>(
        loaded: Loaded,
        file: &Path,
        embed_dim: usize,
        inputs_of: impl FnOnce(&[Port]) -> Result<T, String>,
    ) -> Result<(Tower, T), ModelError> {
        let Loaded { session, device, content } = loaded;
        let refuse = |detail| ModelError::Config { path: file.to_owned(), detail };
        let (inputs, outputs) = Port::of_session(&session);
        let inputs = inputs_of(&inputs).map_err(refuse)?;
        let output = Embedding::of(&outputs).map_err(refuse)?;
        if let Some(dim) = output.dim.filter(|dim| *dim != embed_dim) {
            let name = &output.name;
            return Err(refuse(format!(
                "output `{name}` is {dim} numbers long, the model's vectors are {embed_dim}"
            )));
        }
        Ok((Tower { session, file: file.to_owned(), output, embed_dim, device, _content: content }, inputs))
    }

    /// One unit vector for each of the `batch` rows of the embedding.
    pub(super) fn run(
        &mut self,
        inputs: Vec<(&str, SessionInputValue<'_>)>,
        batch: usize,
    ) -> Result<Vec<Vector>, ModelError> {
        let Tower { session, file, output, embed_dim, .. } = self;
        let failed = |detail: String| ModelError::Inference { path: file.clone(), detail };
        let outputs = session.run(inputs).map_err(|error| failed(error.to_string()))?;
        let embedding = outputs.get(&output.name).ok_or_else(|| failed("no output".into()))?;
        let array = numbers(embedding, output.element).map_err(|error| failed(error.to_string()))?;
        if array.shape() != [batch, *embed_dim] {
            return Err(failed(format!("output is {:?}, expected [{batch}, {embed_dim}]", array.shape())));
        }
        let vector = |row: ndarray::ArrayView1<'_, f32>| {
            Vector::new(row.to_vec()).map_err(|error| failed(error.to_string()))
        };
        array.axis_iter(Axis(0)).map(vector).collect()
    }

    pub(super) fn embed_dim(&self) -> usize {
        self.embed_dim
    }

    /// Where it really runs.
    pub(super) fn device(&self) -> Device {
        self.device
    }

    pub(super) fn failed(&self, detail: &dyn std::fmt::Display) -> ModelError {
        ModelError::Inference { path: self.file.clone(), detail: detail.to_string() }
    }
}

/// The embedding in f32, whatever the graph computes in.
fn numbers(output: &DynValue, element: Element) -> Result<Array2<f32>, ort::Error> {
    let matrix = |array: ArrayViewD<'_, f32>| {
        array
            .into_dimensionality()
            .map(|array| array.to_owned())
            .map_err(|error| ort::Error::new(error.to_string()))
    };
    if element == Element::F16 {
        return matrix(output.try_extract_array::<f16>()?.mapv(f32::from).view());
    }
    matrix(output.try_extract_array::<f32>()?)
}

/// Loads `file` to run on `device`.
pub(super) fn load(
    runtime: &Runtime,
    file: &Path,
    device: Device,
    threads: usize,
) -> Result<Loaded, ModelError> {
    let refuse = |error: ort::Error| ModelError::Load { path: file.to_owned(), detail: error.to_string() };
    let on = |device: Device| {
        let builder = configured(runtime, threads).map_err(refuse)?;
        let session =
            heap::giving_back(|| with_provider(builder, device)?.commit_from_file(file).map_err(refuse))?;
        Ok(Loaded { session, device, content: None })
    };
    if device != Device::Auto {
        return on(device);
    }
    let accelerators = Device::ALL.iter().filter(|device| device.provider().is_some());
    accelerators.copied().find_map(|device| on(device).ok()).map_or_else(|| on(Device::Cpu), Ok)
}

/// What all sessions have in common.
pub(super) fn configured(runtime: &Runtime, threads: usize) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        // Threads that spin while they wait would take the cores that decode.
        .with_intra_op_spinning(false)?)
}

/// The device or an error: `ort` by itself would fall back to the CPU without a word.
fn with_provider(builder: SessionBuilder, device: Device) -> Result<SessionBuilder, ModelError> {
    let Some(provider) = device.provider() else { return Ok(builder) };
    builder
        .with_execution_providers([provider.error_on_failure()])
        .map_err(|error| ModelError::DeviceMissing { device, detail: error.to_string() })
}
