//! Collections of a library: other vectors of the same files, beside the photos' vectors.

use std::fs;
use std::path::Path;

use imgsearch::Library;
use imgsearch::item::{Item, Part};
use imgsearch::library::{LockedLibrary, Write};
use imgsearch::photo::{Photo, Stamp};
use imgsearch::query::Filter;
use imgsearch_index::{Space, Vector};

use crate::workspace::Workspace;

const STAMP: Stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };

/// A library with two indexed photos, and a collection of three faces.
struct Faces(Workspace);

impl Faces {
    fn new() -> Faces {
        let workspace = Workspace::new();
        workspace.photo("a.png", 1);
        workspace.photo("b.png", 2);
        workspace.index(&[], 0);
        let faces = Faces(workspace);
        let mut collection = faces.lock();
        put(&mut collection, &space("face model", 3), &["/1", "/2", "/3"]);
        faces
    }

    fn library(&self) -> Library {
        Library::new(self.0.root().join("library"))
    }

    fn collection(&self) -> Library {
        self.library().collection("faces").unwrap()
    }

    /// The collection, open for changes.
    fn lock(&self) -> LockedLibrary {
        self.library().lock().unwrap().collection("faces").unwrap().unwrap()
    }

    /// Checks the number of photos and faces, and the model of the faces' vectors.
    #[track_caller]
    fn check(&self, photos: usize, faces: usize, model: &str) {
        let count = |library: Library| library.view().unwrap().count(&Filter::default()).unwrap();
        assert_eq!((count(self.library()), count(self.collection())), (photos, faces));
        assert_eq!(self.collection().view().unwrap().space().label(), model);
        assert_eq!(self.0.found(&[]).len(), photos);
    }
}

fn space(model: &str, dim: usize) -> Space {
    Space::new(model, model, dim).unwrap()
}

/// Stores these in the index for this space. Returns whether it is an index being built beside the one in use.
fn put(collection: &mut LockedLibrary, space: &Space, paths: &[&str]) -> bool {
    let opened = collection.open(space).unwrap();
    let write = |path: &&str| Write::Put {
        item: Item::file(*path),
        content: None,
        photo: Photo::read(STAMP, 0, None),
        vector: Some(Vector::normalized(vec![1.0; space.dim()]).unwrap()),
    };
    opened.sink.apply(paths.iter().map(write).collect()).unwrap();
    opened.sink.close().unwrap();
    opened.replaces.is_some()
}

#[test]
fn a_collection_does_not_change_the_photos() {
    let faces = Faces::new();
    faces.check(2, 3, "face model");
    // There is still no `library.json`, which only a change of model creates.
    assert!(!faces.library().folder().join("library.json").exists());
    assert_eq!(faces.library().collections().len(), 1);
    put(&mut faces.lock(), &space("face model", 3), &["/4"]);
    faces.0.photo("c.png", 3);
    faces.0.index(&[], 0).check(&[("embedded", 1), ("unchanged", 2)]);
    faces.check(3, 4, "face model");
}

#[test]
fn one_lock_guards_a_library_and_its_collections() {
    let faces = Faces::new();
    let locked = faces.library().lock().unwrap();
    assert!(faces.collection().lock().is_err());
    let collection = locked.collection("faces").unwrap().unwrap();
    drop(locked);
    assert!(faces.library().lock().is_err(), "a part of it is open for changes");
    drop(collection);
    let collection = faces.collection().lock().unwrap();
    assert!(faces.library().lock().is_err());
    drop(collection);
    faces.library().lock().unwrap();
}

#[test]
fn another_model_in_one_collection_leaves_the_others_alone() {
    let faces = Faces::new();
    let index = faces.library().index_folder().unwrap();
    let mut collection = faces.lock();
    let other = space("other model", 2);
    assert!(put(&mut collection, &other, &["/1", "/2"]), "it is built beside the one in use");
    faces.check(2, 3, "face model");
    collection.put_into_use(&other).unwrap();
    faces.check(2, 2, "other model");
    assert_eq!(
        (faces.library().index_folder().unwrap(), faces.library().building().unwrap().len()),
        (index, 0)
    );
    assert_eq!(faces.collection().index_folders().unwrap().len(), 1);
    drop(collection);
    // `library.json` is lost, but there is only one index.
    fs::remove_file(faces.collection().folder().join("library.json")).unwrap();
    faces.check(2, 2, "other model");
}

