//! A contact sheet: one self-contained HTML file without network access and scripts.
//!
//! File names are untrusted. Invisible characters are written as escapes, the template escapes HTML, and `bdi` isolates
//! right-to-left names. Thumbnails are embedded and link to the photos.

use std::path::PathBuf;

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::photo::name;
use crate::terminal::{escape, escape_path, uri};

/// One query and its results.
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) figures: Vec<Figure>,
}

/// One photo.
pub(crate) struct Figure {
    pub(crate) path: PathBuf,
    /// A short caption such as the score; may be empty.
    pub(crate) note: String,
    /// A JPEG, or why there is none.
    pub(crate) thumbnail: Result<Vec<u8>, String>,
}

/// Allows only images from the page itself. Nothing else can run or load, even if a file name tries to.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

const STYLE: &str = "
:root { color-scheme: light dark; --soft: light-dark(#667, #99a); --card: light-dark(#fff, #202226); }
body { margin: 0 auto; max-width: 1200px; padding: 2rem 1.25rem 4rem; font: 16px/1.5 system-ui, sans-serif;
  background: light-dark(#f4f4f6, #131417); color: light-dark(#16181d, #e8e9ec); }
h1 { font-size: 1rem; font-weight: 500; color: var(--soft); margin: 0; }
h2 { font-size: 1.5rem; font-weight: 600; margin: 2.5rem 0 .75rem; overflow-wrap: anywhere; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 260px), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border-radius: 12px; overflow: hidden; box-shadow: 0 1px 3px #0003; }
figure a { display: block; height: 220px; color: var(--soft); text-decoration: none; }
figure img { display: block; width: 100%; height: 100%; object-fit: contain; background: #0001; }
figure p { display: grid; place-items: center; height: 100%; box-sizing: border-box; padding: 1rem; margin: 0; }
figcaption { display: flex; justify-content: space-between; gap: 1rem; padding: .6rem .9rem; font-size: .85rem; }
figcaption span:first-child { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.note { color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
";

/// Marks a page as ours, near its beginning. Only such a file may be overwritten.
const GENERATOR: &str = "imgsearch contact sheet";

/// Whether a file with this beginning is one of our pages.
pub(crate) fn is_page(beginning: &[u8]) -> bool {
    let mark = format!("<meta name=\"generator\" content=\"{GENERATOR}\">");
    memchr::memmem::find(beginning, mark.as_bytes()).is_some()
}

/// Renders the page.
pub(crate) fn contact_sheet(sections: &[Section]) -> String {
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { "imgsearch" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "imgsearch" }
                @for section in sections { (rendered(section)) }
            }
        }
    };
    page.into_string()
}

fn rendered(section: &Section) -> Markup {
    html! {
        section {
            h2 { (escape(&section.title)) }
            @if section.figures.is_empty() { p.note { "No photo matches." } }
            div.photos { @for figure in &section.figures { (framed(figure)) } }
        }
    }
}

fn framed(figure: &Figure) -> Markup {
    let Figure { path, note, thumbnail } = figure;
    let name = name(path);
    html! {
        figure {
            a href=[uri(path)] title=(escape_path(path)) {
                @match thumbnail {
                    Ok(jpeg) => { img loading="lazy" alt=(name) src=(data_uri(jpeg)); }
                    Err(reason) => { p { (escape(reason)) } }
                }
            }
            figcaption { span { bdi { (name) } } span.note { (note) } }
        }
    }
}

fn data_uri(jpeg: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", base64::prelude::BASE64_STANDARD.encode(jpeg))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(path: &str, title: &str, thumbnail: Result<Vec<u8>, String>, expected: &[&str]) {
        let figures = vec![Figure { path: path.into(), note: "0.31".into(), thumbnail }];
        let page = contact_sheet(&[Section { title: title.into(), figures }]);
        for part in expected {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        assert!(is_page(&page.as_bytes()[..1024]), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn a_page_without_photos_says_so() {
        let page = contact_sheet(&[Section { title: "a cat".into(), figures: Vec::new() }]);
        assert!(page.contains("No photo matches."), "{page}");
    }

    #[test]
    fn names_are_escaped_and_photos_linked() {
        let no = || Err("not an image <script>".to_owned());
        check("/a/x.jpg", "a cat", Ok(vec![1, 2, 3]), &["href=\"file:///a/x.jpg\"", "base64,AQID", "0.31"]);
        check("/<script>.jpg", "<script>", no(), &["&lt;script&gt;.jpg", "file:///%3Cscript%3E.jpg"]);
        check(
            "/rtl\u{202e}gpj.exe.jpg",
            "\u{2066}",
            no(),
            &["<bdi>rtl\\u{202e}gpj.exe.jpg</bdi>", "<h2>\\u{2066}</h2>"],
        );
        check("/a b\"'.jpg", "", no(), &["file:///a%20b%22%27.jpg", "not an image &lt;script&gt;"]);
    }
}
