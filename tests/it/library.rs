//! The state of a library: damage is reported, there are no false alarms, and nobody else can read it.

#![cfg(unix)]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use predicates::prelude::*;

use crate::workspace::{Workspace, skip};

fn library(workspace: &Workspace) -> PathBuf {
    workspace.root().join("library")
}

fn golden(name: &str) -> String {
    format!("{}/tests/goldens/models/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// A library of three photos.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for seed in 0..3 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&["--model", &golden("clip-own")], 0);
    workspace
}

/// Runs a command and returns the output of both streams.
#[track_caller]
fn said(workspace: &Workspace, args: &[&str], code: i32) -> String {
    let output = workspace.imgsearch(args).assert().code(code).get_output().clone();
    String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap()
}

#[test]
fn a_lost_manifest_is_reported_and_rebuilt() {
    let workspace = indexed();
    fs::remove_file(library(&workspace).join("index/manifest")).unwrap();
    for command in [&["status"][..], &["doctor"], &["query", "a photo"], &["verify"]] {
        let said = said(&workspace, command, 2);
        assert!(said.contains("the manifest is missing in") && said.contains("imgsearch repair"), "{said}");
    }
    assert!(said(&workspace, &["repair"], 0).contains("repaired; nothing was lost"));
    assert_eq!(workspace.status()["images"], 3);
    said(&workspace, &["verify"], 0);
}

#[test]
fn a_library_that_was_just_begun_is_not_damaged() {
    #[track_caller]
    fn check(begin: impl Fn(&Path)) {
        let workspace = Workspace::new();
        fs::create_dir(library(&workspace)).unwrap();
        begin(&library(&workspace));
        for command in ["verify", "repair"] {
            assert!(said(&workspace, &[command], 0).contains("no problems found"));
        }
        assert_eq!(workspace.status()["images"], 0);
    }
    check(|_| {});
    check(|library| fs::write(library.join("writer.lock"), "1").unwrap());
    check(|library| fs::create_dir(library.join("index")).unwrap());
    // A change of model that was killed right at its start.
    let workspace = indexed();
    fs::create_dir(library(&workspace).join("index-0123456789abcdef")).unwrap();
    said(&workspace, &["verify"], 0);
    said(&Workspace::new(), &["verify"], 2);
}

/// The saved results show that there was an index.
#[test]
fn a_missing_index_is_reported() {
    #[track_caller]
    fn check(lose: impl Fn(&Path)) {
        let workspace = indexed();
        workspace.found(&[]);
        lose(&library(&workspace).join("index"));
        for command in ["verify", "repair"] {
            assert!(said(&workspace, &[command], 2).contains("there is no index in"));
        }
        workspace.index(&["--model", &golden("clip-own")], 0);
        said(&workspace, &["verify"], 0);
    }
    check(|index| fs::remove_dir_all(index).unwrap());
    check(|index| fs::remove_dir_all(index).and_then(|()| fs::create_dir(index)).unwrap());
}

#[test]
fn lost_photos_without_readable_names_are_reported() {
    let workspace = indexed();
    let index = library(&workspace).join("index");
    let entries = fs::read_dir(&index).unwrap().map(|entry| entry.unwrap().path());
    let segments = entries.filter(|path| path.extension().is_some_and(|found| found == "segment"));
    segments.for_each(|segment| fs::remove_file(segment).unwrap());
    fs::remove_dir_all(index.join("catalog")).unwrap();
    assert!(said(&workspace, &["repair"], 2).contains("photos may be lost"));
    workspace.index(&["--model", &golden("clip-own")], 0);
    assert_eq!(workspace.status()["images"], 3);
}

/// The manifest of another library with the same dimension must not assign the vectors to another model.
#[test]
fn another_librarys_manifest_is_refused() {
    let (workspace, other) = (indexed(), Workspace::new());
    other.photo("0.png", 7);
    other.index(&["--model", &golden("resnet-own")], 0);
    fs::copy(library(&other).join("index/manifest"), library(&workspace).join("index/manifest")).unwrap();
    assert!(said(&workspace, &["verify"], 2).contains("the manifest is that of another index"));
    assert!(said(&workspace, &["repair"], 0).contains("repaired; nothing was lost"));
    said(&workspace, &["verify"], 0);
    let status = workspace.status();
    assert_eq!((&status["images"], &status["model"]), (&3.into(), &"clip-own".into()), "{status}");
    let photo = workspace.photos().join("0.png");
    let refused =
        said(&workspace, &["similar", photo.to_str().unwrap(), "--model", &golden("resnet-own")], 2);
    assert!(refused.contains("`clip-own` vectors"), "{refused}");
}

#[test]
fn a_damaged_library_json_is_repaired() {
    let workspace = indexed();
    workspace.index(&["--model", &golden("resnet-own")], 0);
    let file = library(&workspace).join("library.json");
    let json = fs::read_to_string(&file).unwrap();
    for damaged in ["{", &json.replace("index-", "index-0")] {
        fs::write(&file, damaged).unwrap();
        let told = said(&workspace, &["status"], 2);
        assert!(told.contains("the library is damaged") && told.contains("library.json"), "{told}");
        assert!(told.contains("imgsearch repair") && !told.contains("the index is damaged"), "{told}");
        said(&workspace, &["repair"], 0);
        assert_eq!(fs::read_to_string(&file).unwrap(), json);
    }
}

/// Runs a system command and returns whether it succeeded.
fn run(program: &str, args: &[&str], at: &Path) -> bool {
    Command::new(program).args(args).arg(at).output().is_ok_and(|output| output.status.success())
}

/// Needs permission to mount.
#[test]
#[cfg(target_os = "linux")]
fn a_read_only_or_full_disk_is_not_damage() {
    use std::io::Write;
    let workspace = Workspace::new();
    workspace.photo("0.png", 0);
    fs::create_dir(library(&workspace)).unwrap();
    if !run("mount", &["-t", "tmpfs", "-o", "size=8m", "none"], &library(&workspace)) {
        return skip("mounting is not allowed");
    }
    workspace.index(&["--model", &golden("clip-own")], 0);
    let filler = library(&workspace).join("filler");
    // Fill the disk.
    let full = fs::File::create(&filler).and_then(|mut file| file.write_all(&vec![1; 16 << 20]));
    let when_full = workspace.imgsearch(&["verify"]).output().unwrap();
    fs::remove_file(&filler).unwrap();
    assert!(run("mount", &["-o", "remount,ro"], &library(&workspace)));
    let when_read_only = workspace.imgsearch(&["verify"]).output().unwrap();
    assert!(run("umount", &[], &library(&workspace)));
    assert!(full.is_err());
    for output in [when_full, when_read_only] {
        let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.contains("no problems found in 2 records"), "{said}");
    }
}

