//! Calls to a Milvus server: retries, time limits, and errors that say what to do.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use prost::Message;
use tokio::runtime::Runtime;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::transport::{Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use super::messages::{Answer, Status};
use crate::library::StoreError;

/// How long a call is tried again while somebody waits for the answer, while a server loads the collection, and in a run
/// that fills the library. On a busy machine a server of Milvus 2.3.5 that was killed answered again 9 seconds after its
/// start, and had loaded 100,000 rows after 28 more.
const PATIENCE: Duration = Duration::from_secs(60);
const PATIENCE_WITH_LOADING: Duration = Duration::from_secs(180);
const PATIENCE_OF_RUNS: Duration = Duration::from_secs(600);
/// The same before the first answer, when it is more likely that the address is wrong.
const PATIENCE_AT_FIRST: Duration = Duration::from_secs(8);
/// Between two tries: the first pause, which doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);
/// One try.
const CALL: Duration = Duration::from_secs(60);
const CONNECT: Duration = Duration::from_secs(5);
/// A lost connection is noticed within two of these.
const KEEP_ALIVE: Duration = Duration::from_secs(10);
/// 16,384 records with vectors of 4,096 dimensions take about this.
const MOST_BYTES: usize = 512 << 20;

/// Codes of Milvus's errors: `error_code` up to 2.2, and `code` since.
const OLD_NOT_EXISTS: i32 = 4;
const NOT_FOUND: i32 = 100;
const NOT_LOADED: i32 = 101;
/// Codes below this are of services that are not ready, of limits and of timeouts.
const FIRST_OF_COLLECTIONS: i32 = 100;

/// A connection to a server. Clones share it, and so may threads.
#[derive(Clone)]
pub(super) struct Client {
    connection: Arc<Connection>,
    patience: Duration,
}

struct Connection {
    /// `None` only while it is dropped.
    runtime: Option<Runtime>,
    channel: Channel,
    token: Option<MetadataValue<Ascii>>,
    database: Option<MetadataValue<Ascii>>,
    /// For messages, without secrets.
    library: String,
    has_answered: AtomicBool,
}

/// Where a server is, and who asks.
pub(super) struct Address<'a> {
    /// `http://host:port` or `https://host:port`.
    pub(super) uri: String,
    /// `user:password`, or an API key.
    pub(super) token: Option<&'a str>,
    pub(super) database: Option<&'a str>,
    /// The library's URL without secrets.
    pub(super) library: String,
}

/// Why a call failed.
#[derive(Debug)]
pub(super) enum Failure {
    /// The collection or alias does not exist. Those who expect this handle it; for others it is this error.
    NotFound(StoreError),
    /// Anything else, for which trying again did not help.
    Failed(StoreError),
}

impl From<Failure> for StoreError {
    fn from(failure: Failure) -> StoreError {
        match failure {
            Failure::NotFound(error) | Failure::Failed(error) => error,
        }
    }
}

/// What one try came to.
enum Tried<T> {
    Answer(T),
    NotFound,
    /// It may help to try again.
    NotNow(String),
    /// The server has begun to load the collection, or will.
    Loading(String),
    No(String, Option<&'static str>),
}

impl Client {
    pub(super) fn new(address: Address<'_>) -> Result<Client, StoreError> {
        let Address { uri, token, database, library } = address;
        let refuse = |reason: String| StoreError::Url { url: library.clone(), reason };
        let failed = |error: std::io::Error| refuse(format!("cannot start a thread: {error}"));
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let runtime = builder.worker_threads(1).thread_name("milvus").enable_all().build().map_err(failed)?;
        let endpoint =
            Endpoint::from_shared(uri.clone()).map_err(|_| refuse("the host or port is wrong".to_owned()))?;
        let mut endpoint = endpoint
            .connect_timeout(CONNECT)
            .timeout(CALL)
            .tcp_nodelay(true)
            .http2_keep_alive_interval(KEEP_ALIVE)
            .keep_alive_timeout(KEEP_ALIVE);
        if uri.starts_with("https:") {
            let tls = ClientTlsConfig::new().with_webpki_roots();
            endpoint = endpoint.tls_config(tls).map_err(|error| refuse(error.to_string()))?;
        }
        let header = |text: &str| -> Result<MetadataValue<Ascii>, StoreError> {
            text.parse().map_err(|_| refuse("the token or the database is not ASCII".to_owned()))
        };
        let token = token.map(|token| header(&STANDARD.encode(token))).transpose()?;
        let database = database.map(header).transpose()?;
        let channel = {
            // A channel starts a task.
            let _inside = runtime.enter();
            endpoint.connect_lazy()
        };
        let has_answered = AtomicBool::new(false);
        let runtime = Some(runtime);
        let connection = Connection { runtime, channel, token, database, library, has_answered };
        Ok(Client { connection: Arc::new(connection), patience: PATIENCE })
    }

    /// The same connection for a run that fills the library: it waits longer for a server that does not answer.
    pub(super) fn for_runs(&self) -> Client {
        Client { patience: PATIENCE_OF_RUNS, ..self.clone() }
    }

