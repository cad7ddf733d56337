//! The login page.

use axum::extract::{Form, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};
use maud::html;

use super::super::auth::{Attempt, log_in};
use super::super::{App, Peer};
use super::{address, whole};

/// `GET /login`.
pub(super) async fn page() -> Html<String> {
    form(None)
}

/// `POST /login`. If it is refused, a browser gets the page again, with the reason.
pub(super) async fn attempt(
    app: State<App>,
    peer: Peer,
    headers: HeaderMap,
    attempt: Form<Attempt>,
) -> Response {
    let mut answer = log_in(app, peer, attempt).await;
    let accepts = headers.get(header::ACCEPT).and_then(|accept| accept.to_str().ok());
    let why = match answer.status() {
        StatusCode::UNAUTHORIZED => "This is not the password.",
        StatusCode::TOO_MANY_REQUESTS => "Wait a second before you try again.",
        _ => return answer,
    };
    if accepts.is_some_and(|accept| accept.contains("text/html")) {
        let status = answer.status();
        answer = (status, form(Some(why))).into_response();
    }
    answer
}

fn form(why: Option<&str>) -> Html<String> {
    let body = html! {
        main.login {
            h1 { "imgsearch" }
            p { "Open the link that " code { "imgsearch serve" } " printed, or log in with the password." }
            @if let Some(why) = why { p.bad role="alert" { (why) } }
            form method="post" action="/login" {
                label { "Password" input type="password" name="secret" autocomplete="current-password" required autofocus; }
                p.acts { button { "Log in" } }
            }
        }
    };
    whole("Log in", &html! { script type="module" src=(address("login.js")) {} }, &body)
}
