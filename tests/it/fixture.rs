//! A library of an earlier version opens, answers queries, and is continued by a run.
//!
//! `tests/fixtures/library-1` was made at commit 8e04607 with the model `tests/goldens/models/clip-own`, by two runs of
//! `imgsearch index /imgsearch-fixture/photos` and one `imgsearch query 'a photo'`. Whenever the stored format changes,
//! add another library, and never recreate an old one.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use imgsearch::Library;
use imgsearch::item::Item;
use serde_json::{Value, json};

use crate::accounting::small_model;
use crate::workspace::Workspace;

/// The folder of its photos.
const PHOTOS: &str = "/imgsearch-fixture/photos";

/// Names, scores, titles and cameras of the results for `a photo` when it was made, best first.
const FOUND: [(&str, f64, Option<&str>, Option<&str>); 4] = [
    ("b.png", 0.5761404, Some("Harbour"), None),
    ("a's copy.jpg", 0.49030817, None, Some("Google Pixel 7")),
    ("a.jpg", 0.49030817, None, Some("Google Pixel 7")),
    ("c.JPG", 0.4541099, None, None),
];

fn copy(from: &Path, to: &Path) {
    for entry in walkdir::WalkDir::new(from).into_iter().map(Result::unwrap) {
        let to = to.join(entry.path().strip_prefix(from).unwrap());
        if entry.file_type().is_dir() {
            fs::create_dir_all(to).unwrap();
        } else {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

struct Older {
    workspace: Workspace,
}

impl Older {
    /// A copy of the library, and a copy of its photos in another place.
    fn new() -> Older {
        let older = Older { workspace: Workspace::new() };
        let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/library-1");
        copy(&fixture.join("library"), older.library().folder());
        copy(&fixture.join("photos"), &older.workspace.photos());
        older
    }

    fn library(&self) -> Library {
        Library::new(self.workspace.root().join("library"))
    }

    /// Checks that queries still return the original results, in this folder.
    #[track_caller]
    fn check(&self, folder: &Path) {
        let model = small_model();
        let query =
            ["query", "a photo", "--format", "jsonl", "--fields", "path,score,title,camera", "--model"];
        let output = self.workspace.imgsearch(&query).arg(model).assert().success().get_output().clone();
        let lines: Vec<Value> = output
            .stdout
            .split(|byte| *byte == b'\n')
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect();
        assert_eq!(lines.len(), FOUND.len());
        for (found, (name, score, title, camera)) in lines.iter().zip(FOUND) {
            let path: PathBuf = folder.join(name);
            assert_eq!(
                (&found["path"], &found["title"], &found["camera"]),
                (&json!(path), &json!(title), &json!(camera))
            );
            assert!((found["score"].as_f64().unwrap() - score).abs() < 1e-3, "{found}");
        }
    }
}

#[test]
fn a_library_of_an_earlier_version_answers() {
    let older = Older::new();
    older.check(Path::new(PHOTOS));
    let status = older.workspace.status();
    assert_eq!(
        (
            &status["model"],
            &status["images"],
            &status["skipped"],
            &status["stood_back"],
            &status["last_indexed"]
        ),
        (&json!("clip-own"), &json!(4), &json!({"damaged": 1}), &json!(1), &json!("2026-11-29T23:36:00Z"))
    );
    assert_eq!(status["not_pictures"], json!({"videos": 1, "sidecars": 1, "others": 1}));
    older.workspace.imgsearch(&["verify"]).assert().success();
}

/// No file has to be read again if its stamp is unchanged.
#[test]
fn the_records_of_an_earlier_version_are_current() {
    let view = Older::new().library().view().unwrap();
    let mut records = 0;
    let visit = &mut |stored: imgsearch::library::Stored, _| {
        let photo = stored.photo.unwrap();
        assert!(photo.is_current(&photo.stamp, &[]), "{:?}", stored.item);
        records += 1;
        ControlFlow::Continue(())
    };
    view.each_item(visit).unwrap();
    // Four photos, a damaged one, and a file that is not a picture.
    assert_eq!(records, 6);
    assert!(view.get(&Item::file(Path::new(PHOTOS).join("c.DNG"))).unwrap().is_none());
}

/// Tests cannot write to the original folder, so for the run, the photos have moved.
#[test]
fn a_library_of_an_earlier_version_is_continued_and_nothing_is_embedded_again() {
    let older = Older::new();
    let photos = older.workspace.photos();
    let model = small_model();
    let args = ["--prune", "--model", model.to_str().unwrap()];
    let index = |exit| older.workspace.index_paths(&[&photos, Path::new(PHOTOS)], &args, exit);
    index(2).check(&[("embedded", 0), ("moved", 4), ("skipped", 1)]);
    older.check(&photos.canonicalize().unwrap());
    index(0).check(&[("unchanged", 4), ("embedded", 0), ("moved", 0), ("removed", 0)]);
    older.workspace.photo("d.png", 5);
    index(0).check(&[("unchanged", 4), ("embedded", 1)]);
}
