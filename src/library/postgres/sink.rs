//! Changes to a library in PostgreSQL.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use imgsearch_index::{Fingerprint, MAX_NOTE_LEN};
use postgres::Error;

use super::claims::{self, Worker};
use super::condition::Condition;
use super::connection::{Connection, Patience};
use super::row::{self, Columnar, Read, fits, selected};
use super::schema::Index;
use super::words;
use super::{Postgres, graph};
use crate::item::Item;
use crate::library::Note;
use crate::library::ahead::Ahead;
use crate::library::batch::{Batch, Limits};
use crate::library::store::{Load, Sink, StoreError, Stored, Visit, Write};

/// Rows fetched at once by a listing, and by a search for copies, of which there are mostly few.
const PAGE: i64 = 2_000;
const COPIES: i64 = 64;

/// How often changes are announced to views while a run goes on.
const ANNOUNCE_EVERY: Duration = Duration::from_secs(10);

/// An index of a library that is open for changes, as one of any number of writers.
pub(super) struct PostgresSink {
    library: Postgres,
    index: Index,
    worker: Worker,
    ahead: Ahead,
    /// When changes were last announced, and when claims were last renewed.
    announced: Mutex<Option<Instant>>,
    renewed: Mutex<Instant>,
    /// Whether there are changes that were not announced.
    has_changed: AtomicBool,
}

impl PostgresSink {
    pub(super) fn new(library: &Postgres, index: Index) -> PostgresSink {
        let (worker, ahead, announced) = (Worker::new(library.lease), Ahead::default(), Mutex::default());
        let (library, renewed) = (library.clone(), Mutex::new(Instant::now()));
        PostgresSink {
            library,
            index,
            worker,
            ahead,
            announced,
            renewed,
            has_changed: AtomicBool::new(false),
        }
    }

    fn run<T>(
        &self,
        action: &'static str,
        work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        self.library.pool.run(action, Patience::Run, work)
    }

    /// The records that meet the condition, sorted by key: at most `most`.
    fn first(&self, condition: &Condition, load: Load, most: i64) -> Result<Vec<Read>, StoreError> {
        let (columns, table, which) = (selected(load), self.index.table(), condition.sql());
        let sql = format!("select {columns} from {table} where {which} order by key limit {most}");
        self.run("read", |connection| {
            connection.query(&sql, &condition.values())?.iter().map(|row| Read::of(row, load)).collect()
        })
    }

    fn each(
        &self,
        condition: impl Fn() -> Condition,
        (load, page): (Load, i64),
        visit: Visit<'_>,
    ) -> Result<(), StoreError> {
        let mut last: Option<Vec<u8>> = None;
        loop {
            let mut which = condition();
            if let Some(last) = last.take() {
                which.behind(last);
            }
            let found = self.first(&which, load, page)?;
            let is_last = i64::try_from(found.len()).is_ok_and(|found| found < page);
            last = found.last().map(|read| read.key.clone());
            for stored in found.into_iter().filter_map(Read::stored) {
                if visit(stored).is_break() {
                    return Ok(());
                }
            }
            if is_last {
                return Ok(());
            }
        }
    }

    fn limits(&self) -> Limits {
        row::limits(self.library.pool.url().to_string(), self.index.space.dim())
    }

    /// Whether the next change is to be announced.
    fn is_due(&self) -> bool {
        let announced = self.announced.lock().unwrap_or_else(PoisonError::into_inner);
        announced.is_none_or(|last| last.elapsed() >= ANNOUNCE_EVERY)
    }

    fn set_announced(&self) {
        *self.announced.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }
}

