//! Brings catalog and segments together again after a crash, or after one of them was lost.
//!
//! The catalog is right where both speak: it holds every batch that was acknowledged. Segments are right about
//! rows that the catalog never had, which happens when it is gone, or was put back from an older copy.
//!
//! Files of another index may have been copied here. Then the catalog decides what belongs to it: its vector space and
//! its number ([`IndexId`]).

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

/// The catalog is written anew when it takes more than this many times what the segments do, and
/// [`LEAST_COMPACTED`] more. Of 512 dimensions it takes 1.3 times as much when nothing was deleted.
const WASTEFUL: u64 = 3;

/// Below so many bytes it does not matter. The crash test's catalogs are small, and are to be compacted now and then.
const LEAST_COMPACTED: u64 = if cfg!(test) { 768 << 10 } else { 16 << 20 };

/// How many records are put back at a time.
const ROWS_PER_BATCH: usize = 1_000;

/// The manifest, or `None` where there is none that can be read: then the catalog is published as a whole.
pub(crate) fn manifest(dir: &Path) -> Result<Option<Manifest>, Error> {
    match Manifest::read(dir) {
        Err(Error::Damaged { .. }) => Ok(None),
        read => read,
    }
}

/// Which model the vectors in the folder are of, as far as that can be told without a catalog.
pub(crate) fn space(dir: &Path, manifest: Option<&Manifest>) -> Result<Option<Space>, Error> {
    if let Some(manifest) = manifest {
        return Ok(Some(manifest.space.clone()));
    }
    let opened = files::segments(dir)?.into_iter().filter_map(|id| Segment::open(dir, id).ok());
    Ok(opened.filter_map(|segment| segment.space().ok()).next())
}

/// Opens the catalog, for vectors of `space`. One that is missing is made, from what the segments hold. It has its name
/// only when it is complete, so that after a crash it is missing still.
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
        // sled opens a file that was cut off at its beginning as a new one.
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

/// The number of an index whose catalog is made again.
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

/// Writes the catalog anew when most of it is space that deleted records have left. Everything in it is published, so
/// that it is made again from the segments when the process ends in the middle.
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
        // What cannot be read is found when it is needed, or by `verify`; it is no worse than before.
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

/// Those that the manifest names, or else all of this space in the folder, of which we cannot tell what is dead.
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

/// Puts the living rows of a segment from number `first` on back into the catalog, where it has no later ones.
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

/// Deletes what the catalog still holds of the dead rows of a segment.
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

/// Removes the segments that the manifest of another index names, if they were copied here too.
pub(crate) fn remove_segments(dir: &Path, foreign: &Manifest) -> Result<(), Error> {
    let here = foreign.segments.iter().filter(|named| named.open(dir, foreign.space.dim()).is_ok());
    here.into_iter().try_for_each(|named| files::remove_all(&files::segment(dir, named.id)))
}

/// What is published, and what is yet to be. Files that the manifest does not name are removed.
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
    // Numbers that files in the folder have are not given to others while a searcher may have read their names.
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

/// Opens the segments. Those that cannot be opened are no longer named.
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

/// Writes a graph that cannot be opened again as the catalog has it. If it has not, it will be built anew.
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

/// The rows of the catalog from `first` on that no segment holds alive.
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
        let entry = entry.ok_or_else(|| catalog.damaged("a row and its record do not agree"))?;
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

/// Records that can be read neither in the catalog nor in a segment.
#[derive(Default)]
pub(crate) struct Lost {
    pub(crate) keys: BTreeSet<Key>,
    /// Whether there may be other records, whose keys could not be read either.
    pub(crate) others: bool,
}

/// Makes the catalog again from what can be read of it and of the segments.
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
        // Where it cannot say of which model its vectors are, they are no use.
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

/// What an old catalog could still tell.
#[derive(Default)]
struct Salvaged {
    /// Whether every record could be read, if not every vector.
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
