//! imgsearch's own layout.
//!
//! ```text
//! model.json       the fields below, in JSON
//! image.onnx       pixels f32 [batch, 3, height, width] → embeddings f32 [batch, embed_dim]
//! text.onnx        token ids i64 [batch, length] → embeddings f32 [batch, embed_dim]
//! tokenizer.json   Hugging Face tokenizers
//! ```

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::{
    ImageConfig, Layout, ModelConfig, Pad, Padding, PreprocessConfig, TextConfig, config_error, plain,
    read_json,
};
use crate::model::tokenizer::{Clean, Vocabulary};
use crate::model::{ModelError, Prompt};

/// The only `format` this version reads.
const FORMAT: u32 = 1;

/// `model.json`.
#[derive(Deserialize)]
struct File {
    format: u32,
    name: String,
    embed_dim: usize,
    /// The dimensions that the model was trained to be cut to.
    #[serde(default)]
    matryoshka_dimensions: Vec<usize>,
    image: Image,
    text: Text,
    logit_scale: Option<f32>,
    logit_bias: Option<f32>,
    /// File name → SHA-256 of the file, in hexadecimal.
    sha256: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Image {
    file: String,
    /// Files with external weights of `file`, if there are any.
    #[serde(default)]
    data: Vec<String>,
    #[serde(flatten)]
    preprocess: PreprocessConfig,
}

#[derive(Deserialize)]
struct Text {
    file: String,
    tokenizer: String,
    context_length: usize,
    #[serde(default)]
    clean: Clean,
    language: Option<String>,
    #[serde(default)]
    prompt: Prompt,
    /// Whether texts must be padded to `context_length`.
    #[serde(default)]
    padded: bool,
    #[serde(default)]
    pad_id: u32,
}

pub(super) fn read(folder: &Path) -> Result<ModelConfig, ModelError> {
    let path = folder.join("model.json");
    let File { format, name, embed_dim, matryoshka_dimensions, image, text, logit_scale, logit_bias, sha256 } =
        read_json(&path)?;
    let refuse = |detail: String| config_error(&path, detail);
    if format != FORMAT {
        return Err(refuse(format!("`format` is {format}, this version reads {FORMAT}")));
    }
    if embed_dim == 0 || text.context_length < 2 {
        return Err(refuse("`embed_dim` and `text.context_length` must be greater".into()));
    }
    let here = |name: &str| plain(&path, name).map(|name| folder.join(name));
    let sha256 = sha256
        .into_iter()
        .map(|(name, hash)| Ok((here(&name)?, hash)))
        .collect::<Result<BTreeMap<_, _>, _>>()?;
    let data = image.data.iter().map(|name| here(name)).collect::<Result<Vec<_>, _>>()?;
    let image = ImageConfig { file: here(&image.file)?, data, preprocess: image.preprocess.checked(&path)? };
    // Without these hashes, hundreds of megabytes would be hashed before the first query.
    if let Some(unstated) =
        [&image.file].into_iter().chain(&image.data).find(|file| !sha256.contains_key(*file))
    {
        return Err(refuse(format!("`sha256` has no entry for `{}`", unstated.display())));
    }
    let text = TextConfig {
        file: here(&text.file)?,
        vocabulary: Vocabulary::Json(here(&text.tokenizer)?),
        clean: text.clean,
        language: text.language,
        prompt: text.prompt,
        context_length: text.context_length,
        padding: if text.padded { Padding::Needed } else { Padding::Needless },
        pad: Pad::Id(text.pad_id),
    };
    Ok(ModelConfig {
        layout: Layout::Own,
        name,
        embed_dim,
        matryoshka: matryoshka_dimensions,
        image,
        text,
        logit_scale,
        logit_bias,
        sha256,
    })
}
