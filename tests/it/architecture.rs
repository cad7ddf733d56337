//! The rules about the source tree: every import points down, and forbidden words are absent.

use std::fs;
use std::path::Path;

/// The modules from the top down. A file may use modules in lower lines, and files in its own folder.
const LAYERS: &[&[&str]] = &[
    &["main"],
    &["commands"],
    &["serve"],
    &["render", "progress"],
    &["settings"],
    &["ui"],
    &["cli", "status", "terminal", "usage"],
    // Above this line the binary, below it the library.
    &["service"],
    &["classify", "engine", "ingest", "setup", "transfer"],
    &["duplicates"],
    &["hub", "library"],
    &["query"],
    &["photo"],
    &["look", "roots", "sidecar", "text", "watch"],
    &["item", "model", "perceptual", "thumbnail", "walk"],
    &["budget", "decode", "digest", "disk", "gather", "name", "text_file"],
    &["files", "fold", "hint", "resize", "stamp"],
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

/// The module of a file: `src/ingest/load.rs` and `src/ingest.rs` both belong to `ingest`.
fn module_of(file: &str) -> &str {
    let inside = file.strip_prefix("src/").unwrap();
    inside.split('/').next().unwrap().trim_end_matches(".rs")
}

/// The names that `lib.rs` re-exports, and their modules.
const RE_EXPORTS: &[(&str, &str)] = &[
    ("Engine", "engine"),
    ("EngineError", "engine"),
    ("Match", "engine"),
    ("Library", "library"),
    ("Model", "model"),
    ("Expression", "query"),
    ("Query", "query"),
];

/// The modules of this package that a file uses: after `crate::` or `imgsearch::`, alone or in braces, and after `super::` in
/// files directly in `src`.
fn used(file: &str, text: &str) -> Vec<&'static str> {
    let without_tests = text.split("#[cfg(test)]").next().unwrap();
    let code: String = without_tests.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let mut prefixes = vec!["crate::", "imgsearch::"];
    if file.matches('/').count() == 1 || file.ends_with("/mod.rs") {
        prefixes.push("super::");
    }
    let behind = prefixes.iter().flat_map(|prefix| code.split(prefix).skip(1));
    behind.flat_map(first_names).filter_map(|name| module_named(&name)).collect()
}

/// `ingest::Plan` → `ingest`; `{decode::decode, photo::{self, Photo}}` → `decode`, `photo`.
fn first_names(path: &str) -> Vec<String> {
    let name = |text: &str| -> String {
        text.trim_start().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()
    };
    let Some(group) = path.strip_prefix('{') else { return vec![name(path)] };
    let (mut depth, mut names, mut start) = (1, Vec::new(), 0);
    for (at, c) in group.char_indices() {
        depth += i32::from(c == '{') - i32::from(c == '}');
        if depth == 0 || (depth == 1 && c == ',') {
            names.push(name(&group[start..at]));
            start = at + 1;
        }
        if depth == 0 {
            break;
        }
    }
    names
}

fn module_named(name: &str) -> Option<&'static str> {
    let re_exported = RE_EXPORTS.iter().find(|(alias, _)| *alias == name).map(|(_, module)| *module);
    re_exported
        .or_else(|| LAYERS.iter().flat_map(|layer| layer.iter()).find(|module| **module == name).copied())
}

#[test]
fn imports_are_seen_however_they_are_written() {
    #[track_caller]
    fn check(file: &str, text: &str, expected: &[&str]) {
        assert_eq!(used(file, text), expected, "{text}");
    }
    check("src/walk.rs", "use crate::engine::Engine;", &["engine"]);
    check("src/walk.rs", "use crate::{\n    ingest::{Plan, index},\n    photo,\n};", &["ingest", "photo"]);
    check("src/walk.rs", "fn f(_: &crate::Library) {}", &["library"]);
    check("src/walk.rs", "use super::engine;", &["engine"]);
    check("src/decode/mod.rs", "use super::engine;", &["engine"]);
    check("src/ingest/load.rs", "use super::walk;", &[]);
    check("src/commands.rs", "use imgsearch::{Engine, query::Query};", &["engine", "query"]);
    check("src/walk.rs", "// crate::engine\n#[cfg(test)]\nuse crate::engine;", &[]);
}

