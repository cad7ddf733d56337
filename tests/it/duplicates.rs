//! `duplicates` finds copies, versions and bursts, and says which to keep.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::time::UNIX_EPOCH;

use image::{DynamicImage, Rgb, RgbImage, imageops};
use serde_json::Value;

use crate::queries::exif;
use crate::workspace::{Workspace, scene};

#[path = "../../examples/duplicates/documents.rs"]
mod documents;

use documents::{Kind, document};

fn save(workspace: &Workspace, name: &str, picture: &RgbImage) {
    let path = workspace.photos().join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    DynamicImage::ImageRgb8(picture.clone()).save(path).unwrap();
}

/// `0.png` with an exact copy, two versions and a shifted one; `1.png` without duplicates; `2.png` and a link to it.
fn library() -> Workspace {
    let workspace = Workspace::new();
    let first = scene(1);
    save(&workspace, "0.png", &first);
    let original = workspace.photos().join("0.png");
    fs::copy(&original, workspace.photos().join("0-copy.png")).unwrap();
    fs::File::options().write(true).open(&original).unwrap().set_modified(UNIX_EPOCH).unwrap();
    save(&workspace, "sub/0-small.jpg", &imageops::thumbnail(&first, 75, 50));
    save(&workspace, "sub/0-turned.webp", &imageops::rotate90(&first));
    save(&workspace, "sub/0-cut.png", &imageops::crop_imm(&first, 5, 3, 140, 94).to_image());
    save(&workspace, "1.png", &scene(2));
    save(&workspace, "2.png", &scene(3));
    std::os::unix::fs::symlink(workspace.photos().join("2.png"), workspace.photos().join("2-link.png"))
        .unwrap();
    workspace.index(&["--follow-symlinks"], 0);
    workspace
}

