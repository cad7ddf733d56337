//! Keeps a library current while its folders change, for `index --watch` and `serve`.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use anyhow::Result;
use crossbeam_channel::{Receiver, select};
use imgsearch::ingest::{self, Event, IngestError, Plan, Reporter, Totals};
use imgsearch::watch::{Options, Watch};

use super::{noted, open_model};
use crate::settings::Settings;

/// A file that was modified less than this time ago is looked at in the next round: it may be a part of a copy.
const SETTLE: Duration = Duration::from_secs(3);

/// When a round fails, because another command is changing the library or the disk is full, the next one waits this long.
const PAUSE: Duration = Duration::from_secs(10);

/// What a program that watches shows of its work.
pub(super) trait Watcher {
    /// Where the events of the round that begins go.
    fn begin(&self) -> Box<dyn Reporter + '_>;
    /// A round has ended.
    fn ended(&self, totals: &Totals);
    /// A round has failed, and is tried again.
    fn failed(&self, error: &anyhow::Error);
    /// These roots are only walked on a schedule, for this reason.
    fn unwatched(&self, root: &Path, why: &str);
}

/// Brings the library up to date whenever something changes below the roots of `plan`, until `stop` has a message. Each
/// round opens the library anew, so other commands can change it between rounds.
pub(super) fn keep_current(
    settings: &Settings,
    plan: &Plan,
    rescan: Option<Duration>,
    watcher: &dyn Watcher,
    (stop, cancel): (&Receiver<()>, &AtomicBool),
) {
    let own = [Some(settings.library.folder().to_owned()), settings.cache_folder().map(Path::to_owned)];
    let options = Options {
        rules: plan.rules.clone(),
        ignored: own.into_iter().flatten().collect(),
        rescan: rescan.unwrap_or(Options::RESCAN),
        ..Options::new(plan.roots.clone())
    };
    let mut watch = Watch::begin(options);
    for (root, why) in watch.unwatched() {
        watcher.unwatched(root, &why.to_string());
    }
    while let Some(paths) = watch.wait(stop) {
        let round = Round { reporter: watcher.begin(), unsettled: Mutex::default() };
        match look(settings, plan, paths.clone(), &round, cancel) {
            Ok(totals) => {
                watcher.ended(&totals);
                watch.look_again(round.unsettled.into_inner().unwrap_or_else(PoisonError::into_inner));
            }
            Err(error) => {
                watcher.failed(&error);
                select! {
                    recv(stop) -> _ => return,
                    default(PAUSE) => watch.look_again(paths),
                }
            }
        }
    }
}

/// One round: an ordinary run that looks only at these paths.
fn look(
    settings: &Settings,
    plan: &Plan,
    paths: Vec<PathBuf>,
    round: &Round<'_>,
    cancel: &AtomicBool,
) -> Result<Totals> {
    let mut library = settings.library.lock()?;
    let model = open_model(settings, &noted(&settings.library)?)?;
    let plan = Plan {
        only: Some(paths),
        gone_roots: Vec::new(),
        force: false,
        now: SystemTime::now(),
        settle: SETTLE,
        ..plan.clone()
    };
    Ok(ingest::index(&mut library, &model, &plan, round, cancel)?)
}

/// Remembers which files must be looked at again, and passes all events on.
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

/// Whether another command is changing the library, which ends by itself.
pub(super) fn is_locked(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let store = cause.downcast_ref::<imgsearch::library::StoreError>();
        store.is_some_and(imgsearch::library::StoreError::is_locked)
            || matches!(cause.downcast_ref(), Some(IngestError::Store(error)) if error.is_locked())
    })
}
