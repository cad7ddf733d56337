//! Estimates the cost of decoding a JPEG from its headers.
//!
//! A file with all components in one scan is decoded row by row. One with several scans (usually progressive) needs all
//! coefficients of the picture in memory, and a pass over them for each scan.

use super::super::{DecodeError, Limits};

/// The maximum number of scans. Encoders write about 10; a small file with thousands would take minutes. libjpeg-turbo's own
/// fuzzers stop at 500.
const MAX_SCANS: usize = 500;

/// The relevant data of the headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) size: (u32, u32),
    components: u8,
    /// The first scan does not contain all components completely.
    has_many_scans: bool,
}

impl Frame {
    /// Reads the frame before the first scan.
    pub(super) fn of(bytes: &[u8]) -> Option<Frame> {
        let mut rest = bytes.get(2..)?;
        let mut found = None;
        loop {
            let (marker, payload, after) = segment(rest)?;
            match marker {
                // Frame headers. In this range are also tables (C4, CC) and an extension (C8).
                0xC0..=0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    let [_, h1, h2, w1, w2, components] = *payload.get(..6)? else { return None };
                    let side = |high, low| u32::from(u16::from_be_bytes([high, low]));
                    let has_many_scans = matches!(marker, 0xC2 | 0xC6 | 0xCA | 0xCE);
                    found = Some(Frame { size: (side(w1, w2), side(h1, h2)), components, has_many_scans });
                }
                0xDA => {
                    let frame = found?;
                    let has_many_scans = frame.has_many_scans || *payload.first()? < frame.components;
                    return Some(Frame { has_many_scans, ..frame });
                }
                _ => {}
            }
            rest = after;
        }
    }

    /// Refuses a file that would need too much time or memory.
    pub(super) fn check(&self, bytes: &[u8], limits: &Limits) -> Result<(), DecodeError> {
        if !self.has_many_scans {
            return Ok(());
        }
        let scans = memchr::memmem::find_iter(bytes, b"\xff\xda").count();
        if scans > MAX_SCANS {
            let detail = format!("{scans} scans, at most {MAX_SCANS} are read");
            return Err(DecodeError::TooLarge { detail });
        }
        limits.check_memory(self.coefficients())
    }

    /// The memory in bytes for coefficients that must be kept: two bytes each, without subsampling at worst.
    pub(super) fn coefficients(&self) -> u64 {
        let each = if self.has_many_scans { 2 * u64::from(self.components) } else { 0 };
        u64::from(self.size.0) * u64::from(self.size.1) * each
    }
}

/// The next segment: its marker, its payload and the rest.
pub(super) fn segment(bytes: &[u8]) -> Option<(u8, &[u8], &[u8])> {
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
        let mut file = vec![0xFF, 0xD8, 0xFF, 0xE0, 0, 4, 0xFF, 0xC2]; // a marker in a payload does not count
        file.extend([0xFF, frame, 0, 8, 8, 0, 32, 0, 16, 3]);
        file.extend([0xFF, 0xDA, 0, 3, in_scan].repeat(scans));
        file
    }

    #[test]
    fn many_scans_are_distinguished_from_one() {
        #[track_caller]
        fn check(file: &[u8], has_many_scans: bool) {
            assert_eq!(Frame::of(file), Some(Frame { size: (16, 32), components: 3, has_many_scans }));
        }
        check(&file(0xC0, 3, 1), false);
        check(&file(0xC0, 1, 3), true);
        let whole = file(0xC2, 3, 1);
        check(&whole, true);
        for length in 0..whole.len() {
            assert_eq!(Frame::of(&whole[..length]), None, "{length}");
        }
    }

    #[test]
    fn thousands_of_scans_are_refused() {
        let check = |file: &[u8], limits: &Limits| Frame::of(file).unwrap().check(file, limits);
        let limits = Limits::default();
        assert_eq!(check(&file(0xC2, 1, 10), &limits), Ok(()));
        assert!(matches!(check(&file(0xC2, 1, 501), &limits), Err(DecodeError::TooLarge { .. })));
        let too_little = Limits { max_memory: 1_000, ..limits };
        assert!(matches!(check(&file(0xC2, 1, 10), &too_little), Err(DecodeError::TooLarge { .. })));
        assert_eq!(check(&file(0xC0, 3, 1), &too_little), Ok(()));
    }
}
