//! Progress and errors on stderr: a progress bar on a terminal, otherwise a line every few seconds.

use std::collections::BTreeSet;
use std::error::Error;
use std::io::{Write, stderr};
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgsearch::EngineError;
use imgsearch::decode::{self, PictureError};
use imgsearch::hint::Hint;
use imgsearch::hub::{self, HubError};
use imgsearch::ingest::{Busy, Event, IngestError, Outcome, Reporter};
use imgsearch::library::StoreError;
use imgsearch::model::{Device, ModelError, PassedOver};
use imgsearch::query::ExpressionError;
use imgsearch::setup::SetupError;
use imgsearch::transfer::TransferError;
use imgsearch_index::Error as IndexError;
use indicatif::{DecimalBytes, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::terminal::{escape, escape_path};
use crate::ui::{Ui, Verbosity};
use crate::usage::UsageError;

/// Time between progress lines if stderr is not a terminal.
const LINE_EVERY: Duration = Duration::from_secs(10);

/// How many unreadable folders and files are listed by name. More are only counted.
const NAMED: usize = 5;

/// Shows the progress of an index run.
pub(crate) struct Progress {
    bar: ProgressBar,
    ui: Ui,
    /// Said with `-v` if the image model does not run on the CPU.
    gpu_tip: Option<String>,
    last_line: Mutex<Instant>,
    /// Number of folders and files that could not be read.
    unreadable: AtomicUsize,
}

impl Progress {
    pub(crate) fn new(ui: Ui, gpu_tip: Option<String>) -> Progress {
        let bar = ProgressBar::with_draw_target(Some(0), draw_target(ui)).with_style(counting());
        bar.enable_steady_tick(Duration::from_millis(200));
        Progress { bar, ui, gpu_tip, last_line: Mutex::new(Instant::now()), unreadable: AtomicUsize::new(0) }
    }

    /// Removes the bar, and counts the unreadable files that were not listed.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
        let more = self.unreadable.load(Ordering::Relaxed).saturating_sub(NAMED);
        if more > 0 && !self.ui.is_verbose() {
            print_warning(&format!("cannot read {more} more folders or files (-v lists them all)"));
        }
    }

    fn unreadable(&self, path: &Path, error: &std::io::Error) {
        let before = self.unreadable.fetch_add(1, Ordering::Relaxed);
        if before < NAMED || self.ui.is_verbose() {
            self.say(&format!("warning: cannot read {}: {error}", escape_path(path)));
        }
    }

    /// Prints a line above the bar.
    fn say(&self, line: &str) {
        self.bar.suspend(|| print_line(line));
    }

    fn finished(&self, path: &Path, outcome: &Outcome) {
        self.bar.inc(1);
        let folder = path.parent().unwrap_or(path);
        self.bar.set_message(escape_path(folder).into_owned());
        if let Outcome::Skipped(skip) = outcome
            && self.ui.is_verbose()
        {
            self.say(&format!("skipped {}: {skip}", escape_path(path)));
        }
        self.line_now_and_then();
    }

    /// The bar starts again for the photos in which text is read.
    fn reading(&self, photos: usize) {
        self.bar.reset();
        self.bar.set_length(photos as u64);
        self.bar.set_style(with_eta());
        self.bar.set_message("reading text");
        if !self.ui.stderr_is_terminal && !self.ui.is_quiet() {
            print_line(&format!("reading the text in {photos} photos"));
        }
    }

    fn line_now_and_then(&self) {
        if self.ui.stderr_is_terminal || self.ui.is_quiet() {
            return;
        }
        let Ok(mut last) = self.last_line.lock() else { return };
        if last.elapsed() < LINE_EVERY {
            return;
        }
        *last = Instant::now();
        let (done, total, rate) = (self.bar.position(), self.bar.length().unwrap_or(0), self.bar.per_sec());
        print_line(&format!("{done} of {total} photos, {rate:.1} a second"));
    }
}

