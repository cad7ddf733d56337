//! The segments before a JPEG's picture, each with a marker and a length.

/// Iterates over marker and content of each segment, up to the first scan or the first invalid segment.
pub(super) struct Segments<'a> {
    rest: &'a [u8],
}

impl<'a> Segments<'a> {
    pub(super) fn of(jpeg: &'a [u8]) -> Segments<'a> {
        // Skip the start-of-image marker.
        Segments { rest: jpeg.get(2..).unwrap_or_default() }
    }
}

impl<'a> Iterator for Segments<'a> {
    type Item = (u8, &'a [u8]);

    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let at = self.rest.iter().position(|byte| *byte != 0xFF)?;
        // A marker follows at least one FF.
        let marker = self.rest[at];
        if at == 0 || matches!(marker, 0xD8..=0xDA) {
            return None;
        }
        let (length, _) = self.rest[at + 1..].split_first_chunk()?;
        let end = at + 1 + usize::from(u16::from_be_bytes(*length)).max(2);
        let content = self.rest.get(at + 3..end)?;
        self.rest = &self.rest[end..];
        Some((marker, content))
    }
}

/// Whether an end-of-image marker follows the JPEG's first scan. Without it, the Rust decoder silently fills the missing part
/// with grey, and a grey picture would cause wrong matches.
///
/// The segments before the scan are skipped, because the thumbnail in an EXIF block has its own marker. `ff d9` cannot occur
/// within a scan. After the picture there may be any data (phones put a video there).
pub(super) fn has_end_of_image(jpeg: &[u8]) -> bool {
    let mut segments = Segments::of(jpeg);
    segments.by_ref().for_each(drop);
    memchr::memmem::find(segments.rest, b"\xff\xd9").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jpeg_ends_where_its_own_scan_ends() {
        #[track_caller]
        fn check(after_start: &[u8], expected: bool) {
            assert_eq!(has_end_of_image(&[b"\xff\xd8", after_start].concat()), expected, "{after_start:x?}");
        }
        let thumbnail = b"\xff\xe1\x00\x06\xff\xd9\xff\xda";
        let scan = b"\xff\xda\x00\x02scan\xff\x00scan";
        check(&[&scan[..], b"\xff\xd9"].concat(), true);
        check(scan, false);
        check(&[&thumbnail[..], scan].concat(), false);
        check(&[&thumbnail[..], scan, b"\xff\xd9"].concat(), true);
        check(&[&scan[..], b"\xff\xd9 a film with \xff\xda in it"].concat(), true);
        check(b"", false);
        check(b"\xff\xe1\xff\xff", false);
    }

    #[test]
    fn segments_end_at_the_scan() {
        let jpeg = b"\xff\xd8\xff\xe0\0\x04ab\xff\xff\xe1\0\x02\xff\xfe\0\0\xff\xda\0\x03scan\xff\xe2\0\x02";
        let found: Vec<_> = Segments::of(jpeg).collect();
        assert_eq!(found, [(0xE0, &b"ab"[..]), (0xE1, b""), (0xFE, b"")]);
        for length in 0..jpeg.len() {
            assert!(found.starts_with(&Segments::of(&jpeg[..length]).collect::<Vec<_>>()));
        }
    }
}
