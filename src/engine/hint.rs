//! What to do about an engine's errors.

use super::EngineError;
use crate::hint::Hint;

impl Hint for EngineError {
    fn hint(&self) -> Option<String> {
        match self {
            EngineError::Index(error) => Hint::hint(error),
            EngineError::Model(error) => error.hint(),
            EngineError::Picture { error, .. } => error.hint(),
            EngineError::NotRemembered { .. } => {
                Some("`#N` is a photo of the last query's results: ask that query again".to_owned())
            }
            EngineError::CancelsOut => None,
        }
    }
}
