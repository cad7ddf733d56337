//! A run over only the changed places gives the same library as a run over everything.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use imgsearch::Library;
use imgsearch::ingest::{Plan, Totals, index, index_into};
use imgsearch::item::Item;
use imgsearch::library::Stored;
use imgsearch::model::Model;
use imgsearch::walk::{Rules, resolve_roots};

use crate::accounting::{Numbers, small_model, write_one};
use crate::in_process::{Silent, open_model};
use crate::memory_store::MemoryStore;
use crate::workspace::{Workspace, dng, jpeg};

fn run(store: &MemoryStore, model: &Model, plan: &Plan) -> Totals {
    let sink = store.sink();
    let totals = index_into(&*sink, None, model, plan, &Silent, &AtomicBool::new(false)).unwrap();
    sink.close().unwrap();
    totals
}

/// All records, sorted by key, each with whether it has a vector.
fn records(store: &MemoryStore) -> Vec<(Stored, bool)> {
    let mut records = Vec::new();
    let visit = &mut |stored: Stored, is_photo| {
        records.push((stored, is_photo));
        ControlFlow::Continue(())
    };
    store.view().unwrap().each_item(visit).unwrap();
    records.sort_by_key(|(stored, _)| stored.item.key());
    records
}

/// Checks that two stores contain the same records and vectors.
#[track_caller]
fn check(one: &MemoryStore, other: &MemoryStore, round: &str) {
    let (found, expected) = (records(one), records(other));
    let paths = |records: &[(Stored, bool)]| {
        records.iter().map(|(stored, _)| stored.item.path.clone()).collect::<Vec<_>>()
    };
    assert_eq!(paths(&found), paths(&expected), "{round}");
    assert_eq!(found, expected, "{round}");
    let (one, other) = (one.view().unwrap(), other.view().unwrap());
    for (stored, _) in found.iter().filter(|(_, is_photo)| *is_photo) {
        let vector = |view: &dyn imgsearch::library::View| view.get(&stored.item).unwrap().unwrap().vector;
        let score = vector(&*one).unwrap().dot(&vector(&*other).unwrap());
        assert!(score > 0.999, "{round}: {:?} has another vector", stored.item.path);
    }
}

const FOLDERS: &[&str] = &["", "sub", "sub/deep", ".hidden", "left out", "sub/inner", "sub/inner/deep"];

/// Changes something below `root`, and returns the paths that may have changed.
fn change(numbers: &mut Numbers, root: &Path) -> Vec<PathBuf> {
    let folder = |numbers: &mut Numbers| root.join(FOLDERS[1 + numbers.below(FOLDERS.len() - 1)]);
    let file = |numbers: &mut Numbers| {
        let files: Vec<_> =
            walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap).collect();
        let files: Vec<_> = files.into_iter().filter(|entry| entry.file_type().is_file()).collect();
        (!files.is_empty()).then(|| files[numbers.below(files.len())].path().to_owned())
    };
    match numbers.below(12) {
        0 => file(numbers).into_iter().inspect(|path| fs::remove_file(path).unwrap()).collect(),
        1 => {
            let from = file(numbers);
            let to = folder(numbers).join("moved.jpg");
            let move_it = |from: PathBuf| {
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                if to.is_dir() || fs::rename(&from, &to).is_err() { vec![] } else { vec![from, to] }
            };
            from.map(move_it).unwrap_or_default()
        }
        2 => {
            let gone = folder(numbers);
            fs::remove_dir_all(&gone).ok();
            vec![gone]
        }
        3 => {
            let (from, to) = (folder(numbers), folder(numbers));
            fs::rename(&from, &to).ok();
            vec![from, to]
        }
        // A file replaces a folder.
        4 => {
            let path = folder(numbers);
            if fs::remove_dir_all(&path).is_ok() {
                fs::write(&path, jpeg(320, 240, 1)).unwrap();
            }
            vec![path]
        }
        _ => {
            // A folder replaces a file.
            for folder in FOLDERS.iter().map(|folder| root.join(folder)).filter(|folder| folder.is_file()) {
                fs::remove_file(&folder).unwrap();
                fs::create_dir(&folder).unwrap();
            }
            vec![write_one(numbers, root, FOLDERS)]
        }
    }
}

#[test]
fn a_run_over_changed_places_gives_the_same_library_as_one_over_everything() {
    let model = open_model(&small_model());
    for tree in 0..12 {
        let (workspace, mut numbers) = (Workspace::new(), Numbers(tree));
        let root = workspace.photos().canonicalize().unwrap();
        for folder in FOLDERS {
            fs::create_dir_all(root.join(folder)).unwrap();
        }
        fs::write(root.join("sub/named.raw data"), dng(9)).unwrap();
        // A link to a folder above, for runs that follow links.
        #[cfg(unix)]
        std::os::unix::fs::symlink("..", root.join("sub/deep/up")).unwrap();
        for _ in 0..15 {
            write_one(&mut numbers, &root, FOLDERS);
        }
        let roots = [
            vec![root.clone()],
            vec![root.clone(), root.join("sub/inner")],
            vec![root.clone(), root.join("sub/named.raw data"), root.join(".hidden")],
            vec![root.join("sub"), root.join("sub/inner/deep")],
        ];
        let plan = |only: Option<Vec<PathBuf>>| {
            let (roots, missing) = resolve_roots(&roots[usize::try_from(tree % 4).unwrap()]);
            let gone_roots = missing.into_iter().map(|(root, _)| root).collect();
            let exclude = vec!["left*".to_owned(), "/sub/deep/g.webp".to_owned()];
            let rules = Rules { exclude, follow_symlinks: tree % 3 == 0, ..Rules::default() };
            let max_wait = Duration::from_secs(600);
            Plan { gone_roots, only, rules, max_wait, ..Plan::new(roots, SystemTime::now()) }
        };
        let (narrow, whole) = (MemoryStore::new(model.space()), MemoryStore::new(model.space()));
        run(&narrow, &model, &plan(None));
        for round in 0..10 {
            let mut changed = Vec::new();
            for _ in 0..=numbers.below(4) {
                changed.extend(change(&mut numbers, &root));
            }
            // Some systems report only the changed folder.
            if numbers.below(3) == 0 {
                changed = changed.into_iter().map(|path| path.parent().unwrap().to_owned()).collect();
            }
            run(&narrow, &model, &plan(Some(changed.clone())));
            run(&whole, &model, &plan(None));
            check(&narrow, &whole, &format!("tree {tree}, round {round}, {changed:?}"));
        }
    }
}

