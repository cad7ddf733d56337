//! Tests that `verify` and `repair` report the truth: files of other indexes, missing files, and no false alarms.

use std::fs;
use std::path::Path;

use imgsearch_index::{Error, Searcher, Space, Writer, WriterOptions, repair, verify, verify_copy};

use crate::fixture::{Fixture, at, copy, put, put_at, space};

fn other_space() -> Space {
    Space::new("model-2", "another model", 2).unwrap()
}

/// An index of three records with one segment.
fn index(space: &Space, keys: [&str; 3]) -> Fixture {
    let index = Fixture::new();
    let writer = Writer::open(&index.dir(), space, WriterOptions::default()).unwrap();
    writer.apply(keys.iter().map(|key| put(key, "", Some(at(0.0)))).collect()).unwrap();
    writer.close().unwrap();
    index
}

fn own() -> Fixture {
    index(&space(), ["a", "b", "c"])
}

/// Replaces the manifest and the segments by those of another index.
fn take_manifest(to: &Path, from: &Path) {
    fs::copy(from.join("manifest"), to.join("manifest")).unwrap();
}

fn take_all_that_is_published(to: &Path, from: &Path) {
    for entry in fs::read_dir(from).unwrap().map(|entry| entry.unwrap().path()) {
        if entry.extension().is_some_and(|extension| extension == "segment") {
            fs::copy(&entry, to.join(entry.file_name().unwrap())).unwrap();
        }
    }
    take_manifest(to, from);
}

/// Does some damage. `verify` must report it, no writer may open the index unless `heals`, and `repair` must restore all.
#[track_caller]
fn check(damage: impl Fn(&Path), named: &str, heals: bool) {
    let index = own();
    let dir = index.dir();
    damage(&dir);
    let report = verify(&dir).unwrap();
    let said: Vec<String> = report.problems.iter().map(|problem| problem.error.to_string()).collect();
    assert!(said.iter().any(|said| said.contains(named)), "{said:?}");
    let scratch = tempfile::tempdir().unwrap();
    let of_copy = verify_copy(&dir, scratch.path()).unwrap();
    assert_eq!(
        of_copy.problems.iter().map(|problem| problem.error.to_string()).collect::<Vec<_>>(),
        said,
        "from a copy"
    );
    let opened = index.try_writer(&space()).map(drop);
    assert_eq!(opened.is_ok(), heals, "{opened:?}");
    if !heals {
        assert!(matches!(opened, Err(Error::Damaged { .. })), "{opened:?}");
        assert_eq!(repair(&dir).unwrap().lost, []);
    }
    assert!(verify(&dir).unwrap().is_clean());
    assert_eq!((index.listing().join(" ").as_str(), index.searcher().space()), ("a= b= c=", &space()));
    index.apply(vec![put_at("d", 0.0)]);
    assert_eq!(index.listing().len(), 4);
}

#[test]
fn files_of_another_index_are_named_and_the_catalog_decides() {
    let of_another_model = index(&other_space(), ["a", "b", "x"]);
    let of_the_same = index(&space(), ["a", "b", "x"]);
    for other in [of_another_model, of_the_same] {
        check(|dir| take_manifest(dir, &other.dir()), "manifest is that of another index", false);
        check(
            |dir| take_all_that_is_published(dir, &other.dir()),
            "manifest is that of another index",
            false,
        );
    }
    // Rows with numbers that the catalog does not have yet could be mistaken for later ones.
    let larger = own();
    (0..9).for_each(|i| larger.apply(vec![put_at(&format!("x{i}"), 10.0)]));
    check(|dir| take_all_that_is_published(dir, &larger.dir()), "manifest is that of another index", false);
}

#[test]
fn a_missing_manifest_is_not_taken_for_an_empty_index() {
    let index = own();
    fs::remove_file(index.dir().join("manifest")).unwrap();
    let opened = Searcher::open(&index.dir()).err().unwrap();
    assert!(matches!(opened, Error::Damaged { .. }), "{opened}");
    check(|dir| fs::remove_file(dir.join("manifest")).unwrap(), "the manifest is missing", true);
    let with_a_file = |dir: &Path| {
        fs::remove_file(dir.join("manifest")).unwrap();
        fs::create_dir(dir.join("manifest")).unwrap();
        fs::write(dir.join("manifest/mine"), "kept").unwrap();
    };
    check(with_a_file, "folder in the place of the manifest", true);
    let index = own();
    with_a_file(&index.dir());
    index.apply(vec![]);
    assert_eq!(fs::read_to_string(index.dir().join("manifest.aside-1/mine")).unwrap(), "kept");
}

