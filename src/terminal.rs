//! How names and numbers look on standard output.
//!
//! File names are untrusted. On a terminal, control characters in them are escaped, so that no name can move the
//! cursor or change colours; pipes and files get the exact bytes.

use std::borrow::Cow;
use std::path::{MAIN_SEPARATOR, Path};

use anstyle::{AnsiColor, Effects, Style};
use imgsearch::photo::path_bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// Headings, and whatever else should not catch the eye.
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
/// How well a photo answers.
pub(crate) const SCORE: Style = AnsiColor::Green.on_default();
/// The folders of a path, as fd shows them.
const FOLDER: Style = AnsiColor::Blue.on_default();

/// What a URI holds as it is: RFC 3986's unreserved characters, and what separates folders.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// What standard output can show.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) is_terminal: bool,
    pub(crate) colours: bool,
    pub(crate) hyperlinks: bool,
}

impl Look {
    /// The text in this style where there are colours.
    pub(crate) fn styled(self, text: &str, style: Style) -> String {
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A path: safe on a terminal, its folders coloured, and a link to the file (OSC 8).
    pub(crate) fn path(self, path: &Path) -> Vec<u8> {
        let name = printable(path, self.is_terminal);
        let coloured = if self.colours { Cow::Owned(coloured(&name)) } else { name };
        match uri(path).filter(|_| self.hyperlinks) {
            Some(uri) => [format!("\x1b]8;;{uri}\x1b\\").as_bytes(), &coloured, b"\x1b]8;;\x1b\\"].concat(),
            None => coloured.into_owned(),
        }
    }
}

fn coloured(name: &[u8]) -> Vec<u8> {
    let separator = name.iter().rposition(|byte| char::from(*byte) == MAIN_SEPARATOR);
    let (folder, file) = name.split_at(separator.map_or(0, |at| at + 1));
    [format!("{FOLDER}").as_bytes(), folder, format!("{FOLDER:#}").as_bytes(), file].concat()
}

/// A `file:` URI of an absolute path. Without a host it means this machine.
pub(crate) fn uri(path: &Path) -> Option<String> {
    let bytes = path_bytes(path).filter(|_| path.is_absolute())?;
    let slashed: Vec<u8> = if MAIN_SEPARATOR == '/' {
        bytes.to_vec()
    } else {
        let forward = |byte: &u8| if char::from(*byte) == MAIN_SEPARATOR { b'/' } else { *byte };
        std::iter::once(b'/').chain(bytes.iter().map(forward)).collect()
    };
    Some(format!("file://{}", percent_encode(&slashed, KEPT)))
}

/// A path's exact bytes, or with control characters escaped for a terminal.
pub(crate) fn printable(path: &Path, for_terminal: bool) -> Cow<'_, [u8]> {
    let exact = path_bytes(path).map(Cow::Borrowed);
    if !for_terminal && let Some(exact) = exact {
        return exact;
    }
    Cow::Owned(escape_controls(&path.to_string_lossy()).into_owned().into_bytes())
}

/// The text with control characters written as in source code.
pub(crate) fn escape_controls(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escaped = text.chars().flat_map(|c| match c.is_control() {
        true => c.escape_default().collect::<Vec<_>>(),
        false => vec![c],
    });
    Cow::Owned(escaped.collect())
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

    #[cfg(unix)]
    #[test]
    fn paths_are_coloured_and_linked_as_asked() {
        #[track_caller]
        fn check(name: &str, colours: bool, hyperlinks: bool, expected: &str) {
            let look = Look { is_terminal: true, colours, hyperlinks };
            assert_eq!(String::from_utf8(look.path(Path::new(name))).unwrap(), expected, "{name}");
        }
        check("/a b/ü.jpg", false, false, "/a b/ü.jpg");
        check("/a b/ü.jpg", true, false, "\x1b[34m/a b/\x1b[0mü.jpg");
        check(
            "/a b/ü;\n.jpg",
            false,
            true,
            "\x1b]8;;file:///a%20b/%C3%BC%3B%0A.jpg\x1b\\/a b/ü;\\n.jpg\x1b]8;;\x1b\\",
        );
        check("relative.jpg", false, true, "relative.jpg");
    }
}
