//! Previews in the terminal.

use std::fs;

use crate::see::indexed;
use crate::terminal::{ITERM2, KITTY, PLAIN, SIXEL, Screen};

/// Returns what is sent to a terminal with this answer, and checks that its mode is restored.
#[track_caller]
fn previewed(args: &[&str], answer: &'static str, code: i32) -> String {
    let workspace = indexed(&["a.png", "b.png", "c.png", "d.png"]);
    // The command line wins over this.
    fs::write(workspace.config(), "format = \"paths\"").unwrap();
    let mut command = workspace.process(&["query", "a photo", "--preview", "--no-collapse"]);
    command.args(args).env("TERM", "xterm-256color");
    if answer == ITERM2 {
        command.env("TERM_PROGRAM", "iTerm.app");
    }
    let (found, sent) = Screen::run(command, answer).end();
    assert_eq!(found, code, "{sent}");
    sent
}

#[test]
fn previews_use_the_graphics_that_the_terminal_supports() {
    #[track_caller]
    fn check(answer: &'static str, picture: &str) {
        let sent = previewed(&[], answer, 0);
        assert!(sent.matches(picture).count() >= 4, "{sent:?}");
        // Each name is below its picture and in the list.
        let names = ["a.png", "b.png", "c.png", "d.png"];
        let listed = sent.rsplit("rank").next().unwrap();
        assert!(names.iter().all(|name| listed.contains(name)), "{sent:?}");
    }
    check(PLAIN, "▀");
    check(SIXEL, "\x1bP");
    check(KITTY, "\x1b_Gq=2");
    check(ITERM2, "\x1b]1337;File=inline=1;");
    // This one never answers.
    check("", "▀");
}

#[test]
fn previews_need_text_format_and_colours() {
    #[track_caller]
    fn check(args: &[&str], hint: &str) {
        let sent = previewed(args, PLAIN, 2);
        assert!(sent.contains(hint) && !sent.contains("▀"), "{sent}");
    }
    check(&["--format", "jsonl"], "hint: `--html");
    check(&["--color", "never"], "hint: `--color always`");
}

#[test]
fn a_preview_needs_a_terminal() {
    let refused = indexed(&["a.png"]).imgsearch(&["query", "a photo", "--preview"]).assert().code(2);
    let said = String::from_utf8(refused.get_output().stderr.clone()).unwrap();
    assert!(said.contains("terminal") && said.contains("hint: `imgsearch query"), "{said}");
}
