//! Parts of files, such as moments of a video: they are found, and they are removed with their file.

use std::fs;
use std::path::Path;

use imgsearch::Library;
use imgsearch::item::{Item, Part};
use imgsearch::library::{Stored, Write};

use crate::workspace::Workspace;

fn library(workspace: &Workspace) -> Library {
    Library::new(workspace.root().join("library"))
}

fn moment(path: &Path, ms: u32) -> Item {
    Item { path: path.into(), part: Some(Part::Moment { ms }) }
}

/// Adds parts with the same vector to a photo in the library.
fn add_moments(workspace: &Workspace, path: &Path, moments: &[u32]) {
    let view = library(workspace).view().unwrap();
    let Stored { content, photo, vector, .. } = view.get(&Item::file(path)).unwrap().unwrap();
    let part = |ms: &u32| Write::Put {
        item: moment(path, *ms),
        content,
        photo: photo.clone().unwrap(),
        vector: vector.clone(),
    };
    let mut locked = library(workspace).lock().unwrap();
    let sink = locked.open(view.space()).unwrap().sink;
    sink.apply(moments.iter().map(part).collect()).unwrap();
    sink.close().unwrap();
}

#[test]
fn parts_are_found_but_do_not_count_as_photos_or_duplicates() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.photo("b.png", 2);
    workspace.index(&[], 0);
    add_moments(&workspace, &photo, &[0, 500]);
    assert_eq!(workspace.found(&[]).iter().filter(|path| **path == photo).count(), 3);
    assert_eq!(workspace.found(&["--in", photo.to_str().unwrap()]).len(), 3);
    assert_eq!(workspace.status()["images"], 2);
    workspace.imgsearch(&["duplicates"]).assert().code(1);
    // The file has not changed, so its parts are kept.
    workspace.index(&[], 0).check(&[("unchanged", 2), ("removed", 0)]);
    assert_eq!(workspace.found(&[]).len(), 4);
}

#[test]
fn parts_are_removed_with_their_file() {
    let workspace = Workspace::new();
    let (gone, other) = (workspace.photo("a.png", 1), workspace.photo("a.png.png", 2));
    workspace.index(&[], 0);
    for path in [&gone, &other] {
        add_moments(&workspace, path, &[7]);
    }
    fs::remove_file(&gone).unwrap();
    workspace.index(&[], 0).check(&[("removed", 1), ("unchanged", 1)]);
    let view = library(&workspace).view().unwrap();
    assert_eq!(view.get(&moment(&gone, 7)).unwrap(), None);
    assert!(view.get(&moment(&other, 7)).unwrap().is_some());
    // A file given as a root is swept with its parts too.
    fs::remove_file(&other).unwrap();
    workspace.index_paths(&[&other], &["--prune"], 0).check(&[("removed", 1)]);
    assert_eq!(library(&workspace).view().unwrap().get(&moment(&other, 7)).unwrap(), None);
}

fn has(workspace: &Workspace, path: &Path, ms: u32) -> bool {
    library(workspace).view().unwrap().get(&moment(path, ms)).unwrap().is_some()
}

/// A file of a known content is stored with all that is known of it, and that includes its parts.
#[test]
fn parts_are_copied_and_moved_with_their_file() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    add_moments(&workspace, &photo, &[7, 9]);
    let copy = workspace.photo("copy.png", 1);
    workspace.index(&[], 0).check(&[("copied", 1), ("unchanged", 1), ("embedded", 0)]);
    let new = workspace.photos().join("b.png");
    fs::rename(&photo, &new).unwrap();
    workspace.index(&[], 0).check(&[("moved", 1), ("unchanged", 1), ("removed", 0), ("embedded", 0)]);
    for ms in [7, 9] {
        assert!(has(&workspace, &copy, ms) && has(&workspace, &new, ms) && !has(&workspace, &photo, ms));
    }
    assert_eq!((workspace.found(&[]).len(), &workspace.status()["images"]), (6, &serde_json::json!(2)));
    // They stay when only what is known of the file changes, and go when its content is another.
    fs::write(workspace.photos().join("b.png.xmp"), "<x/>").unwrap();
    workspace.index(&[], 0).check(&[("unchanged", 2), ("embedded", 0)]);
    assert!(has(&workspace, &new, 7));
    workspace.index(&["--force"], 0).check(&[("metadata read again", 2), ("embedded", 0)]);
    assert!(has(&workspace, &new, 7) && has(&workspace, &copy, 9));
    workspace.photo("b.png", 2);
    workspace.index(&[], 0).check(&[("embedded", 1), ("unchanged", 1)]);
    assert!(!has(&workspace, &new, 7) && has(&workspace, &copy, 7));
}

/// A moved photo is deleted in one place and new in another, so its old parts are removed.
#[test]
fn the_parts_of_a_moved_file_are_removed() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    add_moments(&workspace, &photo, &[7]);
    fs::rename(&photo, workspace.photos().join("b.png")).unwrap();
    workspace.index(&[], 0).check(&[("moved", 1), ("removed", 0)]);
    assert!(!has(&workspace, &photo, 7));
    assert_eq!(workspace.found(&[]).len(), 2);
}
