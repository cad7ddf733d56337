//! The output and exit code of each command.

use std::fs;

use serde_json::Value;

use crate::workspace::{Workspace, compile};

fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for seed in 0..6 {
        workspace.photo(&format!("{}/{seed}.png", ["a", "b"][seed as usize % 2]), seed);
    }
    workspace.index(&[], 0);
    workspace
}

fn stdout(workspace: &Workspace, args: &[&str]) -> String {
    let output = workspace.imgsearch(args).assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// Checks that the command fails and that stderr contains each of `named`.
#[track_caller]
fn fails(workspace: &Workspace, args: &[&str], exit: i32, named: &[&str]) {
    let output = workspace.imgsearch(args).assert().code(exit).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    for name in named {
        assert!(stderr.contains(name), "`{name}` in:\n{stderr}");
    }
}

#[test]
fn quiet_prints_only_results() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let photos = workspace.photos();
    fs::write(photos.join("b.png"), "no picture").unwrap();
    let index = ["index", "-q", "--batches", "2", photos.to_str().unwrap()];
    // Only the exit code tells how it ended.
    workspace.imgsearch(&index).assert().code(2).stdout("").stderr("");
    let output = workspace.imgsearch(&["query", "--quiet", "a dog"]).assert().success().stderr("");
    assert_eq!(output.get_output().stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
}

#[test]
fn a_precision_that_a_model_does_not_have_is_refused() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let (photos, model) =
        (workspace.photos(), concat!(env!("CARGO_MANIFEST_DIR"), "/tests/goldens/models/clip-transformers"));
    let args = ["index", "--model", model, photos.to_str().unwrap(), "--precision"];
    fails(
        &workspace,
        &[&args[..], &["int8"]].concat(),
        2,
        &["vision_model_int8.onnx", "hint: choose another precision"],
    );
    fails(&workspace, &[&args[..], &["int4"]].concat(), 2, &["int4", "fp32"]);
    let offline = ["index", photos.to_str().unwrap(), "--precision", "int8"];
    fails(&workspace, &offline, 2, &["in one precision only", "leave out --precision"]);
    stdout(&workspace, &[&args[..], &["fp32"]].concat());
    assert_eq!(workspace.status()["images"], 1);
}

