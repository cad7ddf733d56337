//! Brings a library up to date with the files below some roots. What to do, what became of it; `pipeline` does it.
//!
//! A file that cannot be read is an outcome; only what makes going on pointless is an error. Whatever was stored when
//! the run ends, by itself, by an error or by cancelling, stays stored.

mod busy;
mod claim;
mod embed;
#[cfg(test)]
mod fake;
mod file;
mod forget;
mod halt;
mod in_flight;
mod known;
mod load;
mod pairs;
mod pipeline;
mod read;
mod reading;
mod replacement;
mod scan;
mod share;
mod store;
mod sweep;

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::decode::Limits;
use crate::disk::DiskMarks;
use crate::hint::Hint;
use crate::library::{LockedLibrary, Opened, Sink, StoreError, Thumbnails, View};
use crate::model::{Device, Encode, Model, ModelError, PassedOver};
use crate::photo::{Skip, SkipKind, Step};
use crate::roots::Roots;
use crate::walk::{self, Kind, PatternError, Rules};

pub use busy::Busy;
pub use forget::{Forgotten, forget};
use pipeline::Run;
pub use reading::{TextReader, TextTotals, read_texts};
pub use replacement::{Lacking, Replacement};
pub use share::Share;

/// What a run is to do.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Existing folders or files, as [`crate::walk::resolve_roots`] returns them.
    pub roots: Vec<PathBuf>,
    /// Absolute paths that are gone; what the library has below them is removed, if `prune` is set or its disk is
    /// there.
    pub gone_roots: Vec<PathBuf>,
    /// Look only at these paths, absolute and without `..`, of what is at and below the roots. Each is a folder with all
    /// that is below it, a single file, or gone. `None` looks at everything.
    ///
    /// The rules of the roots decide as they do in a whole run. Files right beside each path are looked at too, because a
    /// JPEG stands for the RAW file beside it and a sidecar tells of its photo. Only what is at and below these paths can
    /// be found to be gone. The note of the last whole run stays.
    pub only: Option<Vec<PathBuf>>,
    /// What is left out below them.
    pub rules: Rules,
    /// Also drop photos on disks that are not mounted now.
    pub prune: bool,
    /// Threads that decode.
    pub threads: usize,
    /// Batches embedded side by side on a CPU, which share the threads; `None` is one a thread, and not too many.
    pub batches: Option<usize>,
    /// What every content is to have had, besides being decoded and embedded.
    pub steps: Vec<Step>,
    /// Read only the files of this share, and leave the others to other workers. `None` reads all.
    pub share: Option<Share>,
    /// The named roots of this machine, by which shares are the same on every machine.
    pub named_roots: Roots,
    /// Read and decode every file again, also those that look as they did.
    pub force: bool,
    /// What a file may cost.
    pub limits: Limits,
    /// How long to wait for a disk: for one file to be read, or for a walk to go on.
    pub max_wait: Duration,
    /// The time, noted as the time of the last run.
    pub now: SystemTime,
    /// Files that were modified less than this time ago are left for a later run: somebody may still be writing them.
    pub settle: Duration,
    /// Where to keep a thumbnail of each photo that is decoded; `None` keeps none.
    pub thumbnails: Option<Thumbnails>,
    /// How to tell disks apart, and so whether a photo was deleted or its disk was taken away.
    pub disks: DiskMarks,
}

impl Plan {
    /// A run over `roots` with the usual settings: nothing is left out, and one thread decodes.
    pub fn new(roots: Vec<PathBuf>, now: SystemTime) -> Plan {
        let limits = Limits::default();
        Plan {
            roots,
            gone_roots: Vec::new(),
            only: None,
            rules: Rules::default(),
            prune: false,
            threads: 1,
            batches: None,
            steps: Vec::new(),
            share: None,
            named_roots: Roots::default(),
            force: false,
            limits,
            max_wait: limits.max_time,
            now,
            settle: Duration::ZERO,
            thumbnails: None,
            disks: DiskMarks::SYSTEM,
        }
    }

    /// The roots that are folders.
    fn folders(&self) -> Vec<PathBuf> {
        self.roots.iter().filter(|root| root.is_dir()).cloned().collect()
    }

    /// Where photos that are gone are looked for, none of these inside another.
    fn swept(&self) -> Vec<PathBuf> {
        let roots = || self.roots.iter().chain(&self.gone_roots);
        let places: Vec<PathBuf> = match &self.only {
            Some(only) => roots().flat_map(|root| walk::below(root, only)).collect(),
            None => roots().cloned().collect(),
        };
        walk::outermost(places.iter().map(PathBuf::as_path))
    }
}

