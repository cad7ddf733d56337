//! The texts of a photo's record, read where they lie: a query for words looks at every photo of a large library.

use std::borrow::Cow;

use minicbor::Decoder;
use minicbor::decode::Error;

use crate::fold::folded;

/// Positions in the encoded [`Photo`](super::Photo) and [`Details`](super::Details).
const DETAILS: u64 = 3;
const TEXT: u64 = 7;
const TITLE: u64 = 14;
const DESCRIPTION: u64 = 15;
const KEYWORDS: u64 = 16;
const PEOPLE: u64 = 18;

/// The texts of a photo. All but the one that was read in the picture are as somebody wrote them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Texts<'a> {
    /// The text in the picture, folded; `None` if nobody has looked yet.
    pub read: Option<&'a str>,
    /// The title.
    pub title: Option<&'a str>,
    /// The description.
    pub description: Option<&'a str>,
    /// The keywords.
    pub keywords: List<'a>,
    /// The names of the people in it.
    pub people: List<'a>,
}

/// A list of texts that is decoded when it is read.
#[derive(Clone, Copy, Debug, Default)]
pub struct List<'a> {
    /// An encoded array of texts, or nothing.
    bytes: &'a [u8],
}

impl<'a> Texts<'a> {
    /// Reads them from an encoded record. What is damaged counts as absent.
    pub fn of(payload: &'a [u8]) -> Texts<'a> {
        let mut texts = Texts::default();
        // What was read up to a damaged place stays.
        _ = texts.read_photo(payload);
        texts
    }

    /// All of them in one, folded, each followed by a line feed.
    pub fn append_folded(&self, into: &mut Vec<u8>) {
        let Texts { read, title, description, keywords, people } = self;
        let written = title.iter().chain(description).copied().chain(keywords.iter()).chain(people.iter());
        let folded = read.iter().map(|read| Cow::Borrowed(*read)).chain(written.map(folded));
        for text in folded.filter(|text| !text.is_empty()) {
            into.extend(text.as_bytes());
            into.push(b'\n');
        }
    }

    fn read_photo(&mut self, payload: &'a [u8]) -> Result<(), Error> {
        let mut decoder = Decoder::new(payload);
        for field in 0..fields(&mut decoder)?.min(TEXT + 1) {
            match field {
                DETAILS => self.read_details(&mut decoder)?,
                TEXT => {
                    if fields(&mut decoder)? > 0 {
                        self.read = Some(decoder.str()?);
                    }
                }
                _ => skip(&mut decoder)?,
            }
        }
        Ok(())
    }

    fn read_details(&mut self, decoder: &mut Decoder<'a>) -> Result<(), Error> {
        for field in 0..fields(decoder)? {
            match field {
                TITLE => self.title = text(decoder)?,
                DESCRIPTION => self.description = text(decoder)?,
                KEYWORDS => self.keywords = List::next(decoder)?,
                PEOPLE => self.people = List::next(decoder)?,
                _ => skip(decoder)?,
            }
        }
        Ok(())
    }
}

impl<'a> List<'a> {
    fn next(decoder: &mut Decoder<'a>) -> Result<List<'a>, Error> {
        let start = decoder.position();
        skip(decoder)?;
        Ok(List { bytes: decoder.input().get(start..decoder.position()).unwrap_or_default() })
    }

    /// The texts, in order.
    pub fn iter(self) -> impl Iterator<Item = &'a str> {
        let mut decoder = Decoder::new(self.bytes);
        let count = fields(&mut decoder).unwrap_or(0);
        (0..count).map_while(move |_| decoder.str().ok())
    }
}

/// How many values the next array has; 0 for `null`.
fn fields(decoder: &mut Decoder<'_>) -> Result<u64, Error> {
    if decoder.datatype()? == minicbor::data::Type::Null {
        decoder.skip()?;
        return Ok(0);
    }
    decoder.array()?.ok_or_else(|| Error::message("an array without a length"))
}

/// Skips the next value, several times as fast as the decoder does: most of a search for words is skipping.
fn skip(decoder: &mut Decoder<'_>) -> Result<(), Error> {
    let input = decoder.input();
    let mut at = decoder.position();
    let mut left: u64 = 1;
    while left > 0 {
        // RFC 8949, section 3: the major type in three bits; then a small number, or how many bytes the number has.
        let Some(head) = input.get(at) else { return Err(Error::end_of_input()) };
        let number = match head & 31 {
            small @ 0..24 => u64::from(small),
            long @ 24..28 => {
                let bytes = input.get(at + 1..).and_then(|rest| rest.get(..1 << (long - 24)));
                let bytes = bytes.ok_or_else(Error::end_of_input)?;
                at += bytes.len();
                bytes.iter().fold(0, |number, byte| number << 8 | u64::from(*byte))
            }
            // A length that is not known. Records have none.
            _ => return decoder.skip(),
        };
        at += 1;
        left -= 1;
        let (bytes, values) = match head >> 5 {
            2 | 3 => (number, 0),
            4 => (0, number),
            5 => (0, number.saturating_mul(2)),
            6 => (0, 1),
            _ => (0, 0),
        };
        at = usize::try_from(bytes).map_or(usize::MAX, |bytes| at.saturating_add(bytes));
        left = left.saturating_add(values);
    }
    if at > input.len() {
        return Err(Error::end_of_input());
    }
    decoder.set_position(at);
    Ok(())
}

fn text<'a>(decoder: &mut Decoder<'a>) -> Result<Option<&'a str>, Error> {
    decoder.decode()
}

