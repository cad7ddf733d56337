//! Reads and decodes single files within the limits, for queries and thumbnails.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use super::worker::LeftBehind;
use super::{DecodeError, Detail, Limits, Picture, Waited, decoder};
use crate::hint::Hint;

/// The threads that [`decode_in_time`] has abandoned.
static LEFT_BEHIND: Mutex<LeftBehind> = Mutex::new(LeftBehind::new());

/// Why a file could not be decoded.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file cannot be read.
    #[error(transparent)]
    File(io::Error),
    /// Its content cannot be decoded.
    #[error(transparent)]
    Picture(#[from] DecodeError),
    /// Too many threads are still busy with pictures that took too long.
    #[error("too many slow pictures are still being decoded")]
    Stuck,
    /// The system cannot start a thread.
    #[error("cannot start another thread: {0}")]
    Thread(io::Error),
}

impl Hint for PictureError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            PictureError::Picture(
                DecodeError::TooLarge { .. } | DecodeError::TooSlow { .. } | DecodeError::Unsupported { .. },
            ) => Some("use a copy saved as a JPEG, smaller if the picture is large"),
            PictureError::Picture(
                DecodeError::Empty
                | DecodeError::NotAnImage
                | DecodeError::Damaged { .. }
                | DecodeError::Panicked { .. },
            )
            | PictureError::File(_)
            | PictureError::Stuck
            | PictureError::Thread(_) => None,
        };
        hint.map(str::to_owned)
    }
}

/// Reads a file, unless it is too large.
///
/// # Errors
/// [`PictureError::File`], and [`DecodeError::TooLarge`].
pub fn read(file: impl Read, limits: &Limits) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    // Read one byte more than allowed, to detect a larger file.
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(PictureError::File)?;
    if bytes.len() as u64 > limits.max_bytes {
        let detail = format!("more than {} bytes", limits.max_bytes);
        return Err(DecodeError::TooLarge { detail }.into());
    }
    Ok(bytes)
}

/// Like [`decode()`](super::decode()), but fails with [`DecodeError::TooSlow`] after [`Limits::max_time`] and abandons the
/// decoding thread. While too many of those are running in this process, nothing is decoded.
///
/// # Errors
/// Any [`PictureError`].
pub fn decode_in_time(bytes: Vec<u8>, limits: &Limits, detail: Detail) -> Result<Picture, PictureError> {
    let left_behind = || LEFT_BEHIND.lock().unwrap_or_else(PoisonError::into_inner);
    if left_behind().are_too_many() {
        return Err(PictureError::Stuck);
    }
    let mut decoder = decoder(*limits);
    let waited = decoder.ask((bytes, detail), &|| false);
    left_behind().join(decoder.left_behind);
    Ok(match waited.map_err(PictureError::Thread)? {
        Waited::Done(decoded) => decoded?,
        Waited::TooSlow | Waited::Stopped => {
            return Err(DecodeError::TooSlow { seconds: limits.max_time.as_secs() }.into());
        }
        Waited::Panicked(detail) => return Err(DecodeError::Panicked { detail }.into()),
    })
}
