//! The tables of all libraries in one database, in the schema `imgsearch`.
//!
//! ```text
//! libraries   a row for each library and collection, with the index that is in use
//! indexes     a row for each index of a library: the vectors of one model, and the note of the last run
//! changes     how often each writer has published changes of an index
//! photos_N    the records of index N                   (N is indexes.id)
//! words_N     the words of the photos of index N that have any
//! claims_N    what is being worked on for index N, by whom, and until when
//! ```
//!
//! Version 1 had no tables of words. A writer that opens an index makes its table; until then, no words are looked up there.
//!
//! An index that was replaced by that of another model keeps its table for an hour, because other machines may still
//! answer from it.

use imgsearch_index::Space;
use postgres::{Error, Row};

use super::connection::{Connection, Patience, Pool};
use super::half::{MOST_DIMENSIONS, MOST_GRAPH_DIMENSIONS};
use super::words;
use crate::library::{Note, StoreError};

/// The version of the tables. A later program that changes them increases it and converts older tables.
const VERSION: i32 = 2;

/// Locks the schema while it is created or converted. Any number would do.
const SCHEMA_LOCK: i64 = 0x696d_6773_6561_7263;

const CREATE: &str = "
    create table imgsearch.version (version integer not null);
    create table imgsearch.libraries (
        id bigint generated always as identity primary key,
        name text not null,
        collection text not null default '',
        in_use bigint,
        unique (name, collection)
    );
    create table imgsearch.indexes (
        id bigint generated always as identity primary key,
        library bigint not null references imgsearch.libraries,
        space bytea not null,
        label bytea not null,
        dimensions integer not null,
        note bytea,
        retired timestamptz,
        unique (library, space)
    );
    create table imgsearch.changes (
        index bigint not null,
        writer bigint not null,
        times bigint not null,
        at timestamptz not null default now(),
        primary key (index, writer)
    )";

/// How long a replaced index keeps its table.
const RETIRED_FOR: &str = "interval '1 hour'";

/// One library or collection in the database.
#[derive(Clone, Debug)]
pub(super) struct Name {
    pub(super) library: String,
    /// Empty for the library itself.
    pub(super) collection: String,
}

/// An index of a library.
#[derive(Clone, Debug)]
pub(super) struct Index {
    pub(super) id: i64,
    pub(super) space: Space,
}

/// What a view shows besides records.
pub(super) struct Published {
    pub(super) index: Index,
    pub(super) note: Note,
    /// Greater after each publication.
    pub(super) times: i64,
}

impl Index {
    /// The table with its records.
    pub(super) fn table(&self) -> String {
        format!("imgsearch.photos_{}", self.id)
    }

    /// The table with the words of its photos.
    pub(super) fn words(&self) -> String {
        format!("imgsearch.words_{}", self.id)
    }

    /// The table with the claims of its writers.
    pub(super) fn claims(&self) -> String {
        format!("imgsearch.claims_{}", self.id)
    }

    /// The name of its graph.
    pub(super) fn graph(&self) -> String {
        format!("photos_{}_graph", self.id)
    }

    /// Whether pgvector can make a graph of vectors of this length.
    pub(super) fn can_have_graph(&self) -> bool {
        self.space.dim() <= MOST_GRAPH_DIMENSIONS
    }

    /// Its id, label and dimensions from three columns of a row, beginning with `at`; `None` if they are invalid.
    fn of(row: &Row, at: usize) -> Option<Index> {
        let text = |at| String::from_utf8(row.get(at)).ok();
        let dim = usize::try_from(row.get::<_, i32>(at + 3)).ok()?;
        Some(Index { id: row.get(at), space: Space::new(text(at + 1)?, text(at + 2)?, dim).ok()? })
    }
}

/// Whether the tables exist. A database with tables of a later version is refused.
///
/// # Errors
/// [`StoreError::Database`].
pub(super) fn exists(pool: &Pool, patience: Patience) -> Result<bool, StoreError> {
    let version = pool.run("open", patience, version)?;
    check(pool, version)?;
    Ok(version.is_some())
}

fn version(connection: &mut Connection) -> Result<Option<i32>, Error> {
    let found = connection.query("select to_regclass('imgsearch.version') is not null", &[])?;
    if !found.first().is_some_and(|row| row.get(0)) {
        return Ok(None);
    }
    let rows = connection.query("select version from imgsearch.version", &[])?;
    Ok(rows.first().map(|row| row.get(0)))
}

fn check(pool: &Pool, version: Option<i32>) -> Result<(), StoreError> {
    match version.filter(|version| *version > VERSION) {
        Some(found) => Err(StoreError::Database {
            library: pool.url().to_string(),
            action: "open",
            detail: format!(
                "its tables have version {found}, but this imgsearch only knows versions up to {VERSION}"
            ),
            hint: Some("update imgsearch on this machine".to_owned()),
        }),
        None => Ok(()),
    }
}

