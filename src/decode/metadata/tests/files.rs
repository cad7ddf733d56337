//! Makes small files of every format, with metadata in every place.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;

pub(super) const LONG: u16 = 4;
pub(super) const SLONG: u16 = 9;
pub(super) const IFD: u16 = 13;

// --- what blocks are made of ---------------------------------------------------------------------------------------

/// An entry of a directory: tag, type, count, and the bytes of the value.
pub(super) struct Entry(pub(super) u16, pub(super) u16, pub(super) usize, pub(super) Vec<u8>);

pub(super) fn ascii(tag: u16, text: &str) -> Entry {
    let bytes = [text.as_bytes(), b"\0"].concat();
    Entry(tag, 2, bytes.len(), bytes)
}

pub(super) fn short(tag: u16, number: u16) -> Entry {
    Entry(tag, 3, 1, number.to_le_bytes().into())
}

pub(super) fn long(tag: u16, kind: u16, numbers: &[u32]) -> Entry {
    Entry(tag, kind, numbers.len(), numbers.iter().flat_map(|number| number.to_le_bytes()).collect())
}

/// Fractions, each as numerator and denominator.
pub(super) fn rational(tag: u16, kind: u16, parts: &[(i32, i32)]) -> Entry {
    let bytes = parts.iter().flat_map(|(above, below)| [above.to_le_bytes(), below.to_le_bytes()].concat());
    Entry(tag, kind, parts.len(), bytes.collect())
}

/// A sequence of directories, each followed by the values that do not fit into it.
#[derive(Default)]
pub(super) struct Builder {
    bytes: Vec<u8>,
}

impl Builder {
    pub(super) fn new() -> Builder {
        Builder { bytes: b"II*\0\0\0\0\0".into() }
    }

    /// Appends a directory and returns its offset.
    pub(super) fn directory(&mut self, entries: &[Entry]) -> u32 {
        let start = self.bytes.len();
        let mut values_at = start + 2 + 12 * entries.len() + 4;
        let (mut table, mut values) =
            (u16::try_from(entries.len()).unwrap().to_le_bytes().to_vec(), Vec::<u8>::new());
        for Entry(tag, kind, count, value) in entries {
            table.extend(tag.to_le_bytes());
            table.extend(kind.to_le_bytes());
            table.extend(u32::try_from(*count).unwrap().to_le_bytes());
            if value.len() <= 4 {
                table.extend(value);
                table.extend(vec![0; 4 - value.len()]);
            } else {
                table.extend(u32::try_from(values_at).unwrap().to_le_bytes());
                values.extend(value);
                values_at += value.len();
            }
        }
        self.bytes.extend(table);
        self.bytes.extend([0; 4]);
        self.bytes.extend(values);
        u32::try_from(start).unwrap()
    }

    pub(super) fn finish(mut self, first: u32) -> Vec<u8> {
        self.bytes[4..8].copy_from_slice(&first.to_le_bytes());
        self.bytes
    }
}

/// An EXIF block with pointers of this type.
pub(super) fn block_with(pointer: u16, mut picture: Vec<Entry>, shot: &[Entry], place: &[Entry]) -> Vec<u8> {
    let mut builder = Builder::new();
    for (tag, entries) in [(0x8769, shot), (0x8825, place)] {
        if !entries.is_empty() {
            let at = builder.directory(entries);
            picture.push(long(tag, pointer, &[at]));
        }
    }
    let first = builder.directory(&picture);
    builder.finish(first)
}

pub(super) fn block(picture: Vec<Entry>, shot: &[Entry], place: &[Entry]) -> Vec<u8> {
    block_with(LONG, picture, shot, place)
}

/// An EXIF block with the values that every container must keep.
pub(super) fn facts() -> Vec<u8> {
    facts_with(LONG)
}

pub(super) fn facts_with(pointer: u16) -> Vec<u8> {
    let place = [
        ascii(1, "N"),
        rational(2, 5, &[(49, 1), (30, 1), (0, 1)]),
        ascii(3, "E"),
        rational(4, 5, &[(15, 1), (15, 1), (0, 1)]),
    ];
    let shot = [ascii(0x9003, "2019:05:06 07:08:09"), ascii(0xA434, "back camera")];
    block_with(
        pointer,
        vec![ascii(0x010F, "Google"), ascii(0x0110, "Pixel 7"), short(0x0112, 6)],
        &shot,
        &place,
    )
}

/// IPTC records with a title, keywords, a day, a time and a caption.
pub(super) fn records() -> Vec<u8> {
    let fields: [(u8, &str); 6] = [
        (5, "Harbour"),
        (25, "sea"),
        (25, "boats"),
        (55, "20190506"),
        (60, "070809+0200"),
        (120, "Boats & gulls"),
    ];
    let mut bytes = b"\x1c\x01\x5a\x00\x03\x1b%G".to_vec();
    for (number, text) in fields {
        bytes.extend([0x1C, 2, number, 0, u8::try_from(text.len()).unwrap()]);
        bytes.extend(text.as_bytes());
    }
    bytes
}

