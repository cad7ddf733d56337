//! Conformance tests for stores behind the seam: the embedded one, and one in memory.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use imgsearch::decode::Limits;
use imgsearch::ingest::index_into;
use imgsearch::item::{Item, Part, path_of};
use imgsearch::library::{Ask, Hit, Load, Note, Sink, StoreError, Stored, View, Write};
use imgsearch::model::Precision;
use imgsearch::photo::{Details, Photo, Skip, SkipKind, Stamp};
use imgsearch::query::{Filter, Names};
use imgsearch::{Engine, Expression, Library, Query};
use imgsearch_index::{Fingerprint, Space, Vector};
use tempfile::TempDir;

use crate::in_process::{Silent, offline_model, plan};
use crate::memory_store::MemoryStore;
use crate::workspace::Workspace;

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

/// A store for a test.
enum Store {
    Embedded(TempDir, Space),
    Memory(MemoryStore),
}

impl Store {
    fn sink(&self) -> Box<dyn Sink> {
        match self {
            Store::Embedded(folder, space) => {
                Library::new(folder.path()).lock().unwrap().open(space).unwrap().sink
            }
            Store::Memory(store) => store.sink(),
        }
    }

    fn view(&self) -> Result<Arc<dyn View>, StoreError> {
        match self {
            Store::Embedded(folder, _) => Library::new(folder.path()).view(),
            Store::Memory(store) => store.view(),
        }
    }

    /// Its view after these writes.
    fn with(&self, writes: Vec<Write>) -> Arc<dyn View> {
        let sink = self.sink();
        sink.apply(writes).unwrap();
        sink.close().unwrap();
        self.view().unwrap()
    }
}

fn space() -> Space {
    Space::new("s", "S", 2).unwrap()
}

fn stores(space: &Space) -> [Store; 2] {
    [Store::Embedded(tempfile::tempdir().unwrap(), space.clone()), Store::Memory(MemoryStore::new(space))]
}

/// Runs a test on every store, empty at first.
#[track_caller]
fn each_store(test: impl Fn(&Store)) {
    stores(&space()).iter().for_each(test);
}

const STAMP: Stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };

fn photo(width: u32) -> Photo {
    Photo::read(STAMP, 7, Some(Details { width, height: 3, ..Details::default() }))
}

/// A vector at this angle in degrees.
fn at(degrees: f32) -> Vector {
    let angle = degrees.to_radians();
    Vector::normalized(vec![angle.cos(), angle.sin()]).unwrap()
}

fn put(path: &str, degrees: f32) -> Write {
    put_item(Item::file(path), degrees)
}

fn put_item(item: Item, degrees: f32) -> Write {
    Write::Put { item, content: None, photo: photo(4), vector: Some(at(degrees)) }
}

fn left_out(path: &str) -> Write {
    let photo = Photo::skipped(STAMP, 7, Skip::new(SkipKind::Damaged, ""));
    Write::Put { item: Item::file(path), content: None, photo, vector: None }
}

fn of_content(write: Write, byte: u8) -> Write {
    match write {
        Write::Put { item, photo, vector, .. } => {
            Write::Put { item, content: Some(Fingerprint([byte; 16])), photo, vector }
        }
        Write::Remove { .. } => write,
    }
}

fn remove(path: &str) -> Write {
    Write::Remove { path: path.into() }
}

fn moment(path: &str, ms: u32) -> Item {
    Item { path: path.into(), part: Some(Part::Moment { ms }) }
}

fn items(
    visit: impl FnOnce(&mut dyn FnMut(Stored) -> ControlFlow<()>) -> Result<(), StoreError>,
) -> Vec<Item> {
    let mut items = Vec::new();
    visit(&mut |stored| {
        items.push(stored.item);
        CONTINUE
    })
    .unwrap();
    items
}

/// The photos in a view, in key order.
fn photos(view: &dyn View) -> Vec<Item> {
    let mut items = items(|visit| view.each(&Filter::default(), Load::WithoutVector, visit));
    items.sort_by_key(Item::key);
    items
}

