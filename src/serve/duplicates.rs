//! Groups of duplicates.

use std::path::PathBuf;

use axum::extract::{Query as Pairs, State};
use axum::response::Response;
use imgsearch::duplicates::{DuplicateGroups, Group, Keep, Likeness, Preference, Watch, find, present};
use imgsearch::photo::Id;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::openapi::{self, DuplicateRecord};
use super::photos::{without_place, written};
use super::problem::Problem;
use super::search::Said;
use super::{App, Once};
use crate::render::{Field, Listed, Listing, duplicate_fields};
use crate::settings::zone;

/// The default number of groups.
const USUAL: usize = 100;
/// The maximum number of groups in an answer.
const MOST: usize = 1_000;

/// Finding duplicates is slow, so the result is cached.
pub(super) type Kept = Once<Vec<Group>>;

pub(super) struct Parameters;

impl IntoParams for Parameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let likeness =
            "How similar the photos must be; each value includes those before it. Default: `re-encoded`.";
        let keep = "Which photo of a group to keep. Default: `best`.";
        let words = |words: &[&str]| json!({ "type": "string", "enum": words });
        vec![
            openapi::parameter("likeness", likeness, words(&["exact", "re-encoded", "similar"])),
            openapi::parameter("keep", keep, words(&["best", "oldest", "largest"])),
            openapi::parameter(
                "from",
                "The number of the first group.",
                json!({ "type": "integer", "minimum": 1 }),
            ),
            openapi::parameter(
                "n",
                "The maximum number of groups in the answer. Default: 100.",
                json!({ "type": "integer", "minimum": 1, "maximum": MOST }),
            ),
        ]
    }
}

/// Groups of similar photos.
#[derive(Serialize, ToSchema)]
pub(super) struct Duplicates {
    /// The photos, group by group; in each group the photo to keep is first.
    #[schema(value_type = Vec<DuplicateRecord>)]
    photos: Listing<Listed>,
    /// The total number of groups.
    groups: usize,
    /// The value of `from` for the next page, if there is one.
    next: Option<usize>,
}

/// The parsed parameters.
struct Asked {
    likeness: Likeness,
    keep: Keep,
    from: usize,
    most: usize,
}

impl Asked {
    fn read(said: &Said) -> Result<Asked, Problem> {
        let mut asked = Asked { likeness: Likeness::ReEncoded, keep: Keep::Best, from: 1, most: USUAL };
        for (name, value) in said {
            let refuse = |form: &str| Problem::unprocessable(format!("{name}: `{value}` is not {form}"));
            match (name.as_str(), value.as_str()) {
                ("likeness", "exact") => asked.likeness = Likeness::Exact,
                ("likeness", "re-encoded") => asked.likeness = Likeness::ReEncoded,
                ("likeness", "similar") => asked.likeness = Likeness::Similar,
                ("likeness", _) => return Err(refuse("one of exact, re-encoded, similar")),
                ("keep", "best") => asked.keep = Keep::Best,
                ("keep", "oldest") => asked.keep = Keep::Oldest,
                ("keep", "largest") => asked.keep = Keep::Largest,
                ("keep", _) => return Err(refuse("one of best, oldest, largest")),
                ("from" | "n", _) => {
                    let number = value.parse().ok().filter(|number| *number > 0);
                    let number = number.ok_or_else(|| refuse("a whole number above 0"))?;
                    if name == "from" {
                        asked.from = number;
                    } else if number <= MOST {
                        asked.most = number;
                    } else {
                        return Err(refuse("1000 or less"));
                    }
                }
                _ => return Err(Problem::bad_request(format!("there is no parameter `{name}`"))),
            }
        }
        Ok(asked)
    }
}

/// Lists duplicates. Nothing is ever deleted.
#[utoipa::path(
    get,
    path = "/duplicates",
    tag = "library",
    params(Parameters),
    responses(
        (status = 200, description = "Groups of photos.", body = Duplicates),
        (status = 422, description = "A value cannot be understood."),
    ),
)]
pub(super) async fn duplicates(
    State(app): State<App>,
    Pairs(said): Pairs<Said>,
) -> Result<Response, Problem> {
    let asked = app.clone();
    app.slowly(move || written(&found(&asked, &[], &said)?)).await
}

/// A page of the groups in these folders, or in the whole library without folders.
pub(super) fn found(app: &App, folders: &[PathBuf], said: &Said) -> Result<Duplicates, Problem> {
    let Asked { likeness, keep, from, most } = Asked::read(said)?;
    let preference = Preference { keep, zone: zone() };
    let groups = groups(app, folders, likeness, &preference)?;
    let page = groups.iter().cloned().zip(1..).skip(from - 1).take(most);
    let records = page.flat_map(|(group, number)| Listed::all(group, number, &preference)).collect();
    let next = from.saturating_add(most);
    let next = (next <= groups.len()).then_some(next);
    Ok(Duplicates { photos: Listing { fields: fields(app), records }, groups: groups.len(), next })
}

/// All groups; cached until the library changes.
pub(super) fn groups(
    app: &App,
    folders: &[PathBuf],
    likeness: Likeness,
    preference: &Preference,
) -> Result<std::sync::Arc<Vec<Group>>, Problem> {
    let view = app.service.view()?;
    let find_all = || {
        let Some(view) = view else { return Ok(Vec::new()) };
        let is_ending = || app.ending.is_cancelled();
        let watch = Watch { progress: &|_, _| (), cancelled: &is_ending };
        let found = find(&*view, folders, likeness, preference, watch)?;
        let DuplicateGroups { groups, .. } = found.unwrap_or_default();
        Ok(present(groups).0)
    };
    let question = format!("{likeness:?} {:?} {folders:?}", preference.keep);
    app.kept.duplicates.get_or_find(app.service.version(), question, find_all)
}

fn fields(app: &App) -> Vec<Field<Listed>> {
    let id = |listed: &Listed| listed.duplicate.content.map(|content| Id(content).to_string());
    let mut fields = vec![Field::new("id", move |listed: &Listed| id(listed).into())];
    fields.extend(
        duplicate_fields().into_iter().map(
            |field| {
                if app.hides_places { without_place(field) } else { field }
            },
        ),
    );
    fields
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    #[test]
    fn parameters_are_parsed_or_refused() {
        let read = |name: &str, value: &str| Asked::read(&vec![(name.into(), value.into())]).map(|_| ());
        for (name, value) in [("likeness", "similar"), ("keep", "oldest"), ("from", "5"), ("n", "1000")] {
            assert!(read(name, value).is_ok(), "{name} {value}");
        }
        for (name, value, status) in [
            ("likeness", "x", 422),
            ("keep", "", 422),
            ("from", "0", 422),
            ("n", "1001", 422),
            ("m", "1", 400),
        ] {
            assert_eq!(read(name, value).unwrap_err().into_response().status(), status, "{name} {value}");
        }
    }
}
