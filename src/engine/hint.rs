//! Hints for the engine's errors.

use super::EngineError;
use crate::hint::Hint;

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            EngineError::Store(error) => error.hint(),
            EngineError::Model(error) => error.hint(),
            EngineError::Picture { error, .. } => error.hint(),
            EngineError::OtherModel { .. } => Some(
                "leave out `--model`, use another library with `--library`, or change this one to that model with \
                 `imgsearch index --model`"
                    .to_owned(),
            ),
            EngineError::CancelsOut | EngineError::NoSuchPhoto { .. } => None,
        }
    }
}
