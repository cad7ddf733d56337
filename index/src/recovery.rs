//! Makes catalog and segments consistent after a crash, or after one of them was lost.
//!
//! If both know a row, the catalog is right, because it contains every acknowledged batch. The segments are right about
//! rows that the catalog never had, which happens if it is missing or was restored from an older copy.
//!
//! Files of another index may have been copied here. Then the catalog's vector space and number ([`IndexId`]) decide which
//! files belong to it.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fs;
use std::path::Path;
use std::sync::Arc;

use crate::catalog::Catalog;
use crate::identity::IndexId;
use crate::manifest::{Manifest, Named};
use crate::publication::{Pending, Publication};
use crate::segment::Segment;
use crate::{Error, Key, Space, files};

/// The catalog is compacted when it is more than this many times as large as the segments, plus [`LEAST_COMPACTED`]. With
/// 512 dimensions and no deletions, it is 1.3 times as large.
const WASTEFUL: u64 = 3;

/// Fewer wasted bytes do not matter. The crash test has small catalogs that should be compacted now and then.
const LEAST_COMPACTED: u64 = if cfg!(test) { 768 << 10 } else { 16 << 20 };

/// How many records are restored at a time.
const ROWS_PER_BATCH: usize = 1_000;

/// The manifest, or `None` if it is missing or damaged. Then the whole catalog is published again.
pub(crate) fn manifest(dir: &Path) -> Result<Option<Manifest>, Error> {
    match Manifest::read(dir) {
        Err(Error::Damaged { .. }) => Ok(None),
        read => read,
    }
}

/// The vector space of the index, if it can be determined without a catalog.
pub(crate) fn space(dir: &Path, manifest: Option<&Manifest>) -> Result<Option<Space>, Error> {
    if let Some(manifest) = manifest {
        return Ok(Some(manifest.space.clone()));
    }
    let opened = files::segments(dir)?.into_iter().filter_map(|id| Segment::open(dir, id).ok());
    Ok(opened.filter_map(|segment| segment.space().ok()).next())
}

/// Opens the catalog for vectors of `space`. A missing one is rebuilt from the segments. It gets its name only when it is
/// complete, so after a crash it is still missing.
pub(crate) fn catalog(
    dir: &Path,
    space: &Space,
    manifest: Option<&Manifest>,
    cache_bytes: u64,
) -> Result<Catalog, Error> {
    let path = files::catalog(dir);
    let new = files::temporary(&path);
    files::remove_all(&new)?;
    files::remove_all(&path.with_extension("old"))?;
    if Catalog::exists(&path) {
        let catalog = Catalog::open(&path, cache_bytes)?;
        // sled opens a badly truncated file as a new, empty database. That has no space, so rebuild it.
        if let Some(found) = catalog.space()? {
            let index = catalog.index()?;
            if manifest.is_some_and(|manifest| !manifest.belongs_to(&found, index)) {
                return Err(Manifest::foreign(dir));
            }
            check_space(dir, &found, space)?;
            if index.is_none() {
                catalog.initialise(&found, IndexId::new())?;
            }
            return Ok(catalog);
        }
    }
    if let Some(found) = self::space(dir, manifest)? {
        check_space(dir, &found, space)?;
    }
    files::remove_all(&path)?;
    let catalog = Catalog::open(&new, cache_bytes)?;
    catalog.initialise(space, number_of(manifest))?;
    if let Some(note) = manifest.and_then(|manifest| manifest.note.clone()) {
        catalog.set_note(note)?;
    }
    for (segment, named) in all_segments(dir, space, manifest)? {
        restore(&catalog, &segment, &named, 0)?;
    }
    skip_to(&catalog, manifest.map_or(0, |manifest| manifest.next_row))?;
    drop(catalog);
    files::move_into_place(&path)?;
    Catalog::open(&path, cache_bytes)
}

/// The identity of an index whose catalog is rebuilt.
fn number_of(manifest: Option<&Manifest>) -> IndexId {
    manifest.and_then(|manifest| manifest.index).unwrap_or_else(IndexId::new)
}

pub(crate) fn check_space(dir: &Path, found: &Space, expected: &Space) -> Result<(), Error> {
    if found == expected {
        return Ok(());
    }
    let (found, expected) = (Box::new(found.clone()), Box::new(expected.clone()));
    Err(Error::SpaceMismatch { path: dir.to_owned(), found, expected })
}

