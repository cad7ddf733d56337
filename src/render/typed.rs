//! Bytes that were typed before the screen read keys, as the events that they would have been.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyModifiers};

/// The start and the end of pasted text.
const PASTE: [&str; 2] = ["\x1b[200~", "\x1b[201~"];

/// Control sequences of keys without letters.
const KEYS: &[(&str, KeyCode)] = &[
    ("\x1b[A", KeyCode::Up),
    ("\x1b[B", KeyCode::Down),
    ("\x1b[C", KeyCode::Right),
    ("\x1b[D", KeyCode::Left),
    ("\x1b[H", KeyCode::Home),
    ("\x1b[F", KeyCode::End),
    ("\x1b[2~", KeyCode::Insert),
    ("\x1b[5~", KeyCode::PageUp),
    ("\x1b[6~", KeyCode::PageDown),
    ("\r", KeyCode::Enter),
    ("\n", KeyCode::Enter),
    ("\t", KeyCode::Tab),
    ("\x7f", KeyCode::Backspace),
    ("\x08", KeyCode::Backspace),
];

/// The events, in order. Keys that `browse` does not know do nothing.
pub(crate) fn events(bytes: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(bytes);
    let (mut rest, mut events) = (&*text, Vec::new());
    while let Some(c) = rest.chars().next() {
        if let Some(pasted) = rest.strip_prefix(PASTE[0]) {
            let (pasted, behind) = pasted.split_once(PASTE[1]).unwrap_or((pasted, ""));
            events.push(Event::Paste(pasted.to_owned()));
            rest = behind;
        } else if let Some((keys, code)) = KEYS.iter().find(|(keys, _)| rest.starts_with(keys)) {
            events.push(Event::Key((*code).into()));
            rest = &rest[keys.len()..];
        } else if let Some(unknown) = rest.strip_prefix("\x1b[") {
            let end =
                unknown.find(|c: char| ('\x40'..='\x7e').contains(&c)).map_or(unknown.len(), |at| at + 1);
            rest = &unknown[end..];
        } else {
            events.push(Event::Key(key(c)));
            rest = &rest[c.len_utf8()..];
        }
    }
    events
}

fn key(c: char) -> KeyEvent {
    match c {
        '\x1b' => KeyCode::Esc.into(),
        '\0' => KeyEvent::new(KeyCode::Char(' '), KeyModifiers::CONTROL),
        '\x01'..='\x1a' => {
            let letter = char::from_u32(u32::from(c) + 0x60).unwrap_or(c);
            KeyEvent::new(KeyCode::Char(letter), KeyModifiers::CONTROL)
        }
        c => KeyCode::Char(c).into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn typed_bytes_become_events() {
        let plain = |code: KeyCode| Event::Key(code.into());
        let control = |c| Event::Key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::CONTROL));
        #[track_caller]
        fn check(bytes: &str, expected: &[Event]) {
            assert_eq!(events(bytes.as_bytes()), expected, "{bytes:?}");
        }
        check("ü\x1b[C", &[plain(KeyCode::Char('ü')), plain(KeyCode::Right)]);
        check("\x1b[200~a\nb\x1b[201~\r", &[Event::Paste("a\nb".into()), plain(KeyCode::Enter)]);
        check("\x03\0\x7f", &[control('c'), control(' '), plain(KeyCode::Backspace)]);
        check("\x1b[15~\x1b", &[plain(KeyCode::Esc)]);
    }
}
