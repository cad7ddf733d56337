//! Fixes BMP files that the `image` crate would misread.
//!
//! The crate knows the headers of OS/2 1 and of Windows. The header of OS/2 2 starts with the same fields as Windows' first
//! one. It has more fields after them, and may end after any field from the fourth on; missing fields are 0. Some programs
//! also write a wrong start of the pixels, that of the palette.

use std::borrow::Cow;

use super::DecodeError;

/// The bytes before the header: the magic number, the file's length, and the offset of the pixels.
const BEFORE: usize = 14;
/// The position of the pixels' offset.
const PIXELS_AT: usize = 10;
/// The length of Windows' first header, which starts with that length.
const WINDOWS: u32 = 40;

/// The file in a form that the `image` crate reads: usually unchanged.
///
/// # Errors
/// Two compressions of OS/2 are unsupported.
pub(super) fn put_right(bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let mut bytes = with_windows_header(bytes)?;
    if let Some(place) = behind_the_palette(&bytes) {
        bytes.to_mut()[PIXELS_AT..BEFORE].copy_from_slice(&place.to_le_bytes());
    }
    Ok(bytes)
}

fn with_windows_header(bytes: &[u8]) -> Result<Cow<'_, [u8]>, DecodeError> {
    let Some(length) = number(bytes, BEFORE).filter(|length| is_os2(*length)) else {
        return Ok(Cow::Borrowed(bytes));
    };
    let Some((header, rest)) = bytes[BEFORE..].split_at_checked(length as usize) else {
        return Err(DecodeError::Damaged { detail: "the file ends in its header".into() });
    };
    let mut fields = header[..header.len().min(WINDOWS as usize)].to_vec();
    fields.resize(WINDOWS as usize, 0);
    fields[..4].copy_from_slice(&WINDOWS.to_le_bytes());
    match (fields[16], fields[14]) {
        (3, 1) => return Err(DecodeError::Unsupported { format: "BMP with fax compression".into() }),
        (4, 24) => {
            return Err(DecodeError::Unsupported { format: "BMP with 24-bit run-length encoding".into() });
        }
        _ => {}
    }
    let pixels = number(bytes, PIXELS_AT).unwrap_or(0).wrapping_add(WINDOWS).wrapping_sub(length);
    Ok([&bytes[..PIXELS_AT], &pixels.to_le_bytes(), &fields, rest].concat().into())
}

/// The right offset of the pixels, if the stated one is that of the palette.
fn behind_the_palette(bytes: &[u8]) -> Option<u32> {
    let length = number(bytes, BEFORE).filter(|length| *length >= WINDOWS)?;
    let header_end = length.checked_add(14)?;
    let bits = number(bytes, BEFORE + 14)? & 0xFFFF;
    let colours = number(bytes, BEFORE + 32)?;
    let colours = if colours == 0 { 1u32.checked_shl(bits)? } else { colours };
    (number(bytes, PIXELS_AT)? == header_end && bits <= 8)
        .then(|| header_end.checked_add(colours.checked_mul(4)?))
        .flatten()
}

fn number(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

/// Whether a header of this length is from OS/2 2. (Windows also has 40, 52 and 56 bytes, and OS/2 1 has 12.)
fn is_os2(length: u32) -> bool {
    matches!(length, 16..=64) && !matches!(length, 40 | 52 | 56)
}

#[cfg(test)]
mod tests {
    use image::ImageFormat;

    use super::*;
    use crate::decode::{Detail, Limits, decode};

    /// Two red pixels and two green ones above them, with an OS/2 header of this length.
    fn os2(length: u32, bits: u8, packing: u8) -> Vec<u8> {
        let mut bytes = b"BM\0\0\0\0\0\0\0\0".to_vec();
        bytes.extend((14 + length).to_le_bytes());
        let mut header = length.to_le_bytes().to_vec();
        header.extend([2, 0, 0, 0, 2, 0, 0, 0, 1, 0, bits, 0, packing]);
        header.resize(length as usize, 0);
        bytes.extend(header);
        bytes.extend([0, 0, 255, 0, 0, 255, 0, 0, 0, 255, 0, 0, 255, 0, 0, 0]);
        bytes
    }

    #[test]
    fn every_header_of_os2_is_read() {
        for length in [16, 20, 36, 48, 64] {
            let picture = decode(&os2(length, 24, 0), &Limits::default(), Detail::Full);
            let pixels = picture.unwrap_or_else(|error| panic!("{length}: {error}")).pixels;
            assert_eq!(pixels.as_raw(), &[0, 255, 0, 0, 255, 0, 255, 0, 0, 255, 0, 0], "{length}");
        }
    }

    #[test]
    fn compressions_of_os2_are_unsupported() {
        #[track_caller]
        fn check(bytes: &[u8], expected: &str) {
            let refused = decode(bytes, &Limits::default(), Detail::Full);
            assert_eq!(refused.err().map(|error| error.to_string()).as_deref(), Some(expected));
        }
        check(&os2(64, 1, 3), "unsupported: BMP with fax compression");
        check(&os2(64, 24, 4), "unsupported: BMP with 24-bit run-length encoding");
        check(&os2(64, 24, 0)[..40], "damaged: the file ends in its header");
    }

    #[test]
    fn other_headers_are_left_alone() {
        let mut windows = Vec::new();
        let pixels = image::RgbImage::new(2, 2);
        pixels.write_to(&mut std::io::Cursor::new(&mut windows), ImageFormat::Bmp).unwrap();
        assert!(matches!(put_right(&windows), Ok(Cow::Borrowed(_))));
    }

    #[test]
    fn a_pixel_offset_that_points_to_the_palette_is_corrected() {
        let mut bytes = Vec::new();
        let pixels = image::GrayImage::from_fn(2, 2, |x, y| image::Luma([u8::from(x == y) * 9]));
        pixels.write_to(&mut std::io::Cursor::new(&mut bytes), ImageFormat::Bmp).unwrap();
        for place in [number(&bytes, PIXELS_AT).unwrap(), 54] {
            bytes[PIXELS_AT..BEFORE].copy_from_slice(&place.to_le_bytes());
            bytes[BEFORE..BEFORE + 4].copy_from_slice(&WINDOWS.to_le_bytes());
            let picture = decode(&bytes, &Limits::default(), Detail::Full);
            let found = picture.unwrap_or_else(|error| panic!("{error}")).pixels;
            assert_eq!(found.as_raw(), &[9, 9, 9, 0, 0, 0, 0, 0, 0, 9, 9, 9], "{place}");
        }
    }
}
