//! Reads TIFF structures in place: the format of EXIF blocks, TIFF files and most RAW files.
//!
//! A structure consists of a header and directories. A directory has entries, each with a tag and a value of one of a dozen
//! types. Programs disagree about types (a pointer may be a LONG, an SLONG or an IFD), so a value is converted to the type
//! that the caller requests. Nothing is allocated, and every offset is checked.

/// The maximum length of a chain of directories. Cameras write up to five.
const MOST_DIRECTORIES: usize = 16;

/// A TIFF structure: the bytes starting at its header.
#[derive(Clone, Copy, Debug)]
pub(super) struct Structure<'a> {
    bytes: &'a [u8],
    is_little: bool,
    /// Set for BigTIFF: counts and offsets have eight bytes instead of four.
    is_big: bool,
}

/// One directory.
#[derive(Clone, Copy, Debug)]
pub(super) struct Directory<'a> {
    structure: Structure<'a>,
    /// The offset of its first entry.
    entries: usize,
    count: usize,
}

/// The value of an entry.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value<'a> {
    kind: Kind,
    data: &'a [u8],
    is_little: bool,
}

/// The groups of types that are read differently.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// BYTE, ASCII and UNDEFINED.
    Bytes,
    /// Unsigned integers of this many bytes: SHORT, LONG, IFD, LONG8, IFD8.
    Unsigned(usize),
    /// Signed integers: SBYTE, SSHORT, SLONG, SLONG8.
    Signed(usize),
    Rational,
    SignedRational,
    Float,
    Double,
}

impl Kind {
    fn of(number: u64) -> Option<Kind> {
        Some(match number {
            1 | 2 | 7 => Kind::Bytes,
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

    /// Size of one number in bytes.
    fn size(self) -> usize {
        match self {
            Kind::Bytes => 1,
            Kind::Unsigned(size) | Kind::Signed(size) => size,
            Kind::Float => 4,
            Kind::Rational | Kind::SignedRational | Kind::Double => 8,
        }
    }
}

impl<'a> Structure<'a> {
    /// The structure that starts with these bytes. Olympus, Panasonic and others write their own numbers in place of TIFF's
    /// 42; the rest is the same.
    pub(super) fn of(bytes: &'a [u8]) -> Option<Structure<'a>> {
        let is_little = match bytes.get(..2)? {
            b"II" => true,
            b"MM" => false,
            _ => return None,
        };
        let structure = Structure { bytes, is_little, is_big: false };
        Some(Structure { is_big: structure.number(2, 2)? == 43, ..structure })
    }

    /// The first directory.
    pub(super) fn first(self) -> Option<Directory<'a>> {
        let at = if self.is_big { self.number(8, 8)? } else { self.number(4, 4)? };
        self.directory(at)
    }

    /// The first directory and its chain.
    fn chain(self) -> impl Iterator<Item = Directory<'a>> {
        std::iter::successors(self.first(), |directory| (*directory).next()).take(MOST_DIRECTORIES)
    }

    /// The directories of all pages, each followed by those of other versions of its picture.
    pub(super) fn all(self) -> impl Iterator<Item = Directory<'a>> {
        const OTHER_VERSIONS: u16 = 330;
        self.chain().flat_map(|page| std::iter::once(page).chain(page.all_pointed(OTHER_VERSIONS)))
    }

    fn directory(self, at: u64) -> Option<Directory<'a>> {
        let at = usize::try_from(at).ok().filter(|at| *at > 0)?;
        let length = if self.is_big { 8 } else { 2 };
        let count = usize::try_from(self.number(at, length)?).ok()?;
        Some(Directory { structure: self, entries: at + length, count })
    }

    /// An integer of `length` bytes.
    fn number(self, at: usize, length: usize) -> Option<u64> {
        Some(whole(self.bytes.get(at..at.checked_add(length)?)?, self.is_little))
    }
}

impl<'a> Directory<'a> {
    /// The value of a tag.
    pub(super) fn get(self, tag: u16) -> Option<Value<'a>> {
        let structure = self.structure;
        let (entry_length, place_length) = if structure.is_big { (20, 8) } else { (12, 4) };
        let places = (0..self.count).map_while(|i| {
            let at = self.entries.checked_add(i.checked_mul(entry_length)?)?;
            (at.checked_add(entry_length)? <= structure.bytes.len()).then_some(at)
        });
        let mut found = places.filter(|at| structure.number(*at, 2) == Some(tag.into()));
        let at = found.next()?;
        let kind = Kind::of(structure.number(at + 2, 2)?)?;
        let count = usize::try_from(structure.number(at + 4, place_length)?).ok()?;
        let length = count.checked_mul(kind.size())?;
        let inline = at + 4 + place_length;
        let start = if length <= place_length {
            inline
        } else {
            usize::try_from(structure.number(inline, place_length)?).ok()?
        };
        let data = structure.bytes.get(start..start.checked_add(length)?)?;
        Some(Value { kind, data, is_little: structure.is_little })
    }

    /// The first integer of a tag.
    pub(super) fn uint(self, tag: u16) -> Option<u64> {
        self.get(tag)?.uint(0)
    }

    /// The whole structure; for a TIFF, the file.
    pub(super) fn bytes(self) -> &'a [u8] {
        self.structure.bytes
    }

    /// Whether numbers are little-endian.
    pub(super) fn is_little(self) -> bool {
        self.structure.is_little
    }

    /// The directory that a tag points to.
    pub(super) fn pointed(self, tag: u16) -> Option<Directory<'a>> {
        self.structure.directory(self.get(tag)?.uint(0)?)
    }

    /// All directories that a tag points to.
    pub(super) fn all_pointed(self, tag: u16) -> impl Iterator<Item = Directory<'a>> {
        let (structure, value) = (self.structure, self.get(tag));
        let places = (0..MOST_DIRECTORIES).map_while(move |i| value?.uint(i));
        places.filter_map(move |at| structure.directory(at))
    }

    fn next(self) -> Option<Directory<'a>> {
        let (entry_length, place_length) = if self.structure.is_big { (20, 8) } else { (12, 4) };
        let at = self.entries.checked_add(self.count.checked_mul(entry_length)?)?;
        self.structure.directory(self.structure.number(at, place_length)?)
    }
}

