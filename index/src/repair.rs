//! Looks at everything an index consists of, and puts right what can be.
//!
//! [`verify`] changes nothing. [`repair`] makes the catalog again from the segments where it cannot be opened or
//! read, makes the segments again from the catalog where one of them is damaged, and names what neither side
//! has any more: only that must be indexed again.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::catalog::Catalog;
use crate::lock::Lock;
use crate::manifest::{Manifest, Named};
use crate::vector::Vector;
use crate::{Error, Key, Space, WriterOptions, files, recovery};

/// What [`verify`] or [`repair`] has found.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many records were read, in the catalog and in the segments together.
    pub records: usize,
    /// What is wrong, or was before the repair.
    pub problems: Vec<Problem>,
    /// Whether a repair was made.
    pub repaired: bool,
    /// The keys whose records are lost, to be applied again. A repair that had to do without a part of the
    /// catalog cannot name records that were not published yet.
    pub lost: Vec<Key>,
}

/// Something that is wrong with an index.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The key it concerns, where it concerns one.
    pub key: Option<Key>,
    /// What is wrong, and with which file.
    pub error: Error,
}

impl Problem {
    fn concerns(&self, file: &Path) -> bool {
        match &self.error {
            Error::Damaged { path, .. }
            | Error::Missing { path }
            | Error::Io { path, .. }
            | Error::Catalog { path, .. } => path.starts_with(file),
            Error::Locked { .. }
            | Error::SpaceMismatch { .. }
            | Error::NewerFormat { .. }
            | Error::UnusableDimension { .. }
            | Error::DimensionMismatch { .. }
            | Error::TooLong { .. }
            | Error::ForeignSelection { .. } => false,
        }
    }
}

impl Report {
    /// Whether nothing is wrong.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    fn note(&mut self, key: Option<&Key>, error: Error) {
        self.problems.push(Problem { key: key.cloned(), error });
    }
}

/// Reads everything, compares all checksums, and compares the catalog with the segments.
///
/// # Errors
/// [`Error::Missing`], [`Error::Locked`] and [`Error::NewerFormat`]. Whatever else is wrong is in the report.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    let (_lock, path) = lock(dir)?;
    let mut report = Report::default();
    let manifest = match Manifest::read(dir) {
        Ok(Some(manifest)) => Some(manifest),
        Ok(None) => {
            report.note(None, Error::Missing { path: files::manifest(dir) });
            None
        }
        Err(error @ Error::NewerFormat { .. }) => return Err(error),
        Err(error) => {
            report.note(None, error);
            None
        }
    };
    let mut published = BTreeMap::new();
    for named in manifest.iter().flat_map(|manifest| &manifest.segments) {
        let dim = manifest.as_ref().map_or(0, |manifest| manifest.space.dim);
        match segment(dir, named, dim, &mut published) {
            Ok(records) => report.records += records,
            Err(error) => report.note(None, error),
        }
    }
    if !Catalog::exists(&path) {
        report.note(None, Error::Missing { path });
        return Ok(report);
    }
    match Catalog::open(&path, WriterOptions::default().cache_bytes) {
        Ok(catalog) => compare(&catalog, published, &mut report),
        Err(error @ Error::NewerFormat { .. }) => return Err(error),
        Err(error) => report.note(None, error),
    }
    Ok(report)
}

fn lock(dir: &Path) -> Result<(Lock, PathBuf), Error> {
    let path = files::catalog(dir);
    let is_there = path.exists() || files::manifest(dir).exists();
    if !is_there && (!dir.is_dir() || files::segments(dir)?.is_empty()) {
        return Err(Error::Missing { path: dir.to_owned() });
    }
    Ok((Lock::acquire(dir)?, path))
}

/// What is published is in the catalog, unless it was deleted or replaced since.
fn compare(catalog: &Catalog, mut published: BTreeMap<Key, u64>, report: &mut Report) {
    catalog_records(catalog, report, |key| _ = published.remove(key));
    for row in catalog.tombstones() {
        match row {
            Ok((_, key)) => _ = published.remove(&key),
            Err(error) => report.note(None, error),
        }
    }
    let what = "a published record is not in the catalog";
    published.keys().for_each(|key| report.note(Some(key), catalog.damaged(what)));
}

/// Reads a segment and its graph as a whole, and adds its living rows to those published.
fn segment(
    dir: &Path,
    named: &Named,
    dim: usize,
    published: &mut BTreeMap<Key, u64>,
) -> Result<usize, Error> {
    let segment = named.open(dir, dim)?;
    segment.verify()?;
    if let Some(graph) = named.open_graph(dir, &segment)? {
        graph.sections().verify()?;
    }
    for (key, pending) in crate::publication::living(&segment, named)? {
        published.insert(key, pending.row);
    }
    Ok(segment.len())
}

/// Reads every record and vector of the catalog, and tells `found` of each.
fn catalog_records(catalog: &Catalog, report: &mut Report, mut found: impl FnMut(&Key)) {
    for entry in catalog.entries(&[]) {
        let (key, entry) = match entry {
            Ok(entry) => entry,
            Err(error) => {
                report.note(None, error);
                continue;
            }
        };
        report.records += 1;
        found(&key);
        if entry.has_vector {
            match catalog.vector_bytes(entry.row) {
                Ok(bytes) if Vector::from_half_bytes(&bytes).is_some() => {}
                Ok(_) => report.note(Some(&key), catalog.damaged("a vector cannot be read")),
                Err(error) => report.note(Some(&key), error),
            }
        }
    }
}

/// Puts right what can be, and reports what was wrong and what is lost.
///
/// # Errors
/// [`Error::Missing`], [`Error::Locked`], [`Error::NewerFormat`], and whatever the disk says.
pub fn repair(dir: &Path) -> Result<Report, Error> {
    let mut report = verify(dir)?;
    if report.is_clean() {
        return Ok(report);
    }
    let (_lock, path) = lock(dir)?;
    let manifest = recovery::manifest(dir)?;
    let cache_bytes = WriterOptions::default().cache_bytes;
    let space = recovery::space(dir, manifest.as_ref())?.or_else(|| space_in_catalog(&path, cache_bytes));
    let Some(space) = space else { return Err(Error::Missing { path: dir.to_owned() }) };
    if report.problems.iter().any(|problem| problem.concerns(&path)) {
        report.lost = recovery::rebuild(dir, &space, manifest.as_ref(), cache_bytes)?.into_iter().collect();
    }
    let catalog = Catalog::open(&path, cache_bytes)?;
    // With no manifest everything is pending, and all segments are written anew.
    let mut publication = recovery::publication(dir, &catalog, &space, None)?;
    publication.publish(dir, &catalog, &WriterOptions::default())?;
    publication.remove_what_is_not_named(dir)?;
    report.repaired = true;
    Ok(report)
}

fn space_in_catalog(path: &Path, cache_bytes: u64) -> Option<Space> {
    Catalog::exists(path).then(|| Catalog::open(path, cache_bytes).ok()?.space().ok()?).flatten()
}
