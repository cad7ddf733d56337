//! The command `text`, and reading text in a second pass of `index`.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use imgsearch::Library;
use imgsearch::library::Load;
use imgsearch::query::Filter;
use predicates::prelude::PredicateBooleanExt as _;
use predicates::str::contains;
use serde_json::Value;

use crate::workspace::Workspace;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/text").join(name)
}

/// The folded text of each photo by its name; `None` where nobody has looked.
fn texts(workspace: &Workspace) -> BTreeMap<String, Option<String>> {
    let view = Library::new(workspace.root().join("library")).view().unwrap();
    let mut texts = BTreeMap::new();
    view.each(&Filter::default(), Load::WithoutVector, &mut |stored| {
        let name = stored.item.path.file_name().unwrap().to_str().unwrap().to_owned();
        let text = stored.photo.unwrap().text;
        texts.insert(name, text.map(|text| text.folded().to_owned()));
        ControlFlow::Continue(())
    })
    .unwrap();
    texts
}

fn expected(texts: &[(&str, Option<&str>)]) -> BTreeMap<String, Option<String>> {
    texts.iter().map(|(name, text)| ((*name).to_owned(), text.map(str::to_owned))).collect()
}

const SIGN: &str = "strasse des\n17. juni";

/// As in a release: the model and ONNX Runtime are beside the program, and the user has installed nothing.
#[test]
#[cfg(target_os = "linux")]
fn a_text_model_beside_the_program_is_found() {
    let workspace = Workspace::new();
    let release = workspace.root().join("release");
    fs::create_dir(&release).unwrap();
    let (built, program) = (assert_cmd::cargo::cargo_bin("imgsearch"), release.join("imgsearch"));
    // A symbolic link would not do: a program's folder is that of the file behind it.
    fs::hard_link(&built, &program).or_else(|_| fs::copy(&built, &program).map(drop)).unwrap();
    let sign = golden("sign-german.jpg");
    let text = || {
        let mut command = assert_cmd::Command::new(&program);
        command.env_remove("ORT_DYLIB_PATH").env("IMGSEARCH_CONFIG", workspace.config());
        command.env("XDG_DATA_HOME", workspace.root().join("data")).arg("text").arg(&sign).assert()
    };
    text().code(2).stderr(contains("data/imgsearch/text").and(contains("hint: run `imgsearch setup text`")));
    for name in ["text", "runtime"] {
        std::os::unix::fs::symlink(crate::models::installed().join(name), release.join(name)).unwrap();
    }
    text().code(0).stdout("Straße des\n17. Juni\n");
}

#[test]
fn the_text_of_pictures_is_printed() {
    let workspace = Workspace::new();
    let (sign, none) = (golden("sign-german.jpg"), golden("none-plain.png"));
    let (sign, none) = (sign.to_str().unwrap(), none.to_str().unwrap());
    let text = |args: &[&str]| workspace.imgsearch(&["text"]).args(args).assert();
    text(&[sign]).code(0).stdout("Straße des\n17. Juni\n").stderr("");
    text(&[none]).code(1).stdout("").stderr("");
    text(&[none, sign]).code(0).stdout(format!("{none}:\n\n{sign}:\nStraße des\n17. Juni\n"));
    text(&["missing.jpg", sign])
        .code(2)
        .stdout(contains("17. Juni"))
        .stderr(contains("cannot read missing.jpg"));
    text(&[none, sign, "--format", "paths"]).code(0).stdout(format!("{sign}\n"));
    let stdin = fs::read(sign).unwrap();
    workspace.imgsearch(&["text", "-"]).write_stdin(stdin).assert().code(0).stdout("Straße des\n17. Juni\n");
    let output = text(&[sign, "--format", "json"]).code(0).get_output().clone();
    let lines: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&lines[1]["text"], &lines[1]["path"]), (&Value::from("17. Juni"), &Value::from(sign)));
    assert!(lines[1]["confidence"].as_f64().unwrap() > 0.9);
    let corners: Vec<[f64; 2]> = serde_json::from_value(lines[1]["corners"].clone()).unwrap();
    assert!(corners.len() == 4 && corners.iter().flatten().all(|at| (0.2..0.8).contains(at)), "{corners:?}");
}

