//! `browse` and `--preview` in tmux, which passes no question on to the terminal around it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use crate::workspace::{Workspace, skip};

/// The maximum time to wait for output.
const PATIENCE: Duration = Duration::from_secs(90);

/// A tmux server of its own, which ends with the test.
struct Tmux {
    socket: PathBuf,
}

impl Drop for Tmux {
    fn drop(&mut self) {
        _ = self.command(&["kill-server"]).output();
    }
}

impl Tmux {
    /// Runs `imgsearch ARGS` in a window of 80 × 30.
    fn run(workspace: &Workspace, args: &str) -> Option<Tmux> {
        if Command::new("tmux").arg("-V").output().is_err() {
            skip("tmux is not installed");
            return None;
        }
        let tmux = Tmux { socket: workspace.root().join("tmux") };
        let program = workspace.process(&[]);
        // `env` takes what it removes before what it sets.
        let removed = program.get_envs().filter(|(_, value)| value.is_none());
        let removed: String = removed.map(|(name, _)| format!(" -u {}", name.display())).collect();
        let set = program.get_envs().filter_map(|(name, value)| Some((name, value?)));
        let set: String =
            set.map(|(name, value)| format!(" {}='{}'", name.display(), value.display())).collect();
        let shell = format!("env{removed}{set} '{}' {args}; sleep 60", program.get_program().display());
        let started =
            tmux.command(&["-f", "/dev/null", "new-session", "-d", "-x", "80", "-y", "30", &shell]).output();
        assert!(started.unwrap().status.success());
        Some(tmux)
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new("tmux");
        command.arg("-S").arg(&self.socket).args(args).env_remove("TMUX");
        command
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.command(&["capture-pane", "-p"]).output().unwrap().stdout).into_owned()
    }

    fn press(&self, keys: &[&str]) {
        assert!(self.command(&[&["send-keys"], keys].concat()).status().unwrap().success());
    }

    #[track_caller]
    fn shows(&self, what: &str) {
        let start = Instant::now();
        while !self.text().contains(what) {
            assert!(start.elapsed() < PATIENCE, "never `{what}` on:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for seed in 0..4 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    workspace
}

#[test]
fn keys_pastes_and_resizes_work_from_the_start() {
    let workspace = indexed();
    let Some(tmux) = Tmux::run(&workspace, "browse --no-collapse") else { return };
    // At once, before the program has read anything.
    tmux.press(&["-l", "zebra"]);
    tmux.shows("search: zebra");
    tmux.shows("1 of 4");
    tmux.command(&["set-buffer", " in the\nsnow"]).status().unwrap();
    tmux.command(&["paste-buffer", "-p"]).status().unwrap();
    tmux.shows("search: zebra in the snow");
    tmux.shows("1 of 4");
    // The line of keys is cut only where the screen is narrow.
    for (columns, lines, shown) in [("50", "14", "0.png"), ("20", "5", "Tab:…"), ("120", "40", "3.png")] {
        tmux.command(&["resize-window", "-x", columns, "-y", lines]).status().unwrap();
        tmux.shows(shown);
    }
    tmux.press(&["C-c"]);
}

#[test]
fn a_preview_asks_no_terminal_that_cannot_answer() {
    let workspace = indexed();
    let Some(tmux) = Tmux::run(&workspace, "query x --preview --no-collapse -q") else { return };
    tmux.shows("rank");
    // The question would be on the screen if anything had taken it for text, and its answer in the line of the shell.
    assert!(!tmux.text().contains("Gi=31"), "{}", tmux.text());
}
