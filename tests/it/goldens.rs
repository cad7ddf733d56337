//! Compares decoding and preprocessing of every format and shape with Pillow and open_clip (`scripts/goldens`).

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch::Model;
use imgsearch::decode::{DecodeError, Detail, Limits, decode, memory};
use imgsearch::model::{Device, Execution, Precision, Preprocess};
use ndarray::{Array3, s};

use crate::workspace::{look_for_heif, skip};

/// Side of the model's input, as in `scripts/goldens`.
const SIZE: usize = 56;
/// The squares in a reference picture from top to bottom: resize mode and interpolation.
const MODES: [(&str, &str); 4] =
    [("shortest", "bicubic"), ("squash", "bicubic"), ("longest", "bicubic"), ("shortest", "bilinear")];
/// How much values may be off, of 255: at most, and on average over a picture.
const OFF: (f32, f32) = (4.0, 0.3);
/// The same for JPEGs decoded by zune-jpeg (inside TIFF, and everywhere in a build without MozJPEG). Its colours are less
/// exact, which is visible in such small pictures.
const OFF_WITH_ZUNE: (f32, f32) = (9.0, 0.6);

fn allowed(name: &str) -> (f32, f32) {
    let by_zune = name.ends_with(".tiff") || !cfg!(feature = "mozjpeg");
    if by_zune && name.contains("jp") { OFF_WITH_ZUNE } else { OFF }
}

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

/// The preprocessing of a model that consists of a `model.json` and empty files; its tensors are 0..1.
fn preprocess(mode: &str, interpolation: &str) -> Preprocess {
    let folder = tempfile::tempdir().unwrap();
    let json = serde_json::json!({
        "format": 1, "name": "goldens", "embed_dim": 1,
        "image": {"file": "i", "image_size": [SIZE, SIZE], "resize_mode": mode, "interpolation": interpolation,
                  "mean": [0, 0, 0], "std": [1, 1, 1]},
        "text": {"file": "t", "tokenizer": "k", "context_length": 2}, "sha256": {"i": "0"},
    });
    fs::write(folder.path().join("model.json"), json.to_string()).unwrap();
    ["i", "t", "k"].iter().for_each(|name| fs::write(folder.path().join(name), "").unwrap());
    let execution = Execution {
        runtime_places: Vec::new(),
        device: Device::Cpu,
        threads: 1,
        precision: Precision::Auto,
        dim: None,
        prompt: None,
        cache_folder: None,
    };
    Model::open(folder.path(), execution).unwrap().preprocess()
}

/// Every picture with its reference, 0..255: `[channel, modes · SIZE, SIZE]`.
fn pictures() -> Vec<(String, Vec<u8>, Array3<f32>)> {
    let has_libheif = look_for_heif();
    if !has_libheif {
        skip("set-up has not installed libheif");
    }
    let references = fs::read_dir(goldens()).unwrap().map(|entry| entry.unwrap().path());
    let mut pictures: Vec<_> = references
        .filter_map(|path| {
            let name = path.file_name()?.to_str()?.strip_suffix(".ref.png")?.to_owned();
            let pixels = image::open(&path).unwrap().into_rgb8();
            let reference = Array3::from_shape_fn((3, MODES.len() * SIZE, SIZE), |(channel, y, x)| {
                f32::from(pixels[(u32::try_from(x).unwrap(), u32::try_from(y).unwrap())][channel])
            });
            Some((name.clone(), fs::read(goldens().join(name)).unwrap(), reference))
        })
        .filter(|(name, bytes, _)| has_libheif || is_read(name, bytes))
        .collect();
    pictures.sort_by(|a, b| a.0.cmp(&b.0));
    pictures
}

/// Whether the format can be read here: HEIC and AVIF need a libheif with the codec, such as the one from set-up.
fn is_read(name: &str, bytes: &[u8]) -> bool {
    let needs_libheif = [".heic", ".avif"].iter().any(|ending| name.ends_with(ending));
    let decoded = || decode(bytes, &Limits::default(), Detail::Full);
    !needs_libheif || !matches!(decoded(), Err(DecodeError::Unsupported { .. }))
}

/// Compares every picture in every mode, and lists all that are off.
#[track_caller]
fn check(detail: impl Fn(&Preprocess) -> Detail) {
    let modes = MODES.map(|(mode, interpolation)| preprocess(mode, interpolation));
    let mut wrong = Vec::new();
    for (name, bytes, reference) in pictures() {
        for (row, made) in modes.iter().enumerate() {
            let picture = match decode(&bytes, &Limits::default(), detail(made)) {
                Ok(picture) => picture,
                Err(error) => {
                    wrong.push(format!("{name}: {error}"));
                    break;
                }
            };
            let expected = reference.slice(s![.., row * SIZE..(row + 1) * SIZE, ..]);
            let off = (&made.tensor(&picture) * 255.0 - expected).abs();
            let (most, mean) = (off.iter().fold(0.0f32, |most, off| most.max(*off)), off.mean().unwrap());
            let (allowed_most, allowed_mean) = allowed(&name);
            if most > allowed_most + 0.01 || mean > allowed_mean {
                wrong.push(format!("{name}, {:?}: {most:.1} at most, {mean:.2} on average", MODES[row]));
            }
        }
    }
    assert!(wrong.is_empty(), "off by more than is allowed:\n{}", wrong.join("\n"));
}

#[test]
fn full_pictures_match_pillow() {
    check(|_| Detail::Full);
}

#[test]
fn pictures_of_reduced_detail_match_pillow() {
    check(Preprocess::detail);
}

#[test]
fn the_header_tells_how_much_memory_decoding_needs() {
    for (name, bytes, _) in pictures() {
        for detail in [Detail::ShortSide(112), Detail::Full] {
            let picture = decode(&bytes, &Limits::default(), detail).unwrap();
            assert!(memory(&bytes, detail) >= picture.pixels.len() as u64, "{name}, {detail:?}");
        }
    }
}

#[test]
fn there_are_enough_goldens() {
    assert!(pictures().len() >= 110);
}
