//! The pages that people see.

use axum::Router;
use axum::http::header;
use axum::response::{Html, IntoResponse};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};

use super::{App, auth};

/// Takes the secret out of the link's fragment, which a browser never sends, and posts it.
const LOGIN_SCRIPT: &str = include_str!("login.js");

/// What can be had without a login: the page to log in at, and what it needs.
pub(super) fn is_open_to_all(path: &str) -> bool {
    matches!(path, "/login" | "/login.js")
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route(
            "/",
            get(async || page("imgsearch", &html! { p { a href="/api/v1/openapi.json" { "The API" } } })),
        )
        .route("/login", get(login).post(auth::log_in))
        .route("/login.js", get(async || script(LOGIN_SCRIPT)))
        .route("/logout", post(auth::log_out))
}

async fn login() -> impl IntoResponse {
    page(
        "Log in – imgsearch",
        &html! {
            form method="post" action="/login" {
                label { "Password " input type="password" name="secret" autocomplete="current-password" required; }
                " "
                button { "Log in" }
            }
            script src="/login.js" defer {}
        },
    )
}

fn page(title: &str, content: &Markup) -> Html<String> {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
            }
            body { main { h1 { "imgsearch" } (content) } }
        }
    };
    Html(page.into_string())
}

fn script(text: &'static str) -> impl IntoResponse {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], text)
}
