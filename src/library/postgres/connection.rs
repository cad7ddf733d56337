//! Connections to the database: how they are made, kept, and made again after they broke.

use std::collections::HashMap;
use std::error::Error as _;
use std::io;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::sleep;
use std::time::{Duration, Instant};

use postgres::config::Host;
use postgres::error::SqlState;
use postgres::types::ToSql;
use postgres::{Client, Config, Error, Row, Statement};

use super::password;
use super::tls::Tls;
use crate::library::{Secrets, StoreError, Url};

/// The most connections of one process. Servers allow 100 by default, for all processes together.
const MOST_CONNECTIONS: usize = 16;

/// The most statements that stay prepared on a connection. Each combination of filters is one.
const MOST_STATEMENTS: usize = 256;

/// How long a connection may take to be made, and how long the server may leave data unacknowledged.
const CONNECT_WITHIN: Duration = Duration::from_secs(10);
const ANSWER_WITHIN: Duration = Duration::from_secs(30);

/// The pauses between attempts: the first one, and the longest. Each is twice as long as the one before.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// How long to try again if the server never answered: most likely it does not run.
const AT_FIRST: Duration = Duration::from_secs(3);

/// What every connection begins with.
///
/// `strict_order` goes on in the graph until enough rows meet the conditions. Without it a search with a filter could find
/// fewer than there are.
const SESSION: &str = "
    set application_name = 'imgsearch';
    set hnsw.ef_search = 200;
    set hnsw.iterative_scan = strict_order;
    set hnsw.max_scan_tuples = 100000";

/// The connections to one database.
pub(super) struct Pool {
    config: Config,
    tls: Tls,
    url: Url,
    state: Mutex<State>,
    freed: Condvar,
}

#[derive(Default)]
struct State {
    idle: Vec<Connection>,
    /// All connections, idle or not.
    open: usize,
    /// Whether any connection was ever made.
    has_connected: bool,
}

/// A connection, and the statements that are prepared on it.
pub(super) struct Connection {
    client: Client,
    statements: HashMap<String, Statement>,
}

/// Values for the parameters of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

