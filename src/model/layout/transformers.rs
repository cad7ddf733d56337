//! The layout of transformers.js and of Hugging Face's ONNX exports (`Xenova/…`, `onnx-community/…`).
//!
//! ```text
//! config.json               model_type, projection_dim, text_config.max_position_embeddings
//! preprocessor_config.json  the preprocessing of pictures
//! tokenizer.json, tokenizer_config.json, or vocab.json and merges.txt
//! onnx/vision_model.onnx    pixel_values → image_embeds (CLIP, MetaCLIP 2) or pooler_output (SigLIP), not normalised
//! onnx/text_model.onnx      input_ids → text_embeds or pooler_output
//! onnx/…_fp16.onnx, …_quantized.onnx, …_int8.onnx, …_uint8.onnx
//! ```

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::open_clip::TokenizerConfig;
use super::{
    ImageConfig, ImageTower, Interpolation, Layout, ModelConfig, Padding, PreprocessConfig, ResizeMode,
    TextConfig, config_error, name_of, read_json,
};
use crate::model::tokenizer::{Clean, Vocabulary};
use crate::model::{ModelError, Precision, Prompt};

/// `config.json`.
#[derive(Deserialize)]
struct Config {
    model_type: String,
    projection_dim: Option<usize>,
    /// The dimensions that the model was trained to be cut to, under the name that Jina's models use.
    matryoshka_dimensions: Option<Vec<usize>>,
    #[serde(default)]
    text_config: TextSection,
}

#[derive(Default, Deserialize)]
struct TextSection {
    max_position_embeddings: Option<usize>,
}

impl Config {
    /// Whether `projection_dim` is the length of its vectors.
    fn has_projection(&self) -> bool {
        matches!(self.model_type.as_str(), "clip" | "metaclip_2")
    }
}

/// `preprocessor_config.json`. Missing fields have the defaults of the image processor's class; CLIP's and SigLIP's differ
/// only in the crop.
#[derive(Deserialize)]
struct Preprocessor {
    #[serde(alias = "feature_extractor_type")]
    image_processor_type: Option<String>,
    size: Size,
    crop_size: Option<Size>,
    do_center_crop: Option<bool>,
    resample: Option<u32>,
    #[serde(default = "yes")]
    do_resize: bool,
    #[serde(default = "yes")]
    do_rescale: bool,
    rescale_factor: Option<f64>,
    #[serde(default = "yes")]
    do_normalize: bool,
    image_mean: Option<[f32; 3]>,
    image_std: Option<[f32; 3]>,
}

fn yes() -> bool {
    true
}

#[derive(Clone, Copy, Deserialize)]
#[serde(untagged)]
enum Size {
    /// The short side, as in older files.
    Short(u32),
    ShortestEdge {
        shortest_edge: u32,
    },
    Sides {
        height: u32,
        width: u32,
    },
}

impl Size {
    /// Height and width of a crop.
    fn sides(self) -> [u32; 2] {
        match self {
            Size::Short(side) | Size::ShortestEdge { shortest_edge: side } => [side; 2],
            Size::Sides { height, width } => [height, width],
        }
    }
}

impl Preprocessor {
    fn config(self, path: &Path) -> Result<PreprocessConfig, ModelError> {
        let refuse = |detail: String| config_error(path, detail);
        let class = self.image_processor_type.as_deref().unwrap_or_default();
        let crops = self.do_center_crop.unwrap_or(class.starts_with("CLIP"));
        let image_size = self.size.sides();
        let crop_size = self.crop_size.unwrap_or(self.size).sides();
        if !self.do_resize || !self.do_rescale {
            return Err(refuse("`do_resize` and `do_rescale` must be true".into()));
        }
        if self.rescale_factor.is_some_and(|factor| (factor * 255.0 - 1.0).abs() > 1e-3) {
            return Err(refuse("`rescale_factor` is not 1/255".into()));
        }
        if crops && crop_size != image_size {
            return Err(refuse(format!(
                "`crop_size` is {crop_size:?} and `size` {image_size:?}; they must be the same"
            )));
        }
        let resize_mode = match self.size {
            Size::Sides { .. } => ResizeMode::Squash,
            Size::Short(_) | Size::ShortestEdge { .. } if crops => ResizeMode::Shortest,
            Size::Short(_) | Size::ShortestEdge { .. } => {
                return Err(refuse(
                    "`size` is that of the short side, and `do_center_crop` is not true".into(),
                ));
            }
        };
        let interpolation = match self.resample.unwrap_or(3) {
            2 => Interpolation::Bilinear,
            3 => Interpolation::Bicubic,
            other => {
                return Err(refuse(format!("`resample` is {other}, neither 2 (bilinear) nor 3 (bicubic)")));
            }
        };
        let (mean, std) = match (self.do_normalize, self.image_mean, self.image_std) {
            (false, ..) => ([0.0; 3], [1.0; 3]),
            (true, Some(mean), Some(std)) => (mean, std),
            (true, ..) => return Err(refuse("`image_mean` or `image_std` is missing".into())),
        };
        PreprocessConfig { image_size, resize_mode, interpolation, mean, std, fill_color: 0 }.checked(path)
    }
}

