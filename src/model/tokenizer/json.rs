//! `tokenizer.json`, faster than `tokenizers` reads it by itself where it is large.
//!
//! `tokenizers` finds out what kind of vocabulary a file has by keeping all of it in buffers that can hold anything, and
//! trying. Byte-pair encoding, which CLIP has, is read directly here; the rest of the file, which is small, goes through
//! `tokenizers` with a vocabulary of nothing but the added tokens. Where a file adds tokens that its vocabulary does not
//! have, their numbers depend on its size: `tokenizers` reads that by itself.

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

/// Reads the file at `path`, whatever kind of vocabulary it has.
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

/// The tokens that the file adds to its vocabulary, with their numbers in it; `None` if it does not have one of them.
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

    /// A vocabulary of bytes as CLIP's, with a few merges, special tokens and an added one.
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

    /// Of every way to put four of these together.
    const PARTS: [&str; 9] = ["cat", "CAB ", " ", "ä", "'s ", "<s>", "kitten", "</s>zt", "b1\u{1f408}"];

    #[test]
    fn tokens_are_those_that_tokenizers_makes_by_itself() {
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
    fn other_vocabularies_and_files_that_are_wrong_are_left_to_tokenizers() {
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