#[test]
fn a_missing_model_is_an_error_with_a_way_out() {
    let workspace = Workspace::new();
    workspace.photo("a.jpg", 1);
    let photos = workspace.photos();
    for args in [["text", "a.jpg"], ["index", photos.to_str().unwrap()]] {
        let text: &[&str] = if args[0] == "index" { &["--text"] } else { &[] };
        let mut command = workspace.imgsearch(&args);
        command.args(text).args(["--text-model", "/nowhere"]).assert().code(2).stdout("").stderr(
            contains("the text model is not installed: there is no /nowhere")
                .and(contains("imgsearch setup text")),
        );
    }
}

#[test]
fn every_content_is_read_once() {
    let workspace = Workspace::new();
    let photos = workspace.photos();
    let copy = |from: &str, to: &str| fs::copy(golden(from), photos.join(to)).map(|_| ()).unwrap();
    copy("sign-german.jpg", "sign.jpg");
    copy("sign-german.jpg", "same.jpg");
    copy("none-scene.jpg", "none.jpg");
    workspace.index(&[], 0).check(&[("embedded", 2), ("read for text", 0)]);
    let unread = expected(&[("none.jpg", None), ("same.jpg", None), ("sign.jpg", None)]);
    assert_eq!(texts(&workspace), unread);
    workspace.index(&["--text"], 0).check(&[("unchanged", 3), ("read for text", 2)]);
    let read = [("none.jpg", Some("")), ("same.jpg", Some(SIGN)), ("sign.jpg", Some(SIGN))];
    assert_eq!(texts(&workspace), expected(&read));
    // A new copy has the text without reading.
    copy("sign-german.jpg", "third.jpg");
    fs::write(workspace.config(), "text = true").unwrap();
    workspace.index(&[], 0).check(&[("copied", 1), ("read for text", 0)]);
    let read = [&read[..], &[("third.jpg", Some(SIGN))]].concat();
    assert_eq!(texts(&workspace), expected(&read));
    // The command line has the last word, and photos keep their texts.
    copy("ticket.jpg", "ticket.jpg");
    workspace.index(&["--text=false", "--force"], 0).check(&[("embedded", 1), ("read for text", 0)]);
    assert_eq!(texts(&workspace), expected(&[&read[..], &[("ticket.jpg", None)]].concat()));
}

/// The text belongs to the content, whatever model makes the vectors.
#[cfg(unix)]
#[test]
fn a_change_of_model_keeps_texts() {
    let workspace = Workspace::new();
    fs::copy(golden("sign-german.jpg"), workspace.photos().join("sign.jpg")).unwrap();
    workspace.index(&["--text"], 0).check(&[("read for text", 1)]);
    let other = workspace.other_model();
    let summary = workspace.index(&["--model", other.to_str().unwrap(), "--text"], 0);
    summary.check(&[("embedded", 1), ("read for text", 0)]);
    assert_eq!(texts(&workspace), expected(&[("sign.jpg", Some(SIGN))]));
}

#[test]
fn a_killed_pass_continues_where_it_was() {
    let workspace = Workspace::new();
    let names =
        ["sign-german.jpg", "sign-french.jpg", "ticket.jpg", "receipt.jpg", "whiteboard.jpg", "pale.jpg"];
    for name in names {
        fs::copy(golden(name), workspace.photos().join(name)).unwrap();
    }
    workspace.index(&[], 0);
    let photos = workspace.photos();
    let args = ["index", photos.to_str().unwrap(), "--text", "--threads", "1"];
    let mut process = workspace.process(&args).stdout(std::process::Stdio::null()).spawn().unwrap();
    std::thread::sleep(Duration::from_secs(3));
    process.kill().unwrap();
    process.wait().unwrap();
    workspace.index(&["--text"], 0);
    let texts = texts(&workspace);
    assert!(texts.len() == names.len() && texts.values().all(Option::is_some), "{texts:?}");
    workspace.index(&["--text"], 0).check(&[("read for text", 0)]);
}
