//! The arguments of the tools: their schemas, and their conversion to parameters of the API.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use imgsearch::photo::Id;
use imgsearch::query::PARAMETERS;
use rmcp::model::JsonObject;
use serde_json::{Value, json};

use super::paths::Paths;
use crate::serve::openapi::word_schema;
use crate::serve::problem::Problem;
use crate::serve::search::Said;

/// The maximum size of a picture in a request, in bytes. A request of 4 MiB, the longest that is read, has room for it.
const PICTURE_BYTES: usize = 3_000_000;

/// Arguments that have another name in the API: their name here, and in the API.
const OTHER_NAMES: &[(&str, &str)] = &[
    ("query", "q"),
    ("limit", "n"),
    ("folder", "in"),
    ("labels", "label"),
    // For `find_duplicates`.
    ("cursor", "from"),
];

/// The arguments of a tool as a JSON Schema.
pub(super) fn schema(properties: Vec<(&'static str, Value)>, required: &[&str]) -> JsonObject {
    let properties: JsonObject =
        properties.into_iter().map(|(name, schema)| (name.to_owned(), schema)).collect();
    let mut schema = JsonObject::new();
    schema.insert("type".to_owned(), "object".into());
    schema.insert("properties".to_owned(), properties.into());
    schema.insert("additionalProperties".to_owned(), false.into());
    if !required.is_empty() {
        schema.insert("required".to_owned(), json!(required));
    }
    schema
}

/// The schemas of arguments that are parameters of the API.
pub(super) fn known(names: &[&'static str]) -> Vec<(&'static str, Value)> {
    let known = PARAMETERS.iter().filter(|parameter| names.contains(&parameter.name));
    known.map(|parameter| (parameter.name, described(word_schema(parameter), parameter.what))).collect()
}

/// Adds a description to a schema.
pub(super) fn described(mut schema: Value, what: &str) -> Value {
    schema["description"] = what.into();
    schema
}

/// The arguments of a call. `null` and empty texts count as missing, because assistants send them.
pub(super) struct Arguments<'a> {
    given: &'a JsonObject,
}

impl<'a> Arguments<'a> {
    /// # Errors
    /// For a name that the tool with this schema does not know, and for a value that is an object.
    pub(super) fn new(given: &'a JsonObject, schema: &JsonObject) -> Result<Arguments<'a>, Problem> {
        let known = schema["properties"].as_object();
        let unknown = given.keys().find(|name| known.is_none_or(|known| !known.contains_key(*name)));
        if let Some(name) = unknown {
            let names: Vec<_> =
                known.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
            let hint = match &*names {
                [] => "it has none".to_owned(),
                names => format!("it has {}", names.join(", ")),
            };
            let problem = Problem::bad_request(format!("this tool has no argument `{name}`"));
            return Err(problem.hint(Some(hint)));
        }
        if let Some((name, _)) = given.iter().find(|(_, value)| value.is_object()) {
            return Err(Problem::unprocessable(format!("{name}: it cannot be an object")));
        }
        Ok(Arguments { given })
    }

    /// All values of an argument, as text.
    fn words(&self, name: &str) -> Vec<String> {
        let word = |value: &Value| match value {
            Value::String(text) if !text.trim().is_empty() => Some(text.clone()),
            Value::Number(_) | Value::Bool(_) => Some(value.to_string()),
            Value::String(_) | Value::Null | Value::Array(_) | Value::Object(_) => None,
        };
        match self.given.get(name) {
            Some(Value::Array(values)) => values.iter().filter_map(word).collect(),
            value => value.and_then(word).into_iter().collect(),
        }
    }

    fn word(&self, name: &str) -> Option<String> {
        self.words(name).into_iter().next()
    }

    /// These arguments as parameters of the API.
    pub(super) fn said(&self, names: &[&'static str]) -> Said {
        let said = names.iter().flat_map(|name| {
            self.words(name).into_iter().map(|word| ((*name).to_owned(), word)).collect::<Said>()
        });
        said.collect()
    }

    /// An argument as a parameter with another name.
    pub(super) fn said_as(&self, name: &str, of_api: &str) -> Said {
        self.words(name).into_iter().map(|word| (of_api.to_owned(), word)).collect()
    }

    /// A whole number; `usual` if the argument is missing.
    pub(super) fn number(&self, name: &str, least: u32, most: u32, usual: u32) -> Result<u32, Problem> {
        let Some(word) = self.word(name) else { return Ok(usual) };
        let number = word.parse().ok().filter(|number| (least..=most).contains(number));
        number.ok_or_else(|| {
            Problem::unprocessable(format!(
                "{name}: `{word}` is not possible: it is a whole number from {least} to {most}"
            ))
        })
    }

    /// The photo in `id`.
    pub(super) fn id(&self) -> Result<Option<Id>, Problem> {
        let Some(word) = self.word("id") else { return Ok(None) };
        let id = word.trim_start_matches('#').parse();
        id.map(Some).map_err(|error| Problem::unprocessable(format!("id: `{word}` is no photo: {error}")))
    }

    /// The folder in `folder`.
    pub(super) fn folder(&self, paths: &Paths) -> Result<Option<std::path::PathBuf>, Problem> {
        self.word("folder").map(|folder| paths.folder(&folder)).transpose()
    }

    /// The decoded picture in `picture`.
    pub(super) fn picture(&self) -> Result<Option<Vec<u8>>, Problem> {
        let Some(word) = self.word("picture") else { return Ok(None) };
        // It may be a data URL.
        let base64 = word.split_once("base64,").map_or(&*word, |(_, base64)| base64);
        let base64: String = base64.chars().filter(|c| !c.is_ascii_whitespace()).collect();
        let refuse = |why: &str| Problem::unprocessable(format!("picture: {why}"));
        if base64.len() / 4 * 3 > PICTURE_BYTES {
            return Err(refuse("it has more than 3 MB")
                .hint(Some("send it smaller: 512 pixels are enough".to_owned())));
        }
        BASE64_STANDARD
            .decode(base64)
            .map(Some)
            .map_err(|error| refuse(&format!("it is not base64: {error}")))
    }
}

/// Replaces the name of an API parameter at the start of an error by the name of the argument.
pub(super) fn in_words_of_tools(told: String) -> String {
    let other = OTHER_NAMES.iter().find_map(|(name, of_api)| {
        let rest = told.strip_prefix(of_api)?;
        rest.starts_with(": ").then(|| format!("{name}{rest}"))
    });
    other.unwrap_or(told)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::McpPaths;

    fn arguments(given: &Value) -> JsonObject {
        given.as_object().unwrap().clone()
    }

    #[test]
    fn arguments_become_words() {
        let schema = schema(known(&["after", "type", "radius", "collapse", "near"]), &[]);
        let given =
            json!({ "after": "2023", "type": ["png", "gif"], "radius": 2.5, "collapse": true, "near": " " });
        let given = arguments(&given);
        let said =
            Arguments::new(&given, &schema).unwrap().said(&["after", "type", "radius", "collapse", "near"]);
        let expected =
            [("after", "2023"), ("type", "png"), ("type", "gif"), ("radius", "2.5"), ("collapse", "true")];
        assert_eq!(said, expected.map(|(name, word)| (name.to_owned(), word.to_owned())));
        for (given, why) in [
            (json!({ "afetr": "2023" }), "no argument `afetr`: it has after, collapse, near"),
            (json!({ "after": {} }), "after: it cannot be an object"),
        ] {
            let told = Arguments::new(&arguments(&given), &schema).err().unwrap().told();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn values_are_understood_or_refused() {
        let read = |given: Value| {
            let given = arguments(&given);
            let arguments = Arguments { given: &given };
            let paths = Paths::new(McpPaths::Relative, Some("/p".into()));
            let limit = arguments.number("limit", 1, 50, 10).map_err(|problem| problem.told());
            let id = arguments.id().map_err(|problem| problem.told())?;
            let picture = arguments.picture().map_err(|problem| problem.told())?;
            let folder = arguments.folder(&paths).map_err(|problem| problem.told())?;
            limit.map(|limit| (limit, id.is_some(), picture, folder))
        };
        assert_eq!(read(json!({})), Ok((10, false, None, None)));
        let given = json!({ "limit": "50", "id": format!("#{}", "0".repeat(32)), "picture": "data:image/png;base64,AAE\n=", "folder": "a" });
        assert_eq!(read(given), Ok((50, true, Some(vec![0, 1]), Some("/p/a".into()))));
        for (given, why) in [
            (json!({ "limit": 51 }), "from 1 to 50"),
            (json!({ "limit": 0 }), "limit: `0`"),
            (json!({ "limit": 2.5 }), "limit: `2.5`"),
            (json!({ "id": "a.jpg" }), "id: `a.jpg`"),
            (json!({ "picture": "?" }), "picture: it is not base64"),
            (json!({ "picture": "A".repeat(5_000_000) }), "picture: it has more than 3 MB"),
        ] {
            let told = read(given).unwrap_err();
            assert!(told.contains(why), "{told}");
        }
    }

    #[test]
    fn errors_name_the_arguments_of_tools() {
        #[track_caller]
        fn check(told: &str, expected: &str) {
            assert_eq!(in_words_of_tools(told.to_owned()), expected);
        }
        check("q: it is empty", "query: it is empty");
        check("in: `x` is not possible", "folder: `x` is not possible");
        check("near: `x`", "near: `x`");
        check("nothing: else", "nothing: else");
    }
}
