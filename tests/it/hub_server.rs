//! A local server that plays Hugging Face, with the failures that a test needs.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

use serde_json::{Value, json};
use sha2::Digest as _;

/// A revision's commit.
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// A request.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) path: String,
    /// The headers by lower-case name.
    pub(crate) headers: HashMap<String, String>,
    /// How often this path was requested before.
    pub(crate) before: usize,
}

/// A response.
#[derive(Clone, Debug)]
pub(crate) struct Response {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
    /// Send only this many bytes of the body...
    pub(crate) cut: Option<usize>,
    /// ...and then wait before closing the connection.
    pub(crate) stall: Duration,
}

/// The server, which listens until the tests end.
pub(crate) struct Server {
    pub(crate) port: u16,
    log: Arc<Mutex<Vec<Request>>>,
}

/// The files of one model, by path.
#[derive(Clone)]
pub(crate) struct Repo(pub(crate) Vec<(&'static str, Vec<u8>)>);

impl Response {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Response {
        Response { status, headers: Vec::new(), body: body.into(), cut: None, stall: Duration::ZERO }
    }

    pub(crate) fn with(mut self, name: &str, value: &str) -> Response {
        self.headers.push((name.to_owned(), value.to_owned()));
        self
    }

    fn send(&self, stream: &mut TcpStream) -> std::io::Result<()> {
        let mut head = format!("HTTP/1.1 {} x\r\ncontent-length: {}\r\n", self.status, self.body.len());
        for (name, value) in &self.headers {
            head += &format!("{name}: {value}\r\n");
        }
        stream.write_all(format!("{head}connection: close\r\n\r\n").as_bytes())?;
        stream.write_all(&self.body[..self.cut.unwrap_or(self.body.len())])?;
        stream.flush()?;
        thread::sleep(self.stall);
        Ok(())
    }
}

impl Server {
    pub(crate) fn start(answer: impl Fn(&Request) -> Response + Send + Sync + 'static) -> Server {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let log = Arc::new(Mutex::new(Vec::new()));
        let (answer, noted) = (Arc::new(answer), Arc::clone(&log));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (answer, noted) = (Arc::clone(&answer), Arc::clone(&noted));
                thread::spawn(move || serve(stream, &noted, &*answer));
            }
        });
        Server { port, log }
    }

    /// A server without failures.
    pub(crate) fn of(repo: Repo) -> Server {
        Server::start(move |request| repo.answer(request))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// All requests so far.
    pub(crate) fn log(&self) -> Vec<Request> {
        self.log.lock().unwrap().clone()
    }

    /// The requests for paths that end like this.
    pub(crate) fn asked(&self, ending: &str) -> Vec<Request> {
        self.log().into_iter().filter(|request| request.path.ends_with(ending)).collect()
    }
}

/// Answers one request; after a `CONNECT` to a proxy, the one that follows.
fn serve(mut stream: TcpStream, log: &Mutex<Vec<Request>>, answer: &dyn Fn(&Request) -> Response) {
    let mut reader = BufReader::new(stream.try_clone().unwrap());
    while let Some((method, path, headers)) = read_request(&mut reader) {
        if method == "CONNECT" {
            stream.write_all(b"HTTP/1.1 200 x\r\n\r\n").unwrap();
            continue;
        }
        let mut log = log.lock().unwrap();
        let before = log.iter().filter(|request| request.path == path).count();
        let request = Request { path, headers, before };
        log.push(request.clone());
        drop(log);
        // Some tests have clients that disconnect early.
        _ = answer(&request).send(&mut stream);
        return;
    }
}

fn read_request(reader: &mut impl BufRead) -> Option<(String, String, HashMap<String, String>)> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line).ok()? == 0 {
            return None;
        }
        if line.trim().is_empty() {
            break;
        }
        lines.push(line.trim().to_owned());
    }
    let mut first = lines.first()?.split(' ').map(str::to_owned);
    let headers = lines[1..].iter().filter_map(|line| line.split_once(": "));
    let headers = headers.map(|(name, value)| (name.to_lowercase(), value.to_owned())).collect();
    Some((first.next()?, first.next()?, headers))
}

