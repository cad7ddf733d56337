//! `index --watch` keeps a library current.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::process::{Child, Stdio};
use std::sync::Mutex;
use std::sync::atomic::AtomicBool;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, SystemTime};

use imgsearch::ingest::{Event, Plan, Reporter, index_into};
use imgsearch::walk::resolve_roots;

use crate::accounting::small_model;
use crate::in_process::open_model;
use crate::memory_store::MemoryStore;
use crate::workspace::Workspace;

/// A limit far above any wait here, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running `imgsearch index --watch`.
struct Watching {
    process: Child,
    /// Its output on stdout and stderr.
    lines: Receiver<String>,
}

impl Watching {
    fn start(workspace: &Workspace) -> Watching {
        let photos = workspace.photos();
        let mut command = workspace.process(&["index", "--watch"]);
        let mut process = command.arg(photos).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let (sender, lines) = channel();
        let (out, errors) = (process.stdout.take().unwrap(), process.stderr.take().unwrap());
        let other = sender.clone();
        std::thread::spawn(move || {
            BufReader::new(out).lines().try_for_each(|line| sender.send(line.unwrap()))
        });
        std::thread::spawn(move || {
            BufReader::new(errors).lines().try_for_each(|line| other.send(line.unwrap()))
        });
        Watching { process, lines }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        loop {
            let line = self.lines.recv_timeout(PATIENCE).expect(text);
            if line.contains(text) {
                return;
            }
        }
    }

    #[cfg(unix)]
    fn stop(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.process);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.process.wait().unwrap().code()
    }
}

impl Drop for Watching {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

#[test]
#[cfg(unix)]
fn changes_reach_the_library_and_sigterm_ends_watching() {
    let workspace = Workspace::new();
    let first = workspace.photo("a.png", 1);
    let watching = Watching::start(&workspace);
    watching.wait_for("watching for changes");
    let second = workspace.photo("new folder/b.png", 2);
    watching.wait_for("1 embedded");
    assert_eq!(workspace.found(&[]).len(), 2);
    let moved = workspace.photos().join("c.png");
    fs::rename(&second, &moved).unwrap();
    watching.wait_for("1 moved");
    fs::remove_file(&first).unwrap();
    watching.wait_for("1 removed");
    assert_eq!(workspace.found(&[]), [moved.canonicalize().unwrap()]);
    assert_eq!(watching.stop(), Some(0));
}

/// For example, a file is copied while the model loads, after the walk has passed its folder.
#[test]
#[cfg(unix)]
fn a_change_during_the_first_run_is_found_after_it() {
    let workspace = Workspace::new();
    for seed in 0..12 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    let watching = Watching::start(&workspace);
    while !workspace.root().join("library/index").exists() {
        std::thread::sleep(Duration::from_millis(10));
    }
    std::thread::sleep(Duration::from_millis(300));
    workspace.photo("late.png", 99);
    watching.wait_for("watching for changes");
    let start = std::time::Instant::now();
    while workspace.found(&[]).len() < 13 {
        assert!(start.elapsed() < PATIENCE, "it was never found");
    }
    assert_eq!(watching.stop(), Some(0));
}

/// Another command may be changing the library. The run is then tried again.
#[test]
#[cfg(unix)]
fn watching_waits_for_a_locked_library() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let watching = Watching::start(&workspace);
    watching.wait_for("watching for changes");
    let library = imgsearch::Library::new(workspace.root().join("library"));
    let lock = library.lock().unwrap();
    workspace.photo("b.png", 2);
    watching.wait_for("another imgsearch is changing the library");
    drop(lock);
    watching.wait_for("1 embedded");
    assert_eq!(watching.stop(), Some(0));
}

/// Collects the files that are left for a later run.
#[derive(Default)]
struct Unsettled(Mutex<Vec<String>>);

impl Reporter for Unsettled {
    fn report(&self, event: Event<'_>) {
        if let Event::Unsettled { path } = event {
            let name = path.file_name().unwrap().to_str().unwrap();
            self.0.lock().unwrap().push(name.to_owned());
        }
    }
}

#[test]
fn a_file_that_was_just_written_is_left_for_a_later_run() {
    let workspace = Workspace::new();
    let (model, now) = (open_model(&small_model()), SystemTime::now());
    for (name, modified) in [
        ("old.png", now - Duration::from_secs(60)),
        ("fresh.png", now),
        ("future.png", now + Duration::from_secs(60)),
    ] {
        let path = workspace.photo(name, u32::try_from(name.len()).unwrap());
        fs::File::options().write(true).open(path).unwrap().set_modified(modified).unwrap();
    }
    let (roots, _) = resolve_roots(&[workspace.photos()]);
    let plan = Plan { settle: Duration::from_secs(30), ..Plan::new(roots, now) };
    let (store, unsettled) = (MemoryStore::new(model.space()), Unsettled::default());
    let run = |plan: &Plan| {
        let sink = store.sink();
        let totals = index_into(&*sink, None, &model, plan, &unsettled, &AtomicBool::new(false)).unwrap();
        sink.close().unwrap();
        totals
    };
    let totals = run(&plan);
    assert_eq!((totals.embedded, totals.unsettled, totals.files()), (2, 1, 3));
    assert_eq!(*unsettled.0.lock().unwrap(), ["fresh.png"]);
    let later = Plan { now: now + Duration::from_secs(31), ..plan };
    let totals = run(&later);
    assert_eq!((totals.embedded, totals.unchanged, totals.unsettled), (1, 2, 0));
}
