//! Reads metadata from a PNG's chunks, before or after the pixels.

use std::borrow::Cow;

use flate2::read::ZlibDecoder;

use super::KEYS;
use super::blocks::{Blocks, MOST};
use crate::decode::ifd::whole;
use crate::decode::text::unicode;

const HEADER: usize = 8;
const PACKET_KEY: &str = "XML:com.adobe.xmp";
/// The prefix by which ImageMagick and exiftool mark texts that contain a block in hexadecimal digits.
const PROFILE: &str = "Raw profile type ";

/// The maximum number of texts that are decompressed.
const MOST_TEXTS: usize = 2 * MOST;

pub(super) fn read<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    let (mut profiles, mut texts) = (Vec::new(), 0);
    for (kind, content) in chunks(bytes) {
        if kind == b"eXIf" {
            blocks.exif(Cow::Borrowed(content));
        }
        let Some((key, rest)) = key(kind, content).filter(|_| texts < MOST_TEXTS) else { continue };
        let Some(value) = value(kind, rest, blocks) else { continue };
        texts += 1;
        if key == PACKET_KEY {
            blocks.xmp(value);
        } else if let Some(name) = key.strip_prefix(PROFILE) {
            profiles.push((name.to_lowercase(), value));
        } else {
            blocks.text(key, unicode(&value).into_owned());
        }
    }
    // These are an older form; a chunk made for the purpose takes precedence.
    for (name, value) in profiles {
        profile(&name, &value, blocks);
    }
}

fn chunks(bytes: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = bytes.get(HEADER..).unwrap_or_default();
    std::iter::from_fn(move || {
        let length = usize::try_from(whole(rest.get(..4)?, false)).ok()?;
        let (kind, content) = (rest.get(4..8)?, rest.get(8..length.checked_add(8)?)?);
        // Skip length, kind, content and the four bytes of checksum.
        rest = rest.get(length.checked_add(12)?..).unwrap_or_default();
        Some((kind, content))
    })
}

/// The key of a text chunk, if it is one that is used, and the rest.
fn key<'a>(kind: &[u8], content: &'a [u8]) -> Option<(&'a str, &'a [u8])> {
    if !matches!(kind, b"tEXt" | b"zTXt" | b"iTXt") {
        return None;
    }
    let (key, rest) = at_nul(content)?;
    let key = std::str::from_utf8(key).ok()?;
    (key == PACKET_KEY || key.starts_with(PROFILE) || KEYS.contains(&key)).then_some((key, rest))
}

/// The text itself. By the standard some kinds are in Latin-1, but programs write UTF-8 everywhere.
fn value<'a>(kind: &[u8], rest: &'a [u8], blocks: &mut Blocks<'a>) -> Option<Cow<'a, [u8]>> {
    let mut unpacked = |packed| blocks.unpacked(ZlibDecoder::new(packed));
    Some(match kind {
        b"tEXt" => Cow::Borrowed(rest),
        b"zTXt" => unpacked(rest.strip_prefix(&[0])?),
        _ => {
            let ([is_packed, _method], rest) = rest.split_first_chunk()?;
            let (_language, rest) = at_nul(rest)?;
            let (_translated_key, value) = at_nul(rest)?;
            if *is_packed == 1 { unpacked(value) } else { Cow::Borrowed(value) }
        }
    })
}

fn at_nul(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = memchr::memchr(0, bytes)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// Decodes a block in hexadecimal digits, after a line with its name and one with its length.
fn profile(name: &str, text: &[u8], blocks: &mut Blocks<'_>) {
    let Some(bytes) = digits(text) else { return };
    match name {
        "exif" => blocks.exif(Cow::Owned(bytes)),
        "app1" => blocks.application_1(Cow::Owned(bytes)),
        "xmp" => blocks.xmp(Cow::Owned(bytes)),
        "iptc" | "8bim" => blocks.photoshop(Cow::Owned(bytes)),
        _ => {}
    }
}

fn digits(text: &[u8]) -> Option<Vec<u8>> {
    let mut lines = text.trim_ascii_start().splitn(3, |byte| *byte == b'\n');
    let (_name, length, lines) = (lines.next()?, lines.next()?, lines.next()?);
    let length: usize = std::str::from_utf8(length).ok()?.trim().parse().ok()?;
    let mut digits = lines.iter().filter_map(|byte| char::from(*byte).to_digit(16));
    let mut bytes = Vec::with_capacity(length.min(lines.len() / 2));
    while let (Some(high), Some(low)) = (digits.next(), digits.next()) {
        bytes.push(u8::try_from(high << 4 | low).ok()?);
    }
    bytes.truncate(length);
    Some(bytes)
}
