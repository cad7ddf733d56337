//! Tests every container and place with the same values, and every type of value that software writes.

mod files;

use image::ImageFormat;

use super::*;
use files::*;

const PNG: Format = Format::Raster(ImageFormat::Png);
const WEBP: Format = Format::Raster(ImageFormat::WebP);
const TIFF: Format = Format::Tiff;

const TAKEN: Taken = Taken { clock_ms: 1_557_126_489_000, offset_minutes: None, precision: Precision::Time };

#[track_caller]
fn check_facts(name: &str, format: Format, file: &[u8]) {
    let found = Metadata::read(file, format);
    let expected = Metadata {
        taken: Some(TAKEN),
        place: Place::new(49.5, 15.25),
        camera: Some("Google Pixel 7".into()),
        lens: Some("back camera".into()),
        orientation: Some(Orientation::Rotate90),
        raw_size: found.raw_size,
        ..Metadata::default()
    };
    assert_eq!(found, expected, "{name}");
    for length in 0..file.len() {
        let _ = Metadata::read(&file[..length], format);
    }
    for at in 0..file.len() {
        let mut damaged = file.to_vec();
        for byte in [0, 0x7F, 0xFF] {
            damaged[at] = byte;
            let _ = Metadata::read(&damaged, format);
        }
    }
}

/// A typical packet of editors, with elements and attributes.
const PACKET: &str = r#"<?xpacket begin="" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:tiff="http://ns.adobe.com/tiff/1.0/"
  exif:GPSLatitude="49,30.0N" exif:GPSLongitude="15,15.0E" tiff:Make="Google">
 <tiff:Model>Pixel 7</tiff:Model>
 <exif:DateTimeOriginal>2019-05-06T07:08:09+02:00</exif:DateTimeOriginal></rdf:Description>
<rdf:Description rdf:about="" xmlns:dc="http://purl.org/dc/elements/1.1/">
 <dc:title><rdf:Alt><rdf:li xml:lang="de">Hafen</rdf:li><rdf:li xml:lang="x-default">Harbour</rdf:li></rdf:Alt></dc:title>
 <dc:description><rdf:Alt><rdf:li xml:lang="x-default">Boats &amp; gulls</rdf:li></rdf:Alt></dc:description>
 <dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>boats</rdf:li><rdf:li>sea</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>
<?xpacket end="w"?>"#;

fn words() -> Vec<String> {
    vec!["sea".into(), "boats".into()]
}

#[track_caller]
fn check_packet(name: &str, format: Format, file: &[u8]) {
    let found = Metadata::read(file, format);
    let expected = Metadata {
        taken: Some(Taken { offset_minutes: Some(120), ..TAKEN }),
        place: Place::new(49.5, 15.25),
        camera: Some("Google Pixel 7".into()),
        title: Some("Harbour".into()),
        description: Some("Boats & gulls".into()),
        keywords: words(),
        raw_size: found.raw_size,
        ..Metadata::default()
    };
    assert_eq!(found, expected, "{name}");
}

#[track_caller]
fn check_records(name: &str, format: Format, file: &[u8]) {
    let expected = Metadata {
        taken: Some(Taken { offset_minutes: Some(120), ..TAKEN }),
        title: Some("Harbour".into()),
        description: Some("Boats & gulls".into()),
        keywords: words(),
        ..Metadata::default()
    };
    assert_eq!(Metadata::read(file, format), expected, "{name}");
}

// --- every container -----------------------------------------------------------------------------------------------

