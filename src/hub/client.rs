//! HTTP: requests listings and files, retries if that may help, and otherwise returns precise errors.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::Duration;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use ureq::config::RedirectAuthHeaders;
use ureq::http::{Response, header};
use ureq::tls::{Certificate, RootCerts, TlsConfig};
use ureq::{Agent, Body, Proxy, ResponseExt};

use super::listing::{Listing, RemoteFile};
use super::{Access, Event, HubError, RepoId};

/// The maximum size of a page or listing. A listing with a thousand files has 0.2 MB, a package index's page of a package
/// with two thousand files 1 MB.
const LARGEST_PAGE: u64 = 32 << 20;

/// The characters of a path that must be encoded in a URL; slashes are kept.
const IN_A_PATH: &AsciiSet =
    &CONTROLS.add(b' ').add(b'"').add(b'#').add(b'%').add(b'<').add(b'>').add(b'?').add(b'`');

/// The pause after the first failed attempt. Each further pause is twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(500);

/// Longer pauses become an error that says how long to wait.
const LONGEST_PAUSE: Duration = Duration::from_secs(120);

/// A connection to Hugging Face, or to another server that serves files.
pub(crate) struct Client<'a> {
    agent: Agent,
    access: &'a Access,
    report: &'a dyn Fn(Event<'_>),
}

/// Why an attempt failed.
enum Failure {
    /// A further attempt would fail too.
    Final(HubError),
    /// A further attempt may succeed, after the pause that the server requests.
    Passing { error: HubError, pause: Option<Duration> },
}

/// The request, to explain a refusal.
struct Asked<'a> {
    /// The model, if it is about one.
    id: Option<&'a RepoId>,
    url: &'a str,
}

/// A page, as the server sent it.
pub(crate) struct Page {
    /// Its address, after redirects.
    pub(crate) url: String,
    /// The media type, in lower case and without parameters.
    pub(crate) kind: String,
    pub(crate) content: Vec<u8>,
}

