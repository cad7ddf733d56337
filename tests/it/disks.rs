//! Photos on removable disks. The tests mount nothing: a folder with a file `.disk` plays a mounted disk, and the number in
//! that file identifies it.
#![cfg(unix)]

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::SystemTime;

use imgsearch::disk::DiskMarks;
use imgsearch::ingest::{Event, Lacking, Plan, Reporter, Totals, index};
use imgsearch::walk::resolve_roots;
use imgsearch::{Library, Model};

use crate::model_goldens::{execution, goldens};
use crate::workspace::Workspace;

const MARK: &str = ".disk";
/// The number of the disk that is always mounted.
const HOME: u64 = 1;

/// Uses the inode as the device number, so that the identity is requested for every file.
const MARKED: DiskMarks = DiskMarks { device: Metadata::ino, identity: marked };

#[expect(clippy::unnecessary_wraps, reason = "it stands for a function that may not know")]
fn marked(path: &Path) -> Option<u64> {
    let number = |folder: &Path| fs::read_to_string(folder.join(MARK)).ok()?.parse().ok();
    Some(path.ancestors().find_map(number).unwrap_or(HOME))
}

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

/// A photo at home, and two on a mounted disk.
struct Case {
    workspace: Workspace,
}

impl Case {
    fn new() -> Case {
        let case = Case { workspace: Workspace::new() };
        case.workspace.photo("home/0.png", 0);
        fs::create_dir(case.mount_point()).unwrap();
        case.make_disk("stick", 2);
        case.mount("stick");
        case.workspace.photo("disk/1.png", 1);
        case.workspace.photo("disk/2.png", 2);
        case
    }

    fn mount_point(&self) -> PathBuf {
        self.workspace.photos().join("disk")
    }

    fn make_disk(&self, name: &str, number: u64) {
        let disk = self.workspace.root().join(name);
        fs::create_dir(&disk).unwrap();
        fs::write(disk.join(MARK), number.to_string()).unwrap();
    }

    /// Mounts a disk: moves its folder to the mount point, and hides what was there.
    fn mount(&self, name: &str) {
        fs::rename(self.mount_point(), self.workspace.root().join("mount point")).unwrap();
        fs::rename(self.workspace.root().join(name), self.mount_point()).unwrap();
    }

    fn unmount(&self, name: &str) {
        fs::rename(self.mount_point(), self.workspace.root().join(name)).unwrap();
        fs::rename(self.workspace.root().join("mount point"), self.mount_point()).unwrap();
    }

    fn library(&self) -> Library {
        Library::new(self.workspace.root().join("library"))
    }

    /// A run over some folders of the photos.
    fn plan(&self, folders: &[&str]) -> Plan {
        let folders: Vec<_> = folders.iter().map(|folder| self.workspace.photos().join(folder)).collect();
        Plan { disks: MARKED, ..Plan::new(resolve_roots(&folders).0, SystemTime::now()) }
    }

    /// Indexes one folder of the photos, or all, with a small model.
    fn run(&self, folder: &str, model: &str, prune: bool) -> Totals {
        self.index(model, &Plan { prune, ..self.plan(&[folder]) })
    }

    fn index(&self, model: &str, plan: &Plan) -> Totals {
        let model = Model::open(&goldens().join(model), execution(None)).unwrap();
        self.library().create().unwrap();
        index(&mut self.library().lock().unwrap(), &model, plan, &Silent, &AtomicBool::new(false)).unwrap()
    }

    /// Indexes all photos; checks how many were embedded, unchanged, removed and kept.
    #[track_caller]
    fn check(&self, prune: bool, expected: [u64; 4]) {
        let Totals { embedded, unchanged, removed, kept, .. } = self.run("", "clip-own", prune);
        assert_eq!([embedded, unchanged, removed, kept], expected);
    }
}

#[test]
fn photos_on_a_disk_that_is_not_mounted_are_kept() {
    let case = Case::new();
    case.check(false, [3, 0, 0, 0]);
    fs::remove_file(case.mount_point().join("2.png")).unwrap();
    case.check(false, [0, 2, 1, 0]);
    case.unmount("stick");
    case.check(false, [0, 1, 0, 1]);
    // A program wrote to the mount point while the disk was absent.
    case.workspace.photo("disk/stray.png", 4);
    case.check(false, [1, 1, 0, 1]);
    // Another disk in its place hides what is at home.
    case.make_disk("other", 3);
    case.mount("other");
    case.check(false, [0, 1, 1, 1]);
    case.unmount("other");
    case.check(false, [1, 1, 0, 1]);
    case.mount("stick");
    case.check(false, [0, 2, 1, 0]);
    case.unmount("stick");
    case.check(true, [1, 1, 1, 0]);
}

#[test]
fn photos_are_deleted_from_an_empty_disk_only_if_it_is_the_same_disk() {
    let case = Case::new();
    case.check(false, [3, 0, 0, 0]);
    case.unmount("stick");
    case.make_disk("other", 3);
    case.mount("other");
    case.check(false, [0, 1, 0, 2]);
    case.unmount("other");
    case.mount("stick");
    for name in ["1.png", "2.png"] {
        fs::remove_file(case.mount_point().join(name)).unwrap();
    }
    case.check(false, [0, 1, 2, 0]);
}

#[test]
fn photos_of_a_folder_given_twice_are_kept_once() {
    let case = Case::new();
    case.check(false, [3, 0, 0, 0]);
    case.unmount("stick");
    assert_eq!(case.index("clip-own", &case.plan(&["", "disk"])).kept, 2);
}

#[test]
fn a_run_that_looks_only_at_the_place_of_an_absent_disk_keeps_its_photos() {
    let case = Case::new();
    case.check(false, [3, 0, 0, 0]);
    let photo = case.mount_point().canonicalize().unwrap().join("1.png");
    let plan = || Plan { only: Some(vec![photo.clone()]), ..case.plan(&[""]) };
    case.unmount("stick");
    let Totals { kept, removed, .. } = case.index("clip-own", &plan());
    assert_eq!((kept, removed), (1, 0));
    case.mount("stick");
    fs::remove_file(&photo).unwrap();
    let Totals { kept, removed, .. } = case.index("clip-own", &plan());
    assert_eq!((kept, removed), (0, 1));
}

#[test]
fn a_change_of_model_waits_for_photos_on_an_absent_disk() {
    let case = Case::new();
    let label = || case.library().view().unwrap().space().label().to_owned();
    case.check(false, [3, 0, 0, 0]);
    let old = label();
    case.unmount("stick");
    let totals = case.run("home", "resnet-own", false);
    let replacement = totals.replacement.unwrap();
    assert_eq!(replacement.lacking, Some(Lacking { failed: 0, absent: 2 }));
    assert_eq!((totals.embedded, label()), (1, old));
    case.mount("stick");
    let totals = case.run("home", "resnet-own", false);
    assert!(totals.replacement.unwrap().is_done());
    assert_eq!((totals.embedded, totals.unchanged, label()), (2, 1, replacement.new));
}
