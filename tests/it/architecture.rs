//! The rules about the tree: every import points down, and what must be absent is absent.

use std::fs;
use std::path::Path;

/// The rooms from the top down. A file may use what stands in a lower line, or in its own folder.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["render", "progress"],
    &["settings"],
    &["cli", "terminal"],
    // Above this line the binary, below it the library.
    &["engine", "ingest"],
    &["library", "query"],
    &["photo"],
    &["model", "walk"],
    &["decode"],
];

fn layer(module: &str) -> Option<usize> {
    LAYERS.iter().position(|layer| layer.contains(&module))
}

/// All Rust files below `folder`, with their text.
fn sources(folder: &str) -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let files = walkdir::WalkDir::new(root.join(folder)).into_iter().map(Result::unwrap);
    let rust = files.filter(|file| file.path().extension().is_some_and(|extension| extension == "rs"));
    rust.map(|file| {
        let name = file.path().strip_prefix(root).unwrap().to_str().unwrap().to_owned();
        (name, fs::read_to_string(file.path()).unwrap())
    })
    .collect()
}

/// `src/ingest/load.rs` and `src/ingest.rs` are both of `ingest`.
fn module_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The modules of ours that a text names behind `crate::` or `imgsearch::`.
fn used(text: &str) -> Vec<&str> {
    let without_tests = text.split("#[cfg(test)]").next().unwrap();
    ["crate::", "imgsearch::"]
        .iter()
        .flat_map(|prefix| without_tests.split(prefix).skip(1))
        .map(|rest| rest.split(|c: char| !c.is_alphanumeric() && c != '_').next().unwrap())
        .filter(|name| layer(name).is_some())
        .collect()
}

#[test]
fn every_import_points_down() {
    for (file, text) in sources("src") {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("{file} has no place in LAYERS"));
        for used in used(&text).into_iter().filter(|used| *used != module) {
            assert!(layer(used).unwrap() > own, "{file} uses `{used}`, which is not below it");
        }
    }
}

/// Fails when a file outside `allowed`, files or folders, has `word`.
#[track_caller]
fn only_in(folder: &str, word: &str, allowed: &[&str]) {
    for (file, text) in sources(folder) {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code.into_iter().any(|line| line.contains(word));
        let may = allowed.iter().any(|place| file.starts_with(place));
        assert!(!found || may, "{file} has `{word}`; only {allowed:?} may");
    }
}

#[test]
fn what_must_be_absent_is_absent() {
    only_in("src", "stdout()", &["src/render.rs", "src/settings.rs"]);
    only_in("src", "stderr()", &["src/progress.rs", "src/settings.rs"]);
    only_in("src", "env::var", &["src/settings.rs"]);
    only_in("src", "sled", &[]);
    only_in("index/src", "sled", &["index/src/catalog.rs"]);
    only_in("src", " ort::", &["src/model/"]);
    only_in("index/src", "image", &[]);
    only_in("index/src", "photo", &[]);
    only_in("src", "unsafe_code", &["src/model/version.rs", "src/decode/heif/library.rs"]);
}
