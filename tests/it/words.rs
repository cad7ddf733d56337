//! Asking for words that stand in pictures and beside them: conditions, lists without a query, typing errors, reasons, and
//! how words lift photos.

use std::fs;
use std::path::Path;

use imgsearch::Library;
use imgsearch::item::Item;
use imgsearch::library::Write;
use imgsearch::photo::{Line, Text};
use serde_json::Value;

use crate::terminal::on_terminal;
use crate::workspace::Workspace;

/// Notes in the library that these lines were read in a picture, as the reading pass does.
pub(crate) fn note_text(workspace: &Workspace, name: &str, lines: &[&str]) {
    let library = Library::new(workspace.root().join("library"));
    let view = library.view().unwrap();
    let item = Item::file(workspace.photos().canonicalize().unwrap().join(name));
    let stored = view.get(&item).unwrap().unwrap();
    let line = |text: &&str| Line {
        text: (*text).to_owned(),
        confidence: 99,
        corners: [[0, 0], [9, 0], [9, 9], [0, 9]],
    };
    let photo = stored.photo.unwrap().with_text(Text::new(lines.iter().map(line), 1));
    let opened = library.lock().unwrap().open(view.space()).unwrap();
    let put = Write::Put { item, content: stored.content, photo, vector: stored.vector };
    opened.sink.apply(vec![put]).unwrap();
    opened.sink.close().unwrap();
}

/// Writes a sidecar with a title, a keyword and a person.
fn sidecar(workspace: &Workspace, name: &str, title: &str, keyword: &str, person: &str) {
    let packet = format!(
        r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
        <rdf:Description xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:ext="http://iptc.org/std/Iptc4xmpExt/2008-02-29/">
        <dc:title><rdf:Alt><rdf:li xml:lang="x-default">{title}</rdf:li></rdf:Alt></dc:title>
        <dc:subject><rdf:Bag><rdf:li>{keyword}</rdf:li></rdf:Bag></dc:subject>
        <ext:PersonInImage><rdf:Bag><rdf:li>{person}</rdf:li></rdf:Bag></ext:PersonInImage>
        </rdf:Description></rdf:RDF></x:xmpmeta>"#
    );
    fs::write(workspace.photos().join(format!("{name}.xmp")), packet).unwrap();
}

/// Five photos, the newest first: a letter, a receipt, a beach with a sidecar, a wedding by its folder, and one without
/// any words.
pub(crate) fn worded() -> Workspace {
    let workspace = Workspace::new();
    let names = ["letter.jpg", "receipt.jpg", "beach.jpg", "wedding/1.jpg", "plain.jpg"];
    for (name, at) in names.iter().zip(0..) {
        let date = format!("{}:05:06 10:00:00", 2023 - at);
        workspace.photo_with(name, 7 * at + 1, &[(exif::Tag::DateTimeOriginal, date.as_str())]);
    }
    sidecar(&workspace, "beach.jpg", "Harbour at dawn", "Holiday", "Ada Lovelace");
    workspace.index(&[], 0);
    note_text(&workspace, "letter.jpg", &["Draft of an invoice", "Größe 5"]);
    note_text(&workspace, "receipt.jpg", &["INVOICE 2023", "Total 12.50"]);
    workspace
}

struct Answer {
    records: Vec<Value>,
    stderr: String,
    code: i32,
}

#[track_caller]
fn ask(workspace: &Workspace, args: &[&str]) -> Answer {
    let output = workspace.imgsearch(&["query"]).args(args).args(["--format", "jsonl"]).output().unwrap();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    Answer {
        records: lines.map(|line| serde_json::from_slice(line).unwrap()).collect(),
        stderr: String::from_utf8(output.stderr).unwrap(),
        code: output.status.code().unwrap(),
    }
}

