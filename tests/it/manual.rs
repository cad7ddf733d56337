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
        assert!(options(help).contains(&"--library"), "{command:?}: {help}");
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
    assert_eq!(fs::read_dir(&folder).unwrap().count(), manual.len());
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
fn completions_are_right_for_their_shell() {
    let workspace = Workspace::new();
    let script = workspace.root().join("completions.bash");
    fs::write(&script, stdout(&workspace, &["completions", "bash"])).unwrap();
    let ask = format!(
        ". {}; COMP_WORDS=(imgsearch query --format js); COMP_CWORD=3; _imgsearch imgsearch js --format; \
         echo ${{COMPREPLY[@]}}",
        script.display()
    );
    let output = std::process::Command::new("bash").args(["-c", &ask]).output().unwrap();
    assert_eq!(String::from_utf8(output.stdout).unwrap().trim(), "jsonl json");
}
