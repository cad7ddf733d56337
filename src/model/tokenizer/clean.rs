//! Cleans texts before tokenising them, in the same way as a model's training texts.
//!
//! The reference is open_clip: `ftfy.fix_text`, HTML entities resolved twice, white space normalised, and then steps that
//! depend on the model. Of ftfy, only the repair of typography is done here. It also repairs mojibake (`Ã©` for `é`) and
//! removes terminal colour codes, which is meant for text from the web and not for text that a person typed.

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

/// The cleaning that a model needs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clean {
    /// None.
    #[default]
    None,
    /// Basic cleaning.
    Whitespace,
    /// Basic cleaning and lower case: CLIP, SigLIP 2.
    Lower,
    /// Basic cleaning, lower case and no ASCII punctuation: SigLIP.
    Canonicalize,
}

impl Clean {
    /// Cleans `text`.
    pub(crate) fn apply(self, text: &str) -> String {
        match self {
            Clean::None => text.to_owned(),
            Clean::Whitespace => collapsed(&put_right(text)),
            Clean::Lower => collapsed(&put_right(text)).to_lowercase(),
            Clean::Canonicalize => {
                let text = put_right(text).replace('_', " ");
                let text: String = text.chars().filter(|c| !c.is_ascii_punctuation()).collect();
                collapsed(&text.to_lowercase())
            }
        }
    }
}

/// open_clip's `basic_clean`.
fn put_right(text: &str) -> String {
    let once = htmlize::unescape(fixed(text)).into_owned();
    htmlize::unescape(once).into_owned()
}

/// Reduces white space to single spaces between words.
fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// ftfy's `fix_text`. Its steps are repeated until nothing changes, because entities can be nested.
fn fixed(text: &str) -> String {
    // As in ftfy: a `<` means that the text is intended as HTML, so keep its entities.
    let has_entities = !text.contains('<');
    let mut text = text.to_owned();
    loop {
        let unescaped = if has_entities { htmlize::unescape(&*text) } else { (&*text).into() };
        let mut plain = String::with_capacity(unescaped.len());
        unescaped.chars().for_each(|c| push_plain(&mut plain, c));
        let composed: String = plain.nfc().collect();
        if composed == text {
            return text;
        }
        text = composed;
    }
}

/// Adds `c` after ftfy's replacements: ligatures are split, half-width and full-width letters become ordinary ones, quotes
/// become straight, and control characters are dropped.
fn push_plain(text: &mut String, c: char) {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => text.push('\''),
        '\u{201c}'..='\u{201f}' => text.push('"'),
        '\u{3000}' => text.push(' '),
        'ŉ' => text.push_str("ʼn"),
        'ﬅ' => text.push_str("ſt"),
        // Digraphs and ligatures of Latin letters, then half-width and full-width forms.
        'Ĳ' | 'ĳ' | 'Ǆ'..='ǌ' | 'Ǳ'..='ǳ' | 'ﬀ'..='ﬆ' | '\u{ff01}'..='\u{ffef}' => {
            text.extend(c.nfkc())
        }
        '\0'..='\u{8}' | '\u{b}' | '\u{e}'..='\u{1f}' | '\u{7f}' => {}
        '\u{206a}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffc}' => {}
        _ => text.push(c),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cleaned_as_open_clip_does() {
        #[track_caller]
        fn check(text: &str, whitespace: &str, lower: &str, canonical: &str) {
            let cleaned =
                [Clean::Whitespace, Clean::Lower, Clean::Canonicalize].map(|clean| clean.apply(text));
            assert_eq!(cleaned, [whitespace, lower, canonical]);
            assert_eq!(Clean::None.apply(text), text);
        }
        check("  A\u{a0}Dog,\r\n\tbig ", "A Dog, big", "a dog, big", "a dog big");
        check("“It’s”", "\"It's\"", "\"it's\"", "its");
        check("Tom &amp;amp; Jerry", "Tom & Jerry", "tom & jerry", "tom jerry");
        check("&lt;b&gt; &eacute;", "<b> é", "<b> é", "b é");
        check("a <b> &quot;", "a <b> \"", "a <b> \"", "a b");
        check("snake_case", "snake_case", "snake_case", "snake case");
        check("ＬＯＵＤ　ﾜ ﬁne", "LOUD ワ fine", "loud ワ fine", "loud ワ fine");
        check("e\u{301}\u{0}\u{7}", "é", "é", "é");
        check("ΟΔΟΣ ΣΑΣ", "ΟΔΟΣ ΣΑΣ", "οδος σας", "οδος σας");
        check("", "", "", "");
    }
}
