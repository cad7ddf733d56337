//! Reads IPTC: numbered text records, the oldest format for captions.

use std::borrow::Cow;

use super::blocks::LONGEST;
use super::{Collector, Rank, date};
use crate::decode::text::unicode;

const MARKER: u8 = 0x1C;
/// The number of the picture's record. The numbers of its fields follow.
const PICTURE: u8 = 2;
const TITLE: u8 = 5;
const KEYWORD: u8 = 25;
const CREATED: [u8; 2] = [55, 60];
const DIGITIZED: [u8; 2] = [62, 63];
const CAPTION: u8 = 120;

pub(super) fn read(records: &[u8], found: &mut Collector) {
    if records.len() as u64 > LONGEST {
        return;
    }
    let texts: Vec<(u8, Cow<'_, str>)> = fields(records).collect();
    let first = |wanted| texts.iter().find(|(number, _)| *number == wanted).map(|(_, text)| &**text);
    for (rank, [day, time]) in [(Rank::Original, CREATED), (Rank::Digitized, DIGITIZED)] {
        let Some(day) = first(day) else { continue };
        // The time is `143840+0100`; together they have a known notation.
        let whole = first(time).and_then(|time| date::parse(&format!("{day}T{time}")));
        found.date(rank, whole.or_else(|| date::parse(day)));
    }
    found.title(first(TITLE));
    found.description(first(CAPTION));
    found.keywords(texts.iter().filter(|(number, _)| *number == KEYWORD).map(|(_, text)| &**text));
}

/// Number and text of each field in the picture's record.
fn fields(mut records: &[u8]) -> impl Iterator<Item = (u8, Cow<'_, str>)> {
    let all = std::iter::from_fn(move || {
        let (&[MARKER, record, number, high, low], rest) = records.split_first_chunk()? else { return None };
        // The first bit marks fields over 32 KiB, which no text has.
        let (text, after) = rest.split_at_checked(usize::from(u16::from_be_bytes([high, low])))?;
        records = after;
        Some((record, number, text))
    });
    all.filter(|(record, ..)| *record == PICTURE).map(|(_, number, text)| (number, unicode(text)))
}
