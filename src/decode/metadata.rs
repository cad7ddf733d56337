//! What a picture says about itself apart from its pixels (EXIF).
//!
//! A file may hold several blocks of it: a RAW file's own, and that of the JPEG inside. What an earlier block says
//! counts. Cameras write nonsense now and then: what cannot be right is left out, and never a reason to refuse a
//! picture.

use exif::{Context, DateTime, Exif, Field, In, Rational, Tag, Value};
use image::metadata::Orientation;
use jiff::civil;
use jiff::tz::TimeZone;

/// Longest name of a camera or lens kept, in characters.
const LONGEST_NAME: usize = 100;

/// What was found; nothing of it is certain to be there.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata {
    /// When it was taken.
    pub taken: Option<Taken>,
    /// Where it was taken.
    pub place: Option<Place>,
    /// Maker and model, without the maker's name said twice.
    pub camera: Option<String>,
    /// The lens.
    pub lens: Option<String>,
    pub(super) orientation: Option<Orientation>,
}

/// A moment as a camera's clock showed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Milliseconds from 1970-01-01 00:00 to the moment, both on the camera's clock.
    pub clock_ms: i64,
    /// How far that clock is ahead of UTC, in minutes; most cameras do not say.
    pub offset_minutes: Option<i16>,
}

/// A point on Earth, in degrees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Place {
    /// North of the equator, −90 to 90.
    pub latitude: f64,
    /// East of Greenwich, −180 to 180.
    pub longitude: f64,
}

impl Metadata {
    /// What the blocks say together. Each is a TIFF structure, as EXIF uses it.
    pub(super) fn read(blocks: Vec<Vec<u8>>) -> Metadata {
        let mut all = Metadata::default();
        for block in blocks.into_iter().filter_map(parsed) {
            let Metadata { taken, place, camera, lens, orientation } = Metadata::of(&block);
            all.taken = all.taken.or(taken);
            all.place = all.place.or(place);
            all.camera = all.camera.or(camera);
            all.lens = all.lens.or(lens);
            all.orientation = all.orientation.or(orientation);
        }
        all
    }

    fn of(block: &Exif) -> Metadata {
        let orientation = field(block, Tag::Orientation).and_then(|field| field.value.get_uint(0));
        Metadata {
            taken: taken(block),
            place: place(block),
            camera: camera(block),
            lens: text(block, Tag::LensModel),
            orientation: orientation.and_then(|value| Orientation::from_exif(u8::try_from(value).ok()?)),
        }
    }
}

/// What can be read of a block, even where a part of it is broken.
fn parsed(mut block: Vec<u8>) -> Option<Exif> {
    // Olympus and Panasonic write their own number where TIFF has 42; what follows is the same.
    match block.get(..2)? {
        b"II" => block.get_mut(2..4)?.copy_from_slice(b"*\0"),
        b"MM" => block.get_mut(2..4)?.copy_from_slice(b"\0*"),
        _ => {}
    }
    let mut reader = exif::Reader::new();
    reader.continue_on_error(true);
    reader.read_raw(block).or_else(|error| error.distill_partial_result(|_| ())).ok()
}

/// A field of the picture itself. Canon's CR3 keeps the EXIF fields at the top of a block of their own.
fn field(block: &Exif, tag: Tag) -> Option<&Field> {
    let at_top = || block.get_field(Tag(Context::Tiff, tag.number()), In::PRIMARY);
    block.get_field(tag, In::PRIMARY).or_else(at_top)
}

fn ascii(block: &Exif, tag: Tag) -> Option<&[u8]> {
    let Value::Ascii(lines) = &field(block, tag)?.value else { return None };
    lines.first().map(Vec::as_slice)
}

/// A text without what cameras pad it with.
fn text(block: &Exif, tag: Tag) -> Option<String> {
    let text = String::from_utf8_lossy(ascii(block, tag)?);
    let text = text.trim_matches(|c: char| c.is_whitespace() || c.is_control());
    let text: String = text.chars().filter(|c| !c.is_control()).take(LONGEST_NAME).collect();
    (!text.is_empty()).then_some(text)
}

fn camera(block: &Exif) -> Option<String> {
    let (maker, model) = (text(block, Tag::Make), text(block, Tag::Model));
    let (Some(maker), Some(model)) = (&maker, &model) else { return maker.or(model) };
    let first = |name: &str| name.split_whitespace().next().unwrap_or_default().to_lowercase();
    Some(if first(maker) == first(model) { model.clone() } else { format!("{maker} {model}") })
}

fn taken(block: &Exif) -> Option<Taken> {
    let times = [
        (Tag::DateTimeOriginal, Tag::SubSecTimeOriginal, Tag::OffsetTimeOriginal),
        (Tag::DateTimeDigitized, Tag::SubSecTimeDigitized, Tag::OffsetTimeDigitized),
        (Tag::DateTime, Tag::SubSecTime, Tag::OffsetTime),
    ];
    times.into_iter().find_map(|(time, fraction, offset)| {
        let mut time = DateTime::from_ascii(ascii(block, time)?).ok()?;
        let _ = ascii(block, fraction).map(|text| time.parse_subsec(text));
        let _ = ascii(block, offset).map(|text| time.parse_offset(text));
        moment(&time)
    })
}

