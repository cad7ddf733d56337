//! The metadata of files from public test suites.

use imgsearch::decode::{Detail, Limits, Picture, Precision, decode};
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

use crate::workspace::shared_case;

#[track_caller]
fn case(name: &str) -> Option<Picture> {
    let picture = decode(&shared_case(name)?, &Limits::default(), Detail::ShortSide(200));
    Some(picture.map_err(|error| format!("{name}: {error}")).unwrap())
}

#[track_caller]
fn check_date(name: &str, expected: &str, offset_minutes: Option<i16>, precision: Precision) {
    let Some(picture) = case(name) else { return };
    let taken = picture.metadata.taken.unwrap();
    let expected: DateTime = expected.parse().unwrap();
    let clock_ms = TimeZone::UTC.to_timestamp(expected).unwrap().as_millisecond();
    assert_eq!((taken.clock_ms, taken.offset_minutes), (clock_ms, offset_minutes), "{name}");
    assert_eq!(taken.precision, precision, "{name}");
}

#[test]
fn every_notation_of_a_date() {
    let check = |name: &str, expected, offset| {
        check_date(&format!("exif-date/{name}.jpg"), expected, offset, Precision::Time);
    };
    check("hour24", "2016-02-02T00:28:33", None);
    check("dashes", "2019-11-28T14:38:40", None);
    check("slashes", "2019-11-28T14:38:40", None);
    check("iso8601", "2025-01-30T08:59:50", Some(60));
    check("noseconds", "2015-08-22T10:08:00", None);
    check("sec60", "2016-12-31T23:59:59", None);
    check("badoffset", "2016-02-02T12:28:33", Some(0));
    check_date("exif-date/dateonly.jpg", "1958-07-04T00:00:00", None, Precision::Day);
    check_date("exif-date/yearonly.jpg", "1958-01-01T00:00:00", None, Precision::Year);
}

#[test]
fn every_kind_of_place() {
    #[track_caller]
    fn check(name: &str, latitude: f64, longitude: f64) {
        let Some(picture) = case(&format!("gps/{name}.jpg")) else { return };
        let place = picture.metadata.place.unwrap();
        let is_near =
            (place.latitude - latitude).abs() < 0.005 && (place.longitude - longitude).abs() < 0.005;
        assert!(is_near, "{name}: {place:?}");
    }
    check("seconds_0_0", 49.5, 15.25);
    check("srational", 60.17, 24.93);
    check("no_ref", 12.97, 77.58);
    check("ok_sydney", -33.865, 151.21);
    check("date_line_w", -17.0, -179.95);
    check("pole", 89.983, -120.0);
}

#[test]
fn exif_in_every_place() {
    #[track_caller]
    fn check(name: &str, date: Option<&str>, camera: Option<&str>, upright: (u32, u32)) {
        let Some(picture) = case(name) else { return };
        if let Some(date) = date {
            check_date(name, date, None, Precision::Time);
        }
        assert_eq!(picture.metadata.camera.as_deref(), camera, "{name}");
        assert_eq!(picture.upright_size(), upright, "{name}");
    }
    let date = Some("2019-05-06T07:08:09");
    let files = ["ref.jpg", "png_exif_after.png", "png_exif_before.png", "png_exif_prefix.png"];
    let more = ["png_imagemagick.png", "png_rawprofile.png", "webp_bare.webp", "webp_prefix.webp"];
    for name in files.iter().chain(&more) {
        check(&format!("exif-in-png/{name}"), date, Some("Google Pixel 7"), (319, 480));
    }
    check("two-exif/jpg_two_exif.jpg", date, Some("Google Pixel 7"), (319, 480));
    check("webp-exif-prefix/hopper_orientation_6.webp", None, None, (128, 128));
    check("webp-exif-prefix/crop-strategy.webp", None, None, (320, 80));
    check("png-exif-after-idat/6.png", None, None, (960, 1395));
    let canon = Some("Canon PowerShot S40");
    check("png-exif-after-idat/png_with_exif_and_gps.png", Some("2003-12-14T12:01:44.935"), canon, (1, 1));
    check("png-raw-profile-exif/imagemagick.png", Some("2006-02-04T16:09:30"), Some("NIKON D70"), (320, 211));
    check("png-raw-profile-exif/ref.png", None, None, (500, 606));
    check("png-raw-profile-exif/test.png", Some("2020-04-09T20:48:36"), None, (14, 12));
    check("png-raw-profile-exif/exif_imagemagick_orientation.png", None, None, (512, 512));
    let at_end = "png-exif-after-idat/paris_icc_exif_xmp_at_end.png";
    check_date(at_end, "2022-08-22T20:30:46.023", Some(120), Precision::Time);
}

#[test]
fn a_raw_file_has_its_own_date_and_size() {
    #[track_caller]
    fn check(name: &str, upright: (u32, u32)) {
        let Some(picture) = case(name) else { return };
        assert_eq!(picture.upright_size(), upright, "{name}");
    }
    check_date("cr3-edited/Canon-R6-pruned.CR3", "2021-05-12T12:21:21.92", Some(120), Precision::Time);
    check_date("raw-size-of-preview/canon-r6.cr3", "2025-09-06T20:24:47.72", Some(-480), Precision::Time);
    check_date("raw-size-of-preview/canon_eos_6d.dng", "2019-06-06T07:29:51", None, Precision::Time);
    check("cr3-edited/Canon-R6-pruned.CR3", (3408, 2272));
    check("raw-size-of-preview/canon-r6.cr3", (5472, 3648));
    check("raw-size-of-preview/canon_eos_6d.dng", (1224, 816));
}
