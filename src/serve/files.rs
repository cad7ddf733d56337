//! Thumbnails, previews and original files.

use std::ffi::OsStr;
use std::io::SeekFrom;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use imgsearch::photo::Id;
use imgsearch::service::{Original, Size};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use super::App;
use super::photos::Of;
use super::problem::Problem;

/// The caching policy of answers that depend only on a photo's content, which its id identifies.
const FOR_EVER: &str = "private, max-age=31536000, immutable";

/// A thumbnail for a grid of photos.
#[utoipa::path(
    get,
    path = "/photos/{id}/thumbnail",
    tag = "pictures",
    params(("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "A JPEG of 360 pixels at most on its longer side.", content_type = "image/jpeg", body = Vec<u8>),
        (status = 304, description = "The content has not changed since the entity tag that was sent."),
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

/// A preview for looking at one photo.
#[utoipa::path(
    get,
    path = "/photos/{id}/preview",
    tag = "pictures",
    params(("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "A JPEG of 1600 pixels at most on its longer side.", content_type = "image/jpeg", body = Vec<u8>),
        (status = 304, description = "The content has not changed since the entity tag that was sent."),
        (status = 404, description = "The library has no such photo, or its file is gone or has changed."),
        (status = 422, description = "The file cannot be shown."),
    ),
)]
pub(super) async fn preview(
    State(app): State<App>,
    Of(id): Of,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    small(&app, id, Size::Preview, &headers).await
}

/// The original file, or a part of it.
///
/// Browsers show it only if its content is a picture that they know. They save all other files.
#[utoipa::path(
    get,
    path = "/photos/{id}/original",
    tag = "pictures",
    params(
        ("id" = String, Path, description = "The photo's id", pattern = "^[0-9a-f]{32}$"),
        ("Range" = Option<String>, Header, description = "The bytes to send: one range."),
    ),
    responses(
        (status = 200, description = "The file.", content((Vec<u8> = "image/*"), (Vec<u8> = "application/octet-stream"))),
        (status = 206, description = "A part of the file.", content((Vec<u8> = "image/*"), (Vec<u8> = "application/octet-stream"))),
        (status = 304, description = "The content has not changed since the entity tag that was sent."),
        (status = 404, description = "The library has no such photo, or its file is gone or has changed."),
        (status = 416, description = "The file does not have the requested bytes."),
    ),
)]
pub(super) async fn original(
    State(app): State<App>,
    Of(id): Of,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    if app.hides_places {
        let hint = "cameras store the place in the file: use the preview instead".to_owned();
        return Err(Problem::places_are_hidden().hint(Some(hint)));
    }
    let service = app.service.clone();
    let Original { file, path, size, media_type } = app.blocking(move || Ok(service.original(id)?)).await?;
    let tag = format!("\"{id}\"");
    // The file may change, so clients must check again each time.
    let mut told = HeaderMap::from_iter([
        (header::CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
        (header::ETAG, value(&tag)),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
    ]);
    if has_tag(&headers, &tag) {
        return Ok((StatusCode::NOT_MODIFIED, told).into_response());
    }
    told.insert(
        header::CONTENT_TYPE,
        HeaderValue::from_static(media_type.unwrap_or("application/octet-stream")),
    );
    told.insert(header::CONTENT_DISPOSITION, value(&disposition(&path, media_type.is_some())));
    let is_same = headers.get(header::IF_RANGE).is_none_or(|known| known.as_bytes() == tag.as_bytes());
    let range = headers.get(header::RANGE).filter(|_| is_same).and_then(|range| range.to_str().ok());
    let (status, range) = match range.map_or(Asked::All, |range| asked(range, size)) {
        Asked::All => (StatusCode::OK, 0..size),
        Asked::Part(range) => {
            let part = format!("bytes {}-{}/{size}", range.start, range.end - 1);
            told.insert(header::CONTENT_RANGE, value(&part));
            (StatusCode::PARTIAL_CONTENT, range)
        }
        Asked::Nothing => {
            let problem = Problem::new(StatusCode::RANGE_NOT_SATISFIABLE);
            let all = [(header::CONTENT_RANGE, value(&format!("bytes */{size}")))];
            return Ok((all, problem.detail(format!("the file has {size} bytes"))).into_response());
        }
    };
    let mut file = tokio::fs::File::from_std(file);
    let sought = file.seek(SeekFrom::Start(range.start)).await;
    sought.map_err(|error| Problem::internal(&error.into()))?;
    let length = range.end - range.start;
    told.insert(header::CONTENT_LENGTH, length.into());
    let body = Body::from_stream(ReaderStream::with_capacity(file.take(length), PIECE));
    Ok((status, told, body).into_response())
}

/// The size of the pieces in which a file is sent.
const PIECE: usize = 64 << 10;

/// The requested part of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Asked {
    All,
    Part(Range<u64>),
    /// A range that the file does not have.
    Nothing,
}

