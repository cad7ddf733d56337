//! Texts from outside: how they are cleaned before they are stored, and folded before they are compared.
//!
//! Folding follows Unicode's compatibility caseless matching (The Unicode Standard, section 3.13): compatibility
//! decomposition (NFKD), lower case, and no accents, so that `LUMIERE` finds `lumière`. In addition, letters that Unicode
//! does not decompose get their usual spelling in plain letters (`ß`, `ø`, `ł`; as ICU's transform Latin-ASCII does), and
//! the text is composed again, so that Korean syllables and Japanese voiced sounds stay one character.

use std::borrow::Cow;

use unicode_normalization::UnicodeNormalization;

/// Cleans a text to be stored: control characters and white space become single spaces, characters that only change how
/// others are shown are removed, and it is cut after `longest` characters. It may be empty.
///
/// Bidirectional controls can make a text read differently from what it says (CVE-2021-42574), and invisible characters
/// can carry instructions to an assistant. Joiners stay, because Persian and emoji need them.
pub fn clean(text: &str, longest: usize) -> String {
    let mut cleaned = String::new();
    let mut blank = false;
    let mut characters = 0;
    for c in text.chars().filter(|c| !is_invisible(*c)) {
        if c.is_whitespace() || c.is_control() {
            blank = !cleaned.is_empty();
            continue;
        }
        characters += 1 + usize::from(blank);
        if characters > longest {
            break;
        }
        if std::mem::take(&mut blank) {
            cleaned.push(' ');
        }
        cleaned.push(c);
    }
    cleaned
}

/// Marks of direction, invisible spaces, tags, and characters that stand for nothing.
fn is_invisible(c: char) -> bool {
    matches!(c,
        '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..='\u{e007f}')
        || u32::from(c) & 0xfffe == 0xfffe
}

/// The text as it is compared: without case, accents and invisible characters. Digits and punctuation are kept.
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let decomposed = text.nfkd().filter(|c| !is_invisible(*c)).flat_map(char::to_lowercase).nfd();
    let mut folded = String::with_capacity(text.len());
    for c in decomposed.filter(|c| !is_accent(*c)).nfc() {
        match plain(c) {
            Some(plain) => folded.push_str(plain),
            None => folded.push(c),
        }
    }
    folded
}

/// [`fold`] without a copy if the text is folded already.
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() && !text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(fold(text))
}

/// Accents of Latin, Greek and Cyrillic, points of Hebrew and Arabic, joiners and variation selectors. Vowel signs of
/// Indian scripts and Japanese voicing marks are letters, not accents.
fn is_accent(c: char) -> bool {
    matches!(c,
        '\u{300}'..='\u{36f}' | '\u{483}'..='\u{489}' | '\u{591}'..='\u{5bd}' | '\u{5bf}' | '\u{5c1}'..='\u{5c7}'
        | '\u{610}'..='\u{61a}' | '\u{640}' | '\u{64b}'..='\u{65f}' | '\u{670}' | '\u{6d6}'..='\u{6ed}'
        | '\u{1ab0}'..='\u{1aff}' | '\u{1dc0}'..='\u{1dff}' | '\u{200c}' | '\u{200d}' | '\u{20d0}'..='\u{20ff}'
        | '\u{fe00}'..='\u{fe0f}' | '\u{fe20}'..='\u{fe2f}')
}

/// The usual spelling of a letter without a decomposition.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'ł' => "l",
        'đ' | 'ð' => "d",
        'þ' => "th",
        'ħ' => "h",
        'ı' => "i",
        'ς' => "σ",
        '‘' | '’' | 'ʼ' => "'",
        '‐'..='―' => "-",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_people_type_alike_folds_alike() {
        #[track_caller]
        fn check(text: &str, expected: &str) {
            assert_eq!(fold(text), expected);
            assert_eq!(fold(expected), expected, "folding twice changes nothing");
        }
        check("INVOICE 2023", "invoice 2023");
        check("Lumie\u{300}re", "lumiere");
        check("LUMIÈRE", "lumiere");
        check("Straße", "strasse");
        check("STRASSE", "strasse");
        check("Łódź", "lodz");
        check("İstanbul", "istanbul");
        check("ÅNGSTRÖM", "angstrom");
        check("ﬁne", "fine");
        check("ＦＵＬＬ　１２", "full 12");
        check("10²", "102");
        check("Ελλάς", "ελλασ");
        check("Ёлка", "елка");
        check("が", "が");
        check("ｶﾞ", "ガ");
        check("한국", "한국");
        check("हिन्दी", "हिन्दी");
        check("in\u{ad}voice", "invoice");
        check("don’t", "don't");
    }

    #[test]
    fn a_cleaned_text_is_one_line_without_surprises() {
        #[track_caller]
        fn check(text: &str, longest: usize, expected: &str) {
            assert_eq!(clean(text, longest), expected);
            assert_eq!(clean(expected, longest), expected);
        }
        check("  Two\r\n lines\t ", 99, "Two lines");
        check("\u{1b}[31mred\u{7}", 99, "[31mred");
        check("safe\u{202e}gpj.exe", 99, "safegpj.exe");
        check("a\u{2066}b\u{2069}\u{200f}\u{feff}c\u{e0041}", 99, "abc");
        check("\u{2028}\u{85}", 99, "");
        check("<b>&amp;</b>", 99, "<b>&amp;</b>");
        check("abc def", 5, "abc d");
        check("abc def", 4, "abc");
        assert_eq!(clean(&"x".repeat(100_000), 300).len(), 300);
    }
}
