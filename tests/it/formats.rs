//! `--format`, `--fields`, `-0`, colours and links, on the real binary.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

use serde_json::Value;

use crate::terminal::on_terminal;
use crate::workspace::Workspace;

/// A library of three photos. One has a name that is not Unicode and contains characters that formats must escape.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    workspace.photo("a.png", 0);
    workspace.photo("b, \"c\".png", 1);
    let hostile = workspace.photos().join(OsStr::from_bytes(b"=1\t2\n\x1b[31m\\\xff.png"));
    std::fs::rename(workspace.photo("c.png", 2), hostile).unwrap();
    workspace.index(&[], 0);
    workspace
}

fn stdout(workspace: &Workspace, args: &[&str]) -> Vec<u8> {
    workspace.imgsearch(args).assert().success().get_output().stdout.clone()
}

fn text(workspace: &Workspace, args: &[&str]) -> String {
    String::from_utf8(stdout(workspace, args)).unwrap()
}

/// The exact paths of the photos, best first.
fn paths(workspace: &Workspace, query: &str) -> Vec<Vec<u8>> {
    let listed = stdout(workspace, &["query", query, "-0"]);
    listed.split(|byte| *byte == 0).filter(|path| !path.is_empty()).map(<[u8]>::to_vec).collect()
}

#[test]
fn all_formats_have_the_same_data() {
    let workspace = indexed();
    let expected = paths(&workspace, "x");
    assert_eq!(expected.len(), 3);

    let jsonl = text(&workspace, &["query", "x", "--format", "jsonl"]);
    let lines: Vec<Value> = jsonl.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(lines.iter().map(exact_path).eq(expected.iter().cloned()));

    let json: Vec<Value> =
        serde_json::from_slice(&stdout(&workspace, &["query", "x", "--format", "json"])).unwrap();
    assert_eq!(json, lines);

    let csv = stdout(&workspace, &["query", "x", "--format", "csv"]);
    let mut reader = csv::Reader::from_reader(&csv[..]);
    let names = reader.headers().unwrap().clone();
    let at = names.iter().position(|name| name == "path").unwrap();
    let records: Vec<_> = reader.byte_records().map(Result::unwrap).collect();
    assert!(records.iter().map(|record| record[at].to_vec()).eq(expected.iter().cloned()));

    let tsv = stdout(&workspace, &["query", "x", "--format", "tsv"]);
    let lines: Vec<_> = tsv.split(|byte| *byte == b'\n').collect();
    assert_eq!(lines.len(), 5, "a heading, one line for each photo, and the end");
    assert_eq!(lines[0], names.iter().collect::<Vec<_>>().join("\t").as_bytes());
    let cells = lines[1..4].iter().map(|line| line.split(|byte| *byte == b'\t').nth(at).unwrap());
    assert!(cells.map(unescaped).eq(expected));
}

fn exact_path(object: &Value) -> Vec<u8> {
    use base64::Engine as _;
    let path = object["path"].as_str().unwrap();
    match object.get("path_base64") {
        Some(exact) => {
            let exact = base64::prelude::BASE64_STANDARD.decode(exact.as_str().unwrap()).unwrap();
            assert_eq!(String::from_utf8_lossy(&exact), path);
            exact
        }
        None => path.as_bytes().to_vec(),
    }
}

fn unescaped(cell: &[u8]) -> Vec<u8> {
    let (mut bytes, mut plain) = (cell.iter(), Vec::new());
    while let Some(byte) = bytes.next() {
        plain.push(match byte {
            b'\\' => match bytes.next().unwrap() {
                b't' => b'\t',
                b'n' => b'\n',
                b'r' => b'\r',
                other => *other,
            },
            byte => *byte,
        });
    }
    plain
}

#[test]
fn json_is_valid_even_if_nothing_is_found() {
    let workspace = indexed();
    let output = workspace
        .imgsearch(&["query", "x", "--min-score", "1.5", "--format", "json"])
        .assert()
        .code(1)
        .get_output()
        .clone();
    assert_eq!(output.stdout, b"[]\n");
}

#[test]
fn fields_are_printed_as_chosen() {
    let workspace = indexed();
    let check = |format: &str, fields: &str, expected: &str| {
        let args = ["query", "x", "-n", "1", "--format", format, "--fields", fields];
        assert_eq!(text(&workspace, &args), expected, "{format} {fields}");
    };
    check("tsv", "rank,width,height,orientation", "rank\twidth\theight\torientation\n1\t48\t32\tlandscape\n");
    check("csv", "query,rank", "query,rank\nx,1\n");
    check("jsonl", "height,query,camera", "{\"height\":32,\"query\":\"x\",\"camera\":null}\n");
    check("json", "rank", "[\n{\"rank\":1}\n]\n");
    check("text", "width,rank", "48\t1\n");
}

#[test]
fn spreadsheets_do_not_evaluate_queries() {
    let workspace = indexed();
    let args = ["query", "--format", "csv", "--fields", "query", "-n", "1", "--", "=1+1"];
    assert_eq!(text(&workspace, &args), "query\n'=1+1\n");
    // Only typed paths can start like that.
    workspace.photo("=1+1.png", 1);
    let args = ["classify", "=1+1.png", "--labels", "x", "--format", "csv", "--fields", "path"];
    let output =
        workspace.imgsearch(&args).current_dir(workspace.photos()).assert().code(0).get_output().clone();
    assert_eq!(output.stdout, b"path\n'=1+1.png\n");
    let args = ["query", "--format", "tsv", "--fields", "query", "-n", "1", "--", "=1+1"];
    assert_eq!(text(&workspace, &args), "query\n=1+1\n");
}

