//! Pictures that are not decoded or read in time, in complete runs of the pipeline.

use std::fs;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use image::{ImageFormat, Rgb, RgbImage};
use imgsearch::classify::Classifier;
use imgsearch::decode::{Limits, PictureError};
use imgsearch::hint::Hint;
use imgsearch::ingest::{Event, IngestError, Plan, Reporter, Totals};
use imgsearch::photo::SkipKind;
use imgsearch::query::{Filter, Source, Term};
use imgsearch::thumbnail::Thumbnailer;
use imgsearch::{Engine, EngineError, Expression, Library, Query};

use crate::in_process::{Silent, index_in, offline_model, plan};
use crate::workspace::Workspace;

/// Indexes the workspace's photos with the offline model on one thread, each decoded within `max_time`.
fn run(workspace: &Workspace, library: &Path, max_time: Duration) -> Result<Totals, IngestError> {
    let plan = Plan { limits: Limits { max_time, ..Limits::default() }, ..plan(workspace) };
    run_plan(&plan, library, &Silent, &AtomicBool::new(false))
}

fn run_plan(
    plan: &Plan,
    library: &Path,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Totals, IngestError> {
    index_in(library, &offline_model(), plan, reporter, cancel)
}

/// Makes the first files of the walk block when they are opened.
#[cfg(target_os = "linux")]
struct SlowDisk {
    slow: Vec<PathBuf>,
    queued: AtomicUsize,
    finished: Sender<PathBuf>,
}

#[cfg(target_os = "linux")]
impl Reporter for SlowDisk {
    fn report(&self, event: Event<'_>) {
        use rustix::fs::{CWD, FileType, Mode, mknodat};
        if let Event::Finished { path, .. } = event {
            self.finished.send(path.to_owned()).unwrap();
        }
        // This is reported before a reader can open the file.
        if let Event::Queued = event
            && let Some(path) = self.slow.get(self.queued.fetch_add(1, Ordering::Relaxed))
        {
            fs::remove_file(path).unwrap();
            mknodat(CWD, path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0).unwrap();
        }
    }
}

#[test]
#[cfg(target_os = "linux")]
fn everything_else_continues_while_a_disk_is_slow() {
    let workspace = Workspace::new();
    let photos: Vec<_> = (0..16).map(|seed| workspace.photo(&format!("{seed:02}.png"), seed)).collect();
    let (slow, others) = photos.split_at(3);
    let contents: Vec<_> = slow.iter().map(|path| fs::read(path).unwrap()).collect();
    let (finished, paths) = channel();
    let disk = SlowDisk { slow: slow.to_vec(), queued: AtomicUsize::new(0), finished };
    let library = workspace.root().join("library");
    std::thread::scope(|scope| {
        let run = scope.spawn(|| run_plan(&plan(&workspace), &library, &disk, &AtomicBool::new(false)));
        // If nothing else continues, no event comes; unblock the slow files so that the run ends.
        let mut before: Vec<_> =
            others.iter().map_while(|_| paths.recv_timeout(Duration::from_secs(120)).ok()).collect();
        for (path, content) in slow.iter().zip(contents) {
            fs::write(path, content).unwrap();
        }
        assert_eq!(run.join().unwrap().unwrap().embedded, 16);
        before.sort();
        assert_eq!(before, others);
    });
}

/// Three of eight files block forever. The others are indexed, and those three in the next run, when their disk responds
/// again.
#[test]
#[cfg(target_os = "linux")]
fn files_not_read_in_time_are_skipped_for_now() {
    let workspace = Workspace::new();
    let photos: Vec<_> = (0..8).map(|seed| workspace.photo(&format!("{seed:02}.png"), seed)).collect();
    let slow = photos[..3].to_vec();
    let contents: Vec<_> = slow.iter().map(|path| fs::read(path).unwrap()).collect();
    let (finished, _paths) = channel();
    let disk = SlowDisk { slow: slow.clone(), queued: AtomicUsize::new(0), finished };
    let library = workspace.root().join("library");
    let plan = Plan { max_wait: Duration::from_secs(5), ..plan(&workspace) };
    let totals = run_plan(&plan, &library, &disk, &AtomicBool::new(false)).unwrap();
    assert_eq!((totals.embedded, totals.files()), (5, 8));
    assert_eq!(totals.skipped.into_iter().collect::<Vec<_>>(), [(SkipKind::TooSlow, 3)]);
    for (path, content) in slow.iter().zip(contents) {
        // The abandoned threads stay blocked.
        fs::remove_file(path).unwrap();
        fs::write(path, content).unwrap();
    }
    let totals = run_plan(&plan, &library, &Silent, &AtomicBool::new(false)).unwrap();
    assert_eq!((totals.embedded, totals.unchanged, totals.skipped_before), (3, 5, 0));
}

/// A run that would wait ten minutes for a disk ends when it is cancelled.
#[test]
#[cfg(target_os = "linux")]
fn a_run_that_waits_for_a_disk_can_be_cancelled() {
    let workspace = Workspace::new();
    let photos: Vec<_> = (0..4).map(|seed| workspace.photo(&format!("{seed:02}.png"), seed)).collect();
    let (finished, paths) = channel();
    let disk = SlowDisk { slow: photos[..2].to_vec(), queued: AtomicUsize::new(0), finished };
    let (library, cancel) = (workspace.root().join("library"), AtomicBool::new(false));
    let (ended, end) = channel();
    std::thread::scope(|scope| {
        let (plan, library, disk, cancel) = (plan(&workspace), &library, &disk, &cancel);
        scope.spawn(move || ended.send(run_plan(&plan, library, disk, cancel).unwrap()).unwrap());
        for _ in 0..2 {
            paths.recv_timeout(Duration::from_secs(120)).unwrap();
        }
        cancel.store(true, Ordering::Relaxed);
        let totals = end.recv_timeout(Duration::from_secs(120)).unwrap();
        assert_eq!((totals.cancelled, totals.embedded), (true, 2));
    });
}

/// Adds pictures that take more than a tenth of a second to decode.
fn large_pictures(workspace: &Workspace, count: u8) {
    for number in 1..=count {
        let picture = RgbImage::from_pixel(6_000, 6_000, Rgb([number; 3]));
        let path = workspace.photos().join(format!("large {number}.png"));
        picture.save_with_format(path, ImageFormat::Png).unwrap();
    }
}

#[test]
fn slow_pictures_are_skipped_and_remembered() {
    let workspace = Workspace::new();
    large_pictures(&workspace, 3);
    let library = workspace.root().join("library");
    let totals = run(&workspace, &library, Duration::from_millis(1)).unwrap();
    assert_eq!(totals.skipped.into_iter().collect::<Vec<_>>(), [(SkipKind::TooSlow, 3)]);
    workspace.photo("in time.png", 0);
    let totals = run(&workspace, &library, Limits::default().max_time).unwrap();
    assert_eq!((totals.embedded, totals.skipped_before), (1, 3));
}

#[test]
fn a_run_gives_up_if_decoders_are_stuck_and_keeps_finished_work() {
    let workspace = Workspace::new();
    workspace.photo("0.png", 0);
    let library = workspace.root().join("library");
    assert_eq!(run(&workspace, &library, Limits::default().max_time).unwrap().embedded, 1);
    large_pictures(&workspace, 8);
    let ended = run(&workspace, &library, Duration::from_millis(1));
    assert!(matches!(&ended, Err(IngestError::Stuck { path, .. }) if path.exists()), "{ended:?}");
    assert_eq!(Library::new(&library).view().unwrap().count(&Filter::default()).unwrap(), 1);
}

#[test]
fn queries_and_thumbnails_report_slow_pictures() {
    let workspace = Workspace::new();
    workspace.photo("0.png", 0);
    let library = workspace.root().join("library");
    run(&workspace, &library, Limits::default().max_time).unwrap();
    large_pictures(&workspace, 1);
    let large = workspace.photos().join("large 1.png");

    let limits = Limits { max_time: Duration::ZERO, ..Limits::default() };
    let told = "not decoded after 0 s";
    let error = Thumbnailer::new(64, limits).make(&large).unwrap_err();
    assert_eq!(error.to_string(), told);
    assert!(error.hint().is_some());

    let model = offline_model();
    let classifier = Classifier::open(&model, &["a dog".into()]).unwrap().with_limits(limits);
    assert_eq!(classifier.classify(&large).unwrap_err().to_string(), told);

    let library = Library::new(&library);
    let engine = Engine::open(&library, library.view().unwrap(), Arc::new(model), limits).unwrap();
    for source in [Source::Bytes(fs::read(&large).unwrap()), Source::Picture(large.clone())] {
        let expression = Expression::new(vec![Term { weight: 1.0, source }]).unwrap();
        let error = engine.search(&Query::new(expression, NonZeroUsize::MIN)).unwrap_err();
        assert!(matches!(error, EngineError::Picture { .. }) && error.to_string().ends_with(told), "{error}");
    }
    // They are all still being decoded, and more may start.
    let is_stuck = |_| matches!(Thumbnailer::new(64, limits).make(&large), Err(PictureError::Stuck));
    assert!((0..20).any(is_stuck));
}
