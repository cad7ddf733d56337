//! Decides whether a vocabulary has words for a text.
//!
//! A vocabulary does not show which languages its model has learned, but it shows which scripts. A vocabulary from English
//! texts contains Cyrillic or Chinese only as single letters or bytes, if at all, and the model's output for those is
//! arbitrary. So a text in a non-Latin script is refused if the vocabulary lacks common words in all such scripts. Symbols,
//! mainly emoji, are refused only if the vocabulary cannot write them: CLIP writes many as a few bytes and has learned some
//! of them. German cannot be distinguished from rare English words.

use super::{ModelError, Tokenizer};

/// A very common word in each of several non-Latin scripts. A multilingual vocabulary has at least one of them as a single
/// token; CLIP's and English BERT's have none.
const COMMON_WORDS: [&str; 8] = ["猫", "это", "και", "في", "של", "पर", "จาก", "사람"];

/// The tokens for unknown pieces.
const UNKNOWN: [&str; 2] = ["[UNK]", "<unk>"];

/// The space before a word in unigram vocabularies. It is a separate token if the word is unknown.
const SPACE: &str = "▁";

impl Tokenizer {
    /// Whether this vocabulary has words for `text`.
    pub(crate) fn has_words_for(&self, text: &str) -> Result<bool, ModelError> {
        let text = self.clean.apply(text);
        if text.trim().is_empty() || text.chars().any(is_latin) {
            return Ok(true);
        }
        let is_lost = text.chars().any(char::is_alphabetic) || !self.known(&text)?.contains(&true);
        Ok(!is_lost || self.knows_other_scripts()?)
    }

