//! The words of a photo as tokens. A database looks a word up by its tokens, and so does not read all records.
//!
//! A whole word is one token or several, one after the other ([`tokens`]). So the photos that have all of its tokens are
//! all in which it stands. If it is one token, they are exactly those.

use std::collections::BTreeSet;

use crate::photo::Texts;
use crate::query::{MatchBy, Phrase, TextCondition, TextField, tokens};

/// The longest token, in characters; longer ones are cut. Databases limit the length of what they index.
const LONGEST: usize = 40;

/// The same in bytes of UTF-8.
#[cfg(feature = "milvus")]
pub(super) const LONGEST_IN_BYTES: usize = 4 * LONGEST;

/// The most photos that are read to find out in which of them a word stands, if tokens do not tell.
pub(super) const MOST_READ: usize = 2_000;

/// The tokens of a record's texts, each once.
pub(super) fn of_record(payload: &[u8]) -> BTreeSet<String> {
    let mut texts = Vec::new();
    Texts::of(payload).append_folded(&mut texts);
    tokens(&String::from_utf8_lossy(&texts)).map(cut).map(str::to_owned).collect()
}

/// How a database finds the photos in which one of several phrases stands.
pub(super) struct Lookup {
    /// For each phrase, tokens that such a photo has.
    pub(super) phrases: Vec<Vec<String>>,
    /// Whether the phrase stands in every photo that has these tokens.
    pub(super) is_exact: bool,
}

impl Lookup {
    /// How to find the photos in which the words of this condition stand; `None` if tokens do not tell.
    pub(super) fn of(words: &TextCondition) -> Option<Lookup> {
        let mut phrases = Vec::new();
        for phrase in &words.phrases {
            let tokens: Vec<String> = phrase.tokens().map(cut).map(str::to_owned).collect();
            if phrase.match_by() != MatchBy::Whole || tokens.is_empty() {
                return None;
            }
            phrases.push(tokens);
        }
        let mut fields = TextField::ALL.iter().filter(|field| field.is_of_record());
        let is_anywhere = fields.all(|field| words.fields.contains(field));
        let is_token = |(phrase, tokens): (&Phrase, &Vec<String>)| {
            // A longer one may have been cut, and a phrase may have characters that are in no token.
            let [word] = phrase.words() else { return false };
            let [token] = tokens.as_slice() else { return false };
            word == token && token.chars().count() < LONGEST
        };
        let is_exact = is_anywhere && words.phrases.iter().zip(&phrases).all(is_token);
        Some(Lookup { phrases, is_exact })
    }
}

/// A bit for each of the words that stands in the photo with this record. `None` if none stands there, or if one of the
/// `needed` words, each also a bit, does not.
pub(super) fn marks<'w>(
    words: impl Iterator<Item = &'w TextCondition>,
    needed: u32,
    payload: &[u8],
) -> Option<u32> {
    let texts = Texts::of(payload);
    let standing = words.enumerate().filter(|(_, word)| word.stands(&texts));
    let marks = standing.fold(0, |marks, (at, _)| marks | 1 << at);
    (marks != 0 && marks & needed == needed).then_some(marks)
}

/// The first characters of a token.
fn cut(token: &str) -> &str {
    token.char_indices().nth(LONGEST).map_or(token, |(at, _)| &token[..at])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{Details, Line, Photo, Stamp, Text};

    const FIELDS: [TextField; 4] =
        [TextField::Text, TextField::Caption, TextField::Keyword, TextField::Person];

    #[test]
    fn a_photo_in_which_a_word_stands_has_its_tokens() {
        let line = |text: &str| Line { text: text.into(), confidence: 99, corners: [[0, 0]; 4] };
        let long = "x".repeat(100);
        let details = Details {
            title: Some("Gr\u{f6}\u{df}e 12.50".into()),
            description: Some("IMG1234".into()),
            keywords: vec!["\u{62c9}\u{9762}".into(), format!("{long}y")],
            people: vec!["Ada Lovelace".into()],
            ..Details::default()
        };
        let photo = Photo::read(Stamp { size: 1, modified_ns: 2, changed_ns: 3 }, 1, Some(details))
            .with_text(Text::new([line("No entry")], 1));
        let payload = photo.encode();
        let known = of_record(&payload);
        let check = |word: &str, (may_stand, is_exact): (bool, bool)| {
            let condition = TextCondition::new(&FIELDS, vec![Phrase::new(word, MatchBy::Whole).unwrap()]);
            let lookup = Lookup::of(&condition).unwrap();
            let is_found = lookup.phrases[0].iter().all(|token| known.contains(token));
            let stands = condition.stands(&Texts::of(&payload));
            assert_eq!((is_found, lookup.is_exact), (may_stand, is_exact), "{word}");
            assert!(is_found || !stands, "{word} stands there, and its tokens do not");
            assert!(!is_exact || is_found == stands, "{word}");
        };
        for word in ["grosse", "lovelace", "no", "\u{9762}", "50"] {
            check(word, (true, true));
        }
        check("loveland", (false, true));
        for word in ["img1234", "no entry", "entry no", "\u{9762}\u{62c9}", "12.50", "#50"] {
            check(word, (true, false));
        }
        for word in [format!("{long}y"), format!("{long}z")] {
            check(&word, (true, false));
        }
    }

    #[test]
    fn what_tokens_do_not_tell_is_not_looked_up() {
        let lookup = |fields: &[TextField], word, match_by| {
            Lookup::of(&TextCondition::new(fields, vec![Phrase::new(word, match_by).unwrap()]))
        };
        assert!(lookup(&FIELDS, "tot", MatchBy::Start).is_none());
        assert!(lookup(&FIELDS, "#", MatchBy::Whole).is_none());
        assert!(!lookup(&FIELDS[..1], "total", MatchBy::Whole).unwrap().is_exact);
    }
}