fn lines(workspace: &Workspace, args: &[&str]) -> Vec<Value> {
    let args = [&["duplicates", "--format", "jsonl"], args].concat();
    let output = workspace.imgsearch(&args).output().unwrap();
    String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

/// The names of the files listed.
fn names(lines: &[Value]) -> BTreeSet<&str> {
    lines
        .iter()
        .map(|line| Path::new(line["path"].as_str().unwrap()).file_name().unwrap().to_str().unwrap())
        .collect()
}

#[track_caller]
fn check(args: &[&str], expected: &[&str]) {
    let workspace = library();
    let lines = lines(&workspace, args);
    assert_eq!(names(&lines), expected.iter().copied().collect());
    assert!(lines.iter().all(|line| line["group"] == 1), "{lines:?}");
}

#[test]
fn each_likeness_includes_the_closer_ones() {
    check(&["--exact"], &["0.png", "0-copy.png"]);
    check(&[], &["0.png", "0-copy.png", "0-small.jpg", "0-turned.webp"]);
    check(&["--re-encoded"], &["0.png", "0-copy.png", "0-small.jpg", "0-turned.webp"]);
    check(&["--similar"], &["0.png", "0-copy.png", "0-small.jpg", "0-turned.webp", "0-cut.png"]);
    check(&["--print", "keep"], &["0.png"]);
    check(&["--print", "rest", "--exact"], &["0-copy.png"]);
}

#[test]
fn one_photo_of_each_group_is_kept() {
    let workspace = library();
    let lines = lines(&workspace, &["--similar"]);
    let kept: Vec<_> = lines.iter().filter(|line| line["keep"] == true).collect();
    assert_eq!(kept.len(), 1);
    // Of the two with the most pixels and bytes, the older one.
    assert!(kept[0]["path"].as_str().unwrap().ends_with("/0.png"));
    assert_eq!(kept[0]["reason"], "oldest");
    assert!(lines.iter().all(|line| line["keep"] == true || line["reason"].is_null()), "{lines:?}");
    assert!(lines.iter().all(|line| line["likeness"] == "similar" && line["size"].is_u64()), "{lines:?}");
}

#[test]
fn which_one_is_kept_can_be_chosen() {
    let workspace = Workspace::new();
    let picture = scene(1);
    save(&workspace, "best.jpg", &picture);
    save(&workspace, "largest.bmp", &imageops::thumbnail(&picture, 140, 93));
    save(&workspace, "oldest.jpg", &imageops::thumbnail(&picture, 75, 50));
    let oldest = fs::File::options().write(true).open(workspace.photos().join("oldest.jpg")).unwrap();
    oldest.set_modified(UNIX_EPOCH).unwrap();
    workspace.index(&[], 0);
    let kept = |args: &[&str]| {
        let lines = lines(&workspace, &[args, &["--print", "keep"]].concat());
        names(&lines).into_iter().map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(kept(&[]), ["best.jpg"]);
    assert_eq!(kept(&["--keep", "best"]), ["best.jpg"]);
    assert_eq!(kept(&["--keep", "largest"]), ["largest.bmp"]);
    assert_eq!(kept(&["--keep", "oldest"]), ["oldest.jpg"]);
}

#[test]
fn only_the_given_folders_are_searched() {
    let workspace = library();
    let sub = workspace.photos().join("sub");
    assert_eq!(names(&lines(&workspace, &[sub.to_str().unwrap()])), ["0-small.jpg", "0-turned.webp"].into());
}

#[test]
fn changed_and_deleted_photos_are_not_duplicates() {
    let workspace = library();
    fs::write(workspace.photos().join("0.png"), "something else").unwrap();
    let output = workspace.imgsearch(&["duplicates", "--exact"]).assert().code(1).get_output().clone();
    assert!(output.stdout.is_empty());
    assert!(String::from_utf8(output.stderr).unwrap().contains("changed"), "the reason is missing");
}

#[test]
fn nothing_is_found_among_different_photos() {
    let workspace = Workspace::new();
    for seed in 1..4 {
        save(&workspace, &format!("{seed}.png"), &scene(seed));
    }
    workspace.index(&[], 0);
    workspace.imgsearch(&["duplicates", "--similar"]).assert().code(1).stdout("");
}

#[test]
fn paths_for_scripts_end_as_asked() {
    let workspace = library();
    let output =
        workspace.imgsearch(&["duplicates", "--print", "rest", "-0"]).assert().success().get_output().clone();
    assert_eq!(output.stdout.iter().filter(|byte| **byte == 0).count(), 3);
    assert!(fs::metadata(workspace.photos().join("0.png")).is_ok(), "a photo was deleted");
    workspace.imgsearch(&["duplicates", "--exact", "--similar"]).assert().code(2);
}

#[test]
fn blank_pictures_are_not_duplicates_of_each_other() {
    let workspace = Workspace::new();
    for grey in [10, 200] {
        save(&workspace, &format!("{grey}.png"), &RgbImage::from_pixel(60, 40, Rgb([grey; 3])));
    }
    workspace.index(&[], 0);
    workspace.imgsearch(&["duplicates"]).assert().code(1).stdout("");
}

/// A JPEG with a camera, a place and this date.
fn save_dated(workspace: &Workspace, name: &str, picture: &RgbImage, camera: &str, taken: &str) {
    let mut jpeg = std::io::Cursor::new(Vec::new());
    let mut encoder = image::codecs::jpeg::JpegEncoder::new_with_quality(&mut jpeg, 90);
    let exif = exif(camera, "50mm", taken, (48, 6), "N", (11, 30), "E");
    image::ImageEncoder::set_exif_metadata(&mut encoder, exif).unwrap();
    picture.write_with_encoder(encoder).unwrap();
    fs::write(workspace.photos().join(name), jpeg.into_inner()).unwrap();
}

/// The names of the photos that a query shows.
fn shown(workspace: &Workspace) -> BTreeSet<String> {
    let query = ["query", "a document", "-n", "1000", "--collapse", "--format", "paths"];
    let output = workspace.imgsearch(&query).assert().success().get_output().stdout.clone();
    let name = |line: &str| line.rsplit('/').next().unwrap().to_owned();
    String::from_utf8(output).unwrap().lines().map(name).collect()
}

#[test]
fn different_documents_on_one_template_are_not_duplicates() {
    let workspace = Workspace::new();
    let mut copies = BTreeSet::new();
    for kind in Kind::ALL {
        for content in 0..3 {
            save(&workspace, &format!("{kind:?}-{content}.png"), &document(kind, 0, content));
        }
        let first = document(kind, 0, 0);
        let half =
            imageops::resize(&first, first.width() / 2, first.height() / 2, imageops::FilterType::Lanczos3);
        let mut copy = fs::File::create(workspace.photos().join(format!("{kind:?}-copy.jpg"))).unwrap();
        half.write_with_encoder(image::codecs::jpeg::JpegEncoder::new_with_quality(&mut copy, 90)).unwrap();
        copies.extend([format!("{kind:?}-0.png"), format!("{kind:?}-copy.jpg")]);
    }
    workspace.index(&[], 0);
    for likeness in ["--re-encoded", "--similar"] {
        let lines = lines(&workspace, &[likeness]);
        assert_eq!(names(&lines), copies.iter().map(String::as_str).collect(), "{likeness}");
        assert_eq!(lines.last().unwrap()["group"], Kind::ALL.len(), "{lines:?}");
    }
    let kinds =
        |shown: &BTreeSet<String>, content: &str| shown.iter().filter(|name| name.contains(content)).count();
    let shown = shown(&workspace);
    assert_eq!((kinds(&shown, "-1."), kinds(&shown, "-2.")), (Kind::ALL.len(), Kind::ALL.len()));
    assert_eq!(kinds(&shown, "-0.") + kinds(&shown, "-copy."), Kind::ALL.len());
}

#[test]
fn other_colours_and_exposures_are_not_copies() {
    let workspace = Workspace::new();
    let badge = |colour: [u8; 3]| {
        RgbImage::from_fn(400, 400, |x, y| {
            let is_inside = x.abs_diff(200).pow(2) + y.abs_diff(200).pow(2) < 140_u32.pow(2);
            Rgb(if is_inside && x.abs_diff(200) > 40 { colour } else { [255; 3] })
        })
    };
    save(&workspace, "red.png", &badge([200, 40, 40]));
    save(&workspace, "green.png", &badge([40, 140, 40]));
    let photo = scene(1);
    let changed = |change: fn([u8; 3]) -> [u8; 3]| {
        let mut photo = photo.clone();
        photo.pixels_mut().for_each(|pixel| pixel.0 = change(pixel.0));
        photo
    };
    save(&workspace, "photo.png", &photo);
    save(&workspace, "grey.png", &changed(|[red, ..]| [red; 3]));
    save(&workspace, "dark.png", &changed(|pixel| pixel.map(|value| value / 5 * 3)));
    workspace.index(&[], 0);
    assert_eq!(lines(&workspace, &[]), Vec::<Value>::new());
    let similar = lines(&workspace, &["--similar"]);
    assert!(similar.iter().all(|line| line["likeness"] == "similar"), "{similar:?}");
    assert!(names(&similar).is_subset(&["photo.png", "dark.png"].into()), "{similar:?}");
    let shown = shown(&workspace);
    assert!(["red.png", "green.png", "grey.png"].iter().all(|name| shown.contains(*name)), "{shown:?}");
}

/// The shots of an exposure bracket are similar. A copy of one shot without a date does not match the others by itself.
#[test]
fn pictures_similar_to_a_picture_are_grouped_with_its_copies() {
    let workspace = Workspace::new();
    let photo = scene(1);
    for (second, tenths) in [(1, 10), (2, 13), (3, 16)] {
        let shot = lit(&photo, tenths);
        save_dated(&workspace, &format!("{second}.jpg"), &shot, "A", &format!("2024:05:06 12:00:0{second}"));
        save(&workspace, &format!("{second}-copy.png"), &shot);
    }
    workspace.index(&[], 0);
    let copies = groups(&workspace, "--re-encoded");
    assert_eq!(copies.iter().map(BTreeSet::len).collect::<Vec<_>>(), [2; 3], "{copies:?}");
    let similar = groups(&workspace, "--similar");
    assert!(similar.iter().any(|group| group.len() > 2), "there must be similar shots: {similar:?}");
    let is_together = |copies: &BTreeSet<String>| similar.iter().any(|group| group.is_superset(copies));
    assert!(copies.iter().all(is_together), "{similar:?}");
}

/// A crop matches the photo it comes from, but not another exposure, which is the one to keep.
#[test]
fn a_photo_with_copies_leads_a_group_of_similar_ones() {
    let workspace = Workspace::new();
    let photo = scene(1);
    save_dated(&workspace, "photo.jpg", &photo, "A", "2024:05:06 12:00:01");
    save(&workspace, "copy.png", &photo);
    let (width, height) = photo.dimensions();
    let cut = imageops::crop_imm(&photo, width / 40, height / 40, width * 19 / 20, height * 19 / 20);
    save(&workspace, "cut and turned.png", &imageops::rotate90(&cut.to_image()));
    save_dated(&workspace, "brighter.jpg", &lit(&photo, 11), "A", "2024:05:06 12:00:02");
    // It has more bytes, so it is the one to keep.
    let mut brighter =
        fs::File::options().append(true).open(workspace.photos().join("brighter.jpg")).unwrap();
    std::io::Write::write_all(&mut brighter, &[0; 100_000]).unwrap();
    workspace.index(&[], 0);
    let all = ["brighter.jpg", "copy.png", "cut and turned.png", "photo.jpg"];
    assert_eq!(groups(&workspace, "--similar"), [BTreeSet::from(all.map(str::to_owned))]);
}

/// The photo with this many tenths of the light.
fn lit(photo: &RgbImage, tenths: u16) -> RgbImage {
    let mut photo = photo.clone();
    photo.pixels_mut().for_each(|pixel| {
        pixel.0 = pixel.0.map(|value| u8::try_from(u16::from(value) * tenths / 10).unwrap_or(255));
    });
    photo
}

/// The names of the photos of each group.
fn groups(workspace: &Workspace, likeness: &str) -> Vec<BTreeSet<String>> {
    let mut groups = BTreeMap::<u64, BTreeSet<String>>::new();
    for line in lines(workspace, &[likeness]) {
        let name = Path::new(line["path"].as_str().unwrap()).file_name().unwrap().to_str().unwrap();
        groups.entry(line["group"].as_u64().unwrap()).or_default().insert(name.to_owned());
    }
    groups.into_values().collect()
}

#[test]
fn unrelated_photos_of_one_date_are_all_shown() {
    let workspace = Workspace::new();
    for (seed, taken) in (1..).zip(["1985:01:01 00:00:00", "2010:01:01 00:00:09", "2024:05:06 07:08:00"]) {
        for shot in 0..2 {
            save_dated(
                &workspace,
                &format!("{seed}-{shot}.jpg"),
                &scene(2 * seed + shot),
                "Maker Model",
                taken,
            );
        }
    }
    workspace.index(&[], 0);
    workspace.imgsearch(&["duplicates", "--similar"]).assert().code(1).stdout("");
    assert_eq!(shown(&workspace).len(), 6);
}

#[test]
fn the_photo_with_the_most_metadata_is_kept() {
    let workspace = Workspace::new();
    save_dated(&workspace, "photo.jpg", &scene(1), "Pixel", "2019:05:06 07:08:09");
    let saved = image::open(workspace.photos().join("photo.jpg")).unwrap().into_rgb8();
    save(&workspace, "a-shared.png", &saved);
    workspace.index(&[], 0);
    let lines = lines(&workspace, &[]);
    assert_eq!(names(&lines), ["photo.jpg", "a-shared.png"].into());
    assert!(lines[0]["path"].as_str().unwrap().ends_with("/photo.jpg"), "{lines:?}");
    assert_eq!((&lines[0]["keep"], &lines[0]["reason"]), (&true.into(), &"most metadata".into()));
}

#[test]
fn a_search_that_is_cancelled_ends_at_once_without_an_answer() {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use imgsearch::duplicates::{Keep, Likeness, Preference, Watch, find};
    use jiff::tz::TimeZone;

    let workspace = library();
    let view = imgsearch::Library::new(workspace.root().join("library")).view().unwrap();
    let done = AtomicUsize::new(0);
    let watch = Watch {
        progress: &|_, _| {
            done.fetch_add(1, Ordering::Relaxed);
        },
        cancelled: &|| done.load(Ordering::Relaxed) >= 2,
    };
    let preference = Preference { keep: Keep::Best, zone: TimeZone::UTC };
    let found = find(&*view, &[], Likeness::Similar, &preference, watch).unwrap();
    assert_eq!((found, done.into_inner()), (None, 2));
}
