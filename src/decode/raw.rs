//! Reads camera RAW files by the JPEG preview that every camera stores in them.
//!
//! Developing a RAW takes seconds, and the maker's rendering is the one that people remember. Makers store the JPEG in
//! different places (TIFF entries, maker notes, boxes, their own headers), but always complete and in one piece. So every
//! place where a JPEG starts is tried, and anything that is not a JPEG of sensible size is ignored. If there is no preview, a
//! colour picture in another format is used: some programs write TIFF files that look like RAW, with a thumbnail first and
//! then the picture.

use super::ifd::{Structure, whole};
use super::segments::Segments;
use super::{DecodeError, Decoded, Detail, Limits, decode_jpeg, jpeg_memory, tiff};

/// The least short side of a preview. Smaller ones are thumbnails for the camera's screen, usually 160 × 120 pixels, in which
/// too little is visible.
const SMALLEST_PREVIEW: u32 = 400;
/// How many places are tried. Cameras store up to five JPEGs, and the four bytes that start one occur by chance about once in
/// 16 MB of sensor data.
const MOST_PLACES: usize = 64;

/// The name of the RAW format, if these bytes are a RAW file.
pub(super) fn name(bytes: &[u8]) -> Option<&'static str> {
    match bytes.get(..16)? {
        head if head.starts_with(b"FUJIFILMCCD-RAW ") => Some("RAF"),
        head if &head[4..12] == b"ftypcrx " => Some("CR3"),
        head if head.starts_with(b"IIU\0") => Some("RW2"),
        head if head.starts_with(b"FOVb") => Some("X3F"),
        head if head.starts_with(b"\0MRM") => Some("MRW"),
        head if &head[6..14] == b"HEAPCCDR" => Some("CRW"),
        head if [b"IIRO", b"IIRS", b"MMOR"].iter().any(|magic| head.starts_with(*magic)) => Some("ORF"),
        head if head.starts_with(b"II*\0") && &head[8..10] == b"CR" => Some("CR2"),
        head if head.starts_with(b"II*\0") || head.starts_with(b"MM\0*") => name_of_tiff(bytes),
        _ => None,
    }
}

/// The RAW format of a TIFF file. DNG states it. NEF, ARW and others are TIFF files whose first picture is marked as a
/// reduced version, or that contain sensor data. A TIFF reader would take the thumbnail at the front for the photo.
fn name_of_tiff(bytes: &[u8]) -> Option<&'static str> {
    const SUBFILE_TYPE: u16 = 0x00FE;
    const INTERPRETATION: u16 = 0x0106;
    const SENSOR_DATA: [Option<u64>; 2] = [Some(32803), Some(34892)];
    const DNG_VERSION: u16 = 0xC612;
    let structure = Structure::of(bytes)?;
    let first = structure.first()?;
    if first.get(DNG_VERSION).is_some() {
        return Some("DNG");
    }
    let is_smaller = first.uint(SUBFILE_TYPE).is_some_and(|value| value & 1 == 1);
    let has_sensor_data = || structure.all().any(|of| SENSOR_DATA.contains(&of.uint(INTERPRETATION)));
    (is_smaller || has_sensor_data()).then_some("RAW")
}

/// Decodes the smallest preview with the requested detail, or else the largest one.
pub(super) fn decode(
    bytes: &[u8],
    name: &str,
    limits: &Limits,
    detail: Detail,
) -> Result<Decoded, DecodeError> {
    let decoded = match preview(bytes, detail) {
        Some(preview) => Some(decode_jpeg(preview, limits, detail)),
        None => tiff::decode_largest(bytes, SMALLEST_PREVIEW, limits),
    };
    let missing = || Err(DecodeError::Unsupported { format: format!("{name} without a preview") });
    decoded.unwrap_or_else(missing)
}

/// The memory in bytes that [`decode`] needs.
pub(super) fn memory(bytes: &[u8], detail: Detail) -> Option<u64> {
    match preview(bytes, detail) {
        Some(preview) => jpeg_memory(preview, detail),
        None => tiff::memory_of_largest(bytes, SMALLEST_PREVIEW),
    }
}

/// The bytes of the file from the start of the preview.
pub(super) fn preview(bytes: &[u8], detail: Detail) -> Option<&[u8]> {
    let previews = previews(bytes);
    let by_size = |((width, height), _): &&((u32, u32), usize)| *width.min(height);
    let smallest = previews.iter().filter(|(size, _)| detail.is_in(*size)).min_by_key(by_size);
    let (_, start) = smallest.or_else(|| previews.iter().max_by_key(by_size))?;
    Some(&bytes[*start..])
}

