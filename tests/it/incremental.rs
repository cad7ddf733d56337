//! A run of `index` does only what changed since the last one.

use std::fs;
use std::time::{Duration, SystemTime};

use crate::workspace::Workspace;

#[test]
fn a_second_run_embeds_nothing_and_says_so() {
    let workspace = Workspace::new();
    for seed in 0..5 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0).check(&[("embedded", 5), ("unchanged", 0)]);
    let second = workspace.index(&[], 0);
    second.check(&[("embedded", 0), ("unchanged", 5)]);
    assert!(second.0.contains("nothing to do"), "{}", second.0);
}

#[test]
fn a_touched_or_changed_file_is_embedded_again() {
    let workspace = Workspace::new();
    let touched = workspace.photo("a.png", 1);
    let changed = workspace.photo("b.png", 2);
    workspace.photo("c.png", 3);
    workspace.index(&[], 0);
    let later = SystemTime::now() + Duration::from_secs(5);
    fs::File::options().write(true).open(touched).unwrap().set_modified(later).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 1), ("unchanged", 2)]);
    fs::write(&changed, crate::workspace::encoded(77, image::ImageFormat::Png)).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 1), ("unchanged", 2)]);
    assert_eq!(workspace.status()["images"], 3);
}

#[test]
fn a_deleted_file_leaves_the_results() {
    let workspace = Workspace::new();
    let gone = workspace.photo("gone.png", 1);
    let stays = workspace.photo("stays.png", 2);
    workspace.index(&[], 0);
    fs::remove_file(&gone).unwrap();
    workspace.index(&[], 0).check(&[("removed", 1), ("unchanged", 1)]);
    assert_eq!(workspace.found(&[]), [stays]);
}

#[test]
fn a_moved_folder_is_recognised() {
    let workspace = Workspace::new();
    for seed in 0..4 {
        workspace.photo(&format!("old/{seed}.jpg"), seed);
    }
    workspace.index(&[], 0);
    fs::rename(workspace.photos().join("old"), workspace.photos().join("new")).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 0), ("moved", 4), ("removed", 0)]);
    let found = workspace.found(&[]);
    assert_eq!(found.len(), 4);
    assert!(found.iter().all(|path| path.starts_with(workspace.photos().join("new"))), "{found:?}");
}

#[test]
fn a_root_that_moved_is_recognised_too() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let new = workspace.root().join("elsewhere");
    fs::rename(workspace.photos(), &new).unwrap();
    let output = workspace.imgsearch(&["index"]).arg(&new).assert().success().get_output().clone();
    crate::workspace::Summary(String::from_utf8(output.stdout).unwrap())
        .check(&[("embedded", 0), ("moved", 1)]);
    assert_eq!(workspace.found(&[]), [new.canonicalize().unwrap().join("a.png")]);
}

#[test]
fn a_copy_is_stored_without_embedding() {
    let workspace = Workspace::new();
    let original = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    fs::copy(&original, workspace.photos().join("b.png")).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 0), ("copied", 1), ("unchanged", 1)]);
    assert_eq!(workspace.found(&[]).len(), 2);
}

#[test]
fn what_is_outside_the_walked_roots_stays() {
    let workspace = Workspace::new();
    let other = workspace.photo("other/a.png", 1);
    workspace.photo("walked/b.png", 2);
    workspace.index(&[], 0);
    fs::remove_file(&other).unwrap();
    workspace.imgsearch(&["index"]).arg(workspace.photos().join("walked")).assert().success();
    assert_eq!(workspace.status()["images"], 2);
}

#[test]
fn a_missing_root_is_told_and_removes_nothing() {
    let workspace = Workspace::new();
    workspace.photo("disk/a.png", 1);
    let kept = workspace.photo("home/b.png", 2);
    workspace.index(&[], 0);
    fs::rename(workspace.photos().join("disk"), workspace.root().join("unmounted")).unwrap();
    let output = workspace
        .imgsearch(&["index"])
        .args([workspace.photos().join("disk"), kept.parent().unwrap().to_owned()])
        .assert()
        .code(2)
        .get_output()
        .clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("disk"));
    assert_eq!(workspace.status()["images"], 2);
}

#[test]
fn excluded_photos_leave_the_library() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.photo("b.gif", 2);
    workspace.index(&[], 0).check(&[("embedded", 2)]);
    workspace.index(&["--exclude", "*.gif"], 0).check(&[("removed", 1), ("unchanged", 1)]);
}

#[test]
#[cfg(unix)]
fn ctrl_c_keeps_what_was_done_and_the_next_run_goes_on() {
    use std::process::{Command, Stdio};
    let workspace = Workspace::new();
    for seed in 0..400 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    let mut child = Command::new(assert_cmd::cargo::cargo_bin("imgsearch"))
        .arg("index")
        .arg(workspace.photos())
        .env("IMGSEARCH_LIBRARY", workspace.root().join("library"))
        .env_remove("IMGSEARCH_MODEL")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(1500));
    let pid = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    let exit = child.wait().unwrap();
    assert_eq!(exit.code(), Some(130));
    let mut summary = String::new();
    std::io::Read::read_to_string(&mut child.stdout.take().unwrap(), &mut summary).unwrap();
    assert!(summary.contains("what was done is kept"), "{summary}");
    let done = crate::workspace::Summary(summary).count("embedded");
    workspace.index(&[], 0).check(&[("embedded", 400 - done), ("unchanged", done)]);
}
