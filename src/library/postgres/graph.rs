//! The HNSW graph of an index, which pgvector searches instead of comparing with every row.
//!
//! A row is written several times faster without a graph, so one is built after the first large run, or by `optimize`. From
//! then on the database keeps it current.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::time::Duration;

use postgres::Error;

use super::Postgres;
use super::connection::{Connection, Patience};
use super::schema::Index;
use crate::library::StoreError;

/// From this number of photos on a run ends by building a graph: an exact search takes about 10 ms then.
const FEWEST_ROWS: i64 = 10_000;

/// How the graph is built. Recall and time are in docs/SCALE.md.
const M: u32 = 16;
const EF_CONSTRUCTION: u32 = 128;

/// The memory for building, in kilobytes: the graph should fit, or building takes many times as long. Servers have at least
/// the first; the second keeps a large library from taking all of it.
const MEMORY_KB: (i64, i64) = (64 << 10, 4 << 20);

/// How often the progress of a build is asked for.
const ASK_EVERY: Duration = Duration::from_millis(500);

/// Builds the graph if there are enough rows for it, and none yet.
pub(super) fn build_if_large(library: &Postgres, index: &Index) -> Result<(), StoreError> {
    let rows = library.pool.run("read", Patience::Run, |connection| rows_of(connection, index))?;
    if rows < FEWEST_ROWS {
        return Ok(());
    }
    library.pool.run("optimize", Patience::Run, |connection| build(connection, index))
}

/// Builds the graph if there is none, while `progress` hears of it. Returns whether it was finished before `cancelled`.
pub(super) fn optimize(
    library: &Postgres,
    index: &Index,
    cancelled: &(dyn Fn() -> bool + Sync),
    progress: &(dyn Fn(usize, usize) + Sync),
) -> Result<bool, StoreError> {
    let (pool, is_stopped) = (&library.pool, AtomicBool::new(false));
    std::thread::scope(|scope| {
        let (sender, ended) = channel();
        let is_stopped = &is_stopped;
        let build = scope.spawn(move || {
            let result = pool.run("optimize", Patience::Run, |connection| {
                if is_stopped.load(Ordering::Relaxed) { Ok(()) } else { build(connection, index) }
            });
            // The other thread may have left already.
            _ = sender.send(());
            result
        });
        while let Err(RecvTimeoutError::Timeout) = ended.recv_timeout(ASK_EVERY) {
            if cancelled() && !is_stopped.swap(true, Ordering::Relaxed) {
                pool.run("optimize", Patience::Query, |connection| cancel(connection, index))?;
            }
            if let Ok(Some((done, all))) =
                pool.run("optimize", Patience::Query, |connection| progress_of(connection, index))
            {
                progress(done, all);
            }
        }
        let result = build.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        if is_stopped.load(Ordering::Relaxed) { Ok(false) } else { result.map(|()| true) }
    })
}

fn rows_of(connection: &mut Connection, index: &Index) -> Result<i64, Error> {
    let sql = format!(
        "select count(*) from (select from {} where vector is not null limit {FEWEST_ROWS}) as few",
        index.table()
    );
    Ok(connection.query(&sql, &[])?.first().map_or(0, |row| row.get(0)))
}

/// Builds the graph if there is none, while others read and write. Only one process does it.
fn build(connection: &mut Connection, index: &Index) -> Result<(), Error> {
    let lock = "select pg_try_advisory_lock(hashtext('imgsearch graph'), $1)";
    let number = i32::try_from(index.id).unwrap_or(i32::MAX);
    if !index.can_have_graph() || !connection.query(lock, &[&number])?.first().is_some_and(|row| row.get(0)) {
        return Ok(());
    }
    let result = build_alone(connection, index);
    let unlock = "select pg_advisory_unlock(hashtext('imgsearch graph'), $1)";
    result.and_then(|()| connection.query(unlock, &[&number]).map(drop))
}

fn build_alone(connection: &mut Connection, index: &Index) -> Result<(), Error> {
    let (table, graph) = (index.table(), index.graph());
    let sql =
        format!("select i.indisvalid from pg_index i where i.indexrelid = to_regclass('imgsearch.{graph}')");
    match connection.query(&sql, &[])?.first().map(|row| row.get(0)) {
        Some(true) => return Ok(()),
        // A build that was interrupted leaves an index that nobody uses.
        Some(false) => connection.batch(&format!("drop index concurrently if exists imgsearch.{graph}"))?,
        None => {}
    }
    create(connection, index)?;
    connection.batch(&format!("analyze {table}"))
}

fn create(connection: &mut Connection, index: &Index) -> Result<(), Error> {
    let (table, graph, memory) = (index.table(), index.graph(), memory_kb(connection, index)?);
    connection.batch(&format!("set maintenance_work_mem = {memory}"))?;
    connection.batch(&format!(
        "create index concurrently {graph} on {table} using hnsw (vector halfvec_cosine_ops)
         with (m = {M}, ef_construction = {EF_CONSTRUCTION})"
    ))?;
    connection.batch("reset maintenance_work_mem")
}

/// The memory that the graph needs while it is built.
fn memory_kb(connection: &mut Connection, index: &Index) -> Result<i64, Error> {
    let sql = format!(
        "select pg_relation_size('{}') / 1024, pg_size_bytes(current_setting('maintenance_work_mem')) / 1024",
        index.table()
    );
    let rows = connection.query(&sql, &[])?;
    let (table_kb, allowed_kb): (i64, i64) = rows.first().map_or((0, 0), |row| (row.get(0), row.get(1)));
    // A vector and its neighbours take about as much as the row that it comes from. The server may allow more.
    Ok((table_kb * 3 / 2).clamp(MEMORY_KB.0, MEMORY_KB.1).max(allowed_kb))
}

/// The finished and all rows of a build that is going on.
fn progress_of(connection: &mut Connection, index: &Index) -> Result<Option<(usize, usize)>, Error> {
    let sql = format!(
        "select tuples_done, greatest(tuples_total, (select reltuples::bigint from pg_class where oid = relid))
         from pg_stat_progress_create_index where relid = '{}'::regclass",
        index.table()
    );
    let rows = connection.query(&sql, &[])?;
    let number = |number: i64| usize::try_from(number).unwrap_or(0);
    Ok(rows.first().map(|row| (number(row.get(0)), number(row.get(1)))))
}

/// Stops a build that is going on.
fn cancel(connection: &mut Connection, index: &Index) -> Result<(), Error> {
    let sql = format!(
        "select pg_cancel_backend(pid) from pg_stat_progress_create_index where relid = '{}'::regclass",
        index.table()
    );
    connection.query(&sql, &[]).map(drop)
}
