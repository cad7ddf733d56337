//! open_clip's `model_cfg` and `preprocess_cfg`, which Immich's layout also uses, and the layout of `open_clip_inference`.
//!
//! ```text
//! open_clip_config.json   {"model_cfg": …, "preprocess_cfg": …}
//! model_config.json       logit_scale, logit_bias, pad_id and more
//! visual.onnx             pixels → embeddings; optional visual.onnx.data
//! text.onnx               token ids → embeddings; optional text.onnx.data
//! tokenizer.json, tokenizer_config.json, special_tokens_map.json
//! ```

use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::{
    ImageConfig, ImageTower, Interpolation, Layout, ModelConfig, Pad, Padding, PreprocessConfig, ResizeMode,
    TextConfig, config_error, name_of, read_json,
};
use crate::model::tokenizer::{Clean, Vocabulary};
use crate::model::{ModelError, Prompt};

/// The parts of open_clip's `model_cfg` that matter for exported towers.
#[derive(Deserialize)]
pub(super) struct ModelCfg {
    pub(super) embed_dim: usize,
    vision_cfg: VisionCfg,
    text_cfg: TextCfg,
}

#[derive(Deserialize)]
struct VisionCfg {
    image_size: Size,
}

/// The side of a square, or height and width.
#[derive(Deserialize)]
#[serde(untagged)]
enum Size {
    Square(u32),
    Sides([u32; 2]),
}

impl Size {
    fn sides(&self) -> [u32; 2] {
        match self {
            Size::Square(side) => [*side; 2],
            Size::Sides(sides) => *sides,
        }
    }
}

#[derive(Deserialize)]
struct TextCfg {
    /// Defaults to open_clip's default for all text towers.
    #[serde(default = "default_context_length")]
    context_length: usize,
    /// Set for a Hugging Face encoder, which makes its mask from the ids.
    hf_model_name: Option<String>,
    hf_tokenizer_name: Option<String>,
    #[serde(default)]
    tokenizer_kwargs: serde_json::Map<String, Value>,
    #[serde(default)]
    no_causal_mask: bool,
    /// Set for CoCa, which appends a token that attends to all others.
    #[serde(default)]
    embed_cls: bool,
    /// `argmax` and `eos` use the end of the text, `first` and `last` fixed positions.
    #[serde(default = "default_pool_type")]
    pool_type: String,
}

fn default_context_length() -> usize {
    77
}

fn default_pool_type() -> String {
    "argmax".to_owned()
}

/// open_clip's `preprocess_cfg`.
#[derive(Deserialize)]
pub(super) struct PreprocessCfg {
    size: Option<Size>,
    mean: [f32; 3],
    std: [f32; 3],
    interpolation: String,
    resize_mode: ResizeMode,
    #[serde(default)]
    fill_color: u8,
    mode: Option<String>,
}

impl PreprocessCfg {
    pub(super) fn config(self, path: &Path, model: &ModelCfg) -> Result<PreprocessConfig, ModelError> {
        if let Some(mode) = self.mode.filter(|mode| mode != "RGB") {
            return Err(config_error(path, format!("`mode` is {mode}, only RGB is known")));
        }
        let interpolation = match self.interpolation.as_str() {
            "bicubic" => Interpolation::Bicubic,
            "bilinear" => Interpolation::Bilinear,
            // open_clip chooses randomly in training, and uses bicubic otherwise.
            "random" => Interpolation::Bicubic,
            other => {
                return Err(config_error(
                    path,
                    format!("`interpolation` is {other}, not bicubic or bilinear"),
                ));
            }
        };
        let image_size = self.size.as_ref().unwrap_or(&model.vision_cfg.image_size).sides();
        let PreprocessCfg { mean, std, resize_mode, fill_color, .. } = self;
        PreprocessConfig { image_size, resize_mode, interpolation, mean, std, fill_color }.checked(path)
    }
}

/// The relevant settings from a folder's tokenizer files.
#[derive(Default, Deserialize)]
pub(super) struct TokenizerConfig {
    pub(super) pad_token: Option<Token>,
    pub(super) bos_token: Option<Token>,
    pub(super) eos_token: Option<Token>,
    pub(super) tokenizer_class: Option<String>,
    src_lang: Option<String>,
}

/// A token, either plain or with properties.
#[derive(Deserialize)]
#[serde(untagged)]
pub(super) enum Token {
    Plain(String),
    Described { content: String },
}

impl Token {
    pub(super) fn text(&self) -> &str {
        match self {
            Token::Plain(text) | Token::Described { content: text } => text,
        }
    }
}

