//! Checks the host name and the origin of requests.
//!
//! A malicious web page can point its own host name to this machine (DNS rebinding), and could then read our answers in
//! the browser. Such requests have a foreign name in the `Host` header.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::uri::Authority;
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::App;
use super::problem::Problem;

/// The names and addresses of this server.
#[derive(Clone, Debug)]
pub(crate) struct Hosts {
    /// The names, in lower case.
    names: Vec<String>,
    /// The addresses of the listeners.
    addresses: Vec<IpAddr>,
}

impl Hosts {
    /// For a server that listens at `addresses`, on the machine with this name.
    pub(crate) fn new(addresses: Vec<IpAddr>, machine: Option<&str>, others: &[String]) -> Hosts {
        let mut names = vec!["localhost".to_owned()];
        if let Some(machine) = machine {
            let first = machine.split('.').next().unwrap_or(machine);
            names.extend([machine.to_owned(), format!("{first}.local")]);
        }
        names.extend_from_slice(others);
        let names = names.iter().map(|name| name.trim_end_matches('.').to_lowercase()).collect();
        Hosts { names, addresses }
    }

    /// Whether this server answers to this name. If it listens at all addresses of the machine, any address is fine:
    /// rebinding needs a name.
    fn admits(&self, host: &str) -> bool {
        let host = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
        match host.parse::<IpAddr>() {
            Ok(address) => {
                address.is_loopback()
                    || self.addresses.contains(&address)
                    || self.addresses.iter().any(IpAddr::is_unspecified)
            }
            Err(_) => {
                let host = host.trim_end_matches('.').to_lowercase();
                self.names.contains(&host)
            }
        }
    }
}

/// Rejects requests for other names (421) and from pages of other servers (403).
pub(crate) async fn guard(State(app): State<App>, request: Request, next: Next) -> Response {
    let Some(host) = host_of(&request) else {
        return Problem::bad_request("the request does not say which host it is for").into_response();
    };
    if !app.hosts.admits(host.host()) {
        let problem = Problem::new(StatusCode::MISDIRECTED_REQUEST);
        let problem = problem.detail(format!("this server does not answer to the name `{}`", host.host()));
        let hint = "to allow this name, start the server with `--host-name`";
        return problem.hint(Some(hint.to_owned())).into_response();
    }
    if !is_own_page(request.headers(), &host) {
        let problem = Problem::new(StatusCode::FORBIDDEN);
        return problem.detail("pages of other servers may not send requests to this one").into_response();
    }
    next.run(request).await
}

fn host_of(request: &Request) -> Option<Authority> {
    if let Some(authority) = request.uri().authority() {
        return Some(authority.clone());
    }
    let mut hosts = request.headers().get_all(header::HOST).iter();
    let host = hosts.next()?.to_str().ok()?.parse().ok()?;
    hosts.next().is_none().then_some(host)
}

/// Whether the `Origin` header, if there is one, names this server.
fn is_own_page(headers: &HeaderMap, host: &Authority) -> bool {
    headers.get_all(header::ORIGIN).iter().all(|origin| {
        let behind = origin.to_str().ok().and_then(|origin| origin.split_once("://"));
        behind.is_some_and(|(_, authority)| authority.eq_ignore_ascii_case(host.as_str()))
    })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn only_own_host_names_are_accepted() {
        #[track_caller]
        fn check(addresses: &[&str], host: &str, expected: bool) {
            let addresses = addresses.iter().map(|address| address.parse().unwrap()).collect();
            let hosts = Hosts::new(addresses, Some("Nas.lan"), &["photos.example.org".into()]);
            assert_eq!(hosts.admits(host), expected, "{host}");
        }
        let (here, all) = (&["127.0.0.1", "::1"], &["0.0.0.0"]);
        for host in
            ["localhost", "LOCALHOST.", "127.0.0.1", "[::1]", "nas.lan", "nas.local", "photos.example.org"]
        {
            check(here, host, true);
            check(all, host, true);
        }
        for host in
            ["evil.example", "localhost.evil.example", "nas", "", "127.0.0.1.evil.example", "example.org"]
        {
            check(here, host, false);
            check(all, host, false);
        }
        check(here, "192.168.1.5", false);
        check(all, "192.168.1.5", true);
        check(&["192.168.1.5"], "192.168.1.5", true);
        check(&["192.168.1.5"], "192.168.1.6", false);
    }

    #[test]
    fn foreign_pages_are_recognized_by_their_origin() {
        #[track_caller]
        fn check(origin: Option<&'static str>, expected: bool) {
            let mut headers = HeaderMap::new();
            headers.extend(origin.map(|origin| (header::ORIGIN, HeaderValue::from_static(origin))));
            assert_eq!(is_own_page(&headers, &"nas.local:7878".parse().unwrap()), expected, "{origin:?}");
        }
        check(None, true);
        check(Some("http://nas.local:7878"), true);
        check(Some("https://NAS.local:7878"), true);
        check(Some("http://nas.local"), false);
        check(Some("http://evil.example"), false);
        check(Some("null"), false);
        check(Some(""), false);
    }
}
