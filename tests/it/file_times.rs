//! A photo without a date has the time of its file, and belongs to the day of that time in the user's time zone.

use std::fs::File;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::workspace::Workspace;

/// Los Angeles, in a notation that needs no time zone database.
const PACIFIC: &str = "PST8PDT,M3.2.0,M11.1.0";
/// 2024-07-05 06:00 UTC: 23:00 of the fourth of July in Los Angeles.
const ELEVEN_PM: u64 = 1_720_159_200;

/// A photo taken by a camera at 23:30, and a screenshot made at 23:00 on that evening in Los Angeles.
fn indexed() -> Workspace {
    let workspace = Workspace::new();
    workspace.photo_with("photo.jpg", 1, &[(exif::Tag::DateTimeOriginal, "2024:07:04 23:30:00")]);
    let screenshot = workspace.photo("screenshot.png", 2);
    let file = File::options().write(true).open(screenshot).unwrap();
    file.set_modified(UNIX_EPOCH + Duration::from_secs(ELEVEN_PM)).unwrap();
    workspace.index(&[], 0);
    workspace
}

/// File names and times of what a query finds in this time zone, the newest first.
fn found(workspace: &Workspace, zone: &str, filter: &[&str]) -> Vec<(String, String)> {
    let args = [&["query", "x", "-q", "--sort", "date", "--format", "jsonl"], filter].concat();
    let output = workspace.imgsearch(&args).env("TZ", zone).output().unwrap();
    let lines = String::from_utf8(output.stdout).unwrap();
    let record = |line: &str| {
        let record: Value = serde_json::from_str(line).unwrap();
        let name = record["path"].as_str().unwrap().rsplit('/').next().unwrap().to_owned();
        (name, record["taken"].as_str().unwrap().to_owned())
    };
    lines.lines().map(record).collect()
}

#[test]
fn the_day_of_a_file_depends_on_the_users_time_zone() {
    let workspace = indexed();
    let check = |zone: &str, filter: &[&str], expected: &[(&str, &str)]| {
        let expected: Vec<_> =
            expected.iter().map(|(name, taken)| ((*name).to_owned(), (*taken).to_owned())).collect();
        assert_eq!(found(&workspace, zone, filter), expected, "{zone} {filter:?}");
    };
    let photo = ("photo.jpg", "2024-07-04T23:30:00");
    let pacific = ("screenshot.png", "2024-07-04T23:00:00-07:00");
    check(PACIFIC, &[], &[photo, pacific]);
    check(PACIFIC, &["--on", "2024-07-04"], &[photo, pacific]);
    check(PACIFIC, &["--on", "2024-07-05"], &[]);
    check(PACIFIC, &["--after", "2024-07-05"], &[]);
    check(PACIFIC, &["--before", "2024-07-05"], &[photo, pacific]);
    // In another time zone the file's day differs, but the camera's does not.
    let utc = ("screenshot.png", "2024-07-05T06:00:00+00:00");
    check("UTC0", &[], &[utc, photo]);
    check("UTC0", &["--on", "2024-07-04"], &[photo]);
    check("UTC0", &["--on", "2024-07-05"], &[utc]);
    check("<+0530>-5:30", &["--on", "2024-07-05"], &[("screenshot.png", "2024-07-05T11:30:00+05:30")]);
}

#[test]
fn an_unknown_zone_is_utc() {
    let workspace = indexed();
    let found = found(&workspace, "Nowhere/Atlantis", &["--on", "2024-07-05"]);
    assert_eq!(found, [("screenshot.png".to_owned(), "2024-07-05T06:00:00+00:00".to_owned())]);
}