/// What became of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Embedded and stored.
    Embedded,
    /// Its content is the one it had: not embedded.
    Unchanged,
    /// Read and decoded again, and the pixels were the same: what is known of it is new, the vector is not.
    Reread,
    /// The same content is known under another path: stored with its vector, not embedded.
    Copied,
    /// Its name does not say what it is, and its content is no picture.
    NotPicture,
    /// Left out, for this reason.
    Skipped(Skip),
}

/// Something a person who waits may want to know.
#[derive(Debug)]
pub enum Event<'a> {
    /// The library is of another model: an index of this one is being built beside the one in use.
    Replacing {
        /// The model in use.
        old: &'a str,
        /// The model of this run.
        new: &'a str,
        /// How many photos the index in use has.
        photos: usize,
    },
    /// One more file must be looked into.
    Queued,
    /// The walk is over. Only RAW files that wait for their JPEGs may be queued after this.
    WalkEnded,
    /// The image tower was loaded.
    ModelLoaded {
        /// The device on which it runs.
        device: Device,
        /// If [`Device::Auto`] chose the device: the devices that were tried before.
        passed_over: &'a [PassedOver],
    },
    /// How busy each stage was in a run that embedded pictures. Comes once, after the last of them was stored.
    Busy(Busy),
    /// A file is done with.
    Finished {
        /// The file.
        path: &'a Path,
        /// What became of it.
        outcome: &'a Outcome,
    },
    /// A queued file that was deleted before it was its turn.
    Vanished,
    /// A file that was modified within [`Plan::settle`], and is left for a later run.
    Unsettled {
        /// The file.
        path: &'a Path,
    },
    /// A folder or file that could not be looked at. What the library knows below it is kept.
    Unreadable {
        /// The path.
        path: &'a Path,
        /// Why.
        error: &'a io::Error,
    },
    /// Text is being read in this number of photos.
    Reading {
        /// How many.
        photos: usize,
    },
    /// One of them is done with.
    TextRead,
    /// Photos that are gone together with their disk; they are kept.
    Kept {
        /// What is left of their paths.
        folder: &'a Path,
        /// How many photos.
        photos: u64,
    },
}

/// Where events go. Called from several threads.
pub trait Reporter: Sync {
    /// Takes note of an event.
    fn report(&self, event: Event<'_>);
}

/// What a run did, in files.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Embedded.
    pub embedded: u64,
    /// In the library and as they were.
    pub unchanged: u64,
    /// Read and decoded again and not embedded, because the pixels were the same.
    pub reread: u64,
    /// Met under a new path, and gone from an old one.
    pub moved: u64,
    /// Recognised as a copy of another file.
    pub copied: u64,
    /// Gone, and removed from the library.
    pub removed: u64,
    /// Gone with their disk, and kept.
    pub kept: u64,
    /// Left out in this run, by reason.
    pub skipped: BTreeMap<SkipKind, u64>,
    /// Left out in an earlier run, and as they were.
    pub skipped_before: u64,
    /// No pictures, by kind.
    pub not_pictures: BTreeMap<Kind, u64>,
    /// RAW files for which the JPEG beside them is in the library.
    pub stood_back: u64,
    /// New or changed files that were left for a later run, because somebody may still be writing them.
    pub unsettled: u64,
    /// New or changed files that belong to the share of another worker.
    pub left_to_others: u64,
    /// Folders and files that the walk could not look at.
    pub unreadable: u64,
    /// Symbolic links to photos, not followed.
    pub links_not_followed: u64,
    /// Stopped before everything was looked at.
    pub cancelled: bool,
    /// What became of a change to another model.
    pub replacement: Option<Replacement>,
}

impl Totals {
    fn add(&mut self, outcome: &Outcome) {
        match outcome {
            Outcome::Embedded => self.embedded += 1,
            Outcome::Unchanged => self.unchanged += 1,
            Outcome::Reread => self.reread += 1,
            Outcome::Copied => self.copied += 1,
            Outcome::NotPicture => *self.not_pictures.entry(Kind::Other).or_default() += 1,
            Outcome::Skipped(skip) => *self.skipped.entry(skip.kind).or_default() += 1,
        }
    }

