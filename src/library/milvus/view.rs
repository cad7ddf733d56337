//! Answers from a library in Milvus.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use imgsearch_index::{Error as IndexError, Fingerprint, Space};

use super::Milvus;
use super::condition::Condition;
use super::row::Read;
use super::schema;
use super::standing::{self, Known};
use super::table::{MOST_ROWS, Published, Sees, Table};
use crate::item::{Item, file_of_key};
use crate::library::Note;
use crate::library::store::{Ask, Hit, Load, Standing, Stats, StoreError, Stored, View, Visit, VisitItem};
use crate::photo::Glance;
use crate::query::{Filter, TextCondition};

/// How many more rows a search fetches than it needs: photos that are as close as the last one, of which those with the
/// first keys count, and photos that meet a condition that Milvus does not know.
const SPARE: usize = 16;
/// By how much this number grows when there were too few.
const GROWTH: usize = 8;

/// The collection in use of a library. Other processes may change it meanwhile.
pub(super) struct MilvusView {
    library: Milvus,
    pub(super) table: Table,
    published: Published,
    stats: OnceLock<Stats>,
    pub(super) known: OnceLock<Known>,
}

/// A photo that a search found with its marks, and the text of its key, by which equally close ones are sorted.
type KeyedHit = (f32, String, (Hit, u32));

/// The words that stand in the photo with this record, each as a bit; `None` if it is not one of those to be found.
pub(super) type Marks<'a> = &'a dyn Fn(&[u8]) -> Option<u32>;

impl MilvusView {
    pub(super) fn new(library: &Milvus, table: Table) -> Result<MilvusView, StoreError> {
        // It sees at least what was published before it was opened.
        let published = table.published(Sees::Everything)?;
        let (stats, known) = (OnceLock::new(), OnceLock::new());
        Ok(MilvusView { library: library.clone(), table, published, stats, known })
    }

    /// What `read` returns; if that is nothing, what it returns once the server is sure to have all changes. Right after a
    /// start a server answers before it has read all of its log.
    fn sure<T>(
        is_nothing: impl FnOnce(&T) -> bool,
        read: impl Fn(Sees) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let found = read(Sees::Nearly)?;
        if is_nothing(&found) { read(Sees::Everything) } else { Ok(found) }
    }

    pub(super) fn condition(ask: &Ask<'_>) -> Condition {
        let mut condition = Condition::of(ask.filter);
        condition.without(ask.without_items, ask.without_contents);
        condition
    }

    /// The `top` closest photos with their marks: by the graphs, or compared one by one.
    pub(super) fn closest(
        &self,
        ask: &Ask<'_>,
        condition: &Condition,
        marks: Marks<'_>,
        sees: Sees,
    ) -> Result<Vec<(Hit, u32)>, StoreError> {
        let hits = if ask.exact { None } else { self.by_graphs(ask, condition, marks, sees)? };
        hits.map_or_else(|| self.by_scan(ask, condition, marks), Ok)
    }

    pub(super) fn check_dimensions(&self, ask: &Ask<'_>) -> Result<(), StoreError> {
        let (found, expected) = (ask.vector.dim(), self.table.space.dim());
        if found == expected {
            return Ok(());
        }
        let path = self.table.client.library().into();
        Err(IndexError::DimensionMismatch { path, found, expected }.into())
    }

    /// The `top` closest photos by the graphs; `None` if these do not find enough though there may be more.
    fn by_graphs(
        &self,
        ask: &Ask<'_>,
        condition: &Condition,
        marks: Marks<'_>,
        sees: Sees,
    ) -> Result<Option<Vec<(Hit, u32)>>, StoreError> {
        let top = ask.top.get();
        let mut most = top.saturating_add(SPARE);
        while most <= MOST_ROWS {
            let rows = self.table.closest(condition, ask.vector, most, ask.load)?;
            let count = rows.len();
            let found: Vec<KeyedHit> =
                rows.into_iter().filter_map(|(score, read)| found(ask, score, read, marks)).collect();
            // Fewer than were asked for: those are all, or the graphs gave up, or the server has just been started again and
            // has not read all of its log.
            let is_all = count < most && count == self.table.count(condition, sees)?;
            if found.len() >= top || is_all {
                return Ok(Some(best(found, top)));
            }
            if count < most {
                break;
            }
            most = if most < MOST_ROWS { most.saturating_mul(GROWTH).min(MOST_ROWS) } else { usize::MAX };
        }
        Ok(None)
    }

