//! Selects the needed files of a model: one image tower, one text tower, the tokenizer and the configuration.
//!
//! It knows the layouts that `model` reads. Weights for other runtimes (`*.armnn`, `*.rknn`, safetensors) and other
//! precisions of the same tower are not downloaded.

use super::listing::RemoteFile;
use crate::model::Precision;

/// The requested precisions of the towers. Layouts with only one precision accept just [`Precision::Auto`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Precisions {
    /// The image tower's precision.
    pub image: Precision,
    /// The text tower's precision.
    pub text: Precision,
}

/// The needed files among `files`, or a message about what is missing.
pub(super) fn select(files: &[RemoteFile], precisions: Precisions) -> Result<Vec<RemoteFile>, String> {
    let has = |path: &str| files.iter().any(|file| file.path == path);
    let is_needed: Box<dyn Fn(&str) -> bool> = if has("visual/model.onnx") && has("textual/model.onnx") {
        only_as_published(precisions)?;
        Box::new(|path| is_child_of("visual", path) || is_child_of("textual", path))
    } else if has("model.json") || has("visual.onnx") {
        only_as_published(precisions)?;
        Box::new(|path| !path.contains('/'))
    } else if files.iter().any(|file| file.path.starts_with("onnx/vision_model")) {
        let image = tower("onnx/vision_model", precisions.image.image_suffixes(), &has)?;
        let text = tower("onnx/text_model", precisions.text.text_suffixes(), &has)?;
        Box::new(move |path| belongs_to(&image, path) || belongs_to(&text, path))
    } else {
        return Err("it has no separate ONNX files for the image tower and the text tower".into());
    };
    let needed = files.iter().filter(|file| {
        let is_config = file.path.ends_with(".json") && !file.path.contains('/');
        is_config || is_needed(&file.path) && is_readable(&file.path)
    });
    let needed: Vec<RemoteFile> = needed.cloned().collect();
    let has_tokenizer =
        needed.iter().any(|file| file.path.ends_with("tokenizer.json")) || has("textual.onnx");
    if has_tokenizer { Ok(needed) } else { Err("it has no tokenizer.json".into()) }
}

/// The tower's file without `.onnx`, with the first suffix that exists.
fn tower(stem: &str, suffixes: &[&str], has: &dyn Fn(&str) -> bool) -> Result<String, String> {
    let mut stems = suffixes.iter().map(|suffix| format!("{stem}{suffix}"));
    let found = stems.find(|stem| has(&format!("{stem}.onnx")));
    found.ok_or_else(|| format!("it has no {stem}{}.onnx", suffixes.join(&format!(".onnx, {stem}"))))
}

/// Whether a file belongs to a tower: `onnx/vision_model` has `onnx/vision_model.onnx` and, if the weights are separate,
/// `onnx/vision_model.onnx_data` or `.onnx_data_1`.
fn belongs_to(stem: &str, path: &str) -> bool {
    let rest = path.strip_prefix(stem).and_then(|rest| rest.strip_prefix(".onnx"));
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with("_data") || rest.starts_with(".data"))
}

fn only_as_published(precisions: Precisions) -> Result<(), String> {
    if precisions == Precisions::default() { Ok(()) } else { Err("it comes in one precision only".into()) }
}

fn is_child_of(folder: &str, path: &str) -> bool {
    path.strip_prefix(folder).and_then(|rest| rest.strip_prefix('/')).is_some_and(|name| !name.contains('/'))
}

/// Whether a file may be needed. External weights can have any name, so this excludes known useless files instead.
fn is_readable(path: &str) -> bool {
    const OTHERS: &[&str] = &[
        ".armnn",
        ".rknn",
        ".safetensors",
        ".bin",
        ".pt",
        ".pth",
        ".h5",
        ".msgpack",
        ".tflite",
        ".md",
        ".png",
        ".jpg",
        ".gitattributes",
        ".gitignore",
    ];
    !OTHERS.iter().any(|ending| path.ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::digest::Digest;

    fn listing(paths: &str) -> Vec<RemoteFile> {
        let file =
            |path: &str| RemoteFile { path: path.into(), size: 1, digest: Digest::GitBlob("0".into()) };
        paths.split_whitespace().map(file).collect()
    }

    #[test]
    fn only_needed_files_are_selected() {
        const AUTO: Precisions = Precisions { image: Precision::Auto, text: Precision::Auto };
        #[track_caller]
        fn check(paths: &str, precisions: Precisions, expected: Result<&str, &str>) {
            let selected = select(&listing(paths), precisions);
            let paths = |files: Vec<RemoteFile>| files.into_iter().map(|file| file.path).collect::<Vec<_>>();
            match expected {
                Ok(files) => assert_eq!(paths(selected.unwrap()).join(" "), files),
                Err(named) => assert!(selected.unwrap_err().contains(named), "{named}"),
            }
        }
        let asked = |image, text| Precisions { image, text };
        let hub = "README.md config.json onnx/model.onnx onnx/text_model.onnx onnx/text_model_quantized.onnx \
            onnx/vision_model.onnx onnx/vision_model.onnx_data onnx/vision_model_fp16.onnx tokenizer.json a.safetensors";
        let quick = "config.json onnx/text_model_quantized.onnx onnx/vision_model.onnx onnx/vision_model.onnx_data \
            tokenizer.json";
        let exact = "config.json onnx/text_model.onnx onnx/vision_model_fp16.onnx tokenizer.json";
        check(hub, AUTO, Ok(quick));
        check(hub, asked(Precision::Fp16, Precision::Fp32), Ok(exact));
        check(
            hub,
            asked(Precision::Int8, Precision::Auto),
            Err("no onnx/vision_model_int8.onnx, onnx/vision_"),
        );
        check("onnx/vision_model.onnx onnx/text_model.onnx", AUTO, Err("no tokenizer.json"));
        let immich = "README.md config.json textual/model.onnx textual/tokenizer.json visual/Constant_1 \
            visual/model.onnx visual/model.armnn visual/fp16/model.armnn visual/rknpu/rk3588/model.rknn";
        let needed =
            "config.json textual/model.onnx textual/tokenizer.json visual/Constant_1 visual/model.onnx";
        check(immich, AUTO, Ok(needed));
        check(immich, asked(Precision::Fp16, Precision::Auto), Err("one precision"));
        let split =
            "open_clip_config.json text.onnx text.onnx.data tokenizer.json visual.onnx visual.onnx.data";
        check(&format!("{split} .gitattributes README.md docs/a.json"), AUTO, Ok(split));
        check("config.json model.safetensors tokenizer.json", AUTO, Err("no separate ONNX files"));
    }
}
