//! Cursors: the position after a page of results.
//!
//! A cursor stores the sort key of the last photo (its score or time), not an offset. So pages stay correct while the
//! library grows: no photo is repeated or missed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;

/// The maximum number of results before a page. This limits the work that a made-up cursor can cause.
const MOST_SEEN: u32 = 1_000_000;

/// The position of the last result of a page.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cursor {
    /// A hash of the question, chosen by the caller: a cursor is valid for one question only.
    pub question: u32,
    /// The number of results up to here.
    pub(super) seen: u32,
    /// The sort key of the last result.
    pub(super) place: Place,
    /// Identifies the last result among results with the same sort key.
    pub(super) key: u64,
    /// The version of the library from which the first page was made, if that matters; otherwise 0.
    pub(super) version: u64,
}

/// A sort key.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Place {
    /// The score with what words add to it, descending.
    Score(f32),
    /// The local time in milliseconds, descending.
    Taken(i64),
}

/// The text is not a valid cursor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("this is not a cursor: use the value of `next` unchanged")]
pub struct CursorError;

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (kind, place) = match self.place {
            Place::Score(score) => (0, u64::from(score.to_bits())),
            Place::Taken(ms) => (1, ms.cast_unsigned()),
        };
        let mut bytes = vec![kind];
        bytes.extend(self.question.to_be_bytes());
        bytes.extend(self.seen.to_be_bytes());
        bytes.extend(place.to_be_bytes());
        bytes.extend(self.key.to_be_bytes());
        bytes.extend(self.version.to_be_bytes());
        f.write_str(&BASE64_URL_SAFE_NO_PAD.encode(bytes))
    }
}

impl FromStr for Cursor {
    type Err = CursorError;

    fn from_str(text: &str) -> Result<Cursor, CursorError> {
        let read = || {
            let bytes: [u8; 33] = BASE64_URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
            let (kind, rest) = bytes.split_first()?;
            let (question, rest) = rest.split_first_chunk()?;
            let (seen, rest) = rest.split_first_chunk()?;
            let (place, rest) = rest.split_first_chunk()?;
            let (key, version) = rest.split_first_chunk()?;
            let place = match kind {
                0 => {
                    let bits = u32::try_from(u64::from_be_bytes(*place)).ok()?;
                    Place::Score(Some(f32::from_bits(bits)).filter(|score| score.is_finite())?)
                }
                1 => Place::Taken(i64::from_be_bytes(*place)),
                _ => return None,
            };
            let (question, seen) = (u32::from_be_bytes(*question), u32::from_be_bytes(*seen));
            let (key, version) = (u64::from_be_bytes(*key), u64::from_be_bytes(version.try_into().ok()?));
            (seen <= MOST_SEEN).then_some(Cursor { question, seen, place, key, version })
        };
        read().ok_or(CursorError)
    }
}

impl Cursor {
    /// The same cursor for this question.
    #[must_use]
    pub fn of(self, question: u32) -> Cursor {
        Cursor { question, ..self }
    }

    /// How many of `all` are before the next page. `all` is sorted; `place` returns the sort key and the identity of a
    /// result.
    pub(super) fn passes<T>(self, all: &[T], place: impl Fn(&T) -> (Place, u64)) -> usize {
        let before = |other: Place| match (other, self.place) {
            (Place::Score(other), Place::Score(own)) => other > own,
            (Place::Taken(other), Place::Taken(own)) => other > own,
            (Place::Score(_) | Place::Taken(_), _) => false,
        };
        let start = all.iter().position(|one| !before(place(one).0)).unwrap_or(all.len());
        // If the last result is gone, results with the same key are repeated rather than missed.
        let same = all[start..].iter().take_while(|one| place(one).0 == self.place);
        let passed = same.zip(1..).find(|(one, _)| place(one).1 == self.key).map_or(0, |(_, count)| count);
        start + passed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cursors_round_trip_and_other_text_is_refused() {
        for place in [Place::Score(0.25), Place::Score(-1.0), Place::Taken(-5), Place::Taken(i64::MAX)] {
            let cursor = Cursor { question: 7, seen: 50, place, key: u64::MAX, version: 3 };
            assert_eq!(cursor.to_string().parse(), Ok(cursor));
        }
        let nan = Cursor { question: 7, seen: 50, place: Place::Score(f32::NAN), key: 0, version: 0 };
        let deep = Cursor { question: 7, seen: u32::MAX, place: Place::Taken(0), key: 0, version: 0 };
        for text in [nan.to_string(), deep.to_string(), String::new(), "AAAA".into(), "/etc/passwd".into()] {
            assert_eq!(text.parse::<Cursor>(), Err(CursorError), "{text}");
        }
    }

    #[test]
    fn the_next_page_begins_after_the_last_one() {
        #[track_caller]
        fn check(all: &[(i64, u64)], expected: &[u64]) {
            let cursor = Cursor { question: 0, seen: 2, place: Place::Taken(5), key: 2, version: 0 };
            let rest = &all[cursor.passes(all, |(ms, key)| (Place::Taken(*ms), *key))..];
            assert_eq!(rest.iter().map(|(_, key)| *key).collect::<Vec<_>>(), expected, "{all:?}");
        }
        check(&[(9, 1), (5, 2), (3, 3), (1, 4)], &[3, 4]);
        // New results come first, some with the same key.
        check(&[(10, 7), (9, 1), (5, 6), (5, 2), (5, 8), (3, 3)], &[8, 3]);
        // The last result is gone.
        check(&[(9, 1), (5, 8), (3, 3)], &[8, 3]);
        check(&[(9, 1), (3, 3)], &[3]);
        check(&[(9, 1)], &[]);
        check(&[], &[]);
    }
}