impl<'a> Client<'a> {
    /// Makes a client without connecting yet.
    pub(crate) fn new(access: &'a Access, report: &'a dyn Fn(Event<'_>)) -> Result<Client<'a>, HubError> {
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .redirect_auth_headers(RedirectAuthHeaders::SameHost)
            // If the endpoint is https, never follow a redirect to http.
            .https_only(access.endpoint.starts_with("https://"))
            .proxy(proxy(access)?)
            .tls_config(TlsConfig::builder().root_certs(root_certificates()).build())
            .user_agent(concat!("imgsearch/", env!("CARGO_PKG_VERSION")))
            .timeout_connect(Some(access.timeout))
            .timeout_per_read(Some(access.timeout))
            .build();
        Ok(Client { agent: config.new_agent(), access, report })
    }

    /// The files of `id`.
    pub(super) fn listing(&self, id: &RepoId) -> Result<Listing, HubError> {
        let revision = id.revision.replace('/', "%2F");
        let url = format!("{}/api/models/{}/revision/{revision}?blobs=true", self.access.endpoint, id.repo);
        let page = self.read(&Asked { id: Some(id), url: &url }, "application/json")?;
        Listing::parse(&page.content, &id.repo, &url)
    }

    /// Appends the missing rest of `file` to `part`. The caller must check the bytes.
    ///
    /// `part` always belongs to this content, so the rest can be requested by position, without an ETag. If `part` was
    /// damaged, the digest will show it.
    pub(super) fn download(&self, id: &RepoId, file: &RemoteFile, part: &Path) -> Result<(), HubError> {
        let path = utf8_percent_encode(&file.path, IN_A_PATH);
        let url = format!("{}/{}/resolve/{}/{path}", self.access.endpoint, id.repo, id.revision);
        self.complete(&Asked { id: Some(id), url: &url }, file.size, part)
    }

    /// Reads a page in one of the formats that `accept` names, as the HTTP header does.
    pub(crate) fn page(&self, url: &str, accept: &str) -> Result<Page, HubError> {
        self.read(&Asked { id: None, url }, accept)
    }

    /// Appends the missing rest of a file of this size to `part`. The caller must check the bytes.
    pub(crate) fn fetch(&self, url: &str, size: u64, part: &Path) -> Result<(), HubError> {
        self.complete(&Asked { id: None, url }, size, part)
    }

    fn read(&self, asked: &Asked<'_>, accept: &str) -> Result<Page, HubError> {
        self.persist(&|| 0, &mut || {
            let response = self.get(asked, 0, accept)?;
            let url = response.get_uri().to_string();
            let kind = response.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
            let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim().to_lowercase();
            let mut content = Vec::new();
            let mut body = response.into_body().into_with_config().limit(LARGEST_PAGE).reader();
            body.read_to_end(&mut content).map_err(|error| asked.broke_off(&error))?;
            Ok(Page { url, kind, content })
        })
    }

    fn complete(&self, asked: &Asked<'_>, size: u64, part: &Path) -> Result<(), HubError> {
        let length = || part.metadata().map_or(0, |metadata| metadata.len());
        if length() > size {
            std::fs::remove_file(part).map_err(|source| HubError::Io { path: part.to_owned(), source })?;
        }
        self.persist(&length, &mut || match size - length().min(size) {
            0 if part.exists() => Ok(()),
            _ => self.append(asked, size, part),
        })
    }

    /// Makes one attempt to download the rest of a file.
    fn append(&self, asked: &Asked<'_>, size: u64, part: &Path) -> Result<(), Failure> {
        let unwritable = |source| Failure::Final(HubError::Io { path: part.to_owned(), source });
        let mut out = OpenOptions::new().create(true).append(true).open(part).map_err(unwritable)?;
        let have = out.metadata().map_err(unwritable)?.len();
        let response = self.get(asked, have, "*/*")?;
        let goes_on = response.status() == 206 && starts_at(&response, have);
        if have > 0 && !goes_on {
            out.set_len(0).map_err(unwritable)?; // The server sends the file from the start.
            (self.report)(Event::Restarted { bytes: have });
        }
        let wanted = size - if goes_on { have } else { 0 };
        let mut body = response.into_body().into_reader().take(wanted);
        let received = self.copy(&mut body, &mut out, asked, &unwritable)?;
        if received < wanted {
            return Err(asked.broke_off(&io::ErrorKind::UnexpectedEof.into()));
        }
        out.sync_all().map_err(unwritable)
    }

    fn copy(
        &self,
        body: &mut dyn Read,
        out: &mut File,
        asked: &Asked<'_>,
        unwritable: &dyn Fn(io::Error) -> Failure,
    ) -> Result<u64, Failure> {
        let (mut buffer, mut received) = (vec![0; 1 << 16], 0);
        loop {
            let read = body.read(&mut buffer).map_err(|error| asked.broke_off(&error))?;
            if read == 0 {
                return Ok(received);
            }
            out.write_all(&buffer[..read]).map_err(unwritable)?;
            received += read as u64;
            (self.report)(Event::Received { bytes: read as u64 });
        }
    }

    /// Sends one request and returns a successful response.
    fn get(&self, asked: &Asked<'_>, from: u64, accept: &str) -> Result<Response<Body>, Failure> {
        let mut request = self.agent.get(asked.url).header(header::ACCEPT, accept);
        if let Some(token) = &self.access.token {
            request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
        }
        if from > 0 {
            request = request.header(header::RANGE, format!("bytes={from}-"));
        }
        let response = request.call().map_err(|error| asked.unreachable(&error))?;
        match response.status().as_u16() {
            200 | 206 => Ok(response),
            status => Err(asked.refused(status, &response, self.access)),
        }
    }

    /// Tries until it succeeds, fails for good, or fails too often in a row without `progress`.
    fn persist<T>(
        &self,
        progress: &dyn Fn() -> u64,
        attempt: &mut dyn FnMut() -> Result<T, Failure>,
    ) -> Result<T, HubError> {
        let (mut failures, mut furthest) = (0, progress());
        loop {
            let (error, pause) = match attempt() {
                Ok(result) => return Ok(result),
                Err(Failure::Final(error)) => return Err(error),
                Err(Failure::Passing { error, pause }) => (error, pause),
            };
            if progress() > furthest {
                (failures, furthest) = (0, progress());
            }
            let pause =
                pause.unwrap_or_else(|| (FIRST_PAUSE * 2u32.saturating_pow(failures)).min(LONGEST_PAUSE));
            failures += 1;
            if failures > self.access.retries || pause > LONGEST_PAUSE {
                return Err(error);
            }
            (self.report)(Event::Retrying { error: &error, pause });
            std::thread::sleep(pause);
        }
    }
}

impl Asked<'_> {
    /// The failure if there is no response.
    fn unreachable(&self, error: &ureq::Error) -> Failure {
        let is_final = matches!(
            error,
            ureq::Error::BadUri(_)
                | ureq::Error::Http(_)
                | ureq::Error::RequireHttpsOnly(_)
                | ureq::Error::TooManyRedirects
        );
        let error = HubError::Unreachable { url: self.url.to_owned(), detail: error.to_string() };
        if is_final { Failure::Final(error) } else { Failure::Passing { error, pause: None } }
    }

    /// The failure if a response ends early.
    fn broke_off(&self, error: &io::Error) -> Failure {
        let was_cut = error.kind() == io::ErrorKind::UnexpectedEof;
        let detail = if was_cut { "the connection was cut".to_owned() } else { error.to_string() };
        Failure::Passing { error: HubError::Unreachable { url: self.url.to_owned(), detail }, pause: None }
    }

    /// The failure if the server refuses. Hugging Face gives the reason in its own header.
    fn refused(&self, status: u16, response: &Response<Body>, access: &Access) -> Failure {
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok());
        let (endpoint, url) = (access.endpoint.clone(), self.url.to_owned());
        let repo = |id: &RepoId| id.repo.clone();
        let error = match (status, header("x-error-code"), self.id) {
            (_, Some("GatedRepo"), Some(id)) => {
                HubError::Gated { page: format!("{endpoint}/{}", id.repo), repo: repo(id) }
            }
            (404, Some("RevisionNotFound"), Some(id)) => {
                HubError::NoRevision { repo: repo(id), revision: id.revision.clone() }
            }
            (404, Some("EntryNotFound"), _) => HubError::Status { url, status },
            (404, _, Some(id)) => HubError::NoRepo { repo: repo(id), endpoint },
            (401, _, Some(id)) if access.token.is_none() => HubError::NoRepo { repo: repo(id), endpoint },
            (401 | 403, _, Some(id)) => HubError::Denied { repo: repo(id), endpoint, status },
            (429, ..) => {
                let pause = header("retry-after").and_then(|text| text.parse().ok()).map(Duration::from_secs);
                return Failure::Passing { error: HubError::Busy { url, wait: pause }, pause };
            }
            (408 | 500.., ..) => {
                return Failure::Passing { error: HubError::Status { url, status }, pause: None };
            }
            _ => HubError::Status { url, status },
        };
        Failure::Final(error)
    }
}

