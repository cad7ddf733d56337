//! The embedded store: an index (`imgsearch-index`) in a folder of the library. No other file names its searcher, its
//! writer, or how it selects rows.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgsearch_index::{
    Change, Error as IndexError, Fingerprint, Hit as IndexHit, Key, Method, OptimizeOptions, Record,
    SearchOptions, Searcher, Selection, Space, Stored as IndexStored, StoredRecord, Vector, Writer,
    WriterOptions,
};

use super::store::{Ask, Hit, Load, Sink, Stats, StoreError, Stored, View, Visit, VisitItem, Write};
use super::{Library, Note};
use crate::item::{Item, file_of_key, is_under, path_bytes};
use crate::photo::{Glance, Photo};
use crate::query::Filter;

/// The published index in one folder of a library.
struct EmbeddedView {
    library: Library,
    folder: PathBuf,
    searcher: Searcher,
}

/// Opens the published index in `folder`, a folder of `library`.
pub(super) fn view(library: &Library, folder: &Path) -> Result<Arc<dyn View>, IndexError> {
    let searcher = Searcher::open(folder)?;
    Ok(Arc::new(EmbeddedView { library: library.as_stored(), folder: folder.to_owned(), searcher }))
}

/// Opens the index in `folder` for changes. Creates it if it does not exist.
pub(super) fn sink(folder: &Path, space: &Space) -> Result<Box<dyn Sink>, IndexError> {
    Ok(Box::new(EmbeddedSink { writer: Writer::open(folder, space, WriterOptions::default())? }))
}

/// The number of photos published in `folder`; 0 if the index does not open.
pub(super) fn photos_in(folder: &Path) -> usize {
    Searcher::open(folder).map_or(0, |searcher| searcher.len())
}

/// Whether nothing was ever published in `folder`.
pub(super) fn is_missing(folder: &Path) -> bool {
    matches!(Searcher::open(folder), Err(IndexError::Missing { .. }))
}

/// Merges all segments in `folder` and builds missing graphs. Returns whether it finished.
pub(super) fn optimize(
    folder: &Path,
    cancelled: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<bool, IndexError> {
    let space = Searcher::open(folder)?.space().clone();
    let writer = Writer::open(folder, &space, WriterOptions::default())?;
    writer.optimize(&OptimizeOptions::default().cancelled(cancelled).progress(progress))
}

impl EmbeddedView {
    /// The rows to search; `None` for all.
    fn select(&self, ask: &Ask<'_>) -> Option<Selection> {
        let Ask { filter, without_items, without_contents, .. } = ask;
        if filter.is_empty() && without_items.is_empty() && without_contents.is_empty() {
            return None;
        }
        let keys: Vec<Key> = without_items.iter().filter_map(Item::key).collect();
        let is_left_out = |record: &StoredRecord<'_>| {
            keys.iter().any(|key| key.as_bytes() == record.key)
                || record.fingerprint.is_some_and(|content| without_contents.contains(&content))
        };
        Some(self.searcher.select(|record| admits(filter, &record) && !is_left_out(&record)))
    }

    /// A hit; `None` if a newer version wrote the item.
    fn hit(&self, hit: IndexHit, load: Load) -> Result<Option<Hit>, StoreError> {
        let IndexHit { key, score, fingerprint, payload, .. } = hit;
        let vector = match load {
            Load::WithoutVector => None,
            Load::WithVector => self.searcher.get(&key)?.and_then(|stored| stored.vector),
        };
        let stored = stored(key.as_bytes(), fingerprint, &payload, vector);
        Ok(stored.map(|stored| Hit { stored, score }))
    }
}

impl View for EmbeddedView {
    fn space(&self) -> &Space {
        self.searcher.space()
    }

    fn note(&self) -> Note {
        Note::read(self.searcher.note())
    }

    fn stats(&self) -> Stats {
        let stats = self.searcher.stats();
        Stats {
            rows: stats.rows,
            dead_rows: stats.dead_rows,
            segments: stats.segments,
            graph_rows: stats.graph_rows,
            bytes_on_disk: stats.bytes_on_disk,
        }
    }

    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError> {
        let EmbeddedView { library, folder, searcher } = self;
        if library.index_folder()? == *folder {
            match searcher.newer() {
                // Another index has replaced this one.
                Err(_) if library.index_folder()? != *folder => {}
                newer => {
                    let view = |searcher| {
                        Arc::new(EmbeddedView { library: library.clone(), folder: folder.clone(), searcher })
                    };
                    return Ok(newer?.map(|searcher| view(searcher) as Arc<dyn View>));
                }
            }
        }
        library.view().map(Some)
    }

    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError> {
        let method = if ask.exact { Method::Exact } else { Method::default() };
        let selection = self.select(ask);
        let options = SearchOptions::default().filter(selection.as_ref()).method(method);
        let hits = self.searcher.search(ask.vector, ask.top, &options)?;
        hits.into_iter().filter_map(|hit| self.hit(hit, ask.load).transpose()).collect()
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        if filter.is_empty() {
            return Ok(self.searcher.len());
        }
        Ok(self.searcher.select(|record| admits(filter, &record)).len())
    }

    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let Some(key) = item.key() else { return Ok(None) };
        Ok(self.searcher.get(&key)?.and_then(with_vector))
    }

    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError> {
        let records = self.searcher.records_of(content);
        Ok(records
            .map(|record| record.map(with_vector))
            .filter_map(Result::transpose)
            .take(most)
            .collect::<Result<_, _>>()?)
    }

    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError> {
        let mut visit = |stored: Option<Stored>| stored.map_or(GO_ON, &mut *visit);
        match load {
            Load::WithVector => each(self.searcher.vectors(), |found| {
                if admits(filter, &found.record) { visit(with_vector(found)) } else { GO_ON }
            }),
            Load::WithoutVector => each(self.searcher.records(), |record| {
                let is_asked = record.has_vector && admits(filter, &record);
                if is_asked { visit(without_vector(&record)) } else { GO_ON }
            }),
        }
    }

    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError> {
        each(self.searcher.records(), |record| {
            without_vector(&record).map_or(GO_ON, |stored| visit(stored, record.has_vector))
        })
    }
}

