//! Detects picture formats by content.

use std::ops::RangeInclusive;

use image::ImageFormat;

use super::raw;

/// The number of bytes that [`is_picture`] needs.
pub const HEAD: usize = 4 << 10;

/// The first bytes and the names of unsupported formats.
const UNREAD: &[(&[u8], &str)] = &[
    (b"8BPS", "Photoshop"),
    (b"\0\0\0\x0cjP  ", "JPEG 2000"),
    (b"\xff\x4f\xff\x51", "JPEG 2000"),
    (b"II\xbc", "JPEG XR"),
    (b"gimp xcf", "GIMP"),
    (b"ARRI\x12\x34\x56\x78", "ARRI RAW"),
    (b"qktk", "QuickTake RAW"),
    (b"qktn", "QuickTake RAW"),
    (b"\x8aMNG", "MNG"),
    (b"\x8bJNG", "JNG"),
    (b"BPG\xfb", "BPG"),
    (b"#?RGBE", "Radiance HDR"),
    (PDF, "PDF"),
];
/// Unsupported formats that the `image` crate recognises.
const UNREAD_BY_IMAGE: &[(ImageFormat, &str)] = &[
    (ImageFormat::Dds, "DDS"),
    (ImageFormat::Ico, "Windows icon"),
    (ImageFormat::Hdr, "Radiance HDR"),
    (ImageFormat::OpenExr, "OpenEXR"),
    (ImageFormat::Farbfeld, "farbfeld"),
];
/// PDF counts as a document, even if it shows a picture.
const PDF: &[u8] = b"%PDF";

/// Possible lengths of the header after a BMP's first 14 bytes, in OS/2 and Windows.
const BMP_HEADERS: RangeInclusive<u32> = 12..=124;

/// The known picture formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    Jpeg,
    /// A format that the `image` crate reads.
    Raster(ImageFormat),
    Tiff,
    /// A camera's RAW file, of this kind.
    Raw(&'static str),
    Heic,
    Avif,
    JpegXl,
    /// An unsupported format.
    Unread(&'static str),
}

/// Whether a file that starts with these bytes is a picture in a known format, supported or not. It needs the first [`HEAD`]
/// bytes, or all of a shorter file.
#[must_use]
pub fn is_picture(head: &[u8]) -> bool {
    Format::of(head).is_some() && !head.starts_with(PDF)
}

/// The media type of a picture that starts with these bytes, if browsers or other programs can show it. It is never a type
/// that could make a browser run code.
#[must_use]
pub fn media_type(head: &[u8]) -> Option<&'static str> {
    match Format::of(head)? {
        Format::Jpeg => Some("image/jpeg"),
        Format::Raster(ImageFormat::Png) => Some("image/png"),
        Format::Raster(ImageFormat::Gif) => Some("image/gif"),
        Format::Raster(ImageFormat::WebP) => Some("image/webp"),
        Format::Raster(ImageFormat::Bmp) => Some("image/bmp"),
        Format::Tiff => Some("image/tiff"),
        Format::Heic => Some("image/heic"),
        Format::Avif => Some("image/avif"),
        Format::JpegXl => Some("image/jxl"),
        Format::Raster(_) | Format::Raw(_) | Format::Unread(_) => None,
    }
}

impl Format {
    /// The format of `bytes`, if it is known.
    pub(super) fn of(bytes: &[u8]) -> Option<Format> {
        if bytes.starts_with(b"\xff\x0a") || bytes.starts_with(b"\0\0\0\x0cJXL \r\n\x87\n") {
            return Some(Format::JpegXl);
        }
        if let Some(name) = raw::name(bytes) {
            return Some(Format::Raw(name));
        }
        if [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"].iter().any(|magic| bytes.starts_with(*magic)) {
            return Some(Format::Tiff);
        }
        if bytes.get(4..8) == Some(b"ftyp") {
            return Format::of_brands(bytes);
        }
        if let Some((_, name)) = UNREAD.iter().find(|(magic, _)| bytes.starts_with(magic)) {
            return Some(Format::Unread(name));
        }
        if is_svg(bytes) {
            return Some(Format::Unread("SVG"));
        }
        let format = image::guess_format(bytes).ok().filter(|format| is_likely(*format, bytes))?;
        if format == ImageFormat::Jpeg {
            return Some(Format::Jpeg);
        }
        if format.reading_enabled() {
            return Some(Format::Raster(format));
        }
        let name = UNREAD_BY_IMAGE.iter().find(|(unread, _)| *unread == format);
        Some(Format::Unread(name.map_or("this format", |(_, name)| name)))
    }

    /// The format of an ISO base media file (MP4's container) by its four-letter brands: the major brand, four bytes of
    /// version, then compatible brands.
    fn of_brands(bytes: &[u8]) -> Option<Format> {
        /// The longest list that is read. Pictures have about ten brands.
        const LONGEST: usize = 256;
        let length = u32::from_be_bytes(bytes.get(..4)?.try_into().ok()?) as usize;
        let brands = bytes.get(8..length.clamp(12, LONGEST).min(bytes.len()))?;
        let brands =
            brands.chunks_exact(4).enumerate().filter(|(index, _)| *index != 1).map(|(_, brand)| brand);
        brands
            .clone()
            .find_map(|brand| match brand {
                b"avif" | b"avis" | b"avio" => Some(Format::Avif),
                b"heic" | b"heix" | b"hevc" | b"hevx" | b"heim" | b"heis" | b"hevm" | b"hevs" => {
                    Some(Format::Heic)
                }
                b"jp2 " | b"jpx " | b"jpm " | b"mjp2" => Some(Format::Unread("JPEG 2000")),
                _ => None,
            })
            // With these brands, the content is described elsewhere in the file; libheif finds out.
            .or_else(|| {
                let other: &[&[u8]] =
                    &[b"mif1", b"mif2", b"msf1", b"miaf", b"avci", b"avcs", b"jpeg", b"jpgs", b"vvic"];
                brands.into_iter().any(|brand| other.contains(&brand)).then_some(Format::Heic)
            })
    }
}

