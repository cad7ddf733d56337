//! The page of one photo.

use axum::extract::{Query as Pairs, State};
use axum::response::Html;
use imgsearch::photo::{Line, Photo};
use imgsearch::service::ServiceError;
use maud::{Markup, html};

use super::super::App;
use super::super::photos::{Of, Shown, facts};
use super::super::problem::Problem;
use super::super::search::Said;
use super::{Sorry, beside};
use crate::terminal::escape;

/// `GET /photo/{id}`.
pub(super) async fn page(
    State(app): State<App>,
    of: Result<Of, Problem>,
    Pairs(said): Pairs<Said>,
) -> Result<Html<String>, Sorry> {
    let Of(id) = of?;
    let asked = app.clone();
    let shown: Shown = app
        .blocking(move || Ok(asked.service.photo(id)?.ok_or(ServiceError::NoSuchPhoto { id })?.into()))
        .await?;
    let facts = facts(&app, &shown);
    let lines = shown.photo().map(lines).unwrap_or_default();
    let (has_text, is_text) = (!lines.is_empty(), said.iter().any(|(name, _)| name == "text"));
    let of_photo = |what: &str| format!("/api/v1/photos/{id}/{what}");
    let content = html! {
        div.photo {
            div {
                div.framed {
                    img src=(of_photo("preview")) alt=(shown.label());
                    @if let Some(photo) = shown.photo().filter(|_| has_text) { (over(photo, &lines)) }
                }
                @if has_text {
                    label.button { input type="checkbox" id="lines" checked[is_text]; " Text" }
                } @else if is_text {
                    p { "No text was read in this photo." }
                }
            }
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

/// A line of text with its place: its upper left corner, its length and height in pixels, and its direction in degrees.
struct Placed {
    text: String,
    at: (f64, f64),
    length: f64,
    height: f64,
    angle: f64,
}

/// The lines that were read in a photo, with their places.
fn lines(photo: &Photo) -> Vec<Placed> {
    let (Some(details), Some(text)) = (&photo.details, &photo.text) else { return Vec::new() };
    let (width, height) = (f64::from(details.width), f64::from(details.height));
    let placed = |line: &Line| {
        let corner = |number: usize| {
            let [x, y] = line.corners[number];
            (f64::from(x) / 65_535.0 * width, f64::from(y) / 65_535.0 * height)
        };
        let [start, end, below] = [corner(0), corner(1), corner(3)];
        let between = |a: (f64, f64), b: (f64, f64)| (b.0 - a.0).hypot(b.1 - a.1);
        Placed {
            text: escape(&line.text).into_owned(),
            at: start,
            length: between(start, end),
            height: between(start, below),
            angle: (end.1 - start.1).atan2(end.0 - start.0).to_degrees(),
        }
    };
    text.lines().iter().map(placed).collect()
}

/// The lines over the picture, where they can be selected and copied. Without scripts and styles of their own.
fn over(photo: &Photo, lines: &[Placed]) -> Markup {
    let size = photo.details.as_ref().map_or((0, 0), |details| (details.width, details.height));
    let number = |value: f64| format!("{value:.1}");
    html! {
        svg.lines viewBox=(format!("0 0 {} {}", size.0, size.1)) preserveAspectRatio="none" {
            @for Placed { text, at, length, height, angle } in lines {
                text dy="0.8em" font-size=(number(*height)) textLength=(number(*length)) lengthAdjust="spacingAndGlyphs"
                    transform=(format!("translate({:.1} {:.1}) rotate({angle:.1})", at.0, at.1)) { (text) }
                " "
            }
        }
    }
}