const GO_ON: ControlFlow<()> = ControlFlow::Continue(());

/// Visits all items of an iterator until it ends, fails, or `visit` stops.
fn each<T>(
    all: impl Iterator<Item = Result<T, IndexError>>,
    mut visit: impl FnMut(T) -> ControlFlow<()>,
) -> Result<(), StoreError> {
    for one in all {
        if visit(one?).is_break() {
            break;
        }
    }
    Ok(())
}

fn admits(filter: &Filter, record: &StoredRecord<'_>) -> bool {
    filter.admits(file_of_key(record.key), || Glance::of(record.payload))
}

/// Decodes a record; `None` if a newer version wrote the item.
fn stored(
    key: &[u8],
    content: Option<Fingerprint>,
    payload: &[u8],
    vector: Option<Vector>,
) -> Option<Stored> {
    Some(Stored { item: Item::of_key(key)?, content, photo: Photo::decode(payload), vector })
}

fn with_vector(found: IndexStored<'_>) -> Option<Stored> {
    let IndexStored { record, vector, .. } = found;
    stored(record.key, record.fingerprint, record.payload, vector)
}

fn without_vector(record: &StoredRecord<'_>) -> Option<Stored> {
    stored(record.key, record.fingerprint, record.payload, None)
}

fn key_of(change: &Change) -> &[u8] {
    match change {
        Change::Put { key, .. } | Change::Delete { key } => key.as_bytes(),
    }
}

/// An index that is open for changes.
struct EmbeddedSink {
    writer: Writer,
}

impl EmbeddedSink {
    /// Adds the removals of a file's parts to `changes`.
    fn remove_parts(&self, file: &Key, changes: &mut Vec<Change>) -> Result<(), StoreError> {
        let prefix = [file.as_bytes(), &[0]].concat();
        // The writer does not know the new parts of this batch yet.
        changes.retain(|change| !key_of(change).starts_with(&prefix));
        for part in self.writer.records(&prefix) {
            let (key, _) = part?;
            changes.push(Change::Delete { key });
        }
        Ok(())
    }
}

/// Converts a record to an entry of the index.
fn put(
    item: &Item,
    content: Option<Fingerprint>,
    photo: &Photo,
    vector: Option<Vector>,
) -> Result<Change, StoreError> {
    let key = item.key().ok_or_else(|| StoreError::Unnameable { path: item.path.clone() })?;
    Ok(Change::Put { key, record: Record { fingerprint: content, payload: photo.encode() }, vector })
}

impl Sink for EmbeddedSink {
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let Some(key) = item.key() else { return Ok(None) };
        let record = self.writer.get(&key)?;
        Ok(record.and_then(|record| stored(key.as_bytes(), record.fingerprint, &record.payload, None)))
    }

    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError> {
        each(self.writer.records_of(content), |(key, record, vector)| {
            let stored = stored(key.as_bytes(), record.fingerprint, &record.payload, Some(vector));
            stored.map_or(GO_ON, &mut *visit)
        })
    }

    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError> {
        each(self.writer.records(path_bytes(folder).unwrap_or_default()), |(key, record)| {
            if !is_under(file_of_key(key.as_bytes()), folder) {
                return GO_ON;
            }
            stored(key.as_bytes(), record.fingerprint, &record.payload, None).map_or(GO_ON, &mut *visit)
        })
    }

    fn check(&self, write: &Write) -> Result<(), StoreError> {
        match write {
            Write::Put { item, content, photo, vector } => {
                Ok(self.writer.check(&put(item, *content, photo, vector.clone())?)?)
            }
            Write::Remove { .. } => Ok(()),
        }
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let mut changes = Vec::with_capacity(writes.len());
        for write in writes {
            match write {
                Write::Put { item, content, photo, vector } => {
                    let put = put(&item, content, &photo, vector)?;
                    if let Change::Put { key, .. } = &put
                        && item.part.is_none()
                    {
                        self.remove_parts(key, &mut changes)?;
                    }
                    changes.push(put);
                }
                Write::Remove { path } => {
                    let Some(key) = Item::file(path).key() else { continue };
                    self.remove_parts(&key, &mut changes)?;
                    changes.push(Change::Delete { key });
                }
            }
        }
        Ok(self.writer.apply(changes)?)
    }

    fn note(&self) -> Result<Note, StoreError> {
        Ok(Note::read(self.writer.note()?.as_deref()))
    }

    fn set_note(&self, note: &Note) -> Result<(), StoreError> {
        Ok(self.writer.set_note(note.encode())?)
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        Ok(self.writer.close()?)
    }
}
