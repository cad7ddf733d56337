//! The store for libraries on a server: PostgreSQL with pgvector.
//!
//! Any number of processes on any number of machines may change a library at the same time, and answer from it. There is no
//! copy of it anywhere else: each answer is a query.

mod claims;
mod condition;
mod connection;
mod graph;
mod half;
mod password;
mod row;
mod schema;
mod sink;
mod standing;
mod tls;
mod view;
mod words;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use imgsearch_index::Space;

use self::connection::{Patience, Pool};
use self::schema::Name;
use self::sink::PostgresSink;
use self::view::PostgresView;
use super::server::{Secrets, Server};
use super::{Building, Opened, StoreError, Url, View};

/// A library in a database.
#[derive(Clone)]
struct Postgres {
    pool: Arc<Pool>,
    name: Name,
    /// How long the claims of a writer last.
    lease: Duration,
}

/// The library with this URL. Its parameter `library` is the library's name; `lease` is how many seconds a claim of a writer
/// lasts.
pub(super) fn connect(url: &Url, secrets: &Secrets) -> Result<Arc<dyn Server>, StoreError> {
    let library =
        url.parameter("library").filter(|name| !name.is_empty()).ok_or_else(|| StoreError::Url {
            url: url.to_string(),
            reason: "it does not name a library of the database; add `?library=NAME`".to_owned(),
        })?;
    let lease = match url.parameter("lease").map(|seconds| seconds.parse()) {
        None => claims::LEASE,
        Some(Ok(seconds @ 1..=86_400)) => Duration::from_secs(seconds),
        Some(_) => {
            let reason = "`lease` must be a number of seconds, 1 to 86400".to_owned();
            return Err(StoreError::Url { url: url.to_string(), reason });
        }
    };
    let name = Name { library, collection: String::new() };
    Ok(Arc::new(Postgres { pool: Arc::new(Pool::new(url, secrets)?), name, lease }))
}

impl fmt::Debug for Postgres {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Postgres({}, {:?})", self.pool.url(), self.name)
    }
}

impl Postgres {
    fn missing(&self) -> StoreError {
        StoreError::NoLibrary { library: self.pool.url().to_string() }
    }

    fn open_view(&self) -> Result<Arc<dyn View>, StoreError> {
        if !schema::exists(&self.pool, Patience::Query)? {
            return Err(self.missing());
        }
        let published =
            self.pool.run("open", Patience::Query, |connection| schema::published(connection, &self.name))?;
        let published = published.ok_or_else(|| self.missing())?;
        Ok(Arc::new(PostgresView::new(self, published)))
    }
}

impl Server for Postgres {
    fn url(&self) -> &Url {
        self.pool.url()
    }

    fn view(&self) -> Result<Arc<dyn View>, StoreError> {
        self.open_view()
    }

    fn building(&self) -> Result<Vec<Building>, StoreError> {
        if !schema::exists(&self.pool, Patience::Query)? {
            return Ok(Vec::new());
        }
        let found =
            self.pool.run("read", Patience::Query, |connection| schema::building(connection, &self.name))?;
        let building = |published: schema::Published| {
            let place = published.index.table();
            Building { place, view: Arc::new(PostgresView::new(self, published)) }
        };
        Ok(found.into_iter().map(building).collect())
    }

    fn open(&self, space: &Space) -> Result<Opened, StoreError> {
        schema::check_space(&self.pool, space)?;
        schema::create(&self.pool)?;
        let (index, in_use) =
            self.pool.run("open", Patience::Run, |connection| schema::open(connection, &self.name, space))?;
        let replaces = if index.id == in_use.id { None } else { Some(self.open_view()?) };
        Ok(Opened { sink: Box::new(PostgresSink::new(self, index)), replaces })
    }

    fn put_into_use(&self, space: &Space) -> Result<(), StoreError> {
        self.pool
            .run("write to", Patience::Run, |connection| schema::put_into_use(connection, &self.name, space))
    }

    fn optimize(
        &self,
        cancelled: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<bool, StoreError> {
        if !schema::exists(&self.pool, Patience::Query)? {
            return Err(self.missing());
        }
        let published =
            self.pool.run("open", Patience::Query, |connection| schema::published(connection, &self.name))?;
        let index = published.ok_or_else(|| self.missing())?.index;
        graph::optimize(self, &index, cancelled, progress)
    }

    fn collection(&self, name: &str) -> Arc<dyn Server> {
        let name = Name { library: self.name.library.clone(), collection: name.to_owned() };
        Arc::new(Postgres { name, ..self.clone() })
    }

    fn collections(&self) -> Result<Vec<String>, StoreError> {
        if !schema::exists(&self.pool, Patience::Query)? {
            return Ok(Vec::new());
        }
        let library = &self.name.library;
        self.pool.run("read", Patience::Query, |connection| schema::collections(connection, library))
    }
}