#[test]
fn nobody_else_can_read_a_library() {
    let workspace = indexed();
    workspace.found(&[]);
    workspace.index(&["--model", &golden("resnet-own")], 0);
    said(&workspace, &["optimize"], 0);
    let all = walkdir::WalkDir::new(library(&workspace)).into_iter().map(Result::unwrap);
    let open = all.filter(|entry| entry.metadata().unwrap().permissions().mode() & 0o077 != 0);
    let open: Vec<_> = open.map(|entry| entry.path().to_owned()).collect();
    assert!(open.is_empty(), "{open:?}");
}

/// With links planted at every predictable name.
#[test]
fn nothing_is_written_through_planted_links() {
    let workspace = indexed();
    let victim = workspace.root().join("victim");
    fs::write(&victim, "mine").unwrap();
    for name in ["writer.lock", "last-results", "index/writer.lock", "index/manifest.tmp"] {
        let planted = library(&workspace).join(name);
        fs::remove_file(&planted).ok();
        std::os::unix::fs::symlink(&victim, planted).unwrap();
    }
    workspace.photo("3.png", 3);
    workspace.index(&["--model", &golden("clip-own")], 0);
    assert_eq!(workspace.found(&[]).len(), 4);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
}

#[test]
fn damaged_results_are_ignored() {
    let workspace = indexed();
    workspace.found(&[]);
    let similar = ["similar", "#1", "--format", "paths"];
    assert_eq!(said(&workspace, &similar, 0).lines().count(), 2);
    for noise in [b"garbage\0".to_vec(), vec![0xff; 1 << 20]] {
        fs::write(library(&workspace).join("last-results"), noise).unwrap();
        let said = said(&workspace, &similar, 2);
        assert!(said.contains("run that query again") && said.len() < 500, "{said}");
    }
}

#[test]
fn a_page_overwrites_only_a_page() {
    let workspace = indexed();
    let (photo, page) = (workspace.photos().join("0.png"), workspace.root().join("page.html"));
    let before = fs::read(&photo).unwrap();
    let html =
        |file: &Path, code| said(&workspace, &["query", "a photo", "--html", file.to_str().unwrap()], code);
    let refused = html(&photo, 2);
    assert!(refused.contains("not a page of imgsearch") && refused.contains("hint: choose"), "{refused}");
    let many = ["query", "--queries", "-", "--html", photo.to_str().unwrap()];
    workspace.imgsearch(&many).write_stdin("a dog\n").assert().code(2).stdout("");
    assert_eq!(fs::read(&photo).unwrap(), before);
    html(&workspace.photos(), 2);
    fs::write(&page, "").unwrap();
    html(&page, 0);
    fs::remove_file(&photo).unwrap();
    html(&page, 0);
    assert!(fs::read_to_string(&page).unwrap().contains("generator"));
    fs::write(&page, "<!DOCTYPE html><title>imgsearch</title>").unwrap();
    html(&page, 2);
}

#[test]
fn a_missing_current_folder_is_reported() {
    let workspace = Workspace::new();
    let gone = workspace.root().join("gone");
    fs::create_dir(&gone).unwrap();
    let script = format!("rmdir '{}' && exec \"$0\" --library here status", gone.display());
    let binary = assert_cmd::cargo::cargo_bin("imgsearch");
    let mut shell = assert_cmd::Command::new("sh");
    shell.args(["-c", &script]).arg(binary).current_dir(&gone).env("IMGSEARCH_CONFIG", workspace.config());
    let named =
        predicate::str::contains("cannot find here").and(predicate::str::contains("no longer exists"));
    shell.assert().code(2).stderr(named);
}
