//! Classification, devices, and loading of towers.

use std::fs;
use std::path::PathBuf;

use imgsearch::Model;
use imgsearch::decode::{Limits, decode};
use imgsearch::model::Device;
use serde_json::Value;

use crate::model_goldens::execution;
use crate::workspace::{Workspace, encoded};

#[track_caller]
fn stdout(workspace: &Workspace, args: &[&str]) -> String {
    let output = workspace.imgsearch(args).assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn classification_needs_no_library() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    let photo = photo.to_str().unwrap();
    let labels = workspace.root().join("labels.txt");
    fs::write(&labels, "# pets\na photo of a dog\n\n  a photo of a cat \n").unwrap();
    let typed = ["classify", photo, "--labels", "a photo of a dog,a photo of a cat"];
    let text = stdout(&workspace, &typed);
    assert_eq!(text, stdout(&workspace, &["classify", photo, "--labels-file", labels.to_str().unwrap()]));
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split('\t').collect()).collect();
    let probabilities: Vec<f64> = lines.iter().map(|line| line[0].parse().unwrap()).collect();
    assert!((probabilities.iter().sum::<f64>() - 1.0).abs() < 1e-3, "{text}");
    assert!(probabilities.is_sorted_by(|a, b| a >= b) && lines.iter().all(|line| line[2] == photo), "{text}");

    let json = stdout(&workspace, &[&typed[..], &["--format", "json"]].concat());
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!((&json[0]["path"], &json[0]["label"]), (&photo.into(), &lines[0][1].into()));
    // The offline model does not state its logit scale, so 100 is used.
    let score = |at: usize| json[at]["score"].as_f64().unwrap();
    let expected = 1.0 / (1.0 + (100.0 * (score(1) - score(0))).exp());
    assert!((json[0]["probability"].as_f64().unwrap() - expected).abs() < 1e-3, "{json}");
    assert!(!workspace.root().join("library").exists());
}

#[test]
fn a_picture_scores_the_same_as_in_a_library() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let stored = workspace.scores()[&photo];
    let json = stdout(
        &workspace,
        &["classify", photo.to_str().unwrap(), "--labels", "a photo", "--format", "jsonl"],
    );
    let json: Value = serde_json::from_str(&json).unwrap();
    let score = json["score"].as_f64().unwrap();
    // Stored vectors are rounded to half floats.
    assert!((score - stored).abs() < 1e-3, "{score} instead of {stored}");
}

#[test]
fn pictures_that_cannot_be_classified_are_reported() {
    let workspace = Workspace::new();
    let good = workspace.photo("a.png", 1);
    let bad = workspace.photos().join("b.png");
    fs::write(&bad, "not a picture").unwrap();
    let check = |args: &[&str], named: &str| {
        let failed = workspace.imgsearch(&["classify", good.to_str().unwrap()]).args(args).assert().code(2);
        failed.stderr(predicates::str::contains(named)).get_output().stdout.len()
    };
    assert_eq!(check(&[], "--labels"), 0);
    assert_eq!(check(&["--labels", " , "], "no labels"), 0);
    assert_eq!(check(&["--labels-file", "/nowhere"], "/nowhere"), 0);
    // The others are still classified.
    assert!(check(&[bad.to_str().unwrap(), "--labels", "a cat"], "b.png") > 0);
    assert!(check(&["/nowhere.jpg", "--labels", "a cat"], "/nowhere.jpg") > 0);
}

#[test]
fn the_requested_device_works_or_the_error_has_the_loaders_reason() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let photos = workspace.photos();
    let index = |device: &str| {
        workspace.imgsearch(&["index", "-v", "--device", device, photos.to_str().unwrap()]).assert()
    };
    let reason = predicates::str::is_match("cannot run on cuda: .*(?i)(cuda|provider).*\nhint: ").unwrap();
    index("cuda").code(2).stderr(reason);
    index("auto").code(0).stderr(predicates::str::contains("the image model runs on cpu"));
    assert!(stdout(&workspace, &["doctor"]).contains("ok     device: the image model runs on cpu"));
    index("abacus").code(2).stderr(predicates::str::contains("possible values: auto, cpu, cuda"));
}