/// Stores a batch.
fn store(batch: &Batch, connection: &mut Connection, index: &Index, worker: &Worker) -> Result<(), Error> {
    let table = index.table();
    let cleared: Vec<&Vec<u8>> = batch.cleared.iter().collect();
    if !cleared.is_empty() {
        // Every writer changes the table of photos first, and then that of words. So no two writers wait for each other.
        for table in [&table, &index.words()] {
            let sql = format!(
                r"delete from {table} p using unnest($1::bytea[]) file
                  where p.key > file || '\x00'::bytea and p.key < file || '\x01'::bytea"
            );
            connection.execute(&sql, &[&cleared])?;
        }
    }
    let (mut gone, mut put): (Vec<&Vec<u8>>, _) = (Vec::new(), Columnar::default());
    for (key, written) in &batch.rows {
        match written {
            Some(written) => put.push(key.clone(), written),
            None => gone.push(key),
        }
    }
    if !gone.is_empty() {
        connection.execute(&format!("delete from {table} where key = any($1)"), &[&gone])?;
    }
    if !put.keys.is_empty() {
        upsert(connection, index, &put)?;
        claims::settle(connection, index, worker, &put.keys)?;
    }
    let changed: Vec<&Vec<u8>> = batch.rows.keys().collect();
    words::replace(connection, index, &changed, &put.worded)
}

/// Inserts rows, or replaces those of the same keys. In the order of the keys, so that two writers cannot wait for each
/// other.
fn upsert(connection: &mut Connection, index: &Index, rows: &Columnar) -> Result<(), Error> {
    let table = index.table();
    let sql = format!(
        "insert into {table} as p (key, content, record, vector, normal, ending, width, height, taken_first, taken_last,
                              is_moment, latitude, longitude, camera, lens)
         select * from unnest($1::bytea[], $2::bytea[], $3::bytea[], $4::halfvec[], $5::bytea[], $6::text[], $7::bigint[],
                              $8::bigint[], $9::bigint[], $10::bigint[], $11::boolean[], $12::double precision[],
                              $13::double precision[], $14::text[], $15::text[])
         on conflict (key) do update set
             content = excluded.content, record = excluded.record, vector = excluded.vector,
             normal = excluded.normal, ending = excluded.ending, width = excluded.width, height = excluded.height,
             taken_first = excluded.taken_first, taken_last = excluded.taken_last, is_moment = excluded.is_moment,
             latitude = excluded.latitude, longitude = excluded.longitude, camera = excluded.camera,
             lens = excluded.lens"
    );
    let Columnar { keys, contents, records, vectors, normals, endings, widths, heights, .. } = rows;
    let Columnar { taken_first, taken_last, are_moments, latitudes, longitudes, cameras, lenses, .. } = rows;
    connection
        .execute(
            &sql,
            &[
                keys,
                contents,
                records,
                vectors,
                normals,
                endings,
                widths,
                heights,
                taken_first,
                taken_last,
                are_moments,
                latitudes,
                longitudes,
                cameras,
                lenses,
            ],
        )
        .map(drop)
}

/// The keys of these items, as far as they fit into the database.
fn keys(items: &[Item]) -> Vec<Vec<u8>> {
    items.iter().filter_map(Item::key).filter(fits).map(|key| key.as_bytes().to_vec()).collect()
}

/// Tells views that there is something new. Each writer has a row of its own, so that none waits for another.
fn announce(connection: &mut Connection, index: &Index, worker: &Worker) -> Result<(), Error> {
    let sql = "
        insert into imgsearch.changes as c (index, writer, times) values ($1, $2, 1)
        on conflict (index, writer) do update set times = c.times + 1, at = now()";
    connection.execute(sql, &[&index.id, &worker.id()]).map(drop)
}

/// Adds the number of announcements of writers that have ended to the row of writer 0.
fn fold_announcements(connection: &mut Connection, index: &Index, worker: &Worker) -> Result<(), Error> {
    let sql = "
        with ended as (
            delete from imgsearch.changes
            where index = $1 and writer <> 0 and (writer = $2 or at < now() - interval '1 day') returning times
        )
        insert into imgsearch.changes as c (index, writer, times)
        select $1, 0, coalesce(sum(times), 0)::bigint from ended
        on conflict (index, writer) do update set times = c.times + excluded.times, at = now()";
    connection.execute(sql, &[&index.id, &worker.id()]).map(drop)
}

impl Sink for PostgresSink {
    fn get(&self, item: &Item) -> Result<Option<Stored>, StoreError> {
        let Some(key) = item.key() else { return Ok(None) };
        let read = self.ahead.get(key.as_bytes(), |from, most| {
            let mut condition = Condition::everything();
            condition.from(from.to_vec());
            let found = self.first(&condition, Load::WithoutVector, most)?;
            Ok(found.into_iter().map(|read| (read.key.clone(), read.stored())).collect())
        })?;
        Ok(read)
    }

