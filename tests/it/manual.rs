//! Help, manual pages and completions of the real binary are complete.

use std::collections::BTreeMap;
use std::fs;

use crate::workspace::Workspace;

/// The maximum lines and columns of short help: a large window. `query` has the most options and takes 55 lines.
const SHORT: (usize, usize) = (55, 120);

fn stdout(workspace: &Workspace, args: &[&str]) -> String {
    let output = workspace.imgsearch(args).env("COLUMNS", "120").assert().success().get_output().clone();
    String::from_utf8(output.stdout).unwrap()
}

/// The `--help` of the program and of all commands and subcommands.
fn manual(workspace: &Workspace) -> BTreeMap<Vec<String>, String> {
    let (mut found, mut open) = (BTreeMap::new(), vec![Vec::<String>::new()]);
    while let Some(command) = open.pop() {
        let mut args: Vec<_> = command.iter().map(String::as_str).collect();
        args.push("--help");
        let help = stdout(workspace, &args);
        for name in listed(&help, "Commands:").filter(|name| *name != "help") {
            open.push([&command[..], &[name.to_owned()]].concat());
        }
        found.insert(command, help);
    }
    found
}

/// The first words of the entries under a heading.
fn listed<'h>(help: &'h str, heading: &str) -> impl Iterator<Item = &'h str> {
    let behind = help.split_once(heading).map_or("", |(_, behind)| behind);
    let section = behind.lines().skip(1).take_while(|line| line.is_empty() || line.starts_with(' '));
    let entries = section.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    entries.filter_map(|line| line.split_whitespace().next())
}

/// The long options that a help text explains.
fn options(help: &str) -> Vec<&str> {
    let entries = help.lines().filter(|line| line.trim_start().starts_with('-'));
    let long = entries.filter_map(|line| line.split_whitespace().find(|word| word.starts_with("--")));
    long.map(|word| word.split(['=', '[']).next().unwrap()).collect()
}

#[test]
fn every_command_is_explained_with_an_example() {
    let workspace = Workspace::new();
    let manual = manual(&workspace);
    assert!(manual.len() > 12, "{:?}", manual.keys());
    for (command, help) in &manual {
        assert!(help.contains("Example"), "{command:?}");
        // The options of every command are explained once.
        let is_top = command.is_empty();
        assert_eq!(options(help).contains(&"--library"), is_top, "{command:?}: {help}");
        assert!(is_top || help.contains("imgsearch help options"), "{command:?}: {help}");
    }
}

#[test]
fn the_version_is_printed() {
    let expected = format!("imgsearch {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(stdout(&Workspace::new(), &["--version"]), expected);
    assert_eq!(stdout(&Workspace::new(), &["-V"]), expected);
}

#[test]
fn short_help_is_short() {
    let workspace = Workspace::new();
    for command in manual(&workspace).keys() {
        let mut args: Vec<_> = command.iter().map(String::as_str).collect();
        args.push("-h");
        let help = stdout(&workspace, &args);
        let (lines, columns) = SHORT;
        assert!(help.lines().count() <= lines, "{command:?} has {} lines:\n{help}", help.lines().count());
        assert!(help.lines().all(|line| line.chars().count() <= columns), "{command:?}:\n{help}");
    }
}

#[test]
fn manual_pages_have_every_command_and_option() {
    let workspace = Workspace::new();
    let folder = workspace.root().join("man/deep");
    stdout(&workspace, &["man", "--out", folder.to_str().unwrap()]);
    let manual = manual(&workspace);
    for (command, help) in &manual {
        let name = [&["imgsearch".to_owned()], &command[..]].concat().join("-");
        let page = fs::read_to_string(folder.join(format!("{name}.1"))).unwrap().replace("\\-", "-");
        for option in options(help) {
            assert!(page.contains(option), "{option} in {name}.1");
        }
        assert!(page.contains("Example"), "{name}.1");
    }
    let config = fs::read_to_string(folder.join("imgsearch-config.5")).unwrap().replace("\\-", "-");
    for key in ["library", "min-score", "IMGSEARCH_TOP", "exclude = [\"*.gif\", \"Screenshots\"]"] {
        assert!(config.contains(key), "{key} in {config}");
    }
    assert_eq!(fs::read_dir(&folder).unwrap().count(), manual.len() + 1);
    // In a folder of section 1, the page of section 5 goes beside it, where `man` looks for it.
    let section = workspace.root().join("man/man1");
    workspace
        .imgsearch(&["man", "--out", section.to_str().unwrap()])
        .assert()
        .success()
        .stderr(predicates::str::contains("manpath"));
    assert!(section.with_file_name("man5").join("imgsearch-config.5").exists());
}

#[test]
fn completions_have_every_command_and_option() {
    let workspace = Workspace::new();
    let manual = manual(&workspace);
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = stdout(&workspace, &["completions", shell]);
        for (command, help) in &manual {
            assert!(command.iter().all(|name| script.contains(name)), "{command:?} for {shell}");
            for option in options(help) {
                // fish has `-l library` for `--library`.
                let written =
                    if shell == "fish" { format!("-l {}", &option[2..]) } else { option.to_owned() };
                assert!(script.contains(&written), "{written} for {shell}");
            }
        }
    }
}

#[test]
fn the_options_of_every_command_have_their_own_help() {
    let workspace = Workspace::new();
    for args in [&["help", "options"][..], &["options"], &["options", "--help"]] {
        let help = stdout(&workspace, args);
        for option in ["--library", "--model", "--device", "--threads", "--quiet"] {
            assert!(options(&help).contains(&option), "{option} in {args:?}: {help}");
        }
    }
    let lines = |args: &[&str]| stdout(&workspace, args).lines().count();
    assert!(lines(&["verify", "--help"]) < 25, "{}", stdout(&workspace, &["verify", "--help"]));
}

#[test]
fn help_of_the_output_options_fits_each_command() {
    let workspace = Workspace::new();
    for (command, field) in
        [("tags", "label"), ("classify", "label"), ("duplicates", "likeness"), ("status", "reason")]
    {
        let help = stdout(&workspace, &[command, "--help"]);
        let output = help.split_once("--fields").unwrap().1;
        assert!(output.contains(field) && !output.contains("imgsearch query"), "{command}: {help}");
        assert!(!help.contains("`jsonl` with `--queries`"), "{command}: {help}");
    }
}

#[test]
fn zsh_completes_options_behind_the_text_of_a_query() {
    let script = stdout(&Workspace::new(), &["completions", "zsh"]);
    assert!(script.contains("'*:words") && !script.contains("'*::"), "{script}");
}

#[test]
fn shells_complete_models_fields_and_results() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    stdout(&workspace, &["query", "x"]);
    let models = stdout(&workspace, &["complete", "models"]);
    assert!(models.starts_with("offline\n") && models.contains("\nclip-b32\n"), "{models}");
    assert_eq!(stdout(&workspace, &["complete", "fields", "tags"]), "probability\nlabel\npath\n");
    assert!(stdout(&workspace, &["complete", "fields", "query"]).contains("\ntaken\n"));
    assert_eq!(stdout(&workspace, &["complete", "results"]), "#1\n");
    for shell in ["bash", "zsh", "fish"] {
        let script = stdout(&workspace, &["completions", shell]);
        for kind in ["models", "fields", "results", "towns"] {
            assert!(script.contains(&format!("imgsearch complete {kind}")), "{kind} for {shell}");
        }
    }
}
