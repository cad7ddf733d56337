//! Measures `imgsearch duplicates` on photos whose duplicates are known, because this makes them.
//!
//! ```sh
//! cargo run --release --example duplicates -- FOLDER
//! ```
//!
//! Of every photo in FOLDER it writes versions into a temporary folder: saved again at two qualities, as PNG, at half and a
//! quarter of the size, with 5 % of each side cut off (half of it at either end), turned by quarters, and moved and
//! brightened as the next shot of a burst. It indexes all of them and says how many pairs of versions each likeness
//! finds (recall), and how many of the pairs that it finds are versions of one photo (precision).

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

use std::collections::HashMap;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use image::codecs::jpeg::JpegEncoder;
use image::{RgbImage, imageops};
use imageops::FilterType::Lanczos3;

type Version = (&'static str, fn(&RgbImage) -> RgbImage, Saved);

#[derive(Clone, Copy)]
enum Saved {
    Jpeg(u8),
    Png,
}

const VERSIONS: &[Version] = &[
    ("re-encoded at quality 90", Clone::clone, Saved::Jpeg(90)),
    ("re-encoded at quality 40", Clone::clone, Saved::Jpeg(40)),
    ("re-encoded as PNG", Clone::clone, Saved::Png),
    ("resized to a half", |photo| resized(photo, 2), Saved::Jpeg(85)),
    ("resized to a quarter", |photo| resized(photo, 4), Saved::Jpeg(85)),
    ("turned by 90 degrees", imageops::rotate90, Saved::Jpeg(90)),
    ("turned by 180 degrees", imageops::rotate180, Saved::Jpeg(90)),
    ("turned by 270 degrees", imageops::rotate270, Saved::Jpeg(90)),
    ("cropped by 5 %", |photo| cropped(photo, (25, 25), (950, 950)), Saved::Jpeg(90)),
    (
        "next shot of a burst",
        |photo| imageops::brighten(&cropped(photo, (30, 15), (970, 970)), 6),
        Saved::Jpeg(90),
    ),
];

fn resized(photo: &RgbImage, by: u32) -> RgbImage {
    imageops::resize(photo, photo.width() / by, photo.height() / by, Lanczos3)
}

/// The part of this corner and size, in thousandths.
fn cropped(photo: &RgbImage, corner: (u32, u32), size: (u32, u32)) -> RgbImage {
    let (x, y) = (photo.width() * corner.0 / 1000, photo.height() * corner.1 / 1000);
    imageops::crop_imm(photo, x, y, photo.width() * size.0 / 1000, photo.height() * size.1 / 1000).to_image()
}

fn main() -> Result<()> {
    let folder = std::env::args_os().nth(1).context("usage: duplicates FOLDER")?;
    let work = tempfile::tempdir()?;
    let photos = work.path().join("photos");
    fs::create_dir(&photos)?;
    let originals = write_versions(Path::new(&folder), &photos)?;
    println!("{originals} photos, each in {} versions", VERSIONS.len() + 1);
    imgsearch(work.path(), ["index".as_ref(), photos.as_os_str()])?;
    for likeness in ["--exact", "--re-encoded", "--similar"] {
        let listed = imgsearch(work.path(), ["duplicates", likeness])?;
        report(likeness, &groups(&listed), originals);
    }
    Ok(())
}

/// Writes `N-0.jpg` as it was, and its versions `N-1` and so on.
fn write_versions(from: &Path, into: &Path) -> Result<usize> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jpg" || extension == "png"));
    files.sort();
    for (number, file) in files.iter().enumerate() {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        fs::copy(file, into.join(format!("{number}-0.{extension}")))?;
        let photo = image::open(file).with_context(|| file.display().to_string())?.into_rgb8();
        for ((_, change, saved), version) in VERSIONS.iter().zip(1..) {
            let changed = change(&photo);
            let path = |extension| into.join(format!("{number}-{version}.{extension}"));
            match saved {
                Saved::Png => changed.save(path("png"))?,
                Saved::Jpeg(quality) => {
                    changed.write_with_encoder(JpegEncoder::new_with_quality(
                        File::create(path("jpg"))?,
                        *quality,
                    ))?;
                }
            }
        }
    }
    Ok(files.len())
}

/// Runs the binary that was built with this example.
fn imgsearch<A: AsRef<OsStr>>(work: &Path, args: impl IntoIterator<Item = A>) -> Result<String> {
    let example = std::env::current_exe()?;
    let binary =
        example.ancestors().nth(2).context("examples lie in a folder of their own")?.join("imgsearch");
    let output = Command::new(binary).args(args).arg("--library").arg(work.join("library")).output()?;
    let failed = !output.status.success() && output.status.code() != Some(1);
    ensure!(!failed, "{}", String::from_utf8_lossy(&output.stderr));
    Ok(String::from_utf8(output.stdout)?)
}

/// Photo and version of the members of each group.
fn groups(listed: &str) -> Vec<Vec<(usize, usize)>> {
    let mut groups: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for line in listed.lines() {
        let Some(((group, _), (_, path))) = line.split_once('\t').zip(line.rsplit_once('\t')) else {
            continue;
        };
        let name = Path::new(path).file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let Some((photo, version)) = name.split_once('-') else { continue };
        if let (Ok(photo), Ok(version)) = (photo.parse(), version.parse()) {
            groups.entry(group).or_default().push((photo, version));
        }
    }
    groups.into_values().collect()
}

fn report(likeness: &str, groups: &[Vec<(usize, usize)>], originals: usize) {
    let (mut found, mut right) = (0, 0);
    let mut with_original = vec![0; VERSIONS.len() + 1];
    for group in groups {
        for (at, a) in group.iter().enumerate() {
            for b in &group[at + 1..] {
                found += 1;
                right += usize::from(a.0 == b.0);
            }
        }
        for (photo, version) in group {
            with_original[*version] += usize::from(group.contains(&(*photo, 0)));
        }
    }
    println!("\n{likeness}: {found} pairs, {right} of them of one photo");
    for ((name, ..), version) in VERSIONS.iter().zip(1..) {
        println!("  {name:26} {:5} of {originals} found", with_original[version]);
    }
}
