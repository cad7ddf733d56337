//! The settings that hold, as records.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::path::Path;

use imgsearch::library::Url;

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
    let values: Vec<_> = setting.values.iter().map(|value| shown(value)).collect();
    (!values.is_empty()).then(|| values.join(",")).into()
}

/// A value as it is shown: the URL of a database without its password.
fn shown(value: &OsStr) -> Cow<'_, str> {
    match Url::parse(Path::new(value)) {
        Some(url) => url.to_string().into(),
        None => value.to_string_lossy(),
    }
}

fn origin(origin: &Origin) -> String {
    match origin {
        Origin::Default => "default".to_owned(),
        Origin::File(path, (line, column)) => format!("{}:{line}:{column}", path.display()),
        Origin::Environment(name) => name.clone(),
    }
}
