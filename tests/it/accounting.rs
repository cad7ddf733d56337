//! Every file in a folder is accounted for: indexed, skipped with a reason, or counted as another kind of file.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use image::ImageFormat;
use imgsearch::Library;
use imgsearch::ingest::{Event, Plan, Reporter, Totals, index};
use imgsearch::library::Stored;
use imgsearch::model::Model;
use imgsearch::query::Filter;
use imgsearch::walk::resolve_roots;

use crate::model_goldens::execution;
use crate::workspace::{Workspace, dng, encoded, jpeg};

/// A small model, because the offline model would take seconds.
pub(crate) fn small_model() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models/clip-own")
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

fn plan(workspace: &Workspace) -> Plan {
    // A folder given twice, directly and inside another, is counted once.
    let roots = resolve_roots(&[workspace.photos(), workspace.photos().join("sub")]).0;
    Plan { threads: 2, ..Plan::new(roots, SystemTime::now()) }
}

fn run(model: &Model, workspace: &Workspace, plan: &Plan) -> Totals {
    let library = workspace.root().join("library");
    fs::create_dir_all(&library).unwrap();
    let mut library = Library::new(library).lock().unwrap();
    index(&mut library, model, plan, &Silent, &AtomicBool::new(false)).unwrap()
}

/// A reproducible generator of pseudo-random numbers (Knuth's MMIX).
pub(crate) struct Numbers(pub(crate) u64);

impl Numbers {
    pub(crate) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        usize::try_from(self.0 >> 33).unwrap() % limit
    }

    fn seed(&mut self) -> u32 {
        u32::try_from(self.below(6)).unwrap()
    }
}

/// Writes a random file with a random name into one of these folders below `root`, and returns its path.
pub(crate) fn write_one(numbers: &mut Numbers, root: &Path, folders: &[&str]) -> PathBuf {
    const NAMES: &[&str] = &[
        "a.jpg",
        "a.JPG",
        "a.DNG",
        "a.jpeg",
        "b.cr2",
        "b.jpg",
        "c.png",
        "c.psd",
        "c.xmp",
        "d.mov",
        "d",
        "e.jpeg~2",
        "e.pdf",
        "f.xyz",
        "f.json",
        "f.3fr",
        ".hidden.jpg",
        "g.webp",
    ];
    let path = root.join(folders[numbers.below(folders.len())]).join(NAMES[numbers.below(NAMES.len())]);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let seed = numbers.seed();
    let content = match numbers.below(9) {
        0 => jpeg(320, 240, seed),
        1 => jpeg(100, 75, seed),
        2 => encoded(seed, ImageFormat::Png),
        3 => dng(seed),
        4 => jpeg(320, 240, seed)[..300].to_vec(),
        5 => Vec::new(),
        6 => b"Dear diary".to_vec(),
        7 => b"8BPS\0\x01".to_vec(),
        _ => vec![0xFF; 40],
    };
    fs::write(&path, content).unwrap();
    path
}

/// The files in a folder that the rules do not exclude.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = walkdir::WalkDir::new(folder).into_iter().map(|entry| entry.unwrap().into_path());
    let is_hidden = |path: &PathBuf| path.file_name().unwrap().to_str().unwrap().starts_with('.');
    entries.filter(|path| path.is_file() && !is_hidden(path)).collect()
}

/// Checks that the library has a record with a vector for each photo in the totals, and no others.
#[track_caller]
fn check(workspace: &Workspace, totals: &Totals, round: &str) {
    assert_eq!(totals.files(), files(&workspace.photos()).len() as u64, "{round}: {totals:?}");
    let photos = totals.embedded + totals.unchanged + totals.reread + totals.moved + totals.copied;
    let view = Library::new(workspace.root().join("library")).view().unwrap();
    assert_eq!(view.count(&Filter::default()).unwrap() as u64, photos, "{round}: {totals:?}");
    // A RAW file is missing only if a JPEG of its name is in the library.
    let mut has_vector = BTreeMap::new();
    let note = &mut |stored: Stored, is_photo| {
        has_vector.insert(stored.item.path, is_photo);
        ControlFlow::Continue(())
    };
    view.each_item(note).unwrap();
    let is = |path: &Path| has_vector.get(path).copied();
    for raw in files(&workspace.photos()) {
        if raw.extension().is_some_and(|ending| ending == "DNG" || ending == "cr2") && is(&raw).is_none() {
            let jpegs = ["jpg", "JPG", "jpeg"].map(|ending| raw.with_extension(ending));
            assert!(jpegs.iter().any(|jpeg| is(jpeg) == Some(true)), "{round}: {raw:?} is lost");
        }
    }
}

