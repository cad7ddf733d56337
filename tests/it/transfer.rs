//! `library export`, `import` and `move-root`.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use imgsearch::Library;
use imgsearch::item::{Item, Part, path_of};
use imgsearch::library::{Note, Stored, Write};
use imgsearch::model::Precision;
use imgsearch::photo::{Details, Photo, Skip, SkipKind, Stamp};
use imgsearch_index::{Fingerprint, Space, Vector};

use crate::workspace::Workspace;

fn space(id: &str) -> Space {
    Space::new(id, format!("Model {id}"), 24).unwrap()
}

fn stamp(time: i64) -> Stamp {
    Stamp { size: 1, modified_ns: 2, changed_ns: time }
}

/// A photo whose vector, content and width tell its number.
fn photo(path: &str, number: u32, time: i64) -> Write {
    part(Item::file(path), number, time)
}

fn part(item: Item, number: u32, time: i64) -> Write {
    let component = |at: u32| f32::from(u16::try_from((number * 31 + at * at * 7) % 997).unwrap()) - 498.5;
    let vector = Vector::normalized((0..24).map(component).collect()).unwrap();
    let photo = Photo::read(stamp(time), 7, Some(Details { width: number, height: 3, ..Details::default() }));
    let content = Some(Fingerprint(u128::from(number).to_le_bytes()));
    Write::Put { item, content, photo, vector: Some(vector) }
}

fn moment(path: &str, ms: u32) -> Item {
    Item { path: path.into(), part: Some(Part::Moment { ms }) }
}

fn skipped(path: &str, time: i64) -> Write {
    let photo = Photo::skipped(stamp(time), 7, Skip::new(SkipKind::Damaged, "ends early"));
    Write::Put { item: Item::file(path), content: None, photo, vector: None }
}

/// A name that is not UTF-8, where that is possible.
fn strange() -> PathBuf {
    if cfg!(unix) { path_of(b"/a/\xff\n.jpg") } else { "/a/strange.jpg".into() }
}

/// Photos below `/a` and `/ab`, one with parts, and a skipped file.
fn some_writes() -> Vec<Write> {
    let mut writes: Vec<Write> = (0..700).map(|n| photo(&format!("/a/{}/{n}.jpg", n % 7), n, 5)).collect();
    writes.push(part(Item::file(strange()), 800, 5));
    writes.push(photo("/a/film.mp4", 801, 5));
    // The parts of a file have its content.
    writes.extend([0, 70_000].map(|ms| part(moment("/a/film.mp4", ms), 801, 5)));
    writes.extend([photo("/ab/1.jpg", 802, 5), skipped("/a/no.jpg", 5)]);
    writes
}

fn write(folder: &Path, space: &Space, writes: Vec<Write>) {
    fs::create_dir_all(folder).unwrap();
    let sink = Library::new(folder).lock().unwrap().open(space).unwrap().sink;
    let mut note = Note::default();
    note.last_indexed = 9;
    note.set_model(Path::new("/model"), Precision::Fp32, None);
    sink.set_note(&note).unwrap();
    sink.apply(writes).unwrap();
    sink.close().unwrap();
}

/// Everything in a library by key, with vectors.
fn records(folder: &Path) -> BTreeMap<Vec<u8>, Stored> {
    let view = Library::new(folder).view().unwrap();
    let mut items = Vec::new();
    view.each_item(&mut |stored, _| {
        items.push(stored.item);
        ControlFlow::Continue(())
    })
    .unwrap();
    let key = |item: &Item| item.key().unwrap().as_bytes().to_vec();
    items.iter().map(|item| (key(item), view.get(item).unwrap().unwrap())).collect()
}

fn has(folder: &Path, path: &str) -> Option<u32> {
    let stored = Library::new(folder).view().unwrap().get(&Item::file(path)).unwrap()?;
    stored.photo.unwrap().details.map(|details| details.width)
}

fn library(workspace: &Workspace) -> PathBuf {
    workspace.root().join("library")
}

