//! The sample output in README.md is what the program prints, on the sample photos of the demo.

use std::path::Path;

use crate::terminal::on_terminal;
use crate::workspace::{Workspace, skip};

/// The number of sample photos where Debian's packages can be downloaded.
const PHOTOS: usize = 35;

/// A command in the README, and what it is said to print.
struct Sample {
    command: String,
    output: Vec<String>,
}

/// The commands in the blocks marked as `console`.
fn samples() -> Vec<Sample> {
    let readme = std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md")).unwrap();
    let blocks = readme.split("```console\n").skip(1).map(|block| block.split("```").next().unwrap());
    let mut samples: Vec<Sample> = Vec::new();
    for line in blocks.flat_map(str::lines) {
        if let Some(command) = line.strip_prefix("$ imgsearch ") {
            samples.push(Sample { command: command.to_owned(), output: Vec::new() });
        } else {
            samples.last_mut().unwrap().output.push(line.trim_end().to_owned());
        }
    }
    samples
}

/// The words of a command line, some of them in double quotes.
fn words(command: &str) -> Vec<String> {
    let mut is_quoted = false;
    let separated = command.split(|c: char| {
        is_quoted ^= c == '"';
        c == ' ' && !is_quoted
    });
    separated.map(|word| word.replace('"', "")).collect()
}

/// The line with seconds replaced, which differ from run to run.
fn timeless(line: &str) -> String {
    let word = |word: &str| if word.parse::<f64>().is_ok() { "N".to_owned() } else { word.to_owned() };
    match line.strip_prefix("done in ") {
        Some(time) => format!("done in {}", time.split(' ').map(word).collect::<Vec<_>>().join(" ")),
        None => line.trim_end().to_owned(),
    }
}

/// Whether the lines say the same. Scores may differ a little between processors.
fn agree(one: &str, other: &str) -> bool {
    let near = |(a, b): (&str, &str)| match (a.parse::<f64>(), b.parse::<f64>()) {
        (Ok(a), Ok(b)) => (a - b).abs() < 0.02,
        _ => a == b,
    };
    let (one, other) = (one.split_whitespace(), other.split_whitespace());
    one.clone().count() == other.clone().count() && one.zip(other).all(near)
}

#[test]
fn sample_output_is_what_the_program_prints() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let photos = std::fs::read_dir(root.join("demo/photos")).into_iter().flatten().flatten();
    let is_photo = |path: &Path| path.extension().is_some_and(|ending| ending != "txt");
    if photos.filter(|entry| is_photo(&entry.path())).count() != PHOTOS {
        skip("run `scripts/samples` first: the README's examples need its photos");
        return;
    }
    let workspace = Workspace::new();
    let samples = samples();
    assert!(samples.len() >= 2, "the README has no examples");
    for Sample { command, output } in samples {
        let args = words(&command);
        let args: Vec<&str> = args.iter().map(String::as_str).chain(["--color", "never"]).collect();
        // Progress and tips, which depend on the installed models, are not in the README.
        let mut process = workspace.process(&args);
        process.current_dir(root);
        let (code, sent) = on_terminal(process);
        assert_eq!(code, 0, "{command}: {sent}");
        let printed: Vec<String> = sent
            .lines()
            .map(last_drawn)
            .filter(|line| !line.is_empty() && !line.starts_with("tip: "))
            .map(timeless)
            .collect();
        let expected: Vec<String> = output.iter().map(|line| timeless(line)).collect();
        let is_same = printed.len() == expected.len()
            && printed.iter().zip(&expected).all(|(one, other)| agree(one, other));
        assert!(is_same, "{command} prints\n{}\nnot\n{}", printed.join("\n"), expected.join("\n"));
    }
}

/// What stays of a line after bars were drawn over it and removed.
fn last_drawn(line: &str) -> &str {
    line.rsplit(['\r']).next().unwrap_or(line).trim_start_matches("\u{1b}[2K")
}
