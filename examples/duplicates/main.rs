//! Measures `imgsearch duplicates` on generated pictures, whose duplicates are known.
//!
//! ```sh
//! cargo run --release --example duplicates -- FOLDER [MOST]
//! ```
//!
//! It writes versions of the first MOST photos in FOLDER (default: all) into a temporary folder: copies (saved again, scaled,
//! turned), and others that must not count as copies (crops, shots of a burst, exposures, grey, other colours). One version
//! of each photo is dated 1985-01-01 00:00:00 by a scanner, the same for all photos. It adds documents: several with random
//! content on each of several templates, each in a few versions, one of them scanned two seconds after that of the previous
//! document.
//!
//! It prints how much the pictures differ. Then it indexes them all. For each likeness it prints how many of the pairs found
//! are right and wrong, and how many of each version were found with the original.

#![expect(clippy::print_stdout, reason = "its output is what it is for")]

mod differences;
mod documents;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use documents::{Kind, document};
use exif::experimental::Writer;
use exif::{Field, In, Tag, Value};
use image::codecs::jpeg::JpegEncoder;
use image::{ImageEncoder, Rgb, RgbImage, imageops};
use imageops::FilterType::Lanczos3;
use rayon::prelude::*;

/// The number of templates per kind of document, and of documents per template.
const TEMPLATES: u64 = 4;
const DOCUMENTS: u64 = 6;

/// The relation of a version to the original picture.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Is {
    Copy,
    /// At most similar. Versions with the same view are copies of each other.
    Similar(View),
    /// Another picture of the same origin, which must not count as a copy. Whether it is similar is not judged.
    Relative,
}

/// The view of the scene in a similar version.
#[derive(Clone, Copy, PartialEq, Eq)]
enum View {
    Cut,
    CutAtCorner,
    NextShot,
    ThirdShot,
    Darker,
    Brighter,
}

#[derive(Clone, Copy)]
enum Saved {
    Jpeg(u8),
    Png,
    /// A JPEG with a camera and a time: this many seconds after the photo's.
    Shot(u32),
    /// A JPEG with a scanner's date: the same for all.
    Dated,
}

struct Version {
    name: &'static str,
    is: Is,
    change: fn(&RgbImage) -> RgbImage,
    saved: Saved,
}

const fn version(name: &'static str, is: Is, change: fn(&RgbImage) -> RgbImage, saved: Saved) -> Version {
    Version { name, is, change, saved }
}

const PHOTO_VERSIONS: &[Version] = &[
    version("saved at quality 90", Is::Copy, Clone::clone, Saved::Jpeg(90)),
    version("saved at quality 40", Is::Copy, Clone::clone, Saved::Jpeg(40)),
    version("saved as PNG", Is::Copy, Clone::clone, Saved::Png),
    version("half the size", Is::Copy, |photo| resized(photo, 2), Saved::Jpeg(85)),
    version("a quarter of the size", Is::Copy, |photo| resized(photo, 4), Saved::Jpeg(85)),
    version("turned by 90 degrees", Is::Copy, imageops::rotate90, Saved::Jpeg(90)),
    version("turned by 180 degrees", Is::Copy, imageops::rotate180, Saved::Jpeg(90)),
    version("turned by 270 degrees", Is::Copy, imageops::rotate270, Saved::Jpeg(90)),
    version("dated like its strangers", Is::Copy, Clone::clone, Saved::Dated),
    version(
        "cut by 5 %",
        Is::Similar(View::Cut),
        |photo| cropped(photo, (25, 25), (950, 950)),
        Saved::Jpeg(90),
    ),
    version(
        "cut by 5 % and turned",
        Is::Similar(View::Cut),
        |photo| imageops::rotate90(&cropped(photo, (25, 25), (950, 950))),
        Saved::Jpeg(90),
    ),
    version(
        "cut by 5 % at a corner",
        Is::Similar(View::CutAtCorner),
        |photo| cropped(photo, (0, 0), (950, 950)),
        Saved::Jpeg(90),
    ),
    version("shot of a burst", Is::Copy, Clone::clone, Saved::Shot(0)),
    version(
        "next shot, moved by 3 %",
        Is::Similar(View::NextShot),
        |photo| imageops::brighten(&cropped(photo, (30, 15), (970, 970)), 6),
        Saved::Shot(1),
    ),
    version(
        "next shot, moved by 5 %",
        Is::Similar(View::ThirdShot),
        |photo| cropped(photo, (50, 30), (950, 950)),
        Saved::Shot(2),
    ),
    version("1.5 stops darker", Is::Similar(View::Darker), |photo| exposed(photo, -1.5), Saved::Shot(3)),
    version("1 stop brighter", Is::Similar(View::Brighter), |photo| exposed(photo, 1.0), Saved::Shot(4)),
    version("without colour", Is::Relative, grey, Saved::Jpeg(90)),
    version("in other colours", Is::Relative, recoloured, Saved::Jpeg(90)),
];

