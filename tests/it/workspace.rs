//! A temporary folder with photos and a library, and helpers to run the real binary on them.

use std::collections::HashMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use assert_cmd::Command;
use image::{DynamicImage, ImageFormat, Rgb, RgbImage};
use serde_json::Value;
use tempfile::TempDir;

/// Environment variables that describe the terminal. (`CI` makes programs assume a colour terminal.)
const TERMINAL: &[&str] = &[
    "CI",
    "CLICOLOR",
    "CLICOLOR_FORCE",
    "COLORTERM",
    "DOMTERM",
    "FORCE_HYPERLINK",
    "KONSOLE_VERSION",
    "LC_TERMINAL",
    "NO_COLOR",
    "TERM_PROGRAM",
    "VTE_VERSION",
    "WT_SESSION",
];

pub(crate) struct Workspace {
    folder: TempDir,
}

impl Workspace {
    pub(crate) fn new() -> Workspace {
        let workspace = Workspace { folder: tempfile::tempdir().unwrap() };
        fs::create_dir(workspace.photos()).unwrap();
        fs::write(workspace.config(), "").unwrap();
        workspace
    }

    pub(crate) fn root(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn photos(&self) -> PathBuf {
        self.root().join("photos")
    }

    /// Writes a small picture that is unique for each `seed`; the extension decides the format.
    pub(crate) fn photo(&self, name: &str, seed: u32) -> PathBuf {
        let path = self.photos().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, encoded(seed, ImageFormat::from_path(&path).unwrap())).unwrap();
        path
    }

    /// Writes a small JPEG with these texts in its EXIF data.
    pub(crate) fn photo_with(
        &self,
        name: impl AsRef<Path>,
        seed: u32,
        texts: &[(exif::Tag, &str)],
    ) -> PathBuf {
        let picture = image::load_from_memory(&encoded(seed, ImageFormat::Png)).unwrap();
        let mut jpeg = std::io::Cursor::new(Vec::new());
        let mut encoder = image::codecs::jpeg::JpegEncoder::new(&mut jpeg);
        image::ImageEncoder::set_exif_metadata(&mut encoder, exif_of(texts)).unwrap();
        picture.write_with_encoder(encoder).unwrap();
        let path = self.photos().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, jpeg.into_inner()).unwrap();
        path
    }

    /// The config file, empty unless a test writes it.
    pub(crate) fn config(&self) -> PathBuf {
        self.root().join("config.toml")
    }

    /// `imgsearch ARGS` on this workspace's library, isolated from the user's own settings.
    pub(crate) fn imgsearch(&self, args: &[&str]) -> Command {
        Command::from_std(self.process(args))
    }

    /// The same as a plain process.
    pub(crate) fn process(&self, args: &[&str]) -> std::process::Command {
        let mut command = std::process::Command::new(assert_cmd::cargo::cargo_bin("imgsearch"));
        let own = |name: &str| name.starts_with("IMGSEARCH_") || TERMINAL.contains(&name);
        for (name, _) in std::env::vars_os().filter(|(name, _)| name.to_str().is_some_and(own)) {
            command.env_remove(name);
        }
        command
            .env_remove("ORT_DYLIB_PATH")
            .env("IMGSEARCH_LIBRARY", self.root().join("library"))
            .env("IMGSEARCH_CONFIG", self.config())
            .args(args);
        command
    }

    /// Indexes the photos with additional `args`, checks the exit code, and returns the summary.
    #[track_caller]
    pub(crate) fn index(&self, args: &[&str], exit: i32) -> Summary {
        self.index_paths(&[&self.photos()], args, exit)
    }

    /// Indexes these paths.
    #[track_caller]
    pub(crate) fn index_paths(&self, paths: &[&Path], args: &[&str], exit: i32) -> Summary {
        let mut command = self.imgsearch(&["index"]);
        let output = command.args(paths).args(args).assert().code(exit).get_output().clone();
        Summary(String::from_utf8(output.stdout).unwrap())
    }

    /// The score of every photo for one query.
    pub(crate) fn scores(&self) -> HashMap<PathBuf, f64> {
        let query = ["query", "a photo", "-n", "5000", "--format", "jsonl"];
        let output = self.imgsearch(&query).assert().success().get_output().clone();
        let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let lines = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
        lines.map(|line| (line["path"].as_str().unwrap().into(), line["score"].as_f64().unwrap())).collect()
    }

    /// The paths a query finds, best first.
    #[track_caller]
    pub(crate) fn found(&self, args: &[&str]) -> Vec<PathBuf> {
        let output = self.imgsearch(&["query", "a photo", "-n", "5000", "-0"]).args(args).output().unwrap();
        let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        paths.map(imgsearch::item::path_of).collect()
    }

    /// A model named `other`: the offline one with another preprocessing, and so with a different space.
    #[cfg(unix)]
    pub(crate) fn other_model(&self) -> PathBuf {
        let other = self.root().join("other-model");
        let offline = directories::ProjectDirs::from("", "", "imgsearch").unwrap();
        let offline = offline.data_dir().join("models/offline");
        fs::create_dir(&other).unwrap();
        for name in ["image.onnx", "text.onnx", "tokenizer.json"] {
            std::os::unix::fs::symlink(offline.join(name), other.join(name)).unwrap();
        }
        let json = fs::read_to_string(offline.join("model.json")).unwrap();
        let json = json.replace("bicubic", "bilinear").replace("offline-lite2-minilm-v2", "other");
        fs::write(other.join("model.json"), json).unwrap();
        other
    }

    /// The names of the files that `status --skipped` lists, in order.
    pub(crate) fn skipped(&self) -> Vec<String> {
        let output = self.imgsearch(&["status", "--skipped", "-0"]).output().unwrap();
        let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        let paths = paths.map(imgsearch::item::path_of);
        let mut names: Vec<_> =
            paths.map(|path| path.file_name().unwrap().to_str().unwrap().to_owned()).collect();
        names.sort();
        names
    }

    pub(crate) fn status(&self) -> Value {
        let output = self.imgsearch(&["status", "--json"]).assert().success().get_output().clone();
        serde_json::from_slice(&output.stdout).unwrap()
    }
}