#[test]
fn every_container_keeps_exif() {
    let (facts, nothing) = (facts(), block(vec![ascii(0x0131, "An editor")], &[], &[]));
    let (segment, first) = (exif_segment(&facts), exif_segment(&nothing));
    let xmp = b"http://ns.adobe.com/xap/1.0/\0<x/>";
    check_facts("JPEG", Format::Jpeg, &jpeg(&[(0xE1, &segment)]));
    check_facts("JPEG, second segment", Format::Jpeg, &jpeg(&[(0xE1, &first), (0xE1, &segment)]));
    check_facts("JPEG, behind XMP", Format::Jpeg, &jpeg(&[(0xE0, b"JFIF"), (0xE1, xmp), (0xE1, &segment)]));
    check_facts("JPEG, behind MPF", Format::Jpeg, &jpeg(&[(0xE2, b"MPF\0II*\0"), (0xE1, &segment)]));

    let header: (&[u8], &[u8]) = (b"IHDR", &[0; 13]);
    let pixels: (&[u8], &[u8]) = (b"IDAT", b"pixels");
    check_facts("PNG", PNG, &png(&[header, (b"eXIf", &facts), pixels]));
    check_facts("PNG, behind the pixels", PNG, &png(&[header, pixels, (b"eXIf", &facts)]));
    check_facts("PNG, with the prefix of JPEG", PNG, &png(&[header, (b"eXIf", &segment), pixels]));
    for name in ["exif", "APP1"] {
        let text = profile(name, &segment);
        let key = format!("Raw profile type {name}");
        let plain = [key.as_bytes(), b"\0", &text].concat();
        let zipped = [key.as_bytes(), b"\0\0", &packed(&text)].concat();
        let international = [key.as_bytes(), b"\0\x01\0en\0\0", &packed(&text)].concat();
        check_facts(&format!("PNG, {name} in tEXt"), PNG, &png(&[header, (b"tEXt", &plain), pixels]));
        check_facts(&format!("PNG, {name} in zTXt"), PNG, &png(&[header, pixels, (b"zTXt", &zipped)]));
        check_facts(&format!("PNG, {name} in iTXt"), PNG, &png(&[header, (b"iTXt", &international)]));
    }

    check_facts("WebP", WEBP, &webp(&[(b"VP8L", b"odd"), (b"EXIF", &facts)]));
    check_facts("WebP, with the prefix of JPEG", WEBP, &webp(&[(b"EXIF", &segment)]));
    check_facts("TIFF", TIFF, &facts);

    for (name, front) in [("", &b"\0\0\0\0"[..]), (", with the prefix of JPEG", b"\0\0\0\x06Exif\0\0")] {
        let item = [front, &facts].concat();
        check_facts(&format!("HEIC{name}"), Format::Heic, &heif(b"Exif", &item, false));
        check_facts(&format!("AVIF{name}"), Format::Avif, &heif(b"Exif", &item, true));
        check_facts(&format!("JPEG XL{name}"), Format::JpegXl, &jpeg_xl(&[boxed(b"Exif", &[&item])]));
        let brob = boxed(b"brob", &[b"Exif", &stored(&item)]);
        check_facts(&format!("JPEG XL, packed{name}"), Format::JpegXl, &jpeg_xl(&[brob]));
    }

    for name in ["CR2", "DNG", "ORF", "RAW"] {
        check_facts(name, Format::Raw(name), &facts);
    }
    check_facts("RAF", Format::Raw("RAF"), &raf(&jpeg(&[(0xE1, &segment)]), &[]));
}

#[test]
fn a_cr3_has_directories_in_boxes() {
    let picture = block(
        vec![
            long(0x0100, LONG, &[5472]),
            long(0x0101, LONG, &[3648]),
            ascii(0x010F, "Google"),
            ascii(0x0110, "Pixel 7"),
            short(0x0112, 6),
            // The time of the shot takes precedence over a later change.
            ascii(0x0132, "2024:01:01 00:00:00"),
        ],
        &[],
        &[],
    );
    let shot = block(
        vec![
            ascii(0x9003, "2019:05:06 07:08:09"),
            ascii(0x9291, "92"),
            ascii(0x9011, "+02:00"),
            ascii(0xA434, "back camera"),
        ],
        &[],
        &[],
    );
    let place = block(
        vec![
            ascii(1, "N"),
            rational(2, 5, &[(49, 1), (30, 1), (0, 1)]),
            ascii(3, "E"),
            rational(4, 5, &[(15, 1), (15, 1), (0, 1)]),
        ],
        &[],
        &[],
    );
    let boxes = [boxed(b"CMT1", &[&picture]), boxed(b"CMT2", &[&shot]), boxed(b"CMT4", &[&place])];
    let boxes: Vec<&[u8]> = boxes.iter().map(Vec::as_slice).collect();
    let found = Metadata::read(&cr3(&boxes, &[]), Format::Raw("CR3"));
    assert_eq!(
        found.taken,
        Some(Taken { clock_ms: TAKEN.clock_ms + 920, offset_minutes: Some(120), ..TAKEN })
    );
    assert_eq!(found.place, Place::new(49.5, 15.25));
    assert_eq!(
        (found.camera.as_deref(), found.lens.as_deref()),
        (Some("Google Pixel 7"), Some("back camera"))
    );
    assert_eq!((found.orientation, found.raw_size), (Some(Orientation::Rotate90), Some((5472, 3648))));
}

