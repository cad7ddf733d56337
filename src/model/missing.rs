//! What to do if a device does not work.

use std::path::Path;

use super::{Device, ModelError, NoNvidia, Nvidia, nvidia};
use crate::hint::Hint;

/// A device that [`Device::Auto`] tried and that does not work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PassedOver {
    /// The device.
    pub device: Device,
    /// What this machine has, as far as that is known, and is not used: the name of the GPU, or of the device. `None` if
    /// nothing shows that there is one.
    pub gpu: Option<String>,
    /// Why it does not work.
    pub reason: String,
    /// What to do about it.
    pub hint: Option<String>,
}

impl PassedOver {
    pub(super) fn new(device: Device, error: &ModelError) -> PassedOver {
        let reason = if let ModelError::DeviceMissing { detail, .. } = error {
            detail.trim_end_matches(['.', ' ']).to_owned()
        } else if let ModelError::Cuda(error) = error {
            error.to_string()
        } else {
            error.to_string()
        };
        // Nobody makes a build for another device without having it.
        let passed_over = PassedOver { device, gpu: Some(device.to_string()), reason, hint: error.hint() };
        if device != Device::Cuda {
            return passed_over;
        }
        passed_over.of_nvidia(Nvidia::find(), nvidia::has_device_file(Path::new("/dev")))
    }

    /// With what is known of NVIDIA's GPUs. A driver that does not work is the first thing to mend.
    fn of_nvidia(self, found: Result<Nvidia, NoNvidia>, has_device_file: bool) -> PassedOver {
        let unknown = || Some("the NVIDIA GPU".to_owned());
        match found {
            Ok(Nvidia { gpus, .. }) => {
                PassedOver { gpu: gpus.into_iter().next().map(|gpu| gpu.name), ..self }
            }
            Err(NoNvidia::NoDriver) => PassedOver { gpu: has_device_file.then(unknown).flatten(), ..self },
            Err(error @ NoNvidia::Refused(_)) => {
                PassedOver { gpu: unknown(), reason: error.to_string(), hint: error.hint(), ..self }
            }
        }
    }
}

/// What to do about a device for which ONNX Runtime gave the reason `detail`.
pub(super) fn hint(device: Device, detail: &str) -> String {
    let what = match device {
        Device::Auto | Device::Cpu => "`imgsearch doctor` checks the runtime".to_owned(),
        Device::Cuda => cuda(detail),
        #[cfg(feature = "coreml")]
        Device::CoreMl => elsewhere(device),
        #[cfg(feature = "directml")]
        Device::DirectMl => elsewhere(device),
        #[cfg(feature = "openvino")]
        Device::OpenVino => elsewhere(device),
        #[cfg(feature = "rocm")]
        Device::Rocm => elsewhere(device),
    };
    format!("{what}; `--device cpu` works without")
}

/// What to do about CUDA. The texts are from ONNX Runtime's CUDA provider; others get a hint that holds for all.
fn cuda(detail: &str) -> String {
    let lower = detail.to_lowercase();
    let says = |texts: &[&str]| texts.iter().any(|text| lower.contains(text));
    let what = if says(&["not enabled in this build", "cannot open shared object", "which is missing"]) {
        "`imgsearch setup --cuda` installs a build of ONNX Runtime for CUDA with all libraries that it needs"
    } else if says(&["driver version is insufficient", "failure 35:"]) {
        "update NVIDIA's driver (`imgsearch doctor` shows its version)"
    } else if says(&["no cuda-capable device", "failure 100:"]) {
        "CUDA sees no NVIDIA GPU here; in a container, pass it on (`--gpus all`)"
    } else if is_out_of_memory(&lower) {
        "close other programs that use the GPU, or choose a smaller model"
    } else {
        "`imgsearch doctor` shows the driver, the GPU and the libraries"
    };
    what.to_owned()
}

/// Where a device works for which this project has no machine.
#[cfg(any(feature = "coreml", feature = "directml", feature = "openvino", feature = "rocm"))]
fn elsewhere(device: Device) -> String {
    let runtime = device.runtime().unwrap_or_default();
    format!(
        "{device} needs {runtime}: set ORT_DYLIB_PATH to its library (untested: please report how it went)"
    )
}

/// Whether ONNX Runtime's message says that there was too little memory. Its error codes do not: the allocators of all
/// devices report a general failure.
pub(super) fn is_out_of_memory(detail: &str) -> bool {
    let detail = detail.to_lowercase();
    MEMORY_MESSAGES.iter().any(|message| detail.contains(message))
}

