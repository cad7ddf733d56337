//! A second store behind the seam, all in memory and without the index crate. It proves that other stores are possible.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::{Arc, Mutex};

use imgsearch::item::{Item, is_under, path_bytes};
use imgsearch::library::{
    Ask, Hit, Load, Note, Sink, Standing, Stats, StoreError, Stored, View, Visit, VisitItem, Write,
};
use imgsearch::photo::{Glance, Texts};
use imgsearch::query::{Filter, TextCondition};
use imgsearch_index::{Error, Fingerprint, Space, Vector};

/// All records in key order.
type Records = BTreeMap<Vec<u8>, Stored>;

#[derive(Clone)]
pub(crate) struct MemoryStore {
    space: Space,
    published: Arc<Mutex<Option<Arc<Published>>>>,
}

#[derive(Clone, Default)]
struct Published {
    records: Records,
    note: Note,
}

impl MemoryStore {
    pub(crate) fn new(space: &Space) -> MemoryStore {
        MemoryStore { space: space.clone(), published: Arc::default() }
    }

    pub(crate) fn view(&self) -> Result<Arc<dyn View>, StoreError> {
        let shown = self.published.lock().unwrap().clone().ok_or(Error::Missing { path: "memory".into() })?;
        Ok(Arc::new(MemoryView { store: self.clone(), shown }))
    }

    pub(crate) fn sink(&self) -> Box<dyn Sink> {
        let published = self.published.lock().unwrap().clone();
        let state = published.map_or_else(Published::default, |published| (*published).clone());
        Box::new(MemorySink { store: self.clone(), state: Mutex::new(state) })
    }
}

impl MemoryStore {
    fn check(&self, vector: &Vector) -> Result<(), StoreError> {
        let (found, expected) = (vector.dim(), self.space.dim());
        if found == expected {
            return Ok(());
        }
        Err(Error::DimensionMismatch { path: "memory".into(), found, expected }.into())
    }
}

struct MemoryView {
    store: MemoryStore,
    shown: Arc<Published>,
}

impl MemoryView {
    fn photos<'a>(&'a self, filter: &'a Filter) -> impl Iterator<Item = &'a Stored> {
        let photos = self.shown.records.values().filter(|stored| stored.vector.is_some());
        photos.filter(|stored| admits(filter, stored))
    }
}

fn admits(filter: &Filter, stored: &Stored) -> bool {
    let bytes = stored.photo.as_ref().map(imgsearch::photo::Photo::encode).unwrap_or_default();
    filter.admits(path_bytes(&stored.item.path).unwrap(), || Glance::of(&bytes))
}

fn loaded(stored: &Stored, load: Load) -> Stored {
    Stored { vector: stored.vector.clone().filter(|_| load == Load::WithVector), ..stored.clone() }
}

fn of_content(records: &Records, content: &Fingerprint, most: usize) -> Vec<Stored> {
    let same = |stored: &&Stored| stored.vector.is_some() && stored.content == Some(*content);
    records.values().filter(same).take(most).cloned().collect()
}

fn visit_all(records: impl Iterator<Item = Stored>, visit: Visit<'_>) {
    for stored in records {
        if visit(stored) == ControlFlow::Break(()) {
            break;
        }
    }
}

fn key(item: &Item) -> Option<Vec<u8>> {
    item.key().map(|key| key.as_bytes().to_vec())
}

impl View for MemoryView {
    fn space(&self) -> &Space {
        &self.store.space
    }

    fn note(&self) -> Note {
        self.shown.note.clone()
    }

    fn stats(&self) -> Stats {
        Stats { rows: self.photos(&Filter::default()).count(), ..Stats::default() }
    }

    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError> {
        let published = self.store.published.lock().unwrap().clone().unwrap();
        if Arc::ptr_eq(&published, &self.shown) { Ok(None) } else { self.store.view().map(Some) }
    }

    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError> {
        self.store.check(ask.vector)?;
        let is_left_out = |stored: &&Stored| {
            ask.without_items.contains(&stored.item)
                || stored.content.is_some_and(|content| ask.without_contents.contains(&content))
        };
        let photos = self.photos(ask.filter).filter(|stored| !is_left_out(stored));
        let score = |stored: &Stored| stored.vector.as_ref().unwrap().dot(ask.vector);
        let mut hits: Vec<Hit> =
            photos.map(|stored| Hit { stored: loaded(stored, ask.load), score: score(stored) }).collect();
        hits.sort_by(|a, b| b.score.total_cmp(&a.score));
        hits.truncate(ask.top.get());
        Ok(hits)
    }

