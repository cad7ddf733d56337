//! Names and metadata with invisible characters, or with characters that change how others are shown. They are escaped for
//! people, and unchanged for programs.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::terminal::on_terminal;
use crate::workspace::Workspace;

const FORMATS: [&str; 6] = ["text", "paths", "jsonl", "json", "csv", "tsv"];

/// A line feed, a tab, colours, a direction override, a zero-width character, a paragraph separator, and bytes that are not
/// UTF-8.
const NAMES: [&[u8]; 3] = [
    b"=1\t2\nhint: run rm -rf\x1b[31m\\\xff.jpg",
    "rtl\u{202e}gpj.exe\u{2066}.jpg".as_bytes(),
    "zero\u{200b}width\u{feff}\u{2029}\u{9b}2J.jpg".as_bytes(),
];
const CAMERA: &str = "Can\u{202e}non\u{200b} \u{2067}5D";
/// What is stored of it.
const CLEAN_CAMERA: &str = "Cannon 5D";

fn hostile(workspace: &Workspace) -> Vec<PathBuf> {
    NAMES.map(|name| workspace.photos().join(Path::new(std::ffi::OsStr::from_bytes(name)))).to_vec()
}

/// A library of three photos with such names and cameras, in a folder with such a name.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for (path, seed) in hostile(&workspace).iter().zip(1..) {
        workspace.photo_with(path, seed, &[(exif::Tag::Model, CAMERA)]);
    }
    workspace.index(&[], 0);
    workspace
}

/// Whether this character is invisible or changes how others are shown. Line feeds and tabs are allowed.
fn is_unseen(c: char) -> bool {
    let is_control = c.is_control() && !"\n\t".contains(c);
    is_control
        || "\u{200b}\u{feff}\u{2028}\u{2029}".contains(c)
        || ('\u{202a}'..='\u{202e}').contains(&c)
        || ('\u{2066}'..='\u{2069}').contains(&c)
}

#[track_caller]
fn check_seen(what: &str, text: &[u8]) -> String {
    let text = str::from_utf8(text).map_err(|_| format!("{what} is not UTF-8")).unwrap();
    assert!(!text.contains(is_unseen), "{what}: {text:?}");
    text.to_owned()
}

fn stdout(workspace: &Workspace, args: &[&str]) -> Vec<u8> {
    workspace.imgsearch(args).assert().success().get_output().stdout.clone()
}

#[test]
fn names_for_people_are_escaped_in_a_pipe_too() {
    let workspace = indexed();
    let query = ["query", "x", "--fields", "path,camera"];
    let text = check_seen("text", &stdout(&workspace, &query));
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 3, "one line per photo: {text}");
    for name in ["=1\\t2\\nhint: run rm -rf\\u{1b}[31m\\\\xff.jpg", "rtl\\u{202e}gpj.exe\\u{2066}.jpg"] {
        let ending = format!("{name}\t{CLEAN_CAMERA}");
        assert!(lines.iter().any(|line| line.ends_with(&ending)), "{name} in {text}");
    }
    for format in ["json", "jsonl"] {
        check_seen(format, &stdout(&workspace, &["query", "x", "--format", format]));
    }
}

#[test]
fn programs_get_names_unchanged() {
    let workspace = indexed();
    let mut expected: Vec<Vec<u8>> =
        hostile(&workspace).iter().map(|path| path.as_os_str().as_bytes().to_vec()).collect();
    expected.sort();
    let sorted = |mut paths: Vec<Vec<u8>>| {
        paths.sort();
        paths
    };
    let nul = stdout(&workspace, &["query", "x", "-0"]);
    assert_eq!(
        sorted(nul.split(|b| *b == 0).filter(|p| !p.is_empty()).map(<[u8]>::to_vec).collect()),
        expected
    );
    // Without -0, a line feed in a name is also one in the list.
    let mut lines = stdout(&workspace, &["query", "x", "--format", "paths", "--sort", "path"]);
    assert_eq!(lines.pop(), Some(b'\n'));
    assert_eq!(lines, expected.join(&b'\n'));
    let args = ["query", "x", "--fields", "path,camera", "--format"];
    let csv = stdout(&workspace, &[&args[..], &["csv"]].concat());
    let records: Vec<_> =
        csv::Reader::from_reader(&csv[..]).into_byte_records().map(Result::unwrap).collect();
    assert_eq!(sorted(records.iter().map(|record| record[0].to_vec()).collect()), expected);
    assert!(records.iter().all(|record| record[1] == *CLEAN_CAMERA.as_bytes()));
    let tsv = stdout(&workspace, &[&args[..], &["tsv"]].concat());
    assert_eq!(tsv.iter().filter(|byte| **byte == b'\n').count(), 4);
    assert!(String::from_utf8_lossy(&tsv).contains("rtl\u{202e}gpj"));
    let jsonl = stdout(&workspace, &[&args[..], &["jsonl"]].concat());
    let lines = jsonl.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let objects: Vec<Value> = lines.map(|line| serde_json::from_slice(line).unwrap()).collect();
    assert!(objects.iter().all(|object| object["camera"] == CLEAN_CAMERA), "{objects:?}");
}