#[test]
fn jsonl_is_one_object_per_line_best_first() {
    let workspace = indexed();
    let lines: Vec<Value> =
        stdout(&workspace, &["query", "a", "red", "square", "-n", "4", "--format", "jsonl"])
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
    assert_eq!(lines.len(), 4);
    let scores: Vec<f64> = lines.iter().map(|line| line["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    for (line, rank) in lines.iter().zip(1..) {
        assert_eq!(line["rank"], rank);
        assert_eq!(line["query"], "a red square");
        assert!(std::path::Path::new(line["path"].as_str().unwrap()).is_file());
    }
}

#[test]
fn paths_end_with_a_line_feed_or_nul() {
    let workspace = indexed();
    let lines = stdout(&workspace, &["query", "x", "--format", "paths"]);
    let nuls = stdout(&workspace, &["query", "x", "-0"]);
    assert_eq!(lines.replace('\n', "\0"), nuls);
    assert_eq!(lines.lines().count(), 6);
}

#[test]
fn text_in_a_pipe_is_score_and_path() {
    let workspace = indexed();
    let text = stdout(&workspace, &["query", "x", "-n", "1"]);
    let (score, path) = text.trim_end().split_once('\t').unwrap();
    assert!(score.parse::<f32>().is_ok() && std::path::Path::new(path).is_file(), "{text}");
}

#[test]
fn a_folder_filter_allows_only_photos_in_the_folder() {
    let workspace = indexed();
    let folder = workspace.photos().join("a");
    let found = workspace.found(&["--in", folder.to_str().unwrap()]);
    assert_eq!(found.len(), 3);
    assert!(found.iter().all(|path| path.starts_with(&folder)), "{found:?}");
}

#[test]
fn nothing_found_is_exit_1() {
    let workspace = indexed();
    fails(&workspace, &["query", "x", "--min-score", "1.5"], 1, &[]);
    fails(&workspace, &["query", "x", "--in", "/nowhere"], 1, &[]);
}

#[test]
fn errors_say_what_and_what_next() {
    let workspace = Workspace::new();
    let check = |args: &[&str], named: &[&str]| fails(&workspace, args, 2, named);
    check(&["query", "x"], &["hint", "imgsearch index"]);
    check(&["query", " "], &["empty"]);
    check(&["query"], &["TEXT"]);
    check(&["query", "x", "--min-score", "nan"], &["finite"]);
    check(&["query", "x", "-0", "--format", "jsonl"], &["--null"]);
    check(&["index", "x", "--threads", "0"], &["--threads"]);
    check(&["index", "x", "--threads", "100000"], &["--threads"]);
    check(&["index"], &["no folder has been indexed yet"]);
    check(&["index", "/nowhere"], &["/nowhere"]);
    let photos = workspace.photos().to_str().unwrap().to_owned();
    check(&["index", &photos, "--exclude", "["], &["`[`"]);
    check(&["index", &photos, "--model", "none-such"], &["none-such", "hint"]);
    workspace.photo("a.png", 1);
    check(&["index", &photos, "--device", "cuda"], &["cuda", "hint"]);
    workspace
        .imgsearch(&["index", &photos])
        .env("ORT_DYLIB_PATH", "/nowhere/libonnxruntime.so")
        .assert()
        .code(2)
        .stderr(predicates::str::contains("/nowhere/libonnxruntime.so"));
}

#[test]
fn a_damaged_model_is_reported_with_a_hint() {
    let workspace = indexed();
    let model = workspace.root().join("damaged");
    std::fs::create_dir(&model).unwrap();
    std::fs::write(model.join("model.json"), "{").unwrap();
    let model = model.to_str().unwrap();
    fails(&workspace, &["query", "x", "--model", model], 2, &["model.json", "hint"]);
    let output = workspace.imgsearch(&["doctor", "--model", model]).assert().code(2).get_output().clone();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(
        report.contains("wrong  model") && report.contains("hint") && report.contains("ok     library"),
        "{report}"
    );
}

#[test]
fn status_shows_the_contents_of_the_library() {
    let workspace = Workspace::new();
    let before = workspace.status();
    assert_eq!(
        (&before["images"], &before["model"], &before["last_indexed"]),
        (&0.into(), &Value::Null, &Value::Null)
    );
    workspace.photo("a.png", 1);
    std::fs::write(workspace.photos().join("b.jpg"), "").unwrap();
    workspace.index(&[], 2);
    let after = workspace.status();
    assert_eq!(after["images"], 1);
    assert_eq!(after["skipped"]["empty file"], 1);
    assert!(after["bytes_on_disk"].as_u64().unwrap() > 0);
    assert!(after["last_indexed"].as_str().unwrap().ends_with('Z'));
    assert_eq!((&before["device"], &after["device"]), (&Value::Null, &"cpu".into()));
    assert!(stdout(&workspace, &["status"]).contains("images        1"));
    assert!(stdout(&workspace, &["status", "--skipped"]).starts_with("empty file\t"));
}

#[test]
fn doctor_checks_every_part() {
    let workspace = indexed();
    let report = stdout(&workspace, &["doctor"]);
    for what in ["ONNX Runtime", "model", "device", "GPU", "text", "HEIC and AVIF", "library"] {
        assert!(report.contains(&format!("ok     {what}")), "{what} in:\n{report}");
    }
    let output = workspace
        .imgsearch(&["doctor"])
        .env("ORT_DYLIB_PATH", "/nowhere")
        .assert()
        .code(2)
        .get_output()
        .clone();
    let report = String::from_utf8(output.stdout).unwrap();
    assert!(
        report.contains("wrong  ONNX Runtime") && report.contains("hint: run `imgsearch setup`"),
        "{report}"
    );
}

#[test]
#[cfg(unix)]
fn a_closed_pipe_is_not_an_error_and_hides_none() {
    let workspace = indexed();
    check_unread(&workspace, &["query", "x", "--format", "paths"], 0);
    check_unread(&workspace, &["status"], 0);
    std::fs::write(workspace.photos().join("broken.jpg"), "").unwrap();
    check_unread(&workspace, &["index", workspace.photos().to_str().unwrap()], 2);
}

/// Runs a command whose output is not read.
#[track_caller]
#[cfg(unix)]
fn check_unread(workspace: &Workspace, args: &[&str], exit: i32) {
    use std::process::{Command, Stdio};
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("imgsearch"))
        .args(args)
        .env("IMGSEARCH_LIBRARY", workspace.root().join("library"))
        .env_remove("IMGSEARCH_MODEL")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(exit), b"".as_slice()));
}

#[test]
fn photos_are_found_upright() {
    // A picture stored rotated, with the EXIF orientation that rotates it back, must score the same.
    let workspace = Workspace::new();
    let upright = image::load_from_memory(&crate::workspace::encoded(9, image::ImageFormat::Png)).unwrap();
    upright.save(workspace.photos().join("upright.png")).unwrap();
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 100);
    image::ImageEncoder::set_exif_metadata(&mut encoder, exif_with_orientation(6)).unwrap();
    upright.rotate270().write_with_encoder(encoder).unwrap();
    std::fs::write(workspace.photos().join("turned.jpg"), jpeg.into_inner()).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 2)]);
    let scores: Vec<f64> = stdout(&workspace, &["query", "a colourful pattern", "--format", "jsonl"])
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["score"].as_f64().unwrap())
        .collect();
    assert!((scores[0] - scores[1]).abs() < 0.03, "{scores:?}");
}

