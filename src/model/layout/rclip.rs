//! rclip's layout: `yurijmikhalevich/rclip-models` on Hugging Face, and rclip's own data folder.
//!
//! ```text
//! MODEL/visual.onnx                          `input` f32 [batch, 3, size, size] → `output`
//! MODEL/textual.onnx                         `input` i64 [batch, 77] → `output`
//! tokenizer/bpe_simple_vocab_16e6.txt.gz     beside MODEL
//! ```
//!
//! No file states the preprocessing. This is safe, because rclip uses the same one for all its models: CLIP's, with the fixed
//! size of the image tower.

use std::collections::BTreeMap;
use std::path::Path;

use super::{
    ImageConfig, ImageTower, Interpolation, Layout, ModelConfig, Pad, Padding, PreprocessConfig, ResizeMode,
    TextConfig, config_error, name_of,
};
use crate::model::tokenizer::{Clean, Vocabulary};
use crate::model::{ModelError, Prompt};

/// Mean and standard deviation of the pictures on which OpenAI trained CLIP.
const OPENAI_MEAN: [f32; 3] = [0.481_454_66, 0.457_827_5, 0.408_210_73];
const OPENAI_STD: [f32; 3] = [0.268_629_54, 0.261_302_6, 0.275_777_1];

pub(super) fn read(folder: &Path) -> Result<ModelConfig, ModelError> {
    let file = folder.join("visual.onnx");
    let tower = ImageTower::read(&file)?;
    if [tower.input.as_str(), tower.output.as_str()] != ["input", "output"] {
        let detail =
            "is not from rclip (`input` to `output`), and no other file identifies the model".to_owned();
        return Err(config_error(&file, detail));
    }
    let side = |side: Option<usize>| side.and_then(|side| u32::try_from(side).ok());
    let (Some(height), Some(width)) = (side(tower.size[0]), side(tower.size[1])) else {
        return Err(config_error(&file, "does not state the size of its pictures".to_owned()));
    };
    let preprocess = PreprocessConfig {
        image_size: [height, width],
        resize_mode: ResizeMode::Shortest,
        interpolation: Interpolation::Bicubic,
        mean: OPENAI_MEAN,
        std: OPENAI_STD,
        fill_color: 0,
    };
    let text = TextConfig {
        file: folder.join("textual.onnx"),
        vocabulary: Vocabulary::in_folder(folder)
            .or_else(|error| Vocabulary::in_folder(&folder.join("../tokenizer")).map_err(|_| error))?,
        clean: Clean::Lower,
        language: None,
        prompt: Prompt::default(),
        context_length: 77,
        padding: Padding::Needless,
        pad: Pad::Id(0),
    };
    Ok(ModelConfig {
        layout: Layout::Rclip,
        name: name_of(folder),
        embed_dim: tower.embed_dim(&file, None)?,
        matryoshka: Vec::new(),
        image: ImageConfig { data: tower.data, preprocess: preprocess.checked(&file)?, file },
        text,
        logit_scale: None,
        logit_bias: None,
        sha256: BTreeMap::new(),
    })
}