impl Answer {
    fn names(&self) -> Vec<&str> {
        let name = |record: &Value| {
            Path::new(record["path"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().len()
        };
        self.records
            .iter()
            .map(|record| {
                let path = record["path"].as_str().unwrap();
                &path[path.len() - name(record)..]
            })
            .collect()
    }

    fn why(&self, at: usize) -> Vec<&str> {
        self.records[at]["why"].as_array().unwrap().iter().map(|why| why.as_str().unwrap()).collect()
    }
}

#[track_caller]
fn check(workspace: &Workspace, args: &[&str], expected: &[&str]) {
    let answer = ask(workspace, args);
    assert_eq!(answer.names(), expected, "{args:?}: {}", answer.stderr);
    assert_eq!(answer.code, i32::from(expected.is_empty()), "{args:?}: {}", answer.stderr);
}

#[test]
fn conditions_alone_list_the_newest_photos() {
    let workspace = worded();
    check(&workspace, &["text:invoice"], &["letter.jpg", "receipt.jpg"]);
    check(&workspace, &["--text", "invoice"], &["letter.jpg", "receipt.jpg"]);
    check(&workspace, &["--text", "invoice", "--text", "2023"], &["receipt.jpg"]);
    check(&workspace, &["--text", "invoice -draft"], &["receipt.jpg"]);
    check(&workspace, &["--text", "\"invoice 2023\""], &["receipt.jpg"]);
    check(&workspace, &["--text", "grosse"], &["letter.jpg"]);
    check(&workspace, &["--caption", "harbour"], &["beach.jpg"]);
    check(&workspace, &["--keyword", "holiday"], &["beach.jpg"]);
    check(&workspace, &["--person", "ada"], &["beach.jpg"]);
    check(&workspace, &["--name", "wedding"], &["1.jpg"]);
    check(&workspace, &["--words", "wedding"], &["1.jpg"]);
    check(&workspace, &["--words", "dawn"], &["beach.jpg"]);
    check(&workspace, &["--after", "2022"], &["letter.jpg", "receipt.jpg"]);
    check(&workspace, &["text:invoice", "-n", "1"], &["letter.jpg"]);
    check(&workspace, &["text:invoice", "--sort", "path"], &["letter.jpg", "receipt.jpg"]);
    check(&workspace, &["--name", "jpg", "-n", "2", "--sort", "path"], &["letter.jpg", "receipt.jpg"]);
    let answer = ask(&workspace, &["text:invoice"]);
    assert_eq!((&answer.records[1]["rank"], &answer.records[1]["score"]), (&2.into(), &Value::Null));
    assert_eq!(answer.records[0]["query"], "text:invoice");
    // The results are those that `#N` means.
    assert_eq!(ask(&workspace, &["#1", "-n", "9"]).names().len(), 4);
    let none = workspace.imgsearch(&["query"]).output().unwrap();
    assert_eq!(none.status.code(), Some(2));
}

#[test]
fn conditions_exclude_in_every_notation() {
    let workspace = worded();
    check(&workspace, &["text:invoice", "-text:draft"], &["receipt.jpg"]);
    check(&workspace, &["-text:draft", "text:invoice"], &["receipt.jpg"]);
    check(&workspace, &["-words:jpg"], &[]);
    check(&workspace, &["--name", "-wedding", "-keyword:holiday", "-text:invoice"], &["plain.jpg"]);
    check(&workspace, &["--text=-invoice", "--person", "ada"], &["beach.jpg"]);
    check(&workspace, &["-person:ada", "-text:invoice", "-n", "1"], &["1.jpg"]);
    check(&workspace, &["-person:\"Ada Lovelace\"", "-text:invoice", "-n", "1"], &["1.jpg"]);
    let answer = ask(&workspace, &["a photo", "-text:invoice", "-n", "9"]);
    assert_eq!(answer.names().len(), 3);
    let refused = ask(&workspace, &["a photo", "-in:/nowhere"]);
    assert!(refused.code == 2 && refused.stderr.contains("`in:` cannot exclude"), "{}", refused.stderr);
}

/// `text = true` in the config file is for `index --text`.
#[test]
fn a_flag_in_the_config_file_is_not_the_text_of_a_query() {
    let workspace = worded();
    fs::write(workspace.config(), "text = true").unwrap();
    check(&workspace, &["--person", "ada"], &["beach.jpg"]);
    check(&workspace, &["--text", "invoice", "-n", "1"], &["letter.jpg"]);
    let output =
        workspace.imgsearch(&["query", "a photo", "-0"]).env("IMGSEARCH_TEXT", "true").output().unwrap();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == 0).count(), 5);
    let help = workspace.imgsearch(&["query", "--help"]).output().unwrap();
    assert!(!String::from_utf8(help.stdout).unwrap().contains("`text = true`"));
}

#[test]
fn a_list_needs_no_model() {
    let workspace = worded();
    let answer = ask(&workspace, &["text:invoice", "--model", "/nowhere"]);
    assert_eq!((answer.names(), answer.code), (vec!["letter.jpg", "receipt.jpg"], 0), "{}", answer.stderr);
}

