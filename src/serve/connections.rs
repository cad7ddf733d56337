//! Accepts connections, with limits in number and time, and TLS.

use std::collections::HashMap;
use std::fs;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use axum::Router;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;
use tokio_io_timeout::TimeoutStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::crypto::ring::default_provider;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::Peer;

/// The maximum number of connections in total, and from one other machine. A household with a page open on every device
/// has far fewer.
const MOST: usize = 512;
const MOST_FROM_ONE: usize = 64;

/// The maximum time for the head of a request. It also limits how long a connection can be idle.
const HEAD_WITHIN: Duration = Duration::from_secs(30);
/// The maximum time in which a client reads nothing of an answer.
const STALLED: Duration = Duration::from_secs(60);
const HANDSHAKE_WITHIN: Duration = Duration::from_secs(10);

/// The maximum number of bytes of a request's head.
const HEAD_BYTES: usize = 32 << 10;

/// The settings for TLS.
pub(crate) type Tls = Arc<ServerConfig>;

/// Reads a certificate and its key.
pub(crate) fn tls(certificate: &Path, key: &Path) -> Result<Tls> {
    let read = |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
    let chain: Vec<_> = CertificateDer::pem_slice_iter(&read(certificate)?)
        .collect::<Result<_, _>>()
        .with_context(|| format!("{} is not a certificate in PEM", certificate.display()))?;
    let key = PrivateKeyDer::from_pem_slice(&read(key)?)
        .with_context(|| format!("{} is not a key in PEM", key.display()))?;
    let config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
        .with_safe_default_protocol_versions()
        .context("TLS")?
        .with_no_client_auth()
        .with_single_cert(chain, key)
        .with_context(|| format!("{} does not match its key", certificate.display()))?;
    Ok(Arc::new(config))
}

/// Running tasks: the listeners and the connections.
pub(super) struct Open {
    tasks: TaskTracker,
}

impl Open {
    /// Waits until all have ended.
    pub(super) async fn ended(&self) {
        self.tasks.close();
        self.tasks.wait().await;
    }
}

/// Starts accepting connections. When the server is `ending`, open connections finish their current request.
pub(super) fn open(
    listeners: Vec<TcpListener>,
    tls: Option<&Tls>,
    router: &Router,
    ending: &CancellationToken,
) -> Open {
    let tasks = TaskTracker::new();
    let counts = Arc::new(Counts::default());
    for listener in listeners {
        let acceptor = Acceptor {
            tls: tls.cloned().map(TlsAcceptor::from),
            router: router.clone(),
            ending: ending.clone(),
            counts: Arc::clone(&counts),
        };
        let connections = tasks.clone();
        tasks.spawn(async move { acceptor.accept_all(&listener, &connections).await });
    }
    Open { tasks }
}

#[derive(Clone)]
struct Acceptor {
    tls: Option<TlsAcceptor>,
    router: Router,
    ending: CancellationToken,
    counts: Arc<Counts>,
}

impl Acceptor {
    async fn accept_all(self, listener: &TcpListener, tasks: &TaskTracker) {
        loop {
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                () = self.ending.cancelled() => return,
            };
            match accepted {
                Ok((stream, peer)) => {
                    if let Some(count) = Count::of(&self.counts, peer.ip()) {
                        let acceptor = self.clone();
                        tasks.spawn(async move { acceptor.serve(stream, peer, count).await });
                    }
                }
                // There may be too many open files: wait until other connections close.
                Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
            }
        }
    }

    async fn serve(self, stream: TcpStream, peer: SocketAddr, count: Count) {
        let _count = count;
        _ = stream.set_nodelay(true);
        let mut stream = TimeoutStream::new(stream);
        stream.set_write_timeout(Some(STALLED));
        let stream = Box::pin(stream);
        // A broken connection needs no message here.
        match self.tls.clone() {
            None => _ = self.answer(stream, peer).await,
            Some(tls) => {
                if let Ok(Ok(stream)) = timeout(HANDSHAKE_WITHIN, tls.accept(stream)).await {
                    _ = self.answer(stream, peer).await;
                }
            }
        }
    }

    async fn answer<S: AsyncRead + AsyncWrite + Unpin>(
        self,
        stream: S,
        peer: SocketAddr,
    ) -> hyper::Result<()> {
        let router = TowerToHyperService::new(self.router);
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(Peer(peer.ip().to_canonical()));
            hyper::service::Service::call(&router, request)
        });
        let mut http = http1::Builder::new();
        http.timer(TokioTimer::new()).header_read_timeout(HEAD_WITHIN).max_buf_size(HEAD_BYTES);
        let mut connection = pin!(http.serve_connection(TokioIo::new(stream), service));
        tokio::select! {
            done = connection.as_mut() => return done,
            () = self.ending.cancelled() => {}
        }
        connection.as_mut().graceful_shutdown();
        connection.await
    }
}

/// Counts open connections.
#[derive(Default)]
struct Counts {
    open: Mutex<HashMap<IpAddr, usize>>,
}

/// One open connection.
struct Count {
    counts: Arc<Counts>,
    peer: IpAddr,
}

impl Count {
    /// Counts a connection; `None` if there are too many. This machine may have more: it may run a reverse proxy.
    fn of(counts: &Arc<Counts>, peer: IpAddr) -> Option<Count> {
        let mut open = counts.open.lock().unwrap_or_else(PoisonError::into_inner);
        let all: usize = open.values().sum();
        let own = open.entry(peer).or_default();
        let most = if peer.is_loopback() { MOST } else { MOST_FROM_ONE };
        if all >= MOST || *own >= most {
            if *own == 0 {
                open.remove(&peer);
            }
            return None;
        }
        *own += 1;
        Some(Count { counts: Arc::clone(counts), peer })
    }
}

impl Drop for Count {
    fn drop(&mut self) {
        let mut open = self.counts.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(own) = open.get_mut(&self.peer) {
            *own -= 1;
            if *own == 0 {
                open.remove(&self.peer);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_machine_can_use_all_connections() {
        let counts = Arc::new(Counts::default());
        let open = |peer: &str| Count::of(&counts, peer.parse().unwrap());
        let mut held: Vec<_> = (0..MOST_FROM_ONE).map(|_| open("10.0.0.1").unwrap()).collect();
        assert!(open("10.0.0.1").is_none());
        held.extend((0..MOST - MOST_FROM_ONE).map(|_| open("127.0.0.1").unwrap()));
        assert!(open("10.0.0.2").is_none() && open("127.0.0.1").is_none());
        drop(held);
        assert!(open("10.0.0.1").is_some());
        assert!(counts.open.lock().unwrap().is_empty());
    }
}