    fn of_content(&self, content: &Fingerprint, visit: Visit<'_>) -> Result<(), StoreError> {
        let condition = || {
            let mut condition = Condition::photos();
            condition.of_content(content);
            condition
        };
        self.each(condition, (Load::WithVector, COPIES), visit)
    }

    fn each_under(&self, folder: &Path, visit: Visit<'_>) -> Result<(), StoreError> {
        let condition = || {
            let mut condition = Condition::everything();
            condition.under(folder);
            condition
        };
        self.each(condition, (Load::WithoutVector, PAGE), visit)
    }

    fn check(&self, write: &Write) -> Result<(), StoreError> {
        self.limits().check(write)
    }

    fn apply(&self, writes: Vec<Write>) -> Result<(), StoreError> {
        let batch = Batch::of(&writes, &self.limits())?;
        let is_due = self.is_due();
        let changing = self.ahead.changing();
        self.run("write to", |connection| {
            connection.atomically(|connection| {
                store(&batch, connection, &self.index, &self.worker)?;
                if is_due { announce(connection, &self.index, &self.worker) } else { Ok(()) }
            })
        })?;
        drop(changing);
        if is_due {
            self.set_announced();
        }
        self.has_changed.store(!is_due, Ordering::Relaxed);
        Ok(())
    }

    fn is_shared(&self) -> bool {
        true
    }

    fn claim(&self, files: &[Item]) -> Result<Vec<bool>, StoreError> {
        let keys = keys(files);
        let claimed = self.run("claim files of", |connection| {
            claims::claim(connection, &self.index, &self.worker, &keys)
        })?;
        // What others have stored before is to be seen from now on.
        self.ahead.forget();
        // A path that is too long is refused by whoever meets it.
        let is_mine = |item: &Item| match item.key().filter(fits) {
            Some(key) => claimed.contains(key.as_bytes()),
            None => true,
        };
        Ok(files.iter().map(is_mine).collect())
    }

    fn renew_claims(&self) -> Result<(), StoreError> {
        {
            let mut renewed = self.renewed.lock().unwrap_or_else(PoisonError::into_inner);
            if renewed.elapsed() < self.worker.lease() / 4 {
                return Ok(());
            }
            *renewed = Instant::now();
        }
        self.run("claim files of", |connection| claims::renew(connection, &self.index, &self.worker))
    }

    fn release(&self, files: &[Item]) -> Result<(), StoreError> {
        let keys: Vec<Vec<u8>> =
            files.iter().filter_map(Item::key).map(|key| key.as_bytes().to_vec()).collect();
        self.run("claim files of", |connection| claims::settle(connection, &self.index, &self.worker, &keys))
    }

    fn note(&self) -> Result<Note, StoreError> {
        let rows = self.run("read", |connection| {
            connection.query("select note from imgsearch.indexes where id = $1", &[&self.index.id])
        })?;
        Ok(Note::read(rows.first().and_then(|row| row.get::<_, Option<&[u8]>>(0))))
    }

    fn set_note(&self, note: &Note) -> Result<(), StoreError> {
        let bytes = note.encode();
        if bytes.len() > MAX_NOTE_LEN {
            let (path, what) = (self.library.pool.url().to_string().into(), "a note");
            let (found, expected) = (bytes.len(), MAX_NOTE_LEN);
            return Err(imgsearch_index::Error::TooLong { path, what, found, expected }.into());
        }
        let changed = self.run("write to", |connection| {
            let sql = "update imgsearch.indexes set note = $2 where id = $1 and note is distinct from $2";
            connection.execute(sql, &[&self.index.id, &bytes])
        })?;
        if changed > 0 {
            self.has_changed.store(true, Ordering::Relaxed);
        }
        Ok(())
    }

    fn close(self: Box<Self>) -> Result<(), StoreError> {
        self.run("write to", |connection| {
            connection.atomically(|connection| {
                if self.has_changed.load(Ordering::Relaxed) {
                    announce(connection, &self.index, &self.worker)?;
                }
                fold_announcements(connection, &self.index, &self.worker)?;
                claims::release_all(connection, &self.index, &self.worker)
            })
        })?;
        graph::build_if_large(&self.library, &self.index)
    }
}
