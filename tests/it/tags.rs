//! Labels, sidecars, and the cutoff, which uses the same background.

use std::cell::Cell;
use std::fs;
use std::sync::Arc;

use imgsearch::decode::Limits;
use imgsearch::engine::{Choice, Tagged, Vocabulary};
use imgsearch::model::{Execution, Precision};
use imgsearch::query::Filter;
use imgsearch::{Engine, Library, Model};
use serde_json::Value;

use crate::model_goldens::execution;
use crate::workspace::Workspace;

/// Three pictures, and a vocabulary.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for (name, seed) in [("1.png", 1), ("2.jpg", 20), ("3.png", 40)] {
        workspace.photo(name, seed);
    }
    workspace.index(&[], 0);
    fs::write(workspace.root().join("words.txt"), "# patterns\na colourful pattern\n\na dog\na texture\n")
        .unwrap();
    workspace
}

fn stdout(workspace: &Workspace, args: &[&str], exit: i32) -> String {
    let output = workspace.imgsearch(args).assert().code(exit).get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn photos_are_labelled_from_the_vocabulary_and_in_sidecars() {
    let workspace = indexed();
    let words = workspace.root().join("words.txt");
    let words = words.to_str().unwrap();
    let every = ["tags", "--vocabulary", words, "--min-probability", "0"];
    let lines: Vec<Value> = stdout(&workspace, &[&every[..], &["--format", "jsonl"]].concat(), 0)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 9);
    for tags in lines.chunks(3) {
        let probabilities: Vec<f64> = tags.iter().map(|tag| tag["probability"].as_f64().unwrap()).collect();
        assert!(tags.iter().all(|tag| tag["path"] == tags[0]["path"]), "{tags:?}");
        assert!(
            probabilities.is_sorted_by(|a, b| a >= b)
                && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
        );
    }
    let first = workspace.photos().join("1.png");
    let best = lines.iter().find(|tag| tag["path"] == first.to_str().unwrap()).unwrap();
    let best = best["label"].as_str().unwrap();
    let text = stdout(&workspace, &[&every[..], &["-n", "1", "--glob", "*.jpg"]].concat(), 0);
    let columns: Vec<&str> = text.trim_end().split('\t').collect();
    assert_eq!(
        (columns.len(), columns[2]),
        (3, workspace.photos().join("2.jpg").to_str().unwrap()),
        "{text}"
    );
    let paths = stdout(
        &workspace,
        &[&every[..], &["-n", "1", "--in", workspace.photos().to_str().unwrap(), "-0"]].concat(),
        0,
    );
    assert_eq!(paths.matches('\0').count(), 3, "{paths}");

    let before = fs::read(workspace.photos().join("1.png")).unwrap();
    fs::write(workspace.photos().join("2.jpg.xmp"), "somebody's own").unwrap();
    let output =
        workspace.imgsearch(&[&every[..], &["--xmp"]].concat()).assert().code(2).get_output().clone();
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("2.jpg.xmp") && !warning.contains("1.png"), "{warning}");
    assert_eq!(fs::read_to_string(workspace.photos().join("2.jpg.xmp")).unwrap(), "somebody's own");
    assert_eq!(fs::read(workspace.photos().join("1.png")).unwrap(), before);
    let sidecar = fs::read_to_string(workspace.photos().join("1.png.xmp")).unwrap();
    assert!(sidecar.contains(&format!("<rdf:li>{best}</rdf:li>")), "{sidecar}");
    workspace.index(&[], 0).check(&[("unchanged", 3), ("skipped", 0)]);
}

#[test]
fn the_everyday_vocabulary_needs_no_file_and_the_cutoff_works() {
    let workspace = indexed();
    assert_eq!(stdout(&workspace, &["tags", "--min-probability", "0", "-n", "2"], 0).lines().count(), 6);
    assert_eq!(stdout(&workspace, &["tags", "--min-probability", "1"], 1), "");
    stdout(&workspace, &["tags", "--in", "/nowhere"], 1);
    // Coloured squares show none of this.
    let query = ["query", "a steam engine in a railway station", "--format", "paths"];
    assert_eq!(stdout(&workspace, &query, 0).lines().count(), 3);
    assert_eq!(stdout(&workspace, &[&query[..], &["--cutoff"]].concat(), 1), "");
    assert_eq!(stdout(&workspace, &[&query[..], &["--cutoff", "--all"]].concat(), 0).lines().count(), 3);
}

