//! First stage: which files are there that the library does not know as they are?

use std::collections::{BTreeMap, HashSet};
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::thread::Builder;
use std::time::{Duration, Instant, UNIX_EPOCH};

use crossbeam_channel::{RecvTimeoutError, Sender, bounded};
use imgsearch_index::Fingerprint;

use super::file::{Done, Job};
use super::pairs::{Held, Jpegs, Pairs, can_stand};
use super::pipeline::Run;
use super::sweep::excludes;
use super::{Event, IngestError, Plan, Totals};
use crate::decode;
use crate::disk::{Disks, UNKNOWN_DISK};
use crate::item::{Item, can_be_kept, is_under, path_bytes};
use crate::library::{Load, View};
use crate::photo::{Photo, Skip, SkipKind, Stamp};
use crate::query::Filter;
use crate::roots::is_named;
use crate::sidecar::{Finder, Sidecars};
use crate::walk::{Kind, Name, Walk, WalkEntry};

/// Files that the walk may be ahead of the look-up in the library.
const WALK_AHEAD: usize = 1_024;
/// How often a scan that waits for the walk asks whether to stop.
const ASK_EVERY: Duration = Duration::from_millis(100);

/// What the walk learned besides the jobs it queued.
#[derive(Default)]
pub(super) struct Walked {
    /// Hashes of the paths of all files met. Hashes, because a million paths would take 100 MB; two paths of one hash
    /// (odds of 10⁻⁷ among a million) only keep a deleted photo until the next change.
    seen: HashSet<u64>,
    /// Disks, as they were called when the photos on them were stored, of which photos were met unchanged.
    disks: HashSet<u64>,
    /// Hashes of the paths of RAW files that stand back for a JPEG.
    stood_back: HashSet<u64>,
    /// The same RAW files, in a run that looks only at some places: these may lie beside them.
    beside: Vec<PathBuf>,
    /// RAW files of which it is not known yet.
    held: Vec<Held>,
    /// Roots that gave no answer in time.
    silent: Vec<PathBuf>,
    not_pictures: BTreeMap<Kind, u64>,
    unsettled: u64,
    left_to_others: u64,
    unreadable: u64,
    unchanged: u64,
    skipped_before: u64,
    links_not_followed: u64,
}

impl Walked {
    pub(super) fn has_seen(&self, path: &Path) -> bool {
        self.seen.contains(&hash(path))
    }

    pub(super) fn has_met_disk(&self, disk: u64) -> bool {
        self.disks.contains(&disk)
    }

    pub(super) fn stands_back(&self, path: &Path) -> bool {
        self.stood_back.contains(&hash(path))
    }

    /// RAW files that stand back, if the sweep may not come by them.
    pub(super) fn beside(&self) -> &[PathBuf] {
        &self.beside
    }

    /// Whether nothing is known of this file because its root gave no answer.
    pub(super) fn is_silent(&self, path: &Path) -> bool {
        let Some(path) = path_bytes(path) else { return false };
        self.silent.iter().any(|root| is_under(path, root))
    }

    /// Whether RAW files wait for what becomes of the JPEGs beside them.
    pub(super) fn has_held(&self) -> bool {
        !self.held.is_empty()
    }

    pub(super) fn count(&self, totals: &mut Totals) {
        totals.unchanged += self.unchanged;
        totals.stood_back = self.stood_back.len() as u64;
        for (kind, files) in &self.not_pictures {
            *totals.not_pictures.entry(*kind).or_default() += files;
        }
        totals.skipped_before = self.skipped_before;
        totals.links_not_followed = self.links_not_followed;
        totals.unsettled += self.unsettled;
        totals.left_to_others += self.left_to_others;
        totals.unreadable = self.unreadable;
    }
}

fn hash(path: &Path) -> u64 {
    let mut hasher = DefaultHasher::new();
    path.as_os_str().hash(&mut hasher);
    hasher.finish()
}

/// Walks all roots and queues the files that are new or changed.
pub(super) fn scan(run: &Run<'_>, jobs: &Sender<Job>, done: &Sender<Done>) -> Result<Walked, IngestError> {
    let mut scan = Scan::new(run, jobs, done, Walked::default());
    for root in &run.plan.roots {
        if !scan.walk(root)? {
            break;
        }
    }
    if let Some(old) = run.replaces {
        scan.photos_of(old)?;
    }
    run.reporter.report(Event::WalkEnded);
    Ok(scan.walked)
}