struct Watched {
    workspace: Workspace,
    model: Model,
}

impl Watched {
    fn new() -> Watched {
        let watched = Watched { workspace: Workspace::new(), model: open_model(&small_model()) };
        fs::create_dir(watched.workspace.root().join("library")).unwrap();
        watched
    }

    fn path(&self, name: &str) -> PathBuf {
        self.workspace.photos().canonicalize().unwrap().join(name)
    }

    fn run(&self, only: Option<&[&str]>, seconds: u64) -> Totals {
        let only = only.map(|only| only.iter().map(|name| self.path(name)).collect());
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let plan = Plan { only, ..Plan::new(vec![self.path("").components().collect()], now) };
        index(&mut self.library().lock().unwrap(), &self.model, &plan, &Silent, &AtomicBool::new(false))
            .unwrap()
    }

    fn library(&self) -> Library {
        Library::new(self.workspace.root().join("library"))
    }

    fn has(&self, name: &str) -> bool {
        self.library().view().unwrap().get(&Item::file(self.path(name))).unwrap().is_some()
    }
}

#[test]
fn only_the_given_places_are_walked_or_removed() {
    let watched = Watched::new();
    for (name, seed) in [("a/1.png", 1), ("a/deep/2.png", 2), ("b/3.png", 3), ("4.png", 4)] {
        watched.workspace.photo(name, seed);
    }
    watched.run(None, 1);
    watched.workspace.photo("a/new.png", 5);
    watched.workspace.photo("b/new.png", 6);
    fs::remove_file(watched.path("a/1.png")).unwrap();
    fs::remove_file(watched.path("b/3.png")).unwrap();
    let totals = watched.run(Some(&["a"]), 2);
    // The files in `a`, and the one beside it.
    assert_eq!((totals.embedded, totals.unchanged, totals.removed), (1, 2, 1));
    assert!(watched.has("a/new.png") && !watched.has("a/1.png"));
    assert!(!watched.has("b/new.png") && watched.has("b/3.png"));
    // Paths outside the roots are ignored.
    let elsewhere = watched.workspace.root().canonicalize().unwrap().join("elsewhere");
    let totals = watched.run(Some(&[elsewhere.to_str().unwrap()]), 3);
    assert_eq!((totals.files(), totals.removed), (0, 0));
    // A folder above the roots means all of them.
    let above = watched.workspace.root().canonicalize().unwrap();
    let totals = watched.run(Some(&[above.to_str().unwrap()]), 4);
    assert_eq!((totals.embedded, totals.unchanged, totals.removed), (1, 3, 1));
}

#[test]
fn a_change_of_a_jpeg_also_updates_the_raw_file_beside_it() {
    let watched = Watched::new();
    fs::write(watched.path("a.DNG"), dng(1)).unwrap();
    watched.run(None, 1);
    fs::write(watched.path("a.JPG"), jpeg(480, 320, 2)).unwrap();
    let totals = watched.run(Some(&["a.JPG"]), 2);
    assert_eq!((totals.embedded, totals.removed, totals.stood_back), (1, 1, 1));
    assert!(!watched.has("a.DNG"));
    fs::remove_file(watched.path("a.JPG")).unwrap();
    let totals = watched.run(Some(&["a.JPG"]), 3);
    assert_eq!((totals.embedded, totals.removed, totals.stood_back), (1, 1, 0));
    assert!(watched.has("a.DNG"));
}

#[test]
fn a_partial_run_keeps_the_note_of_the_last_full_run() {
    let watched = Watched::new();
    watched.workspace.photo("a/1.png", 1);
    fs::write(watched.path("film.mp4"), "").unwrap();
    fs::write(watched.path("b.DNG"), dng(1)).unwrap();
    fs::write(watched.path("b.JPG"), jpeg(480, 320, 2)).unwrap();
    watched.run(None, 1);
    watched.run(None, 2);
    let mut note = watched.library().view().unwrap().note();
    assert_eq!((note.last_indexed, note.stood_back, note.not_pictures().count()), (2, 1, 1));
    watched.workspace.photo("a/2.png", 2);
    assert_eq!(watched.run(Some(&["a"]), 3).embedded, 1);
    // Only the time of the last look is new.
    note.last_looked = 3;
    assert_eq!(watched.library().view().unwrap().note(), note);
}
