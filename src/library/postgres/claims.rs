//! Who works on which file, so that any number of processes fill one library without a coordinator.
//!
//! A claim has an end. A process that dies holds up the others by that time at most; one that works renews its claims. The
//! record of a file and the end of its claim are one transaction, so that no file is stored twice.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use postgres::Error;

use super::connection::Connection;
use super::schema::Index;

/// How long a claim lasts, unless the library's URL says otherwise.
pub(super) const LEASE: Duration = Duration::from_secs(300);

/// One process that writes.
pub(super) struct Worker {
    id: i64,
    lease: Duration,
}

impl Worker {
    /// A worker with a new id, whose claims last so long.
    pub(super) fn new(lease: Duration) -> Worker {
        // The system's random numbers, which every new map is keyed with.
        let number = RandomState::new().hash_one(std::process::id());
        Worker { id: i64::try_from(number >> 1).unwrap_or(i64::MAX).max(1), lease }
    }

    pub(super) fn id(&self) -> i64 {
        self.id
    }

    /// How long its claims last.
    pub(super) fn lease(&self) -> Duration {
        self.lease
    }
}

/// Claims these keys. Returns those that are claimed by this worker now.
pub(super) fn claim(
    connection: &mut Connection,
    index: &Index,
    worker: &Worker,
    keys: &[Vec<u8>],
) -> Result<HashSet<Vec<u8>>, Error> {
    // In the order of the keys, so that two workers cannot wait for each other.
    let sql = format!(
        "insert into {} as c (key, worker, until)
         select distinct key, $1::bigint, now() + $2 * interval '1 second' from unnest($3::bytea[]) key order by key
         on conflict (key) do update set worker = excluded.worker, until = excluded.until
         where c.until < now() or c.worker = excluded.worker
         returning key",
        index.claims()
    );
    let rows = connection.query(&sql, &[&worker.id, &worker.lease.as_secs_f64(), &keys])?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// Lets the claims of this worker begin anew.
pub(super) fn renew(connection: &mut Connection, index: &Index, worker: &Worker) -> Result<(), Error> {
    let sql =
        format!("update {} set until = now() + $2 * interval '1 second' where worker = $1", index.claims());
    connection.execute(&sql, &[&worker.id, &worker.lease.as_secs_f64()]).map(drop)
}

/// Ends the claims of this worker on these keys.
pub(super) fn settle(
    connection: &mut Connection,
    index: &Index,
    worker: &Worker,
    keys: &[Vec<u8>],
) -> Result<(), Error> {
    let sql = format!("delete from {} where worker = $1 and key = any($2)", index.claims());
    connection.execute(&sql, &[&worker.id, &keys]).map(drop)
}

/// Ends all claims of this worker, and those of workers that ended long ago.
pub(super) fn release_all(connection: &mut Connection, index: &Index, worker: &Worker) -> Result<(), Error> {
    let sql = format!("delete from {} where worker = $1 or until < now() - interval '1 day'", index.claims());
    connection.execute(&sql, &[&worker.id]).map(drop)
}
