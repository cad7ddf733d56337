//! Reads `tokenizer.json` faster than `tokenizers` does, if it is large.
//!
//! `tokenizers` detects the kind of vocabulary by buffering all of it in a generic form and trying each kind. Here, byte-pair
//! encoding (CLIP's) is read directly. The rest of the file is small and goes through `tokenizers`, with a vocabulary of only
//! the added tokens. If some added tokens are not in the vocabulary, their ids depend on its size, and `tokenizers` reads the
//! whole file.

use std::path::Path;
use std::str::FromStr;

use ahash::AHashMap;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tokenizers::models::bpe::BPE;
use tokenizers::{Error, Model, Tokenizer};

use crate::text_file;

#[derive(Deserialize, Serialize)]
struct File<M> {
    model: M,
    #[serde(flatten)]
    rest: Map<String, Value>,
}

/// Reads the file at `path` with any kind of vocabulary.
pub(super) fn read(path: &Path) -> Result<Tokenizer, Error> {
    let json = text_file::read(path)?;
    let Ok(File { model, rest }) = serde_json::from_str::<File<BPE>>(&json) else {
        return Tokenizer::from_str(&json);
    };
    let Some(vocabulary) = added_only(&model, &rest) else { return Tokenizer::from_str(&json) };
    let small = File { model: BPE::builder().vocab_and_merges(vocabulary, Vec::new()).build()?, rest };
    let mut tokenizer = Tokenizer::from_str(&serde_json::to_string(&small)?)?;
    tokenizer.with_model(model);
    Ok(tokenizer)
}

/// The added tokens with their ids in the vocabulary; `None` if one of them is not in it.
fn added_only(model: &BPE, rest: &Map<String, Value>) -> Option<AHashMap<String, u32>> {
    let added = rest.get("added_tokens").and_then(Value::as_array).into_iter().flatten();
    let numbered = |token: &Value| {
        let content = token.get("content")?.as_str()?;
        Some((content.to_owned(), model.token_to_id(content)?))
    };
    added.map(numbered).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A byte vocabulary like CLIP's, with a few merges, special tokens and an added one.
    const SMALL: &str = r#"{"version": "1.0", "truncation": null, "padding": null,
        "added_tokens": [
            {"id": 14, "content": "<s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
            {"id": 15, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false, "normalized": false, "special": true},
            {"id": 16, "content": "kitten", "single_word": false, "lstrip": false, "rstrip": false, "normalized": true, "special": false}],
        "normalizer": {"type": "Sequence", "normalizers": [{"type": "NFC"}, {"type": "Lowercase"}]},
        "pre_tokenizer": {"type": "Sequence", "pretokenizers": [
            {"type": "Split", "pattern": {"Regex": "'s|[\\p{L}]+|[\\p{N}]|[^\\s\\p{L}\\p{N}]+"}, "behavior": "Removed", "invert": true},
            {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false}]},
        "post_processor": {"type": "RobertaProcessing", "sep": ["</s>", 15], "cls": ["<s>", 14],
            "trim_offsets": false, "add_prefix_space": false},
        "decoder": null,
        "model": {"type": "BPE", "dropout": null, "unk_token": "</s>", "continuing_subword_prefix": "",
            "end_of_word_suffix": "</w>", "fuse_unk": false, "byte_fallback": false,
            "vocab": {"a": 0, "b": 1, "c": 2, "t": 3, "Ã": 4, "¤": 5, "a</w>": 6, "b</w>": 7, "t</w>": 8, "ca": 9,
                "cat</w>": 10, "ab": 11, "ab</w>": 12, "Ã¤</w>": 13, "<s>": 14, "</s>": 15, "kitten": 16, "¤</w>": 17},
            "merges": MERGES}}"#;

    /// Test texts are all combinations of four of these.
    const PARTS: [&str; 9] = ["cat", "CAB ", " ", "ä", "'s ", "<s>", "kitten", "</s>zt", "b1\u{1f408}"];

    #[test]
    fn tokens_equal_those_of_tokenizers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let merges = r#"["c a", "ca t</w>", "a b", "a b</w>", "Ã ¤</w>"]"#;
        let pairs = r#"[["c", "a"], ["ca", "t</w>"], ["a", "b"], ["a", "b</w>"], ["Ã", "¤</w>"]]"#;
        let without_kitten = SMALL.replace(r#""kitten": 16, "#, "");
        for (file, merges) in [(SMALL, merges), (SMALL, pairs), (&without_kitten, pairs)] {
            fs::write(&path, file.replace("MERGES", merges)).unwrap();
            let (mut fast, mut slow) = (read(&path).unwrap(), Tokenizer::from_file(&path).unwrap());
            for neutral in [false, true] {
                fast.set_encode_special_tokens(neutral);
                slow.set_encode_special_tokens(neutral);
                for number in 0..PARTS.len().pow(4) {
                    let text: String =
                        (0..4).map(|at| PARTS[number / PARTS.len().pow(at) % PARTS.len()]).collect();
                    let ids = |tokenizer: &Tokenizer| {
                        tokenizer.encode(text.as_str(), true).unwrap().get_ids().to_vec()
                    };
                    assert_eq!(ids(&fast), ids(&slow), "{text:?}");
                }
            }
            assert_eq!(fast.get_vocab(true), slow.get_vocab(true));
        }
    }

    #[test]
    fn other_vocabularies_and_invalid_files_are_left_to_tokenizers() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let write =
            |model: &str| fs::write(&path, format!(r#"{{"version": "1.0", "model": {model}}}"#)).unwrap();
        write(r#"{"type": "WordLevel", "vocab": {"cat": 0, "?": 1}, "unk_token": "?"}"#);
        assert_eq!(read(&path).unwrap().encode("cat", false).unwrap().get_ids(), [0]);
        write(r#"{"type": "BPE", "vocab": {"a": 0}, "merges": ["a b"]}"#);
        assert!(read(&path).is_err());
        fs::write(&path, "{").unwrap();
        assert!(read(&path).is_err());
    }
}