/// From the allocators of ONNX Runtime, from CUDA, cuBLAS, cuDNN and HIP, and from Direct3D.
const MEMORY_MESSAGES: &[&str] = &[
    "failed to allocate memory",
    "out of memory",
    "outofmemory",
    "out_of_memory",
    "memoryallocation",
    "available memory of",
    "alloc_failed",
    "allocation_failed",
    "bad_alloc",
    "8007000e",
    "not enough memory",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_shows_that_there_is_a_gpu_is_worth_a_warning() {
        #[track_caller]
        fn check(found: Result<Nvidia, NoNvidia>, has_device_file: bool, gpu: Option<&str>, reason: &str) {
            let none = PassedOver { device: Device::Cuda, gpu: None, reason: "none".into(), hint: None };
            let told = none.of_nvidia(found, has_device_file);
            assert_eq!((told.gpu.as_deref(), told.reason.as_str()), (gpu, reason));
        }
        let nvidia = |gpus| Nvidia { driver: "580.65.06".into(), cuda: None, gpus };
        let gpu = super::super::Gpu { name: "Test Card".into(), memory: 8 << 30, free: 6 << 30 };
        check(Ok(nvidia(vec![gpu])), true, Some("Test Card"), "none");
        check(Ok(nvidia(vec![])), false, None, "none");
        check(Err(NoNvidia::NoDriver), false, None, "none");
        // A container that got the GPU, but not all of the driver's libraries.
        check(Err(NoNvidia::NoDriver), true, Some("the NVIDIA GPU"), "none");
        let mismatch = NoNvidia::Refused("version mismatch".into());
        check(
            Err(mismatch),
            false,
            Some("the NVIDIA GPU"),
            "the NVIDIA driver does not work: version mismatch",
        );
    }

    #[test]
    #[cfg(any(feature = "coreml", feature = "directml", feature = "openvino", feature = "rocm"))]
    fn a_device_that_the_build_was_made_for_is_worth_a_warning() {
        for device in Device::accelerators().filter(|device| *device != Device::Cuda) {
            let error = ModelError::DeviceMissing { device, detail: "not in this build. ".into() };
            let told = PassedOver::new(device, &error);
            assert_eq!(
                (told.gpu.as_deref(), told.reason.as_str()),
                (Some(device.name()), "not in this build")
            );
            assert!(told.hint.unwrap().contains("ORT_DYLIB_PATH"));
        }
    }

    #[test]
    fn the_hint_for_cuda_fits_the_reason() {
        #[track_caller]
        fn check(detail: &str, expected: &str) {
            let hint = hint(Device::Cuda, detail);
            assert!(hint.contains(expected), "{hint}");
            assert!(hint.ends_with("; `--device cpu` works without"), "{hint}");
        }
        check("CUDA execution provider is not enabled in this build. ", "setup --cuda");
        check(
            "Failed to load library libonnxruntime_providers_cuda.so with error: libcublasLt.so.13: cannot open shared \
             object file: No such file or directory",
            "setup --cuda",
        );
        check(
            "Error loading \"C:\\onnxruntime_providers_cuda.dll\" which depends on \"cudnn64_9.dll\" which is missing.",
            "setup --cuda",
        );
        check("CUDA failure 35: CUDA driver version is insufficient for CUDA runtime version", "driver");
        check("CUDA failure 100: no CUDA-capable device is detected ; GPU=-1", "sees no NVIDIA GPU");
        check("CUDA failure 2: out of memory ; GPU=0", "close other programs");
        check("something new", "`imgsearch doctor` shows");
    }

    #[test]
    fn only_messages_about_memory_mean_too_little_memory() {
        #[track_caller]
        fn check(detail: &str, expected: bool) {
            assert_eq!(is_out_of_memory(detail), expected, "{detail}");
        }
        check(
            "Non-zero status code returned while running MatMul node. Status Message: bfc_arena.cc:359 \
             AllocateRawInternal Failed to allocate memory for requested buffer of size 9437184",
            true,
        );
        check("bfc_arena.cc:376 Available memory of 0 is smaller than requested bytes of 16777216", true);
        check("CUDA failure 2: out of memory ; GPU=0 ; expr=cudaMalloc((void**)&p, size);", true);
        check("CUBLAS failure 3: CUBLAS_STATUS_ALLOC_FAILED ; GPU=0", true);
        check("CUDNN_STATUS_INTERNAL_ERROR_DEVICE_ALLOCATION_FAILED", true);
        check("CUDA failure 719: unspecified launch failure ; GPU=0", false);
        check("Got invalid dimensions for input: pixel_values", false);
    }
}
