//! The page of one photo.

use axum::extract::State;
use axum::response::Html;
use imgsearch::service::ServiceError;
use maud::{Markup, html};

use super::super::App;
use super::super::photos::{Of, Shown, facts};
use super::super::problem::Problem;
use super::{Sorry, beside};

/// `GET /photo/{id}`.
pub(super) async fn page(State(app): State<App>, of: Result<Of, Problem>) -> Result<Html<String>, Sorry> {
    let Of(id) = of?;
    let asked = app.clone();
    let shown: Shown = app
        .blocking(move || Ok(asked.service.photo(id)?.ok_or(ServiceError::NoSuchPhoto { id })?.into()))
        .await?;
    let facts = facts(&app, &shown);
    let of_photo = |what: &str| format!("/api/v1/photos/{id}/{what}");
    let content = html! {
        div.photo {
            img src=(of_photo("preview")) alt=(shown.label());
            div {
                h1 { bdi { (shown.name()) } }
                p.acts {
                    a.button href={ "/?like=" (id) } { "More like this" }
                    a.button href=(of_photo("original")) download { "Download" }
                }
                (list(&facts))
            }
        }
    };
    Ok(beside(&shown.name(), &content))
}

fn list(facts: &[(&'static str, String)]) -> Markup {
    html! {
        dl { @for (name, value) in facts { dt { (name) } dd { bdi { (value) } } } }
    }
}
