//! The photo page: a search with its results, or all photos, newest first.

use axum::extract::{Query as Pairs, State};
use axum::response::Html;
use maud::{Markup, html};

use super::super::App;
use super::super::photos::Shown;
use super::super::search::{Answer, Asked, Said};
use super::search_form::{form, value};
use super::{Sorry, address, whole};
use crate::terminal::escape;

/// The number of photos per page without scripts.
const PAGE: &str = "60";

/// The address of a thumbnail.
pub(super) fn thumbnail(id: &str) -> String {
    format!("/api/v1/photos/{id}/thumbnail")
}

/// `GET /`.
pub(super) async fn page(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Html<String>, Sorry> {
    // Forms also send empty fields.
    let said: Said = said.into_iter().filter(|(_, value)| !value.trim().is_empty()).collect();
    let asked = question(&said);
    let searched = app.clone();
    let found = app.blocking(move || Asked::read(&asked, Vec::new(), &searched)?.found(&searched)).await;
    // Scripts send the search again, and show the problem themselves.
    let (photos, likely, next, notice) = match found {
        Ok(Answer { photos, likely, next, notice, .. }) => (Ok(photos), likely, next, notice),
        Err(problem) => (Err(escape(&problem.told()).into_owned()), None, None, None),
    };
    let next = next.map(|cursor| address_of(&said, &cursor));
    let head = html! {
        link rel="stylesheet" href=(address("vendor/photoswipe.css"));
        script type="module" src=(address("app.js")) {}
    };
    let body = html! {
        a.skip href="#results" { "Skip to the photos" }
        header { (form(&said, app.hides_places)) }
        main id="results" {
            h1.unseen { "Photos" }
            p id="status" role="status" { @if let Err(problem) = &photos { (problem) } }
            section id="photos" aria-label="Photos" {}
            @if let Ok(photos) = &photos { div id="listed" { (listed(photos, likely, next.as_deref())) } }
            div id="scrubber" role="slider" aria-label="Month" aria-orientation="vertical" aria-valuemin="0"
                aria-valuenow="0" hidden {}
            p id="notice" { @if let Some(notice) = &notice { (sentence(notice)) } }
            (nothing(&said, photos.is_ok_and(|photos| photos.is_empty())))
        }
        (keys())
    };
    Ok(whole(value(&said, "q"), &head, &body))
}

/// A notice as a sentence: it begins with a capital letter and ends with a full stop.
fn sentence(notice: &str) -> String {
    let mut letters = notice.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{}.", escape(&format!("{first}{}", letters.as_str())))
}

/// Converts the page's parameters to the API's, where `like` and `minus` are parts of the expression.
fn question(said: &Said) -> Said {
    let mut expression = value(said, "q").to_owned();
    for (name, id) in said {
        match name.as_str() {
            "like" => expression.push_str(&format!(" + #{id}")),
            "minus" => expression.push_str(&format!(" - #{id}")),
            _ => {}
        }
    }
    let others = said.iter().filter(|(name, _)| !["q", "like", "minus"].contains(&name.as_str())).cloned();
    let mut asked: Said = others.collect();
    if !expression.is_empty() {
        asked.push(("q".to_owned(), expression));
    }
    if value(said, "n").is_empty() {
        asked.push(("n".to_owned(), PAGE.to_owned()));
    }
    asked
}

/// The address of this page from `cursor` on.
fn address_of(said: &Said, cursor: &str) -> String {
    let mut pairs = form_urlencoded::Serializer::new(String::new());
    pairs.extend_pairs(said.iter().filter(|(name, _)| name != "cursor"));
    format!("/?{}", pairs.append_pair("cursor", cursor).finish())
}

/// The photos as links, with a line after the last likely one.
fn listed(photos: &[Shown], likely: Option<usize>, next: Option<&str>) -> Markup {
    html! {
        ul.listed {
            @for shown in photos {
                @if likely.is_some_and(|likely| shown.rank() == Some(likely + 1)) {
                    li.less { @if likely == Some(0) { "Nothing likely. The nearest photos:" } @else { "Less likely" } }
                }
                @if let Some(id) = shown.id() {
                    li { a href={ "/photo/" (id) } title=[Some(shown.why()).filter(|why| !why.is_empty())] { img src=(thumbnail(&id)) alt=(shown.label()) loading="lazy" height="210"; } }
                }
            }
        }
        @if let Some(next) = next { p.pages { a.button href=(next) rel="next" { "More photos" } } }
    }
}

/// The texts for an empty page. Scripts show the one that fits.
fn nothing(said: &Said, is_empty: bool) -> Markup {
    let is_filtered = said.iter().any(|(name, _)| name != "q" && name != "sort");
    html! {
        div.empty id="empty" hidden[!is_empty] {
            div id="no-photos" hidden[!said.is_empty()] {
                h2 { "No photos yet" }
                p { "Add a folder: " code { "imgsearch index ~/Photos" } ". Its photos appear here." }
            }
            div id="no-match" hidden[!is_filtered] {
                h2 { "No photo matches" }
                p { "No photo meets all filters. Choose a longer time, a larger place, or fewer filters." }
                p.pages { a.button id="clear-filters" href="/" { "Clear the filters" } }
            }
            div id="no-words" hidden[said.is_empty() || is_filtered] {
                h2 { "No photo matches" }
                p { "Describe what can be seen: “a dog in the snow” finds more than a name or a number." }
            }
        }
    }
}

/// The help for the keyboard, which scripts show.
fn keys() -> Markup {
    let keys: &[(&[&str], &str)] = &[
        (&["/"], "Search"),
        (&["←", "→", "↑", "↓"], "Go from photo to photo"),
        (&["Enter"], "Show the photo large"),
        (&["L"], "More like this photo"),
        (&["+", "−"], "Find more, or less, like this photo"),
        (&["I"], "Facts about the photo"),
        (&["T"], "Text in the photo, to select and copy"),
        (&["D"], "Download the photo"),
        (&["Esc"], "Close"),
    ];
    html! {
        dialog id="help" aria-labelledby="help-title" {
            h2 id="help-title" { "Keys" }
            dl {
                @for (names, what) in keys {
                    dt { @for name in *names { kbd { (name) } " " } }
                    dd { (what) }
                }
            }
            p { "Drop or paste a picture anywhere to search by it." }
            form.acts method="dialog" { button { "Close" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Said {
        pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn like_and_minus_become_parts_of_the_expression() {
        #[track_caller]
        fn check(given: &[(&str, &str)], expected: &[(&str, &str)]) {
            assert_eq!(question(&said(given)), said(expected));
        }
        check(&[], &[("n", PAGE)]);
        check(&[("camera", "X"), ("n", "5")], &[("camera", "X"), ("n", "5")]);
        check(&[("q", "a dog"), ("like", "0a"), ("minus", "0b")], &[("q", "a dog + #0a - #0b"), ("n", PAGE)]);
        check(
            &[("like", "0a"), ("in", "/a"), ("like", "0b")],
            &[("in", "/a"), ("q", " + #0a + #0b"), ("n", PAGE)],
        );
    }

    #[test]
    fn the_next_page_keeps_the_search() {
        let given = said(&[("q", "a & b"), ("cursor", "old"), ("in", "/ä")]);
        assert_eq!(address_of(&given, "new"), "/?q=a+%26+b&in=%2F%C3%A4&cursor=new");
    }

    #[test]
    fn input_is_escaped() {
        let given = said(&[("q", "\"><script>"), ("camera", "<b>"), ("like", "\"onerror=")]);
        let page = form(&given, false).into_string();
        assert!(page.contains("value=\"&quot;&gt;&lt;script&gt;\"") && !page.contains("<script>"), "{page}");
        assert!(!page.contains("<b>") && !page.contains("\"onerror"), "{page}");
        assert!(
            page.contains("name=\"near\"") && !form(&given, true).into_string().contains("name=\"near\"")
        );
    }
}
