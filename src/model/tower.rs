//! A tower as an ONNX Runtime session: tensors in, unit vectors out.
#![expect(unsafe_code, reason = "`ort` has no way to run one session on several threads")]

use std::ffi::CString;
use std::io;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};

use half::f16;
use imgsearch_index::{Vector, VectorError};
use memmap2::Mmap;
use ndarray::{Array2, ArrayViewD, Axis};
use ort::AsPointer;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::DynValue;

use super::ports::{Element, Embedding, Port};
use super::{Device, ModelError, Runtime, class_token, onnx};

/// One ONNX file whose inputs are known, and one of whose outputs is `[batch, embed_dim]`.
pub(super) struct Tower {
    loaded: Loaded,
    file: PathBuf,
    output: Embedding,
    embed_dim: usize,
    /// Held during a run on a device that does one thing at a time; not there where runs go side by side.
    one_at_a_time: Option<Mutex<()>>,
}

/// A session, and where it runs.
pub(super) struct Loaded {
    pub(super) session: Session,
    pub(super) device: Device,
    /// What the session reads its weights from, if it is not memory of its own; comes after it for that.
    pub(super) _content: Option<Mmap>,
}

impl Tower {
    /// The tower loaded from `file`; `inputs_of` says which of its inputs is what, or what is wrong with them.
    pub(super) fn open<T>(
        loaded: Loaded,
        file: &Path,
        embed_dim: usize,
        inputs_of: impl FnOnce(&[Port]) -> Result<T, String>,
    ) -> Result<(Tower, T), ModelError> {
        let refuse = |detail| ModelError::Config { path: file.to_owned(), detail };
        let (inputs, outputs) = Port::of_session(&loaded.session);
        let inputs = inputs_of(&inputs).map_err(refuse)?;
        let output = Embedding::of(&outputs).map_err(refuse)?;
        if let Some(dim) = output.dim.filter(|dim| *dim != embed_dim) {
            let name = &output.name;
            return Err(refuse(format!(
                "output `{name}` is {dim} numbers long, the model's vectors are {embed_dim}"
            )));
        }
        let one_at_a_time = (loaded.device != Device::Cpu).then(Mutex::default);
        Ok((Tower { loaded, file: file.to_owned(), output, embed_dim, one_at_a_time }, inputs))
    }

    /// For each of the `batch` rows of the embedding its unit vector, or why it is none. Any number of threads may run
    /// one tower: the weights are there once, and each run takes memory only for what it computes.
    pub(super) fn run(
        &self,
        inputs: &[(&str, SessionInputValue<'_>)],
        batch: usize,
    ) -> Result<Vec<Result<Vector, VectorError>>, ModelError> {
        let Tower { loaded, file, output, embed_dim, one_at_a_time } = self;
        let failed = |detail: String| ModelError::Inference { path: file.clone(), detail };
        // It guards no data, so a run that panicked leaves nothing half done.
        let turn = one_at_a_time.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let embedding = run(&loaded.session, inputs, &output.name);
        drop(turn);
        let array = embedding.and_then(|embedding| numbers(&embedding, output.element));
        let array = array.map_err(|error| failed(error.to_string()))?;
        if array.shape() != [batch, *embed_dim] {
            return Err(failed(format!("output is {:?}, expected [{batch}, {embed_dim}]", array.shape())));
        }
        Ok(array.axis_iter(Axis(0)).map(|row| Vector::normalized(row.to_vec())).collect())
    }

    pub(super) fn embed_dim(&self) -> usize {
        self.embed_dim
    }

    /// Where it really runs.
    pub(super) fn device(&self) -> Device {
        self.loaded.device
    }

    pub(super) fn failed(&self, detail: &dyn std::fmt::Display) -> ModelError {
        ModelError::Inference { path: self.file.clone(), detail: detail.to_string() }
    }
}

/// The output called `output` of one run.
///
/// [`Session::run`] does the same behind `&mut`, because not every execution provider bears runs side by side. The
/// CPU's does: "it can then be used in multiple threads" (onnxruntime issues 114 and 13571); on other devices
/// [`Tower::run`] lets one run at a time. `tests/it/model_goldens.rs` compares runs side by side with one after the other.
fn run(
    session: &Session,
    inputs: &[(&str, SessionInputValue<'_>)],
    output: &str,
) -> Result<DynValue, ort::Error> {
    let name = |name: &str| CString::new(name).map_err(|error| ort::Error::new(error.to_string()));
    let names = inputs.iter().map(|(of, _)| name(of)).collect::<Result<Vec<_>, _>>()?;
    let output = name(output)?;
    let name_pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let values: Vec<_> = inputs.iter().map(|(_, value)| value.ptr()).collect();
    let (session_ptr, options, mut made) = (session.ptr().cast_mut(), ptr::null(), ptr::null_mut());
    // SAFETY: names and values are as many as it is told and live until it returns; null options are the default ones;
    // one output is asked for, and there is room for one.
    let status = unsafe {
        (ort::api().Run)(
            session_ptr,
            options,
            name_pointers.as_ptr(),
            values.as_ptr(),
            values.len(),
            &output.as_ptr(),
            1,
            &raw mut made,
        )
    };
    // SAFETY: it is what a call into ONNX Runtime answered, and used only here.
    unsafe { ort::Error::result_from_status(status) }?;
    let made = NonNull::new(made).ok_or_else(|| ort::Error::new("no output"))?;
    // SAFETY: the run made it with the session's allocator, and nobody else has it.
    Ok(unsafe { DynValue::from_ptr(made, Some(session.allocator())) })
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
        if device == Device::Cpu
            && let Ok(session) = from_outline(runtime, file, threads)
        {
            return Ok(Loaded { session, device, _content: None });
        }
        // Whatever was wrong with its outline, the file itself loads or is the one to say why not.
        let builder = configured(runtime, threads).map_err(refuse)?;
        let session = with_provider(builder, device)?.commit_from_file(file).map_err(refuse)?;
        Ok(Loaded { session, device, _content: None })
    };
    if device != Device::Auto {
        return on(device);
    }
    let accelerators = Device::ALL.iter().filter(|device| device.provider().is_some());
    accelerators.copied().find_map(|device| on(device).ok()).map_or_else(|| on(Device::Cpu), Ok)
}

/// A session that maps its weights: ViT-B/32 of 32 bits is loaded in .51 instead of .84 s of CPU, and with two thirds of
/// the memory at the peak. Its answers are the same.
fn from_outline(runtime: &Runtime, file: &Path, threads: usize) -> Result<Session, ort::Error> {
    let refused = |error: io::Error| ort::Error::new(error.to_string());
    // ONNX Runtime follows no links out of the folder.
    let file = file.canonicalize().map_err(refused)?;
    let folder = file.parent().and_then(Path::to_str).ok_or_else(|| ort::Error::new("no folder"))?;
    let outline = onnx::outline(&file).map_err(refused)?;
    let session = |model: &[u8]| {
        configured(runtime, threads)?
            .with_config_entry("session.model_external_initializers_file_folder_path", folder)?
            .commit_from_memory(model)
    };
    let shorter = class_token::taken_early(&outline).ok().and_then(|model| session(&model).ok());
    shorter.map_or_else(|| session(&outline), Ok)
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