/// The items in a view that are not photos, in key order. Checks that the others are those of [`photos`].
fn no_photos(view: &dyn View) -> Vec<Item> {
    let (mut all, mut no_photos) = (Vec::new(), Vec::new());
    let visit = &mut |stored: Stored, is_photo| {
        assert_eq!(stored.vector, None);
        if is_photo {
            all.push(stored.item)
        } else {
            no_photos.push(stored.item)
        }
        CONTINUE
    };
    view.each_item(visit).unwrap();
    all.sort_by_key(Item::key);
    assert_eq!(all, photos(view));
    no_photos.sort_by_key(Item::key);
    no_photos
}

fn paths(hits: &[Hit]) -> Vec<&str> {
    hits.iter().map(|hit| hit.stored.item.path.to_str().unwrap()).collect()
}

fn top(top: usize) -> NonZeroUsize {
    NonZeroUsize::new(top).unwrap()
}

#[test]
fn records_round_trip() {
    each_store(|store| {
        let strange = if cfg!(unix) { path_of(b"/a/\xff\n") } else { PathBuf::from("/a/strange") };
        let all =
            [Item::file("/a/b.jpg"), moment("/a/b.jpg", 0), moment("/a/b.jpg", 70_000), Item::file(strange)];
        let sink = store.sink();
        let writes = all.iter().map(|item| of_content(put_item(item.clone(), 30.0), 9));
        sink.apply(writes.chain([left_out("/a/none.jpg")]).collect()).unwrap();
        let content = Some(Fingerprint([9; 16]));
        for item in &all {
            let expected = Stored { item: item.clone(), content, photo: Some(photo(4)), vector: None };
            assert_eq!(sink.get(item).unwrap(), Some(expected));
        }
        assert_eq!(sink.get(&Item::file("/a")).unwrap(), None);
        sink.close().unwrap();
        let view = store.view().unwrap();
        for item in &all {
            let found = view.get(item).unwrap().unwrap();
            assert!(found.vector.as_ref().unwrap().dot(&at(30.0)) > 0.999);
            assert_eq!((found.content, found.photo), (content, Some(photo(4))));
        }
        assert_eq!(view.get(&Item::file("/a/none.jpg")).unwrap().unwrap().vector, None);
        assert_eq!(view.get(&moment("/a/b.jpg", 1)).unwrap(), None);
        assert_eq!((view.space(), view.stats().rows), (&space(), 4));
    });
}

#[test]
fn unpublished_changes_are_not_visible() {
    each_store(|store| {
        assert!(store.view().err().unwrap().is_missing());
        let first = store.with(vec![put("/a", 0.0)]);
        assert!(first.newer().unwrap().is_none());
        let sink = store.sink();
        let mut note = Note::default();
        note.set_model(Path::new("/model"), Precision::Int8, None);
        sink.set_note(&note).unwrap();
        assert_eq!(sink.note().unwrap(), note);
        sink.apply(vec![put("/b", 0.0), remove("/a")]).unwrap();
        sink.close().unwrap();
        let second = first.newer().unwrap().unwrap();
        assert_eq!((photos(&*first), first.note()), (vec![Item::file("/a")], Note::default()));
        assert_eq!((photos(&*second), second.note()), (vec![Item::file("/b")], note));
        assert!(second.newer().unwrap().is_none());
    });
}

#[test]
fn the_closest_photos_are_found_and_no_others() {
    each_store(|store| {
        let mut writes: Vec<_> =
            [("/d", 10.0), ("/a", 40.0), ("/c", 20.0), ("/b", 20.0)].map(|(path, x)| put(path, x)).into();
        writes.push(left_out("/e"));
        let view = store.with(writes);
        let (wanted, every) = (at(0.0), Filter::default());
        let hits = view.search(&Ask::new(&wanted, top(10), &every)).unwrap();
        assert_eq!(paths(&hits), ["/d", "/b", "/c", "/a"]);
        assert!((hits[3].score - 40_f32.to_radians().cos()).abs() < 1e-3, "{}", hits[3].score);
        assert!(hits.iter().all(|hit| hit.stored.vector.is_none() && hit.stored.photo == Some(photo(4))));
        let ask = Ask { load: Load::WithVector, exact: true, ..Ask::new(&wanted, top(2), &every) };
        let hits = view.search(&ask).unwrap();
        assert_eq!(paths(&hits), ["/d", "/b"]);
        assert!(hits[1].stored.vector.as_ref().unwrap().dot(&at(20.0)) > 0.999);
        assert!(view.search(&Ask::new(&Vector::normalized(vec![1.0; 3]).unwrap(), top(1), &every)).is_err());
    });
}