#[test]
fn names_are_escaped_on_a_terminal_in_every_format() {
    let workspace = indexed();
    for format in FORMATS {
        let args = ["query", "x", "--color", "never", "--format", format];
        let mut command = workspace.process(&args);
        command.env("TERM", "xterm-256color");
        let (code, shown) = on_terminal(command);
        assert_eq!(code, 0, "{shown}");
        check_seen(format, shown.as_bytes());
        // JSON has its own notation, and tsv another one for line feeds.
        assert!(shown.contains("202e"), "{format}: {shown:?}");
    }
}

#[test]
fn other_commands_and_all_messages_escape_names_too() {
    let workspace = indexed();
    let hostile = hostile(&workspace);
    let words = workspace.root().join("words\u{202e}.txt");
    fs::write(&words, "a \u{202e}dog\na cat\u{200b}\n").unwrap();
    let words = words.to_str().unwrap();
    let photo = hostile[1].to_str().unwrap();
    fs::copy(&hostile[1], workspace.photos().join("copy\u{202e}.jpg")).unwrap();
    fs::write(workspace.photos().join("broken\u{202e}\n.png"), "no picture").unwrap();
    let check = |args: &[&str], code: i32, shows: &str| {
        let output = workspace.imgsearch(args).assert().code(code).get_output().clone();
        let said = check_seen("stdout", &output.stdout) + &check_seen("stderr", &output.stderr);
        assert!(said.contains(shows), "{shows} in {said}");
    };
    let photos = workspace.photos();
    let photos = photos.to_str().unwrap();
    check(&["index", "-v", photos], 2, "broken\\u{202e}\\n.png");
    check(&["index", "/nowhere\u{202e}", photos], 2, "/nowhere\\u{202e}");
    check(&["status", "--skipped"], 0, "broken\\u{202e}\\n.png");
    check(&["duplicates"], 0, "copy\\u{202e}.jpg");
    check(&["tags", "--vocabulary", words, "--min-probability", "0"], 0, "a \\u{202e}dog");
    check(&["classify", photo, "--labels-file", words], 0, "rtl\\u{202e}gpj.exe");
    check(&["similar", "/no\n\u{202e}picture.jpg"], 2, "/no\\n\\u{202e}picture.jpg");
    check(&["query", "--queries", "/no\u{202e}file"], 2, "/no\\u{202e}file");
    check(&["query", "x", "--model", "./no\u{202e}model"], 2, "/no\\u{202e}model");
    let library = workspace.root().join("other\u{202e}\nlibrary");
    let library = library.to_str().unwrap();
    check(&["index", "--library", library, photos], 2, "embedded");
    check(&["status", "--library", library], 0, "other\\u{202e}\\nlibrary");
    check(&["status", "--library", library, "--json"], 0, "other\\u202e\\nlibrary");
    check(&["doctor", "--library", library], 0, "other\\u{202e}\\nlibrary");
    check(&["query", "--no\u{202e}option"], 2, "--no\\u{202e}option");
    check(&["query", "x", "--type", "no\u{200b}type"], 2, "no\\u{200b}type");
    let page = workspace.root().join("page.html");
    check(&["query", "x \u{202e}y", "--no-collapse", "--html", page.to_str().unwrap()], 0, "");
    let html = fs::read(&page).unwrap();
    let html = check_seen("page", &html);
    assert!(html.contains("rtl\\u{202e}gpj.exe\\u{2066}.jpg") && html.contains("x \\u{202e}y"), "{html}");
}