/// Whether the rest looks like a file of this format. Some magic numbers are so short that texts can start with them.
fn is_likely(format: ImageFormat, bytes: &[u8]) -> bool {
    if format == ImageFormat::Bmp {
        let length = bytes.get(14..18).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
        return length.is_some_and(|length| BMP_HEADERS.contains(&length));
    }
    if format == ImageFormat::Pnm {
        return bytes.get(2).is_some_and(|byte| byte.is_ascii_whitespace() || *byte == b'#');
    }
    // The number of pictures, and a byte of the first one that is always 0.
    format != ImageFormat::Ico || matches!(bytes, [_, _, _, _, 1..=u8::MAX, 0, _, _, _, 0, ..])
}

/// Whether this is XML whose first element is `svg`.
fn is_svg(bytes: &[u8]) -> bool {
    let head = &bytes[..bytes.len().min(HEAD)];
    let head = head.strip_prefix(b"\xef\xbb\xbf").unwrap_or(head).trim_ascii_start();
    let is_xml =
        [b"<?xml".as_slice(), b"<!DOCTYPE svg", b"<!--", b"<svg"].iter().any(|start| head.starts_with(start));
    is_xml && memchr::memmem::find(head, b"<svg").is_some() && memchr::memmem::find(head, b"<html").is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn formats_are_detected_by_content() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Option<Format>) {
            assert_eq!(Format::of(bytes), expected);
        }
        check(b"\xff\xd8\xff\xe0", Some(Format::Jpeg));
        check(b"\x89PNG\r\n\x1a\n", Some(Format::Raster(ImageFormat::Png)));
        check(b"II*\0\x08\0\0\0", Some(Format::Tiff));
        check(b"MM\0+\0\x08\0\0", Some(Format::Tiff));
        check(b"\0\0\0\x18ftypheic\0\0\0\0", Some(Format::Heic));
        check(b"\0\0\0\x18ftypavif\0\0\0\0", Some(Format::Avif));
        check(b"\0\0\0\x18ftypmif1\0\0\0\0mif1avif", Some(Format::Avif));
        check(b"\0\0\0\x18ftypmif1\0\0\0\0mif1miaf", Some(Format::Heic));
        check(b"\0\0\0\x18ftypmsf1\0\0\0\0hevcmif1", Some(Format::Heic));
        check(b"\0\0\0\x18ftypisom\0\0\0\0isommp42", None);
        // The four bytes after the first brand are not a brand.
        check(b"\0\0\0\x18ftypisomheicisommp42", None);
        check(b"\xff\x0a\0", Some(Format::JpegXl));
        check(b"8BPS\0\x01", Some(Format::Unread("Photoshop")));
        check(b"DDS \0\0", Some(Format::Unread("DDS")));
        check(b"%PDF-1.7", Some(Format::Unread("PDF")));
        check(b"\xef\xbb\xbf<?xml version='1.0'?>\n<!-- a --><svg>", Some(Format::Unread("SVG")));
        check(b"<?xml version='1.0'?><html><svg>", None);
        check(b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0", Some(Format::Raster(ImageFormat::Bmp)));
        check(b"BMW drivers of the world", None);
        check(b"P5\n1 1\n255\n\0", Some(Format::Raster(ImageFormat::Pnm)));
        check(b"P5. The fifth point", None);
        check(b"\0\0\x01\0\x01\0\x10\x10\0\0", Some(Format::Unread("Windows icon")));
        check(b"\0\0\x01\0\0\0", None);
        check(b"Dear diary", None);
        check(b"", None);
    }

    #[test]
    fn only_pictures_have_a_media_type() {
        #[track_caller]
        fn check(bytes: &[u8], expected: Option<&str>) {
            assert_eq!(media_type(bytes), expected);
        }
        check(b"\xff\xd8\xff\xe0", Some("image/jpeg"));
        check(b"\0\0\0\x18ftypavif\0\0\0\0", Some("image/avif"));
        check(b"II*\0\x08\0\0\0", Some("image/tiff"));
        check(b"P5\n1 1\n255\n\0", None);
        check(b"<svg xmlns='http://www.w3.org/2000/svg'>", None);
        check(b"<html><script>", None);
        check(b"%PDF-1.7", None);
        check(b"", None);
    }

    #[test]
    fn a_document_is_not_a_picture() {
        assert!(is_picture(b"\xff\xd8\xff\xe0"));
        assert!(is_picture(b"8BPS\0\x01"));
        assert!(!is_picture(b"%PDF-1.7"));
        assert!(!is_picture(b"\0\0\0\x18ftypqt  \0\0\0\0"));
    }
}