    /// Calls the method with this name. Tries again while the server cannot answer now. All our calls give the same
    /// result when they are repeated.
    ///
    /// # Errors
    /// [`Failure`].
    #[expect(clippy::needless_pass_by_value, reason = "callers make the request in the call")]
    pub(super) fn call<Q, A>(
        &self,
        action: &'static str,
        method: &'static str,
        request: Q,
    ) -> Result<A, Failure>
    where
        Q: Message + Clone + 'static,
        A: Answer,
    {
        let (start, mut pause) = (Instant::now(), FIRST_PAUSE);
        loop {
            let (patience, detail) = match self.tried::<Q, A>(method, request.clone()) {
                Tried::Answer(answer) => return Ok(answer),
                Tried::NotFound => {
                    let detail = "its collection was removed".to_owned();
                    return Err(Failure::NotFound(self.error(action, detail, Some(REMOVED))));
                }
                Tried::No(detail, hint) => return Err(Failure::Failed(self.error(action, detail, hint))),
                Tried::NotNow(detail) => (self.patience(), detail),
                Tried::Loading(detail) => (self.patience().max(PATIENCE_WITH_LOADING), detail),
            };
            if start.elapsed() + pause < patience {
                wait_and_lengthen(&mut pause);
                continue;
            }
            let detail = format!("{detail} (tried for {} s)", start.elapsed().as_secs());
            return Err(Failure::Failed(self.error(action, detail, Some(NOT_NOW))));
        }
    }

    /// An error of this library.
    pub(super) fn error(&self, action: &'static str, detail: String, hint: Option<&str>) -> StoreError {
        StoreError::Database {
            library: self.connection.library.clone(),
            action,
            detail,
            hint: hint.map(str::to_owned),
        }
    }

    /// The library's URL without secrets.
    pub(super) fn library(&self) -> &str {
        &self.connection.library
    }

    fn patience(&self) -> Duration {
        if self.connection.has_answered.load(Ordering::Relaxed) { self.patience } else { PATIENCE_AT_FIRST }
    }

    fn tried<Q, A>(&self, method: &'static str, request: Q) -> Tried<A>
    where
        Q: Message + 'static,
        A: Answer,
    {
        let Connection { runtime, channel, token, database, has_answered, .. } = &*self.connection;
        let Some(runtime) = runtime else { return Tried::No("it is closed".to_owned(), None) };
        let mut request = Request::new(request);
        let metadata = request.metadata_mut();
        for (name, value) in [("authorization", token), ("dbname", database)] {
            value.iter().for_each(|value| drop(metadata.insert(name, (*value).clone())));
        }
        let path = PathAndQuery::from_static(method);
        let mut grpc = tonic::client::Grpc::new(channel.clone())
            .max_decoding_message_size(MOST_BYTES)
            .max_encoding_message_size(MOST_BYTES);
        let answer = runtime.block_on(async {
            grpc.ready().await.map_err(|error| tonic::Status::unavailable(chain(&error)))?;
            grpc.unary(request, path, ProstCodec::<Q, A>::default()).await
        });
        match answer {
            Ok(answer) => {
                has_answered.store(true, Ordering::Relaxed);
                let answer = answer.into_inner();
                match answer.status().filter(|status| status.code != 0 || status.error_code != 0) {
                    Some(status) => judged(status),
                    None => Tried::Answer(answer),
                }
            }
            Err(error) => refused(&error),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // An ordinary drop would panic in the threads of a server.
            runtime.shutdown_background();
        }
    }
}

const NOT_NOW: &str = "check that Milvus runs at this address and is healthy, then run the command again; what was stored is safe";

const REMOVED: &str = "another process may have changed the library to another model: run the command again";

/// Waits, and makes the next pause longer.
fn wait_and_lengthen(pause: &mut Duration) {
    thread::sleep(*pause);
    *pause = (*pause * 2).min(LONGEST_PAUSE);
}

/// What an answer with an error means.
fn judged<A>(status: &Status) -> Tried<A> {
    let Status { error_code, reason, code, retriable } = status;
    let has = |words: &[&str]| words.iter().any(|word| reason.contains(word));
    if *code == NOT_FOUND
        || (*code == 0 && *error_code == OLD_NOT_EXISTS)
        || has(&["can't find collection", "alias not found"])
    {
        return Tried::NotFound;
    }
    if *code == NOT_LOADED || has(&["not loaded", "not fully loaded"]) {
        return Tried::Loading(reason.clone());
    }
    let is_not_ready = (1..FIRST_OF_COLLECTIONS).contains(code) || *retriable;
    if is_not_ready || has(&["node not match", "no available shard", "channel not available"]) {
        return Tried::NotNow(reason.clone());
    }
    Tried::No(format!("Milvus says: {reason}"), None)
}

/// What a failed call means.
fn refused<A>(error: &tonic::Status) -> Tried<A> {
    let said = if error.message().is_empty() { chain(error) } else { error.message().to_owned() };
    match error.code() {
        Code::Unauthenticated | Code::PermissionDenied => Tried::No(
            format!("Milvus refused the login: {said}"),
            Some("set `MILVUS_TOKEN` to `user:password` or to an API key"),
        ),
        Code::Unimplemented => Tried::No(
            format!("the server does not know the call: {said}"),
            Some("imgsearch needs Milvus 2.3 or newer"),
        ),
        Code::InvalidArgument | Code::OutOfRange | Code::FailedPrecondition => Tried::No(said, None),
        Code::Ok
        | Code::Cancelled
        | Code::Unknown
        | Code::DeadlineExceeded
        | Code::NotFound
        | Code::AlreadyExists
        | Code::ResourceExhausted
        | Code::Aborted
        | Code::Internal
        | Code::Unavailable
        | Code::DataLoss => Tried::NotNow(format!("no answer: {said}")),
    }
}

/// An error and its causes.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