/// Devices get batches of any size, and a library's vectors come from batches of several sizes.
#[test]
fn a_picture_has_the_same_vector_in_a_batch_of_any_size() {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let model = Model::open(&data.join("models/offline"), execution(None)).unwrap();
    let preprocess = model.preprocess();
    let tensors: Vec<_> = (0..70)
        .map(|seed| {
            let bytes = encoded(seed, image::ImageFormat::Png);
            preprocess.tensor(&decode(&bytes, &Limits::default(), preprocess.detail()).unwrap())
        })
        .collect();
    let encoder = model.image_encoder().unwrap();
    let in_batches_of = |size: usize| -> Vec<_> {
        tensors.chunks(size).flat_map(|batch| encoder.encode_images(batch).unwrap()).collect()
    };
    let expected = in_batches_of(4);
    for size in [1, 3, 32, 64, 70] {
        for (number, (found, expected)) in in_batches_of(size).iter().zip(&expected).enumerate() {
            assert!(found.dot(expected) >= 0.99999, "picture {number} in a batch of {size}");
        }
    }
    // So that an exchange of two would show.
    let closest = (1..70).map(|number| expected[number].dot(&expected[number - 1])).fold(0.0, f32::max);
    assert!(closest < 0.9999, "{closest}");
}

/// Without a GPU, the devices that were tried tell whether one was asked for.
#[test]
fn pictures_in_queries_are_embedded_on_the_cpu_unless_a_device_is_named() {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let model = |device| {
        let execution = imgsearch::model::Execution { device, ..execution(None) };
        Model::open(&data.join("models/offline"), execution).unwrap()
    };
    let auto = model(Device::Auto);
    let tried: Vec<_> =
        auto.image_encoder().unwrap().passed_over().iter().map(|tried| tried.device).collect();
    assert_eq!(tried, Device::accelerators().collect::<Vec<_>>());
    let for_few = auto.image_encoder_for_few().unwrap();
    assert!(for_few.device() == Device::Cpu && for_few.passed_over().is_empty());
    assert!(model(Device::Cuda).image_encoder_for_few().is_err());
}

#[test]
#[cfg(target_os = "linux")]
fn the_weights_of_an_image_tower_are_mapped_not_read() {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let folder = tempfile::tempdir().unwrap();
    for entry in data.join("models/offline").read_dir().unwrap() {
        let entry = entry.unwrap();
        // Links, as in a Hugging Face cache.
        std::os::unix::fs::symlink(entry.path(), folder.path().join(entry.file_name())).unwrap();
    }
    let _loaded = Model::open(folder.path(), execution(None)).unwrap().image_encoder().unwrap();
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(maps.lines().any(|line| line.ends_with("models/offline/image.onnx")), "{maps}");
}

/// The copies of text towers in a cache folder.
fn copies(workspace: &Workspace) -> Vec<PathBuf> {
    let folder = workspace.root().join("cache/imgsearch/towers");
    folder
        .read_dir()
        .map_or_else(|_| Vec::new(), |entries| entries.map(|entry| entry.unwrap().path()).collect())
}

#[test]
#[cfg(target_os = "linux")]
fn a_text_tower_gives_the_same_answers_from_its_copy_and_a_damaged_copy_is_made_again() {
    let workspace = Workspace::new();
    for seed in 0..5 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    let query = |cache: &str| {
        let mut command =
            workspace.imgsearch(&["query", "a dog on a beach, in the rain", "--format", "jsonl"]);
        let output = command.env("XDG_CACHE_HOME", workspace.root().join(cache)).assert().success();
        let lines = String::from_utf8(output.get_output().stdout.clone()).unwrap();
        let lines = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        lines.map(|line| (line["path"].to_string(), line["score"].as_f64().unwrap())).collect::<Vec<_>>()
    };
    // Without a writable folder there is no copy.
    fs::write(workspace.root().join("file"), "").unwrap();
    let without = query("file");
    assert!(!without.is_empty());
    #[track_caller]
    fn check(found: &[(String, f64)], expected: &[(String, f64)]) {
        assert_eq!(found.len(), expected.len());
        for (found, expected) in found.iter().zip(expected) {
            assert_eq!(found.0, expected.0);
            assert!((found.1 - expected.1).abs() < 1e-4, "{found:?} instead of {expected:?}");
        }
    }
    check(&query("cache"), &without);
    let made = copies(&workspace);
    assert_eq!(made.len(), 1, "{made:?}");
    let whole = fs::read(&made[0]).unwrap();
    check(&query("cache"), &without);
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 0x10;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], b""] {
        fs::write(&made[0], damaged).unwrap();
        check(&query("cache"), &without);
        assert_eq!(copies(&workspace), made);
        let again = fs::read(&made[0]).unwrap();
        assert!(again.len() == whole.len() && again != damaged, "it was not made again");
    }
}
