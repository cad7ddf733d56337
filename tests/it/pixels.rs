//! Compares files from public test suites with the pixels from Pillow or libheif.
//!
//! No available program can write these files; `goldens.rs` has the kinds that can be made.

use imgsearch::decode::{DecodeError, Detail, Limits, Picture, decode};

use crate::workspace::{look_for_heif, shared_case, skip};

/// How much the mean of a quarter may be off, of 255.
const MOST: f64 = 2.0;

/// Red, green and blue of a picture's quarters: two above, two below.
type Quarters = [[u8; 3]; 4];

#[track_caller]
fn decoded(name: &str, bytes: &[u8]) -> Picture {
    let picture = decode(bytes, &Limits::default(), Detail::Full);
    assert_eq!(picture.as_ref().err(), None, "{name}");
    picture.unwrap()
}

fn quarters(picture: &Picture) -> [[f64; 3]; 4] {
    let (width, height) = picture.pixels.dimensions();
    [(0, 0), (1, 0), (0, 1), (1, 1)].map(|(right, below)| {
        let inside = |x: u32, y: u32| (x >= width / 2) == (right == 1) && (y >= height / 2) == (below == 1);
        let pixels = picture.pixels.enumerate_pixels().filter(|(x, y, _)| inside(*x, *y));
        let (sum, count) = pixels.fold(([0.0; 3], 0.0), |(mut sum, count), (_, _, pixel)| {
            sum.iter_mut().zip(pixel.0).for_each(|(sum, value)| *sum += f64::from(value));
            (sum, count + 1.0)
        });
        sum.map(|sum| sum / count)
    })
}

#[track_caller]
fn check(name: &str, size: (u32, u32), expected: Quarters) {
    let Some(bytes) = shared_case(name) else { return };
    let picture = decoded(name, &bytes);
    assert_eq!((picture.pixels.dimensions(), picture.note.as_deref()), (size, None), "{name}");
    let found = quarters(&picture);
    let pairs = found.iter().flatten().zip(expected.iter().flatten());
    let most = pairs.map(|(found, expected)| (found - f64::from(*expected)).abs()).fold(0.0, f64::max);
    assert!(most <= MOST, "{name}: {found:?} is not {expected:?}");
}

fn gray(values: [u8; 4]) -> Quarters {
    values.map(|value| [value; 3])
}

#[test]
fn tiff_matches_libtiff() {
    let premultiplied = [[245, 245, 175], [185, 245, 185], [245, 185, 185], [185, 185, 235]];
    check("tiff-associated-alpha/hpredict.tiff", (32, 32), premultiplied);
    let premultiplied = [[238, 235, 233], [202, 179, 171], [228, 218, 212], [187, 171, 160]];
    check("tiff-associated-alpha/tiff_16bit_RGBa.tiff", (100, 40), premultiplied);
    check("tiff-fax3/total-pages-zero.tif", (1728, 2156), gray([246, 250, 248, 254]));
    check("tiff-fillorder2/16bit.r.tif", (64, 64), gray([2, 1, 2, 1]));
    check("tiff-fillorder2/g4-fillorder-test.tif", (218, 84), gray([239, 230, 222, 226]));
    check("tiff-fillorder2/hopper2R.tif", (128, 128), gray([68, 115, 56, 74]));
    check("tiff-fillorder2/hopper4R.tif", (128, 128), gray([80, 118, 65, 75]));
    let jpeg = [[130, 142, 107], [105, 127, 80], [128, 137, 98], [114, 121, 92]];
    check("tiff-jpeg-ycbcr/tiff_strip_ycbcr_jpeg_2x2_sampling.tif", (480, 360), jpeg);
    let planar = [[102, 87, 104], [196, 209, 226], [143, 85, 69], [237, 240, 244]];
    check("tiff-tiled-planar-panic/tiff_tiled_planar_lzw.tiff", (278, 374), planar);
    let big = [[142, 106, 79], [140, 107, 86], [155, 113, 85], [152, 119, 96]];
    check("bigtiff/big.tif", (80, 53), big);
}

#[test]
fn bmp_of_os2_is_read() {
    let quarters = [[151, 144, 113], [127, 126, 166], [86, 85, 113], [114, 112, 90]];
    check("bmp-os2v2/pal8os2v2.bmp", (127, 64), quarters);
}

#[test]
fn an_avif_grid_is_read_by_a_libheif_that_supports_it() {
    if !look_for_heif() {
        return skip("set-up has not installed libheif");
    }
    check("avif-grid-needs-second-libheif/32Bit-72dpi-sRGB-800x600.avif", (800, 600), [[255, 106, 0]; 4]);
    let quarters = [[24, 36, 54], [23, 34, 51], [38, 42, 54], [35, 39, 52]];
    check("avif-grid-needs-second-libheif/pitm.avif", (4096, 800), quarters);
    let quarters = [[136, 138, 136], [102, 78, 59], [82, 88, 97], [70, 70, 72]];
    check("avif-grid-needs-second-libheif/sofa_grid1x5_420.avif", (1024, 770), quarters);
}

#[test]
fn conformance_files_of_heif_are_read() {
    #[track_caller]
    fn check(name: &str, size: (u32, u32)) {
        let name = format!("heic-libheif-1.23.0/{name}.heic");
        if let Some(bytes) = shared_case(&name) {
            assert_eq!(decoded(&name, &bytes).pixels.dimensions(), size, "{name}");
        }
    }
    if !look_for_heif() {
        return skip("set-up has not installed libheif");
    }
    check("C005", (128, 72));
    check("C013", (300, 300));
    check("C021", (1280, 720));
    check("MIAF007", (360, 640));
    check("multilayer001", (1024, 512));
    // It contains H.264, which no available libheif supports.
    if let Some(bytes) = shared_case("heic-libheif-1.23.0/multilayer004.heic") {
        let refused = decode(&bytes, &Limits::default(), Detail::Full);
        assert!(matches!(refused, Err(DecodeError::Unsupported { .. })), "{:?}", refused.err());
    }
}

#[test]
fn a_file_that_claims_thousands_of_samples_has_a_short_reason() {
    let Some(bytes) = shared_case("long-reason/many-samples.tif") else { return };
    let refused = decode(&bytes, &Limits::default(), Detail::Full);
    let reason = refused.err().map(|error| error.to_string()).unwrap_or_default();
    assert!((1..300).contains(&reason.len()), "{reason}");
}

#[test]
fn other_formats_are_read_or_reported() {
    #[track_caller]
    fn check(name: &str, expected: &str) {
        let Some(bytes) = shared_case(&format!("extensions/{name}")) else { return };
        let found = match decode(&bytes, &Limits::default(), Detail::ShortSide(100)) {
            Ok(_) => "read".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(found, expected, "{name}");
    }
    check("a.psd", "unsupported: Photoshop");
    check("b.jp2", "unsupported: JPEG 2000");
    check("c.pdf", "unsupported: PDF");
    check("d.svg", "unsupported: SVG");
    for jpeg in ["e.mpo", "f.JPG_large", "g", "h.jps", "s.jpeg~2", "t.insp", "u.pjpeg", "w.jpg_original"] {
        check(jpeg, "read");
    }
    for raw in ["i.rwl", "j.gpr", "k.3fr", "l.iiq", "m.dcr", "n.kdc", "o.mef", "p.erf", "q.x3f", "x.srf"] {
        check(raw, "read");
    }
    if look_for_heif() {
        check("r.heics", "read");
        check("v.avifs", "read");
    } else {
        skip("set-up has not installed libheif");
    }
}
