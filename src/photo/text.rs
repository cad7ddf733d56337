//! The text that was read in a picture: its lines with their places, and one folded string to search.
//!
//! A search looks at every record. So the folded string comes first, and the lines are one string of bytes, which a
//! search skips in one step.

use minicbor::bytes::ByteArray;
use minicbor::{Decode, Encode};

use crate::fold::{clean, fold};

/// The most lines of one picture, and the most characters of one line.
pub const MOST_LINES: usize = 300;
/// See [`MOST_LINES`].
pub const LONGEST_LINE: usize = 500;
/// The most bytes of all lines together, and of the folded string: a dense printed page in English, or 3,000 Chinese
/// characters. A photo's record must stay below 64 KiB.
const MOST_BYTES: usize = 9_000;

/// A corner of a line: x and y as fractions of the upright picture's width and height. 0 is the left or upper edge,
/// 65,535 the right or lower one.
pub type Corner = [u16; 2];

/// A line of text in a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What stands there, in one line.
    pub text: String,
    /// How sure the reader is, in percent.
    pub confidence: u8,
    /// The corners as a person reads the text: its upper left, upper right, lower right, lower left.
    pub corners: [Corner; 4],
}

/// The text that was read in a picture. It may be empty: then somebody looked, and found none.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Text {
    #[n(0)]
    folded: String,
    #[n(1)]
    #[cbor(with = "lines_as_bytes")]
    lines: Vec<Line>,
    /// The version of what read it. A pass reads again what an older version read.
    #[n(2)]
    #[cbor(default)]
    pub reader: u32,
}

impl Text {
    /// The text in these lines, in the order in which a person reads them. Lines are cleaned (see [`clean`]), blank ones
    /// are left out, and what exceeds the limits is cut.
    pub fn new(lines: impl IntoIterator<Item = Line>, reader: u32) -> Text {
        let mut kept = Vec::new();
        let (mut folded, mut bytes) = (String::new(), 0);
        for line in lines {
            let text = clean(&line.text, LONGEST_LINE);
            if text.is_empty() {
                continue;
            }
            let compared = fold(&text);
            bytes += text.len();
            let is_too_much = bytes > MOST_BYTES || folded.len() + 1 + compared.len() > MOST_BYTES;
            if is_too_much || kept.len() == MOST_LINES {
                break;
            }
            if !kept.is_empty() {
                folded.push('\n');
            }
            folded.push_str(&compared);
            kept.push(Line { text, confidence: line.confidence.min(100), ..line });
        }
        Text { folded, lines: kept, reader }
    }

    /// The lines.
    pub fn lines(&self) -> &[Line] {
        &self.lines
    }

    /// All lines as they are searched: folded (see [`fold`]), with `\n` between lines.
    pub fn folded(&self) -> &str {
        &self.folded
    }
}

/// A line as it is stored: the corners are 16 bytes.
#[derive(Encode, Decode)]
struct StoredLine {
    #[n(0)]
    text: String,
    #[n(1)]
    confidence: u8,
    #[n(2)]
    corners: ByteArray<16>,
}

impl From<&Line> for StoredLine {
    fn from(line: &Line) -> StoredLine {
        let mut corners = [0; 16];
        let numbers = line.corners.iter().flatten();
        for (into, number) in corners.as_chunks_mut().0.iter_mut().zip(numbers) {
            *into = number.to_be_bytes();
        }
        StoredLine { text: line.text.clone(), confidence: line.confidence, corners: corners.into() }
    }
}

impl From<StoredLine> for Line {
    fn from(line: StoredLine) -> Line {
        let mut corners = [[0; 2]; 4];
        for (into, bytes) in corners.iter_mut().flatten().zip(line.corners.as_chunks().0) {
            *into = u16::from_be_bytes(*bytes);
        }
        Line { text: line.text, confidence: line.confidence, corners }
    }
}

mod lines_as_bytes {
    use minicbor::decode::{Decoder, Error};
    use minicbor::encode::{self, Encoder, Write};

    use super::{Line, StoredLine};

    #[expect(clippy::ptr_arg, reason = "minicbor passes the field")]
    pub(super) fn encode<C, W: Write>(
        lines: &Vec<Line>,
        encoder: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), encode::Error<W::Error>> {
        let lines: Vec<StoredLine> = lines.iter().map(StoredLine::from).collect();
        let bytes = minicbor::to_vec(&lines).map_err(|_| encode::Error::message("lines"))?;
        encoder.bytes(&bytes)?.ok()
    }

    pub(super) fn decode<C>(decoder: &mut Decoder<'_>, _: &mut C) -> Result<Vec<Line>, Error> {
        let lines: Vec<StoredLine> = minicbor::decode(decoder.bytes()?)?;
        Ok(lines.into_iter().map(Line::from).collect())
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(in crate::photo) fn line(text: &str) -> Line {
        let corners = [[0, 1], [65_535, 2], [65_534, 300], [3, 299]];
        Line { text: text.into(), confidence: 97, corners }
    }

    #[test]
    fn a_text_round_trips() {
        let text = Text::new([line("RECHNUNG Nr. 12"), line(" \n"), line("Größe: 10")], 3);
        assert_eq!(text.folded(), "rechnung nr. 12\ngrosse: 10");
        assert_eq!(text.lines(), [line("RECHNUNG Nr. 12"), line("Größe: 10")]);
        assert_eq!(minicbor::decode::<Text>(&minicbor::to_vec(&text).unwrap()).unwrap(), text);
        let none = Text::new([], 3);
        assert_eq!(minicbor::decode::<Text>(&minicbor::to_vec(&none).unwrap()).unwrap(), none);
    }

    #[test]
    fn hostile_text_is_cleaned_and_bounded() {
        let evil = "\u{1b}[2J\u{202e}<script>\u{0}";
        assert_eq!(Text::new([line(evil)], 1).lines()[0].text, "[2J<script>");
        let long = "\u{10ffff}\u{fdfa}".repeat(50_000);
        for lines in [vec![line(&long); 1_000], vec![line("x"); 100_000], vec![line(&"é ".repeat(900)); 99]]
        {
            let text = Text::new(lines, 1);
            assert!(text.lines().len() <= MOST_LINES && text.folded().len() <= MOST_BYTES);
            assert!(minicbor::to_vec(&text).unwrap().len() < 26_000);
        }
    }

    #[test]
    fn damaged_bytes_are_refused() {
        let bytes = minicbor::to_vec(Text::new([line("a"), line("b")], 1)).unwrap();
        for cut in 0..bytes.len() {
            assert!(minicbor::decode::<Text>(&bytes[..cut]).is_err(), "{cut}");
        }
        // Lines that are no lines.
        assert!(minicbor::decode::<Text>(b"\x82\x61a\x41\x05").is_err());
    }
}