#[test]
fn filters_and_exclusions_narrow_a_search() {
    each_store(|store| {
        let wide = |path: &str, degrees| {
            let vector = Some(at(degrees));
            Write::Put { item: Item::file(path), content: None, photo: photo(9), vector }
        };
        let view = store.with(vec![
            of_content(put("/p/1.jpg", 1.0), 1),
            of_content(put("/p/2.jpg", 2.0), 1),
            wide("/p/3.png", 3.0),
            put("/q/4.jpg", 4.0),
            put_item(moment("/p/5.jpg", 8), 5.0),
        ]);
        let wanted = at(0.0);
        let check = |filter: &Filter, expected: &[&str]| {
            let hits = view.search(&Ask::new(&wanted, top(9), filter)).unwrap();
            assert_eq!(paths(&hits), expected, "{filter:?}");
            assert_eq!(view.count(filter).unwrap(), expected.len(), "{filter:?}");
            let mut each = items(|visit| view.each(filter, Load::WithVector, visit));
            each.sort_by_key(Item::key);
            assert_eq!(each.len(), expected.len(), "{filter:?}");
            assert!(each.iter().zip(expected).all(|(item, path)| item.path == Path::new(path)));
        };
        let folders = Filter { folders: vec!["/p".into()], ..Filter::default() };
        check(&folders, &["/p/1.jpg", "/p/2.jpg", "/p/3.png", "/p/5.jpg"]);
        let types = Filter { types: vec!["jpeg".parse().unwrap()], ..folders.clone() };
        check(&types, &["/p/1.jpg", "/p/2.jpg", "/p/5.jpg"]);
        let names = Filter { names: Some(Names::new(&["5.*".into()]).unwrap()), ..Filter::default() };
        check(&names, &["/p/5.jpg"]);
        let size = Filter { size: Some("9x3".parse().unwrap()), ..Filter::default() };
        check(&size, &["/p/3.png"]);
        let items = [Item::file("/p/3.png"), Item::file("/p/5.jpg")];
        let ask = Ask {
            without_items: &items,
            without_contents: &[Fingerprint([1; 16])],
            ..Ask::new(&wanted, top(9), &folders)
        };
        assert_eq!(paths(&view.search(&ask).unwrap()), ["/p/5.jpg"]);
    });
}

#[test]
fn the_photos_of_a_content_are_found() {
    each_store(|store| {
        let writes = || {
            let photos = ["/c", "/a", "/b"].map(|path| of_content(put(path, 50.0), 5));
            photos.into_iter().chain([of_content(put("/d", 0.0), 6), of_content(left_out("/e"), 5)])
        };
        let sink = store.sink();
        sink.apply(writes().collect()).unwrap();
        let check = |found: &dyn Fn(u8, usize) -> Vec<Stored>| {
            let paths = |byte| {
                let found = found(byte, 9);
                assert!(found.iter().all(|stored| stored.content == Some(Fingerprint([byte; 16]))));
                let mut paths: Vec<_> = found.into_iter().map(|stored| stored.item.path).collect();
                paths.sort();
                paths
            };
            assert_eq!(paths(5), ["/a", "/b", "/c"].map(PathBuf::from));
            assert_eq!((paths(6).len(), paths(7).len(), found(5, 2).len()), (1, 0, 2));
            assert!(found(5, 1)[0].vector.as_ref().unwrap().dot(&at(50.0)) > 0.999);
        };
        check(&|byte, most| {
            let mut found = Vec::new();
            let visit = &mut |stored| {
                found.push(stored);
                if found.len() < most { CONTINUE } else { ControlFlow::Break(()) }
            };
            sink.of_content(&Fingerprint([byte; 16]), visit).unwrap();
            found
        });
        sink.close().unwrap();
        let view = store.view().unwrap();
        check(&|byte, most| view.of_content(&Fingerprint([byte; 16]), most).unwrap());
    });
}

