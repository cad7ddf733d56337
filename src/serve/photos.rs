//! Photos in answers.

use std::borrow::Cow;
use std::path::PathBuf;

use axum::extract::{FromRequestParts, Path, State};
use axum::http::request::Parts;
use axum::response::Response;
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::DynamicImage;
use image::imageops::{self, FilterType};
use imgsearch::Match;
use imgsearch::item::path_bytes;
use imgsearch::photo::{Clock, Id, Photo};
use imgsearch::query::{Filter, why};
use imgsearch::service::{Known, Listed, ServiceError};

use super::App;
use super::openapi::PhotoRecord;
use super::problem::Problem;
use super::router::json;
use crate::render::{Field, Listing, Value, document, name, photo_fields};
use crate::terminal::escape;

/// The id in the path of a request.
#[derive(Clone, Copy, Debug)]
pub(super) struct Of(pub(super) Id);

impl<S: Send + Sync> FromRequestParts<S> for Of {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Of, Problem> {
        let Path(id): Path<String> = Path::from_request_parts(parts, state)
            .await
            .map_err(|rejection| Problem::bad_request(rejection.body_text()))?;
        id.parse()
            .map(Of)
            .map_err(|error| Problem::not_found(format!("`{id}` is not the id of a photo: {error}")))
    }
}

/// A photo in an answer.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Shown {
    id: Option<Id>,
    rank: Option<usize>,
    score: Option<f32>,
    similar: Option<usize>,
    path: PathBuf,
    photo: Option<Photo>,
    why: Vec<String>,
    /// The paths of all copies; only filled in the answer for one photo.
    paths: Vec<String>,
    /// The lines that were read in the picture; only filled in the answer for one photo.
    lines: Vec<String>,
}

impl From<Match> for Shown {
    fn from(found: Match) -> Shown {
        let Match { rank, score, path, content, photo, similar, why, .. } = found;
        let (id, rank, similar) = (content.map(Id), Some(rank), Some(similar));
        let (paths, lines) = (Vec::new(), Vec::new());
        Shown { id, rank, score, similar, path, photo, why, paths, lines }
    }
}

impl From<Known> for Shown {
    fn from(known: Known) -> Shown {
        let paths = known.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        let path = known.paths.into_iter().next().unwrap_or_default();
        let (rank, score, similar) = (None, None, None);
        let (id, why) = (Some(known.id), Vec::new());
        let text = known.photo.as_ref().and_then(|photo| photo.text.as_ref());
        let lines = text.into_iter().flat_map(|text| text.lines()).map(|line| line.text.clone()).collect();
        Shown { id, rank, score, similar, path, photo: known.photo, why, paths, lines }
    }
}

impl Shown {
    /// A photo in a list of those that meet a filter, with the words that make it do so, in any of its copies.
    pub(super) fn listed(listed: Listed, filter: &Filter) -> Shown {
        let Listed { photo: known, similar } = listed;
        let mut reasons = Vec::new();
        if let Some(photo) = &known.photo {
            for path in known.paths.iter().filter_map(|path| path_bytes(path)) {
                let found = why(&filter.texts, path, photo).into_iter();
                let is_new = |reason: &String| !reasons.contains(reason);
                reasons.extend(found.filter(is_new).collect::<Vec<_>>());
            }
        }
        Shown { why: reasons, similar, ..known.into() }
    }

    /// The words that make it meet the conditions, or that lifted it, for people; may be empty.
    pub(super) fn why(&self) -> String {
        escape(&self.why.join("; ")).into_owned()
    }

    pub(super) fn id(&self) -> Option<String> {
        self.id.map(|id| id.to_string())
    }

    pub(super) fn rank(&self) -> Option<usize> {
        self.rank
    }

    /// Its record.
    pub(super) fn photo(&self) -> Option<&Photo> {
        self.photo.as_ref()
    }

    /// Where its date comes from, if that is known.
    pub(super) fn clock(&self) -> Option<Clock> {
        Some(self.photo.as_ref()?.details.as_ref()?.clock)
    }

    /// Its name for people, without invisible characters.
    pub(super) fn name(&self) -> Cow<'_, str> {
        let title = self.photo.as_ref().and_then(|photo| photo.details.as_ref()?.title.as_deref());
        title.map_or_else(|| name(&self.path), escape)
    }

    /// Its name and its day.
    pub(super) fn label(&self) -> String {
        let fields = photo_fields(|shown: &Shown| shown.photo.as_ref());
        let taken = fields.iter().find(|field| field.name() == "taken").and_then(|field| field.said(self));
        let day = taken.as_deref().map(|taken| taken.split('T').next().unwrap_or(taken));
        day.map_or_else(|| self.name().into_owned(), |day| format!("{}, {day}", self.name()))
    }
}

