//! The page of duplicates. It only shows them and changes nothing.

use axum::extract::{Query as Pairs, State};
use axum::response::Html;
use imgsearch::duplicates::{Keep, Likeness, Preference};
use imgsearch::photo::Id;
use maud::{Markup, html};

use super::super::App;
use super::super::duplicates::groups;
use super::super::photos::for_people;
use super::super::problem::Problem;
use super::super::search::Said;
use super::photos::thumbnail;
use super::search_form::value;
use super::{Sorry, beside};
use crate::render::{Listed, duplicate_fields, name};
use crate::settings::zone;
use crate::terminal::escape_path;

/// Groups on one page.
const PAGE: usize = 40;

/// How similar photos must be: the API's word, and its label for people.
const LIKENESSES: &[(&str, Likeness, &str)] = &[
    ("exact", Likeness::Exact, "The same file"),
    ("re-encoded", Likeness::ReEncoded, "The same picture"),
    ("similar", Likeness::Similar, "Nearly the same"),
];

/// `GET /duplicates`.
pub(super) async fn page(State(app): State<App>, Pairs(said): Pairs<Said>) -> Result<Html<String>, Sorry> {
    let chosen =
        LIKENESSES.iter().find(|(word, ..)| *word == value(&said, "likeness")).unwrap_or(&LIKENESSES[1]);
    let (word, likeness, _) = *chosen;
    let from = value(&said, "from").parse::<usize>().unwrap_or(1).max(1);
    let preference = Preference { keep: Keep::Best, zone: zone() };
    let asked = app.clone();
    let (shown, count) = app
        .slowly(move || {
            let groups = groups(&asked, &[], likeness, &preference)?;
            let page = groups.iter().cloned().zip(1..).skip(from - 1).take(PAGE);
            let shown: Vec<Vec<Listed>> =
                page.map(|(group, number)| Listed::all(group, number, &preference).collect()).collect();
            Ok::<_, Problem>((shown, groups.len()))
        })
        .await?;
    let next = Some(from.saturating_add(PAGE)).filter(|next| *next <= count);
    let content = html! {
        h1 { "Duplicates" }
        p.acts {
            @for (other, _, what) in LIKENESSES {
                a.button href={ "/duplicates?likeness=" (other) } aria-current=[(*other == word).then_some("page")] { (what) }
            }
        }
        p.note { (counted(count)) " Nothing is deleted: the best photo of each group is marked, and what you do with the others is up to you." }
        @for group in &shown { (group_of(group)) }
        @if let Some(next) = next {
            p.pages { a.button href={ "/duplicates?likeness=" (word) "&from=" (next) } rel="next" { "More groups" } }
        }
    };
    Ok(beside("Duplicates", &content))
}

fn counted(groups: usize) -> String {
    match groups {
        0 => "There are none.".to_owned(),
        1 => "One group of photos.".to_owned(),
        _ => format!("{groups} groups of photos."),
    }
}

fn group_of(group: &[Listed]) -> Markup {
    let fields = duplicate_fields();
    let said = |listed: &Listed, field: &str| {
        fields.iter().find(|known| known.name() == field).and_then(|field| field.said(listed))
    };
    html! {
        section.group {
            h2 { @if let Some(first) = group.first() { (group.len()) " photos: " (said(first, "likeness").unwrap_or_default()) } }
            ul {
                @for listed in group {
                    @let path = &listed.duplicate.path;
                    li.keep[listed.kept_for.is_some()] {
                        @if let Some(id) = listed.duplicate.content.map(|content| Id(content).to_string()) {
                            a href={ "/photo/" (id) } { img src=(thumbnail(&id)) alt=(name(path)) loading="lazy"; }
                        }
                        @if let Some(reason) = said(listed, "reason") { strong { "Keep: " (reason) } br; }
                        bdi { (escape_path(path)) } br;
                        (said(listed, "width").unwrap_or_default()) " × " (said(listed, "height").unwrap_or_default())
                        @if let Some(size) = said(listed, "size") { ", " (size) }
                        @if let Some(taken) = said(listed, "taken") { br; (for_people(&taken)) }
                    }
                }
            }
        }
    }
}
