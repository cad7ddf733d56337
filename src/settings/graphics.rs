//! What the environment says about the terminal's pictures, and what this terminal answered before.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use imgsearch::files::{self, Readers};

/// How many terminals are remembered.
const MOST: usize = 50;

/// How long an answer counts: session numbers come again, and terminals are updated.
const VALID: Duration = Duration::from_secs(24 * 60 * 60);

/// What is known of the terminal before it is asked.
#[derive(Clone, Debug)]
pub(crate) struct Graphics {
    /// Whether the terminal is tmux: questions must be wrapped to get through it.
    pub(crate) is_tmux: bool,
    /// Whether an answer can come. tmux passes none on unless its option `allow-passthrough` is set.
    pub(crate) can_answer: bool,
    /// WezTerm and Konsole answer that they know kitty's graphics and sixel, but lack what is needed.
    pub(crate) is_text_only_kitty: bool,
    /// The file of answers, and what identifies this terminal in it.
    memory: Option<(PathBuf, String)>,
}

impl Graphics {
    pub(super) fn detect(cache_folder: Option<&Path>) -> Graphics {
        let is = |name: &str, what: fn(&str) -> bool| env::var(name).is_ok_and(|value| what(&value));
        let is_tmux = is("TMUX", |value| !value.is_empty())
            || is("TERM", |value| value.starts_with("tmux"))
            || is("TERM_PROGRAM", |value| value == "tmux");
        let memory =
            cache_folder.zip(terminal()).map(|(folder, terminal)| (folder.join("terminals"), terminal));
        Graphics {
            is_tmux,
            can_answer: !is_tmux || passes_through(),
            is_text_only_kitty: ["WEZTERM_EXECUTABLE", "KONSOLE_VERSION"]
                .iter()
                .any(|name| is(name, |value| !value.is_empty())),
            memory,
        }
    }

    /// What this terminal answered in this session, as [`Graphics::remember`] got it.
    pub(crate) fn remembered(&self) -> Option<String> {
        let (file, terminal) = self.memory.as_ref()?;
        lines(file).into_iter().find(|line| line.terminal == *terminal).map(|line| line.answer)
    }

    /// Remembers an answer, which is one line.
    pub(crate) fn remember(&self, answer: &str) {
        let Some((file, terminal)) = &self.memory else { return };
        let mut all = lines(file);
        all.retain(|line| line.terminal != *terminal);
        all.insert(0, Line { seconds: now(), terminal: terminal.clone(), answer: answer.to_owned() });
        all.truncate(MOST);
        let text: String = all
            .iter()
            .map(|line| format!("{}\t{}\t{}\n", line.seconds, line.terminal, line.answer))
            .collect();
        // If it cannot be written, the terminal is asked again next time.
        _ = fs::create_dir_all(file.parent().unwrap_or(Path::new("")))
            .and_then(|()| files::replace(file, text.as_bytes(), Readers::Owner));
    }
}

struct Line {
    seconds: u64,
    terminal: String,
    answer: String,
}

/// The answers that still count, newest first.
fn lines(file: &Path) -> Vec<Line> {
    let text = fs::read_to_string(file).unwrap_or_default();
    let line = |line: &str| {
        let mut parts = line.splitn(3, '\t');
        let (seconds, terminal, answer) = (parts.next()?.parse().ok()?, parts.next()?, parts.next()?);
        Some(Line { seconds, terminal: terminal.to_owned(), answer: answer.to_owned() })
    };
    let all = text.lines().filter_map(line);
    all.filter(|line| now().saturating_sub(line.seconds) < VALID.as_secs()).collect()
}

fn now() -> u64 {
    u64::try_from(jiff::Timestamp::now().as_second()).unwrap_or(0)
}

/// This terminal window: its device, its session and its kind. Another window has another device or another session.
#[cfg(unix)]
fn terminal() -> Option<String> {
    let device = rustix::termios::ttyname(std::io::stdin(), Vec::new()).ok()?;
    // Not rustix: its session cannot be 0, and in debug builds it panics there.
    let session = nix::unistd::getsid(None).ok()?;
    // Another terminal than that of the session can be any terminal. The session is 0 for a process in a container that
    // was started from outside: then it identifies nothing.
    if session.as_raw() == 0 || nix::sys::termios::tcgetsid(std::io::stdin()).ok()? != session {
        return None;
    }
    let kinds = ["TERM", "TERM_PROGRAM", "TERM_PROGRAM_VERSION", "TMUX", "TMUX_PANE"];
    let kinds = kinds.map(|name| env::var(name).unwrap_or_default()).join(" ");
    let text = format!("{} {} {kinds}", device.to_string_lossy(), session);
    Some(text.replace(['\t', '\n', '\r'], " "))
}

#[cfg(not(unix))]
fn terminal() -> Option<String> {
    None
}

/// Whether tmux passes questions on to the terminal around it. Only the user's own setting counts: programs set the
/// option for single panes.
fn passes_through() -> bool {
    let asked = Command::new("tmux")
        .args(["show-options", "-gwv", "allow-passthrough"])
        .stdin(Stdio::null())
        .output();
    asked.is_ok_and(|output| ["on", "all"].contains(&String::from_utf8_lossy(&output.stdout).trim()))
}