/// Parses `bytes=2-5`, `bytes=2-` or `bytes=-5`. Several ranges and invalid ones are ignored, as RFC 9110, 14.2 allows.
fn asked(range: &str, size: u64) -> Asked {
    let read = || {
        let (first, last) = range.strip_prefix("bytes=")?.split_once('-')?;
        let number = |text: &str| {
            let is_number = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| text.parse().unwrap_or(u64::MAX))
        };
        let range = match (number(first), last) {
            (Some(first), "") => first..size,
            (Some(first), last) => {
                let last = number(last).filter(|last| *last >= first)?;
                first..last.saturating_add(1).min(size)
            }
            (None, last) if first.is_empty() => size.saturating_sub(number(last)?)..size,
            (None, _) => return None,
        };
        Some(if range.is_empty() { Asked::Nothing } else { Asked::Part(range) })
    };
    read().unwrap_or(Asked::All)
}

/// The name for saving the file, and whether browsers show it instead (RFC 6266).
fn disposition(path: &Path, is_shown: bool) -> String {
    let way = if is_shown { "inline" } else { "attachment" };
    let name = path.file_name().map(OsStr::to_string_lossy).unwrap_or_default();
    format!("{way}; filename*=UTF-8''{}", utf8_percent_encode(&name, NON_ALPHANUMERIC))
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

/// Shared bytes as a body.
struct Picture(Arc<[u8]>);

impl AsRef<[u8]> for Picture {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// Whether the client already has the content with this entity tag.
fn has_tag(headers: &HeaderMap, tag: &str) -> bool {
    let tags = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    let mut tags = tags.flat_map(|tags| tags.split(',')).map(str::trim);
    tags.any(|known| known == "*" || known.trim_start_matches("W/") == tag)
}

fn value(text: &str) -> HeaderValue {
    HeaderValue::from_str(text).unwrap_or(HeaderValue::from_static(""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_are_parsed_as_in_the_standard() {
        #[track_caller]
        fn check(range: &str, expected: &Asked) {
            assert_eq!(asked(range, 10), *expected, "{range}");
        }
        let part = Asked::Part;
        check("bytes=0-3", &part(0..4));
        check("bytes=2-", &part(2..10));
        check("bytes=-4", &part(6..10));
        check("bytes=-40", &part(0..10));
        check("bytes=9-99", &part(9..10));
        check("bytes=0-99999999999999999999999", &part(0..10));
        check("bytes=10-", &Asked::Nothing);
        check("bytes=99999999999999999999999-", &Asked::Nothing);
        check("bytes=-0", &Asked::Nothing);
        for all in [
            "",
            "bytes",
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=0-1,3-4",
            "bytes=+1-2",
            "items=0-1",
            "bytes=a-b",
        ] {
            check(all, &Asked::All);
        }
        assert_eq!(asked("bytes=-5", 0), Asked::Nothing);
    }

    #[test]
    fn file_names_cannot_inject_headers() {
        let told = disposition(Path::new("/a/b\"\r\nX: \u{202e}ü.jpg"), true);
        assert_eq!(told, "inline; filename*=UTF-8''b%22%0D%0AX%3A%20%E2%80%AE%C3%BC%2Ejpg");
        assert!(disposition(Path::new("/a/b.dng"), false).starts_with("attachment;"));
    }

    #[test]
    fn entity_tags_are_compared_weakly_and_in_lists() {
        #[track_caller]
        fn check(known: &str, expected: bool) {
            let headers = HeaderMap::from_iter([(header::IF_NONE_MATCH, value(known))]);
            assert_eq!(has_tag(&headers, "\"a\""), expected, "{known}");
        }
        check("\"a\"", true);
        check("W/\"a\"", true);
        check("\"b\", \"a\"", true);
        check("*", true);
        check("a", false);
        check("\"ab\"", false);
        check("", false);
    }
}
