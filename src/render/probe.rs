//! Asks a terminal how it shows pictures, without losing a key.
//!
//! The question is `ratatui_image`'s: kitty graphics, device attributes (sixel), cell size, and a status report, which
//! comes last and which nearly every terminal sends. Its own reader drops what a person types meanwhile
//! (ratatui/ratatui-image#202), so the answer is read here. Whatever is no answer is returned as typed.

use std::time::{Duration, Instant};

use ratatui_image::picker::ProtocolType;
use ratatui_image::picker::cap_parser::{Parser, QueryStdioOptions};

use crate::settings::Graphics;

/// How long to wait for the answer. It takes milliseconds, over a slow connection a few hundred.
const PATIENCE: Duration = Duration::from_secs(2);

/// What a terminal answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) kitty: bool,
    pub(super) sixel: bool,
    /// Width and height of a cell in pixels.
    pub(super) cell: Option<(u16, u16)>,
    /// Whether the status report came, which is the end.
    pub(super) is_whole: bool,
}

/// The terminal's answer, and what was typed meanwhile.
pub(super) fn ask(graphics: &Graphics) -> (Answer, Vec<u8>) {
    let blacklist_protocols =
        if graphics.is_text_only_kitty { vec![ProtocolType::Kitty, ProtocolType::Sixel] } else { Vec::new() };
    let question =
        Parser::query(graphics.is_tmux, QueryStdioOptions { blacklist_protocols, ..Default::default() });
    let mut splitter = Splitter::default();
    _ = exchange(question.as_bytes(), &mut splitter);
    splitter.end()
}

/// Sends the question and reads until the answer is whole, or until nobody answers any more.
#[cfg(unix)]
fn exchange(question: &[u8], splitter: &mut Splitter) -> std::io::Result<()> {
    use std::io::{Write, stdin, stdout};

    use rustix::event::{PollFd, PollFlags, Timespec, poll};

    let _raw = Raw::take()?;
    // Not locked while waiting: a signal's handler must be able to write.
    stdout().write_all(question)?;
    stdout().flush()?;
    let (end, stdin) = (Instant::now() + PATIENCE, stdin());
    while !splitter.is_done() {
        let left = end.saturating_duration_since(Instant::now());
        let left = Timespec::try_from(left).map_err(std::io::Error::other)?;
        let mut polled = [PollFd::new(&stdin, PollFlags::IN)];
        if poll(&mut polled, Some(&left))? == 0 {
            break;
        }
        let mut bytes = [0; 256];
        match rustix::io::read(&stdin, &mut bytes)? {
            0 => break,
            length => bytes[..length].iter().for_each(|byte| splitter.push(*byte)),
        }
    }
    Ok(())
}

#[cfg(not(unix))]
fn exchange(_question: &[u8], _splitter: &mut Splitter) -> std::io::Result<()> {
    Ok(())
}

/// The terminal in raw mode; dropping this restores the mode that it had.
#[cfg(unix)]
struct Raw(rustix::termios::Termios);

#[cfg(unix)]
impl Raw {
    fn take() -> std::io::Result<Raw> {
        use rustix::termios::{OptionalActions, tcgetattr, tcsetattr};
        let before = tcgetattr(std::io::stdin())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(std::io::stdin(), OptionalActions::Now, &raw)?;
        Ok(Raw(before))
    }
}

#[cfg(unix)]
impl Drop for Raw {
    fn drop(&mut self) {
        use rustix::termios::{OptionalActions, tcsetattr};
        _ = tcsetattr(std::io::stdin(), OptionalActions::Now, &self.0);
    }
}

/// Separates answers from keys.
#[derive(Debug, Default)]
struct Splitter {
    answer: Answer,
    typed: Vec<u8>,
    /// The escape sequence that has begun, from the escape on.
    sequence: Vec<u8>,
    /// Whether a paste has begun and not ended: its line ends must not be taken for keys.
    is_in_paste: bool,
}

impl Splitter {
    fn is_done(&self) -> bool {
        self.answer.is_whole && !self.is_in_paste
    }

