//! Conformance tests for stores behind the seam: the embedded one, one in memory, PostgreSQL and Milvus.

use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use imgsearch::decode::Limits;
use imgsearch::ingest::index_into;
use imgsearch::item::{Item, Part, path_of};
use imgsearch::library::{Ask, Hit, Load, Note, Sink, Standing, StoreError, Stored, View, Write};
use imgsearch::model::Precision;
use imgsearch::photo::{Clock, Details, Line, Photo, Skip, SkipKind, Stamp, Text};
use imgsearch::query::{Filter, MatchBy, Names, Period, Phrase, Shape, TextCondition, TextField};
use imgsearch::{Engine, Expression, Library, Query};
use imgsearch_index::{Fingerprint, Space, Vector};
use tempfile::TempDir;

use crate::in_process::{Silent, offline_model, plan};
use crate::memory_store::MemoryStore;
use crate::servers::{library_on, postgres, servers};
use crate::workspace::Workspace;

const CONTINUE: ControlFlow<()> = ControlFlow::Continue(());

/// A store for a test.
enum Store {
    /// A library, with the folder that it or what belongs to it is in.
    Library {
        library: Library,
        space: Space,
        _folder: TempDir,
    },
    Memory(MemoryStore),
}

impl Store {
    fn embedded(space: &Space) -> Store {
        let folder = tempfile::tempdir().unwrap();
        Store::Library { library: Library::new(folder.path()), space: space.clone(), _folder: folder }
    }

    /// A new library on a server.
    fn on_server(url: &str, space: &Space) -> Store {
        let folder = tempfile::tempdir().unwrap();
        Store::Library { library: library_on(url, folder.path()), space: space.clone(), _folder: folder }
    }

    fn library(&self) -> Option<&Library> {
        match self {
            Store::Library { library, .. } => Some(library),
            Store::Memory(_) => None,
        }
    }

    /// Whether its views show what others write after they were opened.
    fn is_live(&self) -> bool {
        self.library().is_some_and(|library| library.to_string().contains("://"))
    }

    fn sink(&self) -> Box<dyn Sink> {
        match self {
            Store::Library { library, space, .. } => library.lock().unwrap().open(space).unwrap().sink,
            Store::Memory(store) => store.sink(),
        }
    }

