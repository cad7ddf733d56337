//! One engine in one process, used by many threads while the library changes.

use std::fs;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use image::ImageFormat;
use imgsearch::decode::Limits;
use imgsearch::query::{Cutoff, Source, Term};
use imgsearch::{Engine, EngineError, Expression, Library, Model, Query};

use crate::in_process::{Silent, index_in, offline_model, plan};
use crate::workspace::{Workspace, encoded};

const fn is_shared<T: Clone + Send + Sync>() {}
const _: () = is_shared::<Engine>();

const THREADS: u32 = 8;
/// The number of new photos in each run.
const NEW: u32 = 8;

fn index(workspace: &Workspace, model: &Model) {
    let library = workspace.root().join("library");
    index_in(&library, model, &plan(workspace), &Silent, &AtomicBool::new(false)).unwrap();
}

fn open(workspace: &Workspace, model: &Arc<Model>) -> Engine {
    let library = Library::new(workspace.root().join("library"));
    Engine::open(&library, library.view().unwrap(), Arc::clone(model), Limits::default()).unwrap()
}

fn any(source: Source) -> Query {
    let expression = Expression::new(vec![Term { weight: 1.0, source }]).unwrap();
    Query::new(expression, NonZeroUsize::new(1_000).unwrap())
}

fn text(text: &str) -> Query {
    any(Source::Text(text.into()))
}

fn paths(engine: &Engine, query: &Query) -> Vec<PathBuf> {
    let mut paths: Vec<_> = engine.search(query).unwrap().into_iter().map(|found| found.path).collect();
    paths.sort();
    paths
}

/// Half of the threads query with texts and half with pictures that are not in the library, always with new ones.
fn question(thread: u32, number: u32) -> Query {
    if thread.is_multiple_of(2) {
        return text(&format!("photo {number} of thread {thread}"));
    }
    any(Source::Bytes(encoded(10_000 * (thread + 1) + number, ImageFormat::Png)))
}

#[test]
fn threads_ask_one_engine_while_runs_publish_and_it_sees_new_photos() {
    let (workspace, model) = (Workspace::new(), Arc::new(offline_model()));
    let add = |run: u32| -> Vec<PathBuf> {
        (run * NEW..(run + 1) * NEW).map(|seed| workspace.photo(&format!("{seed:03}.png"), seed)).collect()
    };
    let mut photos = add(0);
    index(&workspace, &model);
    let engine = open(&workspace, &model);
    let has_ended = AtomicBool::new(false);
    // The threads must end even if a run fails.
    struct Ends<'a>(&'a AtomicBool);
    impl Drop for Ends<'_> {
        fn drop(&mut self) {
            self.0.store(true, Ordering::Relaxed);
        }
    }
    let ask = |thread| {
        let (mut found, mut number) = (0, 0);
        while !has_ended.load(Ordering::Relaxed) {
            engine.refresh().unwrap();
            let now = engine.search(&question(thread, number)).unwrap().len();
            assert!(now >= found, "{found} photos, and then {now}");
            (found, number) = (now, number + 1);
        }
        assert!(number > 0);
    };
    std::thread::scope(|scope| {
        let _ends = Ends(&has_ended);
        for thread in 0..THREADS {
            let ask = &ask;
            scope.spawn(move || ask(thread));
        }
        for run in 1..4 {
            photos.extend(add(run));
            index(&workspace, &model);
        }
    });
    engine.refresh().unwrap();
    assert_eq!(paths(&engine, &text("a photo")), photos);
    assert!(!engine.refresh().unwrap());
}

#[test]
fn deleted_photos_are_found_until_the_engine_is_refreshed() {
    let (workspace, model) = (Workspace::new(), Arc::new(offline_model()));
    let photos: Vec<_> = (0..3).map(|seed| workspace.photo(&format!("{seed}.png"), seed)).collect();
    index(&workspace, &model);
    let (engine, query) = (open(&workspace, &model), text("a photo"));
    let other = engine.clone();
    fs::remove_file(&photos[1]).unwrap();
    index(&workspace, &model);
    assert_eq!(paths(&engine, &query), photos);
    assert!(engine.refresh().unwrap());
    let left = [photos[0].clone(), photos[2].clone()];
    assert_eq!((paths(&engine, &query), paths(&other, &query)), (left.to_vec(), left.to_vec()));
}

/// The background belongs to the model, so it applies to photos that were added later too.
#[test]
fn relevance_is_judged_alike_before_and_after_a_refresh() {
    let (workspace, model) = (Workspace::new(), Arc::new(offline_model()));
    workspace.photo("0.png", 0);
    index(&workspace, &model);
    let engine = open(&workspace, &model);
    let query = Query { cutoff: Cutoff::Relevance, ..text("a photo of noise in bright colours") };
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| engine.search(&query).unwrap());
        }
    });
    workspace.photo("1.png", 1);
    index(&workspace, &model);
    assert!(engine.refresh().unwrap());
    assert_eq!(engine.search(&query).unwrap(), open(&workspace, &model).search(&query).unwrap());
}

#[cfg(unix)]
#[test]
fn a_change_of_model_is_reported_and_queries_still_work() {
    let (workspace, model) = (Workspace::new(), Arc::new(offline_model()));
    let photo = workspace.photo("0.png", 0);
    index(&workspace, &model);
    let engine = open(&workspace, &model);
    let other = Arc::new(crate::in_process::open_model(&workspace.other_model()));
    index(&workspace, &other);
    let told = engine.refresh().unwrap_err();
    assert!(matches!(&told, EngineError::OtherModel { found, .. } if found.label() == "other"), "{told}");
    assert_eq!(paths(&engine, &text("a photo")), [photo]);
    assert!(!open(&workspace, &other).refresh().unwrap());
}
