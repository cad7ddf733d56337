//! Looks up the words of a query: which photos have them, by the index of the words' table.

use super::condition::Condition;
use super::half::Half;
use super::schema::Index;
use super::view::PostgresView;
use super::words;
use crate::library::store::{Ask, Hit, MOST_STANDING, SAMPLE, Standing, StoreError};
use crate::library::words::{Lookup, MOST_READ, marks};
use crate::photo::Texts;
use crate::query::TextCondition;

/// A word, and how the database finds the photos in which it stands.
pub(super) struct Word<'a> {
    condition: &'a TextCondition,
    by: By,
}

enum By {
    Tokens(Lookup),
    /// The keys of the photos, which were read because the tokens do not tell.
    Keys(Vec<Vec<u8>>),
}

/// The photos in which words stand. Without words, all photos.
#[derive(Clone, Copy)]
pub(super) struct Among<'a> {
    words: &'a [Word<'a>],
    /// The words that must all stand there, each as a bit; 0 if any of them suffices.
    needed: u32,
}

impl Word<'_> {
    /// The condition for the rows in which the word stands, in SQL.
    fn sql(&self, condition: &mut Condition) -> String {
        match &self.by {
            By::Tokens(Lookup { phrases, is_exact }) => {
                if !is_exact {
                    condition.set_inexact();
                }
                let phrases =
                    phrases.iter().map(|tokens| format!("words @> {}", condition.value(tokens.clone())));
                format!("({})", phrases.collect::<Vec<_>>().join(" or "))
            }
            By::Keys(keys) => format!("key = any({})", condition.value(keys.clone())),
        }
    }
}

impl<'a> Among<'a> {
    /// All photos.
    pub(super) const EVERYTHING: Among<'static> = Among { words: &[], needed: 0 };

    fn any(words: &'a [Word<'a>]) -> Among<'a> {
        Among { words, needed: 0 }
    }

    fn is_everything(&self) -> bool {
        self.words.is_empty()
    }

    /// The table of the records, or those of it in which the words stand. Values go to the condition.
    ///
    /// The words are looked up apart from everything else: otherwise the database may read them all, to do so in parallel.
    pub(super) fn table(&self, index: &Index, condition: &mut Condition) -> String {
        let (photos, words) = (index.table(), index.words());
        if self.is_everything() {
            return photos;
        }
        let is_needed = |at: usize| self.needed == 0 || self.needed >> at & 1 == 1;
        let sql = self.words.iter().enumerate().filter(|(at, _)| is_needed(*at));
        let sql: Vec<String> = sql.map(|(_, word)| word.sql(condition)).collect();
        let sql = sql.join(if self.needed == 0 { " or " } else { " and " });
        let found =
            format!("with found as materialized (select key from {words} where {sql}) select key from found");
        format!("{photos} join ({found}) words using (key)")
    }

    /// A bit for each word that stands in the photo with this record; `None` if these do not suffice.
    pub(super) fn marks(&self, payload: &[u8]) -> Option<u32> {
        if self.is_everything() {
            return Some(0);
        }
        marks(self.words.iter().map(|word| word.condition), self.needed, payload)
    }
}

/// The photos of the view's index in which words stand, as [`View::standing`](crate::library::View::standing) returns them.
pub(super) fn standing(
    view: &PostgresView,
    ask: &Ask<'_>,
    conditions: &[TextCondition],
) -> Result<Option<Standing>, StoreError> {
    let lookups: Option<Vec<Lookup>> = conditions.iter().map(Lookup::of).collect();
    let Some(lookups) = lookups.filter(|lookups| !lookups.is_empty()) else { return Ok(None) };
    if !view.run(|connection| words::exist(connection, &view.index))? {
        return Ok(None);
    }
    let words = conditions.iter().zip(lookups).map(|(condition, lookup)| word(view, condition, lookup));
    let words: Vec<Word<'_>> = words.collect::<Result<_, _>>()?;
    let (photos, counts) = (view.photos()?, counts(view, &words)?);
    let ask = Ask { top: MOST_STANDING, ..*ask };
    let mut hits = view.exactly(&ask, Among::any(&words))?;
    if hits.len() >= MOST_STANDING.get() && words.len() > 1 {
        let needed = standing_anywhere(view, &ask, &words)?;
        let full = view.exactly(&ask, Among { words: &words, needed })?;
        let is_new =
            |(hit, _): &(Hit, u32)| !hits.iter().any(|(known, _)| known.stored.item == hit.stored.item);
        let full: Vec<_> = full.into_iter().filter(is_new).collect();
        hits.extend(full);
    }
    let deviation = if hits.is_empty() { 0.0 } else { deviation(view, &ask, photos)? };
    Ok(Some(Standing { photos, counts, hits, deviation }))
}

