//! Turns text into token ids, exactly as the model's reference implementation does.

mod clean;
mod clip;
mod json;
mod words;

use std::path::{Path, PathBuf};

use tokenizers::processors::template::TemplateProcessing;
use tokenizers::{Tokenizer as HfTokenizer, TruncationParams};

pub(crate) use clean::Clean;

use super::ModelError;
use super::layout::{Pad, TextConfig};

/// The files that define a model's tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Vocabulary {
    /// Hugging Face's `tokenizer.json`.
    Json(PathBuf),
    /// CLIP's tokens in Hugging Face's `vocab.json` and `merges.txt`.
    Clip { vocabulary: PathBuf, merges: PathBuf },
    /// CLIP's tokens in OpenAI's `bpe_simple_vocab_16e6.txt.gz`.
    ClipMerges(PathBuf),
}

impl Vocabulary {
    /// The best vocabulary in `folder`.
    pub(crate) fn in_folder(folder: &Path) -> Result<Vocabulary, ModelError> {
        let there = |name: &str| Some(folder.join(name)).filter(|path| path.is_file());
        if let Some(path) = there("tokenizer.json") {
            return Ok(Vocabulary::Json(path));
        }
        if let (Some(vocabulary), Some(merges)) = (there("vocab.json"), there("merges.txt")) {
            return Ok(Vocabulary::Clip { vocabulary, merges });
        }
        let merges = "bpe_simple_vocab_16e6.txt.gz";
        let looked_for = ["tokenizer.json", "vocab.json with merges.txt", merges].map(str::to_owned);
        let missing = || ModelError::NoTokenizer { folder: folder.to_owned(), looked_for: looked_for.into() };
        there(merges).map(Vocabulary::ClipMerges).ok_or_else(missing)
    }

    /// The file to name in errors.
    pub(in crate::model) fn path(&self) -> &Path {
        match self {
            Vocabulary::Json(path)
            | Vocabulary::ClipMerges(path)
            | Vocabulary::Clip { vocabulary: path, .. } => path,
        }
    }
}

/// A model's tokenizer.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    inner: HfTokenizer,
    vocabulary: PathBuf,
    clean: Clean,
    pad: u32,
    /// Special tokens that a text could spell; they must not be produced from text.
    hidden: Vec<String>,
}

/// The tokens of a text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tokens {
    /// The ids, including special tokens and padding.
    pub(crate) ids: Vec<u32>,
    /// How many of them are not padding.
    pub(crate) length: usize,
}

impl Tokenizer {
    /// Loads the tokenizer named in `config`. Padding and truncation settings in the file are overridden, because exporters
    /// leave the values of their last call there.
    pub(crate) fn read(config: &TextConfig) -> Result<Tokenizer, ModelError> {
        let path = config.vocabulary.path();
        let refuse = |detail: tokenizers::Error| ModelError::Tokenizer {
            path: path.to_owned(),
            detail: detail.to_string(),
        };
        let mut inner = match &config.vocabulary {
            Vocabulary::Json(path) => json::read(path),
            Vocabulary::Clip { vocabulary, merges } => clip::from_vocabulary(vocabulary, merges),
            Vocabulary::ClipMerges(path) => clip::from_merges(path),
        }
        .map_err(refuse)?;
        if let Some(language) = &config.language {
            put_in_front(&mut inner, language).map_err(refuse)?;
        }
        inner.with_padding(None);
        let truncation =
            TruncationParams { max_length: config.context_length, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(refuse)?;
        // If a person types `[SEP]`, it is text and not the end of the text.
        inner.set_encode_special_tokens(true);
        let pad = match &config.pad {
            Pad::Id(id) => *id,
            Pad::Token(token) => inner
                .token_to_id(token)
                .ok_or_else(|| refuse(format!("it has no `{token}`, which is the padding token").into()))?,
        };
        let mut tokenizer =
            Tokenizer { inner, vocabulary: path.to_owned(), clean: config.clean, pad, hidden: Vec::new() };
        tokenizer.check_end()?;
        tokenizer.hidden = tokenizer.hidden_specials()?;
        Ok(tokenizer)
    }

    /// The ids of the cleaned `text` with special tokens, truncated to the context length (keeping the end token), and padded
    /// to `length` if one is given.
    pub(crate) fn encode(&self, text: &str, length: Option<usize>) -> Result<Tokens, ModelError> {
        let mut text = self.clean.apply(text);
        for special in &self.hidden {
            let mut characters = special.chars();
            let broken: String = characters.next().into_iter().chain([' ']).chain(characters).collect();
            text = text.replace(special, &broken);
        }
        let mut ids = self.ids(&text, true)?;
        let natural = ids.len();
        ids.resize(length.unwrap_or(natural).max(natural), self.pad);
        Ok(Tokens { ids, length: natural })
    }

    fn ids(&self, text: &str, add_special_tokens: bool) -> Result<Vec<u32>, ModelError> {
        let encoding = self
            .inner
            .encode_fast(text, add_special_tokens)
            .map_err(|error| ModelError::Tokenize { text: text.to_owned(), detail: error.to_string() })?;
        Ok(encoding.get_ids().to_vec())
    }

    /// Checks that texts get an end token. Towers pool there; without it they would give plausible nonsense.
    fn check_end(&self) -> Result<(), ModelError> {
        let (bare, whole) = (self.ids("a", false)?, self.ids("a", true)?);
        let is_special =
            |id: &u32| self.inner.get_added_tokens_decoder().get(id).is_some_and(|token| token.special);
        if whole.len() > bare.len() && whole.last().is_some_and(is_special) {
            return Ok(());
        }
        let detail = "it adds no end token to texts (`post_processor`)".to_owned();
        Err(ModelError::Tokenizer { path: self.vocabulary.clone(), detail })
    }

    /// The special tokens that a text can spell, because a unigram model keeps them among its pieces.
    fn hidden_specials(&self) -> Result<Vec<String>, ModelError> {
        let added = self.inner.get_added_tokens_decoder();
        let mut hidden = Vec::new();
        for (id, token) in added.into_iter().filter(|(_, token)| token.special) {
            if self.ids(&token.content, false)?.contains(&id) {
                hidden.push(token.content);
            }
        }
        Ok(hidden)
    }
}

/// Makes texts start with a language token and end with the end token. Files can have either of the two orders that NLLB's
/// tokenizer has used, and any language.
fn put_in_front(tokenizer: &mut HfTokenizer, language: &str) -> Result<(), tokenizers::Error> {
    let special = |token: &str| {
        let id = tokenizer.token_to_id(token).ok_or_else(|| format!("it has no token `{token}`"))?;
        Ok::<_, String>((token.to_owned(), id))
    };
    let template = TemplateProcessing::builder()
        .try_single(format!("{language} $A </s>"))?
        .special_tokens(vec![special(language)?, special("</s>")?])
        .build()?;
    tokenizer.with_post_processor(Some(template));
    Ok(())
}
