//! Labels of photos.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{Query as Pairs, State};
use axum::response::Response;
use imgsearch::engine::{Choice, Vocabulary};
use imgsearch::photo::Id;
use imgsearch::service::ServiceError;
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::{IntoParams, ToSchema};

use super::openapi;
use super::overview::filter;
use super::photos::{Of, written};
use super::problem::Problem;
use super::search::Said;
use super::{App, Once};

/// The maximum number of labels in a request, and the maximum length of each in characters.
const MOST_LABELS: usize = 100;
const MOST_CHARACTERS: usize = 200;

/// Labelling all photos is slow, so the result is cached.
pub(super) type Kept = Once<Vec<Common>>;

pub(super) struct Parameters;

impl IntoParams for Parameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let label =
            json!({ "type": "string", "minLength": 1, "maxLength": MOST_CHARACTERS, "pattern": r"\S" });
        let labels = json!({ "type": "array", "items": label, "maxItems": MOST_LABELS });
        let probability = json!({ "type": "number", "minimum": 0, "maximum": 1 });
        let n = json!({ "type": "integer", "minimum": 1, "maximum": 1000 });
        vec![
            openapi::parameter(
                "label",
                "The labels to choose from. Default: about five hundred everyday words.",
                labels,
            ),
            openapi::parameter("min_probability", "The lowest probability. Default: 0.5.", probability),
            openapi::parameter("n", "The maximum number of labels per photo. Default: 10.", n),
        ]
    }
}

/// The labels of a photo, most likely first.
#[derive(Serialize, ToSchema)]
pub(super) struct Tags {
    tags: Vec<Tag>,
}

#[derive(Serialize, ToSchema)]
struct Tag {
    /// The probability that the label describes the photo, 0 to 1.
    probability: f32,
    /// The label.
    label: String,
}

/// The labels of many photos, most frequent first.
#[derive(Serialize, ToSchema)]
struct AllTags<'a> {
    tags: &'a [Common],
}

/// A label of many photos.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(super) struct Common {
    /// The label.
    label: String,
    /// The number of photos with this label.
    count: usize,
    /// The id of the photo with the highest probability.
    id: Option<String>,
}

/// The parsed parameters; `others` are conditions.
struct Asked {
    vocabulary: Vocabulary,
    choice: Choice,
    others: Said,
}

impl Asked {
    fn read(said: Said) -> Result<Asked, Problem> {
        let (mut labels, mut choice) = (Vec::new(), Choice { least: 0.5, most: 10 });
        let mut others = Said::new();
        for (name, value) in said {
            let refuse = |form: &str| Problem::unprocessable(format!("{name}: `{value}` is not {form}"));
            match name.as_str() {
                "label" => {
                    let label = value.trim();
                    if label.is_empty() || label.chars().count() > MOST_CHARACTERS || label.contains('\n') {
                        return Err(refuse("a line of 200 characters at most"));
                    }
                    labels.push(label.to_owned());
                }
                "min_probability" => {
                    let least = value.parse().ok().filter(|least| (0.0..=1.0).contains(least));
                    choice.least = least.ok_or_else(|| refuse("a number from 0 to 1"))?;
                }
                "n" => {
                    let most = value.parse().ok().filter(|most| (1..=1000).contains(most));
                    choice.most = most.ok_or_else(|| refuse("a whole number from 1 to 1000"))?;
                }
                _ => others.push((name, value)),
            }
        }
        if labels.len() > MOST_LABELS {
            return Err(Problem::unprocessable(format!("label: there are more than {MOST_LABELS}")));
        }
        let vocabulary = if labels.is_empty() { Vocabulary::everyday() } else { Vocabulary::of(labels) };
        Ok(Asked { vocabulary, choice, others })
    }
}

/// Labels a photo.
#[utoipa::path(
    get,
    path = "/photos/{id}/tags",
    tag = "photos",
    params(("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$"), Parameters),
    responses(
        (status = 200, description = "The labels.", body = Tags),
        (status = 404, description = "The library has no such photo."),
        (status = 422, description = "A value cannot be understood."),
    ),
)]
pub(super) async fn of_photo(
    State(app): State<App>,
    Of(id): Of,
    Pairs(said): Pairs<Said>,
) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || written(&photo_tags(&asked, id, said)?)).await
}

/// The labels of one photo.
pub(super) fn photo_tags(app: &App, id: Id, said: Said) -> Result<Tags, Problem> {
    let Asked { vocabulary, choice, others } = Asked::read(said)?;
    if let Some((name, _)) = others.first() {
        return Err(Problem::bad_request(format!("there is no parameter `{name}`")));
    }
    let labels = match app.service.engine()? {
        Some(engine) => engine.tags_of(id, &engine.prepare(vocabulary, &|_, _| ())?, choice)?,
        None => None,
    };
    let labels = labels.ok_or(ServiceError::NoSuchPhoto { id })?;
    let tag = |label: imgsearch::engine::Label| Tag { probability: label.probability, label: label.name };
    Ok(Tags { tags: labels.into_iter().map(tag).collect() })
}

/// Counts the labels of the photos that meet the conditions.
#[utoipa::path(
    get,
    path = "/tags",
    tag = "library",
    params(openapi::Conditions, Parameters),
    responses(
        (status = 200, description = "The labels with the number of photos.", body = AllTags),
        (status = 422, description = "A value cannot be understood."),
    ),
)]
pub(super) async fn of_all(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Response, Problem> {
    let asked = app.clone();
    app.slowly(move || written(&AllTags { tags: &common_tags(&asked, said)? })).await
}

/// The labels of the photos that meet the conditions; cached until the library changes.
pub(super) fn common_tags(app: &App, said: Said) -> Result<Arc<Vec<Common>>, Problem> {
    let question = format!("{said:?}");
    let Asked { vocabulary, choice, others } = Asked::read(said)?;
    let filter = filter(&others, app)?;
    let engine = app.service.engine()?;
    let find = || {
        let mut tags: HashMap<String, (usize, f32, Option<Id>)> = HashMap::new();
        let Some(engine) = engine else { return Ok(Vec::new()) };
        let prepared = engine.prepare(vocabulary, &|_, _| ())?;
        engine.tag(&prepared, &filter, choice, |photo| {
            for label in photo.labels {
                let (count, best, id) = tags.entry(label.name).or_insert((0, -1.0, None));
                *count += 1;
                if label.probability > *best {
                    (*best, *id) = (label.probability, photo.content.map(Id));
                }
            }
            !app.ending.is_cancelled()
        })?;
        let common = |(label, (count, _, id)): (_, (_, _, Option<Id>))| Common {
            label,
            count,
            id: id.map(|id| id.to_string()),
        };
        let mut tags: Vec<Common> = tags.into_iter().map(common).collect();
        tags.sort_by(|a, b| b.count.cmp(&a.count).then_with(|| a.label.cmp(&b.label)));
        Ok(tags)
    };
    app.kept.tags.get_or_find(app.service.version(), question, find)
}
