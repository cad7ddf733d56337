//! Errors as problem details (RFC 9457).

use axum::body::{Body, to_bytes};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use imgsearch::EngineError;
use imgsearch::hint::Hint;
use imgsearch::model::ModelError;
use imgsearch::query::{ExpressionError, WordError};
use imgsearch::service::ServiceError;
use serde::Serialize;
use utoipa::ToSchema;

use crate::progress;
use crate::render::document;

pub(crate) const MEDIA_TYPE: &str = "application/problem+json";

/// The maximum number of bytes of another layer's error text that are used.
const LONGEST: usize = 4 << 10;

/// The reason why a request failed (RFC 9457).
#[derive(Clone, Debug, Serialize, ToSchema)]
pub(crate) struct Problem {
    /// `about:blank`: the status is the kind of problem.
    r#type: &'static str,
    /// The name of the status.
    title: &'static str,
    /// The HTTP status.
    #[schema(value_type = u16, minimum = 400, maximum = 599)]
    #[serde(serialize_with = "as_number")]
    status: StatusCode,
    /// A description of the error.
    #[serde(skip_serializing_if = "Option::is_none")]
    detail: Option<String>,
    /// A hint on how to solve it.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

fn as_number<S: serde::Serializer>(status: &StatusCode, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_u16(status.as_u16())
}

impl Problem {
    pub(crate) fn new(status: StatusCode) -> Problem {
        let title = status.canonical_reason().unwrap_or("Error");
        Problem { r#type: "about:blank", title, status, detail: None, hint: None }
    }

    pub(crate) fn status(&self) -> StatusCode {
        self.status
    }

    pub(crate) fn detail(self, detail: impl Into<String>) -> Problem {
        Problem { detail: Some(detail.into()), ..self }
    }

    pub(crate) fn hint(self, hint: Option<String>) -> Problem {
        Problem { hint, ..self }
    }

    /// The problem in a sentence or two, for people.
    pub(crate) fn told(&self) -> String {
        let detail = self.detail.as_deref().unwrap_or(self.title);
        self.hint.as_ref().map_or_else(|| detail.to_owned(), |hint| format!("{detail}: {hint}"))
    }

    pub(crate) fn bad_request(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::BAD_REQUEST).detail(detail)
    }

    /// For requests that are well-formed but make no sense.
    pub(crate) fn unprocessable(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY).detail(detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Problem {
        Problem::new(StatusCode::NOT_FOUND).detail(detail)
    }

    /// For requests that `--hide-places` forbids.
    pub(crate) fn places_are_hidden() -> Problem {
        Problem::new(StatusCode::FORBIDDEN).detail("this server hides where photos were taken")
    }

    /// For errors of the server. The details go to the log only, because they may contain paths.
    pub(crate) fn internal(error: &anyhow::Error) -> Problem {
        progress::print_error(error);
        Problem::new(StatusCode::INTERNAL_SERVER_ERROR).detail("see the log of the server")
    }

    fn caused(error: ServiceError) -> Problem {
        let is_gone = matches!(error, ServiceError::NoSuchPhoto { .. } | ServiceError::Changed { .. });
        let makes_no_sense = matches!(
            error,
            ServiceError::Picture { .. }
                | ServiceError::Engine(
                    EngineError::Picture { .. }
                        | EngineError::CancelsOut
                        | EngineError::NoSuchPhoto { .. }
                        | EngineError::Model(ModelError::NoWords { .. })
                )
        );
        let (detail, hint) = (error.to_string(), error.hint());
        match (is_gone, makes_no_sense) {
            (true, _) => Problem::not_found(detail).hint(hint),
            (_, true) => Problem::unprocessable(detail).hint(hint),
            (false, false) => Problem::internal(&error.into()),
        }
    }
}

impl From<ServiceError> for Problem {
    fn from(error: ServiceError) -> Problem {
        Problem::caused(error)
    }
}

impl From<EngineError> for Problem {
    fn from(error: EngineError) -> Problem {
        Problem::caused(error.into())
    }
}

impl From<imgsearch::library::StoreError> for Problem {
    fn from(error: imgsearch::library::StoreError) -> Problem {
        Problem::internal(&error.into())
    }
}

impl From<ExpressionError> for Problem {
    fn from(error: ExpressionError) -> Problem {
        Problem::unprocessable(format!("q: {error}")).hint(error.hint())
    }
}

impl From<WordError> for Problem {
    fn from(error: WordError) -> Problem {
        let is_unknown = matches!(error, WordError::Unknown { .. });
        let status = if is_unknown { StatusCode::BAD_REQUEST } else { StatusCode::UNPROCESSABLE_ENTITY };
        Problem::new(status).detail(error.to_string()).hint(error.hint())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = document(&self).unwrap_or_default();
        (self.status, [(header::CONTENT_TYPE, MEDIA_TYPE)], body).into_response()
    }
}

/// Turns the errors of other layers into problem details.
pub(crate) async fn described(response: Response) -> Response {
    let is_error = response.status().is_client_error() || response.status().is_server_error();
    let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    // Pages and errors of JSON-RPC are documents already.
    let is_document = |kind: &str| {
        kind == MEDIA_TYPE || kind.starts_with("application/json") || kind.starts_with("text/html")
    };
    if !is_error || kind.is_some_and(is_document) {
        return response;
    }
    let (mut parts, body) = response.into_parts();
    let said = to_bytes(body, LONGEST).await.ok().and_then(|bytes| String::from_utf8(bytes.into()).ok());
    let said = said.map(|said| said.trim().to_owned()).filter(|said| !said.is_empty());
    let problem = Problem { detail: said, ..Problem::new(parts.status) };
    parts.headers.remove(header::CONTENT_LENGTH);
    parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
    Response::from_parts(parts, Body::from(document(&problem).unwrap_or_default()))
}

/// The answer if a handler panics, which is a bug. The panic is in the log.
pub(crate) fn of_panic(_: Box<dyn std::any::Any + Send>) -> Response {
    Problem::new(StatusCode::INTERNAL_SERVER_ERROR).detail("this is a bug in imgsearch").into_response()
}
