//! Parts of files, such as the moments of a video: they are found, and they come and go with their file.

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

/// Gives a photo of the library parts that look as it does.
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
fn parts_are_found_and_count_for_no_photos_and_no_duplicates() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.photo("b.png", 2);
    workspace.index(&[], 0);
    add_moments(&workspace, &photo, &[0, 500]);
    assert_eq!(workspace.found(&[]).iter().filter(|path| **path == photo).count(), 3);
    assert_eq!(workspace.found(&["--in", photo.to_str().unwrap()]).len(), 3);
    assert_eq!(workspace.status()["images"], 2);
    workspace.imgsearch(&["duplicates"]).assert().code(1);
    // Nothing about the file has changed, so its parts stay as they are.
    workspace.index(&[], 0).check(&[("unchanged", 2), ("removed", 0)]);
    assert_eq!(workspace.found(&[]).len(), 4);
}

#[test]
fn parts_go_with_their_file() {
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
    // A file that is walked as a root of its own is swept with its parts as well.
    fs::remove_file(&other).unwrap();
    workspace.index_paths(&[&other], &["--prune"], 0).check(&[("removed", 1)]);
    assert_eq!(library(&workspace).view().unwrap().get(&moment(&other, 7)).unwrap(), None);
}

/// A photo that was moved is one that is gone here and new there: its old parts go.
#[test]
fn the_parts_of_a_moved_file_do_not_stay_behind() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    add_moments(&workspace, &photo, &[7]);
    fs::rename(&photo, workspace.photos().join("b.png")).unwrap();
    workspace.index(&[], 0).check(&[("moved", 1), ("removed", 0)]);
    assert_eq!(library(&workspace).view().unwrap().get(&moment(&photo, 7)).unwrap(), None);
    assert_eq!(workspace.found(&[]).len(), 1);
}
