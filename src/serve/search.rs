//! Search.

use std::ffi::OsStr;
use std::num::NonZeroUsize;

use axum::body::Bytes;
use axum::extract::multipart::Multipart;
use axum::extract::{DefaultBodyLimit, FromRequest, Query as Pairs, Request, State};
use axum::http::{StatusCode, header};
use axum::response::Response;
use imgsearch::engine::nothing;
use imgsearch::engine::spelling::{self, Corrected};
use imgsearch::photo::Id;
use imgsearch::query::{
    Conditions, Cutoff, Filter, MOST_CHARACTERS, Order, PARAMETERS, Separated, Source, Term, Understood,
    Words, parse_line, separate_line,
};
use imgsearch::service::{Cursor, Page, ServiceError};
use imgsearch::{Expression, Query};
use jiff::{Timestamp, ZonedDateTime};
use serde::Serialize;
use serde_json::json;
use utoipa::openapi::path::{Parameter, ParameterIn};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use super::App;
use super::openapi::{self, PhotoRecord};
use super::overview::refuse_places;
use super::photos::{Of, Shown, listing, written};
use super::problem::Problem;
use crate::render::Listing;
use crate::settings::zone;

/// The maximum number of bytes of an uploaded picture.
pub(super) const PICTURE_BYTES: usize = 32 << 20;

/// The parameters of a request, as they were sent.
pub(super) type Said = Vec<(String, String)>;

/// The documentation of the search parameters.
pub(super) struct Parameters;

impl IntoParams for Parameters {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        let expression = "What the photos should show: texts and photos, weighted, added and taken away, such as \
                          `2:golden retriever + #ID - fruit`, where ID is the id of a photo. Words with a colon can be \
                          conditions: `text:invoice -name:draft`. Without an expression, all photos that meet the \
                          conditions are listed, the newest first; then `min_score`, `cutoff` and `exact` do not count.";
        let cursor = "The value of `next` in the previous answer. Keep all other parameters the same.";
        let mut all = vec![
            openapi::parameter("q", expression, json!({ "type": "string", "maxLength": MOST_CHARACTERS })),
            openapi::parameter("cursor", cursor, json!({ "type": "string", "maxLength": 100 })),
        ];
        all.extend(PARAMETERS.iter().map(openapi::word));
        all
    }
}

/// A page of photos.
#[derive(Serialize, ToSchema)]
pub(super) struct SearchPage {
    /// The photos, sorted.
    #[schema(value_type = Vec<PhotoRecord>)]
    photos: Listing<Shown>,
    /// The `cursor` for the next page, if there is one.
    next: Option<String>,
    /// The number of photos from the first page up to the last one that is likely relevant; null if the photos are not
    /// sorted by score.
    likely: Option<usize>,
    /// The town that was found for `near`.
    near: Option<String>,
    /// Why nothing was found, which words were corrected, or for how many of the photos a condition on time used the
    /// file's date.
    notice: Option<String>,
}

/// A parsed search request.
pub(super) struct Asked {
    words: Words,
    terms: Vec<Term>,
    cursor: Option<Cursor>,
    /// A hash of the parameters: a cursor is valid only for the same question.
    question: u32,
}

impl Asked {
    /// # Errors
    /// For unknown parameters and invalid values.
    pub(super) fn read(said: &Said, terms: Vec<Term>, app: &App) -> Result<Asked, Problem> {
        let (mut words, mut expression, mut cursor) = (Words::default(), String::new(), None);
        let mut question = crc32fast::Hasher::new();
        for (name, value) in said {
            match name.as_str() {
                "cursor" => {
                    let read = value.parse::<Cursor>();
                    cursor = Some(read.map_err(|error| Problem::unprocessable(format!("cursor: {error}")))?);
                    continue;
                }
                "q" => expression.clone_from(value),
                _ => {
                    refuse_places(name, app)?;
                    words.set(name, value)?;
                }
            }
            question.update(name.as_bytes());
            question.update(&[0]);
            question.update(value.as_bytes());
            question.update(&[0]);
        }
        let mut terms = terms;
        let Separated { words: expression, conditions } = separate_line(checked(&expression)?)?;
        for (name, value) in conditions {
            refuse_places(name, app)?;
            words.set(name, &value)?;
        }
        terms.extend(expression_of(&expression.join(OsStr::new(" ")).to_string_lossy())?);
        let question = question.finalize();
        if cursor.is_some_and(|cursor| cursor.question != question) {
            return Err(Problem::unprocessable("cursor: it belongs to another search"));
        }
        Ok(Asked { words, terms, cursor, question })
    }