/// Queues the RAW files that waited and for which no JPEG stands now.
pub(super) fn scan_held(
    run: &Run<'_>,
    walked: Walked,
    jobs: &Sender<Job>,
    done: &Sender<Done>,
) -> Result<Walked, IngestError> {
    let mut scan = Scan::new(run, jobs, done, walked);
    for held in std::mem::take(&mut scan.walked.held) {
        if !scan.held(held)? {
            break;
        }
    }
    Ok(scan.walked)
}

struct Scan<'a> {
    run: &'a Run<'a>,
    jobs: &'a Sender<Job>,
    done: &'a Sender<Done>,
    walked: Walked,
    pairs: Pairs,
    started: Instant,
}

/// A file that the walk met.
struct Met {
    path: PathBuf,
    stamp: Stamp,
    disk: u64,
    name: Name,
    sidecars: Sidecars,
}

impl<'a> Scan<'a> {
    fn new(run: &'a Run<'a>, jobs: &'a Sender<Job>, done: &'a Sender<Done>, walked: Walked) -> Scan<'a> {
        Scan { run, jobs, done, walked, pairs: Pairs::default(), started: Instant::now() }
    }

    /// Walks one root. Whether to go on: not when the run is to stop or the stages behind have ended.
    fn walk(&mut self, root: &Path) -> Result<bool, IngestError> {
        let Plan { roots, only, rules, disks, .. } = self.run.plan;
        let walk = Walk::new(root, roots, rules, Disks::new(*disks))?;
        match only {
            Some(places) => self.follow(walk.only(places), root),
            None => self.follow(walk, root),
        }
    }

    /// Takes what a walk meets at or below `place`.
    ///
    /// The walk, which also looks for sidecars, has a thread of its own that can be left behind: a disk that does not
    /// answer would otherwise hold up the run for good.
    fn follow(
        &mut self,
        walk: impl Iterator<Item = WalkEntry> + Send + 'static,
        place: &Path,
    ) -> Result<bool, IngestError> {
        let (sender, met) = bounded(WALK_AHEAD);
        let mut finder = Finder::default();
        let mut with_sidecars = move |found: WalkEntry| {
            let sidecars = match &found {
                WalkEntry::File { path, .. } => finder.of(path),
                WalkEntry::NotPicture(_)
                | WalkEntry::DanglingLink(_)
                | WalkEntry::LinkNotFollowed
                | WalkEntry::Unreadable { .. } => Sidecars::default(),
            };
            (found, sidecars)
        };
        let work = move || walk.map_while(|found| sender.send(with_sidecars(found)).ok()).for_each(drop);
        let started = Builder::new().name("walk".to_owned()).spawn(work);
        started.map_err(|error| IngestError::Thread { error })?;
        let mut last_answer = Instant::now();
        while !self.run.should_stop() {
            match met.recv_timeout(ASK_EVERY) {
                Ok((found, sidecars)) => {
                    if !self.visit(found, sidecars)? {
                        return Ok(false);
                    }
                    last_answer = Instant::now();
                }
                Err(RecvTimeoutError::Disconnected) => return Ok(true),
                Err(RecvTimeoutError::Timeout) if last_answer.elapsed() >= self.run.plan.max_wait => {
                    self.silent(place);
                    return Ok(true);
                }
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
        Ok(false)
    }

    /// Whether to go on: not when the stages behind have ended.
    fn visit(&mut self, found: WalkEntry, sidecars: Sidecars) -> Result<bool, IngestError> {
        match found {
            WalkEntry::File { path, metadata, disk, name } => {
                return self.file(path, &Stamp::of(&metadata), disk, name, sidecars);
            }
            WalkEntry::NotPicture(kind) => self.not_picture(kind),
            WalkEntry::DanglingLink(path) => return self.dangling_link(path),
            WalkEntry::LinkNotFollowed => self.walked.links_not_followed += 1,
            WalkEntry::Unreadable { path, error } => self.unreadable(&path, &error),
        }
        Ok(true)
    }

    /// Photos of the index that is to be replaced that the walk did not meet, wherever they are: they stay in the
    /// library.
    fn photos_of(&mut self, old: &dyn View) -> Result<(), IngestError> {
        let excludes = excludes(self.run.plan)?;
        let mut paths = Vec::new();
        old.each(&Filter::default(), Load::WithoutVector, &mut |stored| {
            let Item { path, part } = stored.item;
            let is_open = !self.walked.has_seen(&path) && !self.walked.is_silent(&path) && !is_named(&path);
            if part.is_none() && is_open && !excludes.iter().any(|exclude| exclude.matches(&path)) {
                paths.push(path);
            }
            ControlFlow::Continue(())
        })?;
        let Some(place) = paths.first().cloned() else { return Ok(()) };
        let mut disks = Disks::new(self.run.plan.disks);
        let look = move |path: PathBuf| {
            let metadata = path.metadata().ok().filter(Metadata::is_file)?;
            let disk = disks.of(&path, &metadata);
            Some(WalkEntry::File { path, metadata, disk, name: Name::Root })
        };
        self.follow(paths.into_iter().filter_map(look), &place).map(drop)
    }

    fn file(
        &mut self,
        path: PathBuf,
        stamp: &Stamp,
        disk: u64,
        name: Name,
        sidecars: Sidecars,
    ) -> Result<bool, IngestError> {
        if !self.see(&path, name) {
            return Ok(true);
        }
        let met = Met { path, stamp: *stamp, disk, name, sidecars };
        if name == Name::Raw {
            match self.pairs.beside(&met.path) {
                Jpegs::Nothing => {}
                Jpegs::Stands => {
                    self.stand_back(met.path);
                    return Ok(true);
                }
                Jpegs::Waits(jpegs) => {
                    let Met { path, stamp, disk, sidecars, .. } = met;
                    self.walked.held.push(Held { path, stamp, disk, jpegs, sidecars });
                    return Ok(true);
                }
            }
        }
        self.compare(met)
    }

    /// Counts a file that is as the library knows it, and queues any other.
    fn compare(&mut self, met: Met) -> Result<bool, IngestError> {
        let Met { path, stamp, disk, name, sidecars } = met;
        let known = self.known(&path)?;
        if let Some((_, photo)) = known.as_ref().filter(|(_, photo)| photo.stamp.same_content(&stamp)) {
            self.walked.disks.insert(photo.disk);
        }
        let current = known
            .as_ref()
            .map(|(_, photo)| photo)
            .filter(|photo| self.is_current(photo, &stamp) && photo.has_seen(&sidecars));
        if name == Name::Jpeg {
            self.pairs.add(&path, current.is_some_and(can_stand));
        }
        if let Some(photo) = current {
            self.count_current(photo);
            return Ok(true);
        }
        if self.may_be_unfinished(&stamp) {
            self.run.reporter.report(Event::Unsettled { path: &path });
            self.walked.unsettled += 1;
            return Ok(true);
        }
        let Plan { share, named_roots, .. } = self.run.plan;
        if share.as_ref().is_some_and(|share| !share.has(&path, named_roots)) {
            self.walked.left_to_others += 1;
            return Ok(true);
        }
        let embedded = known.filter(|(_, photo)| photo.skip.is_none()).and_then(|(content, _)| content);
        let by_content = name == Name::Unknown;
        let can_be_picture = (1..=self.run.plan.limits.max_bytes).contains(&stamp.size);
        if by_content && embedded.is_none() && !can_be_picture {
            self.not_picture(Kind::Other);
            return Ok(true);
        }
        self.run.reporter.report(Event::Queued);
        let said_beside = decode::Metadata::default();
        let job = Job { path, disk, stamp, by_content, embedded, sidecars, said_beside };
        Ok(self.jobs.send(job).is_ok())
    }

    /// Whether somebody may still be writing this file. A time in the future says nothing: the clock of a camera is wrong.
    fn may_be_unfinished(&self, stamp: &Stamp) -> bool {
        let Plan { now, settle, .. } = self.run.plan;
        let now = *now + self.started.elapsed();
        let modified = UNIX_EPOCH + Duration::from_nanos(u64::try_from(stamp.modified_ns).unwrap_or(0));
        now.duration_since(modified).is_ok_and(|age| age < *settle)
    }

    /// A RAW file whose JPEGs are stored or refused by now.
    fn held(&mut self, held: Held) -> Result<bool, IngestError> {
        let Held { path, stamp, disk, jpegs, sidecars } = held;
        for jpeg in jpegs {
            if self.known(&jpeg)?.is_some_and(|(_, photo)| can_stand(&photo)) {
                self.stand_back(path);
                return Ok(true);
            }
        }
        self.compare(Met { path, stamp, disk, name: Name::Raw, sidecars })
    }

    fn is_current(&self, photo: &Photo, stamp: &Stamp) -> bool {
        photo.is_current(stamp, &self.run.plan.steps) && !self.run.plan.force
    }

    fn stand_back(&mut self, raw: PathBuf) {
        self.walked.stood_back.insert(hash(&raw));
        if self.run.plan.only.is_some() {
            self.walked.beside.push(raw);
        }
    }

    fn dangling_link(&mut self, path: PathBuf) -> Result<bool, IngestError> {
        if !self.see(&path, Name::Picture) {
            return Ok(true);
        }
        // Gone between the walk's look and ours.
        let Ok(metadata) = path.symlink_metadata() else { return Ok(true) };
        let stamp = Stamp::of(&metadata);
        if let Some((_, photo)) = self.known(&path)?
            && photo.is_current(&stamp, &[])
        {
            self.count_current(&photo);
            return Ok(true);
        }
        let (disk, sidecars, said_beside) = (UNKNOWN_DISK, Sidecars::default(), decode::Metadata::default());
        let job = Job { path, disk, stamp, by_content: false, embedded: None, sidecars, said_beside };
        self.run.reporter.report(Event::Queued);
        let done = Done::skipped(job, Skip::new(SkipKind::DanglingLink, ""), None);
        Ok(self.done.send(done).is_ok())
    }

    /// A root that gives no answer. What the library has below it stays as it is.
    fn silent(&mut self, root: &Path) {
        let seconds = self.run.plan.max_wait.as_secs();
        let error = io::Error::new(io::ErrorKind::TimedOut, format!("no answer after {seconds} s"));
        self.unreadable(root, &error);
        self.walked.silent.push(root.to_owned());
    }

    fn not_picture(&mut self, kind: Kind) {
        *self.walked.not_pictures.entry(kind).or_default() += 1;
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.run.reporter.report(Event::Unreadable { path, error });
        self.walked.unreadable += 1;
    }

    /// Notes that the file exists. Whether it is to be looked at: not when it was met before, below another root. A path
    /// that cannot be a key is told and left out.
    fn see(&mut self, path: &Path, name: Name) -> bool {
        if !can_be_kept(path) {
            let error = io::Error::new(io::ErrorKind::InvalidFilename, "this file name cannot be stored");
            self.unreadable(path, &error);
            return false;
        }
        let is_new = self.walked.seen.insert(hash(path));
        is_new || (name == Name::Root && self.does_not_stand_back(path))
    }

    /// A RAW file that was given itself is meant, though a JPEG stands beside it. Whether that changes anything.
    fn does_not_stand_back(&mut self, path: &Path) -> bool {
        let held = self.walked.held.len();
        self.walked.held.retain(|held| held.path != path);
        self.walked.stood_back.remove(&hash(path)) || self.walked.held.len() < held
    }

    /// What the library remembers of the file, and the content it had; nothing if it does not read, so that the file is
    /// looked at again.
    fn known(&self, path: &Path) -> Result<Option<(Option<Fingerprint>, Photo)>, IngestError> {
        let stored = self.run.sink.get(&Item::file(path))?;
        Ok(stored.and_then(|stored| Some((stored.content, stored.photo?))))
    }

    fn count_current(&mut self, photo: &Photo) {
        match photo.skip.as_ref().map(|skip| skip.kind) {
            None => self.walked.unchanged += 1,
            Some(SkipKind::OtherFile) => self.not_picture(Kind::Other),
            Some(_) => self.walked.skipped_before += 1,
        }
        self.walked.disks.insert(photo.disk);
    }
}