/// Compacts the catalog if most of it is unused space of deleted records. Everything in it is published, so if the process
/// ends meanwhile, it can be rebuilt from the segments.
pub(crate) fn compact(
    dir: &Path,
    catalog: Catalog,
    publication: &Publication,
    cache_bytes: u64,
) -> Result<Catalog, Error> {
    let published = publication.segments.iter().map(|segment| segment.sections().file_bytes().len() as u64);
    if catalog.bytes_on_disk()? <= LEAST_COMPACTED + WASTEFUL * published.sum::<u64>() {
        return Ok(catalog);
    }
    let path = files::catalog(dir);
    let (new, old) = (files::temporary(&path), path.with_extension("old"));
    files::remove_all(&new)?;
    let copy = Catalog::open(&new, cache_bytes)?;
    if catalog.copy_to(&copy).is_err() {
        // Damage is reported when the data is needed, or by `verify`. Keep the catalog as it is.
        drop(copy);
        files::remove_all(&new)?;
        return Ok(catalog);
    }
    drop((copy, catalog));
    files::remove_all(&old)?;
    fs::rename(&path, &old).map_err(Error::io("rename", &path))?;
    files::move_into_place(&path)?;
    files::remove_all(&old)?;
    Catalog::open(&path, cache_bytes)
}

/// The manifest's segments. Without a manifest, all segments of this space in the folder; their dead rows are unknown.
fn all_segments(
    dir: &Path,
    space: &Space,
    manifest: Option<&Manifest>,
) -> Result<Vec<(Segment, Named)>, Error> {
    if let Some(manifest) = manifest {
        let open = |named: &Named| Ok((named.open(dir, manifest.space.dim())?, named.clone()));
        return manifest.segments.iter().map(open).collect();
    }
    let opened = files::segments(dir)?.into_iter().filter_map(|id| Segment::open(dir, id).ok());
    let own = opened.filter(|segment| segment.space().is_ok_and(|found| found == *space));
    Ok(own.map(|segment| (Named::of(&segment), segment)).map(|(named, segment)| (segment, named)).collect())
}

/// Restores the living rows of a segment from row `first` on in the catalog, unless it has later ones for their keys.
fn restore(catalog: &Catalog, segment: &Segment, named: &Named, first: u64) -> Result<(), Error> {
    let positions: Vec<usize> = (0..segment.len()).filter(|&position| !named.is_dead(position)).collect();
    for positions in positions.chunks(ROWS_PER_BATCH) {
        let mut batch = catalog.batch()?;
        for &position in positions {
            let record = segment.record(position)?;
            let key = segment.key_of(&record)?;
            let old = catalog.entry(&key)?;
            let row = record.entry.row;
            if row < first || old.as_ref().is_some_and(|old| old.row >= row) {
                continue;
            }
            if let Some(old) = old {
                batch.delete(&key, &old);
            }
            let entry = record.entry.to_entry();
            let half_bytes = entry.has_vector.then(|| segment.checked_half_bytes(position)).transpose()?;
            batch.restore(&key, &entry, half_bytes.map(<[u8]>::to_vec));
        }
        catalog.commit(&batch)?;
    }
    Ok(())
}

/// Deletes from the catalog the rows that are dead in a segment.
fn bury(catalog: &Catalog, segment: &Segment, named: &Named) -> Result<(), Error> {
    let mut batch = catalog.batch()?;
    for position in (0..segment.len()).filter(|&position| named.is_dead(position)) {
        let record = segment.record(position)?;
        let key = segment.key_of(&record)?;
        if let Some(entry) = catalog.entry(&key)?.filter(|entry| entry.row == record.entry.row) {
            batch.delete(&key, &entry);
        }
    }
    catalog.commit(&batch)
}

fn skip_to(catalog: &Catalog, next_row: u64) -> Result<(), Error> {
    if catalog.next_row()? >= next_row {
        return Ok(());
    }
    let mut batch = catalog.batch()?;
    batch.skip_to(next_row);
    catalog.commit(&batch)
}

/// Removes the segments named by the manifest of another index, in case they were copied here too.
pub(crate) fn remove_segments(dir: &Path, foreign: &Manifest) -> Result<(), Error> {
    let here = foreign.segments.iter().filter(|named| named.open(dir, foreign.space.dim()).is_ok());
    here.into_iter().try_for_each(|named| {
        files::remove_all(&files::extract(dir, named.id))?;
        files::remove_all(&files::segment(dir, named.id))
    })
}