/// `None` for what is no date, such as the zeros of a camera whose clock was never set.
fn moment(time: &DateTime) -> Option<Taken> {
    let small = |number: u8| i8::try_from(number).ok();
    let date = civil::Date::new(i16::try_from(time.year).ok()?, small(time.month)?, small(time.day)?).ok()?;
    let clock = civil::Time::new(small(time.hour)?, small(time.minute)?, small(time.second)?, 0).ok()?;
    let clock = TimeZone::UTC.to_timestamp(date.to_datetime(clock)).ok()?.as_millisecond();
    let fraction = i64::from(time.nanosecond.unwrap_or(0) / 1_000_000);
    let offset_minutes = time.offset.filter(|offset| offset.abs() <= 18 * 60);
    Some(Taken { clock_ms: clock + fraction, offset_minutes })
}

fn place(block: &Exif) -> Option<Place> {
    let latitude = degrees(block, Tag::GPSLatitude, Tag::GPSLatitudeRef, b'S')?;
    let longitude = degrees(block, Tag::GPSLongitude, Tag::GPSLongitudeRef, b'W')?;
    // Phones that had no fix yet write zeros, a point in the Gulf of Guinea.
    let is_fix = latitude.abs() + longitude.abs() > 0.0;
    (is_fix && latitude.abs() <= 90.0 && longitude.abs() <= 180.0).then_some(Place { latitude, longitude })
}

/// Degrees, minutes and seconds; counted backwards when the letter beside them is `negative`.
fn degrees(block: &Exif, tag: Tag, reference: Tag, negative: u8) -> Option<f64> {
    let Value::Rational(parts) = &field(block, tag)?.value else { return None };
    let [degrees, minutes, seconds] = [0, 1, 2].map(|i| parts.get(i).map_or(0.0, Rational::to_f64));
    let angle = degrees + minutes / 60.0 + seconds / 3600.0;
    let is_negative = ascii(block, reference)?.first()?.eq_ignore_ascii_case(&negative);
    angle.is_finite().then_some(if is_negative { -angle } else { angle })
}

#[cfg(test)]
mod tests {
    use exif::experimental::Writer;

    use super::*;

    fn block(fields: Vec<(Tag, Value)>) -> Vec<u8> {
        let fields: Vec<Field> =
            fields.into_iter().map(|(tag, value)| Field { tag, ifd_num: In::PRIMARY, value }).collect();
        let mut writer = Writer::new();
        fields.iter().for_each(|field| writer.push_field(field));
        let mut bytes = std::io::Cursor::new(Vec::new());
        writer.write(&mut bytes, true).unwrap();
        bytes.into_inner()
    }

    fn ascii(text: &str) -> Value {
        Value::Ascii(vec![text.into()])
    }

    fn angle(degrees: u32, minutes: u32, seconds: u32) -> Value {
        Value::Rational(
            [(degrees, 1), (minutes, 1), (seconds, 100)].map(|(num, denom)| Rational { num, denom }).into(),
        )
    }

    #[test]
    fn everything_a_phone_writes_is_read() {
        let block = block(vec![
            (Tag::Make, ascii("Canon")),
            (Tag::Model, ascii("Canon EOS R5 ")),
            (Tag::LensModel, ascii("RF24-70mm F2.8")),
            (Tag::Orientation, Value::Short(vec![6])),
            (Tag::DateTimeOriginal, ascii("2023:07:14 18:03:09")),
            (Tag::SubSecTimeOriginal, ascii("25")),
            (Tag::OffsetTimeOriginal, ascii("+02:00")),
            (Tag::GPSLatitude, angle(52, 30, 3600)),
            (Tag::GPSLatitudeRef, ascii("S")),
            (Tag::GPSLongitude, angle(13, 24, 0)),
            (Tag::GPSLongitudeRef, ascii("E")),
        ]);
        let found = Metadata::read(vec![block]);
        assert_eq!(found.camera.as_deref(), Some("Canon EOS R5"));
        assert_eq!(found.lens.as_deref(), Some("RF24-70mm F2.8"));
        assert_eq!(found.orientation, Some(Orientation::Rotate90));
        assert_eq!(found.taken, Some(Taken { clock_ms: 1_689_357_789_250, offset_minutes: Some(120) }));
        let place = found.place.unwrap();
        assert!((place.latitude + 52.51).abs() < 1e-9 && (place.longitude - 13.4).abs() < 1e-9, "{place:?}");
    }

    #[test]
    fn what_cannot_be_right_is_left_out() {
        #[track_caller]
        fn check(fields: Vec<(Tag, Value)>) {
            assert_eq!(Metadata::read(vec![block(fields)]), Metadata::default());
        }
        check(vec![(Tag::DateTimeOriginal, ascii("0000:00:00 00:00:00"))]);
        check(vec![(Tag::DateTimeOriginal, ascii("    :  :     :  :  "))]);
        check(vec![(Tag::DateTime, ascii("2023:02:30 00:00:00"))]);
        check(vec![(Tag::Model, ascii(" \u{1} "))]);
        check(vec![(Tag::Orientation, Value::Short(vec![9]))]);
        let zero = || [(Tag::GPSLatitude, angle(0, 0, 0)), (Tag::GPSLongitude, angle(0, 0, 0))];
        let letters = [(Tag::GPSLatitudeRef, ascii("N")), (Tag::GPSLongitudeRef, ascii("E"))];
        check(zero().into_iter().chain(letters).collect());
        assert_eq!(
            Metadata::read(vec![b"II".to_vec(), Vec::new(), b"MM\0*\xff\xff".to_vec()]),
            Metadata::default()
        );
    }

    #[test]
    fn the_earlier_block_counts() {
        let first = block(vec![(Tag::Model, ascii("A"))]);
        let second = block(vec![(Tag::Model, ascii("B")), (Tag::Orientation, Value::Short(vec![3]))]);
        let found = Metadata::read(vec![first, second]);
        assert_eq!((found.camera.as_deref(), found.orientation), (Some("A"), Some(Orientation::Rotate180)));
    }
}
