//! Whether a vocabulary has words for a text.
//!
//! A vocabulary cannot tell which languages its model learned, but it tells in which scripts: a vocabulary made of
//! English texts has Cyrillic or Chinese in single letters or bytes, if at all, and what a model makes of those is
//! arbitrary. So a text in letters that are not Latin is lost on a vocabulary that has no common word in any of them. Of
//! symbols, emoji above all, only those are lost that the vocabulary cannot write: CLIP writes many as a few bytes, and
//! has learned some of them. German that is asked of an English model is not told from rare English.

use super::{ModelError, Tokenizer};

/// A very common word in each of some scripts that are not Latin. A vocabulary made of texts in several languages has
/// at least one of them as one token; CLIP's and English BERT's have none.
const COMMON_WORDS: [&str; 8] = ["猫", "это", "και", "في", "של", "पर", "จาก", "사람"];

/// What vocabularies call a piece that they cannot write.
const UNKNOWN: [&str; 2] = ["[UNK]", "<unk>"];

/// How unigram vocabularies write the space before a word: a token of its own where they do not know the word.
const SPACE: &str = "▁";

impl Tokenizer {
    /// Whether `text` means anything in this vocabulary.
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

    /// Of each token of `text`, whether it stands for something.
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

    /// Of a `tokenizer.json` with this model; what ends a text has number 1.
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

    /// As BERT's, of the letters a to z, к, о, т and these words.
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

    /// As SentencePiece's, of the letters a to z and these words.
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

    /// CLIP's, of all bytes and one merge.
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
    fn letters_that_are_not_latin_are_lost_on_a_vocabulary_without_a_word_of_them() {
        for tokenizer in [word_piece(&[]), unigram(&[]), bytes()] {
            check(&tokenizer, &PLAIN, &["猫", "кот", "猫 1!", "γάτα", "고양이", "बिल्ली"]);
        }
    }

    #[test]
    fn symbols_are_lost_where_the_vocabulary_cannot_write_them() {
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
    fn the_words_to_try_are_each_in_another_script() {
        let blocks: BTreeSet<u32> =
            COMMON_WORDS.iter().filter_map(|word| word.chars().next()).map(|c| u32::from(c) >> 8).collect();
        assert_eq!(blocks.len(), COMMON_WORDS.len());
        assert!(COMMON_WORDS.iter().all(|word| !word.chars().any(is_latin)));
    }
}
