//! Named roots and shares: several machines that see one archive at different places fill and use one library.

use std::fs;
use std::path::{Path, PathBuf};

use crate::workspace::{Summary, Workspace};

/// `photos=FOLDER`.
fn root(folder: &Path) -> String {
    format!("photos={}", folder.display())
}

/// Indexes the root named `photos` on a machine that has it at `folder`.
#[track_caller]
fn index(workspace: &Workspace, folder: &Path, args: &[&str]) -> Summary {
    workspace.index_paths(&[], &[&["--root", &root(folder)][..], args].concat(), 0)
}

fn found(workspace: &Workspace, folder: &Path, args: &[&str]) -> Vec<PathBuf> {
    let mut found = workspace.found(&[&["--root", &root(folder)][..], args].concat());
    found.sort();
    found
}

/// Four photos at one place, and the path to another place for the same archive.
fn archive() -> (Workspace, PathBuf, PathBuf) {
    let workspace = Workspace::new();
    for seed in 0..4 {
        workspace.photo(&format!("{}/{seed}.png", seed % 2), seed);
    }
    let here = workspace.photos().canonicalize().unwrap();
    let there = here.with_file_name("mounted elsewhere");
    (workspace, here, there)
}

#[test]
fn machines_with_other_mount_points_share_a_library() {
    let (workspace, here, there) = archive();
    index(&workspace, &here, &[]).check(&[("embedded", 4)]);
    let all = |folder: &Path| ["0/0.png", "0/2.png", "1/1.png", "1/3.png"].map(|name| folder.join(name));
    assert_eq!(found(&workspace, &here, &[]), all(&here));
    // Another machine.
    fs::rename(&here, &there).unwrap();
    assert_eq!(found(&workspace, &there, &[]), all(&there));
    index(&workspace, &there, &[]).check(&[("unchanged", 4), ("removed", 0)]);
    // Filters are about paths of this machine.
    let inside = there.join("1");
    assert_eq!(found(&workspace, &there, &["--in", inside.to_str().unwrap()]).len(), 2);
    assert_eq!(found(&workspace, &there, &["--in", there.parent().unwrap().to_str().unwrap()]).len(), 4);
    let pattern = format!("{}/0/*.png", there.display());
    assert_eq!(found(&workspace, &there, &["--glob", &pattern]).len(), 2);
    // So is what was deleted.
    fs::remove_file(there.join("1/3.png")).unwrap();
    index(&workspace, &there, &[]).check(&[("unchanged", 3), ("removed", 1)]);
    // A machine that does not know the root sees stored paths, and removes nothing.
    let stored = workspace.found(&[]);
    assert!(stored.len() == 3 && stored.iter().all(|path| path.starts_with("@photos")), "{stored:?}");
    fs::create_dir(&here).unwrap();
    fs::copy(there.join("0/0.png"), here.join("copy.png")).unwrap();
    workspace.index_paths(&[&here], &[], 0).check(&[("copied", 1), ("removed", 0)]);
    assert_eq!(workspace.found(&[]).len(), 4);
}

#[test]
fn an_existing_library_gets_a_named_root() {
    let (workspace, here, there) = archive();
    workspace.index(&[], 0).check(&[("embedded", 4)]);
    workspace.imgsearch(&["library", "move-root", here.to_str().unwrap(), "@photos"]).assert().success();
    fs::rename(&here, &there).unwrap();
    index(&workspace, &there, &[]).check(&[("unchanged", 4)]);
    assert_eq!(found(&workspace, &there, &[]).len(), 4);
}

#[test]
fn roots_come_from_the_config_file_and_are_checked() {
    let (workspace, here, _) = archive();
    fs::write(workspace.config(), format!("root = [\"{}\"]\n", root(&here))).unwrap();
    workspace.index_paths(&[], &[], 0).check(&[("embedded", 4)]);
    assert!(workspace.found(&[]).iter().all(|path| path.starts_with(&here)));
    let refused = |root: &str| {
        let output = workspace.imgsearch(&["status", "--root", root]).assert().code(2).get_output().clone();
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(refused("photos").contains("does not say which folder"));
    assert!(refused("a/b=/c").contains("cannot be the name of a root"));
    // Without a named root, and before anything was indexed.
    let output = Workspace::new().imgsearch(&["index"]).assert().code(2).get_output().clone();
    assert!(String::from_utf8(output.stderr).unwrap().contains("no folder has been indexed yet"));
}

#[test]
fn workers_with_shares_read_every_photo_once() {
    let (workspace, here, _) = archive();
    let embedded = |share: &str| {
        let summary = index(&workspace, &here, &["--worker", share]).0;
        let number = |line: &str| line.split_whitespace().last().unwrap().parse::<u32>().unwrap();
        // A line with 0 is not printed.
        summary.lines().find(|line| line.trim_start().starts_with("embedded")).map_or(0, number)
    };
    let shares = [embedded("1/3"), embedded("2/3"), embedded("3/3")];
    assert_eq!(shares.iter().sum::<u32>(), 4, "{shares:?}");
    index(&workspace, &here, &[]).check(&[("embedded", 0), ("unchanged", 4)]);
    workspace.imgsearch(&["index", "--worker", "4/3"]).assert().code(2);
}