impl Connection {
    /// The rows that a statement returns. The statement is prepared once for each connection.
    pub(super) fn query(&mut self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Error> {
        let statement = self.prepared(sql)?;
        self.client.query(&statement, values)
    }

    /// Runs a statement, and returns the number of changed rows.
    pub(super) fn execute(&mut self, sql: &str, values: Values<'_>) -> Result<u64, Error> {
        let statement = self.prepared(sql)?;
        self.client.execute(&statement, values)
    }

    /// Runs statements without parameters.
    pub(super) fn batch(&mut self, sql: &str) -> Result<(), Error> {
        self.client.batch_execute(sql)
    }

    /// Runs `work` in a transaction. After an error nothing of it is done; the caller must drop this connection then.
    pub(super) fn atomically<T>(
        &mut self,
        work: impl FnOnce(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, Error> {
        self.batch("begin")?;
        let result = work(self)?;
        self.batch("commit")?;
        Ok(result)
    }

    fn prepared(&mut self, sql: &str) -> Result<Statement, Error> {
        if self.statements.len() >= MOST_STATEMENTS {
            self.statements.clear();
        }
        if let Some(statement) = self.statements.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.client.prepare(sql)?;
        self.statements.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

/// How long a failed operation is tried again while the server cannot be reached.
#[derive(Clone, Copy)]
pub(super) enum Patience {
    /// Somebody waits for an answer.
    Query,
    /// A run that took hours should outlast a restart of the server.
    Run,
}

impl Patience {
    fn time(self) -> Duration {
        Duration::from_secs(match self {
            Patience::Query => 10,
            Patience::Run => 180,
        })
    }
}

impl Pool {
    /// Connections to the database of this URL, with the secrets that it lacks. None is made yet.
    ///
    /// # Errors
    /// [`StoreError::Url`].
    pub(super) fn new(url: &Url, secrets: &Secrets) -> Result<Pool, StoreError> {
        let refuse = |reason: String| StoreError::Url { url: url.to_string(), reason };
        let text = url.without_parameters(&["lease", "library", "sslrootcert"]);
        // Certificates are always checked, which libpq does only if it is asked to.
        let text = text.replace("sslmode=verify-full", "sslmode=require");
        let mut config: Config = text.parse().map_err(|error: Error| refuse(chain(&error)))?;
        if config.get_hosts().is_empty() {
            return Err(refuse(
                "it has no host; write postgres://USER@HOST/DATABASE?library=NAME".to_owned(),
            ));
        }
        if config.get_connect_timeout().is_none() {
            config.connect_timeout(CONNECT_WITHIN);
        }
        if config.get_tcp_user_timeout().is_none() {
            config.tcp_user_timeout(ANSWER_WITHIN);
        }
        config.keepalives_idle(ANSWER_WITHIN);
        if config.get_password().is_none()
            && let Some(password) = password_of(&config, secrets)
        {
            config.password(password);
        }
        let authorities = url.parameter("sslrootcert");
        let tls = Tls::new(authorities.as_deref().map(std::path::Path::new)).map_err(refuse)?;
        Ok(Pool { config, tls, url: url.clone(), state: Mutex::default(), freed: Condvar::new() })
    }

    /// Runs `work` with a connection. While the server cannot be reached or restarts, it is tried again with growing
    /// pauses, so `work` must be harmless if it is done twice. `action` is what to call it in an error.
    ///
    /// # Errors
    /// [`StoreError::Database`].
    pub(super) fn run<T>(
        &self,
        action: &'static str,
        patience: Patience,
        mut work: impl FnMut(&mut Connection) -> Result<T, Error>,
    ) -> Result<T, StoreError> {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            match self.attempt(&mut work) {
                Ok(result) => return Ok(result),
                Err(error) => {
                    let has_answered = self.state().has_connected || error.code().is_some();
                    let time = if has_answered { patience.time() } else { AT_FIRST };
                    if !passes(&error) || start.elapsed() + pause > time {
                        return Err(self.error(action, &error));
                    }
                }
            }
            sleep(pause);
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    fn attempt<T>(&self, work: &mut impl FnMut(&mut Connection) -> Result<T, Error>) -> Result<T, Error> {
        let connection = self.take()?;
        let mut taken = Taken { pool: self, connection: None };
        match work(taken.connection.insert(connection)) {
            Ok(result) => Ok(result),
            Err(error) => {
                // It may be broken, or in the middle of a transaction; the others may be broken for the same reason.
                taken.connection = None;
                if passes(&error) {
                    self.forget_idle();
                }
                Err(error)
            }
        }
    }

    fn take(&self) -> Result<Connection, Error> {
        let mut state = self.state();
        loop {
            if let Some(connection) = state.idle.pop() {
                return Ok(connection);
            }
            if state.open < MOST_CONNECTIONS {
                break;
            }
            state = self.freed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.open += 1;
        drop(state);
        let connected = self.connect();
        let mut state = self.state();
        match connected {
            Ok(connection) => {
                state.has_connected = true;
                Ok(connection)
            }
            Err(error) => {
                state.open -= 1;
                self.freed.notify_one();
                Err(error)
            }
        }
    }

    fn connect(&self) -> Result<Connection, Error> {
        let mut client = self.config.connect(self.tls.clone())?;
        client.batch_execute(SESSION)?;
        Ok(Connection { client, statements: HashMap::new() })
    }

    fn forget_idle(&self) {
        let mut state = self.state();
        let idle = std::mem::take(&mut state.idle);
        state.open -= idle.len();
        drop(state);
        drop(idle);
        self.freed.notify_all();
    }

    /// An error of this database that says what to do.
    pub(super) fn error(&self, action: &'static str, error: &Error) -> StoreError {
        let hint = hint(error).map(str::to_owned);
        StoreError::Database { library: self.url.to_string(), action, detail: chain(error), hint }
    }

    pub(super) fn url(&self) -> &Url {
        &self.url
    }

    /// No thread panics while it holds the state.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection in use, which goes back to the pool unless it was taken out. A panic drops it too.
struct Taken<'a> {
    pool: &'a Pool,
    connection: Option<Connection>,
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        let connection = self.connection.take().filter(|_| !std::thread::panicking());
        let mut state = self.pool.state();
        match connection {
            Some(connection) => state.idle.push(connection),
            None => state.open -= 1,
        }
        drop(state);
        self.pool.freed.notify_one();
    }
}

fn password_of(config: &Config, secrets: &Secrets) -> Option<String> {
    if secrets.postgres_password.is_some() {
        return secrets.postgres_password.clone();
    }
    let host = match config.get_hosts().first()? {
        Host::Tcp(host) => host.as_str(),
        #[cfg(unix)]
        Host::Unix(_) => "localhost",
    };
    let port = config.get_ports().first().unwrap_or(&5432).to_string();
    let user = config.get_user()?;
    let database = config.get_dbname().unwrap_or(user);
    password::from_file(secrets.postgres_password_file.as_deref()?, [host, &port, database, user])
}

/// Whether it may help to try again: the connection broke, the server is starting or ending, or another transaction was in
/// the way.
fn passes(error: &Error) -> bool {
    match error.code() {
        Some(code) => {
            let classes = ["08", "57P", "40"];
            *code == SqlState::TOO_MANY_CONNECTIONS
                || classes.iter().any(|class| code.code().starts_with(class))
        }
        None => {
            let source = error.source().and_then(|source| source.downcast_ref::<io::Error>());
            error.is_closed() || source.is_some_and(|source| source.kind() != io::ErrorKind::InvalidData)
        }
    }
}

fn hint(error: &Error) -> Option<&'static str> {
    let Some(code) = error.code() else {
        return Some(
            "check that the server runs and can be reached; what was stored stays stored, so run the same command again",
        );
    };
    Some(match code.code() {
        "28P01" | "28000" => "set `PGPASSWORD`, or put the password into the file `~/.pgpass`",
        "3D000" => "create the database: createdb NAME",
        "42501" => {
            "let the administrator run: create extension vector; create schema imgsearch authorization YOU"
        }
        "0A000" | "58P01" => "install pgvector 0.8 or newer on the server",
        "53100" => "the server's disk is full: free some space, and run the same command again",
        "53300" => "the server has no free connections: raise max_connections, or start fewer workers",
        "42P01" => "the library has just changed to another model: run the same command again",
        _ if passes(error) => "wait until the server runs again, and run the same command again",
        _ => return None,
    })
}

/// An error and its causes, without what is said twice.
fn chain(error: &Error) -> String {
    if let Some(said) = error.as_db_error() {
        return said.message().to_owned();
    }
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
