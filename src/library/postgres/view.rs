//! Answers from a library in PostgreSQL.

use std::ops::ControlFlow;
use std::sync::{Arc, OnceLock};

use imgsearch_index::{Error as IndexError, Fingerprint, Space};
use postgres::{Error, Row};

use super::Postgres;
use super::condition::Condition;
use super::connection::{Connection, Patience};
use super::half::Half;
use super::row::{Read, next_column, selected};
use super::schema::{self, Index, Published};
use super::standing::{self, Among};
use crate::item::{Item, file_of_key};
use crate::library::Note;
use crate::library::store::{Ask, Hit, Load, Standing, Stats, StoreError, Stored, View, Visit, VisitItem};
use crate::photo::Glance;
use crate::query::{Filter, TextCondition};

/// Rows fetched at once by a listing.
const PAGE: i64 = 2_000;

/// How many more rows a search fetches at first than it needs, if some of them may not meet the conditions.
const SPARE: usize = 4;

/// The index in use of a library. Other processes may change it meanwhile.
pub(super) struct PostgresView {
    library: Postgres,
    pub(super) index: Index,
    note: Note,
    times: i64,
    stats: OnceLock<Stats>,
    photos: OnceLock<usize>,
}

impl PostgresView {
    pub(super) fn new(library: &Postgres, published: Published) -> PostgresView {
        let Published { index, note, times } = published;
        let (stats, photos) = (OnceLock::new(), OnceLock::new());
        PostgresView { library: library.clone(), index, note, times, stats, photos }
    }

    pub(super) fn run<T>(
        &self,
        work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        self.library.pool.run("read", Patience::Query, work)
    }

    /// Runs a statement with the values of the condition, which is a part of it.
    pub(super) fn rows(&self, sql: &str, condition: &Condition) -> Result<Vec<Row>, StoreError> {
        self.run(|connection| connection.query(sql, &condition.values()))
    }

    fn read(&self, row: &Row, load: Load) -> Result<Read, StoreError> {
        Read::of(row, load).map_err(|error| self.library.pool.error("read", &error))
    }

    /// The records that meet the condition, sorted by key: at most `most`.
    fn first(&self, condition: &Condition, load: Load, most: i64) -> Result<Vec<Read>, StoreError> {
        let (columns, table, which) = (selected(load), self.index.table(), condition.sql());
        let sql = format!("select {columns} from {table} where {which} order by key limit {most}");
        self.rows(&sql, condition)?.iter().map(|row| self.read(row, load)).collect()
    }

