//! Completions in the shells themselves: bash and zsh on a terminal, where Tab is pressed, and fish, which can be asked.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::terminal::{PLAIN, Screen};
use crate::workspace::{Workspace, skip};

/// The maximum time to wait for a shell. A busy machine may take several seconds.
const PATIENCE: Duration = Duration::from_secs(90);

const TOWNS: &str = "38.7\t-9.1\tPT\tLisbon\tlisbon\tlisboa\t\n\
                     40.7\t-74\tUS\tNew York City\tnew york city\t\n\
                     51.7\t5.3\tNL\t's-Hertogenbosch\t's-hertogenbosch\tden bosch\t\n\
                     48.85\t2.35\tFR\tParis\tparis\t\n\
                     33.66\t-95.55\tUS\tParis\tparis\t\n";

/// A library with a last query of two results, names of towns, and the script of a shell in a file of this name.
fn workspace(shell: &str, file: &str) -> Workspace {
    let workspace = Workspace::new();
    for seed in [1, 2] {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    workspace.imgsearch(&["query", "x", "-q", "--no-collapse"]).assert().success();
    fs::create_dir_all(data(&workspace)).unwrap();
    fs::write(data(&workspace).join("places.tsv"), TOWNS).unwrap();
    let script = workspace.imgsearch(&["completions", shell]).assert().success().get_output().stdout.clone();
    fs::create_dir(workspace.root().join("scripts")).unwrap();
    fs::write(workspace.root().join("scripts").join(file), script).unwrap();
    workspace
}

fn data(workspace: &Workspace) -> PathBuf {
    workspace.root().join("data/imgsearch")
}

/// A shell that finds `imgsearch`, with this workspace's library and towns. `None` if it is not installed.
fn shell(workspace: &Workspace, name: &str) -> Option<Command> {
    if Command::new(name).arg("--version").output().is_err() {
        skip(&format!("{name} is not installed"));
        return None;
    }
    let (program, mut shell) = (workspace.process(&[]), Command::new(name));
    for (name, value) in program.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let folder = Path::new(program.get_program()).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    shell.env("PATH", path).env("XDG_DATA_HOME", workspace.root().join("data")).env("TERM", "xterm");
    // Shells look for settings and keep their history there.
    shell.env("HOME", workspace.root()).env("ZDOTDIR", workspace.root());
    shell.env("XDG_CONFIG_HOME", workspace.root().join("config")).env("LC_ALL", "C.UTF-8");
    shell.current_dir(workspace.root());
    Some(shell)
}

/// A shell on a terminal. It writes its line into a file when Ctrl-T is pressed.
struct Typist {
    screen: Screen,
    out: PathBuf,
}

impl Typist {
    fn start(workspace: &Workspace, command: Command) -> Typist {
        let typist = Typist { screen: Screen::run(command, PLAIN), out: workspace.root().join("line") };
        typist.screen.shows("ready>");
        typist
    }

    /// Types this and Tab.
    #[track_caller]
    fn check(&mut self, typed: &str, expected: &str) {
        self.screen.press(&format!("{typed}\t\x14"));
        let start = Instant::now();
        let line = loop {
            if let Ok(line) = fs::read_to_string(&self.out) {
                break line;
            }
            assert!(start.elapsed() < PATIENCE, "no line after `{typed}`:\n{}", self.screen.text());
            std::thread::sleep(Duration::from_millis(10));
        };
        assert_eq!(line, expected, "`{typed}` on:\n{}", self.screen.text());
        fs::remove_file(&self.out).unwrap();
        self.screen.press("\x15");
    }
}

#[test]
fn bash_completes_what_only_the_program_knows() {
    let workspace = workspace("bash", "imgsearch.bash");
    let Some(mut bash) = shell(&workspace, "bash") else { return };
    let start = "PS1='ready> '\n. scripts/imgsearch.bash\n\
                 save() { printf %s \"$READLINE_LINE\" > new; mv new line; }\n\
                 bind -x '\"\\C-t\": save'\n";
    fs::write(workspace.root().join("start"), start).unwrap();
    bash.args(["--noprofile", "--rcfile", "start", "-i"]);
    let mut bash = Typist::start(&workspace, bash);
    bash.check("imgsearch qu", "imgsearch query ");
    bash.check("imgsearch query x --fo", "imgsearch query x --format ");
    bash.check("imgsearch query --format js", "imgsearch query --format json");
    bash.check("imgsearch query --model xlmr-b", "imgsearch query --model xlmr-b32 ");
    bash.check("imgsearch models use xlmr-b", "imgsearch models use xlmr-b32 ");
    bash.check("imgsearch models verify xlmr-b", "imgsearch models verify xlmr-b32 ");
    bash.check("imgsearch tags --fields prob", "imgsearch tags --fields probability ");
    bash.check("imgsearch tags --fields path,la", "imgsearch tags --fields path,label ");
    bash.check("imgsearch query --like '#", "imgsearch query --like '#");
    bash.check("imgsearch query --like '#2", "imgsearch query --like '#2' ");
    bash.check("imgsearch query x --near Li", "imgsearch query x --near Lisbon ");
    bash.check("imgsearch query x --near lisboa", "imgsearch query x --near lisboa ");
    bash.check("imgsearch query x --near P", "imgsearch query x --near P");
    bash.check("imgsearch query x --near Pa", "imgsearch query x --near Paris");
    bash.check("imgsearch query x --near Paris,U", "imgsearch query x --near Paris,US ");
    bash.check("imgsearch query x --near New", "imgsearch query x --near New\\ York\\ City ");
    bash.check("imgsearch query x --near New\\ Y", "imgsearch query x --near New\\ York\\ City ");
    bash.check("imgsearch query x --near \"New Y", "imgsearch query x --near \"New York City\" ");
    bash.check("imgsearch query x --near \\'s", "imgsearch query x --near \\'s-Hertogenbosch ");
    bash.check("imgsearch query x --near -33", "imgsearch query x --near -33");
    fs::remove_file(data(&workspace).join("places.tsv")).unwrap();
    bash.check("imgsearch query x --near Li", "imgsearch query x --near Li");
    assert!(!bash.screen.text().contains("error"), "{}", bash.screen.text());
}

#[test]
fn zsh_completes_what_only_the_program_knows() {
    let workspace = workspace("zsh", "_imgsearch");
    let Some(mut zsh) = shell(&workspace, "zsh") else { return };
    let start = "PS1='ready> '\nfpath=($PWD/scripts $fpath)\nautoload -Uz compinit\ncompinit -u -D\n\
                 save() { print -rn -- $BUFFER > new; mv new line }\nzle -N save\nbindkey '^T' save\n";
    fs::write(workspace.root().join(".zshrc"), start).unwrap();
    zsh.args(["-d", "-i"]);
    let mut zsh = Typist::start(&workspace, zsh);
    zsh.check("imgsearch qu", "imgsearch query ");
    zsh.check("imgsearch query x --fo", "imgsearch query x --format=");
    zsh.check("imgsearch query --model xlmr-b", "imgsearch query --model xlmr-b32 ");
    zsh.check("imgsearch models use xlmr-b", "imgsearch models use xlmr-b32 ");
    zsh.check("imgsearch models verify xlmr-b", "imgsearch models verify xlmr-b32 ");
    zsh.check("imgsearch tags --fields prob", "imgsearch tags --fields probability,");
    zsh.check("imgsearch tags --fields path,la", "imgsearch tags --fields path,label,");
    zsh.check("imgsearch query x --fields ra", "imgsearch query x --fields rank,");
    zsh.check("imgsearch query --like '#", "imgsearch query --like '#");
    zsh.check("imgsearch query --like '#2", "imgsearch query --like '#2' ");
    zsh.check("imgsearch query x --near Li", "imgsearch query x --near Lisbon ");
    zsh.check("imgsearch query x --near=Li", "imgsearch query x --near=Lisbon ");
    zsh.check("imgsearch query x --near P", "imgsearch query x --near P");
    zsh.check("imgsearch query x --near Pa", "imgsearch query x --near Paris");
    zsh.check("imgsearch query x --near Paris,U", "imgsearch query x --near Paris,US ");
    zsh.check("imgsearch query x --near New", "imgsearch query x --near New\\ York\\ City ");
    zsh.check("imgsearch query x --near New\\ Y", "imgsearch query x --near New\\ York\\ City ");
    zsh.check("imgsearch query x --near \"New Y", "imgsearch query x --near \"New York City\" ");
    zsh.check("imgsearch query x --near \\'s", "imgsearch query x --near \\'s-Hertogenbosch ");
    fs::remove_file(data(&workspace).join("places.tsv")).unwrap();
    zsh.check("imgsearch query x --near Li", "imgsearch query x --near Li");
}

#[test]
fn fish_completes_what_only_the_program_knows() {
    let workspace = workspace("fish", "imgsearch.fish");
    let check = |typed: &str, expected: &[&str]| {
        let Some(mut fish) = shell(&workspace, "fish") else { return };
        fish.args(["--no-config", "-c", "source scripts/imgsearch.fish; complete -C $argv[1]", typed]);
        let output = fish.output().unwrap();
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(stderr, "", "{typed}");
        let stdout = String::from_utf8(output.stdout).unwrap();
        let candidates: Vec<_> = stdout.lines().map(|line| line.split('\t').next().unwrap()).collect();
        assert_eq!(candidates, expected, "{typed}");
    };
    check("imgsearch que", &["query"]);
    check("imgsearch query x --fo", &["--format"]);
    check("imgsearch query --format js", &["json", "jsonl"]);
    check("imgsearch query --model xlmr-", &["xlmr-b32", "xlmr-h14"]);
    check("imgsearch models use xlmr-", &["xlmr-b32", "xlmr-h14"]);
    check("imgsearch models verify xlmr-", &["xlmr-b32", "xlmr-h14"]);
    check("imgsearch query use xlmr-", &[]);
    check("imgsearch tags --fields prob", &["probability"]);
    check("imgsearch tags --fields path,la", &["path,label"]);
    check("imgsearch query --like '#", &["#1", "#2"]);
    check("imgsearch query x --near Li", &["Lisbon"]);
    check("imgsearch query x --near=Li", &["--near=Lisbon"]);
    check("imgsearch query x --near P", &[]);
    check("imgsearch query x --near Pa", &["Paris", "Paris,US"]);
    check("imgsearch query x --near New\\ Y", &["New York City"]);
    check("imgsearch query x --near \\'s", &["'s-Hertogenbosch"]);
    fs::remove_file(data(&workspace).join("places.tsv")).unwrap();
    check("imgsearch query x --near Li", &[]);
}