#[test]
fn files_are_visited_by_folder_and_before_their_parts() {
    each_store(|store| {
        let sink = store.sink();
        let parts = [moment("/p/b", 2), moment("/p/b", 1)].map(|item| put_item(item, 0.0));
        let files = ["/p/b.jpg", "/p/b", "/p", "/pp", "/o", "/p/c/d"].map(|path| put(path, 0.0));
        sink.apply(files.into_iter().chain(parts).chain([left_out("/p/e")]).collect()).unwrap();
        let below = [
            Item::file("/p"),
            Item::file("/p/b"),
            moment("/p/b", 1),
            moment("/p/b", 2),
            Item::file("/p/b.jpg"),
            Item::file("/p/c/d"),
            Item::file("/p/e"),
        ];
        assert_eq!(items(|visit| sink.each_under(Path::new("/p"), visit)), below);
        assert_eq!(items(|visit| sink.each_under(Path::new("/p/b"), visit)), below[1..4]);
        assert!(items(|visit| sink.each_under(Path::new("/x"), visit)).is_empty());
        // A visitor may change the store, and may stop.
        let mut visited = 0;
        let visit = &mut |stored: Stored| {
            visited += 1;
            sink.apply(vec![Write::Remove { path: stored.item.path }]).unwrap();
            if visited < 2 { CONTINUE } else { ControlFlow::Break(()) }
        };
        sink.each_under(Path::new("/p"), visit).unwrap();
        assert_eq!(items(|visit| sink.each_under(Path::new("/p"), visit)), below[4..]);
        sink.close().unwrap();
        assert_eq!(no_photos(&*store.view().unwrap()), [Item::file("/p/e")]);
    });
}

#[test]
fn a_file_is_removed_with_its_parts() {
    each_store(|store| {
        let sink = store.sink();
        let kept =
            || vec![put("/a", 0.0), put_item(moment("/a", 1), 0.0), put("/a b", 0.0), put("/a/c", 0.0)];
        sink.apply(kept()).unwrap();
        sink.apply(vec![remove("/a"), remove("/never there")]).unwrap();
        assert_eq!(
            items(|visit| sink.each_under(Path::new("/"), visit)),
            [Item::file("/a b"), Item::file("/a/c")]
        );
        // This includes new parts in the same batch; parts added after the removal stay.
        let mut batch = kept();
        batch.extend([remove("/a"), put_item(moment("/a", 2), 0.0), remove("/a b"), put("/a b", 0.0)]);
        sink.apply(batch).unwrap();
        let expected = [moment("/a", 2), Item::file("/a b"), Item::file("/a/c")];
        assert_eq!(items(|visit| sink.each_under(Path::new("/"), visit)), expected);
    });
}

#[test]
fn a_file_that_is_put_again_has_only_the_parts_that_are_put_behind_it() {
    each_store(|store| {
        let sink = store.sink();
        let parts = |ms: &[u32]| ms.iter().map(|ms| put_item(moment("/a", *ms), 0.0)).collect::<Vec<_>>();
        sink.apply([vec![put("/a", 0.0)], parts(&[1, 2, 3]), vec![put("/a b", 0.0)]].concat()).unwrap();
        // In one batch: what was there goes, and also what the batch itself has put before.
        sink.apply([parts(&[9]), vec![put("/a", 0.0)], parts(&[2, 4])].concat()).unwrap();
        let expected = [Item::file("/a"), moment("/a", 2), moment("/a", 4), Item::file("/a b")];
        assert_eq!(items(|visit| sink.each_under(Path::new("/"), visit)), expected);
        // A part that is put by itself leaves the others.
        sink.apply(parts(&[5])).unwrap();
        assert_eq!(items(|visit| sink.each_under(Path::new("/a"), visit)).len(), 4);
        sink.apply(vec![left_out("/a")]).unwrap();
        sink.close().unwrap();
        assert_eq!(photos(&*store.view().unwrap()), [Item::file("/a b")]);
    });
}

