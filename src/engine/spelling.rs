//! Typing errors in conditions on words: if a word stands nowhere in the library, the most similar word that does.
//!
//! Only a condition that no photo meets is corrected, so what is written right is never widened: `RE16` must not find
//! `RE18`.

use std::collections::HashMap;
use std::ops::ControlFlow;

use super::Match;
use crate::fold::fold;
use crate::item::path_bytes;
use crate::library::{Load, StoreError, Stored, View};
use crate::query::{Filter, Phrase, Query, TextCondition, TextField};

/// A word has to be this long for one or two typing errors to count.
const LENGTH_FOR_ONE_ERROR: usize = 4;
const LENGTH_FOR_TWO_ERRORS: usize = 8;

/// The longest word that is compared, in characters.
const LONGEST_WORD: usize = 40;

/// A filter whose words stand in the library.
#[derive(Clone, Debug)]
pub struct Corrected {
    /// The filter.
    pub filter: Filter,
    /// What was changed, for people.
    pub note: String,
}

/// The same filter with the words that were probably meant. `None` if every condition on words is met by some photo, if
/// no similar words stand in the library, or if no photo meets the conditions with these either.
///
/// # Errors
/// [`StoreError`] if the library cannot be read.
pub fn corrected(view: &dyn View, filter: &Filter) -> Result<Option<Corrected>, StoreError> {
    let mut texts = filter.texts.clone();
    let mut changes = Vec::new();
    for condition in &mut texts {
        let is_of_words = !condition.is_excluded && !condition.fields.contains(&TextField::Place);
        if !is_of_words || view.count(&alone(condition))? > 0 {
            continue;
        }
        let known = words(view, &condition.fields)?;
        let Some(meant) = meant(condition, &known) else { return Ok(None) };
        changes.push((said(condition), said(&meant)));
        *condition = meant;
    }
    let filter = Filter { texts, ..filter.clone() };
    if changes.is_empty() || view.count(&filter)? == 0 {
        return Ok(None);
    }
    let quoted = |words: Vec<&String>| {
        let quoted: Vec<_> = words.into_iter().map(|word| format!("`{word}`")).collect();
        quoted.join(", ")
    };
    let (typed, meant): (Vec<&String>, Vec<&String>) =
        changes.iter().map(|(typed, meant)| (typed, meant)).unzip();
    let note = format!("no photo has {}; shown: photos with {}", quoted(typed), quoted(meant));
    Ok(Some(Corrected { filter, note }))
}

/// The matches of a query or, if there are none because words are mistyped, those with the words that were probably meant
/// and what was changed.
///
/// # Errors
/// As `search`, and [`StoreError`] if the library cannot be read.
pub fn search<E: From<StoreError>>(
    view: &dyn View,
    query: &Query,
    search: impl Fn(&Query) -> Result<Vec<Match>, E>,
) -> Result<(Vec<Match>, Option<String>), E> {
    let found = search(query)?;
    if !found.is_empty() {
        return Ok((found, None));
    }
    let Some(Corrected { filter, note }) = corrected(view, &query.filter)? else { return Ok((found, None)) };
    Ok((search(&Query { filter, ..query.clone() })?, Some(note)))
}

fn alone(condition: &TextCondition) -> Filter {
    Filter { texts: vec![condition.clone()], ..Filter::default() }
}

/// The words of a condition for people.
fn said(condition: &TextCondition) -> String {
    condition.phrases.iter().map(|phrase| phrase.words().join(" ")).collect::<Vec<_>>().join(" ")
}

/// All words that stand in these fields of the library's photos, folded, each with the number of photos.
fn words(view: &dyn View, fields: &[TextField]) -> Result<HashMap<String, usize>, StoreError> {
    let mut all = HashMap::new();
    view.each(&Filter::default(), Load::WithoutVector, &mut |stored| {
        let text = texts_of(&stored, fields).join("\n");
        for word in words_in(&text) {
            match all.get_mut(word) {
                Some(count) => *count += 1,
                None => _ = all.insert(word.to_owned(), 1),
            }
        }
        ControlFlow::Continue(())
    })?;
    Ok(all)
}

