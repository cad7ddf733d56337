//! Looks at everything an index consists of, and puts right what can be.
//!
//! [`verify`] changes nothing. [`repair`] makes the catalog again from the segments where it cannot be opened or
//! read, makes the segments again from the catalog where one of them is damaged, and names what neither side
//! has any more: only that must be indexed again.

use std::collections::BTreeMap;
use std::path::Path;

use crate::catalog::Catalog;
use crate::identity::IndexId;
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
    /// Whether other published records may be lost, of which not even the key can be read.
    pub lost_others: bool,
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

    /// Whether a repair was made, and everything is there again.
    #[must_use]
    pub fn is_whole_again(&self) -> bool {
        self.repaired && self.lost.is_empty() && !self.lost_others
    }

    fn note(&mut self, key: Option<&Key>, error: Error) {
        self.problems.push(Problem { key: key.cloned(), error });
    }

    /// Notes what is damaged. What says nothing about the index, such as a full disk, ends the reading.
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
/// An index that was created but never published, because its first writer was killed, is as it should be.
///
/// # Errors
/// [`Error::Missing`], [`Error::Locked`] and [`Error::NewerFormat`]; and [`Error::Io`] when the operating system
/// refuses, for which see [`Error::is_refusal`] and [`verify_copy`]. Whatever else is wrong is in the report.
pub fn verify(dir: &Path) -> Result<Report, Error> {
    check_exists(dir)?;
    let _lock = Lock::acquire(dir)?;
    compare(dir, &files::catalog(dir))
}

/// Does what [`verify`] does where nothing can be written to `dir`: on a read-only medium, in somebody else's folder,
/// on a full disk. The catalog cannot be opened without writing, so a copy of it is opened in the empty folder
/// `scratch`.
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

/// The least that the writer of an index leaves, however early it is killed, is its folder.
fn check_exists(dir: &Path) -> Result<(), Error> {
    if dir.is_dir() { Ok(()) } else { Err(Error::Missing { path: dir.to_owned() }) }
}

/// Compares what is published in `dir` with the catalog at `path`.
fn compare(dir: &Path, path: &Path) -> Result<Report, Error> {
    let mut report = Report::default();
    let manifest = report.keep_damage(Manifest::read(dir))?;
    // One that cannot be read is there all the same.
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

/// The living rows of all segments that the manifest names. Each segment is read as a whole.
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

/// Reads every record and vector of the catalog, and takes from the published rows those that it knows: alive, or
/// deleted or replaced since. Answers how many records there are.
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
        report.note(None, catalog.damaged("a row and its record do not agree"));
    }
    report.keep_damage(catalog.check_graphs())?;
    Ok(records)
}

/// Whether every row of the catalog is that of its record, and every record has its row. A writer reads both.
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

/// Puts right what can be, and reports what was wrong and what is lost.
///
/// Where files of another index lie in the folder, what belongs here is decided by the catalog. Without a catalog, the
/// manifest decides.
///
/// # Errors
/// [`Error::Missing`], [`Error::Locked`], [`Error::NewerFormat`], and whatever the disk says.
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
            // Nobody is to take its rows for ours.
            recovery::remove_segments(dir, &manifest)?;
            None
        }
        (_, manifest) => manifest,
    };
    let space = of_catalog.map(|(space, _)| space);
    let space = space.map_or_else(|| recovery::space(dir, manifest.as_ref()), |space| Ok(Some(space)))?;
    let what = "no file tells which model its vectors are of";
    let space = space.ok_or_else(|| Error::Damaged { path: dir.to_owned(), what })?;
    if report.problems.iter().any(|problem| problem.concerns(&path)) {
        let lost = recovery::rebuild(dir, &space, manifest.as_ref(), cache_bytes)?;
        (report.lost, report.lost_others) = (lost.keys.into_iter().collect(), lost.others);
    }
    let catalog = Catalog::open(&path, cache_bytes)?;
    if catalog.index()?.is_none() {
        catalog.initialise(&space, IndexId::new())?;
    }
    // With no manifest everything is pending, and all segments are written anew.
    let mut publication = recovery::publication(dir, &catalog, &space, None)?;
    publication.publish(dir, &catalog, &WriterOptions::default())?;
    publication.remove_what_is_not_named(dir)?;
    files::make_private(dir);
    report.repaired = true;
    Ok(report)
}

/// What the catalog says of itself, if it can be read.
fn of_catalog(path: &Path, cache_bytes: u64) -> Option<(Space, Option<IndexId>)> {
    if !Catalog::exists(path) {
        return None;
    }
    let catalog = Catalog::open(path, cache_bytes).ok()?;
    Some((catalog.space().ok()??, catalog.index().ok()?))
}
