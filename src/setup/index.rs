//! A Python package index: where is the file of a package?
//!
//! The "simple repository API" (PEP 503 as HTML, PEP 691 as JSON): a page for each package names all its files. Any index
//! that pip can use has it. Digests in it are ignored, because each file that we use is pinned.

use serde::Deserialize;

use super::SetupError;
use super::list::Wheel;
use crate::hub::{Client, Page};

/// The JSON of PEP 691; servers that do not know it send HTML.
const JSON: &str = "application/vnd.pypi.simple.v1+json";

/// The address of a package's file, as the index at `base` says (`https://…/simple`).
pub(super) fn address_of(client: &Client<'_>, base: &str, wheel: &Wheel) -> Result<String, SetupError> {
    let url = format!("{}/{}/", base.trim_end_matches('/'), normalized(&wheel.package));
    let accept = format!("{JSON}, text/html;q=0.5");
    let page = client.page(&url, &accept).map_err(SetupError::Download)?;
    let links = if page.kind == JSON { in_json(&page) } else { in_html(&page) };
    let file = wheel.file.name.as_str();
    let found = links.into_iter().find(|link| file_of(link) == file).map(|link| joined(&page.url, &link));
    found.ok_or_else(|| SetupError::NotOffered { file: file.to_owned(), url })
}

/// A package's name as in addresses (PEP 503).
fn normalized(package: &str) -> String {
    let parts = package.split(['-', '_', '.']).filter(|part| !part.is_empty());
    parts.collect::<Vec<_>>().join("-").to_lowercase()
}

#[derive(Deserialize)]
struct Project {
    files: Vec<ProjectFile>,
}

#[derive(Deserialize)]
struct ProjectFile {
    url: String,
}

fn in_json(page: &Page) -> Vec<String> {
    let project = serde_json::from_slice::<Project>(&page.content);
    project.map_or_else(|_| Vec::new(), |project| project.files.into_iter().map(|file| file.url).collect())
}

/// The values of all `href` attributes.
fn in_html(page: &Page) -> Vec<String> {
    let text = String::from_utf8_lossy(&page.content);
    let value = |rest: &str| {
        let quote = rest.chars().next().filter(|quote| "\"'".contains(*quote))?;
        let value = rest[1..].split(quote).next()?;
        Some(htmlize::unescape_attribute(value).into_owned())
    };
    text.split("href=").skip(1).filter_map(value).collect()
}

/// The file that an address names.
fn file_of(link: &str) -> &str {
    let path = link.split(['#', '?']).next().unwrap_or_default();
    path.rsplit('/').next().unwrap_or_default()
}

/// The address of a link on the page at `base`, without fragment (RFC 3986, section 5.2).
fn joined(base: &str, link: &str) -> String {
    let link = link.split('#').next().unwrap_or_default();
    if link.starts_with("https://") || link.starts_with("http://") {
        return link.to_owned();
    }
    let (scheme, rest) = base.split_once("://").unwrap_or(("https", base));
    if link.starts_with("//") {
        return format!("{scheme}:{link}");
    }
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let mut parts: Vec<&str> = path.split(['?', '#']).next().unwrap_or_default().split('/').collect();
    parts.pop();
    if link.starts_with('/') {
        parts.clear();
    }
    for part in link.trim_start_matches('/').split('/') {
        match part {
            "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    format!("{scheme}://{host}/{}", parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_normalized_as_pip_does() {
        assert_eq!(normalized("Nvidia_CUDNN.cu13"), "nvidia-cudnn-cu13");
        assert_eq!(normalized("a--_b"), "a-b");
    }

    #[test]
    fn links_are_resolved_against_their_page() {
        #[track_caller]
        fn check(link: &str, expected: &str) {
            assert_eq!(joined("https://host:8/root/simple/a/", link), expected, "{link}");
        }
        check("https://files/x.whl#sha256=1", "https://files/x.whl");
        check("//files/x.whl", "https://files/x.whl");
        check("/x.whl", "https://host:8/x.whl");
        check("x.whl", "https://host:8/root/simple/a/x.whl");
        check("../../packages/./x.whl#a", "https://host:8/root/packages/x.whl");
        check("../../../../../x.whl", "https://host:8/x.whl");
        assert_eq!(joined("http://host", "x"), "http://host/x");
    }

    #[test]
    fn links_are_found_in_both_formats() {
        let page = |kind: &str, content: &str| Page {
            url: "https://host/a/".to_owned(),
            kind: kind.to_owned(),
            content: content.as_bytes().to_vec(),
        };
        let html =
            "<a href=\"../x.whl?a=1&amp;b=2#sha256=0\">x.whl</a> <a data-x href='y.whl'>y</a> <a href=>";
        assert_eq!(in_html(&page("text/html", html)), ["../x.whl?a=1&b=2#sha256=0", "y.whl"]);
        assert_eq!(file_of("../x.whl?a=1&b=2#sha256=0"), "x.whl");
        let json =
            r#"{"name": "a", "files": [{"filename": "x.whl", "url": "https://files/x.whl", "hashes": {}}]}"#;
        assert_eq!(in_json(&page(JSON, json)), ["https://files/x.whl"]);
        assert_eq!(in_json(&page(JSON, "<html>")), Vec::<String>::new());
    }
}