/// The second time, nothing is embedded: not even ONNX Runtime is needed.
#[test]
#[cfg(target_os = "linux")]
fn labels_are_embedded_the_first_time_only() {
    let workspace = indexed();
    let words = workspace.root().join("words.txt");
    let cache = workspace.root().join("cache");
    for vocabulary in [&[][..], &["--vocabulary", words.to_str().unwrap()]] {
        let tags = || {
            let mut command = workspace.imgsearch(&["tags", "--min-probability", "0"]);
            command.args(vocabulary).env("XDG_CACHE_HOME", &cache);
            command
        };
        tags().env("ORT_DYLIB_PATH", "/nowhere").assert().code(2);
        let first = tags().assert().success().get_output().stdout.clone();
        let second = tags().env("ORT_DYLIB_PATH", "/nowhere").assert().success().get_output().stdout.clone();
        assert_eq!(String::from_utf8(second).unwrap(), String::from_utf8(first).unwrap());
    }
}

#[test]
fn kept_labels_are_read_once_however_many_photos_are_labelled() {
    let workspace = indexed();
    let (cache, library) = (workspace.root().join("cache"), Library::new(workspace.root().join("library")));
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let execution = Execution { precision: Precision::Auto, ..execution(Some(cache.clone())) };
    let choice = Choice { least: 0.0, most: 2 };
    let prepare = |vocabulary: &Vocabulary| {
        let model = Arc::new(Model::open(&data.join("models/offline"), execution.clone()).unwrap());
        let engine = Engine::open(&library, library.view().unwrap(), model, Limits::default()).unwrap();
        let embedded = Cell::new(0);
        let count = |_, _| embedded.set(embedded.get() + 1);
        let prepared = engine.prepare(vocabulary.clone(), &count).unwrap();
        (engine, prepared, embedded.get())
    };
    for (vocabulary, labels) in [(Vocabulary::everyday(), 400), (Vocabulary::parse("a dog\na texture"), 2)] {
        let (_, _, embedded) = prepare(&vocabulary);
        assert!(embedded >= labels, "{embedded}");
        let (engine, prepared, embedded) = prepare(&vocabulary);
        assert_eq!(embedded, 0);
        // There is nothing left to read.
        fs::rename(cache.join("texts"), workspace.root().join("texts")).unwrap();
        fs::rename(library.folder().join("background"), workspace.root().join("background")).unwrap();
        let mut labelled = 0;
        let count = |tagged: Tagged| {
            labelled += tagged.labels.len();
            true
        };
        engine.tag(&prepared, &Filter::default(), choice, count).unwrap();
        assert_eq!(labelled, 6);
        // It would have been kept again.
        assert!(!cache.join("texts").exists() && !library.folder().join("background").exists());
        fs::rename(workspace.root().join("texts"), cache.join("texts")).unwrap();
        fs::rename(workspace.root().join("background"), library.folder().join("background")).unwrap();
    }
}

#[test]
fn invalid_vocabularies_and_limits_are_refused() {
    let workspace = indexed();
    let empty = workspace.root().join("empty.txt");
    fs::write(&empty, "# nothing\n").unwrap();
    let check = |args: &[&str], named: &str| {
        let output = workspace.imgsearch(args).assert().code(2).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(named), "{stderr}");
    };
    check(&["tags", "--vocabulary", empty.to_str().unwrap()], "has no labels");
    check(&["tags", "--vocabulary", "/nowhere.txt"], "/nowhere.txt");
    check(&["tags", "--min-probability", "2"], "between 0 and 1");
    check(&["query", "x", "--cutoff", "--min-score", "0"], "cannot be used with");
}
