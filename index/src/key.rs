//! The key of a record.
//!
//! A key has 1 to [`MAX_KEY_LEN`] bytes, so that its length fits two bytes on disk. It has no meaning to this crate. Keys
//! are ordered byte by byte.

use std::fmt;

/// The longest key, in bytes.
pub const MAX_KEY_LEN: usize = 65_535;

/// Opaque key bytes, 1 to [`MAX_KEY_LEN`] of them.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key(Vec<u8>);

/// Why bytes cannot be a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum KeyError {
    /// A key has at least one byte.
    #[error("a key cannot be empty")]
    Empty,
    /// A key has at most [`MAX_KEY_LEN`] bytes.
    #[error("a key of {found} bytes is too long: the limit is {MAX_KEY_LEN}")]
    TooLong {
        /// The length in bytes.
        found: usize,
    },
}

impl Key {
    /// Makes a key from bytes.
    ///
    /// # Errors
    /// If there are no bytes, or more than [`MAX_KEY_LEN`].
    pub fn new(bytes: impl Into<Vec<u8>>) -> Result<Key, KeyError> {
        let bytes = bytes.into();
        match bytes.len() {
            0 => Err(KeyError::Empty),
            1..=MAX_KEY_LEN => Ok(Key(bytes)),
            found => Err(KeyError::TooLong { found }),
        }
    }

    /// The key's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

/// Shows the bytes as text, which keys usually are, and escapes the rest.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Key(\"{}\")", self.0.escape_ascii())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(len: usize, expected: &Result<usize, KeyError>) {
        assert_eq!(Key::new(vec![7; len]).map(|key| key.as_bytes().len()), *expected);
    }

    #[test]
    fn length_is_checked() {
        check(0, &Err(KeyError::Empty));
        check(1, &Ok(1));
        check(MAX_KEY_LEN, &Ok(MAX_KEY_LEN));
        check(MAX_KEY_LEN + 1, &Err(KeyError::TooLong { found: MAX_KEY_LEN + 1 }));
    }

    #[test]
    fn debug_escapes_what_is_not_text() {
        let key = Key::new(b"a\n\xff".to_vec()).unwrap();
        assert_eq!(format!("{key:?}"), r#"Key("a\n\xff")"#);
    }
}
