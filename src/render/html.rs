//! A contact sheet: one self-contained HTML file without network access and scripts.
//!
//! File names are untrusted. Invisible characters are written as escapes, the template escapes HTML, and `bdi` isolates
//! right-to-left names. Thumbnails are embedded. A thumbnail links to its own figure, which then fills the window
//! (`:target`), with links to the previous and the next photo. The name links to the photo.

use std::path::{Component, Path, PathBuf};

use base64::Engine as _;
use maud::{DOCTYPE, Markup, PreEscaped, html};

use super::photo::name;
use crate::terminal::{encoded, escape, escape_path, uri};

/// One query and its results.
pub(crate) struct Section {
    pub(crate) title: String,
    pub(crate) figures: Vec<Figure>,
}

/// One photo.
pub(crate) struct Figure {
    pub(crate) path: PathBuf,
    /// The day on which it was taken; may be empty.
    pub(crate) day: String,
    /// A short caption such as the score; may be empty.
    pub(crate) note: String,
    /// A JPEG, or why there is none.
    pub(crate) thumbnail: Result<Vec<u8>, String>,
}

/// Where the names on a page link to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Links {
    /// To the photos on this machine.
    Absolute,
    /// To the photos, from this folder of the page on.
    Relative(PathBuf),
    /// Nowhere, for a page that is sent to others.
    None,
}

impl Links {
    fn to(&self, path: &Path) -> Option<String> {
        match self {
            Links::Absolute => uri(path),
            Links::Relative(from) => Some(encoded(&relative(from, path))),
            Links::None => None,
        }
    }
}

/// The way from a folder to a file, both absolute.
fn relative(from: &Path, to: &Path) -> PathBuf {
    let common = from.components().zip(to.components()).take_while(|(a, b)| a == b).count();
    let up = from.components().skip(common).map(|_| Component::ParentDir);
    up.chain(to.components().skip(common)).collect()
}

/// Allows only images from the page itself. Nothing else can run or load, even if a file name tries to.
const POLICY: &str = "default-src 'none'; img-src data:; style-src 'unsafe-inline'";

