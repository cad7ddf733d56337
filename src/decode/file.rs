//! Pictures that somebody waits for: a file is read and decoded within the limits, or there is a reason why not.

use std::io::{self, Read};
use std::sync::{Mutex, PoisonError};

use super::worker::LeftBehind;
use super::{DecodeError, Detail, Limits, Picture, Waited, decoder};
use crate::hint::Hint;

/// The threads that [`decode_in_time`] has left to themselves.
static LEFT_BEHIND: Mutex<LeftBehind> = Mutex::new(LeftBehind::new());

/// Why a file gave no picture.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PictureError {
    /// The file does not read.
    #[error(transparent)]
    File(io::Error),
    /// Its content is no picture that can be shown.
    #[error(transparent)]
    Picture(#[from] DecodeError),
    /// Pictures that took too long are still being decoded, and there are enough of them.
    #[error("too many pictures are still being decoded that took too long")]
    Stuck,
    /// The operating system gives no thread to decode on.
    #[error("cannot start another thread: {0}")]
    Thread(io::Error),
}

impl Hint for PictureError {
    fn hint(&self) -> Option<String> {
        let hint = match self {
            PictureError::Picture(
                DecodeError::TooLarge { .. } | DecodeError::TooSlow { .. } | DecodeError::Unsupported { .. },
            ) => Some("save the picture as a JPEG, and smaller if it is large, and take that"),
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

/// The bytes of a file that is not too long.
///
/// # Errors
/// [`PictureError::File`], and [`DecodeError::TooLarge`].
pub fn read(file: impl Read, limits: &Limits) -> Result<Vec<u8>, PictureError> {
    let mut bytes = Vec::new();
    // One byte more than is allowed tells that there are more.
    file.take(limits.max_bytes.saturating_add(1)).read_to_end(&mut bytes).map_err(PictureError::File)?;
    if bytes.len() as u64 > limits.max_bytes {
        let detail = format!("more than {} bytes", limits.max_bytes);
        return Err(DecodeError::TooLarge { detail }.into());
    }
    Ok(bytes)
}

/// As [`decode()`](super::decode()), and [`DecodeError::TooSlow`] when [`Limits::max_time`] is over: the thread that
/// decodes is left to itself. While there are too many of those in this process, nothing is decoded.
///
/// # Errors
/// [`PictureError`] says why there is no picture.
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