/// There is an index, but no file says which space its vectors belong to.
#[test]
fn an_index_that_cannot_be_repaired_is_damaged_and_not_missing() {
    let index = own();
    fs::remove_dir_all(index.dir().join("catalog")).unwrap();
    for name in ["0000000000000001.segment", "manifest"] {
        fs::write(index.dir().join(name), "not any more").unwrap();
    }
    assert!(!verify(&index.dir()).unwrap().is_clean());
    let error = repair(&index.dir()).unwrap_err();
    assert!(matches!(&error, Error::Damaged { path, .. } if *path == index.dir()), "{error}");
}

/// A folder may be in the place of any file that a searcher or writer reads.
#[test]
fn folders_in_the_place_of_files_are_replaced() {
    let names = ["0000000000000001.segment", "manifest", "catalog/db"];
    for name in names {
        let index = own();
        let path = index.dir().join(name);
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        assert!(!verify(&index.dir()).unwrap().is_clean(), "{name}");
        assert_eq!(repair(&index.dir()).unwrap().lost, [], "{name}");
        assert!(verify(&index.dir()).unwrap().is_clean(), "{name}");
        assert_eq!(index.listing(), ["a=", "b=", "c="], "{name}");
    }
    let index = own();
    fs::remove_dir_all(index.dir().join("catalog")).unwrap();
    fs::write(index.dir().join("catalog"), "a file").unwrap();
    fs::remove_file(index.dir().join("writer.lock")).unwrap();
    fs::create_dir(index.dir().join("writer.lock")).unwrap();
    index.apply(vec![]);
    assert_eq!(index.listing(), ["a=", "b=", "c="]);
}

/// The state after a writer was killed before its first publication.
#[test]
fn an_index_that_was_just_begun_is_not_damaged() {
    #[track_caller]
    fn check(begin: impl Fn(&Path)) {
        let index = Fixture::new();
        fs::create_dir_all(index.dir()).unwrap();
        begin(&index.dir());
        let report = verify(&index.dir()).unwrap();
        assert!(report.is_clean(), "{report:?}");
        assert!(repair(&index.dir()).unwrap().is_clean());
        assert!(matches!(Searcher::open(&index.dir()), Err(Error::Missing { .. })));
        index.apply(vec![put_at("a", 0.0)]);
        assert!(verify(&index.dir()).unwrap().is_clean());
        assert_eq!(index.listing(), ["a="]);
    }
    let empty = Fixture::new();
    drop(empty.writer());
    check(|_| {});
    check(|dir| fs::write(dir.join("writer.lock"), "1").unwrap());
    check(|dir| copy(&empty.dir().join("catalog"), &dir.join("catalog.tmp")));
    check(|dir| copy(&empty.dir().join("catalog"), &dir.join("catalog")));
    let nowhere = verify(Path::new("/nowhere/at/all"));
    assert!(matches!(nowhere, Err(Error::Missing { .. })), "{nowhere:?}");
}

#[test]
fn unpublished_records_are_not_mistaken_for_a_new_index() {
    let index = Fixture::new();
    let writer = index.writer();
    writer.apply(vec![put_at("a", 0.0)]).unwrap();
    drop(writer);
    assert!(verify(&index.dir()).unwrap().is_clean(), "the next writer publishes it");
    fs::remove_file(index.dir().join("manifest")).unwrap();
    assert!(!verify(&index.dir()).unwrap().is_clean());
    repair(&index.dir()).unwrap();
    assert_eq!(index.listing(), ["a="]);
}

/// A row that the catalog has since replaced must not be taken for the current one.
#[test]
fn an_earlier_state_of_the_published_side_is_found() {
    let index = own();
    let before = tempfile::tempdir().unwrap();
    copy(&index.dir(), before.path());
    index.apply(vec![put("a", "later", Some(at(90.0)))]);
    take_all_that_is_published(&index.dir(), before.path());
    assert!(!verify(&index.dir()).unwrap().is_clean());
    repair(&index.dir()).unwrap();
    assert_eq!(index.listing(), ["a=later", "b=", "c="]);
}

