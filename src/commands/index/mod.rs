//! `index`.

mod errand;

use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::time::{Instant, SystemTime};

use anyhow::Result;
use imgsearch::ingest::{self, Plan, Reporter, TextTotals, Totals};
use imgsearch::walk::Rules;

use super::watch::{self, Watcher};
use super::{AFTER_BATCH, Exit, Stop, models, noted, open_model, stop_on_ctrl_c, text};
use crate::cli::IndexArgs;
use crate::progress::{self, Progress};
use crate::render::{Output, unless_reader_left};
use crate::settings::Settings;
use crate::ui::Ui;
use crate::usage::UsageError;

use errand::{Errand, Part};

pub(super) fn run(settings: &Settings, args: IndexArgs) -> Result<Exit> {
    let IndexArgs { paths, rules, thumbnails, prune, force, batches, nice, worker, watch, rescan, reading } =
        args;
    let rules: Rules = rules.into();
    let named_roots: Vec<PathBuf> = settings.roots.folders().map(Path::to_owned).collect();
    // Without paths: the folders that this machine names, or else those that the library knows.
    let paths = if paths.is_empty() { named_roots } else { paths };
    if nice {
        // Threads inherit the priority, so set it before any thread starts.
        give_way()?;
    }
    let Errand { parts, is_complete } = if paths.is_empty() {
        errand::known(settings, &rules, prune)?
    } else {
        errand::named(&paths, rules, prune)?
    };
    if watch && parts.len() > 1 {
        let error = UsageError::new(
            "your folders were indexed with different excludes, so they cannot be watched together",
        );
        return Err(error.hint("name the folders to watch: `imgsearch index --watch ~/Photos`").into());
    }
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
    let plans: Vec<Plan> = parts
        .into_iter()
        .map(|Part { roots, gone_roots, rules }| Plan {
            gone_roots,
            rules,
            prune,
            threads: settings.threads,
            batches: batches.map(usize::from),
            force,
            thumbnails: thumbnails.of(&settings.library),
            share: worker.clone(),
            named_roots: settings.roots.clone(),
            ..Plan::new(roots, SystemTime::now())
        })
        .collect();
    let Stop { cancel, bell } = stop_on_ctrl_c(AFTER_BATCH)?;
    let watch =
        watch.then(|| plans.first().map(|plan| (plan, watch::begin(settings, plan, rescan)))).flatten();
    let mut exit = if is_complete { Exit::Done } else { Exit::Failed };
    for plan in &plans {
        let (start, progress) = (Instant::now(), Progress::new(settings.ui, models::lighter(&model)));
        let totals = ingest::index(&mut library, &model, plan, &progress, &cancel);
        let texts = match &totals {
            Ok(totals) if reading.text && !totals.cancelled => {
                let should_stop = || cancel.load(Ordering::Relaxed);
                Some(text::read_all(settings, &mut library, &model, plan, &progress, &should_stop))
            }
            Ok(_) | Err(_) => None,
        };
        progress.finish();
        let (totals, texts) = (totals?, texts.transpose()?);
        if !settings.ui.is_quiet() {
            let heading = if plans.len() > 1 { plan.roots.as_slice() } else { &[] };
            summary(settings, heading, (&totals, start.elapsed().as_secs_f64()), texts.as_ref())?;
        }
        if totals.cancelled || cancel.load(Ordering::Relaxed) {
            return Ok(Exit::Interrupted);
        }
        exit = if totals.has_failures() { Exit::Failed } else { exit };
    }
    if !settings.ui.is_quiet() && note.last_indexed == 0 {
        let mut output = Output::new(settings.ui.look);
        let written = output.tip(models::stronger(settings).as_deref());
        unless_reader_left(written.and_then(|()| output.finish()))?;
    }
    if let Some((plan, watch)) = watch {
        drop((library, model));
        if !settings.ui.is_quiet() {
            progress::print_note("watching for changes; Ctrl-C ends it");
        }
        watch::keep_current(settings, (plan, reading.text), watch, &Shown(settings.ui), (&bell, &cancel));
        return Ok(Exit::Done);
    }
    Ok(exit)
}

/// Prints what a run did, below the names of its folders if there are several runs.
fn summary(
    settings: &Settings,
    folders: &[PathBuf],
    (totals, seconds): (&Totals, f64),
    texts: Option<&TextTotals>,
) -> Result<()> {
    let mut output = Output::new(settings.ui.look);
    let mut written = folders.iter().try_for_each(|folder| output.line(&format!("{}:", folder.display())));
    written = written.and_then(|()| output.totals(totals, seconds));
    written = written.and_then(|()| texts.map_or(Ok(()), |texts| output.texts(texts)));
    Ok(unless_reader_left(written.and_then(|()| output.finish()))?)
}

/// Shows the rounds of `--watch` on the terminal.
struct Shown(Ui);

impl Watcher for Shown {
    fn begin(&self) -> Box<dyn Reporter + '_> {
        Box::new(Progress::new(self.0, None))
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
    anyhow::bail!("--nice does not work on this system: start imgsearch with a low priority instead")
}
