//! Words lift photos: a photo in which a query's words stand is ranked higher than its score.
//!
//! A model sees what a picture shows, but it reads badly, and it knows no names. So a query of texts is also looked up in
//! the texts of the photos: in the picture, titles, descriptions, keywords, and names of people. Photos are ranked by
//!
//! ```text
//! score + 8 deviations × share^1.5
//! ```
//!
//! The deviation is that of the query's scores over a sample of the library, so 8 of them are more than what the best
//! photos of a query are above the average. The share is that of the query's words that stand there, each weighted by how
//! rare it is in this library. Words that stand in many photos, and words such as `the`, count little or nothing. The
//! exponent makes some of the words count less than their part: that `dog` stands on a sign says little about `a man skiing
//! with his dog`.
//!
//! `examples/ranking.rs` compares this with other ways. Both numbers were chosen on its queries. It also chooses them on half
//! of its queries, and shows what they are worth on the other half.

use std::collections::HashSet;

use super::{Lift, Ranked, Search};
use crate::fold::fold;
use crate::item::Item;
use crate::library::{Ask, Hit, Standing, StoreError};
use crate::query::{Expression, MatchBy, Phrase, Source, TextCondition, TextField};
use crate::text_file;

/// How many deviations of the scores a photo with all words gains.
const DEVIATIONS: f32 = 8.0;

/// How the share of the words counts.
const EXPONENT: f32 = 1.5;

/// The most words of a query that count. A store marks each in one bit of 32.
const MOST_WORDS: usize = 32;

/// Where words lift. The names of files and folders do not: they often say where a photo came from, and not what it is.
const FIELDS: [TextField; 4] = [TextField::Text, TextField::Caption, TextField::Keyword, TextField::Person];

/// Words that say nothing alone, in several languages.
const STOP_WORDS: &str = include_str!("stop_words.txt");

/// The photos that a query's words lift.
#[derive(Default)]
pub(super) struct Lifted {
    pub(super) photos: Vec<Ranked>,
    /// The words, to explain a match.
    pub(super) words: Vec<TextCondition>,
}

impl Search<'_> {
    /// The photos that meet the conditions of `ask` and in which words of the expression stand. None if the expression
    /// has pictures, or if the store cannot look up words quickly.
    pub(super) fn lifted(&self, expression: &Expression, ask: &Ask<'_>) -> Result<Lifted, StoreError> {
        let words: Vec<TextCondition> =
            words_of(expression).iter().filter_map(|word| condition(word)).collect();
        if words.is_empty() {
            return Ok(Lifted::default());
        }
        let Some(standing) = self.view.standing(ask, &words)? else { return Ok(Lifted::default()) };
        Ok(Lifted { photos: ranked(standing), words })
    }
}

impl Lifted {
    /// These photos and those that the model found, best first.
    pub(super) fn merged(&self, hits: Vec<Hit>) -> Vec<Ranked> {
        let lifted: HashSet<&Item> = self.photos.iter().map(|photo| &photo.hit.stored.item).collect();
        let others = hits.into_iter().filter(|hit| !lifted.contains(&hit.stored.item));
        let mut all = self.photos.clone();
        all.extend(others.map(|hit| Ranked { hit, lift: None }));
        all.sort_by(|a, b| b.standing().total_cmp(&a.standing()));
        all
    }
}

/// The words of an expression that can lift: those of its texts, unless it has pictures.
fn words_of(expression: &Expression) -> Vec<String> {
    let mut words: Vec<String> = Vec::new();
    for term in expression.terms() {
        let Source::Text(text) = &term.source else { return Vec::new() };
        if term.weight <= 0.0 {
            continue;
        }
        let text = fold(text);
        for word in text.split(|c: char| !c.is_alphanumeric()) {
            let is_letter = word.len() == 1 && !word.starts_with(|c: char| c.is_ascii_digit());
            let is_new = !words.iter().any(|known| known == word);
            if !word.is_empty() && !is_letter && is_new && !is_stop_word(word) && words.len() < MOST_WORDS {
                words.push(word.to_owned());
            }
        }
    }
    words
}

fn is_stop_word(word: &str) -> bool {
    text_file::entries(STOP_WORDS).any(|line| line.split(' ').any(|stop| stop == word))
}

fn condition(word: &str) -> Option<TextCondition> {
    Some(TextCondition::new(&FIELDS, vec![Phrase::new(word, MatchBy::Whole)?]))
}

fn ranked(standing: Standing) -> Vec<Ranked> {
    let Standing { photos, counts, hits, deviation } = standing;
    let shares = Shares::new(photos, &counts);
    let lifted = hits.into_iter().map(|(hit, marks)| {
        let share = shares.of(marks);
        Ranked { hit, lift: Some(Lift { share, by: DEVIATIONS * deviation * share.powf(EXPONENT) }) }
    });
    lifted.collect()
}

/// What each word adds to the share.
struct Shares {
    shares: Vec<f32>,
}

impl Shares {
    /// For words that stand in so many of all photos.
    #[expect(clippy::cast_precision_loss, reason = "estimates")]
    fn new(photos: usize, counts: &[usize]) -> Shares {
        let photos = photos.max(1) as f32;
        let rarity = |count: usize| ((photos + 1.0) / (count as f32 + 0.5)).ln().max(0.0);
        let all: f32 = counts.iter().map(|count| rarity(*count)).sum();
        let share = |count: usize| rarity(count) / all.max(f32::MIN_POSITIVE) * (1.0 - count as f32 / photos);
        Shares { shares: counts.iter().map(|count| share(*count)).collect() }
    }

    /// The share of the words whose bits are set.
    fn of(&self, marks: u32) -> f32 {
        let marked = self.shares.iter().enumerate().filter(|(word, _)| marks >> word & 1 == 1);
        marked.map(|(_, share)| share).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::query::parse_line;

    #[test]
    fn words_are_those_of_texts_and_say_something() {
        #[track_caller]
        fn check(line: &str, expected: &[&str]) {
            let terms = parse_line(line, &|_| None).unwrap();
            assert_eq!(words_of(&Expression::new(terms).unwrap()), expected, "{line}");
        }
        check("the invoice of May, an INVOICE", &["invoice", "may"]);
        check("Größe 5 x", &["grosse", "5"]);
        check("a cat + 2:dog - fruit", &["cat", "dog"]);
        check("der die das", &[]);
        check("a cat + ./a.jpg", &[]);
        check(&"x1 ".repeat(90), &["x1"]);
        let many: Vec<String> = (0..90).map(|i| format!("word{i}")).collect();
        assert_eq!(words_of(&Expression::text(many.join(" "))).len(), MOST_WORDS);
    }

    #[test]
    fn rare_words_count_more() {
        let shares = Shares::new(1_000, &[1, 300, 0, 1_000]);
        let of = |marks: u32| shares.of(marks);
        assert!(of(1) > 2.0 * of(2) && of(2) > 0.0, "{} {}", of(1), of(2));
        assert!(of(8) == 0.0 && of(3) < 1.0);
        // A word that stands in every photo lifts none; a rare word alone lifts as far as a word can.
        assert!(Shares::new(5, &[5]).of(1) == 0.0);
        assert!(Shares::new(1_000, &[1]).of(1) > 0.99);
        assert!(Shares::new(0, &[0]).of(1).is_finite());
    }
}