#[test]
fn every_container_keeps_xmp() {
    let packet = PACKET.as_bytes();
    let segment = [b"http://ns.adobe.com/xap/1.0/\0", packet].concat();
    check_packet("JPEG", Format::Jpeg, &jpeg(&[(0xE1, &segment)]));
    let key = b"XML:com.adobe.xmp";
    let plain = [&key[..], b"\0\0\0\0\0", packet].concat();
    check_packet("PNG", PNG, &png(&[(b"IDAT", b""), (b"iTXt", &plain)]));
    check_packet(
        "PNG, packed",
        PNG,
        &png(&[(b"iTXt", &[&key[..], b"\0\x01\0\0\0", &packed(packet)].concat())]),
    );
    for (name, block) in [("xmp", packet), ("APP1", &segment)] {
        let text = [b"Raw profile type ", name.as_bytes(), b"\0\0", &packed(&profile(name, block))].concat();
        check_packet(&format!("PNG, profile {name}"), PNG, &png(&[(b"zTXt", &text)]));
    }
    check_packet("WebP", WEBP, &webp(&[(b"XMP ", packet)]));
    let tiff = block(vec![Entry(700, 1, packet.len(), packet.into())], &[], &[]);
    check_packet("TIFF", TIFF, &tiff);
    check_packet("DNG", Format::Raw("DNG"), &tiff);
    let kind = b"mime\0application/rdf+xml\0";
    check_packet("HEIC", Format::Heic, &heif(kind, packet, false));
    check_packet("AVIF", Format::Avif, &heif(kind, packet, true));
    check_packet("JPEG XL", Format::JpegXl, &jpeg_xl(&[boxed(b"xml ", &[packet])]));
    let brob = boxed(b"brob", &[b"xml ", &stored(packet)]);
    check_packet("JPEG XL, packed", Format::JpegXl, &jpeg_xl(&[brob]));
    let canon = b"\xbe\x7a\xcf\xcb\x97\xa9\x42\xe8\x9c\x71\x99\x94\x91\xe3\xaf\xac";
    check_packet("CR3", Format::Raw("CR3"), &cr3(&[], &boxed(b"uuid", &[canon, packet])));
    let wide: Vec<u8> = PACKET.encode_utf16().flat_map(u16::to_le_bytes).collect();
    check_packet("UTF-16", WEBP, &webp(&[(b"XMP ", &[&[0xFF, 0xFE], &wide[..]].concat())]));

    // A long packet continues in further segments, which may be in any order.
    let piece = |place: usize, length: usize| {
        let place = u32::try_from(place).unwrap().to_be_bytes();
        let header = [b"http://ns.adobe.com/xmp/extension/\0", &[b'A'; 32][..], &[0; 4], &place].concat();
        [&header[..], &packet[u32::from_be_bytes(place) as usize..][..length]].concat()
    };
    let (first, second) = (piece(0, 100), piece(100, packet.len() - 100));
    let main = b"http://ns.adobe.com/xap/1.0/\0<x/>";
    check_packet("JPEG, extended", Format::Jpeg, &jpeg(&[(0xE1, main), (0xE1, &second), (0xE1, &first)]));
}

#[test]
fn every_container_keeps_iptc() {
    let (records, resources) = (records(), resources());
    let segment = |part: &[u8]| [b"Photoshop 3.0\0", part].concat();
    check_records("JPEG", Format::Jpeg, &jpeg(&[(0xED, &segment(&resources))]));
    let (front, back) = resources.split_at(40);
    let halves = [segment(front), segment(back)];
    check_records("JPEG, two segments", Format::Jpeg, &jpeg(&[(0xED, &halves[0]), (0xED, &halves[1])]));
    let text = [b"Raw profile type iptc\0", &profile("iptc", &resources)[..]].concat();
    check_records("PNG", PNG, &png(&[(b"tEXt", &text)]));
    check_records("TIFF", TIFF, &block(vec![Entry(33723, 7, records.len(), records.clone())], &[], &[]));
    check_records(
        "TIFF, resources",
        TIFF,
        &block(vec![Entry(34377, 7, resources.len(), resources)], &[], &[]),
    );
    let cut = [&records[..], b"\x1c\x02\x05"].concat();
    check_records("TIFF, cut", TIFF, &block(vec![Entry(33723, 7, cut.len(), cut)], &[], &[]));
}