/// The output of `index` on stdout.
pub(crate) struct Summary(pub(crate) String);

impl Summary {
    /// The number after `label`; 0 if the label is missing.
    pub(crate) fn count(&self, label: &str) -> u64 {
        let line = self.0.lines().find_map(|line| line.trim().strip_prefix(label));
        line.map_or(0, |rest| rest.split_whitespace().next().unwrap().parse().unwrap())
    }

    #[track_caller]
    pub(crate) fn check(&self, expected: &[(&str, u64)]) {
        for (label, count) in expected {
            assert_eq!(self.count(label), *count, "{label} in:\n{}", self.0);
        }
    }
}

/// Compiles `tests/fixtures/NAME.rs` into a shared library.
pub(crate) fn compile(name: &str, library: &Path) {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name).with_extension("rs");
    let mut rustc = std::process::Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--crate-type", "cdylib", "--edition", "2021", "--crate-name", name, "-A", "warnings", "-o"]);
    assert!(rustc.arg(library).arg(source).status().unwrap().success());
}

/// Reports that a test, or a part of it, cannot run here, bypassing the test runner's output capture. If `IMGSEARCH_NO_SKIPS`
/// is set, as in `.ci/run`, this is a failure.
#[track_caller]
pub(crate) fn skip(why: &str) {
    assert!(std::env::var_os("IMGSEARCH_NO_SKIPS").is_none(), "skipped: {why}");
    // `eprintln!` would be captured.
    std::io::stderr().write_all(format!("skipped: {why}\n").as_bytes()).unwrap();
}

/// A file in `../shared/cases`: a picture from a public test suite, which no available program can make and which is not part
/// of the project. Without that folder, the test is skipped.
#[track_caller]
pub(crate) fn shared_case(name: &str) -> Option<Vec<u8>> {
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../shared/cases");
    if !cases.is_dir() {
        skip(&format!("there is no ../shared/cases with {name}"));
        return None;
    }
    Some(fs::read(cases.join(name)).unwrap())
}