/// The folded texts in these fields.
fn texts_of(stored: &Stored, fields: &[TextField]) -> Vec<String> {
    let mut texts = Vec::new();
    let photo = stored.photo.as_ref();
    let details = photo.and_then(|photo| photo.details.as_ref());
    for field in fields {
        match (field, details) {
            (TextField::Text, _) => {
                texts
                    .extend(photo.and_then(|photo| photo.text.as_ref()).map(|text| text.folded().to_owned()));
            }
            (TextField::Name, _) => {
                let path = path_bytes(&stored.item.path).unwrap_or_default();
                texts.push(fold(&String::from_utf8_lossy(path)));
            }
            (TextField::Caption, Some(details)) => {
                texts.extend(
                    [&details.title, &details.description].into_iter().flatten().map(|text| fold(text)),
                );
            }
            (TextField::Keyword, Some(details)) => {
                texts.extend(details.keywords.iter().map(|word| fold(word)))
            }
            (TextField::Person, Some(details)) => texts.extend(details.people.iter().map(|name| fold(name))),
            (TextField::Place | TextField::Caption | TextField::Keyword | TextField::Person, _) => {}
        }
    }
    texts
}

fn words_in(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    // A character has four bytes at most.
    words.filter(|word| !word.is_empty() && word.len() <= 4 * LONGEST_WORD)
}

/// The condition with the words that stand in the library. `None` if a word is like none of them.
fn meant(condition: &TextCondition, known: &HashMap<String, usize>) -> Option<TextCondition> {
    let corrected = |phrase: &Phrase| {
        let words: Option<Vec<&str>> = phrase.words().iter().map(|word| nearest(word, known)).collect();
        Phrase::new(&words?.join(" "), phrase.match_by())
    };
    let phrases = condition.phrases.iter().map(corrected).collect::<Option<Vec<_>>>()?;
    Some(TextCondition { phrases, ..condition.clone() })
}

/// The word itself if a known word starts with it, or else the most similar known word. Of several the most frequent one.
fn nearest<'a>(word: &'a str, known: &'a HashMap<String, usize>) -> Option<&'a str> {
    if known.keys().any(|other| other.starts_with(word)) {
        return Some(word);
    }
    let length = word.chars().count();
    let errors = match length {
        _ if word.contains(|c: char| c.is_numeric()) => 0,
        ..LENGTH_FOR_ONE_ERROR => 0,
        LENGTH_FOR_ONE_ERROR..LENGTH_FOR_TWO_ERRORS => 1,
        _ => 2,
    };
    if errors == 0 || length > LONGEST_WORD {
        return None;
    }
    let distance = |other: &str| {
        let is_as_long = other.chars().count().abs_diff(length) <= errors;
        is_as_long.then(|| strsim::osa_distance(other, word)).filter(|distance| *distance <= errors)
    };
    let near = known.iter().filter_map(|(other, count)| Some((distance(other)?, *count, other.as_str())));
    near.min_by(|a, b| a.0.cmp(&b.0).then(b.1.cmp(&a.1)).then(a.2.cmp(b.2))).map(|(_, _, other)| other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_corrected_only_if_it_stands_nowhere() {
        let known = [
            ("invoice", 3),
            ("invoices", 1),
            ("total", 1),
            ("re16", 1),
            ("cats", 1),
            ("grosse", 1),
            ("rechnung", 1),
        ];
        let known: HashMap<String, usize> =
            known.iter().map(|(word, count)| ((*word).to_owned(), *count)).collect();
        #[track_caller]
        fn check(known: &HashMap<String, usize>, word: &str, expected: Option<&str>) {
            assert_eq!(nearest(word, known), expected, "{word}");
        }
        check(&known, "invoice", Some("invoice"));
        check(&known, "invo", Some("invo"));
        check(&known, "invoce", Some("invoice"));
        check(&known, "invioce", Some("invoice"));
        check(&known, "invoicse", Some("invoice"));
        check(&known, "invoicess", Some("invoices"));
        check(&known, "totla", Some("total"));
        check(&known, "tot", Some("tot"));
        check(&known, "tit", None);
        check(&known, "re18", None);
        check(&known, "rechnugn", Some("rechnung"));
        check(&known, "grose", Some("grosse"));
        check(&known, &"x".repeat(500), None);
    }
}