pub(super) fn read(folder: &Path, precision: Precision) -> Result<ModelConfig, ModelError> {
    let path = folder.join("config.json");
    let config: Config = read_json(&path)?;
    let preprocessor_path = folder.join("preprocessor_config.json");
    let preprocessor: Preprocessor = read_json(&preprocessor_path)?;
    let file = tower_file(folder, "vision_model", precision.image_suffixes())?;
    let tower = ImageTower::read(&file)?;
    Ok(ModelConfig {
        layout: Layout::Transformers,
        name: name_of(folder),
        embed_dim: tower.embed_dim(&file, config.projection_dim.filter(|_| config.has_projection()))?,
        text: text_config(folder, &path, &config, precision)?,
        matryoshka: config.matryoshka_dimensions.unwrap_or_default(),
        image: ImageConfig {
            preprocess: preprocessor.config(&preprocessor_path)?.fits(&preprocessor_path, &tower)?,
            data: tower.data,
            file,
        },
        logit_scale: None,
        logit_bias: None,
        sha256: BTreeMap::new(),
    })
}

fn text_config(
    folder: &Path,
    path: &Path,
    config: &Config,
    precision: Precision,
) -> Result<TextConfig, ModelError> {
    let tokenizer_path = folder.join("tokenizer_config.json");
    let tokenizer: TokenizerConfig = read_json(&tokenizer_path)?;
    let class = tokenizer.tokenizer_class.as_deref().unwrap_or_default();
    let token = |token: &Option<super::open_clip::Token>| token.as_ref().map(|token| token.text().to_owned());
    let (clean, default_length, padding) = match (config.model_type.as_str(), class.trim_end_matches("Fast"))
    {
        // If the end token is also the padding, the tower is CLIP's, which looks only up to the first end token. MobileCLIP
        // has the same `model_type` but looks at all tokens; its files pad with `!`.
        ("clip", "CLIPTokenizer") if token(&tokenizer.pad_token) == token(&tokenizer.eos_token) => {
            (Clean::Lower, 77, Padding::Needless)
        }
        ("clip", "CLIPTokenizer") => (Clean::Lower, 77, Padding::Needed),
        // The same causal tower as CLIP's, with a tokenizer that is case-sensitive.
        ("metaclip_2", "XLMRobertaTokenizer") => (Clean::Whitespace, 77, Padding::Needless),
        ("siglip", "SiglipTokenizer") => (Clean::Canonicalize, 64, Padding::Needed),
        // SigLIP 2 was trained on lower-case text, but its tokenizer does not convert it.
        ("siglip", "GemmaTokenizer") => (Clean::Lower, 64, Padding::Needed),
        ("clip" | "metaclip_2" | "siglip", _) => {
            let detail = format!(
                "`tokenizer_class` is {class:?}, which this version does not know with {}",
                config.model_type
            );
            return Err(config_error(&tokenizer_path, detail));
        }
        (other, _) => {
            return Err(config_error(
                path,
                format!("`model_type` is {other}, not clip, metaclip_2 or siglip"),
            ));
        }
    };
    Ok(TextConfig {
        file: tower_file(folder, "text_model", precision.text_suffixes())?,
        vocabulary: Vocabulary::in_folder(folder)?,
        clean,
        language: None,
        prompt: Prompt::default(),
        context_length: config.text_config.max_position_embeddings.unwrap_or(default_length),
        padding,
        pad: tokenizer.pad(&tokenizer_path)?,
    })
}

/// The first of the files `onnx/STEM{SUFFIX}.onnx` that exists.
fn tower_file(folder: &Path, stem: &str, suffixes: &[&str]) -> Result<PathBuf, ModelError> {
    let files = suffixes.iter().map(|suffix| folder.join(format!("onnx/{stem}{suffix}.onnx")));
    files.clone().find(|file| file.is_file()).ok_or_else(|| ModelError::NoTower {
        folder: folder.join("onnx"),
        looked_for: files.filter_map(|file| Some(file.file_name()?.to_string_lossy().into_owned())).collect(),
    })
}