const DOCUMENT_VERSIONS: &[Version] = &[
    version("saved at quality 90", Is::Copy, Clone::clone, Saved::Jpeg(90)),
    version("saved at quality 40", Is::Copy, Clone::clone, Saved::Jpeg(40)),
    version("half the size", Is::Copy, |photo| resized(photo, 2), Saved::Jpeg(85)),
    version("turned by 90 degrees", Is::Copy, imageops::rotate90, Saved::Png),
    version("scanned after another", Is::Copy, Clone::clone, Saved::Shot(0)),
    version(
        "cut by 5 %",
        Is::Similar(View::Cut),
        |photo| cropped(photo, (25, 25), (950, 950)),
        Saved::Jpeg(90),
    ),
    version("in other colours", Is::Relative, recoloured, Saved::Png),
];

fn resized(photo: &RgbImage, by: u32) -> RgbImage {
    imageops::resize(photo, photo.width() / by, photo.height() / by, Lanczos3)
}

/// A crop with this corner and size, in thousandths.
fn cropped(photo: &RgbImage, corner: (u32, u32), size: (u32, u32)) -> RgbImage {
    let (x, y) = (photo.width() * corner.0 / 1000, photo.height() * corner.1 / 1000);
    imageops::crop_imm(photo, x, y, photo.width() * size.0 / 1000, photo.height() * size.1 / 1000).to_image()
}

/// The photo with this many stops more light.
fn exposed(photo: &RgbImage, stops: f32) -> RgbImage {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it saturates")]
    let lit =
        |value: u8| (255.0 * ((f32::from(value) / 255.0).powf(2.2) * stops.exp2()).powf(1.0 / 2.2)) as u8;
    let mut photo = photo.clone();
    photo.pixels_mut().for_each(|pixel| pixel.0 = pixel.0.map(lit));
    photo
}

fn grey(photo: &RgbImage) -> RgbImage {
    image::DynamicImage::ImageLuma8(imageops::grayscale(photo)).into_rgb8()
}

/// The photo with red and green swapped, at nearly the same brightness.
fn recoloured(photo: &RgbImage) -> RgbImage {
    let mut photo = photo.clone();
    photo.pixels_mut().for_each(|pixel| *pixel = Rgb([pixel.0[1], pixel.0[0], pixel.0[2]]));
    photo
}

/// The pictures of one origin.
struct Family {
    versions: &'static [Version],
    /// The origin's name in the table.
    origin: &'static str,
}

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let folder = arguments.next().context("usage: duplicates FOLDER [MOST]")?;
    let most = arguments.next().map_or(Ok(usize::MAX), |most| most.to_string_lossy().parse())?;
    let work = tempfile::tempdir()?;
    let pictures = work.path().join("pictures");
    fs::create_dir(&pictures)?;
    let mut families = Vec::new();
    add_photos(Path::new(&folder), most, &pictures, &mut families)?;
    add_documents(&pictures, &mut families)?;
    println!("{} photos and documents, each in several versions", families.len());
    differences::print(&pictures, &families)?;
    imgsearch(work.path(), ["index".as_ref(), pictures.as_os_str()])?;
    for likeness in ["--exact", "--re-encoded", "--similar"] {
        let listed = imgsearch(
            work.path(),
            ["duplicates", likeness, "--fields", "group,likeness,path", "--format", "tsv"],
        )?;
        report(likeness, &groups(&listed), &families);
    }
    Ok(())
}

/// Writes each photo `N` as `N-0` and its versions as `N-1` and so on.
fn add_photos(from: &Path, most: usize, into: &Path, families: &mut Vec<Family>) -> Result<()> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(from)?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.retain(|file| file.extension().is_some_and(|extension| extension == "jpg" || extension == "png"));
    files.sort();
    files.truncate(most);
    files.par_iter().enumerate().try_for_each(|(number, file)| {
        let extension = file.extension().unwrap_or_default().to_string_lossy();
        fs::copy(file, into.join(format!("{number}-0.{extension}")))?;
        let photo = image::open(file).with_context(|| file.display().to_string())?.into_rgb8();
        // One minute between photos.
        write_versions(&photo, PHOTO_VERSIONS, (number, 60 * number), into)
    })?;
    families.extend(files.iter().map(|_| Family { versions: PHOTO_VERSIONS, origin: "photo" }));
    Ok(())
}

fn add_documents(into: &Path, families: &mut Vec<Family>) -> Result<()> {
    let of_kind = |kind| {
        (0..TEMPLATES).flat_map(move |template| (0..DOCUMENTS).map(move |content| (kind, template, content)))
    };
    let documents: Vec<_> = Kind::ALL.into_iter().flat_map(of_kind).zip(families.len()..).collect();
    documents.par_iter().try_for_each(|&((kind, template, content), number)| {
        let picture = document(kind, template, content);
        picture.save(into.join(format!("{number}-0.png")))?;
        write_versions(&picture, DOCUMENT_VERSIONS, (number, 2 * number), into)
    })?;
    families.extend(documents.iter().map(|_| Family { versions: DOCUMENT_VERSIONS, origin: "document" }));
    Ok(())
}

