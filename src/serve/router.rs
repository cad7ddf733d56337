//! The routes, and the layers around all of them.

use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn_with_state, map_response};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::compression::CompressionLayer;
use tower_http::csrf::CsrfLayer;
use tower_http::timeout::{RequestBodyDeadlineLayer, TimeoutLayer};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::problem::{self, Problem};
use super::{App, auth, duplicates, events, files, host, openapi, overview, pages, photos, search, tags};

/// The maximum number of bytes of a request's body, except for pictures.
const BODY_BYTES: usize = 64 << 10;
/// The maximum time for a request's body.
const BODY_WITHIN: Duration = Duration::from_secs(60);
/// The maximum time until an answer begins. It is longer than the maximum time for decoding a picture.
const ANSWER_WITHIN: Duration = Duration::from_secs(150);

/// The headers of every answer. Scripts, styles and pictures are loaded only from this server, and pages of other
/// servers can neither embed nor read anything.
const HEADERS: &[(&str, &str)] = &[
    (
        "content-security-policy",
        "default-src 'self'; img-src 'self' data: blob:; script-src 'self'; style-src 'self'; object-src 'none'; \
         frame-ancestors 'none'; base-uri 'none'; form-action 'self'",
    ),
    ("x-content-type-options", "nosniff"),
    // With `no-referrer`, browsers would send the login form with `Origin: null`.
    ("referrer-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("cross-origin-opener-policy", "same-origin"),
];

/// All routes, inside all layers.
pub(super) fn router(app: &App) -> Router {
    let (api, document) = api().split_for_parts();
    let document = openapi::complete(document, app.login.is_some());
    let all = Router::new().merge(api).merge(pages::routes());
    #[cfg(feature = "mcp")]
    let all = all.route_service("/mcp", super::mcp::service(app));
    all.route("/api/v1/openapi.json", get(async move || json(document.clone())))
        .fallback(async || Problem::not_found("there is nothing at this address"))
        .method_not_allowed_fallback(async || Problem::new(StatusCode::METHOD_NOT_ALLOWED))
        .layer(DefaultBodyLimit::max(BODY_BYTES))
        .layer(RequestBodyDeadlineLayer::new(BODY_WITHIN))
        .layer(TimeoutLayer::with_status_code(StatusCode::SERVICE_UNAVAILABLE, ANSWER_WITHIN))
        .layer(from_fn_with_state(app.clone(), auth::guard))
        .layer(CsrfLayer::new())
        .layer(from_fn_with_state(app.clone(), host::guard))
        .layer(CatchPanicLayer::custom(problem::of_panic))
        .layer(map_response(problem::described))
        .layer(map_response(with_headers))
        .with_state(app.clone())
}

/// The routes of the API, with their documentation.
fn api() -> OpenApiRouter<App> {
    let documents = OpenApiRouter::new()
        .routes(routes!(search::search, search::search_by_picture))
        .routes(routes!(search::similar))
        .routes(routes!(photos::photo))
        .routes(routes!(tags::of_photo))
        .routes(routes!(tags::of_all))
        .routes(routes!(overview::timeline))
        .routes(routes!(overview::places))
        .routes(routes!(overview::cameras))
        .routes(routes!(overview::status))
        .routes(routes!(duplicates::duplicates))
        .layer(CompressionLayer::new());
    // Not compressed: pictures are already, and events must not be delayed.
    let others = OpenApiRouter::new()
        .routes(routes!(files::thumbnail))
        .routes(routes!(files::preview))
        .routes(routes!(files::original))
        .routes(routes!(events::events));
    openapi::begin().nest("/api/v1", documents.merge(others))
}

async fn with_headers(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in HEADERS {
        headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// An answer with JSON text.
pub(super) fn json(text: String) -> Response {
    ([(header::CONTENT_TYPE, "application/json")], text).into_response()
}