#[test]
fn every_file_of_any_tree_is_counted_once() {
    let model = Model::open(&small_model(), execution(None)).unwrap();
    for tree in 0..8 {
        let (workspace, mut numbers) = (Workspace::new(), Numbers(tree));
        for change in 0..4 {
            for _ in 0..10 {
                write_one(&mut numbers, &workspace.photos(), &["", "sub", "sub/deep", "other"]);
            }
            for path in files(&workspace.photos()) {
                match numbers.below(8) {
                    0 => fs::remove_file(path).unwrap(),
                    1 => fs::rename(&path, path.with_file_name("moved.jpg")).unwrap(),
                    _ => {}
                }
            }
            let plan = plan(&workspace);
            check(&workspace, &run(&model, &workspace, &plan), &format!("tree {tree}, change {change}"));
            let again = run(&model, &workspace, &plan);
            assert_eq!((again.embedded, again.copied, again.removed), (0, 0, 0), "tree {tree}: {again:?}");
            assert!(again.skipped.is_empty(), "tree {tree}: {again:?}");
            check(&workspace, &again, &format!("tree {tree}, again after change {change}"));
        }
    }
}

#[test]
fn the_summary_and_status_count_files_that_were_not_indexed() {
    let workspace = Workspace::new();
    let write = |name: &str, content: &[u8]| fs::write(workspace.photos().join(name), content).unwrap();
    for (seed, name) in
        (0..).zip(["photo.jpg", "no ending", "copied.jpeg~2", "photo.jpg_large", "camera.3fr"])
    {
        write(name, &if name == "camera.3fr" { dng(seed) } else { jpeg(480, 320, seed) });
    }
    for name in ["a.mp4", "b.MOV", "c.pdf", "notes", "notes.xyz", "empty"] {
        write(name, if name == "empty" { b"" } else { b"no picture" });
    }
    write("layers.psd", b"8BPS\0\x01");
    let first = workspace.index(&[], 2);
    first.check(&[("embedded", 5), ("skipped", 1)]);
    let told = "2 videos, 1 PDF, 3 others were not indexed";
    assert!(first.0.contains(told), "{}", first.0);
    let second = workspace.index(&[], 0);
    second.check(&[("unchanged", 5), ("skipped before and unchanged since", 1)]);
    assert!(second.0.contains(told) && second.0.contains("nothing to do"), "{}", second.0);
    let status = workspace.status();
    assert_eq!(status["not_pictures"], serde_json::json!({"videos": 2, "PDF": 1, "others": 3}));
    assert_eq!(status["skipped"], serde_json::json!({"unsupported": 1}));
    assert_eq!(workspace.skipped(), ["layers.psd"]);
    let text = workspace.imgsearch(&["status"]).output().unwrap();
    assert!(String::from_utf8(text.stdout).unwrap().contains(told));
    // A deleted file whose content was not a picture was never a photo.
    fs::remove_file(workspace.photos().join("notes")).unwrap();
    workspace.index(&[], 0).check(&[("removed", 0), ("unchanged", 5)]);
}

/// A model that scales pixels to infinity makes no valid vectors.
#[test]
fn pictures_without_a_valid_vector_are_skipped() {
    let workspace = Workspace::new();
    let model = workspace.root().join("model");
    fs::create_dir(&model).unwrap();
    for file in fs::read_dir(small_model()).unwrap().map(Result::unwrap) {
        fs::copy(file.path(), model.join(file.file_name())).unwrap();
    }
    let json = fs::read_to_string(model.join("model.json")).unwrap();
    let mut json: serde_json::Value = serde_json::from_str(&json).unwrap();
    json["image"]["mean"] = serde_json::json!([1e38, 1e38, 1e38]);
    json["image"]["std"] = serde_json::json!([2e-38, 2e-38, 2e-38]);
    fs::write(model.join("model.json"), json.to_string()).unwrap();
    for seed in 0..6 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    let run = workspace.index(&["--model", model.to_str().unwrap()], 2);
    run.check(&[("embedded", 0), ("skipped", 6)]);
    assert!(run.0.contains("6 not stored"), "{}", run.0);
    assert_eq!(workspace.skipped(), ["0.png", "1.png", "2.png", "3.png", "4.png", "5.png"]);
}

/// Reading `/proc/self/mem` fails like a broken disk.
#[test]
#[cfg(target_os = "linux")]
fn unreadable_files_are_reported_and_tried_again() {
    use std::os::unix::fs::symlink;
    let workspace = Workspace::new();
    workspace.photo("good.png", 1);
    let (broken, was_good) = (workspace.photos().join("broken.jpg"), workspace.photo("was good.png", 2));
    symlink("/proc/self/mem", &broken).unwrap();
    let follow = ["--follow-symlinks"];
    workspace.index(&follow, 2).check(&[("embedded", 2), ("skipped", 1)]);
    assert_eq!(workspace.skipped(), ["broken.jpg"]);
    fs::remove_file(&was_good).unwrap();
    symlink("/proc/self/mem", &was_good).unwrap();
    workspace.index(&follow, 2).check(&[("unchanged", 1), ("skipped", 2), ("removed", 0)]);
    assert_eq!(workspace.skipped(), ["broken.jpg", "was good.png"]);
    assert_eq!(workspace.found(&[]).len(), 2, "its old vector is still found");
    for path in [&broken, &was_good] {
        fs::remove_file(path).unwrap();
        fs::write(path, encoded(2, ImageFormat::Png)).unwrap();
    }
    workspace.index(&follow, 0).check(&[("embedded", 0), ("copied", 1), ("unchanged", 2)]);
    assert_eq!(workspace.skipped(), [""; 0]);
}
