//! The directories of a TIFF file: each lists what the file says about one picture.
//!
//! Nothing here believes the file: an entry whose values would lie outside the file is as good as absent.

/// The list, in whichever of TIFF's four shapes: either order of bytes, and offsets of 4 bytes or of 8 (BigTIFF).
pub(in crate::decode) struct Directory<'a> {
    bytes: &'a [u8],
    is_little: bool,
    entries: Vec<(u16, Values<'a>)>,
    /// Where the next one begins; 0 says that there is none.
    next: usize,
}

/// The values of one entry.
#[derive(Clone, Copy)]
pub(in crate::decode) struct Values<'a> {
    data: &'a [u8],
    kind: Kind,
    is_little: bool,
}

/// How a value is stored. Texts and bytes without meaning are bytes too.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Unsigned(usize),
    Signed(usize),
    Rational,
    SignedRational,
    Float,
    Double,
}

impl Kind {
    fn of(number: u16) -> Option<Kind> {
        Some(match number {
            1 | 2 | 7 => Kind::Unsigned(1),
            3 => Kind::Unsigned(2),
            4 | 13 => Kind::Unsigned(4),
            16 | 18 => Kind::Unsigned(8),
            6 => Kind::Signed(1),
            8 => Kind::Signed(2),
            9 => Kind::Signed(4),
            17 => Kind::Signed(8),
            5 => Kind::Rational,
            10 => Kind::SignedRational,
            11 => Kind::Float,
            12 => Kind::Double,
            _ => return None,
        })
    }

    /// Bytes of one value.
    fn size(self) -> usize {
        match self {
            Kind::Unsigned(size) | Kind::Signed(size) => size,
            Kind::Float => 4,
            Kind::Rational | Kind::SignedRational | Kind::Double => 8,
        }
    }
}

