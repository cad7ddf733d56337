//! Vectors cut to their first dimensions (`--dim`): another space, which the library remembers.

use std::fs;
use std::num::NonZeroUsize;

use imgsearch::Model;
use imgsearch::model::Execution;
use imgsearch_index::Vector;
use predicates::prelude::*;

use crate::model_goldens::{execution, goldens, inputs, picture};
use crate::models::{Newcomer, copy_model, installed};
use crate::workspace::Workspace;

/// The golden model `clip-own`, whose vectors have 8 dimensions, with only some of them kept.
fn golden(dim: usize) -> Model {
    let dim = NonZeroUsize::new(dim);
    Model::open(&goldens().join("clip-own"), Execution { dim, ..execution(None) }).unwrap()
}

#[test]
fn cut_vectors_are_the_first_dimensions_at_length_one() {
    let image = |model: &Model| {
        let tensor = picture(model, &inputs().pictures[0]);
        model.image_encoder().unwrap().encode_image(tensor).unwrap()
    };
    let text = |model: &Model| model.text_encoder().unwrap().encode_query("a dog").unwrap();
    let (whole, cut) = (golden(8), golden(5));
    for (whole, cut) in [(image(&whole), image(&cut)), (text(&whole), text(&cut))] {
        assert_eq!((whole.dim(), cut.dim()), (8, 5));
        let expected = Vector::normalized(whole.as_slice()[..5].to_vec()).unwrap();
        assert!(expected.dot(&cut) > 1.0 - 1e-6, "{cut:?} instead of {expected:?}");
    }
    assert_eq!((whole.dim(), cut.dim()), (None, NonZeroUsize::new(5)));
    assert_ne!(whole.space(), cut.space());
    assert_ne!(cut.space(), golden(6).space());
}

#[test]
fn a_library_remembers_how_many_dimensions_are_kept() {
    let workspace = Workspace::new();
    for seed in 0..4 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    let photos = workspace.photos();
    let index = |args: &[&str], exit: i32| {
        workspace.imgsearch(&["index", photos.to_str().unwrap()]).args(args).assert().code(exit)
    };
    let warning = || predicates::str::contains("not known to be trained for cut vectors");
    index(&["--dim", "64"], 0).stderr(warning().and(predicates::str::contains("with 64 of 384 dimensions")));
    let label = workspace.status()["model"].to_string();
    assert!(label.ends_with(" (64 of 384)\""), "{label}");
    assert_eq!(workspace.found(&[]).len(), 4);
    // It is not asked for again, and not warned about again, also where the model is named.
    for args in [&[][..], &["--model", "offline"]] {
        index(args, 0).stderr(warning().not()).stdout(predicates::str::is_match("unchanged +4").unwrap());
        assert_eq!(workspace.found(args).len(), 4);
    }
    let doctor = workspace.imgsearch(&["doctor"]).output().unwrap();
    let doctor = String::from_utf8(doctor.stdout).unwrap();
    assert!(doctor.contains(", 64 dimensions") && doctor.contains("ok     library: 4 photos"), "{doctor}");
    // Vectors of another length are never compared with these.
    let other = workspace.imgsearch(&["query", "a photo", "--dim", "32"]).assert().code(2);
    other.stderr(predicates::str::contains("(64 of 384)").and(predicates::str::contains("hint")));
    index(&["--dim", "385"], 2).stderr(
        predicates::str::contains("have 384 dimensions, so they cannot be cut to 385")
            .and(predicates::str::contains("hint: give a smaller `--dim`")),
    );
    assert_eq!(workspace.found(&[]).len(), 4);
    // All that the model makes is what it makes without the option.
    index(&["--dim", "384"], 0).stderr(warning().not());
    index(&[], 0).stdout(predicates::str::is_match("unchanged +4").unwrap());
    let label = workspace.status()["model"].to_string();
    assert!(!label.contains("384"), "{label}");
    assert_eq!(workspace.found(&[]).len(), 4);
}

#[test]
fn the_config_file_can_say_how_many_dimensions_are_kept() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    fs::write(workspace.config(), "dim = 96\n").unwrap();
    workspace.index(&[], 0);
    assert!(workspace.status()["model"].as_str().unwrap().contains("(96 of 384)"));
    assert_eq!(workspace.found(&[]).len(), 1);
    fs::write(workspace.config(), "").unwrap();
    assert_eq!(workspace.found(&[]).len(), 1);
}

#[test]
#[cfg(unix)]
fn a_model_that_was_trained_for_it_is_cut_without_a_warning() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let model = workspace.other_model();
    let file = model.join("model.json");
    let json = fs::read_to_string(&file).unwrap();
    fs::write(&file, json.replacen('{', "{\"matryoshka_dimensions\": [64, 128],", 1)).unwrap();
    let index = |dim: &str| {
        let photos = workspace.photos();
        let args = ["index", photos.to_str().unwrap(), "--model", model.to_str().unwrap(), "--dim", dim];
        workspace.imgsearch(&args).assert().code(0)
    };
    index("64").stderr(predicates::str::contains("warning").not());
    index("65").stderr(predicates::str::contains("`other` was trained for 64, 128 dimensions"));
    assert_eq!(workspace.found(&[]).len(), 1);
}

#[test]
fn a_model_that_the_table_knows_to_be_trained_for_it_is_cut_without_a_warning() {
    let user = Newcomer::new();
    let photo = user.0.photo("a.png", 1);
    let index = |name: &str, repo: &str| {
        let folder = user.models().join(name);
        copy_model("clip-own", &folder);
        let origin = format!(r#"{{"repo": "{repo}", "commit": "{}", "sha256": {{}}}}"#, "a".repeat(40));
        fs::write(folder.join("pulled.json"), origin).unwrap();
        let args = ["index", photo.to_str().unwrap(), "--model", name, "--dim", "4"];
        let mut command = user.imgsearch("http://127.0.0.1:1", &args);
        command.env("ORT_DYLIB_PATH", installed().join("runtime"));
        command
    };
    let warned = predicates::str::contains("not known to be trained for cut vectors");
    index("known", "immich-app/nllb-clip-base-siglip__mrl").assert().code(0).stderr(warned.clone().not());
    index("unknown", "acme/small").assert().code(0).stderr(warned);
}