#[test]
fn texts_of_a_png_are_read() {
    let text = |key: &str, value: &[u8]| [key.as_bytes(), b"\0", value].concat();
    let chunks = [
        text("Title", b"Harbour"),
        text("Description", b"Boats & g\xfclls"),
        text("Creation Time", b"Mon, 06 May 2019 07:08:09 +0200"),
        text("date:create", b"2026-11-28T20:27:05+00:00"),
    ];
    let found = Metadata::read(&png(&chunks.each_ref().map(|chunk| (&b"tEXt"[..], &chunk[..]))), PNG);
    assert_eq!(found.taken, Some(Taken { offset_minutes: Some(120), ..TAKEN }));
    assert_eq!(
        (found.title.as_deref(), found.description.as_deref()),
        (Some("Harbour"), Some("Boats & gülls"))
    );
    let only = png(&[(b"tEXt", &chunks[3])]);
    assert_eq!(Metadata::read(&only, PNG), Metadata::default());
}

// --- every type of value -------------------------------------------------------------------------------------------

#[test]
fn pointers_may_be_of_any_type() {
    for pointer in [LONG, SLONG, IFD] {
        check_facts(&format!("type {pointer}"), TIFF, &facts_with(pointer));
    }
}

#[test]
fn a_big_tiff_is_read() {
    let mut bytes = b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0".to_vec();
    bytes.extend(1u64.to_le_bytes());
    bytes.extend([0x12, 0x01, 3, 0]);
    bytes.extend(1u64.to_le_bytes());
    bytes.extend(6u64.to_le_bytes());
    bytes.extend([0; 8]);
    assert_eq!(Metadata::read(&bytes, TIFF).orientation, Some(Orientation::Rotate90));
}

#[test]
fn every_kind_of_place_is_read() {
    #[track_caller]
    fn check(entries: &[Entry], expected: Option<(f64, f64)>) {
        let found = Metadata::read(&block(Vec::new(), &[], entries), TIFF).place;
        let is_same = match (found, expected) {
            (Some(found), Some((latitude, longitude))) => {
                (found.latitude - latitude).abs() < 1e-6 && (found.longitude - longitude).abs() < 1e-6
            }
            (found, expected) => found.is_none() && expected.is_none(),
        };
        assert!(is_same, "{found:?}, not {expected:?}");
    }
    let letters = |north: &str, east: &str| [ascii(1, north), ascii(3, east)];
    let with = |letters: [Entry; 2], north: Entry, east: Entry| {
        let [first, third] = letters;
        vec![first, north, third, east]
    };
    let parts = |tag, kind, parts: [(i32, i32); 3]| rational(tag, kind, &parts);
    let (north, east) = ([(49, 1), (30, 1), (0, 0)], [(15, 1), (15, 1), (0, 0)]);
    // Seconds of 0/0.
    check(&with(letters("N", "E"), parts(2, 5, north), parts(4, 5, east)), Some((49.5, 15.25)));
    check(&with(letters("S", "W"), parts(2, 5, north), parts(4, 5, east)), Some((-49.5, -15.25)));
    // Signed fractions, with and without a sign.
    check(&with(letters("N", "E"), parts(2, 10, north), parts(4, 10, east)), Some((49.5, 15.25)));
    let south = [(-49, 1), (30, 1), (0, 1)];
    check(&with(letters("S", "E"), parts(2, 10, south), parts(4, 10, east)), Some((-49.5, 15.25)));
    // No letters: north and east, unless there is a minus sign.
    check(&[parts(2, 5, north), parts(4, 5, east)], Some((49.5, 15.25)));
    check(&[parts(2, 10, south), parts(4, 10, east)], Some((-49.5, 15.25)));
    check(&with(letters("South", "w"), parts(2, 5, north), parts(4, 5, east)), Some((-49.5, -15.25)));
    // Only degrees, integers, texts.
    check(&[rational(2, 5, &[(495, 10)]), rational(4, 5, &[(1525, 100)])], Some((49.5, 15.25)));
    check(
        &with(letters("N", "W"), long(2, LONG, &[49, 30, 0]), long(4, LONG, &[15, 15, 0])),
        Some((49.5, -15.25)),
    );
    check(&with(letters("N", "W"), ascii(2, "49,30.0"), ascii(4, "15.25")), Some((49.5, -15.25)));
    let double = |tag, number: f64| Entry(tag, 12, 1, number.to_le_bytes().into());
    check(&with(letters("N", "E"), double(2, 49.5), double(4, 15.25)), Some((49.5, 15.25)));
    // The invalid position 0, 0.
    check(&with(letters("N", "E"), parts(2, 5, [(0, 1); 3]), parts(4, 5, [(0, 1); 3])), None);
    check(&with(letters("N", "E"), parts(2, 5, [(0, 0); 3]), parts(4, 5, [(0, 0); 3])), None);
    check(&with(letters("N", "E"), parts(2, 5, [(91, 1), (0, 1), (0, 1)]), parts(4, 5, east)), None);
    check(&[parts(2, 5, north)], None);
}

