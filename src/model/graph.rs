//! Any ONNX graph with one input and one output of 32-bit numbers, on the CPU.

use std::path::{Path, PathBuf};

use ndarray::{Array4, ArrayViewD};
use ort::session::Session;
use ort::value::Tensor;

use super::ports::{Element, Port};
use super::tower::{configured, run};
use super::{ModelError, Runtime};

/// A loaded graph. Threads can share it: each run needs memory only for its own tensors.
pub(crate) struct Graph {
    session: Session,
    file: PathBuf,
    input: String,
    output: String,
}

impl Graph {
    /// Loads `file`, to be run by `threads` threads each time.
    ///
    /// # Errors
    /// [`ModelError::Missing`], [`ModelError::Load`], and [`ModelError::Config`] if it has other inputs or outputs.
    pub(crate) fn open(runtime: &Runtime, file: &Path, threads: usize) -> Result<Graph, ModelError> {
        let missing = |source| ModelError::Missing { path: file.to_owned(), source };
        std::fs::metadata(file).map_err(missing)?;
        // The sizes differ from picture to picture: plans of memory for each size seen would add up.
        let session = configured(runtime, threads)
            .and_then(|builder| builder.with_memory_pattern(false)?.commit_from_file(file));
        let refuse =
            |error: ort::Error| ModelError::Load { path: file.to_owned(), detail: error.to_string() };
        let session = session.map_err(refuse)?;
        let (inputs, outputs) = Port::of_session(&session);
        let ([input], [output]) = (inputs.as_slice(), outputs.as_slice()) else {
            let detail =
                format!("{} inputs and {} outputs, expected one of each", inputs.len(), outputs.len());
            return Err(ModelError::Config { path: file.to_owned(), detail });
        };
        if [input, output].iter().any(|port| port.element != Element::F32 || port.dims.len() < 3) {
            let detail = "its input and output are not tensors of 32-bit numbers".to_owned();
            return Err(ModelError::Config { path: file.to_owned(), detail });
        }
        let (input, output) = (input.name.clone(), output.name.clone());
        Ok(Graph { session, file: file.to_owned(), input, output })
    }

    /// What the file says under this key of its metadata.
    pub(crate) fn metadata(&self, key: &str) -> Option<String> {
        self.session.metadata().ok()?.custom(key)
    }

    /// Runs the graph, and returns what `read` makes of its output.
    ///
    /// # Errors
    /// [`ModelError::Inference`], also with the message of `read`.
    pub(crate) fn run<T>(
        &self,
        input: Array4<f32>,
        read: impl FnOnce(ArrayViewD<'_, f32>) -> Result<T, String>,
    ) -> Result<T, ModelError> {
        let failed = |error: ort::Error| self.failed(error.to_string());
        let tensor = Tensor::from_array(input).map_err(failed)?;
        let output =
            run(&self.session, &[(&self.input, tensor.into())], &self.output, None).map_err(failed)?;
        read(output.try_extract_array().map_err(failed)?).map_err(|detail| self.failed(detail))
    }

    fn failed(&self, detail: String) -> ModelError {
        ModelError::Inference { path: self.file.clone(), detail }
    }
}
