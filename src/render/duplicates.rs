//! The output of `duplicates`: one record per photo, group by group.

use imgsearch::duplicates::{Duplicate, Group, Likeness, Preference, Reason};

use super::photo::photo_fields;
use super::record::{Field, Value};

/// One photo of a group.
pub(crate) struct Listed {
    /// The number of its group, from 1.
    pub(crate) group: usize,
    pub(crate) likeness: Likeness,
    /// Why this is the photo to keep; `None` if it is not.
    pub(crate) kept_for: Option<Reason>,
    pub(crate) duplicate: Duplicate,
}

impl Listed {
    /// The photos of a group, the one to keep first.
    pub(crate) fn all(
        group: Group,
        number: usize,
        preference: &Preference,
    ) -> impl Iterator<Item = Listed> + use<> {
        let Group { likeness, photos } = group;
        let reason = photos.get(1).map(|second| preference.reason(&photos[0], second));
        let listed = move |(at, duplicate): (usize, Duplicate)| Listed {
            group: number,
            likeness,
            kept_for: reason.filter(|_| at == 0),
            duplicate,
        };
        photos.into_iter().enumerate().map(listed)
    }
}

/// The fields of a duplicate.
pub(crate) fn duplicate_fields() -> Vec<Field<Listed>> {
    let mut fields = vec![
        Field::new("group", |listed: &Listed| listed.group.into()).in_text(),
        Field::new("likeness", |listed: &Listed| name(listed.likeness).into()).in_text(),
        Field::new("keep", |listed: &Listed| Value::Flag(listed.kept_for.is_some())).in_text(),
        Field::new("path", |listed: &Listed| listed.duplicate.path.as_path().into()).in_text(),
    ];
    fields.extend(photo_fields(|listed: &Listed| Some(&listed.duplicate.photo)));
    fields.push(Field::new("reason", |listed: &Listed| listed.kept_for.map(reason).into()).in_text());
    fields
}

fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Metadata => "most metadata",
        Reason::Format => "original format",
        Reason::Pixels => "most pixels",
        Reason::Bytes => "most bytes",
        Reason::Taken => "oldest",
        Reason::Path => "first path",
    }
}

fn name(likeness: Likeness) -> &'static str {
    match likeness {
        Likeness::Exact => "exact",
        Likeness::ReEncoded => "re-encoded",
        Likeness::Similar => "similar",
    }
}
