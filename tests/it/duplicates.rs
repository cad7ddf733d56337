//! `duplicates` finds copies, versions and bursts, and says which to keep.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use image::{DynamicImage, Rgb, RgbImage, imageops};
use serde_json::Value;

use crate::workspace::{Workspace, scene};

fn save(workspace: &Workspace, name: &str, picture: &RgbImage) {
    let path = workspace.photos().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    DynamicImage::ImageRgb8(picture.clone()).save(path).unwrap();
}

/// `0.png`, an exact copy, two versions and a shifted one; `1.png`, alone; `2.png` and a link to it.
fn library() -> Workspace {
    let workspace = Workspace::new();
    let first = scene(1);
    save(&workspace, "0.png", &first);
    let original = workspace.photos().join("0.png");
    fs::copy(&original, workspace.photos().join("0-copy.png")).unwrap();
    fs::File::options().write(true).open(&original).unwrap().set_modified(UNIX_EPOCH).unwrap();
    save(&workspace, "sub/0-small.jpg", &imageops::thumbnail(&first, 75, 50));
    save(&workspace, "sub/0-turned.jpg", &imageops::rotate90(&first));
    save(&workspace, "sub/0-cut.png", &imageops::crop_imm(&first, 5, 3, 140, 94).to_image());
    save(&workspace, "1.png", &scene(2));
    save(&workspace, "2.png", &scene(3));
    std::os::unix::fs::symlink(workspace.photos().join("2.png"), workspace.photos().join("2-link.png"))
        .unwrap();
    workspace.index(&["--follow-symlinks"], 0);
    workspace
}

fn lines(workspace: &Workspace, args: &[&str]) -> Vec<Value> {
    let args = [&["duplicates", "--format", "jsonl"], args].concat();
    let output = workspace.imgsearch(&args).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The names of the files listed.
fn names(lines: &[Value]) -> BTreeSet<&str> {
    lines
        .iter()
        .map(|line| Path::new(line["path"].as_str().unwrap()).file_name().unwrap().to_str().unwrap())
        .collect()
}

#[track_caller]
fn check(args: &[&str], expected: &[&str]) {
    let workspace = library();
    let lines = lines(&workspace, args);
    assert_eq!(names(&lines), expected.iter().copied().collect());
    assert!(lines.iter().all(|line| line["group"] == 1), "{lines:?}");
}

#[test]
fn each_likeness_takes_in_those_before_it() {
    check(&["--exact"], &["0.png", "0-copy.png"]);
    check(&[], &["0.png", "0-copy.png", "0-small.jpg", "0-turned.jpg"]);
    check(&["--re-encoded"], &["0.png", "0-copy.png", "0-small.jpg", "0-turned.jpg"]);
    check(&["--similar"], &["0.png", "0-copy.png", "0-small.jpg", "0-turned.jpg", "0-cut.png"]);
    check(&["--print", "keep"], &["0.png"]);
    check(&["--print", "rest", "--exact"], &["0-copy.png"]);
}

#[test]
fn one_photo_of_each_group_is_kept() {
    let workspace = library();
    let lines = lines(&workspace, &["--similar"]);
    let kept: Vec<_> = lines.iter().filter(|line| line["keep"] == true).collect();
    assert_eq!(kept.len(), 1);
    // Of the two with the most pixels and bytes the older one.
    assert!(kept[0]["path"].as_str().unwrap().ends_with("/0.png"));
    assert!(lines.iter().all(|line| line["likeness"] == "similar" && line["size"].is_u64()), "{lines:?}");
}

#[test]
fn which_one_is_kept_can_be_chosen() {
    let workspace = Workspace::new();
    let picture = scene(1);
    save(&workspace, "best.jpg", &picture);
    save(&workspace, "largest.bmp", &imageops::thumbnail(&picture, 140, 93));
    save(&workspace, "oldest.jpg", &imageops::thumbnail(&picture, 75, 50));
    let oldest = fs::File::options().write(true).open(workspace.photos().join("oldest.jpg")).unwrap();
    oldest.set_modified(UNIX_EPOCH).unwrap();
    workspace.index(&[], 0);
    let kept = |args: &[&str]| {
        let lines = lines(&workspace, &[args, &["--print", "keep"]].concat());
        names(&lines).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(kept(&[]), ["best.jpg"]);
    assert_eq!(kept(&["--keep", "best"]), ["best.jpg"]);
    assert_eq!(kept(&["--keep", "largest"]), ["largest.bmp"]);
    assert_eq!(kept(&["--keep", "oldest"]), ["oldest.jpg"]);
}

#[test]
fn only_folders_that_are_named_are_looked_at() {
    let workspace = library();
    let sub = workspace.photos().join("sub");
    assert_eq!(names(&lines(&workspace, &[sub.to_str().unwrap()])), ["0-small.jpg", "0-turned.jpg"].into());
}

#[test]
fn what_changed_or_is_gone_is_not_called_a_duplicate() {
    let workspace = library();
    fs::write(workspace.photos().join("0.png"), "something else").unwrap();
    let output = workspace.imgsearch(&["duplicates", "--exact"]).assert().code(1).get_output().clone();
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("changed"), "the reason is told");
}

#[test]
fn nothing_is_found_among_different_photos() {
    let workspace = Workspace::new();
    for seed in 1..4 {
        save(&workspace, &format!("{seed}.png"), &scene(seed));
    }
    workspace.index(&[], 0);
    workspace.imgsearch(&["duplicates", "--similar"]).assert().code(1).stdout("");
}

#[test]
fn paths_for_scripts_end_as_asked() {
    let workspace = library();
    let output =
        workspace.imgsearch(&["duplicates", "--print", "rest", "-0"]).assert().success().get_output().clone();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == 0).count(), 3);
    assert!(fs::metadata(workspace.photos().join("0.png")).is_ok(), "nothing is deleted");
    workspace.imgsearch(&["duplicates", "--exact", "--similar"]).assert().code(2);
}

#[test]
fn pictures_of_nothing_are_no_duplicates_of_each_other() {
    let workspace = Workspace::new();
    for grey in [10, 200] {
        save(&workspace, &format!("{grey}.png"), &RgbImage::from_pixel(60, 40, Rgb([grey; 3])));
    }
    workspace.index(&[], 0);
    workspace.imgsearch(&["duplicates"]).assert().code(1).stdout("");
}