impl<'a> Directory<'a> {
    /// The first directory of the file, or `None` where there is none.
    pub(in crate::decode) fn first(bytes: &'a [u8]) -> Option<Directory<'a>> {
        let (at, size) = if is_big(bytes) { (8, 8) } else { (4, 4) };
        let start = unsigned(bytes.get(at..at + size)?, bytes.starts_with(b"II"))?;
        Directory::at(bytes, usize::try_from(start).ok()?)
    }

    /// The first directories of the file: those of its pages, and behind each those of other versions of it.
    pub(in crate::decode) fn all(bytes: &'a [u8]) -> Vec<Directory<'a>> {
        /// Pages looked at, and versions of each; a file may have as many as it likes, also in circles.
        const MOST: usize = 8;
        const OTHER_VERSIONS: u16 = 330;
        let next = |page: &Directory<'a>| Directory::at(bytes, page.next).filter(|_| page.next > 0);
        let pages = std::iter::successors(Directory::first(bytes), next).take(MOST);
        let with_versions = pages.flat_map(|page| {
            let starts = page.values(OTHER_VERSIONS);
            let start = move |index| usize::try_from(starts?.number(index)?).ok();
            let versions = (0..MOST).map_while(start).filter_map(|start| Directory::at(bytes, start));
            std::iter::once(page).chain(versions)
        });
        with_versions.collect()
    }

    fn at(bytes: &'a [u8], start: usize) -> Option<Directory<'a>> {
        let is_little = bytes.starts_with(b"II");
        let number = |at: usize, size: usize| unsigned(bytes.get(at..at.checked_add(size)?)?, is_little);
        let place = |at: usize, size: usize| usize::try_from(number(at, size)?).ok();
        // An entry is a tag, a kind, how many values there are, and the values or their place: whichever is shorter.
        let (count_size, offset_size) = if is_big(bytes) { (8, 8) } else { (2, 4) };
        let entry_size = 4 + 2 * offset_size;
        let first = start.checked_add(count_size)?;
        let count = place(start, count_size)?.min(bytes.len().checked_sub(first)? / entry_size);
        let entry = |index: usize| {
            let at = first + index * entry_size;
            let tag = u16::try_from(number(at, 2)?).ok()?;
            let kind = Kind::of(u16::try_from(number(at + 2, 2)?).ok()?)?;
            let length = place(at + 4, offset_size)?.checked_mul(kind.size())?;
            let value = at + 4 + offset_size;
            let from = if length <= offset_size { value } else { place(value, offset_size)? };
            let data = bytes.get(from..from.checked_add(length)?)?;
            Some((tag, Values { data, kind, is_little }))
        };
        let entries = (0..count).filter_map(entry).collect();
        let next = place(first + count * entry_size, offset_size).unwrap_or(0);
        Some(Directory { bytes, is_little, entries, next })
    }

    /// The whole file.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// Whether numbers begin with their lowest byte.
    pub(super) fn is_little(&self) -> bool {
        self.is_little
    }

    /// The values under a tag, if there are any.
    pub(in crate::decode) fn values(&self, tag: u16) -> Option<Values<'a>> {
        self.entries.iter().find(|(number, _)| *number == tag).map(|(_, values)| *values)
    }

    /// The first whole number under a tag.
    pub(in crate::decode) fn number(&self, tag: u16) -> Option<u64> {
        self.values(tag)?.number(0)
    }
}

impl<'a> Values<'a> {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.data.len() / self.kind.size()
    }

    /// The bytes that the values are stored in.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// A whole number that is not negative.
    pub(super) fn number(&self, index: usize) -> Option<u64> {
        let raw = unsigned(self.stored(index)?, self.is_little)?;
        match self.kind {
            Kind::Unsigned(_) => Some(raw),
            Kind::Signed(size) => (raw >> (8 * size - 1) == 0).then_some(raw),
            Kind::Rational | Kind::SignedRational | Kind::Float | Kind::Double => None,
        }
    }

    /// A number that may have a fraction.
    #[expect(clippy::cast_possible_truncation, reason = "the bits of a float of four bytes are four bytes")]
    #[expect(clippy::cast_possible_wrap, reason = "the sign is the highest bit of four")]
    pub(super) fn real(&self, index: usize) -> Option<f64> {
        let stored = self.stored(index)?;
        let raw = unsigned(stored, self.is_little)?;
        let half = |part: &[u8]| unsigned(part, self.is_little).map(|half| half as u32);
        let found = match self.kind {
            Kind::Unsigned(_) | Kind::Signed(_) => self.number(index)? as f64,
            Kind::Rational => f64::from(half(&stored[..4])?) / f64::from(half(&stored[4..])?),
            Kind::SignedRational => {
                f64::from(half(&stored[..4])? as i32) / f64::from(half(&stored[4..])? as i32)
            }
            Kind::Float => f64::from(f32::from_bits(raw as u32)),
            Kind::Double => f64::from_bits(raw),
        };
        found.is_finite().then_some(found)
    }

    fn stored(&self, index: usize) -> Option<&'a [u8]> {
        let size = self.kind.size();
        let start = index.checked_mul(size)?;
        self.data.get(start..start.checked_add(size)?)
    }
}

