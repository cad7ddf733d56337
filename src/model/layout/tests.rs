//! Tests of reading folders of every layout, and of refusing invalid ones.

use super::*;

pub(in crate::model) const OWN: &str = r#"{"format": 1, "name": "n", "embed_dim": 4,
    "image": {"file": "i.onnx", "image_size": [8, 8], "resize_mode": "squash", "interpolation": "bicubic",
              "mean": [0, 0, 0], "std": [1, 1, 1]},
    "text": {"file": "t.onnx", "tokenizer": "t.json", "context_length": 64}, "sha256": {"i.onnx": "ab"}}"#;

fn read(json: &str) -> Result<ModelConfig, ModelError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("model.json"), json).unwrap();
    ModelConfig::read(folder.path(), Precision::Auto)
}

#[test]
fn invalid_fields_are_refused_and_named() {
    #[track_caller]
    fn check(from: &str, to: &str, named: &str) {
        let error = read(&OWN.replace(from, to)).unwrap_err().to_string();
        assert!(error.contains(named), "{error}");
    }
    check("\"format\": 1", "\"format\": 2", "`format` is 2");
    check("squash", "stretch", "stretch");
    check("[8, 8]", "[0, 8]", "image_size");
    check("[1, 1, 1]", "[1, 0, 1]", "std");
    check("t.onnx", "../t.onnx", "../t.onnx");
    check("\"name\": \"n\",", "", "name");
    check("\"i.onnx\": \"ab\"", "", "sha256");
}