#[test]
fn the_best_date_wins_in_every_place() {
    #[track_caller]
    fn check(picture: Vec<Entry>, shot: &[Entry], place: &[Entry], expected: Option<Taken>) {
        assert_eq!(Metadata::read(&block(picture, shot, place), TIFF).taken, expected);
    }
    let modified = || vec![ascii(0x0132, "2024:06:15 12:00:00")];
    let later = Taken { clock_ms: 1_718_452_800_000, ..TAKEN };
    check(modified(), &[ascii(0x9003, "2019-05-06 07:08:09")], &[], Some(TAKEN));
    check(
        modified(),
        &[ascii(0x9003, "2019:05:06 07:08:09"), ascii(0x9011, "+0200")],
        &[],
        Some(Taken { offset_minutes: Some(120), ..TAKEN }),
    );
    check(modified(), &[ascii(0x9004, "2019:05:06 07:08:09")], &[], Some(TAKEN));
    let year = Taken { clock_ms: -378_691_200_000, precision: Precision::Year, ..TAKEN };
    check(modified(), &[ascii(0x9003, "1958:00:00 00:00:00")], &[], Some(year));
    check(modified(), &[ascii(0x9003, "    :  :     :  :  ")], &[], Some(later));
    check(modified(), &[], &[], Some(later));
    let satellites = || [rational(7, 5, &[(7, 1), (8, 1), (9, 1)]), ascii(0x001D, "2019:05:06")];
    let utc = Taken { offset_minutes: Some(0), ..TAKEN };
    check(Vec::new(), &[], &satellites(), Some(utc));
    check(modified(), &[], &satellites(), Some(later));
    // At the top level, as in TIFF/EP.
    check(vec![ascii(0x9003, "2019:05:06 07:08:09")], &[], &[], Some(TAKEN));
    // A date of the first version in XMP is better than one of the last change in EXIF.
    let segments = [
        exif_segment(&block(modified(), &[], &[])),
        [b"http://ns.adobe.com/xap/1.0/\0", PACKET.as_bytes()].concat(),
    ];
    let file = jpeg(&[(0xE1, &segments[0]), (0xE1, &segments[1])]);
    assert_eq!(Metadata::read(&file, Format::Jpeg).taken, Some(Taken { offset_minutes: Some(120), ..TAKEN }));
}

#[test]
fn every_property_of_xmp_with_a_date_is_read() {
    #[track_caller]
    fn check(property: &str, expected: Option<Taken>) {
        let packet = format!(
            r#"<r:RDF xmlns:r="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><r:Description
               xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"
               xmlns:photoshop="http://ns.adobe.com/photoshop/1.0/" {property}/></r:RDF>"#
        );
        assert_eq!(Metadata::of_xmp(packet.as_bytes()).taken, expected, "{property}");
    }
    for name in ["exif:DateTimeOriginal", "photoshop:DateCreated", "xmp:CreateDate", "exif:DateTimeDigitized"]
    {
        check(&format!("{name}='2019-05-06T07:08:09'"), Some(TAKEN));
    }
    check("exif:GPSTimeStamp='2019-05-06T07:08:09Z'", Some(Taken { offset_minutes: Some(0), ..TAKEN }));
    check("xmp:CreateDate='2024-01-01' photoshop:DateCreated='2019-05-06T07:08:09'", Some(TAKEN));
    check("xmp:ModifyDate='2019-05-06T07:08:09'", None);
}

