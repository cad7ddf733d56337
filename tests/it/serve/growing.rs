//! A server during an index run, and how it ends.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use super::api::{indexed, photos};
use super::server::{Server, refused};
use crate::workspace::Workspace;

/// A check that takes longer has failed.
const LONG: Duration = Duration::from_secs(60);

/// Repeats a request until the answer is right.
#[track_caller]
pub(super) fn until(mut is_right: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_right() {
        assert!(start.elapsed() < LONG, "it never came");
        std::thread::sleep(Duration::from_millis(100));
    }
}

#[test]
fn newly_indexed_photos_are_found() {
    let workspace = Workspace::new();
    let server = Server::start(&workspace, &[]);
    let count = || photos(&server.json("/api/v1/search?q=a+photo&n=100", 200)).len();
    assert_eq!(count(), 0);
    for photos in 1..3 {
        workspace.photo(&format!("{photos}.png"), u32::try_from(photos).unwrap());
        workspace.index(&[], 0);
        until(|| count() == photos);
    }
    assert_eq!(server.json("/api/v1/timeline", 200)["ids"].as_array().unwrap().len(), 2);
    assert_eq!(server.json("/api/v1/status", 200)["images"], 2);
}

#[test]
fn folders_are_kept_indexed() {
    let workspace = Workspace::new();
    workspace.photo("before.png", 1);
    let photos_folder = workspace.photos();
    let server = Server::start(&workspace, &[photos_folder.to_str().unwrap()]);
    let names = || {
        let found = server.json("/api/v1/search?q=a+photo&n=100", 200);
        let mut paths: Vec<_> =
            photos(&found).iter().map(|photo| photo["path"].as_str().unwrap().to_owned()).collect();
        paths.sort();
        paths.into_iter().map(|path| path.rsplit('/').next().unwrap().to_owned()).collect::<Vec<_>>()
    };
    until(|| names() == ["before.png"]);
    let added = workspace.photo("new/added.png", 2);
    until(|| names() == ["before.png", "added.png"]);
    std::fs::remove_file(added).unwrap();
    until(|| names() == ["before.png"]);
    refused(&workspace, &["--read-only", photos_folder.to_str().unwrap()], "cannot be used with");
    refused(&workspace, &["--port", "0", "no such folder"], "cannot index");
}

#[cfg(unix)]
#[test]
fn the_index_of_another_model_replaces_the_old_one() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let before = server.json("/api/v1/search?q=a+photo&n=100", 200);
    assert_eq!(photos(&before).len(), 7);
    let model = workspace.other_model();
    workspace.index(&["--model", model.to_str().unwrap()], 0);
    until(|| server.json("/api/v1/status", 200)["model"] == "other");
    let after = server.json("/api/v1/search?q=a+photo&n=100", 200);
    assert_eq!(photos(&after).len(), 7);
    assert_ne!(after, before);
}

#[test]
fn a_cursor_stays_right_while_the_library_grows() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let page = |cursor: &str| server.json(&format!("/api/v1/search?q=a+photo&n=3{cursor}"), 200);
    let path = |photo: &serde_json::Value| photo["path"].as_str().unwrap().to_owned();
    let first = page("");
    let mut seen: Vec<_> = photos(&first).iter().map(path).collect();
    let all = server.json("/api/v1/search?q=a+photo&n=100", 200);
    let old: Vec<_> = photos(&all).iter().map(path).collect();
    for seed in 20..40 {
        workspace.photo(&format!("new/{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    until(|| photos(&server.json("/api/v1/search?q=a+photo&n=100", 200)).len() == 27);
    let mut next = first["next"].as_str().map(str::to_owned);
    while let Some(cursor) = next {
        let page = page(&format!("&cursor={cursor}"));
        seen.extend(photos(&page).iter().map(path));
        next = page["next"].as_str().map(str::to_owned);
    }
    let unique: std::collections::HashSet<_> = seen.iter().collect();
    assert_eq!(unique.len(), seen.len(), "none comes twice");
    assert!(old.iter().all(|path| seen.contains(path)), "none is missed");
}

/// Connects to the stream of events, and reads its lines.
fn events(server: &Server) -> impl Iterator<Item = String> + use<> {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    stream.set_read_timeout(Some(LONG)).unwrap();
    write!(stream, "GET /api/v1/events HTTP/1.1\r\nHost: {}\r\n\r\n", server.address).unwrap();
    BufReader::new(stream).lines().map_while(Result::ok)
}

#[test]
fn clients_receive_events_about_changes() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let mut lines = events(&server).filter(|line| line.starts_with("event:") || line.starts_with("data:"));
    let mut next = || (lines.next().unwrap(), lines.next().unwrap());
    let (name, first) = next();
    assert_eq!(name, "event: changed");
    workspace.photo("new.png", 50);
    workspace.index(&[], 0);
    let (name, second) = next();
    assert_eq!(name, "event: changed");
    assert_ne!(first, second);
}

#[cfg(unix)]
#[test]
fn a_signal_ends_the_server_cleanly_with_an_open_event_stream() {
    for signal in ["TERM", "INT"] {
        let workspace = indexed();
        let mut server = Server::start(&workspace, &[]);
        let mut lines = events(&server);
        assert!(lines.any(|line| line == "event: changed"));
        let process = server.process().id().to_string();
        let sent = std::process::Command::new("kill").args(["-s", signal, &process]).status().unwrap();
        assert!(sent.success());
        until(|| server.process().try_wait().unwrap().is_some());
        assert_eq!(server.process().try_wait().unwrap().unwrap().code(), Some(0), "{signal}");
        // The last chunk of an answer is empty.
        assert!(lines.any(|line| line == "0"), "what was begun is ended");
    }
}

/// The server looks for changes now and then, which takes as long as the disk does.
#[test]
#[cfg(unix)]
fn a_signal_ends_an_event_stream_also_while_the_library_does_not_answer() {
    let workspace = indexed();
    let mut server = Server::start(&workspace, &[]);
    let mut lines = events(&server);
    assert!(lines.any(|line| line == "event: changed"));
    // Reading it waits for ever.
    let layout = workspace.root().join("library").join("library.json");
    let pipe = layout.with_extension("pipe");
    assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    std::fs::rename(&pipe, &layout).unwrap();
    std::thread::sleep(Duration::from_secs(4));
    let process = server.process().id().to_string();
    assert!(std::process::Command::new("kill").args(["-s", "TERM", &process]).status().unwrap().success());
    assert!(lines.any(|line| line == "0"), "what was begun is ended");
    until(|| server.process().try_wait().unwrap().is_some());
}

#[test]
fn a_taken_port_is_reported() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let port = server.address.rsplit_once(':').unwrap().1;
    refused(&workspace, &["--port", port], "is taken");
}
