//! Runs a tower as an ONNX Runtime session: tensors in, unit vectors out.
#![expect(unsafe_code, reason = "`ort` has no way to run one session on several threads")]

use std::ffi::CString;
use std::fmt;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::ptr::{self, NonNull};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use half::f16;
use imgsearch_index::Vector;
use memmap2::Mmap;
use ndarray::{Array2, ArrayViewD, Axis, s};
use ort::AsPointer;
use ort::memory::Allocator;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use ort::session::{Session, SessionInputValue};
use ort::value::{DynValue, PrimitiveTensorElementType, Tensor};

use super::batch::Encoded;
use super::layout::ModelConfig;
use super::missing::is_out_of_memory;
use super::ports::{Element, Embedding, Port};
use super::{Device, ModelError, PassedOver, Runtime, class_token, cuda, onnx};

/// A loaded ONNX file with known inputs and an output `[batch, embed_dim]`.
pub(super) struct Tower {
    loaded: Loaded,
    file: PathBuf,
    output: Embedding,
    cut: Cut,
    /// Locked during a run on devices that cannot run in parallel; `None` on others.
    one_at_a_time: Option<Mutex<()>>,
    /// Allocates memory for inputs and outputs: such that the device copies from and to fastest, or ordinary memory.
    memory: Mutex<Allocator>,
}

/// How a tower's output is cut: the first `to` of its `from` dimensions are kept, all of them by default. Models trained with
/// Matryoshka representation learning put the most important dimensions first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cut {
    pub(super) from: usize,
    pub(super) to: usize,
}

impl Cut {
    /// Keeps `dim` dimensions, or all.
    ///
    /// # Errors
    /// [`ModelError::DimTooLarge`].
    pub(super) fn new(config: &ModelConfig, dim: Option<NonZeroUsize>) -> Result<Cut, ModelError> {
        let from = config.embed_dim;
        let to = dim.map_or(from, NonZeroUsize::get);
        if to > from {
            return Err(ModelError::DimTooLarge { model: config.name.clone(), found: from, asked: to });
        }
        Ok(Cut { from, to })
    }

    pub(super) fn is_whole(self) -> bool {
        self.from == self.to
    }
}

impl fmt::Display for Cut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.to, self.from)
    }
}

/// A session and its device.
pub(super) struct Loaded {
    pub(super) session: Session,
    pub(super) device: Device,
    /// If the device was chosen by [`Device::Auto`]: the devices that were tried before.
    pub(super) passed_over: Vec<PassedOver>,
    /// The mapped file from which the session uses weights, if any. Declared after the session, so that it is dropped later.
    pub(super) _content: Option<Mmap>,
}

impl Loaded {
    pub(super) fn new(session: Session, device: Device) -> Loaded {
        Loaded { session, device, passed_over: Vec::new(), _content: None }
    }
}

impl Tower {
    /// Loads a tower from `file`. `inputs_of` identifies its inputs, or returns a message about what is wrong with them.
    pub(super) fn open<T>(
        loaded: Loaded,
        file: &Path,
        cut: Cut,
        inputs_of: impl FnOnce(&[Port]) -> Result<T, String>,
    ) -> Result<(Tower, T), ModelError> {
        let refuse = |detail| ModelError::Config { path: file.to_owned(), detail };
        let (inputs, outputs) = Port::of_session(&loaded.session);
        let inputs = inputs_of(&inputs).map_err(refuse)?;
        let output = Embedding::of(&outputs).map_err(refuse)?;
        if let Some(dim) = output.dim.filter(|dim| *dim != cut.from) {
            let name = &output.name;
            return Err(refuse(format!(
                "output `{name}` has {dim} dimensions, but the model's vectors have {}",
                cut.from
            )));
        }
        let one_at_a_time = (loaded.device != Device::Cpu).then(Mutex::default);
        let fastest = loaded.device.fastest_memory();
        let fastest = fastest.and_then(|memory| Allocator::new(&loaded.session, memory).ok());
        let memory = Mutex::new(fastest.unwrap_or_default());
        let file = file.to_owned();
        Ok((Tower { loaded, file, output, cut, one_at_a_time, memory }, inputs))
    }