#[test]
fn a_raw_file_has_its_own_size() {
    #[track_caller]
    fn check(name: &'static str, file: &[u8], expected: Option<(u32, u32)>) {
        assert_eq!(Metadata::read(file, Format::Raw(name)).raw_size, expected, "{name}");
    }
    let size = |width, height| vec![long(0x0100, LONG, &[width]), long(0x0101, LONG, &[height])];
    let raw = |picture: Vec<Entry>, inner: Vec<Entry>, shot: &[Entry]| {
        let mut builder = Builder::new();
        let (inner, shot) = (builder.directory(&inner), builder.directory(shot));
        let mut picture = picture;
        picture.extend([long(0x014A, LONG, &[inner]), long(0x8769, LONG, &[shot])]);
        let first = builder.directory(&picture);
        builder.finish(first)
    };
    let exif = [short(0xA002, 6000), short(0xA003, 4000)];
    check("NEF", &raw(size(160, 120), size(6048, 4024), &[]), Some((6048, 4024)));
    check("ARW", &raw(size(160, 120), size(6048, 4024), &exif), Some((6000, 4000)));
    check("CR2", &raw(size(1536, 1024), size(0, 0), &exif), Some((6000, 4000)));
    // Here EXIF has the preview's size.
    check(
        "ORF",
        &raw(size(160, 120), size(9000, 6024), &[short(0xA002, 1600), short(0xA003, 1200)]),
        Some((9000, 6024)),
    );
    let crop = rational(0xC620, 5, &[(5472, 1), (3648, 1)]);
    check(
        "DNG",
        &raw(size(256, 171), size(5568, 3708).into_iter().chain([crop]).collect(), &exif),
        Some((5472, 3648)),
    );
    let borders = [(4, 10), (5, 20), (6, 3010), (7, 4020)].map(|(tag, number)| short(tag, number));
    check("RW2", &block(borders.into(), &[], &[]), Some((4000, 3000)));
    let sensor = b"\x01\x00\x00\x04\x0b\xb8\x0f\xa0";
    let entries = [b"\0\0\0\x02", &sensor[..], b"\x01\x11\x00\x04\x0b\xb0\x0f\x90"].concat();
    check("RAF", &raf(b"", &entries), Some((3984, 2992)));
    check("RAF", &raf(b"", &[b"\0\0\0\x01", &sensor[..]].concat()), Some((4000, 3000)));
    check("RAW", b"II*\0", None);
}

// --- texts and limits ----------------------------------------------------------------------------------------------

#[test]
fn texts_of_exif_come_last() {
    let wide = |tag, text: &str| {
        let bytes: Vec<u8> = text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
        Entry(tag, 1, bytes.len(), bytes)
    };
    let picture =
        || vec![ascii(0x010E, "OLYMPUS DIGITAL CAMERA"), wide(0x9C9B, "Hafen"), wide(0x9C9E, "Meer;Boote;")];
    let exif = exif_segment(&block(picture(), &[], &[]));
    let found = Metadata::read(&jpeg(&[(0xE1, &exif)]), Format::Jpeg);
    assert_eq!(
        (found.title.as_deref(), found.description.as_deref()),
        (Some("Hafen"), Some("OLYMPUS DIGITAL CAMERA"))
    );
    assert_eq!(found.keywords, ["Meer", "Boote"]);
    let packet = [b"http://ns.adobe.com/xap/1.0/\0", PACKET.as_bytes()].concat();
    let found = Metadata::read(&jpeg(&[(0xE1, &exif), (0xE1, &packet)]), Format::Jpeg);
    assert_eq!(
        (found.title.as_deref(), found.description.as_deref()),
        (Some("Harbour"), Some("Boats & gulls"))
    );
    assert_eq!(found.keywords, words());
}

