//! Formats names and numbers for people.
//!
//! File names and metadata are untrusted. In text for people, invisible characters and those that move the cursor, change
//! colours or change the reading direction are escaped as in source code. Formats for programs keep the exact bytes, except
//! on a terminal.

use std::borrow::Cow;
use std::path::{MAIN_SEPARATOR, Path};

use anstyle::{AnsiColor, Effects, Style};
use imgsearch::item::path_bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_encode};

/// For headings and other unobtrusive text.
pub(crate) const DIM: Style = Style::new().effects(Effects::DIMMED);
/// For scores.
pub(crate) const SCORE: Style = AnsiColor::Green.on_default();
/// For the folders of a path, as in fd.
const FOLDER: Style = AnsiColor::Blue.on_default();

/// Characters that are not encoded in a URI: RFC 3986's unreserved ones, and the slash.
const KEPT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'/');

/// The abilities of standard output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    pub(crate) is_terminal: bool,
    pub(crate) colours: bool,
    pub(crate) hyperlinks: bool,
}

impl Look {
    /// The text in this style, if colours are on.
    pub(crate) fn styled(self, text: &str, style: Style) -> String {
        if self.colours { format!("{style}{text}{style:#}") } else { text.to_owned() }
    }

    /// A path for people: escaped, its folders coloured, and a link to the file (OSC 8).
    pub(crate) fn path(self, path: &Path) -> Vec<u8> {
        self.dressed(path, escape_path(path).as_bytes())
    }

    /// The same, without `here` in front of a path below it. The link has the whole path.
    pub(crate) fn path_from(self, path: &Path, here: Option<&Path>) -> Vec<u8> {
        self.dressed(path, escape_path(below(path, here)).as_bytes())
    }

    /// A path for programs: its exact bytes, but escaped on a terminal.
    pub(crate) fn exact_path(self, path: &Path) -> Vec<u8> {
        if self.is_terminal { self.path(path) } else { self.dressed(path, &exact(path)) }
    }

    fn dressed(self, path: &Path, name: &[u8]) -> Vec<u8> {
        let coloured = if self.colours { Cow::Owned(coloured(name)) } else { Cow::Borrowed(name) };
        match uri(path).filter(|_| self.hyperlinks) {
            Some(uri) => [format!("\x1b]8;;{uri}\x1b\\").as_bytes(), &coloured, b"\x1b]8;;\x1b\\"].concat(),
            None => coloured.into_owned(),
        }
    }
}

/// The path as seen from the folder `here`, if it is below that.
pub(crate) fn below<'p>(path: &'p Path, here: Option<&Path>) -> &'p Path {
    let inner = here.and_then(|here| path.strip_prefix(here).ok());
    inner.filter(|inner| !inner.as_os_str().is_empty()).unwrap_or(path)
}

fn coloured(name: &[u8]) -> Vec<u8> {
    let separator = name.iter().rposition(|byte| char::from(*byte) == MAIN_SEPARATOR);
    let (folder, file) = name.split_at(separator.map_or(0, |at| at + 1));
    [format!("{FOLDER}").as_bytes(), folder, format!("{FOLDER:#}").as_bytes(), file].concat()
}

/// The `file:` URI of an absolute path, without a host, which means this machine.
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

/// A relative path as a relative URI.
pub(crate) fn encoded(path: &Path) -> String {
    let bytes = exact(path);
    let slash = |byte: &u8| if char::from(*byte) == MAIN_SEPARATOR { b'/' } else { *byte };
    percent_encode(&bytes.iter().map(slash).collect::<Vec<u8>>(), KEPT).to_string()
}

/// A path's exact bytes.
pub(crate) fn exact(path: &Path) -> Cow<'_, [u8]> {
    let lossy = || Cow::Owned(path.to_string_lossy().into_owned().into_bytes());
    path_bytes(path).map_or_else(lossy, Cow::Borrowed)
}

/// A path escaped for people.
pub(crate) fn escape_path(path: &Path) -> Cow<'_, str> {
    escape_bytes(path.as_os_str().as_encoded_bytes())
}

/// The text in these bytes, escaped for people. Bytes that are not UTF-8 become `\xff`.
pub(crate) fn escape_bytes(bytes: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = str::from_utf8(bytes) {
        return escape(text);
    }
    let mut shown = String::new();
    for chunk in bytes.utf8_chunks() {
        shown.push_str(&escape(chunk.valid()));
        chunk.invalid().iter().for_each(|byte| shown.push_str(&format!("\\x{byte:02x}")));
    }
    Cow::Owned(shown)
}