/// Size and start of every embedded JPEG that is large enough.
fn previews(bytes: &[u8]) -> Vec<((u32, u32), usize)> {
    let starts = memchr::memmem::find_iter(bytes, b"\xff\xd8\xff").take(MOST_PLACES);
    let sized = starts.filter_map(|start| Some((size(&bytes[start..])?, start)));
    sized.filter(|((width, height), _)| *width.min(height) >= SMALLEST_PREVIEW).collect()
}

/// The size of an 8-bit colour JPEG; `None` for sensor data, which some makers store as another kind of JPEG.
fn size(jpeg: &[u8]) -> Option<(u32, u32)> {
    // Among the frame markers are those of tables (C4, CC) and of an extension (C8).
    let is_frame = |(marker, _): &_| matches!(marker, 0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF);
    let (0xC0..=0xC2, [8, h1, h2, w1, w2, 3, ..]) = Segments::of(jpeg).find(is_frame)? else { return None };
    let (height, width) = (u16::from_be_bytes([*h1, *h2]), u16::from_be_bytes([*w1, *w2]));
    Some((width.into(), height.into()))
}

/// The JPEG that a RAF's header points to, which has the metadata.
pub(super) fn raf_jpeg(bytes: &[u8]) -> &[u8] {
    let jpeg = || bytes.get(usize::try_from(long(bytes, 84)?).ok()?..);
    jpeg().unwrap_or_default()
}

/// Width and height of a RAF's picture, from the numbered entries after the preview.
pub(super) fn raf_size(bytes: &[u8]) -> Option<(u32, u32)> {
    const SENSOR: u16 = 0x0100;
    const PICTURE: u16 = 0x0111;
    let entries = bytes.get(usize::try_from(long(bytes, 92)?).ok()?..)?;
    let (count, mut rest) = (long(entries, 0)?, entries.get(4..)?);
    let mut sensor = None;
    for _ in 0..count {
        let [t1, t2, l1, l2] = *rest.first_chunk()?;
        let value = rest.get(4..4 + usize::from(u16::from_be_bytes([l1, l2])))?;
        rest = &rest[4 + value.len()..];
        let [h1, h2, w1, w2, ..] = *value else { continue };
        let size = (u16::from_be_bytes([w1, w2]).into(), u16::from_be_bytes([h1, h2]).into());
        match u16::from_be_bytes([t1, t2]) {
            PICTURE => return Some(size),
            SENSOR => sensor = Some(size),
            _ => {}
        }
    }
    sensor
}

fn long(bytes: &[u8], at: usize) -> Option<u64> {
    Some(whole(bytes.get(at..at.checked_add(4)?)?, false))
}

#[cfg(test)]
mod tests {
    use super::super::Metadata;
    use super::super::format::Format;
    use super::*;

    /// A JPEG whose top-left corner has the grey `shade`.
    fn jpeg(width: u32, height: u32, shade: u8) -> Vec<u8> {
        let mut bytes = Vec::new();
        let encoder = image::codecs::jpeg::JpegEncoder::new(&mut bytes);
        let pixels = image::RgbImage::from_pixel(width, height, image::Rgb([shade; 3]));
        pixels.write_with_encoder(encoder).unwrap();
        bytes
    }

    /// A TIFF directory with one entry, followed by `rest`.
    fn tiff(magic: &[u8; 4], tag: u16, value: u32, rest: &[&[u8]]) -> Vec<u8> {
        let mut bytes = magic.to_vec();
        bytes.extend(16u32.to_le_bytes());
        bytes.extend([0; 8]);
        bytes.extend([1, 0]);
        bytes.extend(tag.to_le_bytes());
        bytes.extend([4, 0, 1, 0, 0, 0]);
        bytes.extend(value.to_le_bytes());
        bytes.extend([0; 4]);
        rest.iter().for_each(|part| bytes.extend(*part));
        bytes
    }

    fn cr3(rest: &[&[u8]]) -> Vec<u8> {
        let turned = tiff(b"II*\0", 0x0112, 6, &[]);
        let boxed = |name: &[u8], content: &[&[u8]]| {
            let content = content.concat();
            let length = u32::try_from(content.len() + 8).unwrap().to_be_bytes();
            [&length[..], name, &content].concat()
        };
        let canon = b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
        let directory = boxed(b"CMT1", &[&turned]);
        let mut bytes = b"\0\0\0\x18ftypcrx \0\0\0\x01crx isom".to_vec();
        bytes.extend(boxed(b"moov", &[&boxed(b"uuid", &[canon, &directory])]));
        rest.iter().for_each(|part| bytes.extend(*part));
        bytes
    }

    fn raf(rest: &[&[u8]]) -> Vec<u8> {
        [b"FUJIFILMCCD-RAW 0201".as_slice(), &rest.concat()].concat()
    }

