//! Looks up the words of a query: Milvus compares them with the field of words of each photo.

use std::ops::ControlFlow;

use imgsearch_index::Vector;

use super::condition::Condition;
use super::key::{quoted, quoted_list};
use super::row::TOO_MANY;
use super::table::Sees;
use super::view::MilvusView;
use crate::library::store::{Ask, Hit, Load, MOST_STANDING, SAMPLE, Standing, StoreError, deviation};
use crate::library::words::{Lookup, MOST_READ, marks};
use crate::photo::Texts;
use crate::query::TextCondition;

/// The most photos of a library in which words are looked up. Milvus 2.3 has no index for arrays, so it compares with every
/// photo: a million take about 0.3 s, several times for each query.
const MOST_PHOTOS: usize = 1_000_000;

/// What a view knows of its photos after words were looked up once.
pub(super) struct Known {
    /// The vectors of a sample.
    sample: Vec<Vector>,
    /// Whether a photo has more words than fit into an array.
    has_too_many: bool,
}

/// A word, and the expression for the photos in which it stands.
struct Word<'a> {
    condition: &'a TextCondition,
    expression: String,
    /// Whether it stands in all of these.
    is_exact: bool,
}

/// What [`View::standing`](crate::library::View::standing) returns for the view's collection.
pub(super) fn standing(
    view: &MilvusView,
    ask: &Ask<'_>,
    conditions: &[TextCondition],
) -> Result<Option<Standing>, StoreError> {
    let lookups: Option<Vec<Lookup>> = conditions.iter().map(Lookup::of).collect();
    let Some(lookups) = lookups.filter(|lookups| !lookups.is_empty() && view.table.has_words) else {
        return Ok(None);
    };
    let photos = view.table.count(&Condition::photos(), Sees::Nearly)?;
    if photos > MOST_PHOTOS {
        return Ok(None);
    }
    let known = known(view, photos)?;
    let words = conditions.iter().zip(lookups);
    let words = words.map(|(condition, lookup)| word(view, condition, &lookup, known.has_too_many));
    let words: Vec<Word<'_>> = words.collect::<Result<_, _>>()?;
    let counts = words.iter().map(|word| view.table.count(&standing_as(&word.expression), Sees::Nearly));
    let counts = counts.collect::<Result<Vec<_>, _>>()?;
    let ask = Ask { top: MOST_STANDING, ..*ask };
    let mut hits = among(view, &ask, &words, 0)?;
    if hits.len() >= MOST_STANDING.get() && words.len() > 1 {
        let mut needed = 0;
        for (at, word) in words.iter().enumerate() {
            let mut condition = MilvusView::condition(&ask);
            condition.and(word.expression.clone());
            needed |= u32::from(view.table.count(&condition, Sees::Nearly)? > 0) << at;
        }
        let full = among(view, &ask, &words, needed)?;
        let is_new =
            |(hit, _): &(Hit, u32)| !hits.iter().any(|(known, _)| known.stored.item == hit.stored.item);
        let full: Vec<_> = full.into_iter().filter(is_new).collect();
        hits.extend(full);
    }
    let scores: Vec<f32> = known.sample.iter().map(|photo| photo.dot(ask.vector)).collect();
    let deviation = if hits.is_empty() { 0.0 } else { deviation(&scores) };
    Ok(Some(Standing { photos, counts, hits, deviation }))
}

/// Reads what is needed for every query, once. The sample is the photos whose contents have the lowest hashes.
fn known(view: &MilvusView, photos: usize) -> Result<&Known, StoreError> {
    if let Some(known) = view.known.get() {
        return Ok(known);
    }
    let mut condition = Condition::photos();
    if photos > SAMPLE {
        let part = u128::MAX / u128::try_from(photos).unwrap_or(1) * u128::try_from(SAMPLE).unwrap_or(1);
        condition.and(format!("content < {}", quoted(&format!("{part:032x}"))));
    }
    let rows = view.table.first(&condition, Load::WithVector, 2 * SAMPLE, Sees::Nearly)?;
    let sample = rows.iter().filter_map(|read| read.vector().cloned()).collect();
    let has_too_many = view.table.count(&standing_as(&contains(TOO_MANY)), Sees::Nearly)? > 0;
    Ok(view.known.get_or_init(|| Known { sample, has_too_many }))
}

fn contains(token: &str) -> String {
    format!("array_contains(words, {})", quoted(token))
}

/// Photos that meet this expression.
fn standing_as(expression: &str) -> Condition {
    let mut condition = Condition::photos();
    condition.and(expression.to_owned());
    condition
}

/// How to find a word. If its tokens do not tell, the photos that have them are read, unless they are very many.
fn word<'a>(
    view: &MilvusView,
    condition: &'a TextCondition,
    lookup: &Lookup,
    has_too_many: bool,
) -> Result<Word<'a>, StoreError> {
    let phrase = |tokens: &Vec<String>| match tokens.as_slice() {
        [token] => contains(token),
        tokens => format!("array_contains_all(words, {})", quoted_list(tokens)),
    };
    let too_many = has_too_many.then(|| contains(TOO_MANY));
    let expressions: Vec<String> = lookup.phrases.iter().map(phrase).chain(too_many).collect();
    let expression = format!("({})", expressions.join(" or "));
    if lookup.is_exact && !has_too_many {
        return Ok(Word { condition, expression, is_exact: true });
    }
    let (mut read, mut keys) = (0, Vec::new());
    view.table.each(&standing_as(&expression), Load::WithoutVector, Sees::Nearly, &mut |row| {
        read += 1;
        if condition.stands(&Texts::of(&row.payload)) {
            keys.push(row.id);
        }
        if read > MOST_READ { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    if read > MOST_READ {
        return Ok(Word { condition, expression, is_exact: false });
    }
    Ok(Word { condition, expression: format!("key in {}", quoted_list(&keys)), is_exact: true })
}

/// The closest photos that meet the conditions and have all of the `needed` words, each a bit. If that is 0, any word will do.
fn among(
    view: &MilvusView,
    ask: &Ask<'_>,
    words: &[Word<'_>],
    needed: u32,
) -> Result<Vec<(Hit, u32)>, StoreError> {
    let mut condition = MilvusView::condition(ask);
    let some = words.iter().enumerate().filter(|(at, _)| needed == 0 || needed >> at & 1 == 1);
    let some: Vec<&Word<'_>> = some.map(|(_, word)| word).collect();
    if some.iter().any(|word| !word.is_exact) {
        condition.set_inexact();
    }
    let expressions: Vec<&str> = some.iter().map(|word| word.expression.as_str()).collect();
    condition.and(format!("({})", expressions.join(if needed == 0 { " or " } else { " and " })));
    let marks = |payload: &[u8]| marks(words.iter().map(|word| word.condition), needed, payload);
    view.closest(ask, &condition, &marks, Sees::Nearly)
}
