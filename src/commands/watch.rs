//! Keeps a library current while its folders change, for `index --watch` and `serve`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use crossbeam_channel::{Receiver, select};
use imgsearch::ingest::{self, Event, IngestError, Plan, Reporter, TextTotals, Totals};
use imgsearch::watch::{Options, Watch};

use super::{noted, open_model, text};
use crate::progress;
use crate::settings::Settings;
use crate::ui::Ui;

/// A file that was modified less than this ago is read in the next round, because it may still be being copied.
const SETTLE: Duration = Duration::from_secs(3);

/// The wait after a failed round, for example because another command is changing the library or the disk is full.
const PAUSE: Duration = Duration::from_secs(10);

/// Shows the work of a program that watches.
pub(super) trait Watcher {
    /// A round begins. Returns the reporter for its events.
    fn begin(&self) -> Box<dyn Reporter + '_>;
    /// A round has ended.
    fn ended(&self, totals: &Totals);
}

/// Begins to watch the roots of `plan`. Begin before you index them: a change during that run is then found afterwards.
pub(super) fn begin(settings: &Settings, plan: &Plan, rescan_minutes: Option<u32>) -> Watch {
    let own = [Some(settings.library.folder().to_owned()), settings.cache_folder().map(Path::to_owned)];
    let rescan = rescan_minutes.map(|minutes| Duration::from_secs(60 * u64::from(minutes)));
    let watch = Watch::begin(Options {
        rules: plan.rules.clone(),
        ignored: own.into_iter().flatten().collect(),
        rescan: rescan.unwrap_or(Options::RESCAN),
        ..Options::new(plan.roots.clone())
    });
    for (root, why) in watch.unwatched() {
        if !settings.ui.is_quiet() {
            let root = root.display();
            progress::print_note(&format!(
                "{root} is not watched, but searched for changes now and then: {why}"
            ));
        }
    }
    watch
}

/// Brings the library up to date whenever something changes below the roots of `plan`, until `stop` has a message. Each
/// round opens the library again, so other commands can change it between rounds.
pub(super) fn keep_current(
    settings: &Settings,
    (plan, reads_text): (&Plan, bool),
    mut watch: Watch,
    watcher: &dyn Watcher,
    (stop, cancel): (&Receiver<()>, &AtomicBool),
) {
    return_freed_memory();
    let (changes, mut is_behind) = (watch.changes(), false);
    while let Some(paths) = watch.wait(stop) {
        let round = Round { reporter: watcher.begin(), unsettled: Mutex::default() };
        match look(settings, plan, paths.clone(), &round, cancel) {
            Ok(totals) => {
                watcher.ended(&totals);
                watch.look_again(round.unsettled.into_inner().unwrap_or_else(PoisonError::into_inner));
                if reads_text && !totals.cancelled {
                    // New photos come first: reading goes on after the round that they cause.
                    let should_stop = || cancel.load(Ordering::Relaxed) || changes.are_there();
                    let only = (!is_behind).then_some(paths);
                    match read(settings, plan, only, &*watcher.begin(), &should_stop) {
                        Ok(texts) => is_behind = texts.left > 0,
                        Err(error) => explain(settings.ui, &error),
                    }
                }
            }
            Err(error) => {
                explain(settings.ui, &error);
                select! {
                    recv(stop) -> _ => return,
                    default(PAUSE) => watch.look_again(paths),
                }
            }
        }
    }
}

/// Makes the allocator return large buffers to the system as soon as they are freed.
///
/// glibc would otherwise keep up to 64 MB for each thread that ever decoded a picture. Measured with a server after four
/// rounds of five photos: 76 MB instead of 320 to 370, for 4 to 8 % more CPU time in each round.
#[cfg_attr(
    all(target_os = "linux", target_env = "gnu"),
    expect(unsafe_code, reason = "no safe crate has this call")
)]
fn return_freed_memory() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    for threshold in [libc::M_MMAP_THRESHOLD, libc::M_TRIM_THRESHOLD] {
        // SAFETY: this only sets a number that the allocator reads.
        unsafe { libc::mallopt(threshold, 1 << 20) };
    }
}

/// One round: an ordinary run over only these paths, which may be all roots.
fn look(
    settings: &Settings,
    plan: &Plan,
    paths: Vec<PathBuf>,
    round: &Round<'_>,
    cancel: &AtomicBool,
) -> Result<Totals> {
    let mut library = settings.library.lock()?;
    let model = open_model(settings, &noted(&settings.library)?)?;
    let is_whole = plan.roots.iter().all(|root| paths.contains(root));
    let plan = Plan {
        only: (!is_whole).then_some(paths),
        gone_roots: Vec::new(),
        force: false,
        now: SystemTime::now(),
        settle: SETTLE,
        ..plan.clone()
    };
    Ok(ingest::index(&mut library, &model, &plan, round, cancel)?)
}

/// Reads the text in photos below `only`, or everywhere.
fn read(
    settings: &Settings,
    plan: &Plan,
    only: Option<Vec<PathBuf>>,
    reporter: &dyn Reporter,
    should_stop: &(dyn Fn() -> bool + Sync),
) -> Result<TextTotals> {
    let mut library = settings.library.lock()?;
    let model = open_model(settings, &noted(&settings.library)?)?;
    let plan = Plan { only, gone_roots: Vec::new(), ..plan.clone() };
    text::read_all(settings, &mut library, &model, &plan, reporter, should_stop)
}

/// Passes all events on, and remembers which files must be read again.
struct Round<'a> {
    reporter: Box<dyn Reporter + 'a>,
    unsettled: Mutex<BTreeSet<PathBuf>>,
}

impl Reporter for Round<'_> {
    fn report(&self, event: Event<'_>) {
        if let Event::Unsettled { path } = event {
            let mut unsettled = self.unsettled.lock().unwrap_or_else(PoisonError::into_inner);
            unsettled.insert(path.to_owned());
        }
        self.reporter.report(event);
    }
}

/// Prints why a round failed.
fn explain(ui: Ui, error: &anyhow::Error) {
    if !is_locked(error) {
        progress::print_warning(&format!("cannot update the library; trying again soon: {error:#}"));
    } else if !ui.is_quiet() {
        progress::print_note("another imgsearch is changing the library; waiting for it");
    }
}

/// Whether the error is that another command is changing the library. Waiting helps then.
fn is_locked(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let store = cause.downcast_ref::<imgsearch::library::StoreError>();
        store.is_some_and(imgsearch::library::StoreError::is_locked)
            || matches!(cause.downcast_ref(), Some(IngestError::Store(error)) if error.is_locked())
    })
}