/// Whether a partial response starts at byte `from`.
fn starts_at(response: &Response<Body>, from: u64) -> bool {
    let range = response.headers().get(header::CONTENT_RANGE).and_then(|value| value.to_str().ok());
    range.and_then(|range| range.strip_prefix("bytes ")?.split_once('-')?.0.parse().ok()) == Some(from)
}

/// The certificates that this machine trusts, among them those of a company's proxy; the ones built in if it has none.
fn root_certificates() -> RootCerts {
    let found = rustls_native_certs::load_native_certs().certs;
    if found.is_empty() {
        return RootCerts::WebPki;
    }
    let found = found.iter().map(|certificate| Certificate::from_der(certificate).to_owned());
    RootCerts::new_with_certs(&found.collect::<Vec<_>>())
}

fn proxy(access: &Access) -> Result<Option<Proxy>, HubError> {
    let Some(url) = &access.proxy else { return Ok(None) };
    let wrong = |error: ureq::Error| HubError::Setting {
        what: "the proxy",
        value: url.clone(),
        detail: error.to_string(),
    };
    let parsed = Proxy::new(url).map_err(wrong)?;
    let mut proxy = Proxy::builder(parsed.protocol())
        .host(parsed.host())
        .port(parsed.port())
        .resolve_target(parsed.resolve_target());
    if let Some(user) = parsed.username() {
        proxy = proxy.username(user).password(parsed.password().unwrap_or_default());
    }
    for host in &access.no_proxy {
        proxy = proxy.no_proxy(host);
    }
    proxy.build().map(Some).map_err(wrong)
}
