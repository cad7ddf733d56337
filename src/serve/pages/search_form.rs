//! The search form: a query and filters. Its fields have the names of the API's parameters, so the address of a page
//! describes its search.

use maud::{Markup, html};

use super::super::search::Said;

/// The file types to choose from.
const KINDS: &[(&str, &str)] = &[
    ("jpeg", "JPEG"),
    ("png", "PNG"),
    ("heic", "HEIC"),
    ("raw", "RAW"),
    ("webp", "WebP"),
    ("avif", "AVIF"),
    ("gif", "GIF"),
    ("tiff", "TIFF"),
    ("jxl", "JPEG XL"),
    ("bmp", "BMP"),
];

const ORIENTATIONS: &[(&str, &str)] =
    &[("landscape", "landscape"), ("portrait", "portrait"), ("square", "square")];

/// The value of a parameter, or an empty text.
pub(super) fn value<'s>(said: &'s Said, name: &str) -> &'s str {
    said.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
}

/// The form with its values, and without places if they are hidden.
pub(super) fn form(said: &Said, hides_places: bool) -> Markup {
    let text = |name: &str, says: &str, placeholder: &str| {
        html! {
            input name=(name) value=(value(said, name)) placeholder=(placeholder) data-says=(says)
                list=[(name == "camera").then_some("cameras")] autocomplete="off";
        }
    };
    let date = |name: &str, says: &str| {
        html! { input type="date" name=(name) value=(value(said, name)) data-says=(says); }
    };
    html! {
        form id="search" role="search" action="/" {
            div.bar {
                a.home href="/" { "imgsearch" }
                div.asking {
                    label.unseen for="q" { "What do the photos show?" }
                    input type="search" id="q" name="q" value=(value(said, "q")) maxlength="400" autocomplete="off"
                        placeholder="What do the photos show?" enterkeyhint="search";
                }
                label.button data-script hidden { "By picture" input.unseen type="file" id="file" accept="image/*"; }
                button data-script { "Search" }
                nav {
                    a href="/duplicates" { "Duplicates" }
                    button.plain type="button" id="help-button" aria-label="Keys" data-script hidden { "?" }
                }
            }
            div.chips {
                span id="terms" { (terms(said)) }
                (chip("Date", "date", &html! {
                    label { "From" (date("after", "from ")) }
                    label { "Before" (date("before", "before ")) }
                }))
                @if !hides_places {
                    (chip("Place", "place", &html! {
                        label {
                            "Near a town, or a point in degrees" (text("near", "near ", "Lisbon, or 38.72,-9.14,10"))
                        }
                        div id="map" {}
                    }))
                }
                (chip("Camera", "camera", &html! {
                    label { "Part of the camera's name" (text("camera", "", "iPhone")) }
                    datalist id="cameras" {}
                }))
                (chip("Kind", "kind", &html! { label { "Kind of file" (choice(said, "type", KINDS)) } }))
                (chip("Orientation", "orientation", &html! {
                    label { "Orientation" (choice(said, "orientation", ORIENTATIONS)) }
                }))
                (chip("Folder", "folder", &html! {
                    label { "In this folder or below" (text("in", "in ", "/home/anna/Photos/2023")) }
                }))
            }
        }
    }
}

/// A filter that opens, also without scripts. Scripts show its value and let people clear it.
fn chip(name: &str, id: &str, fields: &Markup) -> Markup {
    html! {
        div.chip {
            details id=(id) name="filter" {
                summary data-name=(name) { (name) }
                div.panel.wide[id == "place"] { (fields) }
            }
            button.clear type="button" aria-label={ "Any " (name.to_lowercase()) } hidden { "×" }
        }
    }
}

fn choice(said: &Said, name: &str, options: &[(&str, &str)]) -> Markup {
    html! {
        select name=(name) {
            option value="" { "any" }
            @for (option, label) in options {
                option value=(option) selected[value(said, name) == *option] { (label) }
            }
        }
    }
}

/// The photos in the search (`like` and `minus`), for forms sent without scripts.
fn terms(said: &Said) -> Markup {
    html! {
        @for (name, id) in said.iter().filter(|(name, _)| name == "like" || name == "minus") {
            span.term {
                input type="hidden" name=(name) value=(id);
                (if name == "like" { "+" } else { "−" })
                img src=(super::photos::thumbnail(id)) alt=(if name == "like" { "like this photo" } else { "not like this photo" });
            }
        }
    }
}
