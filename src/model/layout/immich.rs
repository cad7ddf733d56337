//! Immich's layout: `immich-app/MODEL` on Hugging Face, and Immich's own cache folder.
//!
//! ```text
//! config.json                    open_clip's model_cfg
//! visual/model.onnx              pixels f32 [1, 3, height, width], or u8 [batch, height, width, 3] → embeddings
//! visual/preprocess_cfg.json     open_clip's preprocess_cfg
//! textual/model.onnx             token ids i32 [1, context_length] → embeddings; M-CLIP also takes a mask
//! textual/tokenizer.json, tokenizer_config.json, …
//! ```
//!
//! open_clip is the reference, not Immich, whose versions up to 2026 resize the short side and crop even if `resize_mode`
//! says otherwise.

use std::collections::BTreeMap;
use std::path::Path;

use super::open_clip::{ModelCfg, PreprocessCfg, text_config};
use super::{ImageConfig, ImageTower, Layout, ModelConfig, name_of, read_json};
use crate::model::ModelError;

pub(super) fn read(folder: &Path) -> Result<ModelConfig, ModelError> {
    let path = folder.join("config.json");
    let model_cfg: ModelCfg = read_json(&path)?;
    let preprocess_path = folder.join("visual/preprocess_cfg.json");
    let preprocess_cfg: PreprocessCfg = read_json(&preprocess_path)?;
    let file = folder.join("visual/model.onnx");
    let tower = ImageTower::read(&file)?;
    let preprocess = preprocess_cfg.config(&preprocess_path, &model_cfg)?.fits(&preprocess_path, &tower)?;
    let textual = folder.join("textual");
    Ok(ModelConfig {
        layout: Layout::Immich,
        name: name_of(folder),
        embed_dim: tower.embed_dim(&file, Some(model_cfg.embed_dim))?,
        matryoshka: Vec::new(),
        text: text_config(&model_cfg, &path, &textual, &textual.join("model.onnx"))?,
        image: ImageConfig { file, data: tower.data, preprocess },
        logit_scale: None,
        logit_bias: None,
        sha256: BTreeMap::new(),
    })
}
