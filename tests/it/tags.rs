//! Labels, sidecars, and the cutoff, which uses the same background.

use std::fs;

use serde_json::Value;

use crate::workspace::Workspace;

/// Three pictures, and a vocabulary.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for (name, seed) in [("1.png", 1), ("2.jpg", 20), ("3.png", 40)] {
        workspace.photo(name, seed);
    }
    workspace.index(&[], 0);
    fs::write(workspace.root().join("words.txt"), "# patterns\na colourful pattern\n\na dog\na texture\n")
        .unwrap();
    workspace
}

fn stdout(workspace: &Workspace, args: &[&str], exit: i32) -> String {
    let output = workspace.imgsearch(args).assert().code(exit).get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn photos_are_labelled_from_the_vocabulary_and_in_sidecars() {
    let workspace = indexed();
    let words = workspace.root().join("words.txt");
    let words = words.to_str().unwrap();
    let every = ["tags", "--vocabulary", words, "--min-probability", "0"];
    let lines: Vec<Value> = stdout(&workspace, &[&every[..], &["--format", "jsonl"]].concat(), 0)
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines.len(), 9);
    for tags in lines.chunks(3) {
        let probabilities: Vec<f64> = tags.iter().map(|tag| tag["probability"].as_f64().unwrap()).collect();
        assert!(tags.iter().all(|tag| tag["path"] == tags[0]["path"]), "{tags:?}");
        assert!(
            probabilities.is_sorted_by(|a, b| a >= b)
                && probabilities.iter().all(|p| (0.0..=1.0).contains(p))
        );
    }
    let first = workspace.photos().join("1.png");
    let best = lines.iter().find(|tag| tag["path"] == first.to_str().unwrap()).unwrap();
    let best = best["label"].as_str().unwrap();
    let text = stdout(&workspace, &[&every[..], &["-n", "1", "--glob", "*.jpg"]].concat(), 0);
    let columns: Vec<&str> = text.trim_end().split('\t').collect();
    assert_eq!(
        (columns.len(), columns[2]),
        (3, workspace.photos().join("2.jpg").to_str().unwrap()),
        "{text}"
    );
    let paths = stdout(
        &workspace,
        &[&every[..], &["-n", "1", "--in", workspace.photos().to_str().unwrap(), "-0"]].concat(),
        0,
    );
    assert_eq!(paths.matches('\0').count(), 3, "{paths}");

    let before = fs::read(workspace.photos().join("1.png")).unwrap();
    fs::write(workspace.photos().join("2.jpg.xmp"), "somebody's own").unwrap();
    let output =
        workspace.imgsearch(&[&every[..], &["--xmp"]].concat()).assert().code(2).get_output().clone();
    let warning = String::from_utf8(output.stderr).unwrap();
    assert!(warning.contains("2.jpg.xmp") && !warning.contains("1.png"), "{warning}");
    assert_eq!(fs::read_to_string(workspace.photos().join("2.jpg.xmp")).unwrap(), "somebody's own");
    assert_eq!(fs::read(workspace.photos().join("1.png")).unwrap(), before);
    let sidecar = fs::read_to_string(workspace.photos().join("1.png.xmp")).unwrap();
    assert!(sidecar.contains(&format!("<rdf:li>{best}</rdf:li>")), "{sidecar}");
    workspace.index(&[], 0).check(&[("unchanged", 3), ("skipped", 0)]);
}

#[test]
fn the_everyday_vocabulary_needs_no_file_and_the_cutoff_works() {
    let workspace = indexed();
    assert_eq!(stdout(&workspace, &["tags", "--min-probability", "0", "-n", "2"], 0).lines().count(), 6);
    assert_eq!(stdout(&workspace, &["tags", "--min-probability", "1"], 1), "");
    stdout(&workspace, &["tags", "--in", "/nowhere"], 1);
    // Coloured squares show none of this.
    let query = ["query", "a steam engine in a railway station", "--format", "paths"];
    assert_eq!(stdout(&workspace, &query, 0).lines().count(), 3);
    assert_eq!(stdout(&workspace, &[&query[..], &["--cutoff"]].concat(), 1), "");
    assert_eq!(stdout(&workspace, &[&query[..], &["--cutoff", "--all"]].concat(), 0).lines().count(), 3);
}

#[test]
fn invalid_vocabularies_and_limits_are_refused() {
    let workspace = indexed();
    let empty = workspace.root().join("empty.txt");
    fs::write(&empty, "# nothing\n").unwrap();
    let check = |args: &[&str], named: &str| {
        let output = workspace.imgsearch(args).assert().code(2).get_output().clone();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains(named), "{stderr}");
    };
    check(&["tags", "--vocabulary", empty.to_str().unwrap()], "has no labels");
    check(&["tags", "--vocabulary", "/nowhere.txt"], "/nowhere.txt");
    check(&["tags", "--min-probability", "2"], "between 0 and 1");
    check(&["query", "x", "--cutoff", "--min-score", "0"], "cannot be used with");
}
