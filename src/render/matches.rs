//! The answers of a query, as records.

use imgsearch::Match;

use super::photo::photo_fields;
use super::record::{Field, Value};

/// One photo of an answer.
pub(crate) struct ResultRow {
    /// What was asked for, as it was typed.
    pub(crate) query: std::rc::Rc<str>,
    pub(crate) found: Match,
    /// How probably it shows that, 0 to 1, if that is known.
    pub(crate) probability: Option<f32>,
    /// Which words of the query were corrected, in a sentence.
    pub(crate) corrected: Option<std::rc::Rc<str>>,
}

/// The fields of an answer.
pub(crate) fn match_fields() -> Vec<Field<ResultRow>> {
    let mut fields = vec![
        Field::new("query", |record: &ResultRow| (&*record.query).into()),
        Field::new("rank", |record: &ResultRow| record.found.rank.into()).on_terminal(),
        Field::new("score", |record: &ResultRow| rated(record)).in_text(),
        Field::new("similar", |record: &ResultRow| record.found.similar.into()).on_terminal(),
        Field::new("path", |record: &ResultRow| record.found.path.as_path().into()).in_text(),
    ];
    let of_photo = photo_fields(|record: &ResultRow| record.found.photo.as_ref());
    fields.extend(
        of_photo.into_iter().map(|field| if field.name() == "taken" { field.on_terminal() } else { field }),
    );
    fields.push(Field::new("why", |record: &ResultRow| Value::List(&record.found.why)).on_terminal());
    fields.push(Field::new("corrected", |record: &ResultRow| record.corrected.as_deref().into()));
    fields
}

fn rated(record: &ResultRow) -> Value<'static> {
    record.found.score.map_or(Value::Absent, |score| Value::Rated(score, record.probability))
}
