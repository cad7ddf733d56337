//! The lines of `doctor` about GPUs.

use anyhow::{Result, anyhow};
use imgsearch::Model;
use imgsearch::model::{Device, Gpu, NoNvidia, Nvidia, PassedOver, Runtime};
use indicatif::BinaryBytes;

use crate::render::{Check, Wrong};

/// Where the image model runs, and why not on another device.
pub(super) fn device(model: &Model) -> Result<String> {
    let encoder = model.image_encoder()?;
    let mut text = format!("the image model runs on {}", encoder.device());
    for passed_over in encoder.passed_over() {
        let PassedOver { device, reason, hint } = passed_over;
        text += &match (passed_over.gpu(), hint) {
            (Some(gpu), Some(hint)) => format!("; {gpu} is not used: {reason} ({hint})"),
            _ => format!("; not on {device}: {reason}"),
        };
    }
    Ok(text)
}

/// All other lines about GPUs. `asked` is the device that the user asked for.
pub(super) fn checks(asked: Device, runtime: Option<&Runtime>) -> Vec<Check> {
    let others = Device::accelerators().filter(|device| *device != Device::Cuda);
    let others = others.map(|device| other(device, asked, runtime));
    std::iter::once(nvidia(asked, Nvidia::find())).chain(others).collect()
}

/// NVIDIA's driver and GPUs. That there are none is wrong only for those who ask for CUDA.
fn nvidia(asked: Device, found: Result<Nvidia, NoNvidia>) -> Check {
    let wrong = |error, hint: &str| Err(Wrong { error, hint: Some(hint.to_owned()) });
    let is_asked = asked == Device::Cuda;
    let result = match found {
        Ok(Nvidia { gpus, driver, .. }) if gpus.is_empty() => {
            let text = format!("NVIDIA's driver {driver} reports no GPU");
            if is_asked {
                wrong(anyhow!(text), "in a container, pass the GPU on (`--gpus all`)")
            } else {
                Ok(text)
            }
        }
        Ok(nvidia) => Ok(describe(&nvidia)),
        Err(error @ NoNvidia::NoDriver) if is_asked => {
            wrong(error.into(), "install NVIDIA's driver; in a container, pass the GPU on (`--gpus all`)")
        }
        Err(error @ NoNvidia::NoDriver) => Ok(error.to_string()),
        Err(error @ NoNvidia::Refused(_)) => {
            wrong(error.into(), "restart the computer if the driver was updated, or install the driver again")
        }
    };
    Check { what: "GPU", result }
}

fn describe(Nvidia { driver, cuda, gpus }: &Nvidia) -> String {
    let gpu = |Gpu { name, memory, free }: &Gpu| {
        format!("{name}, {} of memory ({} free)", BinaryBytes(*memory), BinaryBytes(*free))
    };
    let gpus: Vec<_> = gpus.iter().map(gpu).collect();
    let cuda = cuda.map_or_else(String::new, |(major, minor)| format!(" for CUDA {major}.{minor}"));
    format!("{}, driver {driver}{cuda}", gpus.join("; "))
}

/// A device that this project cannot test. That it does not work is wrong only for those who ask for it.
fn other(device: Device, asked: Device, runtime: Option<&Runtime>) -> Check {
    let is_in_build = runtime.is_some_and(|runtime| runtime.devices().contains(&device));
    let needs = format!("it needs {}", device.runtime().unwrap_or_default());
    let result = match is_in_build {
        true => Ok("in this build of ONNX Runtime (untested)".to_owned()),
        false if asked == device => {
            Err(Wrong { error: anyhow!("not in this build of ONNX Runtime"), hint: Some(needs) })
        }
        false => Ok(format!("not in this build of ONNX Runtime; {needs} (untested)")),
    };
    Check { what: device.name(), result }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(asked: Device, found: Result<Nvidia, NoNvidia>, expected: Result<&str, &str>) {
        let result =
            nvidia(asked, found).result.map_err(|wrong| format!("{}\n{:?}", wrong.error, wrong.hint));
        match (&result, expected) {
            (Ok(text), Ok(expected)) => assert_eq!(text, expected),
            (Err(text), Err(expected)) => assert!(text.contains(expected), "{text}"),
            _ => panic!("{result:?}"),
        }
    }

    #[test]
    fn driver_and_gpu_are_described_and_what_is_missing_has_a_hint() {
        let gpu = Gpu { name: "NVIDIA GeForce RTX 4090".into(), memory: 24 << 30, free: 23 << 30 };
        let nvidia = |gpus| Nvidia { driver: "580.65.06".into(), cuda: Some((13, 0)), gpus };
        check(
            Device::Auto,
            Ok(nvidia(vec![gpu])),
            Ok(
                "NVIDIA GeForce RTX 4090, 24.00 GiB of memory (23.00 GiB free), driver 580.65.06 for CUDA 13.0",
            ),
        );
        check(Device::Auto, Ok(nvidia(vec![])), Ok("NVIDIA's driver 580.65.06 reports no GPU"));
        check(Device::Cuda, Ok(nvidia(vec![])), Err("--gpus all"));
        check(Device::Auto, Err(NoNvidia::NoDriver), Ok("no NVIDIA driver was found"));
        check(Device::Cuda, Err(NoNvidia::NoDriver), Err("install NVIDIA's driver"));
        let mismatch = NoNvidia::Refused("Driver/library version mismatch".into());
        check(Device::Auto, Err(mismatch), Err("restart the computer"));
    }
}
