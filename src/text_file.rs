//! Reads text files that people write: lists of queries, vocabularies, the config file, a model's JSON.
//!
//! Some editors start a file with a byte order mark (BOM), which is not part of the text. It is skipped in UTF-8. A file
//! in UTF-16 is an error that says so.

use std::io::{self, BufRead, Read};
use std::path::Path;

use crate::files::read_bounded;

/// The longest file that is read. The largest known one, the `tokenizer.json` of a multilingual model, has 35 MB.
const MOST_BYTES: u64 = 128 << 20;
/// The longest line that is read from a stream.
const MOST_IN_A_LINE: u64 = 1 << 20;

/// U+FEFF in UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";
/// U+FEFF in UTF-16, little-endian and big-endian.
const MARKS_OF_UTF_16: [&[u8]; 2] = [b"\xff\xfe", b"\xfe\xff"];

/// Why a text cannot be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TextError {
    /// The file cannot be read.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// The text begins with the byte order mark of UTF-16.
    #[error("the text is in UTF-16: save it as UTF-8")]
    Utf16,
    /// The text has bytes that are not UTF-8.
    #[error("the text is not valid UTF-8: save it as UTF-8")]
    NotUtf8,
    /// The text is longer than the limit.
    #[error("the text is longer than {limit} bytes")]
    TooLong {
        /// The limit.
        limit: u64,
    },
}

/// Reads a whole file.
///
/// # Errors
/// Any [`TextError`].
pub fn read(path: &Path) -> Result<String, TextError> {
    read_at_most(path, MOST_BYTES)
}

/// Reads a whole file of at most `limit` bytes.
///
/// # Errors
/// Any [`TextError`].
pub fn read_at_most(path: &Path, limit: u64) -> Result<String, TextError> {
    match read_bounded(path, limit) {
        Err(error) if error.kind() == io::ErrorKind::FileTooLarge => Err(TextError::TooLong { limit }),
        read => without_mark(read?),
    }
}

/// The text without its byte order mark.
fn without_mark(mut bytes: Vec<u8>) -> Result<String, TextError> {
    if MARKS_OF_UTF_16.iter().any(|mark| bytes.starts_with(mark)) {
        return Err(TextError::Utf16);
    }
    if bytes.starts_with(MARK) {
        bytes.drain(..MARK.len());
    }
    String::from_utf8(bytes).map_err(|_| TextError::NotUtf8)
}

/// The entries of a list: its trimmed lines, without empty lines and lines that start with `#`.
pub fn entries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'))
}

/// The lines of a stream. Each is returned before the next is read, so that a dialogue is possible.
pub struct Lines<R> {
    reader: R,
    is_first: bool,
}

impl<R: BufRead> Lines<R> {
    /// The lines of `reader`.
    pub fn of(reader: R) -> Lines<R> {
        Lines { reader, is_first: true }
    }

    /// The bytes up to the next line feed; empty at the end.
    fn bytes(&mut self) -> Result<Vec<u8>, TextError> {
        let mut line = Vec::new();
        self.reader.by_ref().take(MOST_IN_A_LINE + 1).read_until(b'\n', &mut line)?;
        if line.len() as u64 > MOST_IN_A_LINE {
            return Err(TextError::TooLong { limit: MOST_IN_A_LINE });
        }
        Ok(line)
    }
}

impl<R: BufRead> Iterator for Lines<R> {
    type Item = Result<String, TextError>;

    fn next(&mut self) -> Option<Result<String, TextError>> {
        let is_first = std::mem::replace(&mut self.is_first, false);
        match self.bytes() {
            Ok(line) if line.is_empty() => None,
            Ok(line) if is_first => Some(without_mark(line)),
            Ok(line) => Some(String::from_utf8(line).map_err(|_| TextError::NotUtf8)),
            Err(error) => Some(Err(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads a file with these bytes.
    fn text_of(bytes: &[u8]) -> Result<String, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), bytes).unwrap();
        read(file.path()).map_err(|error| error.to_string())
    }

    /// The first line of a stream of these bytes.
    fn first_line_of(bytes: &[u8]) -> Result<String, String> {
        Lines::of(bytes).next().unwrap().map_err(|error| error.to_string())
    }

    #[test]
    fn a_mark_in_front_is_no_text() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Result<&str, &str>) {
            for read in [text_of, first_line_of] {
                let found = read(bytes);
                let is_right = match (&found, expected) {
                    (Ok(text), Ok(expected)) => text == expected,
                    (Err(error), Err(part)) => error.contains(part),
                    _ => false,
                };
                assert!(is_right, "{found:?}, not {expected:?}");
            }
        }
        check(b"a cat", Ok("a cat"));
        check(b"\xef\xbb\xbfa cat", Ok("a cat"));
        // Only the first one is a byte order mark.
        check(b"\xef\xbb\xbf\xef\xbb\xbfa", Ok("\u{feff}a"));
        check(b"\xff\xfea\0", Err("UTF-16"));
        check(b"\xfe\xff\0a", Err("UTF-16"));
        check(b"T\xfcr", Err("not valid UTF-8"));
    }

    #[test]
    fn lines_come_one_by_one() {
        let mut lines = Lines::of(&b"\xef\xbb\xbfa\r\n\nT\xfcr\nb"[..]);
        let mut next = || lines.next().map(|line| line.map_err(|error| error.to_string()));
        assert_eq!(next(), Some(Ok("a\r\n".into())));
        assert_eq!(next(), Some(Ok("\n".into())));
        assert!(next().unwrap().is_err());
        assert_eq!(next(), Some(Ok("b".into())));
        assert_eq!(next(), None);
        let long = vec![b'x'; 2 << 20];
        assert!(matches!(Lines::of(&long[..]).next(), Some(Err(TextError::TooLong { .. }))));
    }

    #[test]
    fn a_list_has_an_entry_a_line() {
        assert!(entries("# pets\n dog \r\n\ncat\n #x\n").eq(["dog", "cat"]));
    }
}
