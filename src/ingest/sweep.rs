//! Last stage: photos that are gone leave the library.
//!
//! A photo is gone when nothing is left at its path although the disk it was on is there. A photo that merely was not
//! met (in a hidden folder, behind a link, in a folder we may not read) still exists, and stays; only the user's own
//! exclude patterns remove what exists, and a JPEG beside a RAW file that comes to stand for it. The parts of a file go
//! with it.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use imgsearch_index::Fingerprint;

use super::pipeline::Run;
use super::scan::Walked;
use super::store::Copies;
use super::{Event, IngestError, Plan, Totals};
use crate::disk::{Disks, UNKNOWN_DISK, nearest};
use crate::item::Item;
use crate::library::{Stored, Visit, Write, try_visit};
use crate::photo::{Id, Photo, SkipKind};
use crate::roots::is_named;
use crate::walk::Exclude;

/// Files removed at once.
pub(super) const BATCH: usize = 1_000;

pub(super) fn remove_gone(
    run: &Run<'_>,
    walked: &Walked,
    copies: Copies,
    totals: &mut Totals,
) -> Result<(), IngestError> {
    let mut sweep = Sweep {
        run,
        fates: Fates::new(run, walked)?,
        kept: BTreeMap::new(),
        gone: Vec::new(),
        contents: Vec::new(),
    };
    sweep.moved(copies, totals)?;
    sweep.beside(walked.beside(), totals)?;
    for place in run.plan.swept() {
        sweep.below(&place, totals)?;
    }
    for (folder, photos) in &sweep.kept {
        totals.kept += photos;
        run.reporter.report(Event::Kept { folder, photos: *photos });
    }
    Ok(())
}

struct Sweep<'a> {
    run: &'a Run<'a>,
    fates: Fates<'a>,
    /// Photos on absent disks, by what is left of their paths.
    kept: BTreeMap<PathBuf, u64>,
    gone: Vec<Write>,
    /// The contents of `gone`.
    contents: Vec<Fingerprint>,
}

impl Sweep<'_> {
    /// A new copy of a photo that is gone: it was moved. Also where its old place was not walked.
    fn moved(&mut self, copies: Copies, totals: &mut Totals) -> Result<(), IngestError> {
        for (content, mut copies) in copies {
            let mut files = Vec::new();
            self.run.sink.of_content(&content, &mut |Stored { item, photo, .. }| {
                if item.part.is_none() {
                    files.push((item.path, photo));
                }
                ControlFlow::Continue(())
            })?;
            for (path, photo) in files {
                if copies > 0 && matches!(self.fates.of(&path, photo.as_ref()), Fate::Goes) {
                    copies -= 1;
                    totals.copied -= 1;
                    totals.moved += 1;
                    self.remove(path, Some(content))?;
                }
            }
        }
        self.flush()
    }

    /// Removes RAW files that stand back.
    fn beside(&mut self, raw_files: &[PathBuf], totals: &mut Totals) -> Result<(), IngestError> {
        for path in raw_files {
            if let Some(stored) = self.run.sink.get(&Item::file(path.as_path()))? {
                self.sweep(stored, totals)?;
            }
        }
        self.flush()
    }

    /// Removes what is gone at or below `place`.
    fn below(&mut self, place: &Path, totals: &mut Totals) -> Result<(), IngestError> {
        let run = self.run;
        let all = |visit: Visit<'_>| run.sink.each_under(place, visit);
        try_visit(all, |stored| self.sweep(stored, totals).map(|()| run.goes_on()))?;
        self.flush()
    }

    fn sweep(&mut self, stored: Stored, totals: &mut Totals) -> Result<(), IngestError> {
        let Stored { item: Item { path, part: None }, content, photo, .. } = stored else { return Ok(()) };
        match self.fates.of(&path, photo.as_ref()) {
            Fate::Stays => {}
            Fate::Goes => {
                totals.removed += u64::from(!is_other_file(photo.as_ref()));
                self.remove(path, content)?;
            }
            Fate::Kept => *self.kept.entry(nearest(&path).to_owned()).or_default() += 1,
        }
        Ok(())
    }

    fn remove(&mut self, path: PathBuf, content: Option<Fingerprint>) -> Result<(), IngestError> {
        self.contents.extend(content);
        self.gone.push(Write::Remove { path });
        if self.gone.len() < BATCH { Ok(()) } else { self.flush() }
    }

    fn flush(&mut self) -> Result<(), IngestError> {
        if !self.gone.is_empty() {
            self.run.sink.apply(std::mem::take(&mut self.gone))?;
        }
        for content in std::mem::take(&mut self.contents) {
            self.remove_thumbnail(&content)?;
        }
        Ok(())
    }

    /// Deletes the thumbnail, unless another photo has the same content.
    fn remove_thumbnail(&self, content: &Fingerprint) -> Result<(), IngestError> {
        let Some(thumbnails) = &self.run.plan.thumbnails else { return Ok(()) };
        let mut is_gone = true;
        self.run.sink.of_content(content, &mut |_| {
            is_gone = false;
            ControlFlow::Break(())
        })?;
        if is_gone {
            // One that cannot be deleted now is deleted by `optimize`.
            _ = thumbnails.remove(Id(*content));
        }
        Ok(())
    }
}

