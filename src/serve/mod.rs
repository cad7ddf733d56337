//! `serve`: a library in a browser and for other programs, over HTTP.
//!
//! What is asked of a library is synchronous and runs on threads of its own, as many at a time as there are cores;
//! only this room is not. Whoever asks names photos by the id of their content, never by a path.

mod assets;
mod auth;
mod connections;
mod duplicates;
mod events;
mod files;
mod host;
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
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use problem::Problem;

pub(crate) use auth::{Login, password_hash};
pub(crate) use connections::{Tls, tls};
pub(crate) use events::{Event, Events};
pub(crate) use host::Hosts;

/// How long requests that are being answered may still take when the server is told to end.
const GRACE: Duration = Duration::from_secs(5);

/// Threads that wait for the disk, beside those that search.
const WAITING_THREADS: usize = 8;

/// What a server is made of.
pub(crate) struct Server {
    pub(crate) library: Library,
    pub(crate) service: Service,
    pub(crate) towns: Towns,
    pub(crate) hosts: Hosts,
    /// `None` where everybody who can connect may ask.
    pub(crate) login: Option<Login>,
    pub(crate) hides_places: bool,
    pub(crate) is_read_only: bool,
    /// How much is searched for at a time.
    pub(crate) threads: usize,
    /// Where the program tells what happens beside the server.
    pub(crate) events: Events,
}

/// What every request can use. Clones are the same one.
#[derive(Clone)]
pub(crate) struct App(Arc<Shared>);

pub(crate) struct Shared {
    library: Library,
    service: Service,
    towns: Towns,
    hosts: Hosts,
    login: Option<Arc<Login>>,
    hides_places: bool,
    #[expect(dead_code, reason = "nothing that is served so far changes anything")]
    is_read_only: bool,
    work: Arc<Semaphore>,
    /// Pictures that are sent take memory while they arrive.
    uploads: Semaphore,
    /// What is told to those who listen.
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
    /// Does what takes a while on a thread that may wait. It is done also if nobody waits for it any more.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T, Problem> + Send + 'static,
    ) -> Result<T, Problem> {
        let turn = Arc::clone(&self.work).acquire_owned().await;
        let worked = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            work()
        });
        worked.await.unwrap_or_else(|error| Err(Problem::internal(&error.into())))
    }
}

/// Answers that take long to find, of one state of the library.
#[derive(Default)]
struct Kept {
    duplicates: duplicates::Kept,
    tags: tags::Kept,
    status: Once<String>,
}

/// The last answer to a question that takes long, kept for those who ask the same of the same library. One thread at a
/// time finds it.
struct Once<T> {
    last: Mutex<Option<((u64, String), Arc<T>)>>,
}

impl<T> Default for Once<T> {
    fn default() -> Once<T> {
        Once { last: Mutex::new(None) }
    }
}

impl<T> Once<T> {
    /// The answer to `question` in this state of the library.
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

/// Whose connection a request came by.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Peer(pub(crate) IpAddr);

impl<S: Sync> FromRequestParts<S> for Peer {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Peer, Infallible> {
        let peer = parts.extensions.get::<Peer>().copied();
        Ok(peer.unwrap_or(Peer(IpAddr::from([0; 4]))))
    }
}

/// Listens at these addresses; where no port is named, all get the one that the first of them gets.
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

/// Answers until it is told to end by a signal.
pub(crate) fn run(server: Server, listeners: Vec<TcpListener>, tls: Option<Tls>) -> Result<()> {
    let Server { library, service, towns, hosts, login, hides_places, is_read_only, threads, events } =
        server;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads.clamp(1, 4))
        .max_blocking_threads(threads + WAITING_THREADS)
        .thread_name("serve")
        .enable_all()
        .build()
        .context("cannot start the server's threads")?;
    let ending = CancellationToken::new();
    let app = App(Arc::new(Shared {
        library,
        service,
        towns,
        hosts,
        login: login.map(Arc::new),
        hides_places,
        is_read_only,
        work: Arc::new(Semaphore::new(threads)),
        uploads: Semaphore::new(threads),
        events,
        kept: Kept::default(),
        ending: ending.clone(),
    }));
    let served = runtime.block_on(async {
        let listeners = listeners.into_iter().map(tokio::net::TcpListener::from_std);
        let listeners = listeners.collect::<Result<Vec<_>, _>>().context("cannot listen")?;
        warm_up(&app);
        let open = connections::open(listeners, tls, &router::router(&app), &ending);
        told_to_end().await.context("cannot wait for signals")?;
        ending.cancel();
        _ = tokio::time::timeout(GRACE, open.ended()).await;
        Ok(())
    });
    // What a thread is still at is left to itself: nothing is half written.
    runtime.shutdown_timeout(Duration::from_millis(100));
    served
}

/// Loads what the first query would otherwise wait for. What goes wrong, the first query tells.
fn warm_up(app: &App) {
    let service = app.service.clone();
    tokio::task::spawn_blocking(move || {
        if let Ok(Some(engine)) = service.engine() {
            _ = engine.warm_up();
        }
    });
}

/// Ctrl-C, or what service managers send.
async fn told_to_end() -> std::io::Result<()> {
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut terminate = signal(SignalKind::terminate())?;
        tokio::select! {
            interrupted = tokio::signal::ctrl_c() => interrupted,
            _ = terminate.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await
}
