//! The devices on which a tower can run: the CPU, or those of ONNX Runtime's execution providers.

use std::fmt;

use ort::ep::{self, ArenaExtendStrategy, ExecutionProviderDispatch};
use ort::memory::{AllocationDevice, AllocatorType, MemoryInfo, MemoryType};

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

    /// The devices that [`Device::Auto`] tries before the CPU, in this order.
    pub fn accelerators() -> impl Iterator<Item = Device> {
        Device::ALL.iter().copied().filter(|device| device.provider().is_some())
    }

    /// The build of ONNX Runtime that it needs; `None` for the CPU, for which any will do.
    pub fn runtime(self) -> Option<&'static str> {
        match self {
            Device::Auto | Device::Cpu => None,
            Device::Cuda => Some("a build for CUDA, which `imgsearch setup --cuda` installs"),
            #[cfg(feature = "coreml")]
            Device::CoreMl => {
                Some("macOS and a build with CoreML, as the `onnxruntime` of PyPI for macOS is")
            }
            #[cfg(feature = "directml")]
            Device::DirectMl => {
                Some("Windows and a build with DirectML, as PyPI's `onnxruntime-directml` is")
            }
            #[cfg(feature = "openvino")]
            Device::OpenVino => Some("a build with OpenVINO, as PyPI's `onnxruntime-openvino` is"),
            #[cfg(feature = "rocm")]
            Device::Rocm => Some("Linux and a build with ROCm, as AMD's `onnxruntime-rocm` is"),
        }
    }

    /// The name of its execution provider in ONNX Runtime.
    pub(super) fn provider_name(self) -> &'static str {
        match self {
            Device::Auto | Device::Cpu => "CPUExecutionProvider",
            Device::Cuda => "CUDAExecutionProvider",
            #[cfg(feature = "coreml")]
            Device::CoreMl => "CoreMLExecutionProvider",
            #[cfg(feature = "directml")]
            Device::DirectMl => "DmlExecutionProvider",
            #[cfg(feature = "openvino")]
            Device::OpenVino => "OpenVINOExecutionProvider",
            #[cfg(feature = "rocm")]
            Device::Rocm => "ROCMExecutionProvider",
        }
    }

    /// The memory of the CPU that the device copies from and to fastest; `None` if there is no such memory.
    pub(super) fn fastest_memory(self) -> Option<MemoryInfo<'static>> {
        if self != Device::Cuda {
            return None;
        }
        // Pages that stay where they are: the GPU reads and writes them by itself, at twice the speed.
        MemoryInfo::new(AllocationDevice::CUDA_PINNED, 0, AllocatorType::Device, MemoryType::CPUInput).ok()
    }

    /// Its execution provider; `None` for the CPU, which needs none.
    pub(super) fn provider(self) -> Option<ExecutionProviderDispatch> {
        match self {
            Device::Auto | Device::Cpu => None,
            Device::Cuda => Some(cuda().build()),
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

/// CUDA with the options that suit batches of changing size, and a GPU that is not ours alone.
fn cuda() -> ep::CUDA {
    ep::CUDA::default()
        // The default tries all algorithms again for each size of a batch. Towers have few convolutions, mostly one.
        .with_conv_algorithm_search(ep::cuda::ConvAlgorithmSearch::Heuristic)
        // The default takes memory in powers of two: up to twice what is needed.
        .with_arena_extend_strategy(ArenaExtendStrategy::SameAsRequested)
        // 32-bit weights mean 32-bit results, as on a CPU. Towers with 16-bit weights are as fast as this would be.
        .with_tf32(false)
}

impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The names and values that ONNX Runtime gets (`onnxruntime_providers_options`).
    #[test]
    fn the_options_for_cuda_are_those_that_are_documented() {
        let options = format!("{:?}", cuda());
        for (name, value) in [
            ("use_tf32", "false"),
            ("arena_extend_strategy", "kSameAsRequested"),
            ("cudnn_conv_algo_search", "HEURISTIC"),
        ] {
            assert!(options.contains(&format!("{name:?}: {value:?}")), "no {name} = {value} in {options}");
        }
    }
}