/// Tells what becomes of photos.
pub(super) struct Fates<'a> {
    run: &'a Run<'a>,
    walked: &'a Walked,
    excludes: Vec<Exclude>,
    disks: Disks,
}

/// What becomes of a photo that is in the library.
pub(super) enum Fate {
    Stays,
    Goes,
    /// Its disk is not there.
    Kept,
}

impl<'a> Fates<'a> {
    pub(super) fn new(run: &'a Run<'a>, walked: &'a Walked) -> Result<Fates<'a>, IngestError> {
        Ok(Fates { run, walked, excludes: excludes(run.plan)?, disks: Disks::new(run.plan.disks) })
    }

    pub(super) fn of(&mut self, path: &Path, photo: Option<&Photo>) -> Fate {
        // Below a root that this machine does not know: another machine looks after it.
        if is_named(path) {
            return Fate::Kept;
        }
        if self.walked.stands_back(path) {
            return Fate::Goes;
        }
        if self.walked.has_seen(path) || self.walked.is_silent(path) {
            return Fate::Stays;
        }
        if !is_missing(path) {
            let is_excluded = self.excludes.iter().any(|exclude| exclude.matches(path));
            return if is_excluded { Fate::Goes } else { Fate::Stays };
        }
        let Some(photo) = photo else { return Fate::Goes };
        if self.run.plan.prune || self.is_present(photo, path) { Fate::Goes } else { Fate::Kept }
    }

    /// Whether the disk that `photo` was on is there: under its path, or wherever the walk met its other photos.
    fn is_present(&mut self, photo: &Photo, path: &Path) -> bool {
        photo.disk == UNKNOWN_DISK
            || self.walked.has_met_disk(photo.disk)
            || self.disks.of_nearest(path) == photo.disk
    }
}

/// What the user excludes, below each root.
pub(super) fn excludes(plan: &Plan) -> Result<Vec<Exclude>, IngestError> {
    let roots = plan.roots.iter();
    Ok(roots.map(|root| Exclude::new(root, &plan.rules)).collect::<Result<_, _>>()?)
}

/// Whether the record is of a file that never counted as a photo.
fn is_other_file(photo: Option<&Photo>) -> bool {
    let skip = photo.and_then(|photo| photo.skip.as_ref());
    skip.is_some_and(|skip| skip.kind == SkipKind::OtherFile)
}

/// Nothing is at `path`. Any other trouble than that leaves the question open, and the photo where it is.
fn is_missing(path: &Path) -> bool {
    let nothing = [io::ErrorKind::NotFound, io::ErrorKind::NotADirectory];
    path.symlink_metadata().is_err_and(|error| nothing.contains(&error.kind()))
}
