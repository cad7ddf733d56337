//! Pictures that are not decoded in time, in whole runs of the library's own pipeline.

use std::path::Path;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime};

use image::{ImageFormat, Rgb, RgbImage};
use imgsearch::decode::Limits;
use imgsearch::ingest::{Event, IngestError, Plan, Reporter, Totals, index};
use imgsearch::model::{Execution, Precision};
use imgsearch::photo::SkipKind;
use imgsearch::walk::{Rules, resolve_roots};
use imgsearch::{Library, Model};

use crate::model_goldens::execution;
use crate::workspace::Workspace;

struct Silent;

impl Reporter for Silent {
    fn report(&self, _: Event<'_>) {}
}

/// Indexes the workspace's photos with the offline model on one thread, each within `max_time`.
fn run(workspace: &Workspace, library: &Path, max_time: Duration) -> Result<Totals, IngestError> {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let model = Model::open(
        &data.join("models/offline"),
        Execution { precision: Precision::Auto, ..execution(None) },
    )
    .unwrap();
    std::fs::create_dir_all(library).unwrap();
    let plan = Plan {
        roots: resolve_roots(&[workspace.photos()]).0,
        gone_roots: Vec::new(),
        rules: Rules::default(),
        prune: false,
        threads: 1,
        sessions: None,
        limits: Limits { max_time, ..Limits::default() },
        now: SystemTime::now(),
    };
    index(&mut Library::new(library).lock().unwrap(), &model, &plan, &Silent, &AtomicBool::new(false))
}

/// Adds pictures that take more than a tenth of a second each to decode.
fn large_pictures(workspace: &Workspace, count: u8) {
    for number in 1..=count {
        let picture = RgbImage::from_pixel(6_000, 6_000, Rgb([number; 3]));
        let path = workspace.photos().join(format!("large {number}.png"));
        picture.save_with_format(path, ImageFormat::Png).unwrap();
    }
}

#[test]
fn what_takes_too_long_is_left_out_and_remembered() {
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
fn a_run_gives_up_when_decoders_are_stuck_and_keeps_what_it_has() {
    let workspace = Workspace::new();
    workspace.photo("0.png", 0);
    let library = workspace.root().join("library");
    assert_eq!(run(&workspace, &library, Limits::default().max_time).unwrap().embedded, 1);
    large_pictures(&workspace, 8);
    let ended = run(&workspace, &library, Duration::from_millis(1));
    assert!(matches!(&ended, Err(IngestError::Stuck { path, .. }) if path.exists()), "{ended:?}");
    assert_eq!(Library::new(&library).searcher().unwrap().len(), 1);
}
