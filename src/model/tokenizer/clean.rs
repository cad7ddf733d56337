//! What is done to a text before it is cut into tokens: the cleaning that a model's training texts went through.
//!
//! The reference is open_clip's: `ftfy.fix_text`, HTML entities resolved twice, white space put right, and then what the
//! model wants. Of ftfy that is its repair of typography. It also repairs mojibake (`Ã©` for `é`) and removes the colour
//! codes of terminals, which is meant for text from the web; what a person typed is left as it is.

use serde::Deserialize;
use unicode_normalization::UnicodeNormalization;

/// How a model wants its texts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Clean {
    /// As they are.
    #[default]
    None,
    /// Put right.
    Whitespace,
    /// Put right and in lower case: CLIP, SigLIP 2.
    Lower,
    /// Put right, in lower case and without ASCII punctuation: SigLIP.
    Canonicalize,
}

impl Clean {
    /// `text` as the model wants it.
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

/// One space between words and none around them.
fn collapsed(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// ftfy's `fix_text`: its steps are repeated until nothing changes, as entities can be nested.
fn fixed(text: &str) -> String {
    // A `<` tells that the text is HTML by intention, and its entities as well.
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

/// Adds `c` as ftfy leaves it: ligatures taken apart, letters of half and full width made ordinary, quotes made
/// straight, control characters left out.
fn push_plain(text: &mut String, c: char) {
    match c {
        '\u{2bc}' | '\u{2018}'..='\u{201b}' => text.push('\''),
        '\u{201c}'..='\u{201f}' => text.push('"'),
        '\u{3000}' => text.push(' '),
        'ŉ' => text.push_str("ʼn"),
        'ﬅ' => text.push_str("ſt"),
        // Digraphs and ligatures of Latin letters, then the forms of half and full width.
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
