//! Pages, copies, links, opening and collapsing of the photos found. `previews.rs` tests previews.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use image::{DynamicImage, RgbImage, imageops};
use serde_json::Value;

use crate::workspace::{Workspace, scene};

pub(crate) fn indexed(names: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    for (name, seed) in names.iter().zip(0..) {
        workspace.photo(name, seed);
    }
    workspace.index(&[], 0);
    workspace
}

fn files(folder: &Path) -> Vec<String> {
    let entries =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    let mut names: Vec<String> = entries.collect();
    names.sort();
    names
}

/// Runs a query with `args` and returns stderr.
#[track_caller]
fn query(workspace: &Workspace, args: &[&str], code: i32) -> String {
    let args = [&["query", "a photo", "--no-collapse"], args].concat();
    let output = workspace.imgsearch(&args).assert().code(code).get_output().clone();
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_page_contains_the_photos() {
    let workspace = indexed(&["a.png", "b <script>.jpg", "gone.png"]);
    fs::remove_file(workspace.photos().join("gone.png")).unwrap();
    let page = workspace.root().join("page.html");
    query(&workspace, &["--html", page.to_str().unwrap()], 0);
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 2, "{html}");
    for part in [
        "<h1>a photo</h1>",
        "<title>a photo · imgsearch</title>",
        "b &lt;script&gt;.jpg",
        "/b%20%3Cscript%3E.jpg\"",
        "No such file",
    ] {
        assert!(html.contains(part), "{part} in {html}");
    }
    assert!(!html.contains("<script") && !html.contains("http:") && !html.contains("https:"), "{html}");
    assert_eq!(files(workspace.root()), ["config.toml", "library", "page.html", "photos"]);
    let error = query(&workspace, &["--html", "/nowhere/page.html"], 2);
    assert!(error.contains("/nowhere/page.html"), "{error}");
}

#[test]
fn many_queries_share_a_page() {
    let workspace = indexed(&["a.png", "b.png"]);
    let page = workspace.root().join("page.html");
    let args = ["query", "--queries", "-", "-n", "1", "--html", page.to_str().unwrap()];
    let output = workspace
        .imgsearch(&args)
        .write_stdin("a cat\ndog +\na <dog>\n")
        .assert()
        .code(2)
        .get_output()
        .clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
    assert!(String::from_utf8(output.stderr).unwrap().contains("line 2"));
    let html = fs::read_to_string(&page).unwrap();
    assert_eq!(html.matches("data:image/jpeg;base64,").count(), 2, "{html}");
    assert!(html.contains("<h2>a cat</h2>") && html.contains("<h2>a &lt;dog&gt;</h2>"), "{html}");
    assert_eq!(html.matches("<h2>").count(), 2, "{html}");
}

#[test]
fn photos_are_copied_and_linked_and_nothing_is_overwritten() {
    let workspace = indexed(&["1/a.png", "2/a.png", "2/b.png"]);
    let album = workspace.root().join("album");
    let album_name = album.to_str().unwrap();
    let said = query(&workspace, &["--copy-to", album_name], 0);
    assert!(said.contains("copied 3 photos") && said.contains(album_name), "{said}");
    assert_eq!(files(&album), ["a-2.png", "a.png", "b.png"]);
    let again = query(&workspace, &["--copy-to", album_name], 0);
    assert!(again.contains("copied 0 photos") && again.contains("3 were already there"), "{again}");
    fs::write(album.join("b.png"), "mine").unwrap();
    query(&workspace, &["--link-to", album_name, "-n", "1000"], 0);
    assert_eq!(fs::read_to_string(album.join("b.png")).unwrap(), "mine");
    assert_eq!(fs::read_link(album.join("b-2.png")).unwrap(), workspace.photos().join("2/b.png"));
}

