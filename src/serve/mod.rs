//! The HTTP server.
//!
//! Only this module is async. Work on the library is synchronous and runs on blocking threads, at most as many at a
//! time as there are cores. Requests name photos by id, never by path.

mod assets;
mod auth;
mod connections;
mod duplicates;
mod events;
mod files;
mod host;
#[cfg(feature = "mcp")]
mod mcp;
mod openapi;
mod overview;
mod pages;
mod photos;
mod problem;
mod router;
mod search;
mod tags;

use std::convert::Infallible;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use imgsearch::Library;
use imgsearch::query::Towns;
use imgsearch::service::Service;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::cli::McpPaths;
use problem::Problem;

pub(crate) use auth::{Login, password_hash};
pub(crate) use connections::{Tls, tls};
pub(crate) use events::{Event, Events};
pub(crate) use host::Hosts;
#[cfg(feature = "mcp")]
pub(crate) use mcp::talk;

/// The maximum time for open requests when the server ends.
const GRACE: Duration = Duration::from_secs(5);

/// Additional threads for reading files.
const WAITING_THREADS: usize = 8;

/// The parts of a server.
pub(crate) struct Server {
    pub(crate) library: Library,
    pub(crate) service: Service,
    pub(crate) towns: Towns,
    pub(crate) hosts: Hosts,
    /// `None` if no login is needed.
    pub(crate) login: Option<Login>,
    pub(crate) hides_places: bool,
    /// The maximum number of requests that work at the same time.
    pub(crate) threads: usize,
    /// Which paths assistants see.
    pub(crate) mcp_paths: McpPaths,
    /// Events from the rest of the program.
    pub(crate) events: Events,
}

/// The state shared by all requests.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    library: Library,
    service: Service,
    towns: Towns,
    hosts: Hosts,
    login: Option<Arc<Login>>,
    hides_places: bool,
    #[cfg_attr(not(feature = "mcp"), expect(dead_code, reason = "only assistants see fewer paths"))]
    mcp_paths: McpPaths,
    work: Arc<Semaphore>,
    slow_work: Arc<Semaphore>,
    /// Limits the memory for uploaded pictures.
    uploads: Semaphore,
    /// Events for clients.
    events: events::Events,
    kept: Kept,
    /// Cancelled when the server ends.
    ending: CancellationToken,
}

impl Deref for App {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        &self.0
    }
}

impl App {
    /// `ending` is cancelled when the server ends.
    fn new(server: Server, ending: CancellationToken) -> App {
        let Server { library, service, towns, hosts, login, hides_places, threads, events, mcp_paths } =
            server;
        App(Arc::new(Shared {
            library,
            service,
            towns,
            hosts,
            login: login.map(Arc::new),
            hides_places,
            mcp_paths,
            work: Arc::new(Semaphore::new(threads)),
            slow_work: Arc::new(Semaphore::new(1)),
            uploads: Semaphore::new(threads),
            events,
            kept: Kept::default(),
            ending,
        }))
    }

    /// Runs work on a blocking thread, at most as much at a time as there are cores. The work is finished even if the
    /// client has gone.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        run_behind(&self.work, work).await
    }

    /// The same for work that looks at the whole library for long. Only one such request runs at a time, so that it does
    /// not hold up the others.
    pub(crate) async fn slowly<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        run_behind(&self.slow_work, work).await
    }
}

async fn run_behind<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
) -> Result<T, Problem> {
    let turn = Arc::clone(turns).acquire_owned().await;
    let worked = tokio::task::spawn_blocking(move || {
        let _turn = turn;
        work()
    });
    worked.await.unwrap_or_else(|error| Err(Problem::internal(&error.into())))
}

/// Cached answers of slow requests.
#[derive(Default)]
struct Kept {
    duplicates: duplicates::Kept,
    tags: tags::Kept,
    status: Once<String>,
    #[cfg(feature = "mcp")]
    mcp: mcp::Kept,
}

/// Caches the last answer to a slow question until the library changes. One thread at a time computes it.
struct Once<T> {
    last: Mutex<Option<(Question, Arc<T>)>>,
}

/// The version of the library, and the question.
type Question = (u64, String);

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once { last: Mutex::new(None) }
    }
}

impl<T> Once<T> {
    /// The answer to `question` for this version of the library.
    fn get_or_find(
        &self,
        version: u64,
        question: String,
        find: impl FnOnce() -> Result<T, Problem>,
    ) -> Result<Arc<T>, Problem> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        let asked = (version, question);
        match &*last {
            Some((of, answer)) if *of == asked => Ok(Arc::clone(answer)),
            _ => {
                let answer = Arc::new(find()?);
                *last = Some((asked, Arc::clone(&answer)));
                Ok(answer)
            }
        }
    }
}

/// The address of the client.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Peer, Infallible> {
        let peer = parts.extensions.get::<Peer>().copied();
        Ok(peer.unwrap_or(Peer(IpAddr::from([0; 4]))))
    }
}

/// Listens at these addresses. Port 0 picks a free port, the same for all addresses.
pub(crate) fn listen(addresses: &[IpAddr], port: u16) -> Result<Vec<TcpListener>> {
    let mut listeners: Vec<TcpListener> = Vec::new();
    for address in addresses {
        let port = match listeners.first() {
            Some(first) if port == 0 => first.local_addr()?.port(),
            _ => port,
        };
        let address = SocketAddr::new(*address, port);
        let listener = TcpListener::bind(address).with_context(|| format!("cannot listen at {address}"))?;
        listener.set_nonblocking(true)?;
        listeners.push(listener);
    }
    Ok(listeners)
}

/// Runs the server until a signal ends it.
pub(crate) fn run(server: Server, listeners: Vec<TcpListener>, tls: Option<&Tls>) -> Result<()> {
    let runtime = runtime(server.threads)?;
    let ending = CancellationToken::new();
    let app = App::new(server, ending.clone());
    let served = runtime.block_on(async {
        let listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std);
        let listeners = listeners.collect::<Result<Vec<_>, _>>().context("cannot listen")?;
        warm_up(&app);
        // Before the first request is answered: until then, a signal ends the process at once.
        let told_to_end = told_to_end().context("cannot wait for signals")?;
        let open = connections::open(listeners, tls, &router::router(&app), &ending);
        told_to_end.await;
        ending.cancel();
        _ = tokio::time::timeout(GRACE, open.ended()).await;
        Ok(())
    });
    // Do not wait for blocking threads: they write nothing.
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

/// The threads of a server that works on so many requests at the same time.
fn runtime(threads: usize) -> Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.clamp(1, 4))
        .max_blocking_threads(threads + WAITING_THREADS)
        .thread_name("serve")
        .enable_all()
        .build()
        .context("cannot start the server's threads")
}

/// Loads the model before the first query. The first query reports errors.
fn warm_up(app: &App) {
    let service = app.service.clone();
    tokio::task::spawn_blocking(move || {
        if let Ok(Some(engine)) = service.engine() {
            _ = engine.warm_up();
        }
    });
}

/// Catches SIGINT (Ctrl-C) and SIGTERM from now on. The future ends with the first of them.
#[cfg(unix)]
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}

/// Catches Ctrl-C from now on. The future ends with it.
#[cfg(windows)]
fn told_to_end() -> std::io::Result<impl Future<Output = ()>> {
    let mut interrupt = tokio::signal::windows::ctrl_c()?;
    Ok(async move {
        interrupt.recv().await;
    })
}
