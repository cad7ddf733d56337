//! Reads metadata from a JPEG's segments before the pixels.

use std::borrow::Cow;

use super::blocks::Blocks;
use crate::decode::segments::Segments;

const PHOTOSHOP: &[u8] = b"Photoshop 3.0\0";
/// The prefix of segments with the rest of a long XMP packet.
const EXTENSION: &[u8] = b"http://ns.adobe.com/xmp/extension/\0";
/// The header of such a segment: an identifier of 32 letters, the total length, and the offset of this piece.
const EXTENSION_HEADER: usize = 32 + 4 + 4;

pub(super) fn read<'a>(bytes: &'a [u8], blocks: &mut Blocks<'a>) {
    let (mut photoshop, mut extension) = (Vec::new(), Vec::new());
    for (marker, content) in Segments::of(bytes) {
        match marker {
            0xE1 => match content.strip_prefix(EXTENSION) {
                Some(piece) => extension.extend(placed(piece)),
                None => blocks.application_1(Cow::Borrowed(content)),
            },
            0xED => photoshop.extend(content.strip_prefix(PHOTOSHOP)),
            _ => {}
        }
    }
    // A list of resources may continue in the next segment.
    if let Some(resources) = blocks.joined(&photoshop) {
        blocks.photoshop(resources);
    }
    extension.sort_by_key(|(place, _)| *place);
    let pieces: Vec<&[u8]> = extension.into_iter().map(|(_, piece)| piece).collect();
    if let Some(packet) = blocks.joined(&pieces) {
        blocks.xmp(packet);
    }
}

fn placed(piece: &[u8]) -> Option<(u32, &[u8])> {
    let (header, piece) = piece.split_at_checked(EXTENSION_HEADER)?;
    Some((u32::from_be_bytes(header[36..].try_into().ok()?), piece))
}