#[test]
fn near_duplicates_are_one_in_a_list() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    fs::copy(workspace.photos().join("a.png"), workspace.photos().join("b.png")).unwrap();
    workspace.index(&[], 0);
    check(&workspace, &["name:png", "--sort", "path"], &["a.png", "b.png"]);
    let answer = ask(&workspace, &["name:png", "--collapse"]);
    assert_eq!((answer.records.len(), &answer.records[0]["similar"]), (1, &1.into()));
}

#[test]
fn typing_errors_are_corrected_and_said() {
    let workspace = worded();
    let answer = ask(&workspace, &["text:invoce"]);
    let note = "no photo has `invoce`; shown: photos with `invoice`";
    assert_eq!((answer.names(), answer.stderr.trim_end()), (vec!["letter.jpg", "receipt.jpg"], note));
    assert!(answer.records.iter().all(|record| record["corrected"] == note));
    let answer = ask(&workspace, &["a photo", "text:invoce", "--person", "lovelacs"]);
    assert_eq!((answer.names().len(), answer.code), (0, 1));
    let answer = ask(&workspace, &["a photo", "--person", "lovelacs"]);
    assert_eq!(answer.names(), ["beach.jpg"]);
    assert!(
        answer.stderr.contains("`lovelacs`") && answer.stderr.contains("`lovelace`"),
        "{}",
        answer.stderr
    );
    assert_eq!(ask(&workspace, &["text:invoce", "-q"]).stderr, "");
    // Short words, numbers and words that stand somewhere are left as they are.
    for typed in ["text:ot", "text:2024", "text:zebra", "text:drat"] {
        assert_eq!(ask(&workspace, &[typed]).names().len(), usize::from(typed == "text:drat"), "{typed}");
    }
    let answer = ask(&workspace, &["text:draft", "text:total"]);
    assert_eq!((answer.code, answer.stderr.contains("shown")), (1, false), "{}", answer.stderr);
    assert!(ask(&workspace, &["text:invoice"]).records[0]["corrected"].is_null());
}

#[test]
fn answers_say_which_words_were_found_where() {
    let workspace = worded();
    let answer = ask(&workspace, &["text:invoice", "--text", "2023"]);
    assert_eq!(answer.why(0), ["text \"INVOICE 2023\""]);
    let answer = ask(&workspace, &["keyword:holi", "person:ada", "caption:dawn", "words:beach"]);
    let expected = [
        "keyword \"Holiday\"",
        "person \"Ada Lovelace\"",
        "caption \"Harbour at dawn\"",
        "name \"beach.jpg\"",
    ];
    let mut why = answer.why(0);
    why.sort_by_key(|reason| expected.iter().position(|expected| expected == reason));
    assert_eq!(why, expected);
    assert_eq!(ask(&workspace, &["name:wedding"]).why(0), ["name \"wedding\""]);
    assert!(ask(&workspace, &["--after", "2023"]).why(0).is_empty());
    let (_, screen) = on_terminal(workspace.process(&["query", "text:2023"]));
    assert!(screen.contains("why") && screen.contains("text \"INVOICE 2023\""), "{screen}");
    let (_, screen) = on_terminal(workspace.process(&["query", "--after", "2023"]));
    assert!(!screen.contains("why") && !screen.contains("score"), "{screen}");
}

#[test]
fn words_of_a_query_lift_the_photos_in_which_they_stand() {
    let workspace = worded();
    let check = |args: &[&str], first: &str, why: &[&str]| {
        let answer = ask(&workspace, args);
        assert_eq!((answer.names()[0], answer.why(0).as_slice()), (first, why), "{args:?}");
        assert_eq!(answer.names().len(), 5, "{args:?}");
        answer
    };
    check(&["invoice 2023"], "receipt.jpg", &["text \"INVOICE 2023\""]);
    check(&["a draft of the grosse"], "letter.jpg", &["text \"Draft of an invoice\"", "text \"Größe 5\""]);
    check(&["Lovelace"], "beach.jpg", &["person \"Ada Lovelace\""]);
    let answer = check(&["total"], "receipt.jpg", &["text \"Total 12.50\""]);
    // The score stays that of the model, and photos without the word keep their order.
    let scores: Vec<f64> = answer.records.iter().map(|record| record["score"].as_f64().unwrap()).collect();
    assert!(scores[1..].is_sorted_by(|a, b| a >= b), "{scores:?}");
    // Words that are excluded, that say nothing, or that only begin like it do not lift.
    for args in [&["a photo", "-", "invoice"][..], &["of an"], &["tot"], &["wedding"]] {
        let answer = ask(&workspace, args);
        let scores: Vec<f64> =
            answer.records.iter().map(|record| record["score"].as_f64().unwrap()).collect();
        assert!(scores.is_sorted_by(|a, b| a >= b) && answer.why(0).is_empty(), "{args:?}: {scores:?}");
    }
    // A lifted photo is likely, and a cutoff keeps it.
    let answer = ask(&workspace, &["total", "--cutoff"]);
    assert_eq!(answer.names()[0], "receipt.jpg");
    let answer = ask(&workspace, &["total", "--collapse", "-n", "1"]);
    assert_eq!(answer.names(), ["receipt.jpg"]);
    let answer = ask(&workspace, &["total", "-name:receipt"]);
    assert!(!answer.names().contains(&"receipt.jpg"));
}

