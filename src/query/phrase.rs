//! Phrases: words that stand in a text one after the other.
//!
//! Both are compared folded ([`crate::fold::fold`]). A phrase begins where a word begins, so `voice` does not find
//! `invoice`, and its last word may be the start of a longer one, so `invoice` finds `invoices`. Chinese, Japanese and
//! Korean have no spaces: there, every character may begin a word.

use std::ops::Range;

use memchr::memmem::Finder;

use crate::fold::fold;

/// Words in a fixed order, folded; at least one.
#[derive(Clone, Debug)]
pub struct Phrase {
    words: Vec<String>,
    first: Finder<'static>,
    match_by: MatchBy,
}

/// When a word of a phrase counts as found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MatchBy {
    /// A word of the text starts with it.
    Start,
    /// It is a whole word of the text.
    Whole,
}

impl Phrase {
    /// The words of a text; `None` if there are none.
    pub fn new(text: &str, match_by: MatchBy) -> Option<Phrase> {
        let words: Vec<String> = fold(text).split_whitespace().map(str::to_owned).collect();
        let first = Finder::new(words.first()?).into_owned();
        Some(Phrase { words, first, match_by })
    }

    /// The words, folded.
    pub fn words(&self) -> &[String] {
        &self.words
    }

    /// When a word counts as found.
    pub fn match_by(&self) -> MatchBy {
        self.match_by
    }

    /// The tokens of the words. Every text in which the phrase stands has these if it matches whole words.
    #[cfg(any(feature = "milvus", feature = "postgres"))]
    pub(crate) fn tokens(&self) -> impl Iterator<Item = &str> {
        self.words.iter().flat_map(|word| tokens(word))
    }

    /// Where a folded text has the phrase first, in bytes.
    pub fn find(&self, text: &str) -> Option<Range<usize>> {
        let starts = self.first.find_iter(text.as_bytes()).filter(|at| begins_word(text, *at));
        starts.filter_map(|at| Some(at..self.end(text, at + self.words.first()?.len())?)).next()
    }

    /// Where the phrase ends whose first word ends at `end`.
    fn end(&self, text: &str, mut end: usize) -> Option<usize> {
        for word in &self.words[1..] {
            let rest = text.get(end..)?;
            let is_between = |c: char| !c.is_alphanumeric() && !word.starts_with(c);
            let next = rest.trim_start_matches(is_between);
            if !next.starts_with(word.as_str()) || !begins_word(text, text.len() - next.len()) {
                return None;
            }
            end = text.len() - next.len() + word.len();
        }
        (self.match_by == MatchBy::Start || ends_word(text, end)).then_some(end)
    }
}

/// The tokens of a folded text, in order: letters and digits between which no word can begin. So a whole word is one token or
/// several.
#[cfg(any(feature = "milvus", feature = "postgres"))]
pub(crate) fn tokens(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    let pieces = std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let pairs = rest.char_indices().zip(rest.chars().skip(1));
        let border =
            pairs.filter(|((_, a), b)| is_border(*a, *b)).map(|((at, a), _)| at + a.len_utf8()).next();
        let (piece, behind) = rest.split_at(border.unwrap_or(rest.len()));
        rest = behind;
        Some((first, piece))
    });
    pieces.filter(|(first, _)| first.is_alphanumeric()).map(|(_, piece)| piece)
}

/// Whether a word may begin at this position.
fn begins_word(text: &str, at: usize) -> bool {
    let Some((before, behind)) = text.split_at_checked(at) else { return false };
    before.chars().next_back().zip(behind.chars().next()).is_none_or(|(a, b)| is_border(a, b))
}

/// Whether a word may end at this position.
fn ends_word(text: &str, at: usize) -> bool {
    begins_word(text, at)
}

/// Whether two neighbouring characters can belong to different words.
fn is_border(a: char, b: char) -> bool {
    !a.is_alphanumeric()
        || !b.is_alphanumeric()
        || a.is_numeric() != b.is_numeric()
        || !has_spaces(a)
        || !has_spaces(b)
}