#[test]
fn a_batch_is_atomic() {
    each_store(|store| {
        let sink = store.sink();
        let wide = Vector::normalized(vec![1.0; 3]).unwrap();
        let wide = Write::Put { item: Item::file("/w"), content: None, photo: photo(4), vector: Some(wide) };
        let nameless = put(&"/".repeat(70_000), 0.0);
        for refused in [wide, nameless] {
            assert!(sink.check(&refused).is_err());
            assert!(sink.apply(vec![put("/a", 0.0), refused]).is_err());
            assert_eq!(sink.get(&Item::file("/a")).unwrap(), None);
        }
        let good = put("/a", 0.0);
        sink.check(&good).unwrap();
        sink.check(&remove("/b")).unwrap();
        sink.apply(vec![good]).unwrap();
        assert!(sink.get(&Item::file("/a")).unwrap().is_some());
    });
}

/// Reproducible pseudo-random numbers (xorshift64*).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) % bound
    }
}

/// Any sequence of changes gives both stores the same records and answers.
#[test]
fn all_stores_behave_the_same() {
    let (stores, mut numbers) = (stores(&space()), Numbers(11));
    for _ in 0..6 {
        let write = |_| {
            let path = format!("/{}/{}.jpg", numbers.below(3), numbers.below(12));
            let item = match numbers.below(3) {
                0 => moment(&path, u32::try_from(numbers.below(4)).unwrap()),
                _ => Item::file(&path),
            };
            match numbers.below(5) {
                0 => remove(&path),
                1 => left_out(&path),
                _ => {
                    let degrees = u16::try_from(numbers.below(90)).unwrap();
                    of_content(put_item(item, degrees.into()), u8::try_from(numbers.below(4)).unwrap())
                }
            }
        };
        let writes: Vec<Write> = (0..40).map(write).collect();
        let views = stores.each_ref().map(|store| store.with(writes.clone()));
        let [embedded, memory] = views.each_ref().map(|view| {
            let folder = Filter { folders: vec!["/1".into()], ..Filter::default() };
            let wanted = at(17.25);
            let ask = Ask { exact: true, ..Ask::new(&wanted, top(7), &folder) };
            let found: Vec<Item> =
                view.search(&ask).unwrap().into_iter().map(|hit| hit.stored.item).collect();
            let records: Vec<Stored> = photos(&**view)
                .iter()
                .map(|item| Stored { vector: None, ..view.get(item).unwrap().unwrap() })
                .collect();
            (found, records, no_photos(&**view), view.count(&folder).unwrap())
        });
        assert_eq!(embedded, memory);
    }
}

/// Indexing and searching do not depend on the store: the same photos in another store give the same answers.
#[test]
fn a_library_in_another_store_gives_the_same_answers() {
    let (workspace, model) = (Workspace::new(), Arc::new(offline_model()));
    (0..6).for_each(|seed| drop(workspace.photo(&format!("{seed}.png"), seed)));
    workspace.photo("copy.png", 3);
    let answers = stores(model.space()).map(|store| {
        let sink = store.sink();
        let totals =
            index_into(&*sink, None, &model, &plan(&workspace), &Silent, &AtomicBool::new(false)).unwrap();
        sink.close().unwrap();
        std::fs::remove_file(workspace.photos().join("5.png")).unwrap();
        let sink = store.sink();
        let again =
            index_into(&*sink, None, &model, &plan(&workspace), &Silent, &AtomicBool::new(false)).unwrap();
        sink.close().unwrap();
        workspace.photo("5.png", 5);
        assert_eq!((totals.embedded, totals.copied, again.removed, again.unchanged), (6, 1, 1, 6));
        let library = Library::new(workspace.root().join("beside"));
        let engine =
            Engine::open(&library, store.view().unwrap(), Arc::clone(&model), Limits::default()).unwrap();
        let found = engine.search(&Query::new(Expression::text("a photo in green"), top(20))).unwrap();
        assert!(!engine.refresh().unwrap());
        found.into_iter().map(|found| (found.path, format!("{:.3}", found.score))).collect::<Vec<_>>()
    });
    assert_eq!((answers[0].len(), &answers[0]), (6, &answers[1]));
}
