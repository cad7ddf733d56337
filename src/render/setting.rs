//! The settings that hold, as records.

use super::record::{Field, Value};
use crate::settings::{Origin, Setting};

/// The fields of `config show`.
pub(crate) fn setting_fields() -> Vec<Field<Setting>> {
    vec![
        Field::new("key", |setting: &Setting| setting.key.name.into()).in_text(),
        Field::new("value", value).in_text(),
        Field::new("origin", |setting: &Setting| origin(&setting.origin).into()).in_text(),
    ]
}

fn value(setting: &Setting) -> Value<'_> {
    let values: Vec<_> = setting.values.iter().map(|value| value.to_string_lossy()).collect();
    (!values.is_empty()).then(|| values.join(",")).into()
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File(path, (line, column)) => format!("{}:{line}:{column}", path.display()),
        Origin::Environment(name) => name.clone(),
    }
}
