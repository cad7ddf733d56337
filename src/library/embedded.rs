//! The embedded store: an index (`imgsearch-index`) in a folder of the library. No other file names its searcher, its
//! writer, or how it selects rows.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use imgsearch_index::{
    Change, Error as IndexError, Extractor, Fingerprint, Hit as IndexHit, Key, Method, OptimizeOptions,
    Record, SearchOptions, Searcher, Selection, Space, Stored as IndexStored, StoredRecord, Vector, Writer,
    WriterOptions,
};

use super::store::{
    Ask, Hit, Load, MOST_STANDING, SAMPLE, Sink, Standing, Stats, StoreError, Stored, View, Visit, VisitItem,
    Write, deviation,
};
use super::{Library, Note};
use crate::item::{Item, file_of_key, is_under, path_bytes};
use crate::photo::{Glance, Photo, Texts};
use crate::query::{Filter, TextCondition};

/// The published index in one folder of a library.
struct EmbeddedView {
    library: Library,
    folder: PathBuf,
    searcher: Searcher,
    /// A sample of the photos' vectors, made when first needed.
    sample: OnceLock<Vec<Vector>>,
}

/// The texts of a photo, folded. The index keeps them in one piece, so that looking for words does not read all records.
const TEXTS: Extractor =
    Extractor { version: 1, append: |payload, into| Texts::of(payload).append_folded(into) };

/// Opens the published index in `folder`, a folder of `library`.
pub(super) fn view(library: &Library, folder: &Path) -> Result<Arc<dyn View>, IndexError> {
    let searcher = Searcher::open(folder)?;
    Ok(Arc::new(EmbeddedView::new(library.as_stored(), folder.to_owned(), searcher)))
}

/// Opens the index in `folder` for changes. Creates it if it does not exist.
pub(super) fn sink(folder: &Path, space: &Space) -> Result<Box<dyn Sink>, IndexError> {
    Ok(Box::new(EmbeddedSink { writer: writer(folder, space)? }))
}

fn writer(folder: &Path, space: &Space) -> Result<Writer, IndexError> {
    Writer::open(folder, space, WriterOptions::default().extractor(TEXTS))
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
    writer(folder, &space)?.optimize(&OptimizeOptions::default().cancelled(cancelled).progress(progress))
}