impl Reporter for Progress {
    fn report(&self, event: Event<'_>) {
        match event {
            Event::Replacing { old, new, photos } if !self.ui.is_quiet() => {
                self.say(&format!(
                    "this library uses the model `{old}`: embedding its {photos} photos again with `{new}`"
                ));
                self.say(&format!(
                    "queries use `{old}` until this is done; if you interrupt it, the next `index` continues"
                ));
            }
            Event::Queued => self.bar.inc_length(1),
            Event::WalkEnded => self.bar.set_style(with_eta()),
            Event::ModelLoaded { device, passed_over } => {
                let tip = self.gpu_tip.as_deref();
                new_device_lines(self.ui, device, passed_over, tip).iter().for_each(|line| self.say(line));
            }
            Event::Busy(busy) if self.ui.is_verbose() => self.say(&limit(&busy)),
            Event::Finished { path, outcome } => self.finished(path, outcome),
            Event::Vanished => self.bar.inc(1),
            Event::Unsettled { .. } => {}
            Event::Unreadable { path, error } => self.unreadable(path, error),
            Event::Kept { folder, photos } if !self.ui.is_quiet() => {
                let folder = escape_path(folder);
                self.say(&format!("kept {photos} photos below {folder}: their disk is not mounted"));
            }
            Event::Reading { photos } => self.reading(photos),
            Event::TextRead => {
                self.bar.inc(1);
                self.line_now_and_then();
            }
            Event::Replacing { .. } | Event::Busy(_) | Event::Kept { .. } => {}
        }
    }
}

/// Says where the image model runs, and warns if that is the CPU although there is a GPU.
pub(crate) fn say_device(ui: Ui, device: Device, passed_over: &[PassedOver]) {
    new_device_lines(ui, device, passed_over, None).iter().for_each(|line| print_line(line));
}

/// The lines about the device that this process has not printed yet. `--watch` loads the model again and again.
fn new_device_lines(ui: Ui, device: Device, passed_over: &[PassedOver], tip: Option<&str>) -> Vec<String> {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    let mut lines = device_lines(ui.verbosity, device, passed_over, tip);
    lines.retain(|line| said.insert(line.clone()));
    lines
}

fn device_lines(
    verbosity: Verbosity,
    device: Device,
    passed_over: &[PassedOver],
    gpu_tip: Option<&str>,
) -> Vec<String> {
    let mut lines = Vec::new();
    let is_verbose = verbosity == Verbosity::Verbose;
    if is_verbose {
        lines.push(format!("the image model runs on {device}"));
        let tip = gpu_tip.filter(|_| device != Device::Cpu);
        lines.extend(tip.map(|tip| format!("tip: {tip}")));
    }
    for PassedOver { device: tried, gpu, reason, hint } in passed_over {
        match gpu {
            Some(gpu) if device == Device::Cpu && verbosity != Verbosity::Quiet => {
                lines.push(format!("warning: {gpu} is not used: {reason}"));
                lines.extend(hint.iter().map(|hint| format!("hint: {hint}")));
            }
            Some(_) | None if is_verbose => lines.push(format!("not on {tried}: {reason}")),
            Some(_) | None => {}
        }
    }
    lines
}

/// Which stage of a run was the limit, and how busy each was.
fn limit(busy: &Busy) -> String {
    let shares = busy.stages().map(|(stage, share)| format!("{stage} {:.0} %", 100.0 * share));
    let (limit, batch) = (busy.limit(), busy.batch);
    format!("{limit} is the limit: {} busy (batches of {batch})", shares.join(", "))
}

/// A bar that counts rows of the index.
pub(crate) fn rows_bar(ui: Ui) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, draw_target(ui));
    bar.with_style(
        ProgressStyle::with_template("{bar:20} {pos}/{len} rows, {eta} left").expect("the template is right"),
    )
}

/// Counts records of which nobody knows how many there will be.
pub(crate) fn records_bar(ui: Ui) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, draw_target(ui));
    bar.with_style(ProgressStyle::with_template("{pos} records, {per_sec}").expect("the template is right"))
}

/// A bar that counts the words that a model embeds, which is done once for each model.
pub(crate) fn words_bar(ui: Ui) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(None, draw_target(ui));
    bar.with_style(plain_style("{bar:20} {pos}/{len} words, once for this model"))
}

