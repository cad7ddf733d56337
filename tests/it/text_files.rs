//! Text files as editors save them: with a byte order mark, in UTF-16, in Latin-1.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::workspace::Workspace;

const MARK: &[u8] = b"\xef\xbb\xbf";

fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for (name, seed) in [("1.png", 1), ("2.jpg", 20), ("3.png", 40)] {
        workspace.photo(name, seed);
    }
    workspace.index(&[], 0);
    workspace
}

fn file(workspace: &Workspace, name: &str, bytes: &[u8]) -> String {
    let path = workspace.root().join(name);
    fs::write(&path, bytes).unwrap();
    path.to_str().unwrap().to_owned()
}

fn utf_16(text: &str) -> Vec<u8> {
    "\u{feff}"
        .chars()
        .chain(text.chars())
        .collect::<String>()
        .encode_utf16()
        .flat_map(u16::to_le_bytes)
        .collect()
}

/// The records of a command that prints JSON lines.
#[track_caller]
fn records(workspace: &Workspace, args: &[&str], input: &[u8]) -> Vec<Value> {
    let mut command = workspace.imgsearch(args);
    let output =
        command.args(["--format", "jsonl"]).write_stdin(input).assert().success().get_output().clone();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let record = |line| {
        let mut record: Value = serde_json::from_slice(line).unwrap();
        // ONNX Runtime's sums vary in their last digits.
        for number in ["score", "probability"] {
            if let Some(exact) = record[number].as_f64() {
                record[number] = format!("{exact:.4}").into();
            }
        }
        record
    };
    lines.map(record).collect()
}

#[test]
fn a_bom_before_queries_and_labels_is_ignored() {
    let workspace = indexed();
    let check = |option: &[&str], text: &str| {
        let with_mark = file(&workspace, "with", &[MARK, text.as_bytes()].concat());
        let without = file(&workspace, "without", text.as_bytes());
        let of = |file: &str| records(&workspace, &[option, &[file]].concat(), b"");
        let expected = of(&without);
        assert!(!expected.is_empty());
        assert_eq!(of(&with_mark), expected, "{option:?}");
    };
    check(&["query", "-n", "2", "--queries"], "2:a cat\na dog\n");
    let picture = workspace.photos().join("1.png");
    check(&["query", "-n", "2", "--queries"], picture.to_str().unwrap());
    check(&["tags", "--min-probability", "0", "--vocabulary"], "# pets\na dog\na cat\n");
    check(&["classify", picture.to_str().unwrap(), "--labels-file"], "a dog\na cat\n");
    let queries = |input: &[u8]| records(&workspace, &["query", "--queries", "-"], input);
    assert_eq!(queries(b"\xef\xbb\xbf2:a cat\n"), queries(b"2:a cat\n"));
}

#[test]
fn a_bom_before_the_config_file_is_ignored() {
    let workspace = indexed();
    fs::write(workspace.config(), b"\xef\xbb\xbftop = 2\n").unwrap();
    assert_eq!(records(&workspace, &["query", "x"], b"").len(), 2);
    fs::write(workspace.config(), b"\xef\xbb\xbftpo = 2\n").unwrap();
    let output = workspace.imgsearch(&["query", "x"]).assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("config.toml:1:1: "), "{stderr}");
}

#[test]
fn a_bom_before_a_models_json_is_ignored() {
    #[track_caller]
    fn check(model: &str) {
        let workspace = Workspace::new();
        workspace.photo("1.png", 1);
        let copy = with_marks(&workspace, model);
        let model = ["--model", copy.to_str().unwrap()];
        workspace.index(&model, 0).check(&[("embedded", 1)]);
        assert_eq!(records(&workspace, &[&["query", "cat"], &model[..]].concat(), b"").len(), 1);
    }
    check("clip-own");
    check("siglip-transformers");
}

/// A golden model with a byte order mark before each of its JSON files.
fn with_marks(workspace: &Workspace, model: &str) -> PathBuf {
    let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models").join(model);
    let copy = workspace.root().join(model);
    for entry in walkdir::WalkDir::new(&golden).into_iter().map(Result::unwrap) {
        let to = copy.join(entry.path().strip_prefix(&golden).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
            continue;
        }
        let bytes = fs::read(entry.path()).unwrap();
        let is_json = to.extension().is_some_and(|ending| ending == "json");
        fs::write(to, if is_json { [MARK, &bytes].concat() } else { bytes }).unwrap();
    }
    copy
}

#[test]
fn a_text_in_another_encoding_is_refused_with_that_reason() {
    let workspace = indexed();
    let check = |args: &[&str], named: &[&str]| {
        let output = workspace.imgsearch(args).assert().code(2).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        named.iter().for_each(|name| assert!(stderr.contains(name), "{args:?}: {stderr}"));
    };
    let name = file(&workspace, "wide.txt", &utf_16("a cat\na dog\n"));
    check(&["query", "--queries", &name], &["wide.txt", "UTF-16"]);
    check(&["tags", "--vocabulary", &name], &["wide.txt", "UTF-16"]);
    check(&["classify", "x.png", "--labels-file", &name], &["wide.txt", "UTF-16"]);
    check(&["query", "x", "--config", &name], &["wide.txt", "UTF-16"]);
    let name = file(&workspace, "latin.txt", b"a cat\nT\xfcr\n");
    check(&["tags", "--vocabulary", &name], &["latin.txt", "not valid UTF-8"]);
    // The other lines are answered.
    check(&["query", "--queries", &name], &["line 2", "not valid UTF-8"]);
    let output = workspace.imgsearch(&["query", "-n", "1", "--queries", &name]).output().unwrap();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1);
}