    /// Searches the library.
    pub(super) fn found(self, app: &App) -> Result<Answer, Problem> {
        let (words, is_first) = (self.words.clone(), self.cursor.is_none());
        let Understood { filter, town } = self.words.conditions.understand(&now, &app.towns)?;
        let question = self.question;
        let mut found = self.page(app, &filter)?;
        let mut corrected = None;
        if found.photos.is_empty()
            && let Some(view) = app.service.view()?
            && let Some(Corrected { filter, note }) = spelling::corrected(&*view, &filter)?
        {
            found = self.page(app, &filter)?;
            corrected = Some(note);
        }
        let Matching { photos, next, likely } = found;
        let next = next.map(|next| next.of(question).to_string());
        let near = town.map(|town| format!("{}, {}", town.name, town.country));
        let notice = match corrected {
            Some(note) => Some(note),
            None => notice(app, &photos, &words, &filter, is_first)?,
        };
        Ok(Answer { photos, next, likely, near, notice })
    }

    /// A page of the photos that meet the filter.
    fn page(&self, app: &App, filter: &Filter) -> Result<Matching, Problem> {
        let Asked { words, terms, cursor, .. } = self;
        let is_list = terms.is_empty();
        let expression =
            if is_list { Expression::text(String::new()) } else { Expression::new(terms.clone())? };
        let (query, _) = words.query(expression, &now, &app.towns)?;
        let query = Query { filter: filter.clone(), ..query };
        if is_list {
            let Page { photos, next } = app.service.newest(&query, *cursor)?;
            let photos = photos.into_iter().map(|listed| Shown::listed(listed, filter)).collect();
            return Ok(Matching { photos, next, likely: None });
        }
        let Page { photos, next } = app.service.search(&query, *cursor)?;
        // Other orders have no last likely photo, and a cutoff leaves no unlikely ones.
        let is_ranked = query.order == Order::Score && query.cutoff != Cutoff::Relevance;
        let likely = if is_ranked { app.service.likely(&photos)? } else { None };
        Ok(Matching { photos: photos.into_iter().map(Into::into).collect(), next, likely })
    }

    /// The result as JSON has it.
    pub(super) fn answer(self, app: &App) -> Result<SearchPage, Problem> {
        let Answer { photos, next, likely, near, notice } = self.found(app)?;
        Ok(SearchPage { photos: listing(app, photos), next, likely, near, notice })
    }
}

/// The photos of a page.
struct Matching {
    photos: Vec<Shown>,
    next: Option<Cursor>,
    likely: Option<usize>,
}

/// The result of a search.
pub(super) struct Answer {
    pub(super) photos: Vec<Shown>,
    pub(super) next: Option<String>,
    pub(super) likely: Option<usize>,
    pub(super) near: Option<String>,
    pub(super) notice: Option<String>,
}

/// Why the first page is empty, or for how many photos a condition on time used the file's date.
fn notice(
    app: &App,
    photos: &[Shown],
    words: &Words,
    filter: &Filter,
    is_first: bool,
) -> Result<Option<String>, Problem> {
    let Conditions { folders, globs, after, before, on, .. } = &words.conditions;
    let Some(view) = app.service.view()? else { return Ok(None) };
    if photos.is_empty() && is_first {
        let folders: Vec<_> = folders.iter().map(|folder| format!("`{folder}`")).collect();
        let search = nothing::Search { filter, folders: &folders, globs };
        return Ok(Some(search.no_match(&*view, words.cutoff)?));
    }
    let is_dated = [after, before, on].iter().any(|time| time.is_some());
    Ok(nothing::file_dates(photos.iter().map(Shown::clock)).filter(|_| is_dated))
}

/// An expression that is not too long.
fn checked(line: &str) -> Result<&str, Problem> {
    if line.chars().count() > MOST_CHARACTERS {
        return Err(Problem::unprocessable(format!("q: it has more than {MOST_CHARACTERS} characters")));
    }
    Ok(line)
}

/// Parses an expression. Requests cannot name files on this machine.
fn expression_of(line: &str) -> Result<Vec<Term>, Problem> {
    let terms = parse_line(line, &|_: NonZeroUsize| None)?;
    match terms.iter().find(|term| matches!(term.source, Source::Picture(_))) {
        None => Ok(terms),
        Some(_) => {
            let hint = "write `#` and the id of a photo in the library, or send the picture itself";
            Err(Problem::unprocessable("q: files on the server cannot be used here")
                .hint(Some(hint.to_owned())))
        }
    }
}

pub(super) fn now() -> ZonedDateTime {
    Timestamp::now().to_zoned_datetime(zone())
}

/// Searches photos by what they show.
#[utoipa::path(
    get,
    path = "/search",
    tag = "search",
    params(Parameters),
    responses(
        (status = 200, description = "The photos found.", body = SearchPage),
        (status = 422, description = "A value cannot be understood, or the query makes no sense."),
    ),
)]
pub(super) async fn search(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || written(&Asked::read(&said, Vec::new(), &asked)?.answer(&asked)?)).await
}

