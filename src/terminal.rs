//! File names on a terminal.
//!
//! File names are untrusted. On a terminal, control characters in them are escaped, so that no name can move the
//! cursor or change colours; pipes and files get the exact bytes.

use std::borrow::Cow;
use std::path::Path;

use imgsearch::photo::path_bytes;

/// A path's exact bytes, or with control characters escaped for a terminal.
pub(crate) fn printable(path: &Path, for_terminal: bool) -> Cow<'_, [u8]> {
    let exact = path_bytes(path).map(Cow::Borrowed);
    if !for_terminal && let Some(exact) = exact {
        return exact;
    }
    let text = path.to_string_lossy();
    let escaped = text.chars().flat_map(|c| match c.is_control() {
        true => c.escape_default().collect::<Vec<_>>(),
        false => vec![c],
    });
    Cow::Owned(escaped.collect::<String>().into_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_is_escaped_on_a_terminal_only() {
        #[track_caller]
        fn check(name: &str, for_terminal: bool, expected: &str) {
            assert_eq!(printable(Path::new(name), for_terminal), expected.as_bytes());
        }
        check("a\x1b[31m\n.jpg", false, "a\x1b[31m\n.jpg");
        check("a\x1b[31m\n.jpg", true, "a\\u{1b}[31m\\n.jpg");
        check("grün 写真.jpg", true, "grün 写真.jpg");
    }
}