    /// All files that were found and not left out by a rule: each is counted in one of these places.
    pub fn files(&self) -> u64 {
        let Totals { embedded, unchanged, reread, moved, copied, skipped, skipped_before, .. } = self;
        let Totals { not_pictures, stood_back, unsettled, left_to_others, .. } = self;
        let by_reason = skipped.values().sum::<u64>() + skipped_before;
        let others = not_pictures.values().sum::<u64>() + stood_back + unsettled + left_to_others;
        embedded + unchanged + reread + moved + copied + by_reason + others
    }

    /// Whether some file failed in this run, or a change to another model waits for files.
    pub fn has_failures(&self) -> bool {
        let waits = self.replacement.as_ref().is_some_and(|replacement| !replacement.is_done());
        self.unreadable > 0 || !self.skipped.is_empty() || waits
    }
}

/// What ends a run early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum IngestError {
    /// An exclude pattern is wrong.
    #[error(transparent)]
    Pattern(#[from] PatternError),
    /// The library does not open or does not take changes.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The model does not load or fails.
    #[error(transparent)]
    Model(#[from] ModelError),
    /// Too many threads are still decoding pictures that took longer than [`Limits::max_time`].
    #[error("too many pictures are not decoded after {seconds} s, the last of them {path}", path = path.display())]
    Stuck {
        /// The last of them.
        path: PathBuf,
        /// That time.
        seconds: u64,
    },
    /// The operating system gives no more threads.
    #[error("cannot start another thread: {error}")]
    Thread {
        /// What it said.
        error: io::Error,
    },
}

impl Hint for IngestError {
    fn hint(&self) -> Option<String> {
        match self {
            IngestError::Store(error) => error.hint(),
            IngestError::Model(error) => error.hint(),
            IngestError::Pattern(_) | IngestError::Stuck { .. } | IngestError::Thread { .. } => None,
        }
    }
}

/// Brings `library` up to date with the files below `plan.roots`.
///
/// If it is of another model than `model`, an index of this one is built beside the one in use, of the same files and
/// of all photos that one has, and takes its place at the end of the run in which it is complete.
///
/// # Errors
/// [`IngestError`]; everything stored before it stays stored.
pub fn index(
    library: &mut LockedLibrary,
    model: &Model,
    plan: &Plan,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Totals, IngestError> {
    let Opened { sink, replaces } = library.open(model.space())?;
    let totals = index_into(&*sink, replaces.as_deref(), model, plan, reporter, cancel)?;
    sink.close()?;
    drop(replaces);
    if totals.replacement.as_ref().is_some_and(Replacement::is_done) {
        library.put_into_use(model.space())?;
    }
    Ok(totals)
}

/// Brings what `sink` keeps up to date, which is to take the place of `replaces`, if that is given.
///
/// # Errors
/// As [`index`].
pub fn index_into(
    sink: &dyn Sink,
    replaces: Option<&dyn View>,
    model: &Model,
    plan: &Plan,
    reporter: &dyn Reporter,
    cancel: &AtomicBool,
) -> Result<Totals, IngestError> {
    let mut note = sink.note()?;
    let is_whole = plan.only.is_none();
    let (now, folders) = (unix_seconds(plan.now), plan.folders());
    note.last_looked = now;
    if let Some(old) = replaces {
        note.take_over_roots(&old.note());
    }
    if is_whole {
        note.last_indexed = now;
        // Noted at the start, so that a run that was interrupted can be continued without naming them again.
        note.add_roots(&folders, &plan.rules);
        plan.gone_roots.iter().for_each(|root| note.drop_roots(root));
    }
    note.set_model(model.folder(), model.precision(), model.dim());
    sink.set_note(&note)?;
    let encoders: Encoders<'_> = &|threads| Ok(Box::new(model.image_encoder_on(threads)?));
    let run = Run::new(sink, replaces, (model, encoders), plan, reporter, cancel);
    let totals = run.whole();
    if let Some(device) = run.device.get() {
        note.set_device(*device);
    }
    let totals = match totals {
        Ok(totals) => totals,
        Err(error) => {
            // If this fails too, the first error is the one to report.
            _ = sink.set_note(&note);
            return Err(error);
        }
    };
    if is_whole && !totals.cancelled {
        note.set_left_out(&totals.not_pictures, totals.stood_back);
        note.finish_roots(&folders, now);
        sink.set_note(&note)?;
    }
    sink.set_note(&note)?;
    Ok(totals)
}

/// Loads a model's image tower for a number of threads.
type Encoders<'a> = &'a (dyn Fn(usize) -> Result<Box<dyn Encode>, ModelError> + Sync + 'a);

fn unix_seconds(time: SystemTime) -> i64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