impl Repo {
    /// A model in imgsearch's own layout with meaningless towers, and some unneeded files.
    pub(crate) fn small() -> Repo {
        let noise =
            |seed: u32| (0..200_000_u32).map(|i| (i.wrapping_mul(seed) >> 7).to_le_bytes()[0]).collect();
        let (image, text): (Vec<u8>, Vec<u8>) = (noise(2_654_435_761), noise(40_503));
        let config = json!({
            "format": 1, "name": "small", "embed_dim": 4,
            "image": {"file": "image.onnx", "image_size": [8, 8], "resize_mode": "squash",
                      "interpolation": "bicubic", "mean": [0, 0, 0], "std": [1, 1, 1]},
            "text": {"file": "text.onnx", "tokenizer": "tokenizer.json", "context_length": 64, "pad_id": 0},
            "sha256": {"image.onnx": sha256(&image), "text.onnx": sha256(&text)},
        });
        Repo(vec![
            ("README.md", b"not needed".to_vec()),
            ("image.onnx", image),
            ("model.json", serde_json::to_vec(&config).unwrap()),
            ("model.safetensors", b"not needed".to_vec()),
            ("text.onnx", text),
            ("tokenizer.json", b"{}".to_vec()),
            ("visual/model.armnn", b"not needed".to_vec()),
        ])
    }

    /// A model with all files in a folder.
    pub(crate) fn of_folder(folder: &Path) -> Repo {
        let files = walkdir::WalkDir::new(folder).into_iter().map(Result::unwrap);
        let files = files.filter(|file| file.file_type().is_file()).map(|file| {
            let path = file.path().strip_prefix(folder).unwrap().to_str().unwrap().replace('\\', "/");
            (&*path.leak(), std::fs::read(file.path()).unwrap())
        });
        Repo(files.collect())
    }

    /// Serves the listing and the files with ranges, like Hugging Face.
    pub(crate) fn answer(&self, request: &Request) -> Response {
        let path = request.path.as_str();
        if path.starts_with("/api/models/acme/small/revision/") {
            return Response::new(200, self.listing().to_string());
        }
        let file = path.strip_prefix(&format!("/acme/small/resolve/{COMMIT}/"));
        let found = file.and_then(|file| self.0.iter().find(|(path, _)| *path == file));
        let Some((_, content)) = found else { return Response::new(404, "") };
        let range =
            request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let Some(from) = range.map(|from| from.parse::<usize>().unwrap()) else {
            return Response::new(200, content.as_slice());
        };
        let last = content.len() - 1;
        Response::new(206, &content[from..])
            .with("content-range", &format!("bytes {from}-{last}/{}", content.len()))
    }

    /// The listing. Large files are LFS files with a SHA-256, small ones have their Git digest.
    pub(crate) fn listing(&self) -> Value {
        let siblings = self.0.iter().map(|(path, content)| {
            let mut sibling = json!({"rfilename": path, "size": content.len(), "blobId": git_blob(content)});
            if content.len() > 100_000 {
                sibling["lfs"] =
                    json!({"sha256": sha256(content), "size": content.len(), "pointerSize": 134});
            }
            sibling
        });
        json!({"sha": COMMIT, "siblings": siblings.collect::<Vec<_>>()})
    }

    pub(crate) fn content(&self, path: &str) -> &[u8] {
        &self.0.iter().find(|(name, _)| *name == path).unwrap().1
    }
}

pub(crate) fn sha256(content: &[u8]) -> String {
    hex(&sha2::Sha256::digest(content))
}

pub(crate) fn git_blob(content: &[u8]) -> String {
    let mut hasher = sha1::Sha1::new_with_prefix(format!("blob {}\0", content.len()));
    hasher.update(content);
    hex(&hasher.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
