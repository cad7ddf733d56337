//! The texts of a photo's record, read where they lie: a query for words looks at every photo of a large library.

use minicbor::Decoder;
use minicbor::decode::Error;

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

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        let Texts { read, title, description, keywords, people } = self;
        read.is_none_or(str::is_empty)
            && title.is_none()
            && description.is_none()
            && keywords.iter().chain(people.iter()).next().is_none()
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
                _ => decoder.skip()?,
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
                _ => decoder.skip()?,
            }
        }
        Ok(())
    }
}

impl<'a> List<'a> {
    fn next(decoder: &mut Decoder<'a>) -> Result<List<'a>, Error> {
        let start = decoder.position();
        decoder.skip()?;
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
