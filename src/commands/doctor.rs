//! `doctor`.

mod gpu;

use anyhow::Result;
use imgsearch::Model;
use imgsearch::decode::heif;
use imgsearch::digest::sha256_of;
use imgsearch::engine::check_space;
use imgsearch::model::{Device, Runtime};
use imgsearch::query::Filter;

use super::{Exit, existing, models, noted, open_model};
use crate::progress;
use crate::render::{Check, Output, Wrong, unless_reader_left};
use crate::settings::Settings;

pub(super) fn run(settings: &Settings) -> Result<Exit> {
    let (checks, gpu_tip) = checks(settings);
    let exit = if checks.iter().all(|check| check.result.is_ok()) { Exit::Done } else { Exit::Failed };
    let mut output = Output::new(settings.ui.look);
    let written = checks.iter().try_for_each(|check| output.check(check));
    let written = written.and_then(|()| output.tip(gpu_tip.as_deref()));
    let written = written.and_then(|()| output.tip(models::stronger(settings).as_deref()));
    unless_reader_left(written.and_then(|()| output.finish()))?;
    Ok(exit)
}

/// All checks, and a tip for the GPU in use.
fn checks(settings: &Settings) -> (Vec<Check>, Option<String>) {
    let check = |what, result: Result<String>| {
        let result = result.map_err(|error| Wrong { hint: progress::hint(&error), error });
        Check { what, result }
    };
    let model = open_model(settings, &noted(&settings.library).unwrap_or_default());
    match model {
        Ok(model) => {
            let device = gpu::device(&model);
            let tip = device.as_ref().ok().and_then(|(device, _)| gpu::tip(*device, &model));
            let mut checks = vec![
                check("ONNX Runtime", model.runtime().map_err(Into::into).map(describe)),
                check("model", check_model(&model)),
                check("device", device.map(|(_, text)| text)),
            ];
            checks.extend(gpu::checks(settings.execution().device, model.runtime().ok()));
            checks.extend([
                check("text", check_text(&model)),
                check_heif(),
                check("library", check_library(settings, Some(&model))),
            ]);
            (checks, tip)
        }
        Err(error) => {
            let runtime = Runtime::load(&settings.execution().runtime_places);
            let gpus = gpu::checks(settings.execution().device, runtime.as_ref().ok());
            let mut checks = vec![
                check("ONNX Runtime", runtime.map_err(Into::into).map(|runtime| describe(&runtime))),
                check("model", Err(error)),
                check("device", Ok("it cannot be told without a model".to_owned())),
            ];
            checks.extend(gpus);
            checks.extend([check_heif(), check("library", check_library(settings, None))]);
            (checks, None)
        }
    }
}

fn describe(runtime: &Runtime) -> String {
    let version = runtime.version().unwrap_or_else(|| "unknown version".to_owned());
    let devices: Vec<_> = runtime.devices().into_iter().map(Device::name).collect();
    format!("{version} at {}, a build for {}", runtime.path().display(), devices.join(", "))
}

fn check_model(model: &Model) -> Result<String> {
    let files = match model.verify(&sha256_of)? {
        0 => format!("in {}'s layout, which has no checksums", model.layout()),
        _ => "files as published".to_owned(),
    };
    let space = model.space();
    let folder = model.folder().display();
    Ok(format!("{}, {} dimensions, {files}, at {folder}", space.label(), space.dim()))
}

fn check_text(model: &Model) -> Result<String> {
    model.text_encoder()?.encode_text("a photo of a dog")?;
    Ok("the model understands texts".into())
}

fn check_heif() -> Check {
    let (heic, avif) = heif::versions();
    let result = match (heic.first(), avif.first()) {
        (None, _) => {
            let error = anyhow::anyhow!("no libheif found that can read HEIC, the format of iPhones");
            Err(Wrong {
                error,
                hint: Some("run `imgsearch setup heif`, or install your system's libheif".into()),
            })
        }
        (Some(heic), Some(avif)) => Ok(format!("HEIC with libheif {heic}, AVIF with libheif {avif}")),
        (Some(heic), None) => Ok(format!(
            "HEIC with libheif {heic}; AVIF needs a libheif with AV1 support (your system's may have it)"
        )),
    };
    Check { what: "HEIC and AVIF", result }
}

fn check_library(settings: &Settings, model: Option<&Model>) -> Result<String> {
    let place = &settings.library;
    let Some(view) = existing(&settings.library)? else {
        return Ok(format!("nothing indexed yet at {place}"));
    };
    if let Some(model) = model {
        check_space(&settings.library, view.space(), model)?;
    }
    Ok(format!("{} photos at {place}", view.count(&Filter::default())?))
}
