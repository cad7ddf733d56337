//! The id of a photo.

use std::fmt;
use std::str::FromStr;

use imgsearch_index::Fingerprint;

/// A content fingerprint, written as 32 lower-case hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Id(pub Fingerprint);

/// The text is not a valid id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("an id has 32 lower-case hexadecimal digits")]
pub struct IdError;

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl FromStr for Id {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Id, IdError> {
        let is_digit = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if text.len() != 32 || !text.bytes().all(is_digit) {
            return Err(IdError);
        }
        u128::from_str_radix(text, 16)
            .map(|number| Id(Fingerprint(number.to_be_bytes())))
            .map_err(|_| IdError)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_come_back_and_all_else_is_refused() {
        for number in [0, 1, 0x0123_4567_89ab_cdef, u128::MAX] {
            let id = Id(Fingerprint(number.to_be_bytes()));
            assert_eq!(id.to_string().parse(), Ok(id));
            assert_eq!(id.to_string().len(), 32);
        }
        let whole = "0123456789abcdef0123456789abcdef";
        let wrong = [
            "",
            "0",
            "../etc/passwd",
            "0123456789ABCDEF0123456789ABCDEF",
            "+123456789abcdef0123456789abcdef",
        ];
        for text in wrong.into_iter().chain([&whole[1..], "é123456789abcdef0123456789abcde"]) {
            assert_eq!(text.parse::<Id>(), Err(IdError), "{text}");
        }
    }
}