#[test]
fn texts_and_keywords_are_limited() {
    let long = "é".repeat(5_000);
    assert_eq!(caption(&long).unwrap().chars().count(), LONGEST_TEXT);
    assert_eq!(caption(" \n a\tb\0 "), Some("a b".into()));
    assert_eq!(caption(" \0"), None);
    let many: Vec<String> = (0..1_000).map(|i| format!("{i} {long}")).collect();
    let kept = keywords(many.iter().map(String::as_str));
    assert!(kept.len() == MOST_KEYWORDS && kept.iter().all(|word| word.chars().count() == LONGEST_KEYWORD));
}

#[test]
fn a_packet_cannot_grow() {
    let entities = r#"<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;">]><a>&b;</a>"#;
    assert_eq!(Metadata::of_xmp(entities.as_bytes()), Metadata::default());
    let deep = "<a>".repeat(200_000) + &"</a>".repeat(200_000);
    assert_eq!(Metadata::of_xmp(deep.as_bytes()), Metadata::default());
    let long = [PACKET.as_bytes(), &vec![b' '; 5 << 20], b"<!-- -->"].concat();
    assert_eq!(Metadata::of_xmp(&long), Metadata::default());
}

#[test]
fn the_number_of_attributes_is_limited() {
    #[track_caller]
    fn check(attributes: &str, is_read: bool) {
        let packet = PACKET.replace("</rdf:RDF>", &format!("<a{attributes}/></rdf:RDF>"));
        assert_eq!(Metadata::of_xmp(packet.as_bytes()) != Metadata::default(), is_read);
    }
    let many = |count: usize, prefix: &str| (0..count).map(|i| format!(" {prefix}{i}='{i}'")).collect();
    let (enough, too_many): (String, String) = (many(500, "a"), many(513, "a"));
    check(&enough, true);
    check(&too_many, false);
    check(&format!(" a='>'{too_many}"), false);
    check(&format!("/><b{enough}/><c{enough}"), true);
    let (enough, too_many): (String, String) = (many(500, "xmlns:a"), many(513, "xmlns:a"));
    check(&enough, true);
    check(&too_many, false);
}

#[test]
fn decompressed_data_is_limited() {
    let long = [&vec![b' '; 5 << 20], PACKET.as_bytes()].concat();
    let bomb = [b"XML:com.adobe.xmp\0\x01\0\0\0", &packed(&long)[..]].concat();
    assert_eq!(Metadata::read(&png(&[(b"iTXt", &bomb)]), PNG), Metadata::default());
    // Many blocks together are limited too.
    let blanks = [b"Description\0\0", &packed(&vec![b' '; 4 << 20])[..]].concat();
    let title = [b"Title\0\0", &packed(b"Harbour")[..]].concat();
    let title_behind = |count| {
        let chunks = [vec![(&b"zTXt"[..], &blanks[..]); count], vec![(&b"zTXt"[..], &title[..])]].concat();
        Metadata::read(&png(&chunks), PNG).title
    };
    assert_eq!((title_behind(1).as_deref(), title_behind(2)), (Some("Harbour"), None));
    // Overlapping pieces are counted separately. A block in one piece is not copied, so it does not count.
    let piece = vec![0; 1 << 20];
    let mut blocks = Blocks::default();
    let made = |count| blocks.joined(&vec![&piece[..]; count]).is_some();
    assert_eq!([4, 5, 3, 2, 1].map(made), [true, false, true, false, true]);
}

#[test]
fn invalid_values_are_ignored() {
    #[track_caller]
    fn check(picture: Vec<Entry>, shot: &[Entry]) {
        assert_eq!(Metadata::read(&block(picture, shot, &[]), TIFF), Metadata::default());
    }
    check(vec![], &[ascii(0x9003, "0000:00:00 00:00:00")]);
    check(vec![ascii(0x0132, "2023:02:30 00:00:00")], &[]);
    check(vec![ascii(0x0110, " \u{1} ")], &[]);
    check(vec![short(0x0112, 9)], &[]);
    check(vec![long(0x8769, LONG, &[u32::MAX]), long(0x014A, LONG, &[8])], &[]);
    for bytes in [&b""[..], b"II", b"II*\0", b"MM\0*\xff\xff\xff\xff", b"II*\0\x08\0\0\0\xff\xff"] {
        assert_eq!(Metadata::read(bytes, TIFF), Metadata::default());
    }
}

