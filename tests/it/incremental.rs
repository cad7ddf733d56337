//! A run of `index` processes only what has changed since the last one.

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
fn a_changed_file_is_embedded_again_and_a_touched_one_only_read() {
    let workspace = Workspace::new();
    let touched = workspace.photo("a.png", 1);
    let changed = workspace.photo("b.png", 2);
    workspace.photo("c.png", 3);
    workspace.index(&[], 0);
    let later = SystemTime::now() + Duration::from_secs(5);
    set_modified(&touched, later);
    workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 3)]);
    let listed =
        workspace.imgsearch(&["query", "x", "--format", "jsonl", "--fields", "path,modified"]).output();
    let listed = String::from_utf8(listed.unwrap().stdout).unwrap();
    let modified = jiff::Timestamp::try_from(later).unwrap().as_second();
    let modified = jiff::Timestamp::from_second(modified).unwrap().to_string();
    assert!(listed.contains(modified.trim_end_matches('Z')), "{modified} in {listed}");
    fs::write(&changed, crate::workspace::encoded(77, image::ImageFormat::Png)).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 1), ("unchanged", 2)]);
    assert_eq!(workspace.status()["images"], 3);
}

fn set_modified(path: &std::path::Path, time: SystemTime) {
    fs::File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
}

/// Only the inode's change time shows this, because it cannot be set.
#[test]
#[cfg(unix)]
fn a_file_replaced_with_the_same_size_and_time_is_read_again() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = Workspace::new();
    let (replaced, other) = (workspace.photo("a.bmp", 1), workspace.photo("b.bmp", 2));
    workspace.index(&[], 0).check(&[("embedded", 2)]);
    let (before, modified) = (workspace.scores(), fs::metadata(&replaced).unwrap().modified().unwrap());
    fs::write(&replaced, crate::workspace::encoded(77, image::ImageFormat::Bmp)).unwrap();
    set_modified(&replaced, modified);
    workspace.index(&[], 0).check(&[("embedded", 1), ("unchanged", 1)]);
    let after = workspace.scores();
    assert!((before[&replaced] - after[&replaced]).abs() > 1e-3, "it still has its old vector");
    fs::set_permissions(&other, fs::Permissions::from_mode(0o600)).unwrap();
    let same = workspace.index(&[], 0);
    same.check(&[("embedded", 0), ("unchanged", 2)]);
    assert!(same.0.contains("nothing to do"), "{}", same.0);
}

#[test]
fn with_force_everything_is_decoded_again_but_the_same_pixels_keep_their_vector() {
    let workspace = Workspace::new();
    for seed in 0..3 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    fs::write(workspace.photos().join("damaged.png"), b"\x89PNG\r\n\x1a\n").unwrap();
    workspace.index(&[], 2).check(&[("embedded", 3), ("skipped", 1)]);
    let scores = workspace.scores();
    workspace.index(&["--force"], 2).check(&[
        ("embedded", 0),
        ("metadata read again", 3),
        ("skipped", 1),
        ("unchanged", 0),
    ]);
    for (path, score) in workspace.scores() {
        assert!((score - scores[&path]).abs() < 1e-4, "{path:?}");
    }
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
fn a_moved_folder_of_duplicates_is_recognised() {
    let workspace = Workspace::new();
    for copy in 0..30 {
        for seed in 0..4 {
            workspace.photo(&format!("old/{copy}/{seed}.png"), seed);
        }
    }
    workspace.index(&[], 0).check(&[("embedded", 4), ("copied", 116)]);
    for (from, to) in [("old", "new"), ("new", "newer")] {
        fs::rename(workspace.photos().join(from), workspace.photos().join(to)).unwrap();
        workspace.index(&[], 0).check(&[("embedded", 0), ("moved", 120), ("copied", 0), ("removed", 0)]);
    }
    assert_eq!(workspace.found(&[]).len(), 120);
}

#[test]
fn a_root_that_moved_is_recognised_too() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let new = workspace.root().join("elsewhere");
    fs::rename(workspace.photos(), &new).unwrap();
    workspace.index_paths(&[&new], &[], 0).check(&[("embedded", 0), ("moved", 1)]);
    assert_eq!(workspace.found(&[]), [new.canonicalize().unwrap().join("a.png")]);
}