/// Finds photos similar to a photo of the library, without that photo and its copies.
#[utoipa::path(
    get,
    path = "/photos/{id}/similar",
    tag = "search",
    params(("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$"), Parameters),
    responses(
        (status = 200, description = "The photos found.", body = SearchPage),
        (status = 404, description = "The library has no such photo."),
        (status = 422, description = "A value cannot be understood, or the query makes no sense."),
    ),
)]
pub(super) async fn similar(
    State(app): State<App>,
    Of(id): Of,
    Pairs(said): Pairs<Said>,
) -> Result<Response, Problem> {
    let asked = app.clone();
    app.blocking(move || written(&similar_to(&asked, id, &said)?)).await
}

/// The photos that are similar to a photo of the library.
pub(super) fn similar_to(app: &App, id: Id, said: &Said) -> Result<SearchPage, Problem> {
    if app.service.photo(id)?.is_none() {
        return Err(ServiceError::NoSuchPhoto { id }.into());
    }
    let term = Term { weight: 1.0, source: Source::Photo(id) };
    Asked::read(said, vec![term], app)?.answer(app)
}

/// Finds photos similar to an uploaded picture, optionally combined with an expression.
#[utoipa::path(
    post,
    path = "/search",
    tag = "search",
    params(Parameters),
    request_body(
        content((Vec<u8> = "application/octet-stream"), (Vec<u8> = "image/*"), (Upload = "multipart/form-data")),
        description = "A picture of 32 MiB at most: as it is, or as the field `picture` of a form, whose other fields \
                       count as parameters.",
    ),
    responses(
        (status = 200, description = "The photos found.", body = SearchPage),
        (status = 415, description = "The body is neither a picture nor a form."),
        (status = 422, description = "The picture cannot be read, or a value cannot be understood."),
    ),
)]
pub(super) async fn search_by_picture(
    State(app): State<App>,
    Pairs(mut said): Pairs<Said>,
    mut request: Request,
) -> Result<Response, Problem> {
    let _room = app.uploads.acquire().await;
    let limit = DefaultBodyLimit::max(PICTURE_BYTES);
    limit.apply(&mut request);
    let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let picture = match kind.unwrap_or("application/octet-stream") {
        kind if kind.starts_with("multipart/form-data") => picture_in_form(request, &mut said).await?,
        kind if kind.starts_with("image/") || kind == "application/octet-stream" => {
            let body = Bytes::from_request(request, &()).await;
            body.map_err(|rejection| Problem::new(rejection.status()).detail(rejection.body_text()))?
        }
        _ => {
            let problem = Problem::new(StatusCode::UNSUPPORTED_MEDIA_TYPE);
            return Err(problem.detail("send a picture, or a form with the field `picture`"));
        }
    };
    if picture.is_empty() {
        return Err(Problem::unprocessable("there is no picture in the request"));
    }
    let asked = app.clone();
    app.blocking(move || written(&similar_to_picture(&asked, picture.into(), &said)?)).await
}

/// The photos that are similar to a picture.
pub(super) fn similar_to_picture(app: &App, picture: Vec<u8>, said: &Said) -> Result<SearchPage, Problem> {
    let term = Term { weight: 1.0, source: Source::Bytes(picture) };
    Asked::read(said, vec![term], app)?.answer(app)
}

/// The schema of a form with a picture.
struct Upload;

impl PartialSchema for Upload {
    fn schema() -> RefOr<Schema> {
        let expression = "The same as the parameter `q`. The other parameters can be fields as well.";
        openapi::schema_of(json!({
            "type": "object",
            "properties": {
                "picture": { "type": "string", "format": "binary", "description": "The file of the picture." },
                "q": { "type": "string", "maxLength": MOST_CHARACTERS, "description": expression },
            },
            "required": ["picture"],
            "additionalProperties": false,
        }))
    }
}

impl ToSchema for Upload {
    fn name() -> std::borrow::Cow<'static, str> {
        "Upload".into()
    }
}

async fn picture_in_form(request: Request, said: &mut Said) -> Result<Bytes, Problem> {
    let form = Multipart::from_request(request, &()).await;
    let mut form =
        form.map_err(|rejection| Problem::new(rejection.status()).detail(rejection.body_text()))?;
    let refused = |error: axum::extract::multipart::MultipartError| {
        Problem::new(error.status()).detail(error.body_text())
    };
    let mut picture = Bytes::new();
    while let Some(field) = form.next_field().await.map_err(refused)? {
        let name = field.name().unwrap_or_default().to_owned();
        if name == "picture" {
            picture = field.bytes().await.map_err(refused)?;
        } else {
            let value = field.text().await.map_err(refused)?;
            // Forms also send empty fields.
            if !value.is_empty() {
                said.push((name, value));
            }
        }
    }
    Ok(picture)
}