/// The details of a photo for people.
pub(super) fn facts(app: &App, shown: &Shown) -> Vec<(&'static str, String)> {
    let fields = fields(app);
    let said =
        |name: &str| fields.iter().find(|field| field.name() == name).and_then(|field| field.said(shown));
    let both =
        |one: &str, between: &str, other: &str| Some(format!("{}{between}{}", said(one)?, said(other)?));
    let taken = said("taken").map(|taken| match said("taken_from").as_deref() {
        Some("file") => format!("{} (date of the file)", for_people(&taken)),
        _ => for_people(&taken),
    });
    let known = [
        ("Taken", taken),
        ("Place", both("latitude", ", ", "longitude")),
        ("Camera", said("camera")),
        ("Lens", said("lens")),
        ("Pixels", both("width", " × ", "height")),
        ("Size", said("size")),
        ("Title", said("title")),
        ("Description", said("description")),
        ("Keywords", said("keywords")),
        ("File", Some(shown.paths.iter().map(|path| escape(path)).collect::<Vec<_>>().join("; "))),
        ("Note", said("note")),
    ];
    known.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

/// `2023-05-06T12:34:56.5+02:00` → `2023-05-06 12:34`.
pub(super) fn for_people(taken: &str) -> String {
    match taken.split_once('T') {
        Some((day, clock)) => format!("{day} {}", clock.get(..5).unwrap_or(clock)),
        None => taken.to_owned(),
    }
}

/// A list of photos for an answer.
pub(super) fn listing(app: &App, records: Vec<Shown>) -> Listing<Shown> {
    Listing { fields: fields(app), records }
}

fn fields(app: &App) -> Vec<Field<Shown>> {
    let mut fields = vec![
        Field::new("id", |shown: &Shown| shown.id.map(|id| id.to_string()).into()),
        Field::new("rank", |shown: &Shown| shown.rank.into()),
        Field::new("score", |shown: &Shown| shown.score.map_or(Value::Absent, Value::Score)),
        Field::new("similar", |shown: &Shown| shown.similar.into()),
        Field::new("path", |shown: &Shown| shown.path.as_path().into()),
        Field::new("thumbhash", |shown: &Shown| thumbhash(shown).into()),
    ];
    let known = photo_fields(|shown: &Shown| shown.photo.as_ref());
    fields.extend(known.into_iter().map(|field| if app.hides_places { without_place(field) } else { field }));
    fields.push(Field::new("why", |shown: &Shown| Value::List(&shown.why)));
    fields
}

/// A blurred copy of the picture in some 25 bytes (thumbhash, in base64), to show until the thumbnail is there.
fn thumbhash(shown: &Shown) -> Option<String> {
    let details = shown.photo.as_ref()?.details.as_ref()?;
    let square = details.look.as_ref()?.square()?;
    let longest = f64::from(details.width.max(details.height).max(1));
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "at most the side of the square"
    )]
    let side = |length: u32| (f64::from(square.width()) * f64::from(length) / longest).ceil().max(1.0) as u32;
    let (width, height) = (side(details.width), side(details.height));
    let small =
        DynamicImage::from(imageops::resize(&square, width, height, FilterType::Triangle)).into_rgba8();
    let hash = thumbhash::rgba_to_thumb_hash(width as usize, height as usize, small.as_raw());
    Some(BASE64_STANDARD.encode(hash))
}

/// The field, empty if it contains a place.
pub(super) fn without_place<R>(field: Field<R>) -> Field<R> {
    if ["latitude", "longitude"].contains(&field.name()) { field.hidden() } else { field }
}

/// Describes one photo.
#[utoipa::path(
    get,
    path = "/photos/{id}",
    tag = "photos",
    params(("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The photo, with the paths of all copies.", body = PhotoRecord),
        (status = 404, description = "The library has no such photo."),
    ),
)]
pub(super) async fn photo(State(app): State<App>, Of(id): Of) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || written(&with_all_paths(&asked, id)?.one())).await
}

/// One photo, with the paths of all its copies.
pub(super) fn with_all_paths(app: &App, id: Id) -> Result<Listing<Shown>, Problem> {
    let photo = app.service.photo(id)?.ok_or(ServiceError::NoSuchPhoto { id })?;
    let mut fields = fields(app);
    fields.push(Field::new("paths", |shown: &Shown| Value::List(&shown.paths)));
    fields.push(Field::new("lines", |shown: &Shown| Value::List(&shown.lines)));
    Ok(Listing { fields, records: vec![photo.into()] })
}

/// An answer with a JSON document.
pub(super) fn written(value: &impl serde::Serialize) -> Result<Response, Problem> {
    document(value).map(json).map_err(|error| Problem::internal(&error.into()))
}
