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

#[test]
fn what_is_typed_before_the_terminal_answers_is_not_lost() {
    let workspace = indexed(4);
    // The keys come before the answer, which is the only one.
    for (keys, shown) in
        [("a zebra", "search: a zebra"), ("\x1b[200~a paste\nof two\x1b[201~", "search: a paste of two")]
    {
        let mut command = workspace.process(&["browse", "--no-collapse"]);
        command.env("TERM", "xterm-256color");
        let mut screen = Screen::run(command, PLAIN);
        screen.press(keys);
        screen.shows(shown);
        screen.press("s");
        screen.shows(&format!("{shown}s"));
        screen.press("\x03");
        ends(screen);
    }
}

#[test]
fn a_terminal_that_never_answers_loses_no_key() {
    let workspace = indexed(2);
    let mut command = workspace.process(&["browse", "--no-collapse"]);
    command.env("TERM", "xterm-256color");
    let mut screen = Screen::run(command, "");
    screen.until("a full screen", |screen| screen.is_taken() == (true, true));
    screen.press("zebra");
    screen.shows("search: zebra");
    screen.press("\x03");
    ends(screen);
}

#[test]
fn without_a_query_the_newest_photos_are_shown() {
    let workspace = Workspace::new();
    for (name, seed, date) in [("old.jpg", 1, "2001:02:03 04:05:06"), ("new.jpg", 2, "2021:02:03 04:05:06")] {
        workspace.photo_with(name, seed, &[(exif::Tag::DateTimeOriginal, date)]);
    }
    workspace.index(&[], 0);
    let mut screen = browse(&workspace, &[], PLAIN);
    screen.shows("newest, 1 of 2");
    screen.shows("2021-02-03  new.jpg");
    // Filters are typed in the line.
    screen.press("before:2010");
    screen.shows("newest, 1 of 1");
    screen.until("only the old photo", |screen| !screen.text().contains("new.jpg"));
    screen.press(" a square");
    screen.until("a search", |screen| screen.text().contains("1 of 1") && !screen.text().contains("newest"));
    screen.press("\x15a square type:exe");
    screen.shows("`exe`");
    screen.press("\x03");
    ends(screen);
}

#[test]
fn a_photo_fills_the_screen_and_several_are_copied() {
    let workspace = indexed(4);
    let mut screen = browse(&workspace, &["a", "square"], PLAIN);
    screen.shows("1 of 4");
    screen.press("\r");
    screen.shows("next, previous");
    screen.press("\x1b[C");
    screen.shows("2 of 4");
    screen.press("\x1b");
    screen.shows("Tab: similar");
    // Two marks: this one and the next.
    screen.press("\0\0");
    screen.shows("2 marked");
    screen.shows("● ");
    let folder = workspace.root().join("chosen");
    screen.press(&format!("\x13{}", folder.display()));
    screen.shows("copy to folder: ");
    screen.press("\r");
    screen.shows("copied 2 photos");
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 2);
    screen.press("\x19");
    screen.shows("copied 2 paths");
    screen.press("\x03");
    let sent = ends(screen);
    assert!(sent.contains("\x1b]52;c;"), "the clipboard");
}

#[test]
fn names_that_are_cut_end_with_dots() {
    let workspace = Workspace::new();
    workspace.photo("a_very_long_name_of_a_photo.png", 1);
    workspace.index(&[], 0);
    let mut screen = browse(&workspace, &["x"], PLAIN);
    screen.shows("a_very_long_na…");
    screen.press("\x03");
    ends(screen);
}
