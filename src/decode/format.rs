//! Which picture format some bytes are of, told by their content.

use super::raw;

/// How formats begin that no build reads, and their names.
const UNREAD: &[(&[u8], &str)] = &[
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"gimp xcf", "GIMP"),
    (b"FOVb", "Sigma RAW"),
    (b"\0MRM", "Minolta RAW"),
    (b"%PDF", "PDF"),
    (b"<svg", "SVG"),
];

/// Bytes from the beginning of a file that [`is_picture`] looks at.
pub const HEAD: usize = 4 << 10;

/// Whether a file that begins like this is a picture of a format that is read, or at least named. `head` is the first
/// [`HEAD`] bytes, or the whole of a shorter file.
pub fn is_picture(head: &[u8]) -> bool {
    Format::of(head).is_some_and(|format| format != Format::Unread("PDF"))
}

/// The picture formats we can name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    /// A format the `image` crate reads.
    Raster(image::ImageFormat),
    /// A camera's RAW file, of this kind.
    Raw(&'static str),
    Heic,
    Avif,
    JpegXl,
    /// A format that no build reads.
    Unread(&'static str),
}

impl Format {
    /// The format of `bytes`, if it is one we know of.
    pub(super) fn of(bytes: &[u8]) -> Option<Format> {
        if bytes.starts_with(b"\xff\x0a") || bytes.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n") {
            return Some(Format::JpegXl);
        }
        if let Some(name) = raw::name(bytes) {
            return Some(Format::Raw(name));
        }
        if let Some(brand) = bytes.get(4..12).and_then(|header| header.strip_prefix(b"ftyp")) {
            return Format::of_brand(brand);
        }
        if let Some((_, name)) = UNREAD.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return Some(Format::Unread(name));
        }
        let format = image::guess_format(bytes).ok()?;
        Some(match format.extensions_str().first() {
            _ if format == image::ImageFormat::Jpeg => Format::Jpeg,
            _ if format.reading_enabled() => Format::Raster(format),
            name => Format::Unread(name.copied().unwrap_or("this format")),
        })
    }

    /// ISO base media files (MP4's container) say what they are in a four-letter brand.
    fn of_brand(brand: &[u8]) -> Option<Format> {
        match brand {
            b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"mif1" | b"msf1" => {
                Some(Format::Heic)
            }
            b"avif" | b"avis" => Some(Format::Avif),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_content_tells_the_format() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Option<Format>) {
            assert_eq!(Format::of(bytes), expected);
        }
        check(b"\xff\xd8\xff\xe0", Some(Format::Jpeg));
        check(b"\x89PNG\r\n\x1a\n", Some(Format::Raster(image::ImageFormat::Png)));
        check(b"\0\0\0\x18ftypheic\0\0\0\0", Some(Format::Heic));
        check(b"\0\0\0\x18ftypavif\0\0\0\0", Some(Format::Avif));
        check(b"\0\0\0\x18ftypisom\0\0\0\0", None);
        check(b"\xff\x0a\0", Some(Format::JpegXl));
        check(b"8BPS\0\x01", Some(Format::Unread("Photoshop")));
        check(b"DDS \0\0", Some(Format::Unread("dds")));
        check(b"Dear diary", None);
        check(b"", None);
    }
}