/// Uses the libheif from set-up for HEIC; returns whether it is installed.
pub(crate) fn look_for_heif() -> bool {
    let folder = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().join("heif");
    let is_installed = folder.is_dir();
    imgsearch::decode::heif::look_in(vec![folder]);
    is_installed
}

/// A TIFF block with these texts.
fn exif_of(texts: &[(exif::Tag, &str)]) -> Vec<u8> {
    let field = |(tag, text): &(exif::Tag, &str)| exif::Field {
        tag: *tag,
        ifd_num: exif::In::PRIMARY,
        value: exif::Value::Ascii(vec![text.as_bytes().to_vec()]),
    };
    let fields: Vec<_> = texts.iter().map(field).collect();
    let mut writer = exif::experimental::Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut bytes = std::io::Cursor::new(Vec::new());
    writer.write(&mut bytes, true).unwrap();
    bytes.into_inner()
}

/// A picture of 48 × 32 pixels, different for each seed, in the bytes of `format`.
pub(crate) fn encoded(seed: u32, format: ImageFormat) -> Vec<u8> {
    let byte = |value: u32| u8::try_from(value % 256).unwrap();
    let pixels = RgbImage::from_fn(48, 32, |x, y| {
        Rgb([byte(x * 5 + seed * 37), byte(y * 7 + seed * 11 + seed / 256), byte((x * y) / 4 + seed * 101)])
    });
    let mut bytes = std::io::Cursor::new(Vec::new());
    DynamicImage::ImageRgb8(pixels).write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

/// A smooth picture, different for each seed.
pub(crate) fn shades(width: u32, height: u32, seed: u32) -> RgbImage {
    let byte = |value: u32| u8::try_from(value % 256).unwrap();
    RgbImage::from_fn(width, height, |x, y| {
        Rgb([byte(x * 200 / width + seed * 37), byte(y * 200 / height + seed * 11), byte(seed * 101)])
    })
}

/// A JPEG of [`shades`].
pub(crate) fn jpeg(width: u32, height: u32, seed: u32) -> Vec<u8> {
    let mut bytes = Vec::new();
    let encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
    shades(width, height, seed).write_with_encoder(encoder).unwrap();
    bytes
}

/// A minimal RAW file: a TIFF directory that says DNG, and a preview of 640 × 480 pixels.
pub(crate) fn dng(seed: u32) -> Vec<u8> {
    let mut bytes = b"II*\0\x08\0\0\0".to_vec();
    bytes.extend(b"\x01\0\x12\xc6\x01\0\x04\0\0\0\x01\x04\0\0\0\0\0\0");
    bytes.extend(jpeg(640, 480, seed));
    bytes
}

/// A picture of 150 × 100 pixels with waves of all frequencies in a perceptual hash, weaker for higher ones, as in photos.
/// Different seeds make dissimilar pictures.
pub(crate) fn scene(seed: u32) -> RgbImage {
    let (width, height) = (150, 100);
    let wave = |frequency: u32, at: u32, of: u32| {
        (f64::from(frequency) * (f64::from(at) + 0.5) / f64::from(of) * std::f64::consts::PI).cos()
    };
    let table = |of: u32| -> Vec<Vec<f64>> {
        (0..16).map(|frequency| (0..of).map(|at| wave(frequency, at, of)).collect()).collect()
    };
    let (across, down) = (table(width), table(height));
    let mut state = seed;
    let mut strengths = Vec::new();
    for (x, y) in (0..16u32).flat_map(|x| (0..16u32).map(move |y| (x, y))) {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let sign = if state >> 31 == 0 { 1.0 } else { -1.0 };
        strengths.push((x as usize, y as usize, sign * 12.0 / f64::from(x + y + 1)));
    }
    RgbImage::from_fn(width, height, |x, y| {
        let of = |&(fx, fy, strength): &(usize, usize, f64)| {
            strength * across[fx][x as usize] * down[fy][y as usize]
        };
        let value = 128.0 + strengths[1..].iter().map(of).sum::<f64>();
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
        let byte = |value: f64| value as u8;
        Rgb([byte(value), byte(value / 2.0 + 40.0), byte(255.0 - value)])
    })
}