    /// Visits the records that meet the condition, sorted by key, page by page. No page is missed or repeated while rows
    /// come and go, because each begins behind the last key of the one before.
    fn each_read(
        &self,
        condition: impl Fn() -> Condition,
        load: Load,
        visit: &mut dyn FnMut(Read) -> ControlFlow<()>,
    ) -> Result<(), StoreError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let mut which = condition();
            if let Some(last) = last.take() {
                which.behind(last);
            }
            let page = self.first(&which, load, PAGE)?;
            let is_last = page.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
            last = page.last().map(|read| read.key.clone());
            for read in page {
                if visit(read).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    /// The rows that a search may find.
    pub(super) fn condition(ask: &Ask<'_>) -> Condition {
        let mut condition = Condition::of(ask.filter);
        condition.without(ask.without_items, ask.without_contents);
        condition
    }

    /// Where the photos among these are, and those that meet the conditions.
    fn source(&self, ask: &Ask<'_>, among: Among<'_>) -> (String, Condition) {
        let mut condition = PostgresView::condition(ask);
        (among.table(&self.index, &mut condition), condition)
    }

    /// The closest rows, best first: at most `most`, each with the marks of its words. The database orders by `method`.
    fn closest(
        &self,
        ask: &Ask<'_>,
        among: Among<'_>,
        method: Method,
        most: usize,
    ) -> Result<Vec<(Hit, u32)>, StoreError> {
        let (from, mut condition) = self.source(ask, among);
        let vector = condition.value(Half::of(ask.vector));
        let most = condition.value(i64::try_from(most).unwrap_or(i64::MAX));
        let (columns, which, dim) = (selected(ask.load), condition.sql(), self.index.space.dim());
        let distance = format!("vector <=> {vector}::halfvec({dim})");
        let order = match method {
            Method::Graph => distance.clone(),
            // The graph serves no expression but the plain distance.
            Method::Exact => format!("({distance}) + 0, key"),
        };
        let sql =
            format!("select {columns}, {distance} from {from} where {which} order by {order} limit {most}");
        let mut hits = Vec::new();
        for row in &self.rows(&sql, &condition)? {
            let read = self.read(row, ask.load)?;
            let distance: f64 = row.get(next_column(ask.load));
            #[expect(clippy::cast_possible_truncation, reason = "scores are single precision")]
            let score = (1.0 - distance) as f32;
            let marks = among.marks(&read.payload).filter(|_| admits(ask.filter, &read));
            let key = read.key.clone();
            hits.push((score, key, read.stored().zip(marks)));
        }
        hits.sort_by(|(a, a_key, _), (b, b_key, _)| b.total_cmp(a).then_with(|| a_key.cmp(b_key)));
        let hit = |(score, _, found): (f32, Vec<u8>, Option<(Stored, u32)>)| {
            let (stored, marks) = found?;
            Some((Hit { stored, score }, marks))
        };
        Ok(hits.into_iter().filter_map(hit).collect())
    }

    /// The `top` closest photos, compared one by one.
    pub(super) fn exactly(&self, ask: &Ask<'_>, among: Among<'_>) -> Result<Vec<(Hit, u32)>, StoreError> {
        self.enough(ask, among, Method::Exact)
    }

    /// The `top` closest photos. If the database knows only a part of the conditions, it fetches more rows.
    fn enough(&self, ask: &Ask<'_>, among: Among<'_>, method: Method) -> Result<Vec<(Hit, u32)>, StoreError> {
        let top = ask.top.get();
        let (from, condition) = self.source(ask, among);
        if condition.is_exact() {
            return self.closest(ask, among, method, top);
        }
        let all = self.count_rows(&from, &condition)?;
        let mut most = top.saturating_mul(SPARE);
        loop {
            let mut hits = self.closest(ask, among, method, most)?;
            if hits.len() >= top || most >= all || method == Method::Graph {
                hits.truncate(top);
                return Ok(hits);
            }
            most = most.saturating_mul(8);
        }
    }

    fn count_rows(&self, from: &str, condition: &Condition) -> Result<usize, StoreError> {
        let sql = format!("select count(*) from {from} where {}", condition.sql());
        let rows = self.rows(&sql, condition)?;
        let count: i64 = rows.first().map_or(0, |row| row.get(0));
        Ok(usize::try_from(count).unwrap_or(0))
    }

    /// The number of all photos.
    pub(super) fn photos(&self) -> Result<usize, StoreError> {
        if let Some(photos) = self.photos.get() {
            return Ok(*photos);
        }
        let photos = self.count_rows(&self.index.table(), &Condition::photos())?;
        Ok(*self.photos.get_or_init(|| photos))
    }

    fn check_dimensions(&self, ask: &Ask<'_>) -> Result<(), StoreError> {
        let (found, expected) = (ask.vector.dim(), self.index.space.dim());
        if found == expected {
            return Ok(());
        }
        let path = self.library.pool.url().to_string().into();
        Err(IndexError::DimensionMismatch { path, found, expected }.into())
    }

    fn sizes(&self) -> Result<Stats, StoreError> {
        let rows = self.photos()?;
        let (table, words, graph) = (self.index.table(), self.index.words(), self.index.graph());
        let sql = format!(
            "select pg_total_relation_size('{table}') + coalesce(pg_total_relation_size(to_regclass('{words}')), 0),
                    exists (select from pg_index where indexrelid = to_regclass('imgsearch.{graph}') and indisvalid),
                    coalesce((select n_dead_tup from pg_stat_user_tables where relid = '{table}'::regclass), 0)"
        );
        let found = self.rows(&sql, &Condition::everything())?;
        let Some(row) = found.first() else { return Ok(Stats::default()) };
        let number = |number: i64| u64::try_from(number).unwrap_or(0);
        let has_graph: bool = row.get(1);
        Ok(Stats {
            rows,
            dead_rows: usize::try_from(row.get::<_, i64>(2)).unwrap_or(0),
            segments: 1,
            graph_rows: if has_graph { rows } else { 0 },
            bytes_on_disk: number(row.get(0)),
        })
    }
}

/// How the closest rows are found.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    /// With the graph, if there is one.
    Graph,
    /// By comparing with every row.
    Exact,
}

