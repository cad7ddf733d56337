//! The lines of `doctor` about GPUs.

use std::path::Path;

use anyhow::{Result, anyhow};
use imgsearch::Model;
use imgsearch::hint::Hint;
use imgsearch::model::cuda::{CudaVersion, Driver, Libraries, NEEDED, Place};
use imgsearch::model::{Device, Gpu, NoNvidia, Nvidia, PassedOver, Runtime};
use indicatif::BinaryBytes;

use crate::commands::models;
use crate::render::{Check, Wrong};

/// Where the image model runs, and why not on another device.
pub(super) fn device(model: &Model) -> Result<(Device, String)> {
    let encoder = model.image_encoder()?;
    let mut text = format!("the image model runs on {}", encoder.device());
    for passed_over in encoder.passed_over() {
        let PassedOver { device, gpu, reason, hint } = passed_over;
        text += &match (gpu, hint) {
            (Some(gpu), Some(hint)) => format!("; {gpu} is not used: {reason} ({hint})"),
            _ => format!("; not on {device}: {reason}"),
        };
    }
    Ok((encoder.device(), text))
}

/// What would make the model faster on the device in use.
pub(super) fn tip(device: Device, model: &Model) -> Option<String> {
    (device != Device::Cpu).then(|| models::lighter(model))?
}

/// All other lines about GPUs. `asked` is the device that the user asked for.
pub(super) fn checks(asked: Device, runtime: Option<&Runtime>) -> Vec<Check> {
    let others = Device::accelerators().filter(|device| *device != Device::Cuda);
    let others = others.map(|device| other(device, asked, runtime));
    let found = Nvidia::find();
    // Libraries are missed only by those who have a GPU, or think so.
    let are_needed = asked == Device::Cuda || found.as_ref().is_ok_and(|nvidia| !nvidia.gpus.is_empty());
    let libraries = runtime.map(|runtime| Libraries::beside(runtime.path()));
    let libraries = libraries.filter(|libraries| libraries.runtime().is_some());
    // Only what set-up installed needs just this driver and these libraries.
    let (of_setup, own): (Vec<_>, Vec<_>) = libraries.into_iter().partition(Libraries::are_of_setup);
    let needed = own.is_empty().then_some(NEEDED);
    let own = own.iter().map(|libraries| Check {
        what: "CUDA libraries",
        result: Ok(format!("those of your own ONNX Runtime in {}", libraries.folder().display())),
    });
    let of_setup = of_setup.iter().map(|libraries| cuda(&libraries.places(), libraries.folder(), are_needed));
    std::iter::once(nvidia(asked, needed, found)).chain(of_setup).chain(own).chain(others).collect()
}

/// The libraries of CUDA and cuDNN that set-up installed in `folder`, or left out because the system has them.
fn cuda(places: &[(&str, Place)], folder: &Path, are_needed: bool) -> Check {
    let names = |is_wanted: fn(&Place) -> bool| {
        let names: Vec<_> =
            places.iter().filter(|(_, place)| is_wanted(place)).map(|(name, _)| *name).collect();
        names.join(", ")
    };
    let [in_folder, in_system] =
        [names(|place| matches!(place, Place::Folder(_))), names(|place| *place == Place::System)];
    let missing = names(|place| matches!(place, Place::Missing(_)));
    let in_folder = Some(format!("in {}: {in_folder}", folder.display())).filter(|_| !in_folder.is_empty());
    let in_system = Some(format!("in the system: {in_system}")).filter(|_| !in_system.is_empty());
    let where_found = in_folder.into_iter().chain(in_system).collect::<Vec<_>>().join("; ");
    let result = match missing.is_empty() {
        true => Ok(where_found),
        false if are_needed => Err(Wrong {
            error: anyhow!("{missing} missing ({where_found})"),
            hint: Some("`imgsearch setup --cuda` installs them".to_owned()),
        }),
        false => Ok(format!("{missing} missing, which only a GPU needs ({where_found})")),
    };
    Check { what: "CUDA libraries", result }
}

