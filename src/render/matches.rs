//! The answers of a query, as records.

use imgsearch::Match;

use super::photo::photo_fields;
use super::record::{Field, Value};

/// One photo of an answer.
pub(crate) struct Found {
    /// What was asked for, as it was typed.
    pub(crate) query: std::rc::Rc<str>,
    pub(crate) found: Match,
}

/// The fields of an answer.
pub(crate) fn match_fields() -> Vec<Field<Found>> {
    let mut fields = vec![
        Field::new("query", |record: &Found| (&*record.query).into()),
        Field::new("rank", |record: &Found| record.found.rank.into()).on_terminal(),
        Field::new("score", |record: &Found| Value::Score(record.found.score)).in_text(),
        Field::new("similar", |record: &Found| record.found.similar.into()).on_terminal(),
        Field::new("path", |record: &Found| record.found.path.as_path().into()).in_text(),
    ];
    fields.extend(photo_fields(|record: &Found| record.found.photo.as_ref()));
    fields
}