/// The published state and the pending rows. Removes files that the manifest does not name.
pub(crate) fn publication(
    dir: &Path,
    catalog: &Catalog,
    space: &Space,
    manifest: Option<Manifest>,
) -> Result<Publication, Error> {
    let (is_new, index) = (manifest.is_none(), catalog.index()?);
    let mut manifest = manifest.unwrap_or_else(|| Manifest::new(space.clone()));
    let has_number = manifest.index == index;
    manifest.index = index;
    // Don't reuse the numbers of existing files, because a searcher may have read their names.
    manifest.next_id = manifest.next_id.max(files::free_number(dir)?);
    let (segments, whole) = intact(dir, catalog, &mut manifest);
    if is_new {
        let known = catalog.next_row()?;
        for (segment, named) in all_segments(dir, space, None)? {
            if segment.greatest_row() >= known {
                restore(catalog, &segment, &named, known)?;
            }
        }
    } else if catalog.next_row()? < manifest.next_row {
        for (segment, named) in segments.iter().zip(&manifest.segments) {
            restore(catalog, segment, named, 0)?;
            bury(catalog, segment, named)?;
        }
        skip_to(catalog, manifest.next_row)?;
    }
    let first = if whole { manifest.next_row } else { 0 };
    let mut publication = Publication::new(manifest, segments);
    publication.pending = pending(catalog, &publication, first)?;
    publication.buried = catalog.tombstones().collect::<Result<_, Error>>()?;
    publication.note_changed = is_new || !has_number || catalog.note()? != publication.manifest.note;
    publication.touch();
    catalog.retain_graphs(|graph| publication.names_graph(graph))?;
    Ok(publication)
}

/// Opens the segments and removes those from the manifest that cannot be opened.
fn intact(dir: &Path, catalog: &Catalog, manifest: &mut Manifest) -> (Vec<Arc<Segment>>, bool) {
    let dim = manifest.space.dim();
    let named = manifest.segments.len();
    let mut segments = Vec::new();
    manifest.segments.retain_mut(|named| {
        let Ok(segment) = named.open(dir, dim) else { return false };
        restore_graph(dir, catalog, &segment, named);
        segments.push(Arc::new(segment));
        true
    });
    let whole = segments.len() == named;
    (segments, whole)
}

/// Restores a graph that cannot be opened from the catalog. If the catalog does not have it, it will be rebuilt.
fn restore_graph(dir: &Path, catalog: &Catalog, segment: &Segment, named: &mut Named) {
    let Some((id, _)) = named.graph else { return };
    if named.open_graph(dir, segment).is_ok() {
        return;
    }
    let restored = catalog.graph(id).and_then(|bytes| {
        files::replace(&files::graph(dir, id), &bytes)?;
        named.open_graph(dir, segment)
    });
    if restored.is_err() {
        named.graph = None;
    }
}

/// The rows of the catalog from `first` on that are not alive in any segment.
fn pending(
    catalog: &Catalog,
    publication: &Publication,
    first: u64,
) -> Result<BTreeMap<Key, Pending>, Error> {
    let held = if first == publication.manifest.next_row { HashSet::new() } else { held(publication)? };
    let mut pending = BTreeMap::new();
    for found in catalog.rows_from(first) {
        let (row, key) = found?;
        if held.contains(&row) {
            continue;
        }
        let entry = catalog.entry(&key)?.filter(|entry| entry.row == row);
        let entry = entry.ok_or_else(|| catalog.damaged("a row does not match its record"))?;
        pending.insert(key, Pending::of(&entry));
    }
    Ok(pending)
}

fn held(publication: &Publication) -> Result<HashSet<u64>, Error> {
    let mut held = HashSet::new();
    for (segment, named) in publication.segments.iter().zip(&publication.manifest.segments) {
        held.extend(crate::publication::living(segment, named)?.iter().map(|(_, pending)| pending.row));
    }
    Ok(held)
}

/// Records that are lost in both catalog and segments.
#[derive(Default)]
pub(crate) struct Lost {
    pub(crate) keys: BTreeSet<Key>,
    /// Whether there may be more, whose keys could not be read.
    pub(crate) others: bool,
}

