//! Texts from files and decoders, in any encoding and of any length.

use std::borrow::Cow;

/// Maximum length of a reason or note in characters. Decoders may quote long texts from a file.
const LONGEST_LINE: usize = 200;

/// The text as one line, truncated if it is long, for lists of skipped files and for the library.
pub fn one_short_line(text: &str) -> String {
    let mut printable = text.trim().chars().map(|c| if c.is_control() { ' ' } else { c });
    let mut line: String = printable.by_ref().take(LONGEST_LINE).collect();
    if printable.next().is_some() {
        line.push('…');
    }
    line
}

/// Decodes a text as UTF-8, or else as Latin-1.
pub(super) fn unicode(bytes: &[u8]) -> Cow<'_, str> {
    let latin = || bytes.iter().map(|byte| char::from(*byte)).collect();
    std::str::from_utf8(bytes).map_or_else(|_| Cow::Owned(latin()), Cow::Borrowed)
}

/// Decodes a text as UTF-16; invalid parts become replacement characters.
pub(super) fn utf_16(bytes: &[u8], is_little: bool) -> String {
    let unit = |pair: &[u8]| {
        let pair = [pair[0], pair[1]];
        if is_little { u16::from_le_bytes(pair) } else { u16::from_be_bytes(pair) }
    };
    let units = bytes.chunks_exact(2).map(unit);
    char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_short() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(one_short_line(text), expected);
            assert_eq!(one_short_line(expected), expected);
        }
        check("no end", "no end");
        check("two\nlines\x1b[2J\n", "two lines [2J");
        check(&"é".repeat(LONGEST_LINE), &"é".repeat(LONGEST_LINE));
        check(&"é".repeat(60_000), &format!("{}…", "é".repeat(LONGEST_LINE)));
    }

    #[test]
    fn every_encoding_is_read() {
        assert_eq!(unicode("gülls".as_bytes()), "gülls");
        assert_eq!(unicode(b"g\xfclls"), "gülls");
        assert_eq!(utf_16(b"g\0\xfc\0", true), "gü");
        assert_eq!(utf_16(b"\0g\0\xfc\0", false), "gü");
        assert_eq!(utf_16(b"\0\xd8a\0", true), "\u{fffd}a");
    }
}
