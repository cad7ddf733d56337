//! Pictures: small versions and the files themselves.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use imgsearch::photo::Id;
use imgsearch::service::Size;

use super::App;
use super::photos::Of;
use super::problem::Problem;

/// What has a content's name never changes.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// A small version, for a grid of photos.
#[utoipa::path(
    get,
    path = "/photos/{id}/thumbnail",
    tag = "pictures",
    params(("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "A JPEG of 360 pixels at most on its longer side.", content_type = "image/jpeg", body = Vec<u8>),
        (status = 304, description = "It is still the one whose entity tag was sent."),
        (status = 404, description = "The library has no such photo, or its file is gone or has changed."),
        (status = 422, description = "The file cannot be shown."),
    ),
)]
pub(super) async fn thumbnail(
    State(app): State<App>,
    Of(id): Of,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    small(&app, id, Size::Thumbnail, &headers).await
}

async fn small(app: &App, id: Id, size: Size, headers: &HeaderMap) -> Result<Response, Problem> {
    let tag = format!("\"{id}-{}\"", size.side());
    let kept = [(header::CACHE_CONTROL, HeaderValue::from_static(FOR_EVER)), (header::ETAG, value(&tag))];
    if has_tag(headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, kept).into_response());
    }
    let picture = match app.service.kept(id, size) {
        Some(picture) => picture,
        None => {
            let service = app.service.clone();
            app.blocking(move || Ok(service.small(id, size)?)).await?
        }
    };
    let kind = (header::CONTENT_TYPE, "image/jpeg");
    Ok((kept, [kind], Body::from(Bytes::from_owner(Picture(picture)))).into_response())
}

/// Bytes that several answers share.
struct Picture(Arc<[u8]>);

impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the one who asks has this very content.
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let mut tags = tags.flat_map(|tags| tags.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}