#[test]
fn words_that_come_later_are_found() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    assert_eq!(ask(&workspace, &["invoice"]).names(), ["a.png"]);
    let answer = ask(&workspace, &["text:invoice"]);
    assert!(answer.stderr.contains("not read yet, which `imgsearch index --text` does"), "{}", answer.stderr);
    note_text(&workspace, "a.png", &["Invoice"]);
    assert_eq!(ask(&workspace, &["invoice"]).why(0), ["text \"Invoice\""]);
    assert!(!ask(&workspace, &["text:zebra"]).stderr.contains("not read yet"));
}

#[test]
fn lines_of_a_batch_have_conditions() {
    let workspace = worded();
    let lines =
        "text:\"invoice 2023\"\n\na photo -text:invoice -name:wedding\ntext:invoce text:draft\nin: x\n";
    let mut command =
        workspace.imgsearch(&["query", "--queries", "-", "--format", "jsonl", "--fields", "query,path"]);
    let output = command.write_stdin(lines).output().unwrap();
    let stdout = String::from_utf8(output.stdout).unwrap();
    let count = |query: &str| stdout.lines().filter(|line| line.contains(query)).count();
    assert_eq!(
        (count("invoice 2023"), count("a photo"), count("invoce"), count("in: x")),
        (1, 2, 1, 5),
        "{stdout}"
    );
}

/// Words from a stranger's picture: control characters, direction overrides, HTML, formulas, and very long ones.
#[test]
fn hostile_words_do_no_harm() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let long = "x".repeat(100_000);
    let evil = "=cmd \u{1b}[31mred\u{202e}gpj <script>alert(1)</script> \u{0}needle";
    note_text(&workspace, "a.png", &[evil, &long]);
    let answer = ask(&workspace, &["text:needle"]);
    let why = answer.why(0)[0].to_owned();
    assert!(why.starts_with("text \"=cmd [31mredgpj <script>") && why.contains("needle"), "{why}");
    for format in ["text", "json", "jsonl", "csv", "tsv"] {
        let args = ["query", "text:needle", "--format", format, "--fields", "why"];
        let output = workspace.imgsearch(&args).assert().success().get_output().clone();
        let text = String::from_utf8(output.stdout).unwrap();
        assert!(!text.contains(['\u{1b}', '\u{202e}', '\0']), "{format}: {text:?}");
    }
    let (_, screen) = on_terminal(workspace.process(&["query", "text:needle", "--fields", "why"]));
    assert!(screen.contains("needle"), "{screen}");
    // A value is limited, and a folded text does not contain more than a record keeps.
    let refused = ask(&workspace, &["--text", &long]);
    assert!(refused.code == 2 && refused.stderr.contains("500 characters"), "{}", refused.stderr);
    assert_eq!(ask(&workspace, &["--text", &"x".repeat(500)]).names(), ["a.png"]);
    assert_eq!(ask(&workspace, &[&long]).code, 0);
    for typed in ["text:\u{202e}", "text:\"\"", "text:-"] {
        let answer = ask(&workspace, &[typed]);
        assert!(answer.code > 0 && answer.records.is_empty(), "{typed:?}: {}", answer.stderr);
    }
    let page = workspace.root().join("page.html");
    workspace.imgsearch(&["query", "text:needle", "--html", page.to_str().unwrap()]).assert().success();
    assert!(!fs::read_to_string(page).unwrap().contains("<script>"));
}