/// Photoshop's resources: one of another kind with a name, then IPTC.
pub(super) fn resources() -> Vec<u8> {
    let records = records();
    let length = u32::try_from(records.len()).unwrap().to_be_bytes();
    let other = b"8BIM\x03\xed\x03abc\x00\x00\x00\x03xyz\x00";
    [&other[..], b"8BIM\x04\x04\x00\x00", &length, &records].concat()
}

// --- containers ----------------------------------------------------------------------------------------------------

pub(super) fn jpeg(segments: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = vec![0xFF, 0xD8];
    for (marker, content) in segments {
        bytes.extend([0xFF, *marker]);
        bytes.extend(u16::try_from(content.len() + 2).unwrap().to_be_bytes());
        bytes.extend(*content);
    }
    bytes.extend(b"\xFF\xDA\0\x02scan\xFF\xD9");
    bytes
}

pub(super) fn png(chunks: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    for (kind, content) in chunks {
        bytes.extend(u32::try_from(content.len()).unwrap().to_be_bytes());
        bytes.extend(*kind);
        bytes.extend(*content);
        bytes.extend([0; 4]);
    }
    bytes
}

pub(super) fn packed(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

/// A block written as a text, as ImageMagick does.
pub(super) fn profile(name: &str, block: &[u8]) -> Vec<u8> {
    let digits: String = block.iter().map(|byte| format!("{byte:02x}")).collect();
    let lines: Vec<&str> =
        digits.as_bytes().chunks(72).map(|line| std::str::from_utf8(line).unwrap()).collect();
    format!("\n{name}\n{:8}\n{}\n", block.len(), lines.join("\n")).into_bytes()
}

pub(super) fn webp(chunks: &[(&[u8], &[u8])]) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WEBP".to_vec();
    for (name, content) in chunks {
        bytes.extend(*name);
        bytes.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
        bytes.extend(*content);
        bytes.extend(vec![0; content.len() % 2]);
    }
    bytes
}

pub(super) fn boxed(name: &[u8], content: &[&[u8]]) -> Vec<u8> {
    let content = content.concat();
    [&u32::try_from(content.len() + 8).unwrap().to_be_bytes()[..], name, &content].concat()
}

/// An item of a HEIC, stored in the file or in the box for small data.
pub(super) fn heif(kind: &[u8], content: &[u8], in_box: bool) -> Vec<u8> {
    let entry = boxed(b"infe", &[&[2, 0, 0, 0, 0, 7, 0, 0], kind]);
    let list = boxed(b"iinf", &[&[0, 0, 0, 0, 0, 1], &entry]);
    let length = u32::try_from(content.len()).unwrap().to_be_bytes();
    let start = boxed(b"ftyp", &[b"heic\0\0\0\0mif1"]);
    let head = |place: u32| {
        let at = [&[1, 0, 0, 0, 0x44, 0, 0, 1, 0, 7][..], &[0, u8::from(in_box), 0, 0, 0, 1]].concat();
        let places = boxed(b"iloc", &[&at, &place.to_be_bytes(), &length]);
        let data = if in_box { boxed(b"idat", &[content]) } else { Vec::new() };
        [&start[..], &boxed(b"meta", &[&[0; 4], &list, &places, &data])].concat()
    };
    if in_box {
        return head(0);
    }
    let place = u32::try_from(head(0).len() + 8).unwrap();
    [head(place), boxed(b"mdat", &[content])].concat()
}

pub(super) fn jpeg_xl(boxes: &[Vec<u8>]) -> Vec<u8> {
    [&b"\0\0\0\x0cJXL \r\n\x87\n"[..], &boxes.concat()].concat()
}

/// A Brotli stream that stores bytes uncompressed.
pub(super) fn stored(bytes: &[u8]) -> Vec<u8> {
    let header = u32::try_from(bytes.len() - 1).unwrap() << 4 | 1 << 20;
    [&header.to_le_bytes()[..3], bytes, &[3]].concat()
}

pub(super) fn cr3(boxes: &[&[u8]], after: &[u8]) -> Vec<u8> {
    let canon = b"\x85\xc0\xb6\x87\x82\x0f\x11\xe0\x81\x11\xf4\xce\x46\x2b\x6a\x48";
    let inner = [&[&canon[..]], boxes].concat();
    let start = boxed(b"ftyp", &[b"crx \0\0\0\x01crx isom"]);
    [&start[..], &boxed(b"moov", &[&boxed(b"uuid", &inner)]), after].concat()
}

pub(super) fn raf(jpeg: &[u8], entries: &[u8]) -> Vec<u8> {
    let mut bytes = b"FUJIFILMCCD-RAW 0201".to_vec();
    bytes.resize(84, 0);
    for number in [108, jpeg.len(), 108 + jpeg.len(), entries.len(), 0, 0] {
        bytes.extend(u32::try_from(number).unwrap().to_be_bytes());
    }
    bytes.extend(jpeg);
    bytes.extend(entries);
    bytes
}

pub(super) fn exif_segment(block: &[u8]) -> Vec<u8> {
    [b"Exif\0\0", block].concat()
}