impl TokenizerConfig {
    /// Whether this is CLIP's own byte-pair encoding, `SimpleTokenizer` in open_clip.
    pub(super) fn is_clip(&self) -> bool {
        self.bos_token.as_ref().is_some_and(|bos| bos.text() == "<|startoftext|>")
    }

    /// The language token that NLLB's tokenizer puts in front. The default is English, as in open_clip.
    fn language(&self) -> Option<String> {
        let is_nllb = self.tokenizer_class.as_ref().is_some_and(|class| class.starts_with("Nllb"));
        is_nllb.then(|| self.src_lang.clone().unwrap_or_else(|| "eng_Latn".to_owned()))
    }

    /// The padding token.
    pub(super) fn pad(&self, path: &Path) -> Result<Pad, ModelError> {
        let token =
            self.pad_token.as_ref().ok_or_else(|| config_error(path, "`pad_token` is missing".to_owned()))?;
        Ok(Pad::Token(token.text().to_owned()))
    }
}

/// The preprocessing for a text tower of open_clip, with its tokenizer files in `tokenizers`.
pub(super) fn text_config(
    model_cfg: &ModelCfg,
    model_cfg_path: &Path,
    tokenizers: &Path,
    file: &Path,
) -> Result<TextConfig, ModelError> {
    let cfg = &model_cfg.text_cfg;
    let tokenizer_path = tokenizers.join("tokenizer_config.json");
    let tokenizer: TokenizerConfig = read_json(&tokenizer_path)?;
    let mut clean = None;
    for (name, value) in &cfg.tokenizer_kwargs {
        clean = match (name.as_str(), value.as_str()) {
            ("clean", Some("canonicalize")) => Some(Clean::Canonicalize),
            ("clean", Some("lower")) => Some(Clean::Lower),
            ("clean", Some("whitespace")) => Some(Clean::Whitespace),
            _ => {
                let detail = format!(
                    "`text_cfg.tokenizer_kwargs.{name}` is {value}, which this version does not know"
                );
                return Err(config_error(model_cfg_path, detail));
            }
        };
    }
    let is_simple = cfg.hf_tokenizer_name.is_none() && tokenizer.is_clip();
    let default_clean = if is_simple { Clean::Lower } else { Clean::Whitespace };
    // M-CLIP does not describe its text tower, but its tokenizer is not CLIP's. Like every Hugging Face encoder, it masks
    // padding.
    let masks_padding = cfg.hf_model_name.is_some() || (cfg.hf_tokenizer_name.is_none() && !is_simple);
    let is_causal =
        !cfg.no_causal_mask && !cfg.embed_cls && matches!(cfg.pool_type.as_str(), "argmax" | "eos");
    Ok(TextConfig {
        file: file.to_owned(),
        vocabulary: Vocabulary::in_folder(tokenizers)?,
        clean: clean.unwrap_or(default_clean),
        language: tokenizer.language(),
        prompt: Prompt::default(),
        context_length: cfg.context_length,
        padding: if masks_padding || (is_simple && is_causal) { Padding::Needless } else { Padding::Needed },
        // open_clip's `SimpleTokenizer` pads with zeros, even if the files made for Hugging Face say something else.
        pad: if is_simple { Pad::Id(0) } else { tokenizer.pad(&tokenizer_path)? },
    })
}

#[derive(Deserialize)]
struct OpenClipConfig {
    model_cfg: ModelCfg,
    preprocess_cfg: PreprocessCfg,
}

/// `model_config.json`. Its `pad_id` and lowercasing are ignored: they are meant for a loader that does not know open_clip's
/// rules, and are wrong for some models. `open_clip_config.json` has the right values.
#[derive(Default, Deserialize)]
struct Extras {
    logit_scale: Option<f32>,
    logit_bias: Option<f32>,
}

pub(super) fn read(folder: &Path) -> Result<ModelConfig, ModelError> {
    let path = folder.join("open_clip_config.json");
    let OpenClipConfig { model_cfg, preprocess_cfg } = read_json(&path)?;
    let extras = folder.join("model_config.json");
    let Extras { logit_scale, logit_bias } =
        if extras.exists() { read_json(&extras)? } else { Extras::default() };
    let file = folder.join("visual.onnx");
    let tower = ImageTower::read(&file)?;
    let preprocess = preprocess_cfg.config(&path, &model_cfg)?.fits(&path, &tower)?;
    Ok(ModelConfig {
        layout: Layout::OpenClip,
        name: name_of(folder),
        embed_dim: tower.embed_dim(&file, Some(model_cfg.embed_dim))?,
        matryoshka: Vec::new(),
        text: text_config(&model_cfg, &path, folder, &folder.join("text.onnx"))?,
        image: ImageConfig { file, data: tower.data, preprocess },
        logit_scale,
        logit_bias,
        sha256: super::BTreeMap::new(),
    })
}