/// TIFF's numbers for what is read here.
pub(super) mod tag {
    pub(in crate::decode::tiff) const WIDTH: u16 = 256;
    pub(in crate::decode::tiff) const HEIGHT: u16 = 257;
    pub(in crate::decode::tiff) const BITS_PER_SAMPLE: u16 = 258;
    pub(in crate::decode::tiff) const COMPRESSION: u16 = 259;
    pub(in crate::decode::tiff) const INTERPRETATION: u16 = 262;
    pub(in crate::decode::tiff) const FILL_ORDER: u16 = 266;
    pub(in crate::decode::tiff) const STRIP_OFFSETS: u16 = 273;
    pub(in crate::decode::tiff) const SAMPLES_PER_PIXEL: u16 = 277;
    pub(in crate::decode::tiff) const ROWS_PER_STRIP: u16 = 278;
    pub(in crate::decode::tiff) const STRIP_BYTE_COUNTS: u16 = 279;
    pub(in crate::decode::tiff) const PLANAR_CONFIGURATION: u16 = 284;
    pub(in crate::decode::tiff) const T4_OPTIONS: u16 = 292;
    pub(in crate::decode::tiff) const PREDICTOR: u16 = 317;
    pub(in crate::decode::tiff) const COLOR_MAP: u16 = 320;
    pub(in crate::decode::tiff) const TILE_WIDTH: u16 = 322;
    pub(in crate::decode::tiff) const TILE_LENGTH: u16 = 323;
    pub(in crate::decode::tiff) const TILE_OFFSETS: u16 = 324;
    pub(in crate::decode::tiff) const TILE_BYTE_COUNTS: u16 = 325;
    pub(in crate::decode::tiff) const INK_SET: u16 = 332;
    pub(in crate::decode::tiff) const EXTRA_SAMPLES: u16 = 338;
    pub(in crate::decode::tiff) const SAMPLE_FORMAT: u16 = 339;
    pub(in crate::decode::tiff) const JPEG_TABLES: u16 = 347;
    pub(in crate::decode::tiff) const JPEG_INSIDE: u16 = 513;
    pub(in crate::decode::tiff) const COEFFICIENTS: u16 = 529;
    pub(in crate::decode::tiff) const SUBSAMPLING: u16 = 530;
    pub(in crate::decode::tiff) const BLACK_AND_WHITE: u16 = 532;
}

/// Whether the file is a BigTIFF.
fn is_big(bytes: &[u8]) -> bool {
    bytes.starts_with(b"II+\0") || bytes.starts_with(b"MM\0+")
}

/// A number of up to 8 bytes.
pub(super) fn unsigned(bytes: &[u8], is_little: bool) -> Option<u64> {
    let push = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    let number = if is_little { bytes.iter().rev().fold(0, push) } else { bytes.iter().fold(0, push) };
    (bytes.len() <= 8).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_directory_is_read() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Option<u64>) {
            let found = Directory::first(bytes).and_then(|directory| directory.number(256));
            assert_eq!(found, expected, "{bytes:?}");
        }
        let entries = [
            b"II*\0\x08\0\0\0\x01\0\0\x01\x03\0\x01\0\0\0\x07\0\0\0\0\0\0\0".as_slice(),
            b"MM\0*\0\0\0\x08\0\x01\x01\0\0\x04\0\0\0\x01\0\0\0\x07\0\0\0\0",
            b"II+\0\x08\0\0\0\x10\0\0\0\0\0\0\0\x01\0\0\0\0\0\0\0\0\x01\x10\0\x01\0\0\0\0\0\0\0\x07\0\0\0\0\0\0\0",
        ];
        for file in entries {
            check(file, Some(7));
            for length in 0..file.len() - 8 {
                check(&file[..length], None);
            }
        }
        // More values than the file has bytes.
        check(b"II*\0\x08\0\0\0\x01\0\0\x01\x04\0\xff\xff\xff\x7f\x07\0\0\0\0\0\0\0", None);
    }

    #[test]
    fn directories_in_circles_come_to_an_end() {
        let circle = b"II*\0\x08\0\0\0\x01\0\x4a\x01\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0";
        assert_eq!(Directory::all(circle).len(), 16);
    }

    #[test]
    fn fractions_of_every_kind_are_read() {
        #[track_caller]
        fn check(kind: Kind, data: &[u8], expected: Option<f64>) {
            assert_eq!(Values { data, kind, is_little: false }.real(0), expected);
        }
        check(Kind::Unsigned(2), &[0, 5], Some(5.0));
        check(Kind::Rational, &[0, 0, 0, 1, 0, 0, 0, 4], Some(0.25));
        check(Kind::Rational, &[0, 0, 0, 1, 0, 0, 0, 0], None);
        check(Kind::SignedRational, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2], Some(-0.5));
        check(Kind::Float, &[0x3f, 0, 0, 0], Some(0.5));
        check(Kind::Double, &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0], Some(0.5));
        check(Kind::Signed(1), &[0xff], None);
        check(Kind::Unsigned(2), &[0], None);
    }
}