/// Escapes invisible characters, and those that change how other text is shown, as in source code.
pub(crate) fn escape(text: &str) -> Cow<'_, str> {
    escape_with(text, |c| c.escape_default().to_string())
}

/// Replaces invisible characters, and those that change how other text is shown, by `escaped`.
pub(crate) fn escape_with(text: &str, escaped: impl Fn(char) -> String) -> Cow<'_, str> {
    if !text.contains(is_unseen) {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut before) = (String::with_capacity(text.len()), None);
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if is_unseen(c) && !is_joiner(before, c, rest.peek().copied()) {
            shown.push_str(&escaped(c));
        } else {
            shown.push(c);
        }
        before = Some(c);
    }
    Cow::Owned(shown)
}

/// Whether this is a control character; a direction mark, override or isolate; a zero-width character; or a line or
/// paragraph separator.
fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}'
                | '\u{61c}'
                | '\u{180e}'
                | '\u{200b}'..='\u{200f}'
                | '\u{2028}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{feff}'
                | '\u{fff9}'..='\u{fffb}'
                | '\u{e0000}'..='\u{e007f}'
        )
}

/// Whether `c` is a joiner in a legitimate place: Persian separates letters with U+200C, and U+200D joins emoji.
fn is_joiner(before: Option<char>, c: char, behind: Option<char>) -> bool {
    let is_joined = |c: Option<char>| c.is_some_and(|c| !c.is_ascii() && !is_unseen(c));
    matches!(c, '\u{200c}' | '\u{200d}') && is_joined(before) && is_joined(behind)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn invisible_characters_are_escaped() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            assert_eq!(escape_bytes(bytes), expected);
        }
        check("grün 写真 שלום.jpg".as_bytes(), "grün 写真 שלום.jpg");
        check(b"a\x1b[31m\n\t\x7f.jpg", "a\\u{1b}[31m\\n\\t\\u{7f}.jpg");
        check("\u{9b}2J".as_bytes(), "\\u{9b}2J");
        check("rtl\u{202e}gpj.exe.jpg".as_bytes(), "rtl\\u{202e}gpj.exe.jpg");
        check("\u{2066}a\u{2069}\u{200f}".as_bytes(), "\\u{2066}a\\u{2069}\\u{200f}");
        check("a\u{200b}b\u{feff}\u{2060}\u{ad}".as_bytes(), "a\\u{200b}b\\u{feff}\\u{2060}\\u{ad}");
        check("a\u{2028}b\u{2029}".as_bytes(), "a\\u{2028}b\\u{2029}");
        check(b"T\xfcr\x1b.jpg", "T\\xfcr\\u{1b}.jpg");
        // Joiners are part of Persian words and of emoji. Elsewhere they are escaped.
        check("می\u{200c}خواهم 👨\u{200d}👩.jpg".as_bytes(), "می\u{200c}خواهم 👨\u{200d}👩.jpg");
        check("a\u{200d}b\u{200c}".as_bytes(), "a\\u{200d}b\\u{200c}");
        check("م\u{200c}\u{200c}خ".as_bytes(), "م\\u{200c}\\u{200c}خ");
    }

    #[cfg(unix)]
    #[test]
    fn programs_get_the_exact_path_and_terminals_do_not() {
        use std::os::unix::ffi::OsStrExt;
        #[track_caller]
        fn check(is_terminal: bool, expected: &[u8]) {
            let path = Path::new(std::ffi::OsStr::from_bytes(b"a\n\xff.jpg"));
            let look = Look { is_terminal, ..Look::default() };
            assert_eq!(look.exact_path(path), expected);
            assert_eq!(look.path(path), b"a\\n\\xff.jpg");
        }
        check(false, b"a\n\xff.jpg");
        check(true, b"a\\n\\xff.jpg");
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

    #[cfg(unix)]
    #[test]
    fn a_path_below_the_current_folder_is_shown_from_there() {
        #[track_caller]
        fn check(path: &str, here: &str, expected: &str) {
            assert_eq!(below(Path::new(path), Some(Path::new(here))), Path::new(expected));
        }
        check("/a/b/c.jpg", "/a", "b/c.jpg");
        check("/a/b/c.jpg", "/a/b", "c.jpg");
        check("/ab/c.jpg", "/a", "/ab/c.jpg");
        check("/a", "/a", "/a");
        let look = Look { hyperlinks: true, ..Look::default() };
        let shown = look.path_from(Path::new("/a/b.jpg"), Some(Path::new("/a")));
        assert_eq!(shown, b"\x1b]8;;file:///a/b.jpg\x1b\\b.jpg\x1b]8;;\x1b\\");
    }
}