const STYLE: &str = "
:root { color-scheme: light dark; --soft: light-dark(#667, #99a); --card: light-dark(#fff, #202226); }
body { margin: 0 auto; max-width: 1200px; padding: 2rem 1.25rem 4rem; font: 16px/1.5 system-ui, sans-serif;
  background: light-dark(#f4f4f6, #131417); color: light-dark(#16181d, #e8e9ec); }
h1 { font-size: 1.5rem; font-weight: 600; margin: 0 0 .75rem; overflow-wrap: anywhere; }
h2 { font-size: 1.25rem; font-weight: 600; margin: 2.5rem 0 .75rem; overflow-wrap: anywhere; }
.photos { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 260px), 1fr)); gap: 1rem; }
figure { margin: 0; background: var(--card); border-radius: 12px; box-shadow: 0 1px 3px #0003; min-width: 0; }
a { color: inherit; }
a:focus-visible { outline: 3px solid light-dark(#1b66d6, #7fb0ff); outline-offset: 2px; border-radius: 6px; }
figure > a { display: block; height: 220px; color: var(--soft); text-decoration: none; }
figure img { display: block; width: 100%; height: 100%; object-fit: contain; background: #0001; border-radius: 12px 12px 0 0; }
figure p { display: grid; place-items: center; height: 100%; box-sizing: border-box; padding: 1rem; margin: 0; }
figcaption { display: grid; grid-template-columns: 1fr auto; gap: 0 1rem; padding: .6rem .9rem; font-size: .85rem; }
figcaption > * { overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
figcaption > a:focus-visible { outline-offset: -3px; }
.note { color: var(--soft); font-variant-numeric: tabular-nums; white-space: nowrap; }
nav { display: none; justify-content: center; gap: 2rem; padding: .6rem; }
figure:target { position: fixed; inset: 0; z-index: 1; display: flex; flex-direction: column; border-radius: 0; }
figure:target > a { flex: 1; height: auto; min-height: 0; }
figure:target nav { display: flex; }
footer { color: var(--soft); font-size: .85rem; margin-top: 3rem; }
";

/// Marks a page as ours, near its beginning. Only such a file may be overwritten.
const GENERATOR: &str = "imgsearch contact sheet";

/// Whether a file with this beginning is one of our pages.
pub(crate) fn is_page(beginning: &[u8]) -> bool {
    let mark = format!("<meta name=\"generator\" content=\"{GENERATOR}\">");
    memchr::memmem::find(beginning, mark.as_bytes()).is_some()
}

/// Renders the page.
pub(crate) fn contact_sheet(sections: &[Section], links: &Links) -> String {
    let title = match sections {
        [only] => escape(&only.title).into_owned(),
        many => format!("{} searches", many.len()),
    };
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="generator" content=(GENERATOR);
                meta name="viewport" content="width=device-width, initial-scale=1";
                meta http-equiv="Content-Security-Policy" content=(POLICY);
                title { (title) " · imgsearch" }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { (title) }
                @for (number, section) in sections.iter().enumerate() {
                    (rendered(section, number, sections.len() > 1, links))
                }
                footer { "Found with imgsearch" }
            }
        }
    };
    page.into_string()
}

fn rendered(section: &Section, number: usize, has_heading: bool, links: &Links) -> Markup {
    let Section { title, figures } = section;
    html! {
        section id={ "s" (number) } {
            @if has_heading { h2 { (escape(title)) } }
            @if figures.is_empty() { p.note { "No photo matches." } }
            div.photos {
                @for (at, figure) in figures.iter().enumerate() { (framed(figure, (number, at), figures.len(), links)) }
            }
        }
    }
}

/// A photo. `at` is the number of its section and its own number there.
fn framed(figure: &Figure, at: (usize, usize), all: usize, links: &Links) -> Markup {
    let Figure { path, day, note, thumbnail } = figure;
    let (name, (section, at)) = (name(path), at);
    let id = |at: usize| format!("p{section}-{at}");
    let folder = path.parent().map(|folder| folder.file_name().map_or(folder, Path::new));
    html! {
        figure id=(id(at)) {
            a href={ "#" (id(at)) } title=[links.to(path).map(|_| escape_path(path))] {
                @match thumbnail {
                    Ok(jpeg) => { img loading="lazy" alt=(described(&name, day)) src=(data_uri(jpeg)); }
                    Err(reason) => { p { (escape(reason)) } }
                }
            }
            figcaption {
                @match links.to(path) {
                    Some(link) => { a href=(link) { bdi { (name) } } }
                    None => { span { bdi { (name) } } }
                }
                span.note { (note) }
                span.note { bdi { @if let Some(folder) = folder { (escape_path(folder)) } } }
                span.note { (day) }
            }
            nav {
                @if at > 0 { a href={ "#" (id(at - 1)) } rel="prev" { "← Previous" } }
                a href={ "#s" (section) } { "Close" }
                @if at + 1 < all { a href={ "#" (id(at + 1)) } rel="next" { "Next →" } }
            }
        }
    }
}

/// What a picture is called where it cannot be seen.
fn described(name: &str, day: &str) -> String {
    if day.is_empty() { name.to_owned() } else { format!("{name}, {day}") }
}

fn data_uri(jpeg: &[u8]) -> String {
    format!("data:image/jpeg;base64,{}", base64::prelude::BASE64_STANDARD.encode(jpeg))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(path: &str, title: &str, thumbnail: &Result<Vec<u8>, String>, links: &Links) -> String {
        let figure = |path: &str| Figure {
            path: path.into(),
            day: "2023-05-06".into(),
            note: "0.31".into(),
            thumbnail: thumbnail.clone(),
        };
        let figures = vec![figure(path), figure("/2023/second.jpg")];
        contact_sheet(&[Section { title: title.into(), figures }], links)
    }

    #[track_caller]
    #[expect(clippy::needless_pass_by_value, reason = "callers make it in the call")]
    fn check(path: &str, title: &str, thumbnail: Result<Vec<u8>, String>, expected: &[&str]) {
        let page = page(path, title, &thumbnail, &Links::Absolute);
        for part in expected {
            assert!(page.contains(part), "{part} in\n{page}");
        }
        assert!(is_page(&page.as_bytes()[..1024]), "{page}");
        assert!(!page.contains("<script>"), "{page}");
    }

    #[test]
    fn a_page_without_photos_says_so() {
        let page = contact_sheet(&[Section { title: "a cat".into(), figures: Vec::new() }], &Links::Absolute);
        assert!(
            page.contains("No photo matches.") && page.contains("<title>a cat · imgsearch</title>"),
            "{page}"
        );
    }

    #[test]
    fn several_searches_have_their_own_headings() {
        let section = |title: &str| Section { title: title.into(), figures: Vec::new() };
        let page = contact_sheet(&[section("a cat"), section("a dog")], &Links::Absolute);
        for part in ["<h1>2 searches</h1>", "<h2>a cat</h2>", "<h2>a dog</h2>"] {
            assert!(page.contains(part), "{part} in {page}");
        }
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
            &["<bdi>rtl\\u{202e}gpj.exe.jpg</bdi>", "<h1>\\u{2066}</h1>"],
        );
        check("/a b\"'.jpg", "", no(), &["file:///a%20b%22%27.jpg", "not an image &lt;script&gt;"]);
    }

    #[test]
    fn a_photo_has_its_day_its_folder_and_its_neighbours() {
        let parts = [
            "<h1>a cat</h1>",
            "alt=\"x.jpg, 2023-05-06\"",
            "<bdi>2023</bdi>",
            "href=\"#p0-1\" rel=\"next\"",
            "href=\"#p0-0\" rel=\"prev\"",
        ];
        check("/2023/x.jpg", "a cat", Ok(vec![1]), &parts);
    }

    #[test]
    fn links_can_be_relative_or_absent() {
        let links = |links: Links| page("/a/b c/x.jpg", "a cat", &Ok(vec![1]), &links);
        assert!(links(Links::Relative("/a".into())).contains("href=\"b%20c/x.jpg\""));
        assert!(links(Links::Relative("/a/d/e".into())).contains("href=\"../../b%20c/x.jpg\""));
        let none = links(Links::None);
        assert!(!none.contains("x.jpg\">") && none.contains("<span><bdi>x.jpg</bdi></span>"), "{none}");
    }
}
