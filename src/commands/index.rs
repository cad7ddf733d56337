//! `index`.

use std::io;
use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use anyhow::{Result, bail};
use imgsearch::ingest::{self, Plan, Reporter, Totals};
use imgsearch::walk::resolve_roots;

use super::watch::{self, Watcher};
use super::{AFTER_BATCH, Exit, Stop, absolute, models, noted, open_model, stop_on_ctrl_c, text};
use crate::cli::IndexArgs;
use crate::progress::{self, Progress};
use crate::render::{Output, unless_reader_left};
use crate::settings::Settings;
use crate::ui::Ui;
use crate::usage::UsageError;

pub(super) fn run(settings: &Settings, args: IndexArgs) -> Result<Exit> {
    let IndexArgs { mut paths, rules, thumbnails, prune, force, batches, nice, worker, watch, rescan, reading } = args;
    if paths.is_empty() {
        paths.extend(settings.roots.folders().map(Path::to_owned));
    }
    if paths.is_empty() {
        return Err(UsageError::new("say which folders to index")
            .hint("for example: `imgsearch index ~/Photos`")
            .into());
    }
    if nice {
        // Threads inherit the priority, so set it before any thread starts.
        give_way()?;
    }
    let (roots, missing) = resolve_roots(&paths);
    let (gone, missing): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|(_, error)| prune && error.kind() == io::ErrorKind::NotFound);
    for (root, error) in &missing {
        progress::print_warning(&format!("cannot index {}: {error}", root.display()));
    }
    if roots.is_empty() && gone.is_empty() {
        bail!("none of the given paths can be indexed");
    }
    let gone_roots = gone.iter().map(|(root, _)| absolute(root)).collect::<Result<_>>()?;
    if reading.text {
        text::check(settings)?;
    }
    models::offer_if_none(settings)?;
    settings.library.create()?;
    // Lock before reading which model the library has: from here on nobody changes it.
    let mut library = settings.library.lock()?;
    let note = noted(&settings.library)?;
    let model = open_model(settings, &note)?;
    let is_as_before = (note.model().as_deref(), note.dim()) == (Some(model.folder()), model.dim());
    if let Some(warning) = models::cut_warning(settings, &model).filter(|_| !is_as_before) {
        progress::print_warning(&warning);
    }
    let plan = Plan {
        gone_roots,
        rules: rules.into(),
        prune,
        threads: settings.threads,
        batches: batches.map(usize::from),
        force,
        thumbnails: thumbnails.of(&settings.library),
        share: worker,
        named_roots: settings.roots.clone(),
        ..Plan::new(roots, SystemTime::now())
    };
    let Stop { cancel, bell } = stop_on_ctrl_c(AFTER_BATCH)?;
    let watch = watch.then(|| watch::begin(settings, &plan, rescan));
    let (start, progress) = (Instant::now(), Progress::new(settings.ui));
    let totals = ingest::index(&mut library, &model, &plan, &progress, &cancel);
    let texts = match &totals {
        Ok(totals) if reading.text && !totals.cancelled => {
            let should_stop = || cancel.load(Ordering::Relaxed);
            let plan = Plan { only: None, ..plan.clone() };
            Some(text::read_all(settings, &mut library, &model, &plan, &progress, &should_stop))
        }
        Ok(_) | Err(_) => None,
    };
    progress.finish();
    let (totals, texts) = (totals?, texts.transpose()?);
    let is_cancelled = totals.cancelled || cancel.load(Ordering::Relaxed);
    if !settings.ui.is_quiet() {
        let mut output = Output::new(settings.ui.look);
        let is_first = note.last_indexed == 0;
        let tip = if is_first { models::stronger(settings) } else { None };
        let written = output.totals(&totals, start.elapsed().as_secs_f64());
        let written = written.and_then(|()| texts.map_or(Ok(()), |texts| output.texts(&texts)));
        unless_reader_left(written.and_then(|()| output.tip(tip.as_deref())).and_then(|()| output.finish()))?;
    }
    if let Some(watch) = watch.filter(|_| !is_cancelled) {
        drop((library, model));
        if !settings.ui.is_quiet() {
            progress::print_note("watching for changes; Ctrl-C ends it");
        }
        watch::keep_current(settings, (&plan, reading.text), watch, &Shown(settings.ui), (&bell, &cancel));
        return Ok(Exit::Done);
    }
    Ok(match (is_cancelled, totals.has_failures() || !missing.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Failed,
        (false, false) => Exit::Done,
    })
}

/// Shows the rounds of `--watch` on the terminal.
struct Shown(Ui);

impl Watcher for Shown {
    fn begin(&self) -> Box<dyn Reporter + '_> {
        Box::new(Progress::new(self.0))
    }

    fn ended(&self, totals: &Totals) {
        if !self.0.is_quiet() {
            let mut output = Output::new(self.0.look);
            // The library is kept current even if nobody reads the output any more.
            _ = output.changes(totals).and_then(|()| output.finish());
        }
    }
}

/// Sets the lowest priority for this process. On Linux that lowers the priority of its reads and writes too.
#[cfg(unix)]
fn give_way() -> Result<()> {
    anyhow::Context::context(rustix::process::setpriority_process(None, 19), "cannot lower the priority")?;
    Ok(())
}

#[cfg(not(unix))]
fn give_way() -> Result<()> {
    bail!("--nice does not work on this system: start imgsearch with a low priority instead")
}
