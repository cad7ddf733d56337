//! What people type who know other programs: an alias, or a hint that helps.

use std::fs;

use serde_json::Value;

use crate::workspace::Workspace;

fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for seed in 0..3 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    workspace
}

/// Runs a command in the folder of photos. Returns stdout, stderr and the exit code.
fn run(workspace: &Workspace, args: &[&str]) -> (String, String, i32) {
    let output = workspace.imgsearch(args).current_dir(workspace.photos()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (text(output.stdout), text(output.stderr), output.status.code().unwrap())
}

#[test]
fn search_and_find_are_query() {
    let workspace = indexed();
    let expected = run(&workspace, &["query", "a photo"]);
    assert_eq!(expected.2, 0);
    for alias in ["search", "find"] {
        assert_eq!(run(&workspace, &[alias, "a photo"]), expected);
    }
}

#[test]
fn a_refused_command_line_gets_one_hint_that_helps() {
    let workspace = indexed();
    let check = |args: &[&str], hint: &str| {
        let (_, stderr, code) = run(&workspace, args);
        let lines: Vec<&str> = stderr.lines().collect();
        assert_eq!((lines.len(), code), (2, 2), "{stderr}");
        assert!(lines[0].starts_with("error: "), "{stderr}");
        assert_eq!(lines[1], format!("hint: {hint}"), "{args:?}");
    };
    let folder = workspace.photos();
    let folder = folder.to_str().unwrap();
    check(&["dog"], "to search for it: `imgsearch query dog`");
    check(&["red bicycle", "-n", "3"], "to search for it: `imgsearch query 'red bicycle'`");
    check(&[folder, "dog"], &format!("did you mean `imgsearch query dog --in {folder}`?"));
    check(
        &[folder],
        &format!("`imgsearch index {folder}` adds this folder; `imgsearch query TEXT` searches"),
    );
    check(&["0.png"], "`imgsearch similar 0.png` finds photos like this picture");
    check(&["query", "dog", "--limit", "3"], "write `-n N` for the number of photos");
    check(
        &["query", "dog", "--threshold=0.3"],
        "`--min-score SCORE` leaves out photos with lower scores; `--cutoff` needs no number",
    );
    check(&["query", "dog", "--watch"], "`imgsearch index --watch FOLDER` keeps a library current");
}

#[test]
fn numbers_that_make_no_sense_are_explained() {
    let workspace = indexed();
    for number in ["0", "-1", "many"] {
        let (_, stderr, code) = run(&workspace, &["query", "x", "-n", number]);
        assert!(code == 2 && stderr.contains("write a whole number, 1 or more"), "{stderr}");
        assert!(!stderr.contains("tip:"), "{stderr}");
    }
}

#[test]
fn json_is_a_short_form_of_the_format() {
    let workspace = indexed();
    let (long, ..) = run(&workspace, &["query", "x", "--format", "json"]);
    let (short, _, code) = run(&workspace, &["query", "x", "--json"]);
    assert_eq!((&short, code), (&long, 0));
    let found: Value = serde_json::from_str(&short).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 3);
    fs::write(workspace.photos().join("broken.jpg"), "").unwrap();
    workspace.index(&[], 2);
    let (skipped, _, code) = run(&workspace, &["status", "--skipped", "--json"]);
    let skipped: Value = serde_json::from_str(&skipped).unwrap();
    assert_eq!((&skipped[0]["kind"], code), (&"empty file".into(), 0));
    let (_, stderr, code) = run(&workspace, &["query", "x", "--json", "--format", "csv"]);
    assert!(code == 2 && stderr.contains("--json"), "{stderr}");
}

#[test]
fn a_picture_needs_no_dot_and_slash() {
    let workspace = indexed();
    let format = ["--format", "paths"];
    let (dotted, ..) = run(&workspace, &[&["query", "./0.png"], &format[..]].concat());
    let (bare, said, code) = run(&workspace, &[&["query", "0.png"], &format[..]].concat());
    assert_eq!((&bare, code, bare.lines().count()), (&dotted, 0, 2));
    assert_eq!(said, "searching with the picture 0.png; for the text write `\" 0.png\"`\n");
    let (text, said, _) = run(&workspace, &[&["query", " 0.png"], &format[..]].concat());
    assert_eq!((text.lines().count(), said.as_str()), (3, ""));
    fs::write(workspace.photos().join("notes"), "").unwrap();
    let (_, said, _) = run(&workspace, &[&["query", "notes"], &format[..]].concat());
    assert_eq!(said, "warning: searching for the text `notes`; for the picture write `./notes`\n");
}

#[test]
fn a_model_that_is_not_installed_is_offered() {
    let workspace = indexed();
    let check = |model: &str, what: &str, hint: &str| {
        let (_, stderr, code) = run(&workspace, &["query", "x", "--model", model]);
        assert_eq!(code, 2);
        assert!(stderr.contains(what) && stderr.contains(hint), "{stderr}");
    };
    check(
        "clip-b32",
        "model `clip-b32` is not installed",
        "hint: run `imgsearch models pull clip-b32` (419 MB, from Hugging Face)",
    );
    check("clp-b32", "model `clp-b32` is not installed", "hint: did you mean `clip-b32`?");
    check("offlin", "model `offlin` is not installed", "hint: did you mean `offline`?");
    check("./nowhere/clip", "nowhere/clip: No such file or directory", "hint: ");
}