/// Whether the script of this character separates words by spaces. Thai, Lao, Khmer, Chinese, Japanese and Korean do not,
/// or not always.
fn has_spaces(c: char) -> bool {
    !matches!(c, '\u{e00}'..='\u{eff}' | '\u{1780}'..='\u{17ff}' | '\u{2e80}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}'
        | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::MOST_CHARACTERS;

    #[track_caller]
    fn check(phrase: &str, match_by: MatchBy, text: &str, expected: Option<&str>) {
        let (phrase, text) = (Phrase::new(phrase, match_by).unwrap(), fold(text));
        assert_eq!(phrase.find(&text).map(|place| &text[place]), expected, "{text}");
    }

    #[test]
    fn a_phrase_begins_where_a_word_begins() {
        use MatchBy::Start;
        check("invoice", Start, "Invoices of May", Some("invoice"));
        check("voice", Start, "invoice", None);
        check("VOICE", Start, "invoice, voice", Some("voice"));
        check("1234", Start, "IMG1234.JPG", Some("1234"));
        check("jpg", Start, "IMG1234.JPG", Some("jpg"));
        check("34", Start, "1234", None);
        check("größe", Start, "GROSSE", Some("grosse"));
        check("面", Start, "拉面馆", Some("面"));
        check("한국", Start, "대한국", Some("한국"));
        check("12.50", Start, "Total: 12.50 EUR", Some("12.50"));
        check("2.50", Start, "Total: 12.50 EUR", None);
        check("#12", Start, "No.#12", Some("#12"));
    }

    #[test]
    fn words_of_a_phrase_follow_each_other() {
        use MatchBy::{Start, Whole};
        check("invoice 2023", Start, "Invoice\n2023-05", Some("invoice\n2023"));
        check("invoice 2023", Start, "Invoice: (2023)", Some("invoice: (2023"));
        check("invoice 2023", Start, "Invoice no 2023", None);
        check("invoice 2023", Start, "Invoice no, invoice 2023", Some("invoice 2023"));
        check("total - 5", Start, "total - 5", Some("total - 5"));
        check("a b", Start, "a", None);
        check("stop", Whole, "stops stop.", Some("stop"));
        check("stop sign", Whole, "stop signs", None);
        check("no entry", Whole, "NO ENTRY!", Some("no entry"));
    }

    #[cfg(any(feature = "milvus", feature = "postgres"))]
    #[test]
    fn a_text_in_which_whole_words_stand_has_their_tokens() {
        #[track_caller]
        fn check(text: &str, expected: &[&str]) {
            let text = fold(text);
            assert_eq!(tokens(&text).collect::<Vec<_>>(), expected);
            // Each token is found as a whole word, and no part of one is.
            for token in tokens(&text) {
                assert!(Phrase::new(token, MatchBy::Whole).unwrap().find(&text).is_some(), "{token}");
                let part = token.char_indices().nth(1).map(|(at, _)| &token[at..]);
                let part = part.and_then(|part| Phrase::new(part, MatchBy::Whole));
                assert!(part.is_none_or(|part| part.find(token).is_none()), "{token}");
            }
        }
        check("", &[]);
        check(" - ", &[]);
        check("Invoice no. 12.50\nof IMG1234", &["invoice", "no", "12", "50", "of", "img", "1234"]);
        check("Gr\u{f6}\u{df}e", &["grosse"]);
        check("拉面 ab馆", &["拉", "面", "ab", "馆"]);
        check("(a)", &["a"]);
        let phrase = Phrase::new("IMG12 #b-c", MatchBy::Whole).unwrap();
        assert_eq!(phrase.tokens().collect::<Vec<_>>(), ["img", "12", "b", "c"]);
    }

    #[test]
    fn hostile_texts_do_no_harm() {
        // As long as a parameter can be, against more text than a record keeps.
        let long = "a ".repeat(MOST_CHARACTERS / 2);
        let text = format!("{}b", "a ".repeat(50_000));
        assert!(Phrase::new(&format!("{long}c"), MatchBy::Start).unwrap().find(&text).is_none());
        check("a b", MatchBy::Start, &"a ".repeat(40_000), None);
    }
}