#[test]
fn null_goes_with_paths() {
    let workspace = indexed();
    let nuls = stdout(&workspace, &["query", "x", "-0"]);
    assert_eq!(stdout(&workspace, &["query", "x", "-0", "--format", "paths"]), nuls);
    std::fs::write(workspace.config(), "format = \"jsonl\"").unwrap();
    assert_eq!(stdout(&workspace, &["query", "x", "-0"]), nuls, "the command line wins over the config file");
}

#[test]
fn contradictions_and_slips_are_explained() {
    let workspace = indexed();
    let check = |args: &[&str], named: &[&str]| {
        let output = workspace.imgsearch(&["query", "x"]).args(args).assert().code(2).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        named.iter().for_each(|name| assert!(stderr.contains(name), "`{name}` in:\n{stderr}"));
        assert!(output.stdout.is_empty());
    };
    check(&["-0", "--format", "jsonl"], &["--null", "hint"]);
    check(&["-0", "--format", "text"], &["--null", "hint"]);
    check(&["--format", "paths", "--fields", "score"], &["--fields", "hint"]);
    check(&["--fields", "scor"], &["`scor`", "hint: did you mean `score`?"]);
    check(&["--fields", "zzz"], &["`zzz`", "hint: the fields are query, rank"]);
    check(&["--fields", "path,path"], &["twice"]);
    check(&["--format", "xml"], &["xml", "jsonl"]);
    check(&["--color", "sometimes"], &["sometimes", "always"]);
}

/// The output of `query x` on a terminal, with these arguments and environment variables.
fn shown(workspace: &Workspace, args: &[&str], variables: &[(&str, &str)]) -> String {
    let mut command = workspace.process(&["query", "x", "-n", "3"]);
    command.args(args).env("TERM", "xterm-256color").envs(variables.iter().copied());
    let (code, shown) = on_terminal(command);
    assert_eq!(code, 0, "{shown}");
    shown
}

#[test]
fn colours_and_links_are_for_terminals() {
    let workspace = indexed();
    #[track_caller]
    fn check(shown: &str, colours: bool, links: bool) {
        assert_eq!(
            (shown.contains("\x1b[3"), shown.contains("\x1b]8;;file:///")),
            (colours, links),
            "{shown}"
        );
    }
    let on_terminal = |args: &[&str], variables: &[(&str, &str)]| shown(&workspace, args, variables);
    check(&on_terminal(&[], &[]), true, false);
    check(&on_terminal(&[], &[("NO_COLOR", "1")]), false, false);
    check(&on_terminal(&[], &[("TERM", "dumb")]), false, false);
    check(&on_terminal(&[], &[("TERM", "xterm-kitty")]), true, true);
    check(&on_terminal(&[], &[("TERM", "xterm-kitty"), ("NO_COLOR", "1")]), false, false);
    check(&on_terminal(&["--color", "never"], &[]), false, false);
    check(&on_terminal(&["--hyperlink", "always"], &[("NO_COLOR", "1")]), false, true);
    check(&on_terminal(&["--hyperlink", "never"], &[("TERM", "xterm-kitty")]), true, false);
    let piped = |args: &[&str]| String::from_utf8_lossy(&stdout(&workspace, args)).into_owned();
    let plain = piped(&["query", "a", "--fields", "score,rank"]);
    check(&plain, false, false);
    check(&piped(&["query", "a", "--fields", "score", "--color", "always"]), true, false);
    let args = ["query", "x", "--format", "jsonl", "--color", "always", "--hyperlink", "always"];
    check(&piped(&args), false, false);
}

#[test]
fn a_terminal_is_safe_from_names_in_every_format() {
    let workspace = indexed();
    for format in ["text", "paths", "jsonl", "json", "csv", "tsv"] {
        let shown = shown(&workspace, &["--format", format, "--color", "never", "-q"], &[]);
        assert!(!shown.contains('\x1b'), "{format}: {shown:?}");
    }
    let table = shown(&workspace, &["--color", "never", "-q"], &[]);
    assert_eq!(table.lines().count(), 4, "{table}");
}

#[test]
fn the_table_shows_what_a_person_needs() {
    let workspace = indexed();
    // The folder of the photos is the current one, so paths are short. No photo has near-duplicates.
    let look = |args: &[&str]| {
        let args = [&["query", "x", "--color", "never", "-q"], args].concat();
        let mut command = workspace.process(&args);
        command.current_dir(workspace.photos());
        on_terminal(command).1
    };
    let table = look(&[]);
    let lines: Vec<&str> = table.lines().collect();
    let words = |line: &str| -> Vec<String> { line.split_whitespace().map(str::to_owned).collect() };
    assert_eq!(words(lines[0]), ["rank", "score", "taken", "path"], "{table}");
    let row = words(lines[1]);
    assert_eq!(
        (row[0].as_str(), row[2].chars().count(), row[3].len()),
        ("1", 5, "2026-11-30".len()),
        "{table}"
    );
    assert!(row[2].chars().all(|c| "■□".contains(c)) && table.ends_with("a.png\n"), "{table}");
    assert!(!table.contains("/photos/"), "{table}");
    // What is asked for is shown as it is.
    let asked = look(&["--fields", "similar,taken"]);
    assert!(asked.starts_with("similar  taken") && asked.contains('T'), "{asked}");
    // Scores of pictures cannot be compared with those of texts.
    let alike = look(&["--like", "a.png"]);
    assert!(!alike.contains('□') && !alike.contains("likely"), "{alike}");
}