#[test]
fn the_earlier_block_takes_precedence() {
    let first = exif_segment(&block(vec![ascii(0x0110, "A")], &[], &[]));
    let second = exif_segment(&block(vec![ascii(0x0110, "B"), short(0x0112, 3)], &[], &[]));
    let found = Metadata::read(&jpeg(&[(0xE1, &first), (0xE1, &second)]), Format::Jpeg);
    assert_eq!((found.camera.as_deref(), found.orientation), (Some("A"), Some(Orientation::Rotate180)));
}

/// The notations of digiKam (MWG and Microsoft), Lightroom (attributes), Picasa (elements), and IPTC's list.
#[test]
fn people_are_read_from_face_regions() {
    #[track_caller]
    fn check(description: &str, expected: &[&str]) {
        let packet = format!(
            "<x:xmpmeta xmlns:x='adobe:ns:meta/'><rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#'>
             <rdf:Description xmlns:mwg-rs='http://www.metadataworkinggroup.com/schemas/regions/'
               xmlns:MP='http://ns.microsoft.com/photo/1.2/' xmlns:MPRI='http://ns.microsoft.com/photo/1.2/t/RegionInfo#'
               xmlns:MPReg='http://ns.microsoft.com/photo/1.2/t/Region#' xmlns:stArea='http://ns.adobe.com/xmp/sType/Area#'
               xmlns:Iptc4xmpExt='http://iptc.org/std/Iptc4xmpExt/2008-02-29/'>{description}</rdf:Description>
             </rdf:RDF></x:xmpmeta>"
        );
        assert_eq!(Metadata::of_xmp(packet.as_bytes()).people, expected, "{description}");
    }
    let digikam = "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag>
        <rdf:li><rdf:Description mwg-rs:Name='Ada Lovelace' mwg-rs:Type='Face'>
          <mwg-rs:Area stArea:x='0.5' stArea:y='0.5' stArea:w='0.1' stArea:h='0.1' stArea:unit='normalized'/>
        </rdf:Description></rdf:li></rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
        <MP:RegionInfo rdf:parseType='Resource'><MPRI:Regions><rdf:Bag>
        <rdf:li MPReg:PersonDisplayName='Ada Lovelace' MPReg:Rectangle='0.4, 0.4, 0.1, 0.1'/>
        </rdf:Bag></MPRI:Regions></MP:RegionInfo>";
    check(digikam, &["Ada Lovelace"]);
    let lightroom = "<mwg-rs:Regions rdf:parseType='Resource'>
        <mwg-rs:AppliedToDimensions stArea:w='3000' stArea:h='2000' stArea:unit='pixel'/>
        <mwg-rs:RegionList><rdf:Bag>
        <rdf:li><rdf:Description mwg-rs:Rotation='0.0' mwg-rs:Name='Grace Hopper' mwg-rs:Type='Face'/></rdf:li>
        <rdf:li><rdf:Description mwg-rs:Name='Rex' mwg-rs:Type='Pet'/></rdf:li>
        <rdf:li><rdf:Description mwg-rs:Type='Face'/></rdf:li>
        </rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>
        <Iptc4xmpExt:PersonInImage><rdf:Bag><rdf:li>Alan Turing</rdf:li></rdf:Bag></Iptc4xmpExt:PersonInImage>";
    check(lightroom, &["Grace Hopper", "Alan Turing"]);
    let picasa = "<mwg-rs:Regions rdf:parseType='Resource'><mwg-rs:RegionList><rdf:Bag>
        <rdf:li rdf:parseType='Resource'>
          <mwg-rs:Area rdf:parseType='Resource'><stArea:x>0.5</stArea:x><stArea:y>0.5</stArea:y></mwg-rs:Area>
          <mwg-rs:Name>Zoë  Größe</mwg-rs:Name><mwg-rs:Type>Face</mwg-rs:Type></rdf:li>
        </rdf:Bag></mwg-rs:RegionList></mwg-rs:Regions>";
    check(picasa, &["Zoë Größe"]);
    check("", &[]);
}