/// Creates the tables that do not exist, and notes the version of those that do.
///
/// # Errors
/// [`StoreError::Database`].
pub(super) fn create(pool: &Pool) -> Result<(), StoreError> {
    let found = pool.run("open", Patience::Run, version)?;
    check(pool, found)?;
    if found == Some(VERSION) {
        return Ok(());
    }
    pool.run("create", Patience::Run, |connection| {
        // Two writers may come at once. The lock comes before the transaction, which would not see what the other has
        // created since it began. If this fails, the connection is dropped, and the lock with it.
        connection.query("select pg_advisory_lock($1)", &[&SCHEMA_LOCK])?;
        connection.atomically(|connection| {
            if version(connection)?.is_some() {
                // Programs of an earlier version would not keep the new tables current.
                let update = "update imgsearch.version set version = $1 where version < $1";
                return connection.execute(update, &[&VERSION]).map(drop);
            }
            let has_vector = "select exists (select from pg_type where typname = 'halfvec')";
            if !connection.query(has_vector, &[])?.first().is_some_and(|row| row.get(0)) {
                connection.batch("create extension if not exists vector")?;
            }
            // Somebody who may not create schemas may be given this one.
            let has_schema = "select to_regnamespace('imgsearch') is not null";
            if !connection.query(has_schema, &[])?.first().is_some_and(|row| row.get(0)) {
                connection.batch("create schema imgsearch")?;
            }
            connection.batch(CREATE)?;
            connection.execute("insert into imgsearch.version values ($1)", &[&VERSION]).map(drop)
        })?;
        connection.query("select pg_advisory_unlock($1)", &[&SCHEMA_LOCK]).map(drop)
    })
}

/// What is published of a library; `None` if nothing was indexed into it yet.
pub(super) fn published(connection: &mut Connection, name: &Name) -> Result<Option<Published>, Error> {
    let sql = "
        select i.id, i.space, i.label, i.dimensions, i.note,
               coalesce((select sum(times)::bigint from imgsearch.changes c where c.index = i.id), 0)
        from imgsearch.libraries l join imgsearch.indexes i on i.id = l.in_use
        where l.name = $1 and l.collection = $2";
    let rows = connection.query(sql, &[&name.library, &name.collection])?;
    Ok(rows.first().and_then(|row| {
        let note = Note::read(row.get::<_, Option<&[u8]>>(4));
        Some(Published { index: Index::of(row, 0)?, note, times: row.get(5) })
    }))
}

/// The index in use and the number of its publications: what tells whether there is something newer.
pub(super) fn state(connection: &mut Connection, name: &Name) -> Result<Option<(i64, i64)>, Error> {
    let sql = "
        select l.in_use, coalesce((select sum(times)::bigint from imgsearch.changes c where c.index = l.in_use), 0)
        from imgsearch.libraries l where l.name = $1 and l.collection = $2 and l.in_use is not null";
    let rows = connection.query(sql, &[&name.library, &name.collection])?;
    Ok(rows.first().map(|row| (row.get(0), row.get(1))))
}

/// The indexes of a library that are neither in use nor replaced, with the notes and publications of each.
pub(super) fn building(connection: &mut Connection, name: &Name) -> Result<Vec<Published>, Error> {
    let sql = "
        select i.id, i.space, i.label, i.dimensions, i.note,
               coalesce((select sum(times)::bigint from imgsearch.changes c where c.index = i.id), 0)
        from imgsearch.libraries l join imgsearch.indexes i on i.library = l.id
        where l.name = $1 and l.collection = $2 and i.id <> l.in_use and i.retired is null order by i.id";
    let rows = connection.query(sql, &[&name.library, &name.collection])?;
    let published = |row: &Row| {
        let note = Note::read(row.get::<_, Option<&[u8]>>(4));
        Some(Published { index: Index::of(row, 0)?, note, times: row.get(5) })
    };
    Ok(rows.iter().filter_map(published).collect())
}

/// The names of the collections of a library that have an index.
pub(super) fn collections(connection: &mut Connection, library: &str) -> Result<Vec<String>, Error> {
    let sql = "
        select collection from imgsearch.libraries
        where name = $1 and collection <> '' and in_use is not null order by collection";
    Ok(connection.query(sql, &[&library])?.iter().map(|row| row.get(0)).collect())
}

