//! Which model and which version of this code read a text.

use std::path::Path;

use super::{NAMES, file};
use crate::model::ModelError;

/// Increased when this module reads so much better with the same model that it is worth hours to read all pictures again.
const VERSION: u32 = 1;

/// A number for what [`Reader::open`](super::Reader::open) would read with from this folder. It changes with the model's
/// files and with this code.
///
/// # Errors
/// [`ModelError::Missing`] if a file cannot be read.
pub fn version(folder: &Path) -> Result<u32, ModelError> {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&VERSION.to_be_bytes());
    for path in NAMES.map(|name| file(folder, name)) {
        let read = std::fs::File::open(&path).and_then(|file| hasher.update_reader(file).map(|_| ()));
        read.map_err(|source| ModelError::Missing { path, source })?;
    }
    let [a, b, c, d, ..] = *hasher.finalize().as_bytes();
    Ok(u32::from_be_bytes([a, b, c, d]))
}
