//! The output of `tags` and `classify`: one record per label, picture by picture.

use std::path::Path;
use std::rc::Rc;

use imgsearch::classify::Fit;
use imgsearch::engine::Label;

use super::record::{Field, Value};

/// A photo's label.
pub(crate) struct Tag {
    pub(crate) path: Rc<Path>,
    pub(crate) label: Label,
}

/// How well a label fits a picture.
pub(crate) struct Fitting {
    /// The path as typed.
    pub(crate) path: Rc<Path>,
    pub(crate) fit: Fit,
}

/// The fields of `tags`.
pub(crate) fn tag_fields() -> Vec<Field<Tag>> {
    vec![
        Field::new("probability", |tag: &Tag| Value::Score(tag.label.probability)).in_text(),
        Field::new("label", |tag: &Tag| tag.label.name.as_str().into()).in_text(),
        Field::new("path", |tag: &Tag| (&*tag.path).into()).in_text(),
    ]
}

/// The fields of `classify`.
pub(crate) fn fit_fields() -> Vec<Field<Fitting>> {
    vec![
        Field::new("probability", |fitting: &Fitting| Value::Score(fitting.fit.probability)).in_text(),
        Field::new("label", |fitting: &Fitting| fitting.fit.label.as_str().into()).in_text(),
        Field::new("score", |fitting: &Fitting| Value::Score(fitting.fit.score)),
        Field::new("path", |fitting: &Fitting| (&*fitting.path).into()).in_text(),
    ]
}