/// How to find a word. If its tokens do not tell, the photos that have them are read, unless they are very many.
fn word<'a>(
    view: &PostgresView,
    condition: &'a TextCondition,
    lookup: Lookup,
) -> Result<Word<'a>, StoreError> {
    let is_exact = lookup.is_exact;
    let word = Word { condition, by: By::Tokens(lookup) };
    if is_exact {
        return Ok(word);
    }
    let mut photos = Condition::photos();
    let from = Among::any(std::slice::from_ref(&word)).table(&view.index, &mut photos);
    let sql = format!("select key, record from {from} where {} limit {MOST_READ} + 1", photos.sql());
    let rows = view.rows(&sql, &photos)?;
    if rows.len() > MOST_READ {
        return Ok(word);
    }
    let standing = rows.iter().filter(|row| condition.stands(&Texts::of(row.get(1))));
    Ok(Word { condition, by: By::Keys(standing.map(|row| row.get(0)).collect()) })
}

/// In how many photos each word stands. At most so many, if the tokens do not tell and were not read.
fn counts(view: &PostgresView, words: &[Word<'_>]) -> Result<Vec<usize>, StoreError> {
    let mut condition = Condition::everything();
    let each: Vec<String> = words.iter().map(|word| word.sql(&mut condition)).collect();
    condition.and(&format!("({})", each.join(" or ")));
    let counts = each.iter().map(|word| format!("count(*) filter (where {word})"));
    let (counts, table) = (counts.collect::<Vec<_>>().join(", "), view.index.words());
    let rows = view.rows(&format!("select {counts} from {table} where {}", condition.sql()), &condition)?;
    let count = |at| rows.first().map_or(0, |row| usize::try_from(row.get::<_, i64>(at)).unwrap_or(0));
    Ok((0..words.len()).map(count).collect())
}

/// The words that stand in any photo that meets the conditions, each as a bit.
fn standing_anywhere(view: &PostgresView, ask: &Ask<'_>, words: &[Word<'_>]) -> Result<u32, StoreError> {
    let mut condition = PostgresView::condition(ask);
    let meets = condition.sql().to_owned();
    let each = words.iter().map(|word| {
        let from = Among::any(std::slice::from_ref(word)).table(&view.index, &mut condition);
        format!("exists (select from {from} where {meets})")
    });
    let each = each.collect::<Vec<_>>().join(", ");
    let rows = view.rows(&format!("select {each}"), &condition)?;
    let stands = |at: &usize| rows.first().is_some_and(|row| row.get(*at));
    Ok((0..words.len()).filter(stands).fold(0, |marks, at| marks | 1 << at))
}

/// The standard deviation of the scores of a sample: the photos on some pages of the table, always the same ones.
fn deviation(view: &PostgresView, ask: &Ask<'_>, photos: usize) -> Result<f32, StoreError> {
    let (table, dim) = (view.index.table(), view.index.space.dim());
    let mut condition = Condition::photos();
    let vector = condition.value(Half::of(ask.vector));
    #[expect(clippy::cast_precision_loss, reason = "a part is an estimate")]
    let percent = (100.0 * SAMPLE as f32 / photos.max(1) as f32).min(100.0);
    let percent = condition.value(percent);
    let sql = format!(
        "select stddev_pop(vector <=> {vector}::halfvec({dim}))
         from {table} tablesample system ({percent}) repeatable (0) where {}",
        condition.sql()
    );
    let rows = view.rows(&sql, &condition)?;
    let deviation: Option<f64> = rows.first().and_then(|row| row.get(0));
    #[expect(clippy::cast_possible_truncation, reason = "scores are single precision")]
    Ok(deviation.unwrap_or(0.0) as f32)
}