/// An EXIF block with one entry: the orientation.
fn exif_with_orientation(orientation: u8) -> Vec<u8> {
    let mut tiff = b"II*\0\x08\0\0\0\x01\0".to_vec();
    tiff.extend([0x12, 0x01, 3, 0, 1, 0, 0, 0, orientation, 0, 0, 0, 0, 0, 0, 0]);
    tiff
}

#[test]
fn a_damaged_library_is_reported_and_repaired() {
    let workspace = indexed();
    assert!(stdout(&workspace, &["verify"]).starts_with("no problems found"));
    let before = workspace.scores();
    std::fs::write(workspace.root().join("library/index/catalog/db"), "").unwrap();
    let photos = workspace.photos();
    fails(&workspace, &["index", photos.to_str().unwrap()], 2, &["damaged", "hint: run `imgsearch repair`"]);
    workspace.imgsearch(&["verify"]).assert().code(2);
    assert!(stdout(&workspace, &["repair"]).contains("repaired; nothing was lost"));
    assert!(stdout(&workspace, &["verify"]).starts_with("no problems found"));
    workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 6)]);
    assert_eq!(workspace.scores(), before);
}

#[test]
fn optimizing_leaves_one_segment_and_the_same_answers() {
    let workspace = indexed();
    workspace.photo("late.png", 77);
    workspace.index(&[], 0);
    let (before, exact) = (workspace.scores(), workspace.found(&["--exact"]));
    assert!(stdout(&workspace, &["optimize"]).contains("1 segments, 0 dead rows"));
    assert_eq!(workspace.scores(), before);
    assert_eq!(workspace.found(&["--exact"]), exact);
    fails(&Workspace::new(), &["optimize"], 2, &["no library", "hint"]);
}

/// Only MozJPEG's decoder tolerates a missing end.
#[cfg(feature = "mozjpeg")]
#[test]
fn a_truncated_photo_is_found_and_noted() {
    let workspace = Workspace::new();
    let pixels = image::RgbImage::from_fn(320, 240, |x, y| {
        image::Rgb([x, y, x ^ y].map(|v| u8::try_from(v % 256).unwrap()))
    });
    let path = workspace.photos().join("torn.jpg");
    pixels.save(&path).unwrap();
    let whole = std::fs::read(&path).unwrap();
    std::fs::write(&path, &whole[..whole.len() * 19 / 20]).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 1)]);
    assert_eq!(workspace.status()["noted"], 1);
    assert!(stdout(&workspace, &["status"]).contains("noted         1"));
    let noted = stdout(&workspace, &["status", "--noted"]);
    assert!(noted.starts_with("truncated after ") && noted.trim_end().ends_with("torn.jpg"), "{noted}");
}

#[test]
#[cfg(target_os = "linux")]
fn a_nice_run_has_the_lowest_priority() {
    use std::process::{Command, Stdio};
    let workspace = indexed();
    (100..130).for_each(|seed| _ = workspace.photo(&format!("{seed}.png"), seed));
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("imgsearch"))
        .args(["index", "--nice"])
        .arg(workspace.photos())
        .env("IMGSEARCH_LIBRARY", workspace.root().join("library"))
        .env_remove("IMGSEARCH_MODEL")
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    let stat = format!("/proc/{}/stat", child.id());
    let is_nice = || {
        let stat = std::fs::read_to_string(&stat).unwrap();
        let behind_name = stat.rsplit(')').next().unwrap();
        behind_name.split_whitespace().nth(16) == Some("19")
    };
    while !is_nice() {
        assert!(child.try_wait().unwrap().is_none(), "it ended before it was nice");
        std::thread::yield_now();
    }
    assert!(child.wait().unwrap().success());
}

/// A thread may still be inside ONNX Runtime, and would crash if the destructors of libraries ran beside it.
#[test]
#[cfg(target_os = "linux")]
fn commands_end_without_the_destructors_of_libraries() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let library = workspace.root().join("at_exit.so");
    compile("at_exit", &library);
    let status = |code: i32, args: &[&str]| {
        let mut status = workspace.imgsearch(args);
        let status = status.env("LD_PRELOAD", &library).assert().code(code);
        String::from_utf8(status.get_output().stdout.clone()).unwrap()
    };
    assert!(status(0, &["status"]).ends_with('\n'), "all of the output is written");
    assert_eq!(status(2, &["query", "a dog", "--library", "/none-such"]), "");
    // The library works: help ends in another way.
    status(99, &["--help"]);
}
