//! A new user's first five minutes, with the mistakes that newcomers make. Each gets a sentence that names the next command.

use std::fs;

use crate::workspace::Workspace;

/// What a step must print, on both streams together, and its exit code.
#[track_caller]
fn step(workspace: &Workspace, args: &[&str], code: i32, expected: &[&str]) -> String {
    let output = workspace.imgsearch(args).current_dir(workspace.root()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let said = text(&output.stdout) + &text(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "imgsearch {args:?}:\n{said}");
    for part in expected {
        assert!(said.contains(part), "imgsearch {args:?} does not say `{part}`:\n{said}");
    }
    assert!(code == 1 || !said.trim().is_empty(), "imgsearch {args:?} is silent");
    said
}

#[test]
fn the_first_five_minutes() {
    let workspace = Workspace::new();
    let step = |args: &[&str], code: i32, expected: &[&str]| step(&workspace, args, code, expected);
    for (name, seed) in [("2023/a.png", 1), ("2023/b.png", 7), ("Screenshots/c.png", 9)] {
        workspace.photo(name, seed);
    }

    // Without a command, and with the first word that comes to mind.
    step(&[], 2, &["index", "query", "imgsearch index ~/Photos"]);
    step(&["dog"], 2, &["hint: to search for it: `imgsearch query dog`"]);
    step(&["photos", "dog"], 2, &["hint: did you mean `imgsearch query dog --in photos`?"]);
    step(&["photos"], 2, &["hint: `imgsearch index photos` adds this folder"]);
    step(&["scan", "photos"], 2, &["hint: did you mean `imgsearch index`?"]);

    // A search before anything is indexed.
    step(&["search", "dog"], 2, &["run `imgsearch index ~/Photos` first"]);
    step(&["status"], 0, &["images        0"]);
    step(&["index"], 2, &["no folder has been indexed yet", "`imgsearch index ~/Photos`"]);
    step(&["index", "fotos"], 2, &["cannot index fotos"]);
    step(&["index", "photos", "--recursive"], 2, &["folders are always searched at any depth"]);

    // It works, and says what to expect.
    step(&["index", "photos", "--model", "clp-b32"], 2, &["not installed", "did you mean `clip-b32`?"]);
    step(&["index", "photos", "--model", "clip-b32"], 2, &["run `imgsearch models pull clip-b32`", "MB"]);
    step(&["index", "photos"], 0, &["embedded   3"]);
    step(&["status"], 0, &["images        3", "indexed just now"]);
    step(&["search", "dog"], 0, &["a.png"]);
    step(&["find", "a red bicycle", "--limit", "2"], 2, &["write `-n N`"]);
    step(&["query", "dog", "--threshold", "0.5"], 2, &["--min-score SCORE", "--cutoff"]);
    step(&["query", "dog", "--json"], 0, &["\"rank\""]);
    step(&["query", "dog", "--color"], 2, &["--color"]);

    // Nothing found: why, and what to do.
    step(
        &["query", "dog", "--in", "photos/nope"],
        1,
        &["of 3 photos, none is in photos/nope (there is no such folder)"],
    );
    step(
        &["query", "dog", "--after", "2030"],
        1,
        &["none was taken then (for 3 of them the file's date counts)"],
    );
    step(&["query", "dog", "--near", "52.5,13.4"], 1, &["none has GPS data"]);
    step(&["query", "dog", "--near", "Nosuchtownanywhere"], 2, &["hint: "]);
    step(&["query", "dog", "--after", "last summer"], 2, &["last summer"]);
    step(&["query", "dog", "--min-score", "0.99"], 1, &["none of 3 photos scores 0.99 or more"]);
    step(&["duplicates"], 1, &["no duplicates among 3 photos", "--similar"]);
    step(&["similar", "nothing.jpg"], 2, &["nothing.jpg"]);
    step(&["similar", "photos/2023/a.png"], 0, &["b.png"]);

    // The next days.
    workspace.photo("2023/d.png", 11);
    fs::write(workspace.photos().join("broken.jpg"), "").unwrap();
    step(&["index"], 2, &["embedded   1", "unchanged  3", "imgsearch status --skipped"]);
    step(&["status", "--skipped"], 0, &["empty file"]);
    step(&["rm", "photos/Screenshots"], 2, &["did you mean `imgsearch forget`?"]);
    step(&["forget", "photos/Screenshots"], 0, &["took 1 photo", "the files are untouched"]);
    step(&["forget", "photos/Screenshots"], 1, &["`imgsearch status` lists its folders"]);
    step(&["index"], 0, &["unchanged  3"]);
    step(&["help", "options"], 0, &["--library"]);
    step(&["doctor"], 0, &["ok     model"]);
}