    /// The `top` closest photos, compared one by one.
    fn by_scan(
        &self,
        ask: &Ask<'_>,
        condition: &Condition,
        marks: Marks<'_>,
    ) -> Result<Vec<(Hit, u32)>, StoreError> {
        let top = ask.top.get();
        let mut all: Vec<KeyedHit> = Vec::new();
        let worst = top.saturating_mul(2).max(1_024);
        self.table.each(condition, Load::WithVector, Sees::Everything, &mut |read| {
            let score = read.vector().map(|vector| vector.dot(ask.vector));
            all.extend(score.and_then(|score| found(ask, score, read, marks)));
            if all.len() > worst {
                sort(&mut all);
                all.truncate(top);
            }
            ControlFlow::Continue(())
        })?;
        Ok(best(all, top))
    }
}

fn found(ask: &Ask<'_>, score: f32, read: Read, marks: Marks<'_>) -> Option<KeyedHit> {
    if !admits(ask.filter, &read) {
        return None;
    }
    let marks = marks(&read.payload)?;
    let id = read.id.clone();
    let mut stored = read.stored()?;
    if ask.load == Load::WithoutVector {
        stored.vector = None;
    }
    Some((score, id, (Hit { stored, score }, marks)))
}

fn sort(found: &mut [KeyedHit]) {
    found.sort_by(|(a, a_key, _), (b, b_key, _)| b.total_cmp(a).then_with(|| a_key.cmp(b_key)));
}

fn best(mut found: Vec<KeyedHit>, top: usize) -> Vec<(Hit, u32)> {
    sort(&mut found);
    found.into_iter().take(top).map(|(_, _, hit)| hit).collect()
}

fn admits(filter: &Filter, read: &Read) -> bool {
    let admits = |key: Vec<u8>| filter.admits(file_of_key(&key), || Glance::of(&read.payload));
    filter.is_empty() || read.key().is_some_and(admits)
}

impl View for MilvusView {
    fn space(&self) -> &Space {
        &self.table.space
    }

    fn note(&self) -> Note {
        Note::read(Some(&self.published.note))
    }

    fn stats(&self) -> Stats {
        if let Some(stats) = self.stats.get() {
            return *stats;
        }
        let sizes = || {
            let rows = self.table.count(&Condition::photos(), Sees::Nearly)?;
            let (graph_rows, _) = schema::graph_rows(&self.table)?;
            // Milvus counts rows of photos and others, and replaced ones, in its graphs.
            Ok::<_, StoreError>(Stats { rows, graph_rows: graph_rows.min(rows), ..Stats::default() })
        };
        // They are only shown, and a later look may find them.
        sizes().map_or_else(|_| Stats::default(), |stats| *self.stats.get_or_init(|| stats))
    }

    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError> {
        let table = self.library.table_in_use()?;
        if table.name == self.table.name && table.published(Sees::Nearly)? == self.published {
            return Ok(None);
        }
        Ok(Some(Arc::new(MilvusView::new(&self.library, table)?)))
    }

    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError> {
        self.check_dimensions(ask)?;
        let condition = MilvusView::condition(ask);
        let hits = self.closest(ask, &condition, &|_| Some(0), Sees::Everything)?;
        Ok(hits.into_iter().map(|(hit, _)| hit).collect())
    }

    fn standing(&self, ask: &Ask<'_>, words: &[TextCondition]) -> Result<Option<Standing>, StoreError> {
        self.check_dimensions(ask)?;
        standing::standing(self, ask, words)
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        let condition = Condition::of(filter);
        if condition.is_exact() {
            return MilvusView::sure(|count| *count == 0, |sees| self.table.count(&condition, sees));
        }
        let mut count = 0;
        self.table.each(&condition, Load::WithoutVector, Sees::Everything, &mut |read| {
            count += usize::from(admits(filter, &read));
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let Some(key) = item.key() else { return Ok(None) };
        let condition = Condition::row(&super::key::text(key.as_bytes()));
        let row = |sees: Sees| self.table.first(&condition, Load::WithVector, 1, sees);
        let rows = MilvusView::sure(Vec::is_empty, row)?;
        Ok(rows.into_iter().find_map(Read::stored))
    }

    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError> {
        let mut condition = Condition::photos();
        condition.of_content(content);
        let all = |sees: Sees| -> Result<Vec<Stored>, StoreError> {
            let mut found = Vec::new();
            self.table.each(&condition, Load::WithVector, sees, &mut |read| {
                found.extend(read.stored());
                if found.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) }
            })?;
            found.truncate(most);
            Ok(found)
        };
        MilvusView::sure(Vec::is_empty, all)
    }

    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError> {
        self.table.each(&Condition::of(filter), load, Sees::Everything, &mut |read| {
            let is_admitted = admits(filter, &read);
            read.stored().filter(|_| is_admitted).map_or(ControlFlow::Continue(()), &mut *visit)
        })
    }

    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError> {
        self.table.each(&Condition::everything(), Load::WithoutVector, Sees::Everything, &mut |read| {
            let is_photo = read.is_photo;
            read.stored().map_or(ControlFlow::Continue(()), |stored| visit(stored, is_photo))
        })
    }
}
