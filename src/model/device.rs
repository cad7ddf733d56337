//! The devices on which a tower can run: the CPU, or those of ONNX Runtime's execution providers.

use std::fmt;

use ort::ep::{self, ExecutionProviderDispatch};

/// The device of the image tower.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Device {
    /// The first of the others that works; the CPU comes last.
    Auto,
    /// The CPU.
    Cpu,
    /// An NVIDIA GPU, or an error.
    Cuda,
    /// Apple's GPU and Neural Engine, or an error. Untested.
    #[cfg(feature = "coreml")]
    CoreMl,
    /// A GPU through Windows' DirectX 12, or an error. Untested.
    #[cfg(feature = "directml")]
    DirectMl,
    /// Intel's processors and GPUs, or an error. Untested.
    #[cfg(feature = "openvino")]
    OpenVino,
    /// An AMD GPU, or an error. Untested.
    #[cfg(feature = "rocm")]
    Rocm,
}

impl Device {
    /// All devices that this build supports.
    pub const ALL: &[Device] = &[
        Device::Auto,
        Device::Cpu,
        Device::Cuda,
        #[cfg(feature = "coreml")]
        Device::CoreMl,
        #[cfg(feature = "directml")]
        Device::DirectMl,
        #[cfg(feature = "openvino")]
        Device::OpenVino,
        #[cfg(feature = "rocm")]
        Device::Rocm,
    ];

    /// The name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Device::Auto => "auto",
            Device::Cpu => "cpu",
            Device::Cuda => "cuda",
            #[cfg(feature = "coreml")]
            Device::CoreMl => "coreml",
            #[cfg(feature = "directml")]
            Device::DirectMl => "directml",
            #[cfg(feature = "openvino")]
            Device::OpenVino => "openvino",
            #[cfg(feature = "rocm")]
            Device::Rocm => "rocm",
        }
    }

    /// Its execution provider; `None` for the CPU, which needs none.
    pub(super) fn provider(self) -> Option<ExecutionProviderDispatch> {
        match self {
            Device::Auto | Device::Cpu => None,
            Device::Cuda => Some(ep::CUDA::default().build()),
            #[cfg(feature = "coreml")]
            Device::CoreMl => Some(ep::CoreML::default().build()),
            #[cfg(feature = "directml")]
            Device::DirectMl => Some(ep::DirectML::default().build()),
            #[cfg(feature = "openvino")]
            Device::OpenVino => Some(ep::OpenVINO::default().build()),
            #[cfg(feature = "rocm")]
            Device::Rocm => Some(ep::ROCm::default().build()),
        }
    }
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