/// Searchers never read the catalog's copy of a graph, but the next writer does.
#[test]
fn damage_in_the_catalogs_copy_of_a_graph_is_found() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1-graph");
    let dir = tempfile::tempdir().unwrap();
    copy(&fixture, dir.path());
    assert!(verify(dir.path()).unwrap().is_clean());
    let graph = fs::read(dir.path().join("0000000000000002.graph")).unwrap();
    let (path, part) = (dir.path().join("catalog/db"), &graph[graph.len() / 2..][..64]);
    let mut bytes = fs::read(&path).unwrap();
    let at = bytes.windows(part.len()).position(|window| window == part).unwrap();
    bytes[at] ^= 1;
    fs::write(&path, bytes).unwrap();
    let report = verify(dir.path()).unwrap();
    assert!(!report.is_clean());
    assert_eq!(repair(dir.path()).unwrap().lost, []);
    assert!(verify(dir.path()).unwrap().is_clean());
    let space = Searcher::open(dir.path()).unwrap().space().clone();
    Writer::open(dir.path(), &space, WriterOptions::default()).unwrap().close().unwrap();
}

#[test]
fn an_index_of_an_earlier_version_gets_its_number_once() {
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1");
    let index = Fixture::new();
    copy(&fixture, &index.dir());
    let number = || fs::read(index.dir().join("manifest")).unwrap()[8..20].to_vec();
    assert_eq!(number()[..4], 1u32.to_le_bytes());
    let rows = index.searcher().len();
    drop(index.writer());
    let first = number();
    assert!(first[..4] == 2u32.to_le_bytes() && first[4..] != [0; 8], "{first:?}");
    drop(index.writer());
    assert_eq!((number(), index.searcher().len()), (first, rows));
    assert!(verify(&index.dir()).unwrap().is_clean());
}

#[test]
fn a_copy_is_verified_without_a_trace() {
    let index = own();
    let state = || {
        let mut state = Vec::new();
        for entry in
            fs::read_dir(index.dir()).unwrap().chain(fs::read_dir(index.dir().join("catalog")).unwrap())
        {
            let entry = entry.unwrap();
            let metadata = entry.metadata().unwrap();
            state.push((entry.path(), metadata.len(), metadata.modified().unwrap()));
        }
        state.sort();
        state
    };
    let (before, scratch) = (state(), tempfile::tempdir().unwrap());
    let report = verify_copy(&index.dir(), scratch.path()).unwrap();
    assert!(report.is_clean() && report.records == 6, "{report:?}");
    assert_eq!(state(), before);
    let _writer = index.writer();
    let empty = tempfile::tempdir().unwrap();
    assert!(matches!(verify_copy(&index.dir(), empty.path()), Err(Error::Locked { .. })));
}

#[cfg(unix)]
#[test]
fn only_the_owner_can_read_it() {
    use std::os::unix::fs::PermissionsExt;
    #[track_caller]
    fn check(index: &Fixture, what: &str) {
        let mut folders = vec![index.dir()];
        while let Some(path) = folders.pop() {
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o077, 0, "{what}: {}", path.display());
            if path.is_dir() {
                folders.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
            }
        }
    }
    let index = own();
    check(&index, "new");
    for name in ["", "manifest", "catalog", "catalog/db"] {
        fs::set_permissions(index.dir().join(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    drop(index.writer());
    check(&index, "opened for writing");
    fs::set_permissions(index.dir(), fs::Permissions::from_mode(0o755)).unwrap();
    repair(&index.dir()).unwrap();
    check(&index, "repaired");
}

#[cfg(unix)]
#[test]
fn nothing_is_written_through_planted_links() {
    let index = own();
    let victim = index.dir().join("victim");
    fs::write(&victim, "mine").unwrap();
    for number in 1..9 {
        let name = format!("{number:016x}.segment.tmp");
        std::os::unix::fs::symlink(&victim, index.dir().join(name)).unwrap();
    }
    std::os::unix::fs::symlink(&victim, index.dir().join("manifest.tmp")).unwrap();
    index.apply(vec![put_at("d", 0.0)]);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "mine");
    assert_eq!(index.listing().len(), 4);
}