    fn view(&self) -> Result<Arc<dyn View>, StoreError> {
        match self {
            Store::Library { library, .. } => library.view(),
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

/// One of each kind. Those on servers only if the server is there.
fn stores(space: &Space) -> Vec<Store> {
    let mut stores = vec![Store::embedded(space), Store::Memory(MemoryStore::new(space))];
    stores.extend(servers().iter().map(|url| Store::on_server(url, space)));
    stores
}

/// Runs a test on every library, empty at first.
#[track_caller]
fn each_library(test: impl Fn(&Store, &Library)) {
    for store in &stores(&space()) {
        if let Some(library) = store.library() {
            test(store, library);
        }
    }
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
        assert_eq!(first.note(), Note::default());
        if !store.is_live() {
            assert_eq!(photos(&*first), [Item::file("/a")]);
        }
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
        let views: Vec<_> = stores.iter().map(|store| store.with(writes.clone())).collect();
        let answers: Vec<_> = views
            .iter()
            .map(|view| {
                let folder = Filter { folders: vec!["/1".into()], ..Filter::default() };
                let wanted = at(17.25);
                let ask = Ask { exact: true, ..Ask::new(&wanted, top(7), &folder) };
                let found = view.search(&ask).unwrap();
                let scores: Vec<f32> = found.iter().map(|hit| hit.score).collect();
                let found: Vec<Item> = found.into_iter().map(|hit| hit.stored.item).collect();
                let records: Vec<Stored> = photos(&**view)
                    .iter()
                    .map(|item| Stored { vector: None, ..view.get(item).unwrap().unwrap() })
                    .collect();
                (scores, (found, records, no_photos(&**view), view.count(&folder).unwrap()))
            })
            .collect();
        for (scores, answer) in &answers {
            assert_eq!(answer, &answers[0].1);
            assert!(scores.iter().zip(&answers[0].0).all(|(a, b)| (a - b).abs() < 1e-3));
        }
    }
}

/// Indexing and searching do not depend on the store: the same photos in another store give the same answers.
#[test]
fn a_library_in_another_store_gives_the_same_answers() {
    let (workspace, model) = (Workspace::new(), Arc::new(offline_model()));
    (0..6).for_each(|seed| drop(workspace.photo(&format!("{seed}.png"), seed)));
    workspace.photo("copy.png", 3);
    let answer = |store: &Store| {
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
        found.into_iter().map(|found| (found.path, found.score.unwrap())).collect::<Vec<_>>()
    };
    let answers: Vec<_> = stores(model.space()).iter().map(answer).collect();
    for answer in &answers {
        assert_eq!(answer.len(), 6);
        let same = |((path, score), (other, other_score)): (&(PathBuf, f32), &(PathBuf, f32))| {
            path == other && (score - other_score).abs() < 1e-3
        };
        assert!(answer.iter().zip(&answers[0]).all(same), "{answer:?} {:?}", answers[0]);
    }
}

/// A photo whose details differ with its number in everything that filters ask for.
fn varied(number: u32) -> Write {
    let place = |step: i64, most: i64| i32::try_from((i64::from(number) * step) % most).ok();
    let known = !number.is_multiple_of(5);
    let details = Details {
        width: 100 + number % 7,
        height: 100 + number % 3,
        taken_ms: i64::from(number) * 40_000_000_000,
        clock: if number.is_multiple_of(2) { Clock::Camera } else { Clock::File },
        latitude_e7: place(7_000_001, 900_000_000).filter(|_| known),
        longitude_e7: place(13_000_007, 1_800_000_000).filter(|_| known),
        camera: ["Canon EOS R5", "LUMIE\u{300}RE 3"].get(number as usize % 3).map(ToString::to_string),
        lens: known.then(|| format!("{number} mm")),
        title: known.then(|| format!("Caf\u{e9} {}", number % 9)),
        description: number.is_multiple_of(7).then(|| "Stra\u{df}e".to_owned()),
        keywords: vec![format!("Ferien{}", number % 4), "\u{62c9}\u{9762}\u{9928}".into()],
        people: if number.is_multiple_of(11) { vec!["Ada LOVELACE".into()] } else { Vec::new() },
        ..Details::default()
    };
    let line = |text: String| Line { text, confidence: 99, corners: [[0; 2]; 4] };
    let lines = [line(format!("INVOICE {}", number % 13)), line("Gr\u{f6}\u{df}e".into())];
    let text = Text::new(lines.into_iter().take(number as usize % 3), 1);
    let (folder, ending) = (["/p", "/p/T\u{fc}r", "/p/Tu\u{308}r", "/q"][number as usize % 4], number % 6);
    let ending = ["jpg", "JPG", "png", "tiff", "Jpeg", "txt"][ending as usize];
    let item = Item::file(format!("{folder}/{number}.{ending}"));
    let photo = Photo::read(STAMP, 7, Some(details));
    let photo = if number.is_multiple_of(10) { photo } else { photo.with_text(text) };
    #[expect(clippy::cast_precision_loss, reason = "it is a small number")]
    let vector = Some(at(number as f32 * 0.2));
    Write::Put { item, content: None, photo, vector }
}

#[test]
fn every_kind_of_filter_admits_the_same_photos_in_every_store() {
    let now = "2024-07-01T00:00:00+05:00[+05:00]".parse().unwrap();
    let period = |text: &str| Some(Period::parse(text, &now).unwrap());
    let every = Filter::default;
    let names = |pattern: &str| Some(Names::new(&[pattern.to_owned()]).unwrap());
    let words = |texts| Filter { texts, ..every() };
    let stands = |fields: &[TextField], phrases: &[&str]| {
        let phrases = phrases.iter().map(|phrase| Phrase::new(phrase, MatchBy::Start).unwrap());
        TextCondition::new(fields, phrases.collect())
    };
    let excluded = |condition| TextCondition { is_excluded: true, ..condition };
    let filters = [
        Filter { folders: vec!["/p".into()], ..every() },
        Filter { folders: vec!["/p/T\u{fc}r".into(), "/q".into()], ..every() },
        Filter { folders: vec!["/p/Tu\u{308}r/".into()], ..every() },
        Filter { folders: vec!["/".into()], ..every() },
        Filter { folders: vec!["/p/8.png".into()], ..every() },
        Filter { types: vec!["jpeg".parse().unwrap(), "png".parse().unwrap()], ..every() },
        Filter { names: names("*7.*"), ..every() },
        Filter { names: names("/p/T\u{fc}r/*"), ..every() },
        Filter { taken: period("1980"), ..every() },
        Filter { taken: period("1990-03").map(Period::onwards), ..every() },
        Filter { taken: period("1990-03").map(Period::before), ..every() },
        Filter { near: Some("10,20,1500".parse().unwrap()), ..every() },
        Filter { near: Some("0,179,3000".parse().unwrap()), ..every() },
        Filter { near: Some("88,0,4000".parse().unwrap()), ..every() },
        Filter { camera: Some("eos".into()), ..every() },
        Filter { camera: Some("lumi\u{e8}re".into()), ..every() },
        Filter { lens: Some("7 MM".into()), ..every() },
        Filter { shape: Some(Shape::Landscape), ..every() },
        Filter { shape: Some(Shape::Portrait), ..every() },
        Filter { shape: Some(Shape::Square), ..every() },
        Filter { size: Some("103x102".parse().unwrap()), ..every() },
        Filter { size: Some("0.0105MP".parse().unwrap()), ..every() },
        Filter {
            camera: Some("canon".into()),
            names: names("*.jpg"),
            near: Some("20,30,3000".parse().unwrap()),
            ..every()
        },
        Filter { camera: Some("no such".into()), ..every() },
        words(vec![stands(&[TextField::Text], &["invoice 1"])]),
        words(vec![stands(&[TextField::Text], &["gr\u{f6}\u{df}e"])]),
        words(vec![stands(&[TextField::Text, TextField::Caption], &["CAFE 3", "grosse"])]),
        words(vec![stands(&[TextField::Caption], &["strasse"])]),
        words(vec![stands(&[TextField::Keyword], &["ferien 2"])]),
        words(vec![
            stands(&[TextField::Keyword], &["\u{9762}"]),
            stands(&[TextField::Person], &["lovelace"]),
        ]),
        words(vec![stands(&[TextField::Name], &["tur"])]),
        words(vec![stands(&[TextField::Name, TextField::Text], &["q", "invoice 12"])]),
        words(vec![stands(&[TextField::Text], &["voice"])]),
        words(vec![excluded(stands(&[TextField::Text], &["invoice"]))]),
        words(vec![
            stands(&[TextField::Caption], &["cafe"]),
            excluded(stands(&[TextField::Text], &["grosse"])),
        ]),
    ];
    let views: Vec<_> = stores(&space())
        .iter()
        .map(|store| (store.with((0..400).map(varied).collect()), store.is_live()))
        .collect();
    let (mut kinds, wanted) = (0, at(31.07));
    for filter in &filters {
        let mut answers = views.iter().map(|(view, _)| {
            let mut items = items(|visit| view.each(filter, Load::WithoutVector, visit));
            items.sort_by_key(Item::key);
            let found = |most| view.search(&Ask::new(&wanted, top(most), filter)).unwrap();
            assert_eq!(
                (view.count(filter).unwrap(), found(500).len()),
                (items.len(), items.len()),
                "{filter:?}"
            );
            let best: Vec<_> = found(5).into_iter().map(|hit| hit.stored.item).collect();
            (items, best)
        });
        let first = answers.next().unwrap();
        kinds += usize::from((1..400).contains(&first.0.len()));
        answers.for_each(|answer| assert_eq!(answer, first, "{filter:?}"));
    }
    assert!(kinds >= filters.len() - 3, "only {kinds} of the filters tell photos apart");
}

/// A photo with this title, and one keyword for each of these words.
fn titled(path: &str, degrees: f32, title: &str, keywords: &[String]) -> Write {
    let details = Details {
        width: 4,
        height: 3,
        title: Some(title.to_owned()),
        keywords: keywords.to_vec(),
        ..Details::default()
    };
    let photo = Photo::read(STAMP, 7, Some(details));
    Write::Put { item: Item::file(path), content: None, photo, vector: Some(at(degrees)) }
}

/// The condition for a whole word, as the words of a query have it.
fn whole(words: &[&str]) -> Vec<TextCondition> {
    let fields = [TextField::Text, TextField::Caption, TextField::Keyword, TextField::Person];
    let condition =
        |word: &&str| TextCondition::new(&fields, vec![Phrase::new(word, MatchBy::Whole).unwrap()]);
    words.iter().map(condition).collect()
}

/// Checks that the words stand in the same photos of all these views, and that these are as many as `expected`.
#[track_caller]
fn check_standing(views: &[Arc<dyn View>], ask: &Ask<'_>, words: &[TextCondition], expected: &[usize]) {
    let answers = views.iter().map(|view| {
        let Standing { photos, counts, mut hits, deviation } = view.standing(ask, words).unwrap().unwrap();
        hits.sort_by_key(|(hit, _)| hit.stored.item.key());
        assert!(hits.iter().all(|(hit, _)| hit.stored.vector.is_some() == (ask.load == Load::WithVector)));
        let (scores, marks): (Vec<f32>, Vec<_>) =
            hits.into_iter().map(|(hit, marks)| (hit.score, (hit.stored.item, marks))).unzip();
        (photos, counts, marks, (scores, deviation))
    });
    let answers: Vec<_> = answers.collect();
    let (photos, counts, marks, (scores, deviation)) = &answers[1];
    assert_eq!(counts, expected);
    for (other_photos, other_counts, other_marks, (other_scores, other_deviation)) in &answers {
        assert_eq!((other_photos, other_counts), (photos, counts));
        assert_eq!(
            (other_marks.len(), other_marks == marks),
            (marks.len(), true),
            "{other_marks:?} {marks:?}"
        );
        assert!(scores.iter().zip(other_scores).all(|(a, b)| (a - b).abs() < 1e-3));
        // A sample of few photos is all of them.
        let most = if *photos > 512 { deviation * 0.2 } else { 1e-3 };
        assert!((deviation - other_deviation).abs() <= most, "{deviation} {other_deviation}");
    }
}

#[test]
fn words_stand_in_the_same_photos_of_every_store() {
    let stores = stores(&space());
    let long = "x".repeat(300);
    // More than the arrays of Milvus have.
    let many: Vec<String> = (0..5_000).map(|number| format!("of{number}")).collect();
    let more = [
        titled("/more/many.jpg", 5.0, "many", &many),
        titled("/more/long.jpg", 6.0, &format!("{long}y 拉面馆"), &[]),
        titled("/more/mixed.jpg", 7.0, "IMG1234 面拉", &["needle".into()]),
        left_out("/more/none.jpg"),
    ];
    let writes: Vec<Write> = (0..400).map(varied).chain(more).collect();
    let views: Vec<_> = stores.iter().map(|store| store.with(writes.clone())).collect();
    let (wanted, every) = (at(31.07), Filter::default());
    let ask = Ask::new(&wanted, top(3), &every);
    let check = |ask: &Ask<'_>, words: &[&str], expected: &[usize]| {
        check_standing(&views, ask, &whole(words), expected);
    };
    check(&ask, &["invoice"], &[240]);
    check(&ask, &["invoice", "grosse", "lovelace", "voice", "needle"], &[240, 120, 37, 0, 1]);
    check(&ask, &["zebra"], &[0]);
    // Words of several tokens, of which some stand apart from each other; and words that are cut.
    check(&ask, &["拉面", "面", "img1234", "1234", "ferien2"], &[401, 402, 1, 2, 100]);
    check(&ask, &[&format!("{long}y"), &long, &format!("{long}z")], &[1, 0, 0]);
    check(&ask, &["4999", "of4999", "of5000"], &[1, 1, 0]);
    // Not only as the words of a query are.
    let ferien = Phrase::new("ferien 2", MatchBy::Whole).unwrap();
    let either = [ferien, Phrase::new("needle", MatchBy::Whole).unwrap()];
    let only = TextCondition::new(&[TextField::Keyword, TextField::Name], either.to_vec());
    check_standing(&views, &ask, std::slice::from_ref(&only), &[101]);
    // Conditions narrow the photos, but not the counts.
    let folder = Filter { folders: vec!["/p".into()], ..every.clone() };
    let pattern = Filter { names: Some(Names::new(&["*7.*".into()]).unwrap()), ..every.clone() };
    let texts = Filter { texts: vec![only], ..every.clone() };
    let near = Filter { near: Some("10,20,1500".parse().unwrap()), ..every.clone() };
    for filter in [folder, pattern, texts, near] {
        check(&Ask { filter: &filter, ..ask }, &["invoice", "grosse", "img1234"], &[240, 120, 1]);
    }
    let items = [Item::file("/more/mixed.jpg"), Item::file("/q/11.txt")];
    let without = Ask { without_items: &items, load: Load::WithVector, ..ask };
    check(&without, &["needle", "invoice"], &[1, 240]);
    // Words of a photo that is changed, removed, or loses its vector.
    let changes = vec![
        titled("/more/mixed.jpg", 7.0, "pin", &[]),
        titled("/more/new.jpg", 7.0, "pin", &[]),
        put("/more/long.jpg", 6.0),
        remove("/more/many.jpg"),
        left_out("/more/none.jpg"),
    ];
    let views: Vec<_> = stores.iter().map(|store| store.with(changes.clone())).collect();
    let words = whole(&["pin", "needle", "img1234", &long, "4999"]);
    check_standing(&views, &ask, &words, &[2, 0, 0, 0, 0]);
    let views: Vec<_> = stores.iter().map(|store| store.with(vec![left_out("/more/new.jpg")])).collect();
    check_standing(&views, &ask, &words, &[1, 0, 0, 0, 0]);
}

#[test]
fn of_very_many_photos_with_words_the_closest_are_found_and_those_with_all_words() {
    // As many as are compared lie close to what is asked for, and all others far from it.
    let write = |number: u16| {
        let degrees = if number < 1_000 { 0.0 } else { 50.0 } + f32::from(number % 1_000) * 0.02;
        let title = match number {
            3_100.. => "party 1a",
            2_900.. => "all of the party 1 a",
            2_600.. => "nothing",
            _ => "party",
        };
        let put = titled(&format!("/{}/{number}.jpg", number % 10), degrees, title, &[]);
        of_content(put, number.to_le_bytes()[0])
    };
    let stores = stores(&space());
    let writes: Vec<Write> = (0..3_200).map(write).collect();
    let views: Vec<_> = stores.iter().map(|store| store.with(writes.clone())).collect();
    let (wanted, every) = (at(-20.0), Filter::default());
    let ask = Ask::new(&wanted, top(3), &every);
    check_standing(&views, &ask, &whole(&["party"]), &[2_900]);
    check_standing(&views, &ask, &whole(&["party", "1a"]), &[2_900, 100]);
    check_standing(&views, &ask, &whole(&["party", "all", "zebra"]), &[2_900, 200, 0]);
    // No photo has all.
    check_standing(&views, &ask, &whole(&["party", "nothing"]), &[2_900, 300]);
    let pattern = Filter { names: Some(Names::new(&["*[1-9].jpg".into()]).unwrap()), ..every.clone() };
    check_standing(&views, &Ask { filter: &pattern, ..ask }, &whole(&["party", "1a"]), &[2_900, 100]);
}

/// A library whose tables an earlier version made is searched as it is, and gets its words when a writer opens it.
#[cfg(feature = "postgres")]
#[test]
fn a_library_without_words_gets_them_from_its_records() {
    let Some(server) = postgres() else { return };
    // A database of its own, because all libraries of one have the same version.
    let database = format!("of_version_1_{}", std::process::id());
    let connect = |url: &str| ::postgres::Client::connect(url, ::postgres::NoTls).unwrap();
    connect(&server).batch_execute(&format!("create database {database}")).unwrap();
    let url = server.replace("/postgres", &format!("/{database}"));
    let store = Store::on_server(&url, &space());
    let writes: Vec<Write> = (0..2_500).map(varied).collect();
    drop(store.with(writes.clone()));
    let mut client = connect(&url);
    let index: i64 = client.query_one("select id from imgsearch.indexes", &[]).unwrap().get(0);
    let back = format!("drop table imgsearch.words_{index}; update imgsearch.version set version = 1");
    client.batch_execute(&back).unwrap();
    let before = store.view().unwrap();
    let (wanted, every) = (at(31.07), Filter::default());
    let (ask, words) = (Ask::new(&wanted, top(3), &every), whole(&["strasse", "lovelace", "img1234"]));
    assert_eq!(before.standing(&ask, &words).unwrap(), None);
    assert_eq!((before.search(&ask).unwrap().len(), before.stats().rows), (3, 2_500));
    // Several writers come at once.
    std::thread::scope(|scope| {
        for number in 0..4 {
            let store = &store;
            scope.spawn(move || {
                let sink = store.sink();
                sink.apply(vec![titled(&format!("/new/{number}.jpg"), 1.0, "IMG1234", &[])]).unwrap();
                sink.close().unwrap();
            });
        }
    });
    assert_eq!(client.query_one("select version from imgsearch.version", &[]).unwrap().get::<_, i32>(0), 2);
    let memory = Store::Memory(MemoryStore::new(&space()));
    let added = (0..4).map(|number| titled(&format!("/new/{number}.jpg"), 1.0, "IMG1234", &[]));
    let views = [store.view().unwrap(), memory.with(writes.into_iter().chain(added).collect())];
    check_standing(&views, &ask, &words, &[358, 228, 4]);
    // A view that was open before knows them too.
    assert_eq!(before.standing(&ask, &words).unwrap().unwrap().counts, [358, 228, 4]);
}

#[test]
fn thousands_of_records_are_looked_up_and_listed_without_one_missing() {
    each_store(|store| {
        let path = |number: u32| format!("/{:02}/{number:05}.jpg", number % 20);
        let sink = store.sink();
        let numbers: Vec<u32> = (0..5_003).collect();
        for some in numbers.chunks(1_000) {
            let write = |number: &u32| match number % 10 {
                3 => left_out(&path(*number)),
                _ => put(&path(*number), 3.0),
            };
            sink.apply(some.iter().map(write).collect()).unwrap();
        }
        for number in 0..5_100 {
            let found = sink.get(&Item::file(path(number))).unwrap();
            assert_eq!(found.is_some(), number < 5_003, "{number}");
            assert!(found.is_none_or(|found| found.item.path == Path::new(&path(number))));
        }
        // Also in the order of a walk.
        let mut paths: Vec<String> = numbers.iter().map(|number| path(*number)).collect();
        paths.sort();
        for path in &paths {
            assert!(sink.get(&Item::file(path)).unwrap().is_some(), "{path}");
            assert!(sink.get(&Item::file(path.replace(".jpg", ".gif"))).unwrap().is_none());
        }
        let below = items(|visit| sink.each_under(Path::new("/"), visit));
        assert!(below.iter().map(|item| item.path.to_str().unwrap()).eq(paths.iter().map(String::as_str)));
        sink.close().unwrap();
        let view = store.view().unwrap();
        let (found, others) = (photos(&*view), no_photos(&*view));
        assert_eq!((found.len(), others.len()), (4_503, 500));
        assert!(found.windows(2).all(|two| two[0] != two[1]));
    });
}

#[test]
fn a_search_finds_as_many_as_there_are_also_with_a_graph() {
    each_store(|store| {
        // Those that the filter admits are the farthest from what is asked for.
        let numbers: Vec<u16> = (0..6_000).collect();
        let write = |number: &u16| {
            let folder = if *number >= 5_950 { "few" } else { "many" };
            put(&format!("/{folder}/{number}.jpg"), f32::from(*number) * 0.015)
        };
        let view = store.with(numbers.iter().map(write).collect());
        if let Some(library) = store.library() {
            assert!(library.lock().unwrap().optimize(&|| false, &|_, _| ()).unwrap());
            // The embedded store scans so few.
            assert_eq!(library.view().unwrap().stats().graph_rows, if store.is_live() { 6_000 } else { 0 });
        }
        let view = store.view().unwrap_or(view);
        let few = Filter { folders: vec!["/few".into()], ..Filter::default() };
        let pattern =
            Filter { names: Some(Names::new(&["few/*9.jpg".into()]).unwrap()), ..Filter::default() };
        let wanted = at(0.0);
        for (filter, there_are) in [(&few, 50), (&pattern, 5), (&Filter::default(), 6_000)] {
            for most in [1, 5, 50, 1_000, 10_000] {
                let hits = view.search(&Ask::new(&wanted, top(most), filter)).unwrap();
                assert_eq!(hits.len(), most.min(there_are), "{filter:?}");
                assert!(hits.windows(2).all(|two| two[0].score >= two[1].score));
            }
        }
    });
}

#[test]
fn another_model_is_built_beside_and_replaces_the_one_in_use() {
    each_library(|store, library| {
        let first = store.with(vec![put("/a", 0.0), put("/b", 0.0)]);
        let other = Space::new("t", "T", 3).unwrap();
        let mut locked = library.lock().unwrap();
        let opened = locked.open(&other).unwrap();
        assert_eq!(photos(&*opened.replaces.unwrap()).len(), 2);
        // It does not mix with the one in use.
        assert!(opened.sink.get(&Item::file("/a")).unwrap().is_none());
        let vector = Some(Vector::normalized(vec![1.0; 3]).unwrap());
        let put = Write::Put { item: Item::file("/a"), content: None, photo: photo(4), vector };
        opened.sink.apply(vec![put]).unwrap();
        opened.sink.close().unwrap();
        let building = library.building().unwrap();
        assert_eq!((building.len(), building[0].view.space()), (1, &other));
        drop(building);
        assert_eq!((library.view().unwrap().space(), photos(&*first).len()), (&space(), 2));
        assert!(first.newer().unwrap().is_none());
        locked.put_into_use(&other).unwrap();
        drop(locked);
        let second = first.newer().unwrap().unwrap();
        assert_eq!((second.space(), photos(&*second)), (&other, vec![Item::file("/a")]));
        // Queries that began before still have their answers.
        assert_eq!(photos(&*first).len(), 2);
        drop((first, second));
        // And back again, from nothing.
        let mut locked = library.lock().unwrap();
        let opened = locked.open(&space()).unwrap();
        assert!(opened.replaces.is_some() && opened.sink.get(&Item::file("/b")).unwrap().is_none());
    });
}

#[test]
fn a_collection_is_a_library_of_its_own() {
    each_library(|store, library| {
        drop(store.with(vec![put("/a", 0.0)]));
        assert!(library.collections().is_empty());
        let mut locked = library.lock().unwrap().collection("faces").unwrap().unwrap();
        let sink = locked.open(&space()).unwrap().sink;
        sink.apply(vec![put("/b", 0.0)]).unwrap();
        sink.close().unwrap();
        drop(locked);
        let names: Vec<_> = library.collections();
        assert_eq!(photos(&*names[0].view().unwrap()), [Item::file("/b")]);
        assert_eq!(photos(&*library.view().unwrap()), [Item::file("/a")]);
    });
}

#[test]
fn any_number_of_writers_may_change_a_library_on_a_server() {
    for url in servers() {
        let store = Store::on_server(&url, &space());
        std::thread::scope(|scope| {
            for writer in 0..4_u16 {
                let store = &store;
                scope.spawn(move || {
                    let sink = store.sink();
                    for round in 0..10_u16 {
                        // Each writes files of its own, and the same ones as all others.
                        let own = (0..20).map(|file| put(&format!("/{writer}/{round}-{file}"), 1.0));
                        let shared = (0..20).map(|file| put(&format!("/all/{file}"), f32::from(round)));
                        let gone = (0..5).map(|file| remove(&format!("/gone/{file}")));
                        sink.apply(own.chain(shared).chain(gone).collect()).unwrap();
                        sink.apply((0..5).map(|file| put(&format!("/gone/{file}"), 1.0)).collect()).unwrap();
                        sink.apply((0..5).map(|file| remove(&format!("/gone/{file}"))).collect()).unwrap();
                    }
                    sink.close().unwrap();
                });
            }
        });
        let view = store.view().unwrap();
        assert_eq!(view.count(&Filter::default()).unwrap(), 4 * 10 * 20 + 20);
        assert!(view.newer().unwrap().is_none());
    }
}

#[test]
fn a_file_is_claimed_by_one_writer_at_a_time() {
    if let Some(url) = postgres() {
        let store = Store::on_server(&url, &space());
        let (one, other) = (store.sink(), store.sink());
        assert!(one.is_shared());
        let files = ["/a", "/b", "/c"].map(Item::file);
        assert_eq!(one.claim(&files[..2]).unwrap(), [true, true]);
        assert_eq!(other.claim(&files).unwrap(), [false, false, true]);
        assert_eq!(one.claim(&files).unwrap(), [true, true, false], "a claim may be made again");
        // A file that is written is free, and others see its record at once.
        assert!(other.get(&files[0]).unwrap().is_none());
        one.apply(vec![put("/a", 0.0)]).unwrap();
        assert_eq!(other.claim(&files[..1]).unwrap(), [true]);
        assert!(other.get(&files[0]).unwrap().is_some());
        // Only its owner can give up a claim.
        other.release(&files[1..2]).unwrap();
        assert_eq!(other.claim(&files[1..2]).unwrap(), [false]);
        one.release(&files[1..2]).unwrap();
        assert_eq!(other.claim(&files[1..2]).unwrap(), [true]);
        other.close().unwrap();
        assert_eq!(one.claim(&files).unwrap(), [true, true, true]);
    }
}

/// PostgreSQL cannot index such paths. They are refused one by one, and fail no batch.
#[test]
fn a_path_that_is_too_long_for_a_server_fails_no_batch() {
    // Milvus can store paths of this length.
    for url in servers().into_iter().filter(|url| url.to_string().starts_with("postgres")) {
        let store = Store::on_server(&url, &space());
        let sink = store.sink();
        let long = format!("/{}", "a/".repeat(5_000));
        let files = [Item::file(&long), Item::file("/b")];
        assert!(matches!(sink.check(&put(&long, 0.0)), Err(StoreError::Unnameable { .. })));
        assert!(sink.apply(vec![put(&long, 0.0), put("/b", 0.0)]).is_err());
        assert_eq!(sink.claim(&files).unwrap(), [true, true]);
        assert!(sink.get(&files[0]).unwrap().is_none());
        sink.apply(vec![left_out(&long), put("/b", 0.0), remove(&long)]).unwrap();
        sink.release(&files).unwrap();
        sink.close().unwrap();
        assert_eq!(photos(&*store.view().unwrap()), [Item::file("/b")]);
    }
}

#[test]
fn the_claims_of_a_writer_that_died_end() {
    if let Some(url) = postgres() {
        let folder = tempfile::tempdir().unwrap();
        let library = library_on(&format!("{url}?lease=1"), folder.path());
        let open = || library.lock().unwrap().open(&space()).unwrap().sink;
        let (dead, alive) = (open(), open());
        let files = [Item::file("/a")];
        assert_eq!(dead.claim(&files).unwrap(), [true]);
        drop(dead);
        assert_eq!(alive.claim(&files).unwrap(), [false]);
        while alive.claim(&files).unwrap() != [true] {
            std::thread::sleep(std::time::Duration::from_millis(100));
        }
    }
}
