//! Text → token ids, as the model's reference implementation makes them.

use std::path::Path;

use tokenizers::{Tokenizer as HfTokenizer, TruncationParams};

use super::ModelError;

/// A model's tokenizer.
#[derive(Debug)]
pub(crate) struct Tokenizer {
    inner: HfTokenizer,
}

impl Tokenizer {
    /// Reads a Hugging Face `tokenizer.json`. Padding and truncation set inside the file are overridden: exporters
    /// leave whatever their last call used.
    pub(crate) fn read(path: &Path, context_length: usize) -> Result<Tokenizer, ModelError> {
        let refuse = |detail: tokenizers::Error| ModelError::Tokenizer {
            path: path.to_owned(),
            detail: detail.to_string(),
        };
        let mut inner = HfTokenizer::from_file(path).map_err(refuse)?;
        inner.with_padding(None);
        let truncation = TruncationParams { max_length: context_length, ..TruncationParams::default() };
        inner.with_truncation(Some(truncation)).map_err(refuse)?;
        // `[SEP]` typed by a person is text, not the end of the text.
        inner.set_encode_special_tokens(true);
        Ok(Tokenizer { inner })
    }

    /// The ids of `text`, special tokens added, cut to the context length, not padded.
    pub(crate) fn encode(&self, text: &str) -> Result<Vec<i64>, ModelError> {
        let encoding = self
            .inner
            .encode(text, true)
            .map_err(|error| ModelError::Tokenize { text: text.to_owned(), detail: error.to_string() })?;
        Ok(encoding.get_ids().iter().map(|id| i64::from(*id)).collect())
    }
}
