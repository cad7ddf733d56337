//! The text form of keys, for Milvus's primary key.
//!
//! A key is any bytes, and Milvus takes text only. Each byte becomes the character with this number; so ASCII stays as
//! it is, and text has the same order as the bytes. Because some parts of Milvus end texts at a NUL, byte 0 becomes
//! U+0001 U+0001, and byte 1 becomes U+0001 U+0002.

/// The longest text that Milvus stores, in bytes.
pub(super) const LONGEST: usize = 65_535;

/// The primary key of the row with the note. No key has this text.
pub(super) const NOTE: &str = "\u{1}";

/// The text form of a key.
pub(super) fn text(key: &[u8]) -> String {
    let mut text = String::with_capacity(key.len());
    for byte in key {
        match byte {
            0 | 1 => text.extend(['\u{1}', char::from(byte + 1)]),
            _ => text.push(char::from(*byte)),
        }
    }
    text
}

/// The key with this text form; `None` if there is none.
pub(super) fn key(text: &str) -> Option<Vec<u8>> {
    let mut key = Vec::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        let byte = u8::try_from(u32::from(character)).ok()?;
        match byte {
            0 => return None,
            1 => match characters.next()? {
                '\u{1}' => key.push(0),
                '\u{2}' => key.push(1),
                _ => return None,
            },
            _ => key.push(byte),
        }
    }
    Some(key)
}

/// A text as a literal in Milvus's expressions.
pub(super) fn quoted(text: &str) -> String {
    let mut literal = String::with_capacity(text.len() + 2);
    literal.push('"');
    for character in text.chars() {
        match character {
            '"' | '\\' => literal.extend(['\\', character]),
            '\0'..='\u{1f}' | '\u{7f}' => literal.push_str(&format!("\\x{:02x}", u32::from(character))),
            _ => literal.push(character),
        }
    }
    literal.push('"');
    literal
}

/// A list of literals: `["a", "b"]`.
pub(super) fn quoted_list<'t>(texts: impl IntoIterator<Item = &'t String>) -> String {
    let literals: Vec<String> = texts.into_iter().map(|text| quoted(text)).collect();
    format!("[{}]", literals.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_come_back_from_their_texts_in_the_same_order() {
        let mut keys: Vec<Vec<u8>> = (0..=255).map(|byte| vec![b'/', byte]).collect();
        keys.extend([0, 1, 2, 255].map(|byte| vec![b'/', 0, byte, 0]));
        keys.sort();
        let mut texts: Vec<String> = keys.iter().map(|key| text(key)).collect();
        for (key_bytes, text) in keys.iter().zip(&texts) {
            assert_eq!(key(text).as_ref(), Some(key_bytes));
            assert!(!text.contains('\0') && text != NOTE);
        }
        let in_order = texts.clone();
        texts.sort();
        assert_eq!(texts, in_order);
    }

    #[test]
    fn ascii_stays_readable() {
        assert_eq!(text(b"/photos/2003/a b.jpg"), "/photos/2003/a b.jpg");
        assert_eq!((key(NOTE), key("\u{100}"), key("\0")), (None, None, None));
    }

    #[test]
    fn literals_are_quoted() {
        assert_eq!(quoted("a\"b\\c\u{1}\n\u{fc}"), "\"a\\\"b\\\\c\\x01\\x0a\u{fc}\"");
        assert_eq!(quoted_list([&"a".to_owned(), &"b".to_owned()]), "[\"a\", \"b\"]");
    }
}