fn admits(filter: &Filter, read: &Read) -> bool {
    filter.is_empty() || filter.admits(file_of_key(&read.key), || Glance::of(&read.payload))
}

impl View for PostgresView {
    fn space(&self) -> &Space {
        &self.index.space
    }

    fn note(&self) -> Note {
        self.note.clone()
    }

    fn stats(&self) -> Stats {
        if let Some(stats) = self.stats.get() {
            return *stats;
        }
        // They are only shown, and a later look may find them.
        self.sizes().map_or_else(|_| Stats::default(), |stats| *self.stats.get_or_init(|| stats))
    }

    fn newer(&self) -> Result<Option<Arc<dyn View>>, StoreError> {
        let Postgres { pool, name, .. } = &self.library;
        let state = pool.run("read", Patience::Query, |connection| schema::state(connection, name))?;
        if state == Some((self.index.id, self.times)) {
            return Ok(None);
        }
        self.library.open_view().map(Some)
    }

    fn search(&self, ask: &Ask<'_>) -> Result<Vec<Hit>, StoreError> {
        self.check_dimensions(ask)?;
        let hits = |found: Vec<(Hit, u32)>| found.into_iter().map(|(hit, _)| hit).collect();
        if !ask.exact {
            let found = self.enough(ask, Among::EVERYTHING, Method::Graph)?;
            if found.len() >= ask.top.get() {
                return Ok(hits(found));
            }
        }
        // The graph gives up after a number of rows that do not meet the conditions, but there may be more that do.
        self.exactly(ask, Among::EVERYTHING).map(hits)
    }

    fn standing(&self, ask: &Ask<'_>, words: &[TextCondition]) -> Result<Option<Standing>, StoreError> {
        self.check_dimensions(ask)?;
        standing::standing(self, ask, words)
    }

    fn count(&self, filter: &Filter) -> Result<usize, StoreError> {
        let condition = Condition::of(filter);
        if condition.is_exact() {
            return self.count_rows(&self.index.table(), &condition);
        }
        let mut count = 0;
        self.each_read(|| Condition::of(filter), Load::WithoutVector, &mut |read| {
            count += usize::from(admits(filter, &read));
            ControlFlow::Continue(())
        })?;
        Ok(count)
    }

    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let Some(key) = item.key() else { return Ok(None) };
        let mut condition = Condition::everything();
        condition.key(key.as_bytes().to_vec());
        Ok(self.first(&condition, Load::WithVector, 1)?.into_iter().find_map(Read::stored))
    }

    fn of_content(&self, content: &Fingerprint, most: usize) -> Result<Vec<Stored>, StoreError> {
        let mut condition = Condition::photos();
        condition.of_content(content);
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        Ok(self.first(&condition, Load::WithVector, most)?.into_iter().filter_map(Read::stored).collect())
    }

    fn each(&self, filter: &Filter, load: Load, visit: Visit<'_>) -> Result<(), StoreError> {
        self.each_read(|| Condition::of(filter), load, &mut |read| {
            let is_admitted = admits(filter, &read);
            read.stored().filter(|_| is_admitted).map_or(ControlFlow::Continue(()), &mut *visit)
        })
    }

    fn each_item(&self, visit: VisitItem<'_>) -> Result<(), StoreError> {
        self.each_read(Condition::everything, Load::WithoutVector, &mut |read| {
            let is_photo = read.is_photo;
            read.stored().map_or(ControlFlow::Continue(()), |stored| visit(stored, is_photo))
        })
    }
}