/// The index of a library for vectors of `space`, which is created if it does not exist, and the index in use. A new
/// library uses its first index at once.
pub(super) fn open(connection: &mut Connection, name: &Name, space: &Space) -> Result<(Index, Index), Error> {
    connection.atomically(|connection| {
        let insert =
            "insert into imgsearch.libraries (name, collection) values ($1, $2) on conflict do nothing";
        connection.execute(insert, &[&name.library, &name.collection])?;
        // Other writers wait here until this one has opened its index.
        let lock = "select id from imgsearch.libraries where name = $1 and collection = $2 for update";
        let rows = connection.query(lock, &[&name.library, &name.collection])?;
        let library: i64 = rows.first().map_or(0, |row| row.get(0));
        drop_retired(connection, library, space)?;
        let insert = "
            insert into imgsearch.indexes (library, space, label, dimensions) values ($1, $2, $3, $4)
            on conflict do nothing returning id";
        let (id, label) = (space.id().as_bytes(), space.label().as_bytes());
        let dim = i32::try_from(space.dim()).unwrap_or(i32::MAX);
        if let Some(row) = connection.query(insert, &[&library, &id, &label, &dim])?.first() {
            let index = Index { id: row.get(0), space: space.clone() };
            connection.batch(&tables(&index))?;
            let first = "update imgsearch.libraries set in_use = $2 where id = $1 and in_use is null";
            connection.execute(first, &[&library, &index.id])?;
        }
        let select = "
            select i.id, i.space, i.label, i.dimensions from imgsearch.indexes i
            where library = $1 and (space = $2 or id = (select in_use from imgsearch.libraries where id = $1))
            order by (space = $2) desc";
        let rows = connection.query(select, &[&library, &id])?;
        let mut found = rows.iter().filter_map(|row| Index::of(row, 0));
        let own = found.next().unwrap_or_else(|| Index { id: 0, space: space.clone() });
        let in_use = found.next().unwrap_or_else(|| own.clone());
        words::create(connection, &own)?;
        Ok((own, in_use))
    })
}

/// Removes replaced indexes that nobody answers from any more, and one for `space` in any case: its remains must not be
/// continued.
fn drop_retired(connection: &mut Connection, library: i64, space: &Space) -> Result<(), Error> {
    let delete = format!(
        "delete from imgsearch.indexes
         where library = $1 and retired is not null and (retired < now() - {RETIRED_FOR} or space = $2) returning id"
    );
    for row in connection.query(&delete, &[&library, &space.id().as_bytes()])? {
        let id: i64 = row.get(0);
        connection.batch(&format!(
            "drop table if exists imgsearch.photos_{id}, imgsearch.words_{id}, imgsearch.claims_{id};
             delete from imgsearch.changes where index = {id}"
        ))?;
    }
    Ok(())
}

/// Creates the tables of an index, except that of its words.
///
/// Rows stay whole in their pages up to 8 KB: an exact search would otherwise fetch each vector from elsewhere.
fn tables(index: &Index) -> String {
    let (photos, claims, dim, id) = (index.table(), index.claims(), index.space.dim(), index.id);
    format!(
        "create table {photos} (
            key bytea primary key,
            content bytea,
            record bytea not null,
            vector halfvec({dim}),
            normal bytea,
            ending text,
            width bigint,
            height bigint,
            taken_first bigint,
            taken_last bigint,
            is_moment boolean,
            latitude double precision,
            longitude double precision,
            camera text,
            lens text
        ) with (toast_tuple_target = 8160);
        alter table {photos} alter column vector set storage main;
        create index photos_{id}_content on {photos} (content) where vector is not null;
        create index photos_{id}_normal on {photos} (normal) where normal is not null;
        create table {claims} (key bytea primary key, worker bigint not null, until timestamptz not null);
        create index claims_{id}_worker on {claims} (worker)"
    )
}

/// Puts an index into use, if it is not.
pub(super) fn put_into_use(connection: &mut Connection, name: &Name, space: &Space) -> Result<(), Error> {
    connection.atomically(|connection| {
        let sql = "
            with target as (
                select l.id as library, l.in_use as old, i.id as new
                from imgsearch.libraries l join imgsearch.indexes i on i.library = l.id
                where l.name = $1 and l.collection = $2 and i.space = $3 and i.retired is null
                  and l.in_use is distinct from i.id
                for update of l
            ), used as (
                update imgsearch.libraries l set in_use = new from target where l.id = target.library
            )
            update imgsearch.indexes i set retired = now() from target where i.id = target.old";
        let id = space.id().as_bytes();
        connection.execute(sql, &[&name.library, &name.collection, &id]).map(drop)
    })
}

/// Refuses vectors that are too long for the database.
///
/// # Errors
/// [`StoreError::Database`].
pub(super) fn check_space(pool: &Pool, space: &Space) -> Result<(), StoreError> {
    if space.dim() <= MOST_DIMENSIONS {
        return Ok(());
    }
    let (found, model) = (space.dim(), space.label());
    Err(StoreError::Database {
        library: pool.url().to_string(),
        action: "open",
        detail: format!("`{model}` has {found} dimensions, and pgvector takes at most {MOST_DIMENSIONS}"),
        hint: Some("keep fewer with --dim".to_owned()),
    })
}
