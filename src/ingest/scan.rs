//! First stage: which files does the walk meet that the library does not know as they are?

use std::collections::HashSet;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;
use std::path::{Path, PathBuf};

use crossbeam_channel::Sender;
use imgsearch_index::Key;

use super::{Done, Event, IngestError, Job, Run, Totals};
use crate::library::Note;
use crate::photo::{Photo, Skip, SkipKind, Stamp, key_of};
use crate::walk::{self, Found};

/// What the walk learned besides the jobs it queued.
#[derive(Default)]
pub(super) struct Walked {
    /// Hashes of the keys of all files met. Hashes, because a million paths would take 100 MB; two paths of one hash
    /// (odds of 10⁻⁷ among a million) only keep a deleted photo until the next change.
    seen: HashSet<u64>,
    /// Folders that could not be looked at.
    pub(super) unreadable: Vec<PathBuf>,
    /// Folders with another file system mounted on them now.
    pub(super) mount_points: Vec<PathBuf>,
    /// Of the mount points noted before, those below which files were met.
    pub(super) populated: HashSet<PathBuf>,
    unchanged: u64,
    skipped_before: u64,
    links_not_followed: u64,
}

impl Walked {
    pub(super) fn has_seen(&self, key: &Key) -> bool {
        self.seen.contains(&hash(key))
    }

    pub(super) fn count(&self, totals: &mut Totals) {
        totals.unchanged = self.unchanged;
        totals.skipped_before = self.skipped_before;
        totals.links_not_followed = self.links_not_followed;
        totals.unreadable = self.unreadable.len() as u64;
    }
}

fn hash(key: &Key) -> u64 {
    let mut hasher = DefaultHasher::new();
    key.hash(&mut hasher);
    hasher.finish()
}

/// Walks all roots and queues the files that are new or changed.
pub(super) fn scan(
    run: &Run<'_>,
    note: &Note,
    jobs: &Sender<Job>,
    done: &Sender<Done>,
) -> Result<Walked, IngestError> {
    let known_mounts: Vec<PathBuf> = note.mount_points().collect();
    let mut scan = Scan { run, known_mounts, jobs, done, walked: Walked::default() };
    for root in &run.plan.roots {
        let mut result = Ok(true);
        walk::walk(root, &run.plan.rules, |found| {
            result = scan.visit(found);
            matches!(result, Ok(true)) && !run.should_stop()
        })?;
        result?;
    }
    run.reporter.report(Event::WalkEnded);
    Ok(scan.walked)
}

struct Scan<'a> {
    run: &'a Run<'a>,
    known_mounts: Vec<PathBuf>,
    jobs: &'a Sender<Job>,
    done: &'a Sender<Done>,
    walked: Walked,
}

impl Scan<'_> {
    /// Whether to go on: not when the stages behind have ended.
    fn visit(&mut self, found: Found) -> Result<bool, IngestError> {
        match found {
            Found::File { path, metadata } => self.file(path, &Stamp::of(&metadata)),
            Found::DanglingLink(path) => self.dangling_link(path),
            Found::LinkNotFollowed => {
                self.walked.links_not_followed += 1;
                Ok(true)
            }
            Found::Unreadable { path, error } => {
                self.unreadable(path, &error);
                Ok(true)
            }
            Found::MountPoint(path) => {
                self.walked.mount_points.push(path);
                Ok(true)
            }
        }
    }

    fn file(&mut self, path: PathBuf, stamp: &Stamp) -> Result<bool, IngestError> {
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
        Ok(self.jobs.send(Job { path, key, is_update }).is_ok())
    }

    fn dangling_link(&mut self, path: PathBuf) -> Result<bool, IngestError> {
        let Some(key) = self.see(&path) else { return Ok(true) };
        let stamp = path
            .symlink_metadata()
            .map_or(Stamp { size: 0, modified_ns: 0, changed_ns: 0 }, |m| Stamp::of(&m));
        if let Some(photo) = self.known(&key)?
            && photo.is_current(&stamp)
        {
            self.count_current(&photo);
            return Ok(true);
        }
        let skip = Skip::new(SkipKind::DanglingLink, "");
        let job = Job { path, key, is_update: false };
        self.run.reporter.report(Event::Queued);
        Ok(self.done.send(Done::skipped(job, stamp, skip, None)).is_ok())
    }

    fn unreadable(&mut self, path: PathBuf, error: &io::Error) {
        self.run.reporter.report(Event::Unreadable { path: &path, error });
        self.walked.unreadable.push(path);
    }

    /// Notes that the file exists. A path that cannot be a key is told and left out.
    fn see(&mut self, path: &Path) -> Option<Key> {
        let Some(key) = key_of(path) else {
            let error = io::Error::new(io::ErrorKind::InvalidFilename, "this file name cannot be stored");
            self.unreadable(path.to_owned(), &error);
            return None;
        };
        self.walked.seen.insert(hash(&key));
        for mount in self.known_mounts.iter().filter(|mount| path.starts_with(mount)) {
            if !self.walked.populated.contains(mount) {
                self.walked.populated.insert(mount.clone());
            }
        }
        Some(key)
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
    }
}