/// Writes the versions of picture `number`, which was taken at `second`.
fn write_versions(
    picture: &RgbImage,
    versions: &[Version],
    (number, second): (usize, usize),
    into: &Path,
) -> Result<()> {
    for (Version { change, saved, is, .. }, version) in versions.iter().zip(1..) {
        let changed = change(picture);
        // A grey picture has no version in other colours.
        if *is == Is::Relative && changed == *picture {
            continue;
        }
        let path = |extension| into.join(format!("{number}-{version}.{extension}"));
        let (quality, exif) = match saved {
            Saved::Png => {
                changed.save(path("png"))?;
                continue;
            }
            Saved::Jpeg(quality) => (*quality, None),
            // Not at a whole minute, because such times are ignored.
            Saved::Shot(later) => (90, Some(exif("Maker Model", &clock(second + *later as usize + 7))?)),
            Saved::Dated => (90, Some(exif("Scanner", "1985:01:01 00:00:00")?)),
        };
        let mut encoder = JpegEncoder::new_with_quality(File::create(path("jpg"))?, quality);
        if let Some(exif) = exif {
            encoder.set_exif_metadata(exif)?;
        }
        changed.write_with_encoder(encoder)?;
    }
    Ok(())
}

/// The time this many seconds after the first of May, in EXIF's notation.
fn clock(seconds: usize) -> String {
    let (minutes, hours) = (seconds / 60, seconds / 3600);
    format!("2024:05:{:02} {:02}:{:02}:{:02}", 1 + hours / 24, hours % 24, minutes % 60, seconds % 60)
}

fn exif(camera: &str, taken: &str) -> Result<Vec<u8>> {
    let fields = [(Tag::Model, camera), (Tag::DateTimeOriginal, taken)];
    let fields =
        fields.map(|(tag, text)| Field { tag, ifd_num: In::PRIMARY, value: Value::Ascii(vec![text.into()]) });
    let mut writer = Writer::new();
    fields.iter().for_each(|field| writer.push_field(field));
    let mut bytes = std::io::Cursor::new(Vec::new());
    writer.write(&mut bytes, true)?;
    Ok(bytes.into_inner())
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

/// Family and version of the members of each group, the one to keep first.
fn groups(listed: &str) -> Vec<Vec<(usize, usize)>> {
    let mut groups: HashMap<&str, Vec<(usize, usize)>> = HashMap::new();
    for line in listed.lines() {
        let Some(((group, _), (_, path))) = line.split_once('\t').zip(line.rsplit_once('\t')) else {
            continue;
        };
        let name = Path::new(path).file_stem().and_then(OsStr::to_str).unwrap_or_default();
        let Some((family, version)) = name.split_once('-') else { continue };
        if let (Ok(family), Ok(version)) = (family.parse(), version.parse()) {
            groups.entry(group).or_default().push((family, version));
        }
    }
    groups.into_values().collect()
}

fn report(likeness: &str, groups: &[Vec<(usize, usize)>], families: &[Family]) {
    let is = |(family, version): (usize, usize)| match version {
        0 => Is::Copy,
        _ => families[family].versions[version - 1].is,
    };
    let (mut right, mut wrong) = (0, BTreeMap::<String, usize>::new());
    // For each version of each origin: how many are in the original's group, and how many there are.
    let mut found: BTreeMap<(&str, usize, &str), (usize, usize)> = BTreeMap::new();
    for Family { versions, origin } in families {
        for (version, number) in versions.iter().zip(1..) {
            found.entry((*origin, number, version.name)).or_default().1 += 1;
        }
    }
    for group in groups {
        for (at, a) in group.iter().enumerate() {
            for b in &group[at + 1..] {
                let kinds = [is(*a), is(*b)];
                let origins = [families[a.0].origin, families[b.0].origin];
                if a.0 != b.0 {
                    *wrong.entry(format!("{} with another {}", origins[0], origins[1])).or_default() += 1;
                } else if likeness != "--similar" && !(kinds[0] == kinds[1] && kinds[0] != Is::Relative) {
                    *wrong
                        .entry(format!("{} called a copy: versions {} and {}", origins[0], a.1, b.1))
                        .or_default() += 1;
                } else if kinds.contains(&Is::Relative) {
                    // Neither right nor wrong.
                } else {
                    right += 1;
                }
            }
        }
        for &(family, version) in group.iter().filter(|(_, version)| *version > 0) {
            let Family { versions, origin } = &families[family];
            let with_origin = group.contains(&(family, 0));
            if let Some((count, _)) = found.get_mut(&(*origin, version, versions[version - 1].name)) {
                *count += usize::from(with_origin);
            }
        }
    }
    let all_wrong: usize = wrong.values().sum();
    println!("\n{likeness}: {right} pairs belong together, {all_wrong} do not");
    wrong.iter().for_each(|(what, count)| println!("  wrong: {count} × {what}"));
    for ((origin, _, name), (count, all)) in found {
        println!("  {origin:9} {name:26} {count:5} of {all} found with the picture as it was");
    }
}