/// Runs `imgsearch --library LIBRARY library ARGS`, checks the exit code, and returns what it says.
#[track_caller]
fn run(workspace: &Workspace, library: &str, args: &[&str], exit: i32) -> String {
    let folder = workspace.root().join(library);
    let command = ["--library", folder.to_str().unwrap(), "library"];
    let output = workspace.imgsearch(&command).args(args).assert().code(exit).get_output().clone();
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn exported(workspace: &Workspace) -> String {
    let file = workspace.root().join("export").to_str().unwrap().to_owned();
    let said = run(workspace, "library", &["export", &file], 0);
    assert!(said.contains("exported 703 photos, 1 skipped files, 2 parts of files"), "{said}");
    file
}

fn with_some() -> Workspace {
    let workspace = Workspace::new();
    write(&library(&workspace), &space("s"), some_writes());
    workspace
}

#[test]
fn an_imported_library_is_equal_bit_for_bit() {
    let workspace = with_some();
    let file = exported(&workspace);
    let said = run(&workspace, "other", &["import", &file], 0);
    assert!(said.contains("imported 706 new records, replaced 0 older ones, kept 0"), "{said}");
    let (before, after) = (library(&workspace), workspace.root().join("other"));
    assert_eq!(records(&after), records(&before));
    let view = |folder: &Path| Library::new(folder).view().unwrap();
    assert_eq!((view(&after).space(), view(&after).note()), (&space("s"), view(&before).note()));
    // Once more changes nothing.
    let said = run(&workspace, "other", &["import", &file], 0);
    assert!(said.contains("imported 0 new records, replaced 0 older ones, kept 706"), "{said}");
    assert_eq!(records(&after), records(&before));
}

#[test]
fn an_export_goes_through_a_pipe() {
    let workspace = with_some();
    let output = workspace.process(&["library", "export", "-"]).output().unwrap();
    assert!(output.status.success());
    assert_eq!(output.stdout, fs::read(exported(&workspace)).unwrap());
    let other = workspace.root().join("other");
    let args = ["--library", other.to_str().unwrap(), "library", "import", "-"];
    workspace.imgsearch(&args).write_stdin(output.stdout).assert().success();
    assert_eq!(records(&other), records(&library(&workspace)));
}

#[cfg(unix)]
#[test]
fn an_export_is_private() {
    use std::os::unix::fs::PermissionsExt;
    let workspace = with_some();
    let file = exported(&workspace);
    assert_eq!(fs::metadata(file).unwrap().permissions().mode() & 0o777, 0o600);
}

#[test]
fn damaged_and_foreign_files_are_refused_and_change_nothing() {
    let workspace = with_some();
    let file = exported(&workspace);
    let whole = fs::read(&file).unwrap();
    let check = |bytes: &[u8], expected: &str| {
        let damaged = workspace.root().join("damaged");
        fs::write(&damaged, bytes).unwrap();
        let said = run(&workspace, "new", &["import", damaged.to_str().unwrap()], 2);
        assert!(said.contains(expected), "{said}");
        assert!(!workspace.root().join("new").exists());
    };
    check(&whole[..whole.len() / 2], "the export ends early, after ");
    check(&whole[..whole.len() - 1], "the export ends early, after 706 records");
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    check(&flipped, "the export is damaged after ");
    check(b"\xff\xd8\xff\xe0 a picture", "this is not an export of an imgsearch library");
    check(b"", "this is not an export of an imgsearch library");
    let mut later = whole.clone();
    later[16] = 9;
    check(&later, "format version 9, and this imgsearch knows version 1 only");
}

/// Standard input cannot be read twice. What comes before the damage is imported, and is right.
#[test]
fn a_pipe_that_ends_early_leaves_only_right_records() {
    let workspace = with_some();
    let whole = fs::read(exported(&workspace)).unwrap();
    let other = workspace.root().join("other");
    let args = ["--library", other.to_str().unwrap(), "library", "import", "-"];
    let import = |bytes: &[u8]| workspace.imgsearch(&args).write_stdin(bytes).assert();
    import(&whole[..whole.len() / 2]).code(2);
    let (all, some) = (records(&library(&workspace)), records(&other));
    assert!(some.len() > 100 && some.len() < all.len(), "{}", some.len());
    assert!(some.iter().all(|(key, stored)| all[key] == *stored));
    import(&whole).success();
    assert_eq!(records(&other), all);
}

#[test]
fn libraries_of_different_models_are_not_merged() {
    let workspace = with_some();
    let file = exported(&workspace);
    let other = workspace.root().join("other");
    write(&other, &space("t"), vec![photo("/t.jpg", 1, 1)]);
    let said = run(&workspace, "other", &["import", &file], 2);
    assert!(said.contains("has vectors of `Model s`, and the library has those of `Model t`"), "{said}");
    assert!(said.contains("hint: "), "{said}");
    assert_eq!(records(&other).len(), 1);
}

#[test]
fn the_newer_record_of_a_file_stays() {
    let workspace = Workspace::new();
    let of_export = vec![
        photo("/newer", 1, 9),
        photo("/older", 1, 3),
        photo("/same", 1, 5),
        photo("/was skipped", 1, 5),
        skipped("/is skipped", 5),
        photo("/film", 1, 9),
        part(moment("/film", 1), 1, 9),
        photo("/old film", 1, 3),
        part(moment("/old film", 1), 1, 3),
    ];
    write(&library(&workspace), &space("s"), of_export);
    let file = workspace.root().join("export").to_str().unwrap().to_owned();
    run(&workspace, "library", &["export", &file], 0);
    let other = workspace.root().join("other");
    let paths = ["/newer", "/older", "/same", "/is skipped", "/film", "/old film", "/only here"];
    let mut writes: Vec<Write> = paths.map(|path| photo(path, 2, 5)).into();
    writes.extend([skipped("/was skipped", 5), part(moment("/film", 7), 2, 5)]);
    write(&other, &space("s"), writes);
    run(&workspace, "other", &["import", &file], 0);
    let width = |path| has(&other, path);
    assert_eq!(["/newer", "/was skipped", "/film"].map(width), [Some(1); 3]);
    assert_eq!(["/older", "/same", "/is skipped", "/old film", "/only here"].map(width), [Some(2); 5]);
    // The parts are those of the record that stayed.
    let view = Library::new(&other).view().unwrap();
    let has_part = |path, ms| view.get(&moment(path, ms)).unwrap().is_some();
    assert_eq!([has_part("/film", 1), has_part("/film", 7), has_part("/old film", 1)], [true, false, false]);
}

#[test]
fn a_moved_root_keeps_everything_else() {
    let workspace = with_some();
    let before = records(&library(&workspace));
    let said = run(&workspace, "library", &["move-root", "/a", "/b/c"], 0);
    assert!(said.contains("moved 703 files to /b/c"), "{said}");
    let moved = |(key, stored): (Vec<u8>, Stored)| match key.strip_prefix(b"/a/") {
        Some(rest) => {
            let key = [b"/b/c/", rest].concat();
            let item = Item::of_key(&key).unwrap();
            (key, Stored { item, ..stored })
        }
        None => (key, stored),
    };
    let expected: BTreeMap<_, _> = before.into_iter().map(moved).collect();
    assert_eq!(records(&library(&workspace)), expected);
    run(&workspace, "library", &["move-root", "/a", "/b/c"], 1);
    let said = run(&workspace, "library", &["move-root", "/b/c", "/b"], 2);
    assert!(said.contains("must not be inside"), "{said}");
}

/// Photos that were already indexed at the new place stay as they are there, unless the old record is newer.
#[test]
fn a_moved_root_meets_what_is_there() {
    let workspace = Workspace::new();
    let writes = vec![
        photo("/a/1", 1, 5),
        photo("/b/1", 2, 6),
        photo("/a/2", 1, 7),
        photo("/b/2", 2, 6),
        photo("/b/3", 2, 6),
    ];
    write(&library(&workspace), &space("s"), writes);
    let said = run(&workspace, "library", &["move-root", "/a", "/b"], 0);
    assert!(said.contains("removed 1 older records"), "{said}");
    let width = |path| has(&library(&workspace), path);
    assert_eq!(["/b/1", "/b/2", "/b/3"].map(width), [Some(2), Some(1), Some(2)]);
    assert_eq!(["/a/1", "/a/2"].map(width), [None, None]);
}

/// Killed at any moment, it goes on when it is run again, and each file is at exactly one place meanwhile.
#[test]
fn a_killed_move_goes_on() {
    let workspace = Workspace::new();
    let count = 3_000;
    let writes = (0..count).map(|n| photo(&format!("/a/{n:05}.jpg"), n, 5)).collect();
    write(&library(&workspace), &space("s"), writes);
    let vectors = |folder: &Path| -> BTreeMap<Vec<u8>, Stored> {
        let name = |item: &Item| item.path.file_name().unwrap().as_encoded_bytes().to_vec();
        let all: Vec<Stored> = records(folder).into_values().collect();
        let by_name: BTreeMap<_, _> = all
            .iter()
            .map(|stored| (name(&stored.item), Stored { item: Item::file("/"), ..stored.clone() }))
            .collect();
        assert_eq!(by_name.len(), all.len(), "no file is at two places");
        by_name
    };
    let before = vectors(&library(&workspace));
    for ms in [30, 60, 90, 120, 180] {
        let mut process = workspace.process(&["library", "move-root", "/a", "/b"]);
        let mut process = process.stderr(Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(ms));
        process.kill().unwrap();
        process.wait().unwrap();
        // Opening it for changes publishes what the killed process stored.
        Library::new(library(&workspace)).lock().unwrap().open(&space("s")).unwrap().sink.close().unwrap();
        assert_eq!(vectors(&library(&workspace)), before);
    }
    workspace.imgsearch(&["library", "move-root", "/a", "/b"]).assert().code(predicates::ord::lt(2));
    assert_eq!(vectors(&library(&workspace)), before);
    let all = records(&library(&workspace));
    assert!(all.keys().all(|key| key.starts_with(b"/b/")) && all.len() == count as usize);
}

/// Photos on a disk with another mount point: nothing is embedded again.
#[test]
fn a_moved_archive_is_not_embedded_again() {
    let workspace = Workspace::new();
    for seed in 0..4 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0).check(&[("embedded", 4)]);
    let (old, new) = (workspace.photos(), workspace.root().join("elsewhere"));
    fs::rename(&old, &new).unwrap();
    let paths = [old.to_str().unwrap(), new.to_str().unwrap()];
    run(&workspace, "library", &[&["move-root"][..], &paths].concat(), 0);
    let found = workspace.found(&[]);
    assert!(found.len() == 4 && found.iter().all(|path| path.starts_with(new.canonicalize().unwrap())));
    workspace.index_paths(&[&new], &[], 0).check(&[("unchanged", 4)]);
}