#[test]
#[cfg(unix)]
fn another_model_of_the_photos_leaves_the_collections_alone() {
    let faces = Faces::new();
    let model = faces.0.other_model();
    faces.0.index(&["--model", model.to_str().unwrap()], 0).check(&[("embedded", 2)]);
    faces.check(2, 3, "face model");
    assert_eq!(faces.library().view().unwrap().space().label(), "other");
}

#[test]
fn collections_are_verified_repaired_and_counted() {
    let faces = Faces::new();
    let bytes = |library: Library| library.view().unwrap().stats().bytes_on_disk;
    let all = bytes(faces.library()) + bytes(faces.collection());
    assert_eq!(faces.0.status()["bytes_on_disk"], all);
    faces.0.imgsearch(&["verify"]).assert().success();
    let folder = faces.collection().index_folder().unwrap();
    let segment = |folder: &Path| {
        let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        files.into_iter().find(|path| path.extension().is_some_and(|ending| ending == "segment")).unwrap()
    };
    fs::write(segment(&folder), "damaged").unwrap();
    faces.0.imgsearch(&["verify"]).assert().code(2);
    faces.0.imgsearch(&["repair"]).assert().success();
    faces.check(2, 3, "face model");
    // Its `library.json` is invalid.
    fs::write(faces.collection().folder().join("library.json"), "{").unwrap();
    assert!(faces.collection().view().is_err());
    assert_eq!(faces.0.found(&[]).len(), 2);
    faces.0.index(&[], 0).check(&[("unchanged", 2)]);
    faces.0.imgsearch(&["repair"]).assert().success();
    faces.check(2, 3, "face model");
}

#[test]
fn a_forgotten_folder_leaves_the_collections_too() {
    let faces = Faces::new();
    faces.0.photo("inner/c.png", 3);
    faces.0.index(&[], 0).check(&[("embedded", 1)]);
    let inner = faces.0.photos().canonicalize().unwrap().join("inner");
    let inner = inner.to_str().unwrap();
    // A file with two faces, one of which is only a part, and another file whose only record is of a part.
    let (first, second) = (format!("{inner}/c.png"), format!("{inner}/d.png"));
    let mut collection = faces.lock();
    put(&mut collection, &space("face model", 3), &[&first]);
    let opened = collection.open(&space("face model", 3)).unwrap();
    let part = |path: &str| Write::Put {
        item: Item { path: path.into(), part: Some(Part::Moment { ms: 2 }) },
        content: None,
        photo: Photo::read(STAMP, 0, None),
        vector: Some(Vector::normalized(vec![1.0; 3]).unwrap()),
    };
    opened.sink.apply(vec![part(&first), part(&second)]).unwrap();
    opened.sink.close().unwrap();
    // The next model of the faces is being built, and must not bring them back.
    put(&mut collection, &space("other model", 2), &[&first, "/1"]);
    drop(collection);
    faces.check(3, 6, "face model");

    let said = faces.0.imgsearch(&["forget", inner]).assert().success().get_output().stderr.clone();
    let expected = format!(
        "took 1 photo in {inner} out of the library, and 3 records out of its collections; the files are untouched\n"
    );
    assert_eq!(String::from_utf8(said).unwrap(), expected);
    faces.check(2, 3, "face model");
    let building = faces.collection().building().unwrap();
    assert_eq!(building[0].view.count(&Filter::default()).unwrap(), 1);

    // It is only in a collection.
    put(&mut faces.lock(), &space("face model", 3), &[&first]);
    let said = faces.0.imgsearch(&["forget", inner]).assert().success().get_output().stderr.clone();
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("took 0 photos") && said.contains("1 record out of"), "{said}");
    faces.0.imgsearch(&["forget", inner]).assert().code(1);
}

/// An unrelated folder with such a name stays unchanged.
#[test]
#[cfg(unix)]
fn a_folder_without_an_index_is_not_a_collection() {
    use std::os::unix::fs::PermissionsExt;
    let faces = Faces::new();
    let own = faces.library().folder().join("collection-stamps");
    fs::create_dir(&own).unwrap();
    fs::set_permissions(&own, fs::Permissions::from_mode(0o755)).unwrap();
    faces.library().lock().unwrap();
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&own), faces.library().collections().len()), (0o755, 1));
    assert_eq!(mode(faces.collection().folder()), 0o700);
}
