//! The files that the pages need. They are part of the program, so nothing else has to be installed.
//!
//! Their address has the hash of all of them in it, so a browser may keep them for ever and never mixes versions.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, media type, content.
type Asset = (&'static str, &'static str, &'static [u8]);

/// Those that can be had without a login, for the page to log in at.
const OPEN: &[Asset] = &[
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
    ("login.js", SCRIPT, include_bytes!("assets/login.js")),
    ("page.css", STYLE, include_bytes!("assets/page.css")),
];

/// Those of others; the README beside them says where they are from.
const VENDORED: &[Asset] = &[
    ("vendor/land.bin", "application/octet-stream", include_bytes!("assets/vendor/land.bin")),
    ("vendor/photoswipe.css", STYLE, include_bytes!("assets/vendor/photoswipe.css")),
    ("vendor/photoswipe.esm.min.js", SCRIPT, include_bytes!("assets/vendor/photoswipe.esm.min.js")),
    ("vendor/thumbhash.js", SCRIPT, include_bytes!("assets/vendor/thumbhash.js")),
];

/// The modules of the page of photos; each imports only those before it.
const MODULES: &[&str] = &[
    include_str!("assets/rows.js"),
    include_str!("assets/dom.js"),
    include_str!("assets/photos.js"),
    include_str!("assets/grid.js"),
    include_str!("assets/scrubber.js"),
    include_str!("assets/form.js"),
    include_str!("assets/view.js"),
    include_str!("assets/map.js"),
    include_str!("assets/app.js"),
];

/// The modules as one: a phone asks once instead of nine times, and what they have in common is compressed once.
static APP: LazyLock<String> = LazyLock::new(|| joined(MODULES));

/// The hash of everything.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, _, bytes) in OPEN.iter().chain(VENDORED) {
        hasher.update(name.as_bytes()).update(bytes);
    }
    hasher.update(APP.as_bytes()).finalize().to_hex()[..16].to_owned()
});

/// Where an asset is found.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Whether this is the address of an asset that the login page needs.
pub(super) fn is_open(path: &str) -> bool {
    OPEN.iter().any(|(name, ..)| path == address(name))
}

/// `GET /assets/{version}/{*name}`.
pub(super) async fn asset(Path((version, name)): Path<(String, String)>) -> Response {
    let found = OPEN.iter().chain(VENDORED).find(|(known, ..)| *known == name);
    let (kind, bytes) = match found {
        Some((_, kind, bytes)) => (*kind, *bytes),
        None if name == "app.js" => (SCRIPT, APP.as_bytes()),
        None => return StatusCode::NOT_FOUND.into_response(),
    };
    if version != *VERSION {
        return StatusCode::NOT_FOUND.into_response();
    }
    let for_ever = HeaderValue::from_static("private, max-age=31536000, immutable");
    ([(header::CONTENT_TYPE, HeaderValue::from_static(kind)), (header::CACHE_CONTROL, for_ever)], bytes)
        .into_response()
}

/// Modules without what only people read, and without the names by which they import each other. Their own names must
/// differ; a browser refuses the whole otherwise, and the browser tests tell.
fn joined(modules: &[&str]) -> String {
    let lines = modules.iter().flat_map(|module| module.lines()).map(str::trim_start);
    let is_comment =
        |line: &str| ["//", "/**", "* ", "*/"].iter().any(|mark| line.starts_with(mark)) || line == "*";
    let is_own_import =
        |line: &str| line.starts_with("import ") && line.contains(" from './") && !line.contains("vendor/");
    let mut whole = String::new();
    for line in lines.filter(|line| !line.is_empty() && !is_comment(line) && !is_own_import(line)) {
        whole.push_str(line.strip_prefix("export ").unwrap_or(line));
        whole.push('\n');
    }
    whole
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(bytes: &[u8]) -> usize {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(bytes).unwrap();
        encoder.finish().unwrap().len()
    }

    #[test]
    fn what_a_browser_loads_is_small() {
        let login = OPEN.iter().find(|(name, ..)| *name == "login.js").unwrap().2;
        let scripts = packed(APP.as_bytes()) + packed(login);
        assert!(scripts <= 12 << 10, "our scripts have {scripts} bytes, compressed");
        let style = OPEN.iter().find(|(name, ..)| *name == "page.css").unwrap().2;
        assert!(style.len() <= 12 << 10, "our style has {} bytes", style.len());
        let land = VENDORED.iter().find(|(name, ..)| *name == "vendor/land.bin").unwrap().2;
        assert!(land.len() <= 60 << 10);
    }

    #[test]
    fn modules_become_one() {
        let a = "// A.\nimport x from './vendor/x.js';\n/** It\n * is\n */\nexport const a = 1;\n";
        let b = "import { a } from './a.js';\nexport function b() {\n  return a * x; // twice\n}\n";
        let expected =
            "import x from './vendor/x.js';\nconst a = 1;\nfunction b() {\nreturn a * x; // twice\n}\n";
        assert_eq!(joined(&[a, b]), expected);
    }

    #[test]
    fn vendored_files_are_those_that_were_fetched() {
        // `sha256sum` and scripts/vendor compare contents; here it is that none is left out.
        let sums = include_str!("assets/vendor/SHA256SUMS");
        for (name, ..) in VENDORED {
            let file = name.strip_prefix("vendor/").unwrap();
            assert!(sums.lines().any(|line| line.ends_with(&format!("  {file}"))), "{file}");
        }
    }

    #[test]
    fn only_what_the_login_page_needs_is_open() {
        assert!(is_open(&address("page.css")) && is_open(&address("login.js")));
        for closed in ["app.js", "vendor/land.bin", "../page.css", "page.css/", ""] {
            assert!(!is_open(&address(closed)), "{closed}");
        }
        assert!(!is_open("/assets/page.css"));
    }
}