    /// A new input or output of this shape. Its values are arbitrary.
    pub(super) fn new_tensor<T: PrimitiveTensorElementType + fmt::Debug>(
        &self,
        shape: &[usize],
    ) -> Result<Tensor<T>, ort::Error> {
        // The lock guards no data, so it is safe to continue after a panic.
        let allocator = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        // There is less of such memory than of ordinary memory.
        Tensor::new(&allocator, shape.to_vec())
            .or_else(|_| Tensor::new(&Allocator::default(), shape.to_vec()))
    }

    /// Runs the tower and returns the unit vector of each of the `batch` rows, or why it has none. Any number of threads can
    /// run one tower: they share the weights, and each run needs memory only for its own tensors.
    pub(super) fn run(
        &self,
        inputs: &[(&str, SessionInputValue<'_>)],
        batch: usize,
    ) -> Result<Encoded, ModelError> {
        let Tower { loaded, output, cut, one_at_a_time, .. } = self;
        let room = self.room(batch).map_err(|error| self.refused(&error, batch))?;
        // The lock guards no data, so it is safe to continue after a panic.
        let turn = one_at_a_time.as_ref().map(|turn| turn.lock().unwrap_or_else(PoisonError::into_inner));
        let begin = Instant::now();
        let embedding = run(&loaded.session, inputs, &output.name, room);
        let took = begin.elapsed();
        drop(turn);
        let array = embedding.and_then(|embedding| numbers(&embedding, output.element));
        let array = array.map_err(|error| self.refused(&error, batch))?;
        if array.shape() != [batch, cut.from] {
            let (found, expected) = (array.shape(), cut.from);
            return Err(self.failed(&format!("output is {found:?}, expected [{batch}, {expected}]")));
        }
        let kept = array.slice(s![.., ..cut.to]);
        let vectors = kept.axis_iter(Axis(0)).map(|row| Vector::normalized(row.to_vec())).collect();
        Ok(Encoded { vectors, took })
    }

    /// Room for the output of a batch; `None` if the graph does not say how many dimensions it has.
    fn room(&self, batch: usize) -> Result<Option<DynValue>, ort::Error> {
        let Some(dim) = self.output.dim else { return Ok(None) };
        let shape = [batch, dim];
        let is_half = self.output.element == Element::F16;
        Ok(Some(if is_half {
            self.new_tensor::<f16>(&shape)?.into_dyn()
        } else {
            self.new_tensor::<f32>(&shape)?.into_dyn()
        }))
    }

    /// The dimensions of its vectors.
    pub(super) fn dim(&self) -> usize {
        self.cut.to
    }

    /// The device in use.
    pub(super) fn device(&self) -> Device {
        self.loaded.device
    }

    pub(super) fn passed_over(&self) -> &[PassedOver] {
        &self.loaded.passed_over
    }

    /// Whether several batches run in parallel.
    pub(super) fn is_parallel(&self) -> bool {
        self.one_at_a_time.is_none()
    }

    pub(super) fn failed(&self, detail: &dyn fmt::Display) -> ModelError {
        let (path, device) = (self.file.clone(), self.device());
        let is_cpu = device == Device::Cpu;
        let detail = if is_cpu { detail.to_string() } else { format!("on {device}: {detail}") };
        ModelError::Inference { path, detail }
    }

    /// The error of a run with this many rows.
    pub(super) fn refused(&self, error: &ort::Error, batch: usize) -> ModelError {
        let detail = error.to_string();
        if is_out_of_memory(&detail) {
            return ModelError::OutOfMemory { device: self.device(), batch, detail };
        }
        self.failed(&detail)
    }
}

/// Runs a session once and returns the output `output`. It is written into `room`, which has its type and shape; without any,
/// ONNX Runtime makes room.
///
/// [`Session::run`] does the same but needs `&mut`, because not every execution provider supports parallel runs. The CPU's
/// does: "it can then be used in multiple threads" (onnxruntime issues 114 and 13571). On other devices [`Tower::run`] allows
/// only one run at a time. `tests/it/model_goldens.rs` compares parallel runs with sequential ones.
pub(super) fn run(
    session: &Session,
    inputs: &[(&str, SessionInputValue<'_>)],
    output: &str,
    room: Option<DynValue>,
) -> Result<DynValue, ort::Error> {
    let name = |name: &str| CString::new(name).map_err(|error| ort::Error::new(error.to_string()));
    let names = inputs.iter().map(|(of, _)| name(of)).collect::<Result<Vec<_>, _>>()?;
    let output = name(output)?;
    let name_pointers: Vec<_> = names.iter().map(|name| name.as_ptr()).collect();
    let values: Vec<_> = inputs.iter().map(|(_, value)| value.ptr()).collect();
    let (session_ptr, options) = (session.ptr().cast_mut(), ptr::null());
    let mut made = room.as_ref().map_or(ptr::null_mut(), |room| room.ptr().cast_mut());
    // SAFETY: the counts of names and values are right, and they live until it returns, like `room`; null options mean
    // defaults; one output is requested, and there is room for one: a value that nobody else has, or null.
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
    // SAFETY: the status was returned by ONNX Runtime and is used only here.
    unsafe { ort::Error::result_from_status(status) }?;
    if let Some(room) = room {
        return Ok(room);
    }
    let made = NonNull::new(made).ok_or_else(|| ort::Error::new("no output"))?;
    // SAFETY: the run allocated it with the session's allocator, and nobody else has it.
    Ok(unsafe { DynValue::from_ptr(made, Some(session.allocator())) })
}

/// The embedding as f32, whatever type the graph uses.
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
    let refuse_on = |device: Device, error: ort::Error| match error.to_string() {
        detail if is_out_of_memory(&detail) => ModelError::OutOfMemory { device, batch: 0, detail },
        _ => refuse(error),
    };
    let on = |device: Device| {
        if device == Device::Cpu
            && let Ok(session) = from_outline(runtime, file, threads)
        {
            return Ok(Loaded::new(session, device));
        }
        // If the outline does not work, try the file itself; its error is the one to report.
        let builder = configured(runtime, threads).map_err(refuse)?;
        let session = with_provider(builder, runtime, device)?.commit_from_file(file);
        Ok(Loaded::new(session.map_err(|error| refuse_on(device, error))?, device))
    };
    if device != Device::Auto {
        return on(device);
    }
    let mut passed_over = Vec::new();
    for accelerator in Device::accelerators() {
        match on(accelerator) {
            Ok(loaded) => return Ok(Loaded { passed_over, ..loaded }),
            Err(error) => passed_over.push(PassedOver::new(accelerator, &error)),
        }
    }
    Ok(Loaded { passed_over, ..on(Device::Cpu)? })
}

/// A session that maps its weights. A 32-bit ViT-B/32 then loads in 0.51 s of CPU time instead of 0.84 s, with two thirds of
/// the peak memory. The results are the same.
fn from_outline(runtime: &Runtime, file: &Path, threads: usize) -> Result<Session, ort::Error> {
    let refused = |error: io::Error| ort::Error::new(error.to_string());
    // ONNX Runtime does not follow links out of the folder.
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

/// The settings common to all sessions.
pub(super) fn configured(runtime: &Runtime, threads: usize) -> Result<SessionBuilder, ort::Error> {
    Ok(Session::builder(&runtime.environment)?
        .with_optimization_level(GraphOptimizationLevel::All)?
        .with_intra_threads(threads)?
        // Threads that spin while waiting would block cores needed for decoding.
        .with_intra_op_spinning(false)?)
}

/// Uses the device or fails: `ort` by itself would silently fall back to the CPU.
fn with_provider(
    builder: SessionBuilder,
    runtime: &Runtime,
    device: Device,
) -> Result<SessionBuilder, ModelError> {
    let Some(provider) = device.provider() else { return Ok(builder) };
    if device == Device::Cuda {
        cuda::prepare(runtime).map_err(ModelError::Cuda)?;
    }
    builder
        .with_execution_providers([provider.error_on_failure()])
        .map_err(|error| ModelError::DeviceMissing { device, detail: error.to_string() })
}