#[test]
fn a_photo_that_cannot_be_copied_is_reported() {
    let workspace = indexed(&["a.png", "b.png"]);
    fs::remove_file(workspace.photos().join("b.png")).unwrap();
    let said = query(&workspace, &["--copy-to", workspace.root().join("album").to_str().unwrap()], 2);
    assert!(said.contains("b.png is left out") && said.contains("copied 1 photos"), "{said}");
}

#[test]
fn contradictions_are_refused() {
    let workspace = indexed(&["a.png"]);
    assert!(query(&workspace, &["--copy-to", "x", "--link-to", "y"], 2).contains("--link-to"));
    assert!(query(&workspace, &["--preview", "-0"], 2).contains("--null"));
}

/// An opener that records the files to open.
fn opener(workspace: &Workspace) -> std::path::PathBuf {
    let folder = workspace.root().join("bin");
    fs::create_dir(&folder).unwrap();
    let script = folder.join("xdg-open");
    fs::write(
        &script,
        format!("#!/bin/sh\nprintf '%s\\n' \"$1\" >> '{}/opened'\n", workspace.root().display()),
    )
    .unwrap();
    fs::set_permissions(&script, fs::Permissions::from_mode(0o755)).unwrap();
    folder
}

#[test]
fn the_platforms_opener_is_used() {
    #[track_caller]
    fn check(args: &[&str], expected: &[&str]) {
        let workspace = indexed(&["a.png", "b.png"]);
        let path = format!("{}:{}", opener(&workspace).display(), std::env::var("PATH").unwrap());
        let args = [&["query", "a photo", "--no-collapse", "--open"], args].concat();
        workspace.imgsearch(&args).current_dir(workspace.root()).env("PATH", path).assert().success();
        let opened = || fs::read_to_string(workspace.root().join("opened")).unwrap_or_default();
        // It runs in the background; a minute is plenty.
        for _ in (0..3000).take_while(|_| opened().lines().count() < expected.len()) {
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
        let mut names: Vec<String> = opened()
            .lines()
            .map(|path| Path::new(path).file_name().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        assert_eq!(names, expected);
    }
    check(&[], &["a.png", "b.png"]);
    check(&["--html", "page.html"], &["page.html"]);
    check(&["--copy-to", "album"], &["album"]);
}

#[test]
fn near_duplicates_collapse_into_the_best() {
    let workspace = Workspace::new();
    let save = |name: &str, picture: RgbImage| {
        DynamicImage::ImageRgb8(picture).save(workspace.photos().join(name)).unwrap();
    };
    for seed in 1..4 {
        save(&format!("{seed}.png"), scene(seed));
    }
    for shot in 0..5 {
        save(&format!("1-{shot}.png"), imageops::crop_imm(&scene(1), shot, 0, 145, 100).to_image());
    }
    workspace.index(&[], 0);
    let lines = |args: &[&str]| -> Vec<Value> {
        let args = [&["query", "a photo", "--format", "jsonl"], args].concat();
        let output = workspace.imgsearch(&args).assert().success().get_output().clone();
        let text = String::from_utf8(output.stdout).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    };
    assert_eq!(lines(&[]).len(), 8);
    let collapsed = lines(&["--collapse", "-n", "3"]);
    let similar: Vec<_> = collapsed.iter().map(|line| line["similar"].as_u64().unwrap()).collect();
    assert_eq!((similar.len(), similar.iter().sum::<u64>()), (3, 5), "{collapsed:?}");
    let ranks: Vec<_> = collapsed.iter().map(|line| line["rank"].as_u64().unwrap()).collect();
    assert_eq!(ranks, [1, 2, 3]);
    let text = workspace.imgsearch(&["query", "a photo"]).assert().success().get_output().stdout.clone();
    assert_eq!(String::from_utf8(text).unwrap().lines().count(), 3);
    let all = workspace
        .imgsearch(&["query", "a photo", "--no-collapse"])
        .assert()
        .success()
        .get_output()
        .stdout
        .clone();
    assert_eq!(String::from_utf8(all).unwrap().lines().count(), 8);
}
