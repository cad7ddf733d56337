//! The OpenAPI 3.1 document, made from the handlers, from `query::PARAMETERS`, and from docs/FORMATS.md.

use imgsearch::query::{Kind, MOST_CHARACTERS, Parameter as Word, conditions};
use serde_json::{Value, json};
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::Schema;
use utoipa::openapi::{OpenApi as Document, RefOr, Required};
use utoipa::{IntoParams, OpenApi, PartialSchema, ToSchema};
use utoipa_axum::router::OpenApiRouter;

use super::App;
use super::problem::{MEDIA_TYPE, Problem};
use crate::render::documented;

#[derive(OpenApi)]
#[openapi(
    info(
        title = "imgsearch",
        description = "Search in the photos of one library. Errors are problem details (RFC 9457). Within version 1 \
                       nothing that is described here changes its meaning; new fields and new operations may come.",
        license(name = "MIT OR Apache-2.0"),
    ),
    components(schemas(Problem))
)]
struct Api;

/// A router whose document has no operations yet.
pub(super) fn begin() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(Api::openapi())
}

/// Errors that every operation can return.
const ANYWHERE: &[(&str, &str)] = &[
    ("400", "The request is malformed."),
    ("403", "A page of another server sent the request, or this server hides this."),
    ("413", "The request is too large."),
    ("421", "The request is for another server."),
    ("500", "The server failed."),
    ("503", "The answer would take too long."),
];

/// Adds the common parts of all operations, and returns the document as JSON.
pub(super) fn complete(document: Document, has_login: bool) -> String {
    let mut document = serde_json::to_value(document).unwrap_or_default();
    let problem = |what: &str| {
        let schema = json!({ "$ref": "#/components/schemas/Problem" });
        json!({ "description": what, "content": { MEDIA_TYPE: { "schema": schema } } })
    };
    let operations = document["paths"].as_object_mut().into_iter().flat_map(|paths| paths.values_mut());
    for operation in operations.filter_map(Value::as_object_mut).flat_map(|item| item.values_mut()) {
        let Some(responses) = operation["responses"].as_object_mut() else { continue };
        for (status, what) in ANYWHERE {
            responses.entry(*status).or_insert_with(|| problem(what));
        }
        let head = json!({ "description": "Address and headers of the request are too long." });
        if has_login {
            responses.entry("401").or_insert_with(|| problem("The client has not logged in."));
        }
        // Give a body to errors that the operation describes.
        let errors = responses.iter_mut().filter(|(status, _)| status.as_str() >= "400");
        for (_, response) in errors.filter(|(_, response)| response.get("content").is_none()) {
            *response = problem(response["description"].as_str().unwrap_or_default());
        }
        responses.insert("431".to_owned(), head);
    }
    if has_login {
        document["components"]["securitySchemes"] = json!({
            "secret": { "type": "http", "scheme": "bearer", "description": "The secret in the link that the server printed." },
            "cookie": { "type": "apiKey", "in": "cookie", "name": "imgsearch" },
        });
        document["security"] = json!([{ "secret": [] }, { "cookie": [] }]);
    }
    document.to_string()
}

/// A query parameter.
pub(super) fn parameter(name: &str, what: &str, schema: Value) -> Parameter {
    ParameterBuilder::new()
        .name(name)
        .parameter_in(ParameterIn::Query)
        .required(Required::False)
        .description(Some(what))
        .schema(Some(schema_of(schema)))
        .build()
}

/// The conditions of a filter as query parameters.
pub(super) struct Conditions;

impl IntoParams for Conditions {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        conditions().iter().map(word).collect()
    }
}

/// One of `query::PARAMETERS` as a query parameter.
pub(super) fn word(word: &Word) -> Parameter {
    parameter(word.name, word.what, word_schema(word))
}

/// What a word that a query knows can be, as a JSON Schema.
pub(super) fn word_schema(word: &Word) -> Value {
    let one = match word.kind {
        Kind::Text(example) => {
            json!({ "type": "string", "maxLength": MOST_CHARACTERS, "examples": [example] })
        }
        Kind::Word(words) => json!({ "type": "string", "enum": words }),
        Kind::Flag => json!({ "type": "boolean" }),
        Kind::Number(least, most) => json!({ "type": "number", "minimum": least, "maximum": most }),
        Kind::Count(least, most) => json!({ "type": "integer", "minimum": least, "maximum": most }),
    };
    if word.is_list { json!({ "type": "array", "items": one }) } else { one }
}

/// A schema from its JSON.
pub(super) fn schema_of(schema: Value) -> RefOr<Schema> {
    serde_json::from_value(schema).expect("the schemas of this file are well formed")
}

/// The schema of a photo.
pub(super) struct PhotoRecord;

impl PartialSchema for PhotoRecord {
    fn schema() -> RefOr<Schema> {
        let mut properties = record("`query` and `similar`\n");
        let paths = "The paths of all copies. Only in the answer for one photo.";
        let paths = json!({ "type": "array", "items": { "type": "string" }, "description": paths });
        properties.insert("paths".to_owned(), paths);
        let lines = "The lines of text that were read in the picture. Only in the answer for one photo.";
        let lines = json!({ "type": "array", "items": { "type": "string" }, "description": lines });
        properties.insert("lines".to_owned(), lines);
        let thumbhash =
            "A blurred copy of the picture in some 25 bytes, in base64 (https://evanw.github.io/thumbhash).";
        properties
            .insert("thumbhash".to_owned(), json!({ "type": ["string", "null"], "description": thumbhash }));
        schema_of(json!({ "type": "object", "properties": properties, "required": ["id", "path"] }))
    }
}

/// The id, and the fields of a record as described in docs/FORMATS.md.
fn record(section: &str) -> serde_json::Map<String, Value> {
    let mut properties = serde_json::Map::new();
    properties.insert("id".to_owned(), id_schema());
    for field in documented(section).iter().filter(|field| !["query", "corrected"].contains(&field.name)) {
        let kind = match field.kind {
            "number" => json!(["number", "null"]),
            "flag" => json!(["boolean", "null"]),
            "list" => json!(["array", "null"]),
            _ => json!(["string", "null"]),
        };
        let mut schema = json!({ "type": kind, "description": field.what });
        if field.kind == "list" {
            schema["items"] = json!({ "type": "string" });
        }
        properties.insert(field.name.to_owned(), schema);
    }
    let base64 = "The exact bytes in base64, if the path is not valid Unicode.";
    properties.insert("path_base64".to_owned(), json!({ "type": "string", "description": base64 }));
    properties
}

/// The schema of a duplicate.
pub(super) struct DuplicateRecord;

impl PartialSchema for DuplicateRecord {
    fn schema() -> RefOr<Schema> {
        let properties = record("`duplicates`\n");
        schema_of(
            json!({ "type": "object", "properties": properties, "required": ["id", "group", "keep", "path"] }),
        )
    }
}

impl ToSchema for DuplicateRecord {
    fn name() -> std::borrow::Cow<'static, str> {
        "Duplicate".into()
    }
}

impl ToSchema for PhotoRecord {
    fn name() -> std::borrow::Cow<'static, str> {
        "Photo".into()
    }
}

fn id_schema() -> Value {
    json!({
        "type": ["string", "null"],
        "pattern": "^[0-9a-f]{32}$",
        "description": "The fingerprint of the photo's content. Null if a very early version indexed the photo.",
    })
}