    #[test]
    fn the_preview_of_every_maker_is_found() {
        let parts =
            [jpeg(160, 120, 10), vec![0xFF, 0xD8, 0xFF, 0x00], jpeg(1600, 1200, 200), jpeg(640, 480, 100)];
        let parts: Vec<&[u8]> = parts.iter().map(Vec::as_slice).collect();
        let mut cr2 = tiff(b"II*\0", 0x0100, 1, &parts);
        cr2[8..10].copy_from_slice(b"CR");
        let files = [
            ("CR2", cr2),
            ("CR3", cr3(&parts)),
            ("RW2", tiff(b"IIU\0", 0x0001, 1, &parts)),
            ("ORF", tiff(b"IIRO", 0x0001, 1, &parts)),
            ("RAF", raf(&parts)),
            ("X3F", [b"FOVb\0\0\x02\0\0\0\0\0\0\0\0\0".as_slice(), &parts.concat()].concat()),
            ("MRW", [b"\0MRM\0\0\x02\0\0\0\0\0\0\0\0\0".as_slice(), &parts.concat()].concat()),
            ("CRW", [b"II\x1a\0\0\0HEAPCCDR\0\0".as_slice(), &parts.concat()].concat()),
            ("RAW", tiff(b"II*\0", 0x0106, 32803, &parts)),
            ("DNG", tiff(b"II*\0", 0xC612, 0x0401, &parts)),
            ("RAW", tiff(b"II*\0", 0x00FE, 1, &parts)),
        ];
        for (expected, file) in files {
            assert_eq!(name(&file), Some(expected));
            for (detail, shade) in
                [(Detail::Full, 200), (Detail::ShortSide(480), 100), (Detail::ShortSide(481), 200)]
            {
                let decoded =
                    decode(&file, expected, &Limits::default(), detail).unwrap_or_else(|e| panic!("{e}"));
                assert!(decoded.pixels[(0, 0)][0].abs_diff(shade) < 4, "{expected} {detail:?}");
            }
            let thumbnail_only = &file[..file.len() - parts[2].len() - parts[3].len()];
            let refused = decode(thumbnail_only, expected, &Limits::default(), Detail::Full);
            assert!(matches!(refused, Err(DecodeError::Unsupported { .. })), "{expected}");
            for length in 0..200.min(file.len()) {
                let _ = name(&file[..length]);
                let _ = Metadata::read(&file[..length], Format::Raw(expected));
            }
        }
    }

    #[test]
    fn a_plain_tiff_is_not_raw() {
        assert_eq!(name(&tiff(b"II*\0", 0x0100, 640, &[])), None);
        assert_eq!(name(&tiff(b"II*\0", 0x00FE, 0, &[])), None);
        assert_eq!(name(&tiff(b"II*\0", 0x00FE, 2, &[])), None);
    }

    #[test]
    fn a_picture_after_a_thumbnail_is_found() {
        const SIDE: u16 = 400;
        let entry = |tag: u16, kind: u16, value: u32| {
            [tag.to_le_bytes().as_slice(), &kind.to_le_bytes(), &[1, 0, 0, 0], &value.to_le_bytes()].concat()
        };
        let directory = |entries: &[Vec<u8>]| {
            let count = u16::try_from(entries.len()).unwrap().to_le_bytes();
            [count.as_slice(), &entries.concat(), &[0; 4]].concat()
        };
        let behind = 8 + 2 + 2 * 12 + 4;
        let thumbnail = directory(&[entry(0x00FE, 4, 1), entry(330, 4, behind)]);
        let pixels = behind + 2 + 8 * 12 + 4;
        let side = u32::from(SIDE);
        let picture = directory(&[
            entry(256, 3, side),
            entry(257, 3, side),
            entry(258, 3, 8),
            entry(262, 3, 2),
            entry(273, 4, pixels),
            entry(277, 3, 3),
            entry(278, 3, side),
            entry(279, 4, 3 * side * side),
        ]);
        let mut file = [b"II*\0\x08\0\0\0".as_slice(), &thumbnail, &picture].concat();
        file.resize(file.len() + 3 * usize::from(SIDE).pow(2), 77);
        assert_eq!(name(&file), Some("RAW"));
        let decoded = super::super::decode(&file, &Limits::default(), Detail::ShortSide(100));
        let decoded = decoded.unwrap_or_else(|error| panic!("{error}"));
        assert_eq!((decoded.pixels.dimensions(), decoded.pixels[(399, 399)].0), ((side, side), [77; 3]));
        assert!(memory(&file, Detail::Full) >= Some(3 * 400 * 400));
    }

    #[test]
    fn the_files_own_orientation_applies_to_the_preview() {
        let file = cr3(&[&jpeg(640, 480, 10)]);
        let picture =
            super::super::decode(&file, &Limits::default(), Detail::Full).unwrap_or_else(|e| panic!("{e}"));
        assert_eq!(picture.orientation, image::metadata::Orientation::Rotate90);
    }
}