/// Rebuilds the catalog from its readable part and from the segments.
pub(crate) fn rebuild(
    dir: &Path,
    space: &Space,
    manifest: Option<&Manifest>,
    cache_bytes: u64,
) -> Result<Lost, Error> {
    let path = files::catalog(dir);
    let (new, damaged) = (files::temporary(&path), path.with_extension("damaged"));
    files::remove_all(&new)?;
    let catalog = Catalog::open(&new, cache_bytes)?;
    let mut lost = Lost::default();
    let mut salvaged = Salvaged::default();
    let mut index = None;
    if Catalog::exists(&path)
        && let Ok(old) = Catalog::open(&path, cache_bytes)
        // If its vector space is unknown, its vectors are useless.
        && old.space().is_ok_and(|found| found.as_ref() == Some(space))
    {
        index = old.index().unwrap_or_default();
        salvaged = salvage(&old, &catalog, &mut lost.keys)?;
    }
    catalog.initialise(space, index.unwrap_or_else(|| number_of(manifest)))?;
    let segments = match manifest {
        Some(manifest) => manifest.segments.clone(),
        None => {
            lost.others = files::segments(dir)?.into_iter().any(|id| Segment::open(dir, id).is_err());
            all_segments(dir, space, None)?.into_iter().map(|(_, named)| named).collect()
        }
    };
    for named in segments {
        match named.open(dir, space.dim()) {
            Ok(segment) => salvage_segment(&segment, &named, &salvaged, &catalog, &mut lost)?,
            Err(_) => lost.others = true,
        }
    }
    lost.others &= !salvaged.complete;
    let note = salvaged.note.or_else(|| manifest.and_then(|manifest| manifest.note.clone()));
    note.map(|note| catalog.set_note(note)).transpose()?;
    skip_to(&catalog, salvaged.next_row.max(manifest.map_or(0, |manifest| manifest.next_row)))?;
    drop(catalog);
    if path.symlink_metadata().is_ok() {
        files::remove_all(&damaged)?;
        fs::rename(&path, &damaged).map_err(Error::io("rename", &path))?;
    }
    files::move_into_place(&path)?;
    files::remove_all(&damaged)?;
    Ok(lost)
}

/// The readable part of an old catalog.
#[derive(Default)]
struct Salvaged {
    /// Whether every record could be read, even if not every vector.
    complete: bool,
    buried: HashSet<u64>,
    next_row: u64,
    note: Option<Vec<u8>>,
}

fn salvage(old: &Catalog, new: &Catalog, lost: &mut BTreeSet<Key>) -> Result<Salvaged, Error> {
    let mut salvaged = Salvaged {
        complete: true,
        buried: old.tombstones().filter_map(|found| Some(found.ok()?.0)).collect(),
        next_row: old.next_row().unwrap_or(0),
        note: old.note().unwrap_or_default(),
    };
    let mut batch = new.batch()?;
    for (i, found) in (1..).zip(old.entries(&[])) {
        let Ok((key, entry)) = found else {
            salvaged.complete = false;
            continue;
        };
        let vector = if entry.has_vector { old.vector_bytes(entry.row).map(Some) } else { Ok(None) };
        match vector {
            Ok(half_bytes) => batch.restore(&key, &entry, half_bytes),
            Err(_) => drop(lost.insert(key)),
        }
        if i % ROWS_PER_BATCH == 0 {
            new.commit(&batch)?;
            batch = new.batch()?;
        }
    }
    new.commit(&batch)?;
    Ok(salvaged)
}

fn salvage_segment(
    segment: &Segment,
    named: &Named,
    salvaged: &Salvaged,
    catalog: &Catalog,
    lost: &mut Lost,
) -> Result<(), Error> {
    let mut batch = catalog.batch()?;
    for position in (0..segment.len()).filter(|&position| !named.is_dead(position)) {
        let record = segment.record(position).ok();
        let Some((key, record)) = record.and_then(|record| Some((Key::new(record.key).ok()?, record))) else {
            lost.others = true;
            continue;
        };
        let entry = record.entry.to_entry();
        let known = salvaged.complete && !lost.keys.contains(&key) || salvaged.buried.contains(&entry.row);
        let old = if known { None } else { catalog.entry(&key)? };
        if known || old.as_ref().is_some_and(|old| old.row >= entry.row) {
            continue;
        }
        let half_bytes = entry.has_vector.then(|| segment.checked_half_bytes(position)).transpose();
        match half_bytes {
            Ok(half_bytes) => {
                lost.keys.remove(&key);
                old.iter().for_each(|old| batch.delete(&key, old));
                batch.restore(&key, &entry, half_bytes.map(<[u8]>::to_vec));
            }
            Err(_) => drop(lost.keys.insert(key)),
        }
    }
    catalog.commit(&batch)
}
