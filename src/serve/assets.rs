//! The scripts, styles and data of the pages. They are embedded in the program, so nothing else has to be installed.
//!
//! Their address contains a hash of all of them, so browsers can cache them forever and never mix versions.

use std::sync::LazyLock;

use axum::extract::Path;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};

const SCRIPT: &str = "text/javascript; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";

/// Name, media type, content.
type Asset = (&'static str, &'static str, &'static [u8]);

/// The assets of the login page, available without a login.
const OPEN: &[Asset] = &[
    ("icon.svg", "image/svg+xml", include_bytes!("assets/icon.svg")),
    ("login.js", SCRIPT, include_bytes!("assets/login.js")),
    ("page.css", STYLE, include_bytes!("assets/page.css")),
];

/// Vendored files; the README beside them lists their sources.
const VENDORED: &[Asset] = &[
    ("vendor/land.bin", "application/octet-stream", include_bytes!("assets/vendor/land.bin")),
    ("vendor/photoswipe.css", STYLE, include_bytes!("assets/vendor/photoswipe.css")),
    ("vendor/photoswipe.esm.min.js", SCRIPT, include_bytes!("assets/vendor/photoswipe.esm.min.js")),
    ("vendor/thumbhash.js", SCRIPT, include_bytes!("assets/vendor/thumbhash.js")),
];

/// The modules of the photo page. Each imports only modules before it.
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

/// All modules in one file, which loads faster and compresses better.
static APP: LazyLock<String> = LazyLock::new(|| joined(MODULES));

/// The hash of all assets.
static VERSION: LazyLock<String> = LazyLock::new(|| {
    let mut hasher = blake3::Hasher::new();
    for (name, _, bytes) in OPEN.iter().chain(VENDORED) {
        hasher.update(name.as_bytes()).update(bytes);
    }
    hasher.update(APP.as_bytes()).finalize().to_hex()[..16].to_owned()
});

/// The address of an asset.
pub(super) fn address(name: &str) -> String {
    format!("/assets/{}/{name}", *VERSION)
}

/// Whether the login page needs the asset at this address.
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

/// Joins modules, without comments, indentation, imports of each other, commas and semicolons before a bracket, and line
/// ends that mean nothing. Their top-level names must be unique, or browsers refuse the file, and the browser tests fail.
fn joined(modules: &[&str]) -> String {
    let lines = modules.iter().flat_map(|module| module.lines()).map(str::trim_start);
    let is_comment =
        |line: &str| ["//", "/**", "* ", "*/"].iter().any(|mark| line.starts_with(mark)) || line == "*";
    let is_own_import =
        |line: &str| line.starts_with("import ") && line.contains(" from './") && !line.contains("vendor/");
    let (mut whole, mut is_commented) = (String::new(), false);
    for line in lines.filter(|line| !line.is_empty() && !is_comment(line) && !is_own_import(line)) {
        if line.starts_with(['}', ')', ']']) && whole.ends_with(',') {
            whole.pop();
        } else if line.starts_with('}') && whole.ends_with(";\n") && !is_commented {
            whole.truncate(whole.len() - 2);
        }
        whole.push_str(line.strip_prefix("export ").unwrap_or(line));
        // A comment at the end of a line needs the end of the line.
        is_commented = line.contains("//");
        if is_commented || !line.ends_with(['{', '(', '[', ',']) {
            whole.push('\n');
        }
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
    fn assets_are_small() {
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
        let b = "import { a } from './a.js';\nexport function b() {\n  return a * x; // twice,\n}\nf([\n  1,\n  2,\n]);\nfunction c() {\n  f();\n}\n";
        let expected = "import x from './vendor/x.js';\nconst a = 1;\nfunction b() {return a * x; // twice,\n}\nf([1,2]);\nfunction c() {f()}\n";
        assert_eq!(joined(&[a, b]), expected);
    }

    #[test]
    fn all_vendored_files_have_checksums() {
        // `sha256sum` and scripts/vendor compare contents; this test checks that no file is left out.
        let sums = include_str!("assets/vendor/SHA256SUMS");
        for (name, ..) in VENDORED {
            let file = name.strip_prefix("vendor/").unwrap();
            assert!(sums.lines().any(|line| line.ends_with(&format!("  {file}"))), "{file}");
        }
    }

    #[test]
    fn only_assets_of_the_login_page_are_open() {
        assert!(is_open(&address("page.css")) && is_open(&address("login.js")));
        for closed in ["app.js", "vendor/land.bin", "../page.css", "page.css/", ""] {
            assert!(!is_open(&address(closed)), "{closed}");
        }
        assert!(!is_open("/assets/page.css"));
    }
}
