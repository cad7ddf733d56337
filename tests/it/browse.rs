//! `browse` on a terminal.

use rustix::process::Signal;

use crate::terminal::{KITTY, PLAIN, Screen};
use crate::workspace::Workspace;

fn indexed(photos: u32) -> Workspace {
    let workspace = Workspace::new();
    for seed in 0..photos {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.index(&[], 0);
    workspace
}

fn browse(workspace: &Workspace, args: &[&str], answer: &'static str) -> Screen {
    let mut command = workspace.process(&[&["browse", "--no-collapse"], args].concat());
    command.env("TERM", "xterm-256color");
    let screen = Screen::run(command, answer);
    screen.until("a full screen", |screen| screen.is_taken() == (true, true));
    screen
}

/// Checks that the program exits cleanly, and returns what it sent to the terminal.
#[track_caller]
fn ends(screen: Screen) -> String {
    let (code, sent) = screen.end();
    assert_eq!(code, 0, "{sent}");
    sent
}

#[test]
fn typing_searches() {
    let workspace = indexed(8);
    let mut screen = browse(&workspace, &[], PLAIN);
    screen.shows("search:");
    screen.press("a red square");
    screen.shows("search: a red square");
    screen.shows("1 of 8");
    screen.shows("▀");
    screen.press("\x1b[C");
    screen.shows("2 of 8");
    screen.press("\t");
    screen.shows("[like ");
    // The photo itself is not among the results.
    screen.shows("1 of 7");
    // A line feed in pasted text opens nothing.
    screen.press("\x1b[200~in\nsnow\x1b[201~");
    screen.shows("in snow");
    screen.press(" +");
    screen.shows("`+`");
    screen.press("\x1b");
    screen.until("an empty query", |screen| !screen.text().contains("snow"));
    screen.press("\x1b");
    ends(screen);
}

#[test]
fn the_terminal_is_restored_when_the_program_is_terminated() {
    let workspace = indexed(1);
    for signal in [Signal::TERM, Signal::HUP] {
        let screen = browse(&workspace, &[], PLAIN);
        screen.shows("search:");
        screen.signal(signal);
        assert_eq!(screen.end().0, 130);
    }
}

#[test]
fn a_screen_of_another_size_shows_what_fits() {
    let workspace = indexed(8);
    let mut screen = browse(&workspace, &["a", "square"], PLAIN);
    screen.shows("1 of 8");
    let shown =
        |screen: &Screen| (0..8).filter(|seed| screen.text().contains(&format!("{seed}.png"))).count();
    for (columns, lines, photos) in [(30, 16, 1), (3, 2, 0), (1, 1, 0), (120, 40, 8)] {
        screen.resize(columns, lines);
        screen.until(&format!("{photos} photos"), |screen| shown(screen) == photos);
    }
    screen.press("\x03");
    ends(screen);
}

#[test]
fn filters_apply_and_damaged_and_missing_photos_are_shown() {
    let workspace = indexed(3);
    std::fs::remove_file(workspace.photos().join("0.png")).unwrap();
    std::fs::write(workspace.photos().join("1.png"), "no picture").unwrap();
    let mut screen = browse(&workspace, &["x", "--glob", "[01].png"], PLAIN);
    screen.shows("No such file");
    screen.shows("not an image");
    screen.shows("1 of 2");
    screen.press("\x03");
    ends(screen);
}

#[test]
fn a_terminal_with_graphics_gets_images() {
    let workspace = indexed(2);
    let mut screen = browse(&workspace, &["x"], KITTY);
    screen.shows("1 of 2");
    screen.until("two pictures", |screen| screen.text().matches('\u{10eeee}').count() > 1);
    screen.press("\x03");
    assert!(ends(screen).contains("\x1b_G"));
}

#[test]
fn browse_needs_a_terminal() {
    let workspace = indexed(1);
    let output = workspace.imgsearch(&["browse", "x"]).assert().code(2).get_output().clone();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert!(stderr.contains("terminal") && stderr.contains("hint: `imgsearch query"), "{stderr}");
    assert!(output.stdout.is_empty());
}