impl<'a> Value<'a> {
    /// The raw bytes.
    pub(super) fn bytes(&self) -> &'a [u8] {
        self.data
    }

    /// The number of elements.
    pub(super) fn len(&self) -> usize {
        self.data.len() / self.kind.size()
    }

    /// Element `i`, if it is a non-negative integer.
    pub(super) fn uint(&self, i: usize) -> Option<u64> {
        let item = self.item(i)?;
        match self.kind {
            Kind::Bytes | Kind::Unsigned(_) => Some(whole(item, self.is_little)),
            Kind::Signed(_) => u64::try_from(signed(item, self.is_little)).ok(),
            Kind::Rational | Kind::SignedRational | Kind::Float | Kind::Double => {
                let number = self.number(i)?;
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked to fit")]
                (0.0..1e15).contains(&number).then_some(number.round() as u64)
            }
        }
    }

    /// Element `i`; `None` for a fraction with denominator 0.
    #[expect(clippy::cast_precision_loss, reason = "degrees and sizes in pixels are far below 2^52")]
    pub(super) fn number(&self, i: usize) -> Option<f64> {
        let item = self.item(i)?;
        let number = match self.kind {
            Kind::Bytes | Kind::Unsigned(_) => whole(item, self.is_little) as f64,
            Kind::Signed(_) => signed(item, self.is_little) as f64,
            Kind::Rational => {
                let (above, below) = item.split_at(4);
                whole(above, self.is_little) as f64 / whole(below, self.is_little) as f64
            }
            Kind::SignedRational => {
                let (above, below) = item.split_at(4);
                signed(above, self.is_little) as f64 / signed(below, self.is_little) as f64
            }
            Kind::Float => f32::from_bits(u32::try_from(whole(item, self.is_little)).ok()?).into(),
            Kind::Double => f64::from_bits(whole(item, self.is_little)),
        };
        number.is_finite().then_some(number)
    }

    /// The bytes of a text without its terminator; `None` for numbers.
    pub(super) fn text(&self) -> Option<&'a [u8]> {
        (self.kind == Kind::Bytes).then(|| self.data.split(|byte| *byte == 0).next().unwrap_or_default())
    }

    fn item(&self, i: usize) -> Option<&'a [u8]> {
        let size = self.kind.size();
        self.data.get(i.checked_mul(size)?..)?.get(..size)
    }
}

/// Up to eight bytes as an integer.
pub(super) fn whole(bytes: &[u8], is_little: bool) -> u64 {
    let add = |number: u64, byte: &u8| number << 8 | u64::from(*byte);
    if is_little { bytes.iter().rev().fold(0, add) } else { bytes.iter().fold(0, add) }
}

fn signed(bytes: &[u8], is_little: bool) -> i64 {
    let unused = 64 - 8 * bytes.len().clamp(1, 8);
    (whole(bytes, is_little) << unused).cast_signed() >> unused
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_of_directory_is_read() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Option<u64>) {
            let found =
                Structure::of(bytes).and_then(Structure::first).and_then(|directory| directory.uint(256));
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
    fn circular_chains_of_directories_end() {
        let circle = b"II*\0\x08\0\0\0\x01\0\x4a\x01\x04\0\x01\0\0\0\x08\0\0\0\x08\0\0\0";
        let structure = Structure::of(circle).unwrap();
        assert_eq!(structure.all().count(), MOST_DIRECTORIES * (1 + 1));
    }

    #[test]
    fn fractions_of_every_kind_are_read() {
        #[track_caller]
        fn check(kind: Kind, data: &[u8], expected: Option<f64>) {
            assert_eq!(Value { data, kind, is_little: false }.number(0), expected);
        }
        check(Kind::Unsigned(2), &[0, 5], Some(5.0));
        check(Kind::Rational, &[0, 0, 0, 1, 0, 0, 0, 4], Some(0.25));
        check(Kind::Rational, &[0, 0, 0, 1, 0, 0, 0, 0], None);
        check(Kind::SignedRational, &[0xff, 0xff, 0xff, 0xff, 0, 0, 0, 2], Some(-0.5));
        check(Kind::Float, &[0x3f, 0, 0, 0], Some(0.5));
        check(Kind::Double, &[0x3f, 0xe0, 0, 0, 0, 0, 0, 0], Some(0.5));
        check(Kind::Signed(1), &[0xff], Some(-1.0));
        check(Kind::Unsigned(2), &[0], None);
    }
}