/// Shows progress on a bar.
pub(crate) fn shown_on(bar: &ProgressBar) -> impl Fn(usize, usize) + use<'_> {
    |done, total| {
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    }
}

/// A bar that counts the bytes read from files.
pub(crate) fn bytes_bar(ui: Ui, bytes: u64) -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(bytes), draw_target(ui));
    bar.with_style(plain_style(BYTES))
}

/// The style of bars that count bytes.
const BYTES: &str = "{bar:20} {bytes}/{total_bytes} {bytes_per_sec}, {eta} left {wide_msg}";

/// Shows the progress of a model's download or unpacking.
pub(crate) struct Download {
    bar: ProgressBar,
    ui: Ui,
}

impl Download {
    /// For a model from a server.
    pub(crate) fn asking(ui: Ui) -> Download {
        Download::new(ui, "asking the server for its files".into())
    }

    /// For a model in an archive.
    pub(crate) fn unpacking(ui: Ui, archive: &Path) -> Download {
        Download::new(ui, format!("reading {}", escape_path(archive)))
    }

    /// For packages of a package index.
    pub(crate) fn of_packages(ui: Ui, what: &str) -> Download {
        Download::new(ui, format!("{what}: asking the package index"))
    }

    /// What was downloaded is now put together.
    pub(crate) fn making(&self, what: &str) {
        self.bar.set_style(plain_style("{spinner} {wide_msg}"));
        self.bar.set_message(format!("{what}: putting it together"));
    }

    fn new(ui: Ui, message: String) -> Download {
        let bar = ProgressBar::with_draw_target(Some(0), draw_target(ui));
        bar.set_style(plain_style("{spinner} {wide_msg}"));
        bar.set_message(message);
        bar.enable_steady_tick(Duration::from_millis(200));
        Download { bar, ui }
    }

    /// Removes the bar from the screen.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }

    pub(crate) fn report(&self, event: &hub::Event<'_>) {
        match *event {
            hub::Event::Planned { files, bytes, have } => {
                self.bar.set_style(plain_style(BYTES));
                self.bar.set_length(bytes);
                self.bar.set_position(have);
                self.bar.reset_eta();
                let here = format!(", {} of them already here", DecimalBytes(have));
                let here = if have > 0 { here.as_str() } else { "" };
                let files = if files == 1 { "1 file".to_owned() } else { format!("{files} files") };
                self.say(&format!("{files}, {}{here}", DecimalBytes(bytes)));
            }
            // Escaped: a server must not send control codes to the terminal.
            hub::Event::File(name) => self.bar.set_message(escape(name).into_owned()),
            hub::Event::Received { bytes } => self.bar.inc(bytes),
            hub::Event::Restarted { bytes } => self.bar.dec(bytes),
            hub::Event::Retrying { error, pause } => {
                self.say(&format!("{error}; trying again in {:.1} s", pause.as_secs_f64()));
            }
        }
    }

    fn say(&self, line: &str) {
        if !self.ui.is_quiet() {
            self.bar.suspend(|| print_line(line));
        }
    }
}

/// Asks a yes/no question; any answer but yes means no.
pub(crate) fn ask(question: &str) -> bool {
    _ = write!(stderr(), "{question} [y/N] ");
    let mut answer = String::new();
    std::io::stdin().read_line(&mut answer).is_ok()
        && ["y", "yes"].contains(&answer.trim().to_lowercase().as_str())
}

fn draw_target(ui: Ui) -> ProgressDrawTarget {
    if ui.shows_progress() { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() }
}

/// During the walk the total still grows, so there is no ETA.
fn counting() -> ProgressStyle {
    style("{spinner} {pos} of {len} so far, {per_sec} {wide_msg}")
}

fn with_eta() -> ProgressStyle {
    style("{bar:20} {pos}/{len} {per_sec}, {eta} left {wide_msg}")
}

fn plain_style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).expect("the templates above are right")
}

fn style(template: &str) -> ProgressStyle {
    plain_style(template).with_key(
        "per_sec",
        |state: &indicatif::ProgressState, out: &mut dyn std::fmt::Write| {
            // A failure to draw the bar must not stop the run.
            _ = write!(out, "{:.1} photos/s", state.per_sec());
        },
    )
}