#[cfg(test)]
mod tests {
    use super::super::details::tests::details;
    use super::super::text::tests::line;
    use super::super::{Details, Photo, Stamp, Text};
    use super::*;

    const STAMP: Stamp = Stamp { size: 5, modified_ns: -7, changed_ns: 9 };

    #[test]
    fn texts_are_those_of_the_record() {
        let known = Details {
            title: Some("A title".into()),
            description: Some("And more".into()),
            keywords: vec!["one".into(), "two".into()],
            people: vec!["Ada".into()],
            ..details()
        };
        let photo = Photo::read(STAMP, 7, Some(known)).with_text(Text::new([line("Größe")], 1));
        let payload = photo.encode();
        let texts = Texts::of(&payload);
        assert_eq!(
            (texts.read, texts.title, texts.description),
            (Some("grosse"), Some("A title"), Some("And more"))
        );
        assert_eq!(texts.keywords.iter().collect::<Vec<_>>(), ["one", "two"]);
        assert_eq!(texts.people.iter().collect::<Vec<_>>(), ["Ada"]);
        for cut in 0..payload.len() {
            let texts = Texts::of(&payload[..cut]);
            assert!(texts.keywords.iter().count() <= 2);
        }
    }

    #[test]
    fn values_are_skipped_as_the_decoder_skips_them() {
        #[track_caller]
        fn check(bytes: &[u8]) {
            let (mut fast, mut slow) = (Decoder::new(bytes), Decoder::new(bytes));
            // The decoder also refuses texts that are not UTF-8, which are only read over here.
            if slow.skip().is_ok() {
                skip(&mut fast).unwrap();
                assert_eq!(fast.position(), slow.position(), "{bytes:x?}");
            }
        }
        let photo = Photo::read(STAMP, 7, Some(details())).with_text(Text::new([line("Größe")], 1)).encode();
        for start in 0..photo.len() {
            check(&photo[start..]);
            check(&photo[..start]);
        }
        check(
            &minicbor::to_vec((1_u64 << 40, -70_000_i64, 1.5_f64, true, None::<u8>, "x".repeat(300)))
                .unwrap(),
        );
        check(&[0x9f, 1, 2, 0xff]);
        check(&[0xc1, 0x1a, 0, 0, 0, 1]);
        for kind in [0x5b, 0x9b, 0xbb] {
            let endless = [kind, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff];
            assert!(skip(&mut Decoder::new(&endless)).is_err());
        }
        for cut in 0..photo.len() {
            assert!(skip(&mut Decoder::new(&photo[..cut])).is_err());
        }
    }

    #[test]
    fn a_photo_without_texts_has_none() {
        for photo in [Photo::read(STAMP, 7, None), Photo::read(STAMP, 7, Some(details()))] {
            let payload = photo.encode();
            let Texts { read, title, description, keywords, people } = Texts::of(&payload);
            assert_eq!((read, title, description), (None, None, None));
            assert_eq!(keywords.iter().chain(people.iter()).count(), 0);
        }
        assert!(Texts::of(b"something else").read.is_none());
    }
}