    fn push(&mut self, byte: u8) {
        const ESCAPE: u8 = 0x1b;
        match (self.sequence.as_slice(), byte) {
            ([], ESCAPE) => self.sequence.push(byte),
            ([], _) => self.typed.push(byte),
            // A string (APC, DCS, OSC) ends with `ESC \`, or with a bell.
            ([_, b'_' | b'P' | b']', .., ESCAPE], b'\\') | ([_, b'_' | b'P' | b']', ..], 0x07) => {
                self.answer.kitty |= self.sequence.starts_with(b"\x1b_Gi=31;OK");
                self.sequence.clear();
            }
            ([_, b'_' | b'P' | b']', ..], _) => self.sequence.push(byte),
            ([_], b'_' | b'P' | b']' | b'[') => self.sequence.push(byte),
            ([_, b'[', ..], 0x40..=0x7e) => self.control(byte),
            ([_, b'[', ..], 0x20..=0x3f) => self.sequence.push(byte),
            // No sequence that terminals answer with: keys.
            _ => {
                self.typed.append(&mut self.sequence);
                self.push(byte);
            }
        }
    }

    /// A control sequence has ended with this byte.
    fn control(&mut self, last: u8) {
        let parameters = String::from_utf8_lossy(&self.sequence[2..]).into_owned();
        match (last, parameters.as_str()) {
            (b'n', "0") => self.answer.is_whole = true,
            (b'c', attributes) if attributes.starts_with('?') => {
                self.answer.sixel |= attributes[1..].split(';').any(|attribute| attribute == "4");
            }
            (b't', size) => {
                let mut numbers = size.split(';').skip(1).map(str::parse);
                if let (Some(Ok(height)), Some(Ok(width))) = (numbers.next(), numbers.next()) {
                    self.answer.cell = Some((width, height));
                }
            }
            (b'R', _) => {}
            _ => {
                self.is_in_paste = (last, parameters.as_str()) == (b'~', "200");
                self.typed.append(&mut self.sequence);
                self.typed.push(last);
            }
        }
        self.sequence.clear();
    }

    fn end(mut self) -> (Answer, Vec<u8>) {
        self.typed.append(&mut self.sequence);
        (self.answer, self.typed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &str, answer: Answer, typed: &str) {
        let mut splitter = Splitter::default();
        bytes.bytes().for_each(|byte| splitter.push(byte));
        let (found, left) = splitter.end();
        assert_eq!((found, String::from_utf8(left).unwrap().as_str()), (answer, typed));
    }

    #[test]
    fn answers_and_keys_are_told_apart() {
        let none = Answer::default();
        let whole = Answer { is_whole: true, ..none };
        check("\x1b[0n", whole, "");
        check(
            "a z\x1b[?62;4;22cebra\x1b[6;20;10t\x1b[0n",
            Answer { sixel: true, cell: Some((10, 20)), ..whole },
            "a zebra",
        );
        check("\x1b_Gi=31;OK\x1b\\gr\u{fc}n\x1b[0n", Answer { kitty: true, ..whole }, "gr\u{fc}n");
        check("\x1b_Gi=31;ENOTSUPPORTED\x1b\\\x1b[?6c\x1b[0n", whole, "");
        // Arrows, Alt with a letter, Esc, a paste.
        check("\x1b[C\x1b[0n\x1b[5~", whole, "\x1b[C\x1b[5~");
        check("\x1bx\x1b[0n", whole, "\x1bx");
        check("x\x1b", none, "x\x1b");
        check("\x1b[200~a\nb\x1b[201~\x1b[0n", whole, "\x1b[200~a\nb\x1b[201~");
    }

    #[test]
    fn a_paste_is_read_to_its_end() {
        let mut splitter = Splitter::default();
        let mut push = |bytes: &str| {
            bytes.bytes().for_each(|byte| splitter.push(byte));
            splitter.is_done()
        };
        assert!(!push("\x1b[200~a zebra\x1b[0n"));
        assert!(push("\x1b[201~"));
    }
}