/// Hides the messages of panics that are caught and reported with their file. Any other panic is a bug and is printed.
pub(crate) fn silence_contained_panics() {
    let default = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !decode::is_contained() {
            default(panic);
        }
    }));
}

/// Restores the terminal before a panic is printed on it. Caught panics leave it alone.
#[cfg(feature = "tui")]
pub(crate) fn give_back_on_panic(give_back: fn()) {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if !decode::is_contained() {
            give_back();
        }
        report(panic);
    }));
}

/// Confirms Ctrl-C.
pub(crate) fn print_stopping(when: &str) {
    print_line("");
    print_line(&format!("stopping{when}; press Ctrl-C again to stop at once"));
}

/// Prints an error with its causes, and what to do about it.
pub(crate) fn print_error(error: &anyhow::Error) {
    print_line(&format!("error: {error:#}"));
    print_hint(error);
}

/// Prints an error's hint, if it has one.
pub(crate) fn print_hint(error: &anyhow::Error) {
    if let Some(hint) = hint(error) {
        print_line(&format!("hint: {hint}"));
    }
}

/// Prints a note, for example how an option was understood.
pub(crate) fn print_note(text: &str) {
    print_line(text);
}

/// Prints a warning.
pub(crate) fn print_warning(text: &str) {
    print_line(&format!("warning: {text}"));
}

/// Prints one line and escapes control characters in it. A closed stderr is ignored.
fn print_line(line: &str) {
    _ = writeln!(stderr(), "{}", escape(line));
}

/// The first hint in the chain of causes.
pub(crate) fn hint(error: &anyhow::Error) -> Option<String> {
    error.chain().find_map(|cause| HINTS.iter().find_map(|hint_of| hint_of(cause)))
}

/// The kinds of error that have hints.
const HINTS: &[fn(&(dyn Error + 'static)) -> Option<String>] = &[
    hint_of::<UsageError>,
    hint_of::<ModelError>,
    hint_of::<IndexError>,
    hint_of::<StoreError>,
    hint_of::<HubError>,
    hint_of::<SetupError>,
    hint_of::<PictureError>,
    hint_of::<ExpressionError>,
    hint_of::<EngineError>,
    hint_of::<IngestError>,
    hint_of::<TransferError>,
];

fn hint_of<E: Error + Hint + 'static>(cause: &(dyn Error + 'static)) -> Option<String> {
    cause.downcast_ref::<E>()?.hint()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gpu_that_is_not_used_is_worth_a_warning_only_if_the_cpu_is_used_instead() {
        let passed_over = |gpu: Option<&str>| PassedOver {
            device: Device::Cuda,
            gpu: gpu.map(str::to_owned),
            reason: "why".into(),
            hint: Some("what to do".into()),
        };
        #[track_caller]
        fn check(verbosity: Verbosity, device: Device, passed_over: PassedOver, expected: &[&str]) {
            assert_eq!(device_lines(verbosity, device, &[passed_over], Some("fp16")), expected);
        }
        let warning = ["warning: Card is not used: why", "hint: what to do"];
        let on_cpu = "the image model runs on cpu";
        check(Verbosity::Normal, Device::Cpu, passed_over(Some("Card")), &warning);
        check(Verbosity::Verbose, Device::Cpu, passed_over(Some("Card")), &[on_cpu, warning[0], warning[1]]);
        check(Verbosity::Quiet, Device::Cpu, passed_over(Some("Card")), &[]);
        check(Verbosity::Normal, Device::Cpu, passed_over(None), &[]);
        check(Verbosity::Verbose, Device::Cpu, passed_over(None), &[on_cpu, "not on cuda: why"]);
        // Another device than the CPU works.
        check(Verbosity::Normal, Device::Cuda, passed_over(Some("Card")), &[]);
        let on_cuda = ["the image model runs on cuda", "tip: fp16", "not on cuda: why"];
        check(Verbosity::Verbose, Device::Cuda, passed_over(None), &on_cuda);
    }
}
