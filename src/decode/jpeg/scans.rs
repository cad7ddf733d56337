//! How much work a JPEG is, told from its headers before any of it is done.
//!
//! A file whose components all come in one scan is decoded row by row. One with several scans (progressive, mostly)
//! needs every coefficient of the picture in memory, and one more pass over them for each scan.

use super::super::{DecodeError, Limits};

/// Encoders write about 10 scans; a small file with thousands would take minutes. libjpeg-turbo's own fuzzers stop at
/// 500.
const MAX_SCANS: usize = 500;

/// Refuses a file that would take too long or too much memory.
pub(super) fn check(bytes: &[u8], (width, height): (u32, u32), limits: &Limits) -> Result<(), DecodeError> {
    let Some(components) = components_of_many_scans(bytes) else { return Ok(()) };
    let scans = memchr::memmem::find_iter(bytes, b"\xff\xda").count();
    if scans > MAX_SCANS {
        return Err(DecodeError::TooLarge { detail: format!("{scans} scans, at most {MAX_SCANS} are read") });
    }
    // Two bytes a coefficient, none of the components subsampled at worst.
    limits.check_memory(u64::from(width) * u64::from(height) * 2 * u64::from(components))
}

/// The number of components if they do not all come in the first scan whole.
fn components_of_many_scans(bytes: &[u8]) -> Option<u8> {
    let mut rest = bytes.get(2..)?;
    let mut frame = None;
    loop {
        let (marker, payload, after) = segment(rest)?;
        match marker {
            // Frame headers; in between lie tables (C4, CC) and an extension (C8).
            0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                frame = Some((matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE), *payload.get(5)?));
            }
            0xDA => {
                let (progressive, components) = frame?;
                return (progressive || *payload.first()? < components).then_some(components);
            }
            _ => {}
        }
        rest = after;
    }
}

/// The next segment: its marker, its payload and what follows.
fn segment(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let start = bytes.windows(2).position(|pair| pair[0] == 0xFF && !matches!(pair[1], 0x00 | 0xFF))?;
    let [_, marker, high, low] = *bytes.get(start..start + 4)? else { return None };
    let body = &bytes[start + 2..];
    let length = usize::from(u16::from_be_bytes([high, low]));
    Some((marker, body.get(2..length)?, &body[length..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Start of image, a frame of three components and a scan of `in_scan` of them.
    fn file(frame: u8, in_scan: u8, scans: usize) -> Vec<u8> {
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0xFF, 0xC2]; // a marker inside a payload is none
        file.extend([0xFF, frame, 0, 8, 8, 0, 16, 0, 16, 3]);
        file.extend([0xFF, 0xDA, 0, 3, in_scan].repeat(scans));
        file
    }

    #[test]
    fn many_scans_are_told_from_one() {
        assert_eq!(components_of_many_scans(&file(0xC0, 3, 1)), None);
        assert_eq!(components_of_many_scans(&file(0xC0, 1, 3)), Some(3));
        assert_eq!(components_of_many_scans(&file(0xC2, 3, 1)), Some(3));
        let whole = file(0xC2, 3, 1);
        for length in 0..whole.len() {
            assert_eq!(components_of_many_scans(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn thousands_of_scans_are_refused() {
        let limits = Limits::default();
        assert_eq!(check(&file(0xC2, 1, 10), (16, 16), &limits), Ok(()));
        assert!(matches!(check(&file(0xC2, 1, 501), (16, 16), &limits), Err(DecodeError::TooLarge { .. })));
        let too_little = Limits { max_memory: 1_000, ..limits };
        assert!(matches!(
            check(&file(0xC2, 1, 10), (16, 16), &too_little),
            Err(DecodeError::TooLarge { .. })
        ));
    }
}
