//! Changing a library to another model: the new index is built beside the old one, which answers until it is complete.
#![cfg(unix)]

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch::Library;
use predicates::prelude::*;
use serde_json::json;

use crate::workspace::{Summary, Workspace};

const OFFLINE: &str = "offline-lite2-minilm-v2";

/// Two photos in each of two folders, indexed with the offline model; and another model.
struct Change {
    workspace: Workspace,
    photos: Vec<PathBuf>,
    model: PathBuf,
}

impl Change {
    fn new() -> Change {
        let workspace = Workspace::new();
        let names = ["a/0.png", "a/1.png", "b/2.png", "b/3.png"];
        let photos = names.iter().zip(0..).map(|(name, seed)| workspace.photo(name, seed)).collect();
        workspace.index(&[], 0);
        let model = workspace.other_model();
        Change { workspace, photos, model }
    }

    /// Indexes one of the folders with the other model.
    #[track_caller]
    fn run(&self, folder: &str, args: &[&str], exit: i32) -> Summary {
        let folder = self.workspace.photos().join(folder);
        let args = [&["--model", self.model.to_str().unwrap()], args].concat();
        self.workspace.index_paths(&[&folder], &args, exit)
    }

    /// Checks which model answers, with how many photos, and how many the new index has so far.
    #[track_caller]
    fn check(&self, model: &str, images: u64, building: Option<u64>) {
        let status = self.workspace.status();
        let found = (&status["model"], &status["images"], &status["building"][0]["images"]);
        assert_eq!(found, (&json!(model), &json!(images), &json!(building)), "{status}");
        assert_eq!(self.workspace.found(&[]).len() as u64, images);
    }

    fn indexes(&self) -> Vec<String> {
        let entries = fs::read_dir(self.workspace.root().join("library")).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        names.filter(|name| name.starts_with("index")).collect()
    }
}

/// A file that cannot be read, like on a broken disk.
#[cfg(target_os = "linux")]
fn break_disk(photo: &Path) {
    fs::remove_file(photo).unwrap();
    std::os::unix::fs::symlink("/proc/self/mem", photo).unwrap();
}

#[test]
fn a_complete_index_replaces_the_old_one() {
    let change = Change::new();
    // Only one folder is given. The photos of the other are kept too, because they are in the library.
    let summary = change.run("a", &[], 0);
    summary.check(&[("embedded", 4), ("unchanged", 0)]);
    assert!(summary.0.contains("the library now uses `other`"), "{}", summary.0);
    change.check("other", 4, None);
    assert_eq!(change.indexes().len(), 1);
    // From now on this is the library's model.
    change.workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 4)]);
    change
        .workspace
        .imgsearch(&["query", "x", "--model", "offline"])
        .assert()
        .code(2)
        .stderr(predicates::str::contains("vectors").and(predicates::str::contains("hint")));
}

#[test]
#[cfg(target_os = "linux")]
fn an_incomplete_index_waits_and_the_next_run_continues() {
    let change = Change::new();
    break_disk(&change.photos[3]);
    let follow = ["--follow-symlinks"];
    let summary = change.run("a", &follow, 2);
    assert!(summary.0.contains("the library uses `offline-lite2-minilm-v2`"), "{}", summary.0);
    change.check(OFFLINE, 4, Some(3));
    // The library still uses the old model, and photos indexed with it are included later.
    change.workspace.photo("b/4.png", 4);
    let run = change.workspace.index(&follow, 2);
    run.check(&[("embedded", 1), ("unchanged", 3), ("skipped", 1)]);
    change.check(OFFLINE, 5, Some(3));
    let run = change.run("a", &follow, 2);
    run.check(&[("embedded", 1), ("unchanged", 3), ("skipped", 1)]);
    change.check(OFFLINE, 5, Some(4));
    // The user excludes it.
    change.run("", &["--exclude", "/b/3.png"], 0).check(&[("embedded", 0), ("unchanged", 4)]);
    change.check("other", 4, None);
}

