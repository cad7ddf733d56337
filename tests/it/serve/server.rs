//! A server on a free port, and a client for it.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::Duration;

use serde_json::Value;
use ureq::http::Response;
use ureq::{Agent, Body};

use crate::workspace::Workspace;

/// A server for a workspace's library. Dropping it stops the server.
pub(super) struct Server {
    process: Child,
    /// `127.0.0.1:PORT`.
    pub(super) address: String,
    /// The secret after `#token=` in the printed link.
    pub(super) secret: Option<String>,
    agent: Agent,
}

impl Server {
    /// Starts a server with additional `args`.
    #[track_caller]
    pub(super) fn start(workspace: &Workspace, args: &[&str]) -> Server {
        let mut process = workspace
            .process(&[&["serve", "-q", "--port", "0"], args].concat())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut link = String::new();
        BufReader::new(process.stdout.take().unwrap()).read_line(&mut link).unwrap();
        let link = link.trim_end();
        let (address, path) = link.split_once("://").unwrap().1.split_once('/').unwrap();
        let port = address.rsplit_once(':').unwrap().1;
        let config = Agent::config_builder().http_status_as_error(false).max_redirects(0).proxy(None);
        Server {
            process,
            address: format!("127.0.0.1:{port}"),
            secret: path.split_once("#token=").map(|(_, secret)| secret.to_owned()),
            agent: config.build().into(),
        }
    }

    pub(super) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Sends a `GET` request with these headers.
    #[track_caller]
    pub(super) fn get_with(&self, path: &str, headers: &[(&str, &str)]) -> Response<Body> {
        let request = self.agent.get(self.url(path));
        headers.iter().fold(request, |request, (name, value)| request.header(*name, *value)).call().unwrap()
    }

    #[track_caller]
    pub(super) fn get(&self, path: &str) -> Response<Body> {
        self.get_with(path, &[])
    }

    /// The JSON answer for a path, which must have this status.
    #[track_caller]
    pub(super) fn json(&self, path: &str, status: u16) -> Value {
        json(self.get(path), status)
    }

    /// Sends a `POST` request with a body of this type.
    #[track_caller]
    pub(super) fn post(&self, path: &str, kind: &str, body: &[u8]) -> Response<Body> {
        self.post_with(path, kind, body, &[])
    }

    /// The same, with these headers.
    #[track_caller]
    pub(super) fn post_with(
        &self,
        path: &str,
        kind: &str,
        body: &[u8],
        headers: &[(&str, &str)],
    ) -> Response<Body> {
        let request = self.agent.post(self.url(path)).header("Content-Type", kind);
        headers
            .iter()
            .fold(request, |request, (name, value)| request.header(*name, *value))
            .send(body)
            .unwrap()
    }

    /// Sends raw bytes, and returns all bytes until the connection ends.
    pub(super) fn raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(&self.address).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut answer = Vec::new();
        // The server may reset the connection after its answer if it has not read everything.
        _ = stream.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    pub(super) fn process(&mut self) -> &mut Child {
        &mut self.process
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

/// Checks that a server does not start, and that its error contains `why`.
#[track_caller]
pub(super) fn refused(workspace: &Workspace, args: &[&str], why: &str) {
    let mut command = workspace.imgsearch(&[&["serve"], args].concat());
    // A server that starts anyway must not block the tests.
    let output = command.timeout(Duration::from_secs(60)).assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains(why), "{stderr}");
}

/// The JSON of an answer, which must have this status. Errors must be problem details.
#[track_caller]
pub(super) fn json(mut response: Response<Body>, status: u16) -> Value {
    let kind = response.headers()["content-type"].to_str().unwrap().to_owned();
    let text = response.body_mut().read_to_string().unwrap();
    assert_eq!(response.status().as_u16(), status, "{text}");
    let expected = if status < 400 { "application/json" } else { "application/problem+json" };
    assert_eq!(kind, expected, "{text}");
    let json: Value = serde_json::from_str(&text).unwrap();
    if status >= 400 {
        assert_eq!(json["status"], status);
        assert!(json["title"].is_string() && json["type"] == "about:blank", "{json}");
    }
    json
}

#[track_caller]
pub(super) fn bytes(mut response: Response<Body>, status: u16) -> Vec<u8> {
    assert_eq!(response.status().as_u16(), status);
    response.body_mut().read_to_vec().unwrap()
}
