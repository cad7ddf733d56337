//! First stage: which files are there that the library does not know as they are?

use std::collections::HashSet;
use std::fs::Metadata;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crossbeam_channel::Sender;
use imgsearch_index::{Key, Searcher};

use super::in_flight::Waiting;
use super::pipeline::{Done, Job, Run};
use super::sweep::excludes;
use super::{Event, IngestError, Totals};
use crate::disk::{Disks, UNKNOWN_DISK};
use crate::photo::{Photo, Skip, SkipKind, Stamp, key_of, path_of};
use crate::walk::{self, Found};

/// What the walk learned besides the jobs it queued.
#[derive(Default)]
pub(super) struct Walked {
    /// Hashes of the keys of all files met. Hashes, because a million paths would take 100 MB; two paths of one hash
    /// (odds of 10⁻⁷ among a million) only keep a deleted photo until the next change.
    seen: HashSet<u64>,
    /// Disks, as they were called when the photos on them were stored, of which photos were met unchanged.
    disks: HashSet<u64>,
    unreadable: u64,
    unchanged: u64,
    skipped_before: u64,
    links_not_followed: u64,
}

impl Walked {
    pub(super) fn has_seen(&self, key: &Key) -> bool {
        self.seen.contains(&hash(key))
    }

    pub(super) fn has_met_disk(&self, disk: u64) -> bool {
        self.disks.contains(&disk)
    }

    pub(super) fn count(&self, totals: &mut Totals) {
        totals.unchanged = self.unchanged;
        totals.skipped_before = self.skipped_before;
        totals.links_not_followed = self.links_not_followed;
        totals.unreadable = self.unreadable;
    }
}

fn hash(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Walks all roots and queues the files that are new or changed.
pub(super) fn scan(run: &Run<'_>, jobs: &Sender<Job>, done: &Sender<Done>) -> Result<Walked, IngestError> {
    let mut scan = Scan { run, jobs, done, walked: Walked::default() };
    for root in &run.plan.roots {
        let mut result = Ok(true);
        let stop = || run.should_stop();
        walk::walk(root, &run.plan.rules, stop, |found| {
            result = scan.visit(found);
            matches!(result, Ok(true))
        })?;
        result?;
    }
    if let Some(old) = run.replaces {
        scan.photos_of(old)?;
    }
    run.reporter.report(Event::WalkEnded);
    Ok(scan.walked)
}

struct Scan<'a> {
    run: &'a Run<'a>,
    jobs: &'a Sender<Job>,
    done: &'a Sender<Done>,
    walked: Walked,
}

impl Scan<'_> {
    /// Whether to go on: not when the stages behind have ended.
    fn visit(&mut self, found: Found) -> Result<bool, IngestError> {
        match found {
            Found::File { path, metadata, disk } => return self.file(path, &Stamp::of(&metadata), disk),
            Found::DanglingLink(path) => return self.dangling_link(path),
            Found::LinkNotFollowed => self.walked.links_not_followed += 1,
            Found::Unreadable { path, error } => self.unreadable(&path, &error),
        }
        Ok(true)
    }

    /// Photos of the index that is to be replaced that the walk did not meet, wherever they are: they stay in the
    /// library.
    fn photos_of(&mut self, old: &Searcher) -> Result<(), IngestError> {
        let excludes = excludes(self.run.plan)?;
        let mut disks = Disks::default();
        for stored in old.records() {
            let stored = stored?;
            if !stored.has_vector {
                continue;
            }
            let path = path_of(stored.key);
            let is_met = key_of(&path).is_none_or(|key| self.walked.has_seen(&key));
            if is_met || excludes.iter().any(|exclude| exclude.matches(&path)) {
                continue;
            }
            let Some(metadata) = path.metadata().ok().filter(Metadata::is_file) else { continue };
            let disk = disks.of(&path, &metadata);
            if self.run.should_stop() || !self.file(path, &Stamp::of(&metadata), disk)? {
                break;
            }
        }
        Ok(())
    }

    fn file(&mut self, path: PathBuf, stamp: &Stamp, disk: u64) -> Result<bool, IngestError> {
        let Some(key) = self.see(&path) else { return Ok(true) };
        let known = self.known(&key)?;
        if let Some(photo) = &known
            && photo.is_current(stamp)
        {
            self.count_current(photo);
            return Ok(true);
        }
        let is_update = known.is_some_and(|photo| photo.skip.is_none());
        self.run.reporter.report(Event::Queued);
        Ok(self.jobs.send(Job { path, key, disk, is_update }).is_ok())
    }

    fn dangling_link(&mut self, path: PathBuf) -> Result<bool, IngestError> {
        let Some(key) = self.see(&path) else { return Ok(true) };
        // Gone between the walk's look and ours.
        let Ok(metadata) = path.symlink_metadata() else { return Ok(true) };
        let stamp = Stamp::of(&metadata);
        if let Some(photo) = self.known(&key)?
            && photo.is_current(&stamp)
        {
            self.count_current(&photo);
            return Ok(true);
        }
        let job = Job { path, key, disk: UNKNOWN_DISK, is_update: false };
        self.run.reporter.report(Event::Queued);
        let done = Done::skipped(Waiting { job, stamp }, Skip::new(SkipKind::DanglingLink, ""), None);
        Ok(self.done.send(done).is_ok())
    }

    fn unreadable(&mut self, path: &Path, error: &io::Error) {
        self.run.reporter.report(Event::Unreadable { path, error });
        self.walked.unreadable += 1;
    }

    /// Notes that the file exists; `None` when it was met before, below another root. A path that cannot be a key is
    /// told and left out.
    fn see(&mut self, path: &Path) -> Option<Key> {
        let Some(key) = key_of(path) else {
            let error = io::Error::new(io::ErrorKind::InvalidFilename, "this file name cannot be stored");
            self.unreadable(path, &error);
            return None;
        };
        self.walked.seen.insert(hash(&key)).then_some(key)
    }

    /// What the library remembers of the file; nothing if it does not read, so that the file is looked at again.
    fn known(&self, key: &Key) -> Result<Option<Photo>, IngestError> {
        Ok(self.run.writer.get(key)?.and_then(|record| Photo::decode(&record.payload)))
    }

    fn count_current(&mut self, photo: &Photo) {
        match photo.skip {
            None => self.walked.unchanged += 1,
            Some(_) => self.walked.skipped_before += 1,
        }
        self.walked.disks.insert(photo.disk);
    }
}
