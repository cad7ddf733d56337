//! A pseudo-terminal for tests of the real binary: its screen, its keys, and its answers about its abilities.
#![cfg_attr(not(feature = "tui"), expect(dead_code, reason = "it has more for full screens"))]

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{LocalModes, Winsize, tcgetattr, tcsetwinsize};

/// Terminals' answers to questions about their abilities. All end with the status report "OK".
pub(crate) const PLAIN: &str = "\x1b[0n";
pub(crate) const SIXEL: &str = "\x1b[?62;4c\x1b[6;20;10t\x1b[0n";
pub(crate) const KITTY: &str = "\x1b_Gi=31;OK\x1b\\\x1b[6;20;10t\x1b[0n";
/// iTerm2 is recognised by the environment; it answers only with the size of a cell.
pub(crate) const ITERM2: &str = "\x1b[6;20;10t\x1b[0n";
/// The last question, a request for the status.
const QUESTION: &[u8] = b"\x1b[5n";

/// The maximum time to wait for output. A busy machine may take several seconds.
const PATIENCE: Duration = Duration::from_secs(90);

/// A terminal that runs a program.
pub(crate) struct Screen {
    program: Program,
    terminal: File,
    shown: Arc<Mutex<Shown>>,
    reader: JoinHandle<()>,
}

/// A program that is killed if the test fails.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        // It may already have ended.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

struct Shown {
    parser: vt100::Parser,
    sent: Vec<u8>,
}

impl Screen {
    /// Runs a command on a terminal of 80 × 30 with this answer.
    pub(crate) fn run(mut command: Command, answer: &'static str) -> Screen {
        let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&terminal).unwrap();
        unlockpt(&terminal).unwrap();
        let name = ptsname(&terminal, Vec::new()).unwrap();
        let name = std::ffi::OsStr::from_bytes(name.as_bytes());
        let program_side = File::options().read(true).write(true).open(name).unwrap();
        let terminal = File::from(terminal);
        set_size(&terminal, 80, 30);
        let stream = || program_side.try_clone().unwrap();
        let program = Program(command.stdin(stream()).stdout(stream()).stderr(stream()).spawn().unwrap());
        let shown = Shown { parser: vt100::Parser::new(30, 80, 0), sent: Vec::new() };
        let shown = Arc::new(Mutex::new(shown));
        let (theirs, ours) = (terminal.try_clone().unwrap(), Arc::clone(&shown));
        let reader = std::thread::spawn(move || read(theirs, &ours, answer));
        Screen { program, terminal, shown, reader }
    }

    pub(crate) fn press(&mut self, keys: &str) {
        self.terminal.write_all(keys.as_bytes()).unwrap();
    }

    pub(crate) fn resize(&self, columns: u16, lines: u16) {
        self.shown.lock().unwrap().parser.screen_mut().set_size(lines, columns);
        set_size(&self.terminal, columns, lines);
        // The kernel signals only programs that have this as their controlling terminal.
        self.signal(Signal::WINCH);
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_child(&self.program.0), signal).unwrap();
    }

    /// The text on the screen.
    pub(crate) fn text(&self) -> String {
        self.shown.lock().unwrap().parser.screen().contents()
    }

    /// Waits until the screen shows this.
    #[track_caller]
    pub(crate) fn shows(&self, what: &str) {
        self.until(what, |screen| screen.text().contains(what));
    }

    #[track_caller]
    pub(crate) fn until(&self, what: &str, is_so: impl Fn(&Screen) -> bool) {
        let start = Instant::now();
        while !is_so(self) {
            assert!(start.elapsed() < PATIENCE, "never `{what}` on:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Whether the alternate screen is in use, and whether echo is off.
    pub(crate) fn is_taken(&self) -> (bool, bool) {
        is_taken(&self.terminal, &self.shown)
    }

    /// Waits for the end, and checks that the terminal is restored. Returns the exit code and everything sent to it.
    #[track_caller]
    pub(crate) fn end(mut self) -> (i32, String) {
        let start = Instant::now();
        let status = loop {
            if let Some(status) = self.program.0.try_wait().unwrap() {
                break status;
            }
            assert!(start.elapsed() < PATIENCE, "never ended:\n{}", self.text());
            std::thread::sleep(Duration::from_millis(20));
        };
        // The last bytes may still be on their way.
        let Screen { program, terminal, shown, reader } = self;
        reader.join().unwrap();
        let restored = is_taken(&terminal, &shown);
        drop(program);
        let text = shown.lock().unwrap().parser.screen().contents();
        assert_eq!(restored, (false, false), "left otherwise than it was:\n{text}");
        let sent = shown.lock().unwrap().sent.clone();
        (status.code().unwrap(), String::from_utf8(sent).unwrap().replace("\r\n", "\n"))
    }
}

fn is_taken(terminal: &File, shown: &Mutex<Shown>) -> (bool, bool) {
    let cooked = LocalModes::ECHO | LocalModes::ICANON | LocalModes::ISIG;
    let is_cooked = tcgetattr(terminal).unwrap().local_modes.contains(cooked);
    (shown.lock().unwrap().parser.screen().alternate_screen(), !is_cooked)
}

/// Runs a command that does not query the terminal. Returns its exit code and everything sent to the terminal.
pub(crate) fn on_terminal(command: Command) -> (i32, String) {
    Screen::run(command, PLAIN).end()
}

fn set_size(terminal: &File, columns: u16, lines: u16) {
    let size = Winsize { ws_row: lines, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(terminal, size).unwrap();
}

/// Reads everything that is sent. When the last program closes its side, Linux reports an error, and others an end of file.
fn read(mut terminal: File, shown: &Mutex<Shown>, answer: &str) {
    let mut bytes = [0; 4096];
    while let Ok(length @ 1..) = terminal.read(&mut bytes) {
        let mut shown = shown.lock().unwrap();
        let before = shown.sent.len().saturating_sub(QUESTION.len() - 1);
        shown.sent.extend_from_slice(&bytes[..length]);
        shown.parser.process(&bytes[..length]);
        if shown.sent[before..].windows(QUESTION.len()).any(|window| window == QUESTION) {
            terminal.write_all(answer.as_bytes()).unwrap();
        }
    }
}
