//! Checks and repairs an index.
//!
//! [`verify`] changes nothing. [`repair`] rebuilds a damaged catalog from the segments and damaged segments from the
//! catalog. It reports the records that both have lost: only these must be indexed again.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalog::Catalog;
use crate::identity::IndexId;
use crate::lock::Lock;
use crate::manifest::{Manifest, Named};
use crate::vector::Vector;
use crate::{Error, Key, Space, WriterOptions, extract, files, recovery};

/// The result of [`verify`] or [`repair`].
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Report {
    /// How many records were read, in catalog and segments together.
    pub records: usize,
    /// The problems found, even if they are repaired now.
    pub problems: Vec<Problem>,
    /// Whether a repair was made.
    pub repaired: bool,
    /// The keys of lost records, which must be applied again. If a part of the catalog was lost, unpublished records are
    /// missing here.
    pub lost: Vec<Key>,
    /// Whether more published records may be lost, whose keys cannot be read either.
    pub lost_others: bool,
}

/// A problem of an index.
#[derive(Debug)]
#[non_exhaustive]
pub struct Problem {
    /// The affected key, if it is a single one.
    pub key: Option<Key>,
    /// The error, with the file.
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
            | Error::DimensionMismatch { .. }
            | Error::TooLong { .. }
            | Error::ForeignSelection { .. } => false,
        }
    }
}

impl Report {
    /// Whether no problem was found.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.problems.is_empty()
    }

    /// Whether a repair was made and nothing was lost.
    #[must_use]
    pub fn is_whole_again(&self) -> bool {
        self.repaired && self.lost.is_empty() && !self.lost_others
    }

    fn note(&mut self, key: Option<&Key>, error: Error) {
        self.problems.push(Problem { key: key.cloned(), error });
    }

    /// Records damage as a problem. Other errors, such as a full disk, are returned.
    fn keep_damage<T>(&mut self, read: Result<T, Error>) -> Result<Option<T>, Error> {
        match read {
            Ok(read) => Ok(Some(read)),
            Err(error) if error.is_refusal() || matches!(error, Error::NewerFormat { .. }) => Err(error),
            Err(error) => {
                self.note(None, error);
                Ok(None)
            }
        }
    }
}

/// Reads everything, compares all checksums, and compares the catalog with the segments.
///
/// An index that was created but never published, because its first writer was killed, is not damaged.
///
/// # Errors
/// [`Error::Missing`], [`Error::Locked`] and [`Error::NewerFormat`]; also [`Error::Io`] if the system refuses (see
/// [`Error::is_refusal`] and [`verify_copy`]). All other problems are in the report.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    check_exists(dir)?;
    let _lock = Lock::acquire(dir)?;
    compare(dir, &files::catalog(dir))
}

/// Like [`verify`], but writes nothing to `dir`, for read-only media, other users' folders and full disks. Opening the
/// catalog writes to it, so a copy is opened in the empty folder `scratch`.
///
/// # Errors
/// As [`verify`].
pub fn verify_copy(dir: &Path, scratch: &Path) -> Result<Report, Error> {
    check_exists(dir)?;
    let _lock = Lock::acquire_to_read(dir)?;
    let (catalog, copy) = (files::catalog(dir), files::catalog(scratch));
    if catalog.exists() {
        files::copy_all(&catalog, &copy)?;
    }
    let mut report = compare(dir, &copy)?;
    report.problems.iter_mut().for_each(|problem| problem.error.move_path(&copy, &catalog));
    Ok(report)
}

/// Checks that the folder exists. Even a writer that was killed right at its start has created it.
fn check_exists(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() { Ok(()) } else { Err(Error::Missing { path: dir.to_owned() }) }
}

/// Compares the published state in `dir` with the catalog at `path`.
fn compare(dir: &Path, path: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    let manifest = report.keep_damage(Manifest::read(dir))?;
    // An unreadable manifest counts as existing.
    let is_named = !matches!(manifest, Some(None));
    let manifest = manifest.flatten();
    if !Catalog::exists(path) {
        if is_named || !files::segments(dir)?.is_empty() {
            report.note(None, Error::Damaged { path: path.to_owned(), what: "the catalog is missing" });
        }
        published(dir, manifest.as_ref(), &mut report)?;
        return Ok(report);
    }
    let opened = Catalog::open(path, WriterOptions::default().cache_bytes);
    let opened = opened.and_then(|catalog| Ok((catalog.space()?, catalog.index()?, catalog)));
    let Some((space, index, catalog)) = report.keep_damage(opened)? else {
        published(dir, manifest.as_ref(), &mut report)?;
        return Ok(report);
    };
    let belongs =
        |manifest: &&Manifest| space.as_ref().is_some_and(|space| manifest.belongs_to(space, index));
    let own = manifest.as_ref().filter(belongs);
    match (&space, &manifest) {
        (None, _) => report.note(None, catalog.damaged("the vector space is missing")),
        (Some(_), Some(_)) if own.is_none() => report.note(None, Manifest::foreign(dir)),
        _ => {}
    }
    let mut rows = published(dir, own, &mut report)?;
    let records = catalog_records(&catalog, &mut report, &mut rows)?;
    if !is_named && (records > 0 || !files::segments(dir)?.is_empty()) {
        report.note(None, Manifest::missing(dir));
    }
    let what = "a published record is not in the catalog";
    rows.keys().for_each(|key| report.note(Some(key), catalog.damaged(what)));
    Ok(report)
}