#[test]
fn the_change_does_not_wait_for_deleted_or_changed_photos() {
    let change = Change::new();
    fs::remove_file(&change.photos[2]).unwrap();
    fs::write(&change.photos[3], "no longer a picture").unwrap();
    change.run("a", &[], 2).check(&[("embedded", 2), ("skipped", 1)]);
    change.check("other", 2, None);
}

#[test]
fn a_library_goes_back_and_forth() {
    let change = Change::new();
    change.run("a", &[], 0);
    change.workspace.index(&["--model", "offline"], 0).check(&[("embedded", 4)]);
    change.check(OFFLINE, 4, None);
    change.run("a", &[], 0).check(&[("embedded", 4)]);
    change.check("other", 4, None);
}

/// When `imgsearch setup` installs a newer offline model, it keeps the older one under its own name.
#[test]
fn a_library_of_an_older_offline_model_works_until_it_is_changed() {
    let workspace = Workspace::new();
    for (name, seed) in [("a/0.png", 0), ("a/1.png", 1)] {
        workspace.photo(name, seed);
    }
    let installed = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let data = workspace.root().join("data/imgsearch");
    let models = data.join("models");
    fs::create_dir_all(&models).unwrap();
    std::os::unix::fs::symlink(installed.join("runtime"), data.join("runtime")).unwrap();
    fs::rename(workspace.other_model(), models.join("offline")).unwrap();
    let run = |args: &[&str]| {
        let mut command = workspace.imgsearch(args);
        let output = command.env("XDG_DATA_HOME", workspace.root().join("data")).assert().success();
        let output = output.get_output().clone();
        [output.stdout, output.stderr].map(|bytes| String::from_utf8(bytes).unwrap())
    };
    let photos = workspace.photos();
    let photos = photos.to_str().unwrap();
    let paths = || run(&["query", "a photo", "--format", "paths"])[0].lines().count();
    run(&["index", photos]);

    fs::rename(models.join("offline"), models.join("other")).unwrap();
    std::os::unix::fs::symlink(installed.join("models/offline"), models.join("offline")).unwrap();
    assert_eq!(paths(), 2);
    let [_, said] = run(&["index", photos]);
    assert!(said.contains("this library uses the model `other`"), "{said}");
    assert!(said.contains(OFFLINE) && said.lines().any(|line| line.starts_with("queries use")), "{said}");
    fs::remove_dir_all(models.join("other")).unwrap();
    assert_eq!(paths(), 2);
}

#[test]
fn a_change_recovers_from_a_crash() {
    let change = Change::new();
    change.run("a", &[], 0);
    let library = change.workspace.root().join("library");
    // The file that names the index in use is lost, but there is only one index.
    let json = fs::read_to_string(library.join("library.json")).unwrap();
    fs::remove_file(library.join("library.json")).unwrap();
    change.check("other", 4, None);
    // The old index is only half removed.
    fs::create_dir_all(library.join("index/catalog")).unwrap();
    fs::write(library.join("library.json"), json.replace('}', r#", "retired": ["index"]}"#)).unwrap();
    change.check("other", 4, None);
    change.workspace.index(&[], 0).check(&[("unchanged", 4)]);
    assert!(!library.join("index").exists());
    fs::write(library.join("library.json"), "{").unwrap();
    change
        .workspace
        .imgsearch(&["query", "x"])
        .assert()
        .code(2)
        .stderr(predicates::str::contains("library.json"));
}

#[test]
fn one_process_changes_a_library_at_a_time() {
    let change = Change::new();
    let library = Library::new(change.workspace.root().join("library"));
    let _locked = library.lock().unwrap();
    let photos = change.workspace.photos();
    for args in [&["index", photos.to_str().unwrap()][..], &["optimize"], &["repair"]] {
        let failed = change.workspace.imgsearch(args).assert().code(2);
        failed.stderr(predicates::str::contains("hint: another imgsearch is changing this library"));
    }
    assert_eq!(change.workspace.found(&[]).len(), 4);
}
