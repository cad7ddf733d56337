//! Compares tokens with open_clip's, using CLIP's own vocabulary in every form in which models contain it.

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use imgsearch::Model;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::{Inputs, execution, inputs, read, same_but_for_padding};

const MERGES: &str = "bpe_simple_vocab_16e6.txt.gz";
/// CLIP's tokens end with these two.
const SPECIALS: [(&str, u32); 2] = [("<|startoftext|>", 49_406), ("<|endoftext|>", 49_407)];

fn goldens() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens")
}

/// OpenAI's file, as downloaded by `scripts/vocabulary`.
fn published() -> PathBuf {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let path = data.join("vocabulary").join(MERGES);
    assert!(path.exists(), "{} is missing: run scripts/vocabulary", path.display());
    path
}

/// The merges that CLIP uses, one per line.
fn merges() -> Vec<String> {
    let mut text = String::new();
    GzDecoder::new(fs::File::open(published()).unwrap()).read_to_string(&mut text).unwrap();
    text.lines().skip(1).take(49_152 - 256 - 2).map(str::to_owned).collect()
}

/// Token → id: bytes, bytes that end a word, merged tokens, and special tokens.
fn vocabulary(merges: &[String]) -> BTreeMap<String, u32> {
    let printable = ('!'..='~').chain('¡'..='¬').chain('®'..='ÿ');
    let bytes: Vec<_> = printable.chain('\u{100}'..='\u{143}').map(String::from).collect();
    assert_eq!(bytes.len(), 256);
    let ends = bytes.iter().map(|byte| format!("{byte}</w>"));
    let merged = merges.iter().map(|pair| pair.replace(' ', ""));
    let all: BTreeMap<_, _> = bytes.iter().cloned().chain(ends).chain(merged).zip(0..).collect();
    all.into_iter().chain(SPECIALS.map(|(token, id)| (token.to_owned(), id))).collect()
}

/// A small model in Immich's layout whose vocabulary is written by `write`.
fn model(write: impl FnOnce(&Path)) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for name in ["config.json", "visual/model.onnx", "visual/preprocess_cfg.json", "textual/model.onnx"] {
        fs::create_dir_all(folder.path().join(name).parent().unwrap()).unwrap();
        fs::copy(goldens().join("models/clip-immich").join(name), folder.path().join(name)).unwrap();
    }
    let config = "textual/tokenizer_config.json";
    fs::copy(goldens().join("models/clip-immich").join(config), folder.path().join(config)).unwrap();
    write(&folder.path().join("textual"));
    folder
}

#[track_caller]
fn check(form: &str, write: impl FnOnce(&Path)) {
    let folder = model(write);
    let encoder = Model::open(folder.path(), execution(None)).unwrap().text_encoder().unwrap();
    let expected: Vec<Vec<u32>> = read(&goldens().join("clip_tokens.json"));
    let Inputs { texts, special, .. } = inputs();
    assert_eq!(expected.len(), special);
    let wrong: Vec<_> = texts
        .iter()
        .zip(&expected)
        .filter_map(|(text, expected)| {
            let found = encoder.tokenize(text).unwrap();
            let wrong = !same_but_for_padding(&found, expected);
            wrong.then(|| format!("{form} {text:?}: {found:?}, expected {expected:?}"))
        })
        .collect();
    assert!(wrong.is_empty(), "{} are off:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn tokens_with_the_published_vocabulary_equal_open_clips() {
    let merges = merges();
    let vocabulary = vocabulary(&merges);
    check("OpenAI's file", |folder| _ = fs::copy(published(), folder.join(MERGES)).unwrap());
    check("vocab.json and merges.txt", |folder| {
        fs::write(folder.join("vocab.json"), serde_json::to_vec(&vocabulary).unwrap()).unwrap();
        fs::write(folder.join("merges.txt"), format!("#version: 0.2\n{}\n", merges.join("\n"))).unwrap();
    });
    check("tokenizer.json", |folder| {
        let small: Value = read(&goldens().join("models/clip-transformers/tokenizer.json"));
        let text = hugging_face(&small, &vocabulary, &merges);
        fs::write(folder.join("tokenizer.json"), text).unwrap();
    });
}

/// Hugging Face's `tokenizer.json` of a small model, with this vocabulary instead.
fn hugging_face(small: &Value, vocabulary: &BTreeMap<String, u32>, merges: &[String]) -> String {
    let mut file = small.clone();
    file["model"]["vocab"] = json!(vocabulary);
    file["model"]["merges"] = json!(merges);
    for (added, (token, id)) in file["added_tokens"].as_array_mut().unwrap().iter_mut().zip(SPECIALS) {
        assert_eq!(added["content"], token);
        added["id"] = json!(id);
    }
    let [(start, start_id), (end, end_id)] = SPECIALS;
    file["post_processor"]["cls"] = json!([start, start_id]);
    file["post_processor"]["sep"] = json!([end, end_id]);
    file.to_string()
}