#[test]
fn re_exports_are_those_of_lib() {
    let (_, lib) = sources("src").into_iter().find(|(file, _)| file == "src/lib.rs").unwrap();
    let passed_on = lib.lines().filter(|line| line.starts_with("pub use ")).flat_map(|line| {
        let (module, names) = line["pub use ".len()..].split_once("::").unwrap();
        let names = names.trim_matches(|c| "{};".contains(c)).split(", ").map(str::to_owned);
        names.map(move |name| (name, module.to_owned())).collect::<Vec<_>>()
    });
    let expected: Vec<_> =
        RE_EXPORTS.iter().map(|(name, module)| ((*name).into(), (*module).into())).collect();
    assert_eq!(passed_on.collect::<Vec<(String, String)>>(), expected);
}

#[test]
fn every_import_points_down() {
    for (file, text) in sources("src") {
        let module = module_of(&file);
        if module == "lib" {
            continue;
        }
        let own = layer(module).unwrap_or_else(|| panic!("{file} has no place in LAYERS"));
        for used in used(&file, &text).into_iter().filter(|used| *used != module) {
            assert!(layer(used).unwrap() > own, "{file} uses `{used}`, which is not below it");
        }
    }
}

/// Fails if a file outside `allowed` (files or folders) contains `word`.
#[track_caller]
fn only_in(folder: &str, word: &str, allowed: &[&str]) {
    for (file, text) in sources(folder) {
        let code = text.lines().filter(|line| !line.trim_start().starts_with("//"));
        let found = code.into_iter().any(|line| line.contains(word));
        let may = allowed.iter().any(|place| file.starts_with(place));
        assert!(!found || may, "{file} has `{word}`; only {allowed:?} may");
    }
}

/// The items of the index crate for searching and writing, which only the embedded store may name. Vectors, spaces and
/// fingerprints are shared vocabulary.
const OF_THE_STORE: &[&str] = &[
    "Change",
    "Extractor",
    "Hit",
    "Method",
    "OptimizeOptions",
    "Record",
    "SearchOptions",
    "Searcher",
    "Selection",
    "Stats",
    "Stored",
    "StoredRecord",
    "Writer",
    "WriterOptions",
];

/// The items of the index crate that a file names, including its tests.
fn of_the_index(text: &str) -> Vec<String> {
    let code: String = text.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    code.split("imgsearch_index::").skip(1).flat_map(first_names).collect()
}

#[test]
fn one_file_knows_how_the_index_is_searched_and_written() {
    assert_eq!(
        of_the_index("use imgsearch_index::{\n    Error as E, Hit,\n};\nimgsearch_index::verify()"),
        ["Error", "Hit", "", "verify"]
    );
    let mut named = Vec::new();
    for (file, text) in sources("src") {
        let names = of_the_index(&text).into_iter().filter(|name| OF_THE_STORE.contains(&name.as_str()));
        named.extend(names.map(|name| (file.clone(), name)));
    }
    assert!(named.iter().any(|(_, name)| name == "Searcher"));
    named.retain(|(file, _)| file != "src/library/embedded.rs");
    assert_eq!(named, []);
}

/// Neither its code nor its documentation mentions what this package stores in it.
#[test]
fn the_index_is_for_any_records() {
    let readme = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("index/README.md")).unwrap();
    let mut texts = vec![("index/README.md".to_owned(), readme)];
    ["index/src", "index/examples", "index/benches"].iter().for_each(|folder| texts.extend(sources(folder)));
    for (file, text) in texts {
        let text = text.to_lowercase();
        for word in ["photo", "picture", "image"] {
            assert!(!text.contains(word), "{file} speaks of a {word}");
        }
    }
}

#[test]
fn what_must_be_absent_is_absent() {
    only_in("src", "stdout()", &["src/render/", "src/settings/"]);
    only_in("src", "stderr()", &["src/progress.rs", "src/settings/"]);
    for reading in ["env::var", "env::args", "env::current", "temp_dir()"] {
        only_in("src", reading, &["src/settings/"]);
    }
    only_in("src", "SystemTime::now", &["src/commands/"]);
    only_in("src", "TimeZone::system", &["src/settings/"]);
    only_in("src", "ImageReader", &["src/decode/"]);
    only_in("src", "ureq", &["src/hub/client.rs"]);
    only_in("src", "sled", &[]);
    only_in("index/src", "sled", &["index/src/catalog/"]);
    for start in [" ort::", "(ort::", "<ort::", "&ort::"] {
        only_in("src", start, &["src/model/"]);
    }
    only_in(
        "src",
        "unsafe_code",
        &[
            "src/main.rs",
            "src/commands/watch.rs",
            "src/model/cuda/driver.rs",
            "src/model/instant.rs",
            "src/model/nvidia.rs",
            "src/model/tower.rs",
            "src/model/version.rs",
            "src/decode/heif/library.rs",
        ],
    );
}