/// Reads all of the manifest's segments completely and returns their living rows.
fn published(
    dir: &Path,
    manifest: Option<&Manifest>,
    report: &mut Report,
) -> Result<BTreeMap<Key, u64>, Error> {
    let mut rows = BTreeMap::new();
    let Some(manifest) = manifest else { return Ok(rows) };
    for named in &manifest.segments {
        let read = segment(dir, named, manifest.space.dim(), &mut rows);
        report.records += report.keep_damage(read)?.unwrap_or(0);
    }
    Ok(rows)
}

/// Reads a segment, its graph and its extract completely, and adds its living rows to the published ones.
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
    extract::verify(dir, &segment)?;
    for (key, pending) in crate::publication::living(&segment, named)? {
        published.insert(key, pending.row);
    }
    Ok(segment.len())
}

/// Reads every record and vector of the catalog and returns the number of records. Removes from the published rows those
/// that the catalog knows as alive, deleted or replaced.
fn catalog_records(
    catalog: &Catalog,
    report: &mut Report,
    published: &mut BTreeMap<Key, u64>,
) -> Result<usize, Error> {
    let mut forget = |key: &Key, row: u64| {
        if published.get(key) == Some(&row) {
            published.remove(key);
        }
    };
    let mut records = 0;
    for entry in catalog.entries(&[]) {
        let Some((key, entry)) = report.keep_damage(entry)? else { continue };
        records += 1;
        forget(&key, entry.row);
        if entry.has_vector {
            match catalog.vector_bytes(entry.row) {
                Ok(bytes) if Vector::from_half_bytes(&bytes).is_some() => {}
                Ok(_) => report.note(Some(&key), catalog.damaged("a vector cannot be read")),
                Err(error) if error.is_refusal() => return Err(error),
                Err(error) => report.note(Some(&key), error),
            }
        }
    }
    for row in catalog.tombstones() {
        if let Some((row, key)) = report.keep_damage(row)? {
            forget(&key, row);
        }
    }
    report.records += records;
    if report.keep_damage(rows_agree(catalog, records))? == Some(false) {
        report.note(None, catalog.damaged("a row does not match its record"));
    }
    report.keep_damage(catalog.check_graphs())?;
    Ok(records)
}

/// Whether rows and records of the catalog match each other. A writer reads both.
fn rows_agree(catalog: &Catalog, records: usize) -> Result<bool, Error> {
    let mut rows = 0;
    for found in catalog.rows_from(0) {
        let (row, key) = found?;
        if catalog.entry(&key)?.is_none_or(|entry| entry.row != row) {
            return Ok(false);
        }
        rows += 1;
    }
    Ok(rows == records)
}

/// Repairs everything possible, and reports the problems and losses.
///
/// If there are files of another index in the folder, the catalog decides which ones belong here. Without a catalog, the
/// manifest decides.
///
/// # Errors
/// [`Error::Missing`], [`Error::Locked`], [`Error::NewerFormat`], or an error of the system.
pub fn repair(dir: &Path) -> Result<Report, Error> {
    let mut report = verify(dir)?;
    files::make_private(dir);
    if report.is_clean() {
        return Ok(report);
    }
    let (_lock, path) = (Lock::acquire(dir)?, files::catalog(dir));
    let manifest = recovery::manifest(dir)?;
    let cache_bytes = WriterOptions::default().cache_bytes;
    let of_catalog = of_catalog(&path, cache_bytes);
    let manifest = match (&of_catalog, manifest) {
        (Some((space, index)), Some(manifest)) if !manifest.belongs_to(space, *index) => {
            // Otherwise their rows could be mistaken for ours.
            recovery::remove_segments(dir, &manifest)?;
            None
        }
        (_, manifest) => manifest,
    };
    let space = of_catalog.map(|(space, _)| space);
    let space = space.map_or_else(|| recovery::space(dir, manifest.as_ref()), |space| Ok(Some(space)))?;
    let what = "no readable file says which model made its vectors";
    let space = space.ok_or_else(|| Error::Damaged { path: dir.to_owned(), what })?;
    if report.problems.iter().any(|problem| problem.concerns(&path)) {
        let lost = recovery::rebuild(dir, &space, manifest.as_ref(), cache_bytes)?;
        (report.lost, report.lost_others) = (lost.keys.into_iter().collect(), lost.others);
    }
    let catalog = Catalog::open(&path, cache_bytes)?;
    if catalog.index()?.is_none() {
        catalog.initialise(&space, IndexId::new())?;
    }
    // Without a manifest everything counts as pending, so all segments are rewritten.
    let mut publication = recovery::publication(dir, &catalog, &space, None)?;
    publication.publish(dir, &catalog, &WriterOptions::default())?;
    publication.remove_what_is_not_named(dir)?;
    files::make_private(dir);
    report.repaired = true;
    Ok(report)
}

/// The catalog's space and identity, if they can be read.
fn of_catalog(path: &Path, cache_bytes: u64) -> Option<(Space, Option<IndexId>)> {
    if !Catalog::exists(path) {
        return None;
    }
    let catalog = Catalog::open(path, cache_bytes).ok()?;
    Some((catalog.space().ok()??, catalog.index().ok()?))
}