/// NVIDIA's driver and GPUs. That there are none is wrong only for those who ask for CUDA. `needed` is the CUDA that the
/// driver must support, if that is known.
fn nvidia(asked: Device, needed: Option<CudaVersion>, found: Result<Nvidia, NoNvidia>) -> Check {
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
        Ok(nvidia) => {
            let version = |(major, minor)| Driver { cuda: CudaVersion { major, minor } };
            match nvidia.cuda.zip(needed).map(|(cuda, needed)| version(cuda).check(needed)) {
                Some(Err(error)) => {
                    Err(Wrong { hint: error.hint(), error: anyhow!("{}: {error}", describe(&nvidia)) })
                }
                Some(Ok(())) | None => Ok(describe(&nvidia)),
            }
        }
        Err(error @ NoNvidia::NoDriver) if !is_asked => Ok(error.to_string()),
        Err(error @ (NoNvidia::NoDriver | NoNvidia::Refused(_))) => {
            Err(Wrong { hint: error.hint(), error: error.into() })
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
    use imgsearch::model::{Execution, Precision};

    use super::*;

    #[track_caller]
    fn check(asked: Device, found: Result<Nvidia, NoNvidia>, expected: Result<&str, &str>) {
        let result = nvidia(asked, Some(NEEDED), found)
            .result
            .map_err(|wrong| format!("{}\n{:?}", wrong.error, wrong.hint));
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
            Ok(nvidia(vec![gpu.clone()])),
            Ok(
                "NVIDIA GeForce RTX 4090, 24.00 GiB of memory (23.00 GiB free), driver 580.65.06 for CUDA 13.0",
            ),
        );
        let old = Nvidia { cuda: Some((12, 4)), ..nvidia(vec![gpu]) };
        // A build of the user's own may be for that CUDA.
        assert!(super::nvidia(Device::Auto, None, Ok(old.clone())).result.is_ok());
        check(Device::Auto, Ok(old), Err("too old: it is made for CUDA 12.4"));
        check(Device::Auto, Ok(nvidia(vec![])), Ok("NVIDIA's driver 580.65.06 reports no GPU"));
        check(Device::Cuda, Ok(nvidia(vec![])), Err("--gpus all"));
        check(Device::Auto, Err(NoNvidia::NoDriver), Ok("no NVIDIA driver was found"));
        check(Device::Cuda, Err(NoNvidia::NoDriver), Err("install NVIDIA's driver"));
        let mismatch = NoNvidia::Refused("Driver/library version mismatch".into());
        check(Device::Auto, Err(mismatch), Err("restart the computer"));
    }

    #[test]
    #[cfg(any(feature = "coreml", feature = "directml", feature = "openvino", feature = "rocm"))]
    fn a_device_of_another_maker_says_which_onnx_runtime_it_needs() {
        for device in Device::accelerators().filter(|device| *device != Device::Cuda) {
            let needs = format!("it needs {}", device.runtime().unwrap());
            let Check { what, result } = other(device, Device::Auto, None);
            let expected = format!("not in this build of ONNX Runtime; {needs} (untested)");
            assert_eq!((what, result.ok()), (device.name(), Some(expected)));
            let Err(Wrong { error, hint }) = other(device, device, None).result else { panic!("not wrong") };
            assert_eq!(
                (error.to_string().as_str(), hint),
                ("not in this build of ONNX Runtime", Some(needs))
            );
        }
    }

    #[test]
    fn weights_of_16_bits_that_are_not_used_are_a_tip_for_a_gpu() {
        let goldens = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models/clip-transformers");
        let folder = tempfile::tempdir().unwrap();
        let copy = |from: &str, to: &str| std::fs::copy(goldens.join(from), folder.path().join(to)).unwrap();
        std::fs::create_dir(folder.path().join("onnx")).unwrap();
        for name in ["config.json", "preprocessor_config.json", "tokenizer.json", "tokenizer_config.json"] {
            copy(name, name);
        }
        copy("onnx/text_model.onnx", "onnx/text_model.onnx");
        copy("onnx/vision_model.onnx", "onnx/vision_model.onnx");
        let tip_on = |device, precision| {
            let execution = Execution {
                precision,
                dim: None,
                prompt: None,
                cache_folder: None,
                runtime_places: Vec::new(),
                device,
                threads: 1,
            };
            tip(device, &Model::open(folder.path(), execution).unwrap())
        };
        assert_eq!(tip_on(Device::Cuda, Precision::Auto), None);
        copy("onnx/vision_model.onnx", "onnx/vision_model_fp16.onnx");
        assert_eq!(
            tip_on(Device::Cuda, Precision::Auto),
            None,
            "both towers are needed for --precision fp16"
        );
        copy("onnx/text_model.onnx", "onnx/text_model_fp16.onnx");
        let found = tip_on(Device::Cuda, Precision::Auto).unwrap();
        assert!(
            found.contains(" also has 16-bit weights, ")
                && found.contains("`imgsearch index --precision fp16`")
        );
        assert_eq!(tip_on(Device::Cuda, Precision::Fp16), None, "they are used");
        assert_eq!(tip_on(Device::Cpu, Precision::Auto), None);
    }

    #[test]
    fn the_libraries_that_are_missing_are_named_to_those_who_need_them() {
        let places = [
            ("libcudart.so.13", Place::Folder("/data/cuda/libcudart.so.13".into())),
            ("libcublasLt.so.13", Place::Missing("no such file".into())),
            ("libcublas.so.13", Place::System),
        ];
        let folder = Path::new("/data/cuda");
        let Err(Wrong { error, hint }) = cuda(&places, folder, true).result else { panic!("not wrong") };
        let found = "in /data/cuda: libcudart.so.13; in the system: libcublas.so.13";
        assert_eq!(error.to_string(), format!("libcublasLt.so.13 missing ({found})"));
        assert!(hint.unwrap().contains("setup --cuda"));
        let expected = format!("libcublasLt.so.13 missing, which only a GPU needs ({found})");
        assert_eq!(cuda(&places, folder, false).result.ok(), Some(expected));
        let all = [places[0].clone(), places[2].clone()];
        assert_eq!(cuda(&all, folder, true).result.ok(), Some(found.to_owned()));
    }
}