#[test]
fn a_copy_never_gets_the_vector_of_the_file_that_replaced_its_original() {
    // The original is overwritten while its old content appears in many other places. Whatever the order of threads, each
    // path must get the vector of its own content.
    let workspace = Workspace::new();
    let original = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    workspace.photo("a.png", 2);
    let copies: Vec<_> = (0..200).map(|copy| workspace.photo(&format!("z/{copy}.png"), 1)).collect();
    workspace.index(&[], 0);
    let scores = workspace.scores();
    let new = scores[&original];
    let old = scores[&copies[0]];
    assert!((new - old).abs() > 1e-3, "the two pictures look alike to the model");
    for copy in copies {
        assert!((scores[&copy] - old).abs() < 1e-4, "{copy:?}: {} instead of {old}", scores[&copy]);
    }
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
fn photos_outside_the_walked_roots_are_kept() {
    let workspace = Workspace::new();
    let other = workspace.photo("other/a.png", 1);
    workspace.photo("walked/b.png", 2);
    workspace.index(&[], 0);
    fs::remove_file(&other).unwrap();
    workspace.index_paths(&[&workspace.photos().join("walked")], &[], 0);
    assert_eq!(workspace.status()["images"], 2);
}

#[test]
fn a_missing_root_removes_nothing_unless_pruned() {
    let workspace = Workspace::new();
    workspace.photo("disk/a.png", 1);
    workspace.photo("home/b.png", 2);
    workspace.index(&[], 0);
    let (disk, home) = (workspace.photos().join("disk"), workspace.photos().join("home"));
    fs::rename(&disk, workspace.root().join("unmounted")).unwrap();
    workspace.index_paths(&[&disk, &home], &[], 2).check(&[("removed", 0), ("unchanged", 1)]);
    assert_eq!(workspace.status()["images"], 2);
    workspace.index_paths(&[&disk], &["--prune"], 0).check(&[("removed", 1)]);
    assert_eq!(workspace.status()["images"], 1);
}

#[test]
fn excluded_photos_leave_the_library() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.photo("b.gif", 2);
    workspace.photo("sub/deep/c.png", 3);
    workspace.index(&[], 0).check(&[("embedded", 3)]);
    workspace.index(&["--exclude", "*.gif"], 0).check(&[("removed", 1), ("unchanged", 2)]);
    workspace.index(&["--exclude", "sub"], 0).check(&[("embedded", 1), ("removed", 1), ("unchanged", 1)]);
}

#[test]
fn roots_are_indexed_and_kept_even_if_the_rules_exclude_them() {
    let workspace = Workspace::new();
    workspace.photo("seen.png", 1);
    workspace.photo(".hidden/a.png", 2);
    let odd = workspace.photos().join("photo.dat");
    fs::write(&odd, crate::workspace::encoded(3, image::ImageFormat::Png)).unwrap();
    let hidden = workspace.photos().join(".hidden");
    workspace.index_paths(&[&hidden, &workspace.photos(), &odd], &[], 0).check(&[("embedded", 3)]);
    workspace.index(&[], 0).check(&[("unchanged", 1), ("removed", 0)]);
    assert_eq!(workspace.status()["images"], 3);
    fs::remove_dir_all(&hidden).unwrap();
    workspace.index(&[], 0).check(&[("removed", 1)]);
}

#[test]
fn hidden_files_are_indexed_on_request() {
    let workspace = Workspace::new();
    for (name, seed) in [("seen.png", 1), (".hidden/a.png", 2), (".b.png", 3), (".Trash/c.png", 4)] {
        workspace.photo(name, seed);
    }
    workspace.index(&[], 0).check(&[("embedded", 1)]);
    workspace.index(&["--include-hidden"], 0).check(&[("embedded", 2), ("unchanged", 1)]);
}

#[cfg(unix)]
mod interrupted {
    use std::io::{BufRead, BufReader, Read};
    use std::process::{Child, Command, Stdio};

    use crate::workspace::{Summary, Workspace};

    const PHOTOS: u32 = 400;

    /// A run of `index` over [`PHOTOS`] photos that has loaded its model and needs some more seconds.
    fn at_work(workspace: &Workspace) -> Child {
        for seed in 0..PHOTOS {
            workspace.photo(&format!("{seed}.png"), seed);
        }
        let mut child = Command::new(assert_cmd::cargo::cargo_bin("imgsearch"))
            .args(["index", "-v"])
            .arg(workspace.photos())
            .env("IMGSEARCH_LIBRARY", workspace.root().join("library"))
            .env_remove("IMGSEARCH_MODEL")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = BufReader::new(child.stderr.take().unwrap()).lines();
        assert!(said.any(|line| line.unwrap().contains("the image model runs on")));
        // Read its other output, because it would block otherwise.
        std::thread::spawn(move || said.for_each(drop));
        child
    }

    fn press_ctrl_c(child: &Child) {
        let pid = child.id().to_string();
        assert!(Command::new("kill").args(["-INT", &pid]).status().unwrap().success());
    }

    #[test]
    fn ctrl_c_keeps_finished_work_and_the_next_run_continues() {
        let workspace = Workspace::new();
        let mut child = at_work(&workspace);
        press_ctrl_c(&child);
        assert_eq!(child.wait().unwrap().code(), Some(130));
        let mut summary = String::new();
        child.stdout.take().unwrap().read_to_string(&mut summary).unwrap();
        assert!(summary.contains("finished work is kept"), "{summary}");
        let done = Summary(summary).count("embedded");
        assert!(done < u64::from(PHOTOS));
        workspace.index(&[], 0).check(&[("embedded", u64::from(PHOTOS) - done), ("unchanged", done)]);
    }

    #[test]
    fn a_killed_run_is_continued() {
        let workspace = Workspace::new();
        let mut child = at_work(&workspace);
        // `status` works while another process indexes. (A fast machine may finish before anything is published.)
        while workspace.status()["images"] == 0 && child.try_wait().unwrap().is_none() {}
        child.kill().unwrap();
        child.wait().unwrap();
        let next = workspace.index(&[], 0);
        let (embedded, unchanged) = (next.count("embedded"), next.count("unchanged"));
        assert_eq!(embedded + unchanged, u64::from(PHOTOS));
        assert!(unchanged > 0, "published photos were lost");
        assert_eq!(workspace.found(&[]).len(), PHOTOS as usize);
    }
}
