//! The folders of a library: refreshed without naming them, listed, and forgotten.

use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime};

use serde_json::{Value, json};

use crate::terminal::on_terminal;
use crate::workspace::{Summary, Workspace};

/// Two folders with two photos each; one of them in a folder `private`.
fn folders() -> Workspace {
    let workspace = Workspace::new();
    for (name, seed) in [("a/1.png", 1), ("a/private/2.png", 2), ("b/3.png", 3), ("b/4.png", 4)] {
        workspace.photo(name, seed);
    }
    workspace
}

fn index(workspace: &Workspace, args: &[&str], code: i32) -> (Summary, String) {
    let output = workspace.imgsearch(&[&["index"], args].concat()).assert().code(code).get_output().clone();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (Summary(text(output.stdout)), text(output.stderr))
}

fn path(workspace: &Workspace, name: &str) -> String {
    workspace.photos().canonicalize().unwrap().join(name).to_str().unwrap().to_owned()
}

/// Folder and photos of each known folder.
fn known(workspace: &Workspace) -> Vec<(String, u64)> {
    let folders = workspace.status()["folders"].as_array().unwrap().clone();
    let known = |folder: &Value| {
        assert!(folder["last_indexed"].is_string(), "{folder}");
        (folder["folder"].as_str().unwrap().to_owned(), folder["images"].as_u64().unwrap())
    };
    folders.iter().map(known).collect()
}

#[test]
fn index_without_a_path_brings_the_known_folders_up_to_date() {
    let workspace = folders();
    let (_, stderr) = index(&workspace, &[], 2);
    assert!(stderr.contains("no folder has been indexed yet") && stderr.contains("imgsearch index ~/Photos"));
    let (a, b) = (path(&workspace, "a"), path(&workspace, "b"));
    index(&workspace, &[&a, "--exclude", "private"], 0);
    index(&workspace, &[&b], 0);
    assert_eq!(known(&workspace), [(a.clone(), 1), (b.clone(), 2)]);
    workspace.photo("a/5.png", 5);
    workspace.photo("b/6.png", 6);
    let (summary, _) = index(&workspace, &[], 0);
    // The folders have different rules, so each has its own summary.
    assert_eq!(summary.0.matches("embedded   1").count(), 2, "{}", summary.0);
    assert!(summary.0.contains(&format!("{a}:\n")), "{}", summary.0);
    assert_eq!(known(&workspace), [(a.clone(), 2), (b.clone(), 3)]);
    // Naming a folder again without its excludes changes its rules.
    index(&workspace, &[&a], 0);
    assert_eq!(known(&workspace), [(a, 3), (b, 3)]);
    let (summary, _) = index(&workspace, &[], 0);
    summary.check(&[("unchanged", 6), ("embedded", 0)]);
}

#[test]
fn a_folder_that_is_not_there_is_kept_until_it_is_forgotten() {
    let workspace = folders();
    let (a, b) = (path(&workspace, "a"), path(&workspace, "b"));
    index(&workspace, &[&a, &b], 0);
    fs::rename(&b, workspace.root().join("elsewhere")).unwrap();
    let (summary, stderr) = index(&workspace, &[], 0);
    summary.check(&[("unchanged", 2)]);
    assert!(stderr.contains(&format!("{b} is not there now, so its photos are kept")), "{stderr}");
    assert_eq!(workspace.status()["images"], 4);
    workspace.imgsearch(&["forget", &b]).assert().success();
    assert_eq!((known(&workspace), workspace.status()["images"].clone()), (vec![(a, 2)], json!(2)));
}

#[test]
fn a_forgotten_part_stays_out_until_it_is_named() {
    let workspace = folders();
    let (photos, part) = (path(&workspace, ""), path(&workspace, "a/private"));
    let photos = photos.trim_end_matches('/');
    index(&workspace, &[photos], 0);
    let said = workspace.imgsearch(&["forget", &part]).assert().success().get_output().stderr.clone();
    let said = String::from_utf8(said).unwrap();
    assert_eq!(said, format!("took 1 photo in {part} out of the library; the files are untouched\n"));
    assert!(Path::new(&part).join("2.png").exists());
    index(&workspace, &[], 0).0.check(&[("unchanged", 3), ("embedded", 0)]);
    assert_eq!(known(&workspace), [(photos.to_owned(), 3)]);
    let said = workspace.imgsearch(&["forget", &part]).assert().code(1).get_output().stderr.clone();
    assert!(String::from_utf8(said).unwrap().contains("the library has no photos in"));
    index(&workspace, &[&part], 0).0.check(&[("embedded", 1)]);
    assert_eq!(known(&workspace), [(photos.to_owned(), 3), (part, 1)]);
}

#[test]
fn status_speaks_to_people() {
    let workspace = folders();
    let a = path(&workspace, "a");
    index(&workspace, &[&a], 0);
    let text = |args: &[&str]| {
        let output = workspace.imgsearch(args).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    };
    let plain = text(&["status"]);
    assert!(plain.contains(&format!("  2 in {a}, indexed just now\n")), "{plain}");
    assert!(!plain.contains("segments") && !plain.contains("skipped"), "{plain}");
    assert!(text(&["status", "-v"]).contains("segments"));
}

#[test]
fn a_folder_that_has_changed_since_is_mentioned_on_a_terminal() {
    let workspace = folders();
    let a = path(&workspace, "a");
    index(&workspace, &[&a], 0);
    let query = || on_terminal(workspace.process(&["query", "x", "--color", "never"])).1;
    let line = format!("{a} has changed since it was indexed just now: `imgsearch index` adds what is new");
    let joined = |text: String| text.replace('\n', "");
    assert!(!joined(query()).contains("has changed since"));
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::open(path(&workspace, "a/private")).unwrap().set_modified(later).unwrap();
    let said = joined(query());
    assert!(said.contains(&line), "{said}");
    let quiet = on_terminal(workspace.process(&["query", "x", "-q"])).1;
    assert!(!quiet.contains("has changed"), "{quiet}");
    // Scripts do not read it.
    workspace.imgsearch(&["query", "x"]).assert().success().stderr("");
}