    #[expect(
        clippy::cast_precision_loss,
        clippy::cast_possible_truncation,
        reason = "a deviation of few numbers"
    )]
    fn standing(&self, ask: &Ask<'_>, words: &[TextCondition]) -> Result<Option<Standing>, StoreError> {
        let marks = |stored: &Stored| {
            let payload = stored.photo.as_ref().unwrap().encode();
            let texts = Texts::of(&payload);
            let standing = words.iter().enumerate().filter(|(_, word)| word.stands(&texts));
            standing.fold(0, |marks, (at, _)| marks | 1 << at)
        };
        let everything = Filter::default();
        let all: Vec<(&Stored, u32)> =
            self.photos(&everything).map(|stored| (stored, marks(stored))).collect();
        let count = |at| all.iter().filter(|(_, marks)| marks >> at & 1 == 1).count();
        let hits = self.search(&Ask { top: NonZeroUsize::MAX, ..*ask })?;
        let hits = hits.into_iter().map(|hit| {
            let marks = marks(&self.get(&hit.stored.item).unwrap().unwrap());
            (hit, marks)
        });
        let hits: Vec<(Hit, u32)> = hits.filter(|(_, marks)| *marks > 0).collect();
        let every_word = hits.iter().fold(0, |every, (_, marks)| every | marks);
        let mut left = [1_000, 1_000];
        let hits = hits.into_iter().filter(|(_, marks)| {
            let is_close = left[0] > 0;
            left[0] -= usize::from(is_close);
            let is_full = *marks == every_word && left[1] > 0;
            left[1] -= usize::from(is_full);
            is_close || is_full
        });
        let hits: Vec<(Hit, u32)> = hits.collect();
        let scores = all.iter().map(|(stored, _)| f64::from(stored.vector.as_ref().unwrap().dot(ask.vector)));
        let scores: Vec<f64> = scores.filter(|_| !hits.is_empty()).collect();
        let mean = |numbers: &[f64]| numbers.iter().sum::<f64>() / numbers.len().max(1) as f64;
        let middle = mean(&scores);
        let squares: Vec<f64> = scores.iter().map(|score| (score - middle).powi(2)).collect();
        let deviation = mean(&squares).sqrt() as f32;
        let counts = (0..words.len()).map(count).collect();
        Ok(Some(Standing { photos: all.len(), counts, hits, deviation }))
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        Ok(self.photos(filter).count())
    }

    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        Ok(key(item).and_then(|key| self.shown.records.get(&key)).cloned())
    }

    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError> {
        Ok(of_content(&self.shown.records, content, most))
    }

    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError> {
        visit_all(self.photos(filter).map(|stored| loaded(stored, load)), visit);
        Ok(())
    }

    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError> {
        let records = self.shown.records.values();
        let visit = &mut |stored: Stored| {
            let is_photo = stored.vector.is_some();
            visit(Stored { vector: None, ..stored }, is_photo)
        };
        visit_all(records.cloned(), visit);
        Ok(())
    }
}

struct MemorySink {
    store: MemoryStore,
    state: Mutex<Published>,
}

impl Sink for MemorySink {
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let state = self.state.lock().unwrap();
        let stored = key(item).and_then(|key| state.records.get(&key));
        Ok(stored.map(|stored| loaded(stored, Load::WithoutVector)))
    }

    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError> {
        let records = of_content(&self.state.lock().unwrap().records, content, usize::MAX);
        visit_all(records.into_iter(), visit);
        Ok(())
    }

    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError> {
        // A copy, so that the visitor may change the store.
        let records = self.state.lock().unwrap().records.clone();
        let below = |stored: &Stored| is_under(path_bytes(&stored.item.path).unwrap(), folder);
        let below = records.values().filter(|stored| below(stored));
        visit_all(below.map(|stored| loaded(stored, Load::WithoutVector)), visit);
        Ok(())
    }

    fn check(&self, write: &Write) -> Result<(), StoreError> {
        let Write::Put { item, vector, .. } = write else { return Ok(()) };
        if item.key().is_none() {
            return Err(StoreError::Unnameable { path: item.path.clone() });
        }
        vector.as_ref().map_or(Ok(()), |vector| self.store.check(vector))
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        writes.iter().try_for_each(|write| self.check(write))?;
        let mut state = self.state.lock().unwrap();
        for write in writes {
            match write {
                Write::Put { item, content, photo, vector } => {
                    if item.part.is_none() {
                        state.records.retain(|_, stored| stored.item.path != item.path);
                    }
                    let stored = Stored { content, photo: Some(photo), vector, item };
                    state.records.insert(key(&stored.item).unwrap(), stored);
                }
                Write::Remove { path } => state.records.retain(|_, stored| stored.item.path != path),
            }
        }
        Ok(())
    }

    fn note(&self) -> Result<Note, StoreError> {
        Ok(self.state.lock().unwrap().note.clone())
    }

    fn set_note(&self, note: &Note) -> Result<(), StoreError> {
        self.state.lock().unwrap().note = note.clone();
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        *self.store.published.lock().unwrap() = Some(Arc::new(self.state.into_inner().unwrap()));
        Ok(())
    }
}
