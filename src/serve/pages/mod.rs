//! The pages for people. They work without scripts. With scripts, `assets/app.js` takes over the photo page.
//!
//! Names and texts of photos and all input are untrusted. They all go through the template, which escapes them, and
//! invisible characters are written as escapes.

mod duplicates;
mod login;
mod photo;
mod photos;
mod search_form;

use axum::Router;
use axum::http::StatusCode;
use axum::response::{Html, IntoResponse, Response};
use axum::routing::{get, post};
use maud::{DOCTYPE, Markup, html};
use tower_http::compression::CompressionLayer;

use super::assets::{self, address};
use super::problem::Problem;
use super::{App, auth};
use crate::terminal::escape;

/// Whether a path is available without a login: the login page and its assets.
pub(super) fn is_open_to_all(path: &str) -> bool {
    path == "/login" || assets::is_open(path)
}

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/", get(photos::page))
        .route("/photo/{id}", get(photo::page))
        .route("/duplicates", get(duplicates::page))
        .route("/login", get(login::page).post(login::attempt))
        .route("/logout", post(auth::log_out))
        .route("/assets/{version}/{*name}", get(assets::asset))
        .layer(CompressionLayer::new())
}

/// A whole page. `head` is added to the head that all pages have.
fn whole(title: &str, head: &Markup, body: &Markup) -> Html<String> {
    let title = if title.is_empty() { "imgsearch".to_owned() } else { format!("{title} · imgsearch") };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { (title) }
                link rel="icon" href=(address("icon.svg"));
                link rel="stylesheet" href=(address("page.css"));
                (head)
            }
            body { (body) }
        }
    };
    Html(page.into_string())
}

/// A page with a navigation bar.
fn beside(title: &str, content: &Markup) -> Html<String> {
    let body = html! {
        a.skip href="#content" { "Skip to the content" }
        header {
            div.bar {
                a.home href="/" { "imgsearch" }
                nav { a href="/" { "Photos" } a href="/duplicates" { "Duplicates" } }
            }
        }
        main id="content" { (content) }
    };
    whole(title, &html! {}, &body)
}

/// An error as a page.
struct Sorry(Problem);

impl<T: Into<Problem>> From<T> for Sorry {
    fn from(problem: T) -> Sorry {
        Sorry(problem.into())
    }
}

impl IntoResponse for Sorry {
    fn into_response(self) -> Response {
        let Sorry(problem) = self;
        let title = if problem.status() == StatusCode::NOT_FOUND { "Not found" } else { "This did not work" };
        let content = html! {
            div.empty {
                h1 { (title) }
                p { (escape(&problem.told())) }
                p { a.button href="/" { "All photos" } }
            }
        };
        (problem.status(), beside(title, &content)).into_response()
    }
}