/// The records that a search may find.
fn wanted<'a>(ask: &Ask<'a>) -> impl Fn(&StoredRecord<'_>) -> bool + Sync + use<'a> {
    let Ask { filter, without_items, without_contents, .. } = *ask;
    let keys: Vec<Key> = without_items.iter().filter_map(Item::key).collect();
    move |record| {
        admits(filter, record)
            && !keys.iter().any(|key| key.as_bytes() == record.key)
            && !record.fingerprint.is_some_and(|content| without_contents.contains(&content))
    }
}

impl EmbeddedView {
    fn new(library: Library, folder: PathBuf, searcher: Searcher) -> EmbeddedView {
        EmbeddedView { library, folder, searcher, sample: OnceLock::new() }
    }

    /// The rows to search; `None` for all.
    fn select(&self, ask: &Ask<'_>) -> Result<Option<Selection>, StoreError> {
        let Ask { filter, without_items, without_contents, .. } = ask;
        if filter.is_empty() && without_items.is_empty() && without_contents.is_empty() {
            return Ok(None);
        }
        let is_wanted = wanted(ask);
        self.select_with(filter.needles(), |record| is_wanted(&record)).map(Some)
    }

    /// The rows that `keep` accepts. With needles, they must be among those whose texts contain one of these.
    fn select_with(
        &self,
        needles: Option<Vec<&str>>,
        keep: impl Fn(StoredRecord<'_>) -> bool + Sync,
    ) -> Result<Selection, StoreError> {
        match needles {
            Some(needles) => Ok(self.searcher.select_among(&self.containing(&needles), keep)?),
            None => Ok(self.searcher.select(keep)),
        }
    }

    /// The rows whose texts contain one of these, and maybe others.
    fn containing(&self, needles: &[&str]) -> Selection {
        let needles: Vec<&[u8]> = needles.iter().map(|needle| needle.as_bytes()).collect();
        self.searcher.containing(&TEXTS, &needles)
    }

    /// The standard deviation of a vector's scores over a sample of all photos.
    fn deviation(&self, vector: &Vector) -> Result<f32, StoreError> {
        if self.sample.get().is_none() {
            let nth = self.searcher.len().div_ceil(SAMPLE).max(1);
            let vectors =
                self.searcher.every(nth).filter_map(|stored| stored.map(|stored| stored.vector).transpose());
            _ = self.sample.set(vectors.collect::<Result<_, _>>()?);
        }
        let scores: Vec<f32> =
            self.sample.get().into_iter().flatten().map(|photo| photo.dot(vector)).collect();
        Ok(deviation(&scores))
    }

    /// The closest of these photos, with their marks.
    fn marked(
        &self,
        ask: &Ask<'_>,
        among: &Selection,
        marks: &HashMap<Vec<u8>, u32>,
    ) -> Result<Vec<(Hit, u32)>, StoreError> {
        let options = SearchOptions::default().filter(Some(among)).method(Method::Exact);
        let mut all = Vec::new();
        for hit in self.searcher.search(ask.vector, MOST_STANDING, &options)? {
            let marks = marks.get(hit.key.as_bytes()).copied();
            all.extend(self.hit(hit, ask.load)?.zip(marks));
        }
        Ok(all)
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
        let EmbeddedView { library, folder, searcher, .. } = self;
        if library.index_folder()? == *folder {
            match searcher.newer() {
                // Another index has replaced this one.
                Err(_) if library.index_folder()? != *folder => {}
                newer => {
                    let view =
                        |searcher| Arc::new(EmbeddedView::new(library.clone(), folder.clone(), searcher));
                    return Ok(newer?.map(|searcher| view(searcher) as Arc<dyn View>));
                }
            }
        }
        library.view().map(Some)
    }

    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError> {
        let method = if ask.exact { Method::Exact } else { Method::default() };
        let selection = self.select(ask)?;
        let options = SearchOptions::default().filter(selection.as_ref()).method(method);
        let hits = self.searcher.search(ask.vector, ask.top, &options)?;
        hits.into_iter().filter_map(|hit| self.hit(hit, ask.load).transpose()).collect()
    }

    fn standing(&self, ask: &Ask<'_>, words: &[TextCondition]) -> Result<Option<Standing>, StoreError> {
        if !self.searcher.has_extracts(&TEXTS) {
            return Ok(None);
        }
        let is_wanted = wanted(ask);
        let needles: Option<Vec<_>> = words.iter().map(TextCondition::needles).collect();
        let needles = needles.map(|needles| needles.into_iter().flatten().collect());
        let counts: Vec<AtomicUsize> = words.iter().map(|_| AtomicUsize::new(0)).collect();
        let marked: Mutex<HashMap<Vec<u8>, u32>> = Mutex::default();
        let selection = self.select_with(needles, |record| {
            let texts = Texts::of(record.payload);
            let mut marks = 0;
            for (at, (word, count)) in words.iter().zip(&counts).enumerate() {
                if word.stands(&texts) {
                    marks |= 1 << at;
                    count.fetch_add(1, Ordering::Relaxed);
                }
            }
            if marks == 0 || !is_wanted(&record) {
                return false;
            }
            marked.lock().unwrap_or_else(PoisonError::into_inner).insert(record.key.to_vec(), marks);
            true
        })?;
        let marked = marked.into_inner().unwrap_or_else(PoisonError::into_inner);
        let counts: Vec<usize> = counts.into_iter().map(AtomicUsize::into_inner).collect();
        let photos = self.searcher.len();
        if marked.is_empty() {
            return Ok(Some(Standing { photos, counts, ..Standing::default() }));
        }
        let mut hits = self.marked(ask, &selection, &marked)?;
        if marked.len() > MOST_STANDING.get() {
            let all = marked.values().fold(0, |all, marks| all | marks);
            let full = marked
                .iter()
                .filter(|(_, marks)| **marks == all)
                .filter_map(|(key, _)| Key::new(key.clone()).ok());
            let full: Vec<Key> = full.collect();
            let more = self.marked(ask, &self.searcher.select_keys(&full)?, &marked)?;
            let is_new =
                |(hit, _): &(Hit, u32)| !hits.iter().any(|(known, _)| known.stored.item == hit.stored.item);
            let more: Vec<_> = more.into_iter().filter(is_new).collect();
            hits.extend(more);
        }
        Ok(Some(Standing { photos, counts, hits, deviation: self.deviation(ask.vector)? }))
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        if filter.is_empty() {
            return Ok(self.searcher.len());
        }
        Ok(self.select_with(filter.needles(), |record| admits(filter, &record))?.len())
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
            Load::WithoutVector => {
                let visit = |record: StoredRecord<'_>| {
                    let is_asked = record.has_vector && admits(filter, &record);
                    if is_asked { visit(without_vector(&record)) } else { GO_ON }
                };
                match filter.needles() {
                    Some(needles) => each(self.searcher.records_among(&self.containing(&needles))?, visit),
                    None => each(self.searcher.records(), visit),
                }
            }
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