    fn knows_other_scripts(&self) -> Result<bool, ModelError> {
        for word in COMMON_WORDS {
            if self.known(word)? == [true] {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// For each token of `text`, whether it is known.
    fn known(&self, text: &str) -> Result<Vec<bool>, ModelError> {
        let tokens = self.ids(text, false)?.into_iter().filter_map(|id| self.inner.id_to_token(id));
        Ok(tokens.filter(|token| token != SPACE).map(|token| !UNKNOWN.contains(&&*token)).collect())
    }
}

fn is_latin(c: char) -> bool {
    c.is_alphabetic() && (c < '\u{250}' || ('\u{1e00}'..='\u{1eff}').contains(&c))
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;
    use std::{fs, iter};

    use serde_json::{Value, json};

    use super::*;
    use crate::model::Prompt;
    use crate::model::layout::{Pad, Padding, TextConfig};
    use crate::model::tokenizer::{Clean, Vocabulary};

    fn tokenizer(folder: &Path, vocabulary: Vocabulary) -> Tokenizer {
        let config = TextConfig {
            file: folder.join("text.onnx"),
            vocabulary,
            clean: Clean::Lower,
            language: None,
            prompt: Prompt::Off,
            context_length: 16,
            padding: Padding::Needless,
            pad: Pad::Id(0),
        };
        Tokenizer::read(&config).unwrap()
    }

    /// A tokenizer from a `tokenizer.json` with this model; the end token has id 1.
    fn of_json(model: &Value, pre_tokenizer: &Value) -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("tokenizer.json");
        let end = json!({"id": 1, "content": "</s>", "single_word": false, "lstrip": false, "rstrip": false,
            "normalized": false, "special": true});
        let ends = json!({"type": "TemplateProcessing", "pair": [],
            "single": [{"Sequence": {"id": "A", "type_id": 0}}, {"SpecialToken": {"id": "</s>", "type_id": 0}}],
            "special_tokens": {"</s>": {"id": "</s>", "ids": [1], "tokens": ["</s>"]}}});
        let file = json!({"version": "1.0", "added_tokens": [end], "pre_tokenizer": pre_tokenizer,
            "post_processor": ends, "model": model});
        fs::write(&path, file.to_string()).unwrap();
        tokenizer(folder.path(), Vocabulary::Json(path))
    }

    /// A tokenizer like BERT's, with the letters a to z, к, о, т and these words.
    fn word_piece(words: &[&str]) -> Tokenizer {
        let letters = ('a'..='z').chain("кот".chars()).map(String::from);
        let pieces = letters.clone().chain(letters.map(|letter| format!("##{letter}")));
        let tokens = ["[UNK]", "</s>", "!", "1"].iter().chain(words).map(ToString::to_string).chain(pieces);
        let numbered: serde_json::Map<String, Value> =
            tokens.zip(0..).map(|(token, id)| (token, Value::from(id))).collect();
        let model = json!({"type": "WordPiece", "unk_token": "[UNK]", "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100, "vocab": numbered});
        of_json(&model, &json!({"type": "BertPreTokenizer"}))
    }

    /// A tokenizer like SentencePiece's, with the letters a to z and these words.
    fn unigram(words: &[&str]) -> Tokenizer {
        let letters = ('a'..='z').map(String::from).chain([SPACE.to_owned()]);
        let tokens = ["<unk>", "</s>"].iter().chain(words).map(ToString::to_string).chain(letters);
        let scored: Vec<(String, f32)> = tokens.zip(iter::repeat(-1.0)).collect();
        let model = json!({"type": "Unigram", "unk_id": 0, "byte_fallback": false, "vocab": scored});
        of_json(
            &model,
            &json!({"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "always", "split": true}),
        )
    }

    /// A tokenizer like CLIP's, with all bytes and one merge.
    fn bytes() -> Tokenizer {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("merges.txt.gz");
        let file = fs::File::create(&path).unwrap();
        let mut gz = flate2::write::GzEncoder::new(file, flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, b"#version\nc a\n").unwrap();
        gz.finish().unwrap();
        tokenizer(folder.path(), Vocabulary::ClipMerges(path))
    }

    #[track_caller]
    fn check(tokenizer: &Tokenizer, known: &[&str], lost: &[&str]) {
        let has_words = |text: &&str| tokenizer.has_words_for(text).unwrap();
        assert_eq!(known.iter().filter(|text| !has_words(text)).collect::<Vec<_>>(), [&""; 0]);
        assert_eq!(lost.iter().filter(|text| has_words(text)).collect::<Vec<_>>(), [&""; 0]);
    }

    const PLAIN: [&str; 7] = ["a cat", "", " ", "hund im schnee", "xq", "a 猫", "né à Đà Nẵng"];

    #[test]
    fn non_latin_letters_are_refused_by_a_vocabulary_without_such_words() {
        for tokenizer in [word_piece(&[]), unigram(&[]), bytes()] {
            check(&tokenizer, &PLAIN, &["猫", "кот", "猫 1!", "γάτα", "고양이", "बिल्ली"]);
        }
    }

    #[test]
    fn symbols_are_refused_if_the_vocabulary_cannot_write_them() {
        check(&word_piece(&[]), &["1", "1!", "1 🐈"], &["🐈", "🐈 ❤️"]);
        check(&unigram(&["🐶"]), &["🐶", "🐶 🐈"], &["🐈"]);
        check(&bytes(), &["🐈", "1"], &[]);
    }

    #[test]
    fn a_vocabulary_of_several_scripts_has_words_for_any_text() {
        for tokenizer in [word_piece(&["猫"]), word_piece(&["это"]), unigram(&["▁это"]), unigram(&["猫"])]
        {
            check(&tokenizer, &PLAIN, &[]);
            check(&tokenizer, &["猫", "кот", "γάτα", "고양이", "🐈"], &[]);
        }
    }

    #[test]
    fn every_common_word_is_in_another_script() {
        let blocks: BTreeSet<u32> =
            COMMON_WORDS.iter().filter_map(|word| word.chars().next()).map(|c| u32::from(c) >> 8).collect();
        assert_eq!(blocks.len(), COMMON_WORDS.len());
        assert!(COMMON_WORDS.iter().all(|word| !word.chars().any(is_latin)));
    }
}
