//! Finds a photo's sidecars by their names.
//!
//! XMP sidecars of `a.jpg` are `a.jpg.xmp` and `a.xmp`. Google Takeout writes `a.jpg.json` or
//! `a.jpg.supplemental-metadata.json`, and truncates long names: `a.jpg.supplemental-me.json`, `a.jpg.s.json`, or even
//! `a.jp.json`. For a second photo of the same name it moves the number: `a(1).jpg` has `a.jpg(1).json`. A photo edited
//! in Google Photos shares the original's sidecar: `a-edited.jpg` has `a.jpg.json`.

use std::collections::BTreeSet;
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};

use super::{Sidecar, Sidecars};
use crate::stamp::Stamp;

/// The number of characters before `.json` to which Google truncates a name.
const CUT: RangeInclusive<usize> = 44..=51;
const SUPPLEMENT: &str = ".supplemental-metadata";
const EDITED: &str = "-edited";

/// Finds sidecars. It caches the names in the last photo's folder and the folders above, so that a walk lists each folder
/// once.
#[derive(Debug, Default)]
pub struct Finder {
    /// The cached folders, from the top down.
    folders: Vec<(PathBuf, Names)>,
}

impl Finder {
    /// The sidecars of the photo at this path.
    pub fn of(&mut self, photo: &Path) -> Sidecars {
        let (Some(folder), Some(name)) = (photo.parent(), photo.file_name().and_then(|name| name.to_str()))
        else {
            return Sidecars::default();
        };
        self.folders.retain(|(known, _)| folder.starts_with(known));
        if self.folders.last().is_none_or(|(known, _)| known != folder) {
            self.folders.push((folder.to_owned(), Names::in_folder(folder)));
        }
        let found = self.folders.last().map(|(_, names)| names.of(name)).unwrap_or_default();
        let in_folder = |(name, cut_from): (&str, _)| Sidecar { path: folder.join(name), cut_from };
        stamped(found.into_iter().map(in_folder))
    }
}

/// The candidates that are files, with their stamps.
fn stamped(sidecars: impl Iterator<Item = Sidecar>) -> Sidecars {
    let (mut files, mut hasher) = (Vec::new(), blake3::Hasher::new());
    for sidecar in sidecars {
        let Some(metadata) = fs::metadata(&sidecar.path).ok().filter(fs::Metadata::is_file) else { continue };
        let Stamp { size, modified_ns, changed_ns } = Stamp::of(&metadata);
        hasher.update(sidecar.path.as_os_str().as_encoded_bytes()).update(&size.to_le_bytes());
        hasher.update(&modified_ns.to_le_bytes()).update(&changed_ns.to_le_bytes());
        files.push(sidecar);
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    let stamp = if files.is_empty() { 0 } else { u64::from_le_bytes([a, b, c, d, e, f, g, h]) };
    Sidecars { files, stamp }
}

/// The names in a folder that may be sidecars.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// Lists a folder. One that cannot be listed counts as empty.
    fn in_folder(folder: &Path) -> Names {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        Names(names.filter(|name| is_sidecar(name)).collect())
    }

    /// The candidates for a photo. A JSON with a truncated name comes with the photo's name, for a later check.
    fn of(&self, photo: &str) -> Vec<(&str, Option<String>)> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let names = std::iter::once(photo).chain(photo.rsplit_once('.').map(|(stem, _)| stem));
        let packets = names.flat_map(|name| [format!("{name}.xmp"), format!("{name}.XMP")]);
        let packets = packets.filter_map(|name| Some((self.0.get(&name)?.as_str(), None)));
        packets.chain(self.takeout(photo)).collect()
    }

    /// The JSON with the full name, or else all whose truncated name fits.
    fn takeout(&self, photo: &str) -> Vec<(&str, Option<String>)> {
        let of: Vec<(String, &str)> = originals(photo).collect();
        if let Some(whole) = of.iter().find_map(|(name, number)| self.whole(name, number)) {
            return vec![(whole, None)];
        }
        of.iter().flat_map(|(name, number)| self.cut(name, number)).collect()
    }

    fn whole(&self, photo: &str, number: &str) -> Option<&str> {
        let full = format!("{photo}{SUPPLEMENT}");
        let is_of = |name: &&str| {
            let stem = name.strip_suffix(".json").and_then(|stem| stem.strip_suffix(number));
            stem.is_some_and(|stem| stem.starts_with(photo) && full.starts_with(stem))
        };
        let beginning = self.0.range(photo.to_owned()..).take_while(|name| name.starts_with(photo));
        beginning.map(String::as_str).find(is_of)
    }

    fn cut(&self, photo: &str, number: &str) -> Vec<(&str, Option<String>)> {
        let ends = photo.char_indices().map(|(at, _)| at).enumerate();
        let cuts = ends.filter(|(count, _)| CUT.contains(count)).map(|(_, at)| &photo[..at]);
        let found = cuts.filter_map(|cut| self.0.get(&format!("{cut}{number}.json")));
        found.map(|name| (name.as_str(), Some(photo.to_owned()))).collect()
    }
}

/// The possible names before Google added "-edited" or a number, each with that number: `(1)`, or nothing.
fn originals(photo: &str) -> impl Iterator<Item = (String, &str)> {
    let (stem, ending) = photo.split_at(photo.rfind('.').unwrap_or(photo.len()));
    let stems = [Some(stem), stem.strip_suffix(EDITED)].into_iter().flatten();
    let numbered = stems.flat_map(|stem| [Some((stem, "")), split_number(stem)].into_iter().flatten());
    numbered.map(move |(stem, number)| (format!("{stem}{ending}"), number))
}

/// `a(1)` → `a` and `(1)`.
fn split_number(stem: &str) -> Option<(&str, &str)> {
    let (stem, number) = stem.split_at(stem.rfind('(')?);
    let digits = number.strip_prefix('(')?.strip_suffix(')')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then_some((stem, number))
}

fn is_sidecar(name: &str) -> bool {
    let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
    ["xmp", "json"].iter().any(|known| ending.eq_ignore_ascii_case(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_whose_sidecar_it_is() {
        #[track_caller]
        fn check(photo: &str, beside: &[&str], expected: &[&str]) {
            let names = Names(beside.iter().map(|name| (*name).to_owned()).collect());
            let found: Vec<&str> = names.of(photo).into_iter().map(|(name, _)| name).collect();
            assert_eq!(found, expected, "{photo}");
        }
        check("a.jpg", &["a.jpg.xmp", "b.jpg.xmp"], &["a.jpg.xmp"]);
        check("a.CR2", &["a.xmp"], &["a.xmp"]);
        check("a.jpg", &["a.XMP", "a.jpg.json", "a.jpg.xmp"], &["a.jpg.xmp", "a.XMP", "a.jpg.json"]);
        for json in ["a.jpg.json", "a.jpg.supplemental-metadata.json", "a.jpg.suppl.json", "a.jpg.s.json"] {
            check("a.jpg", &[json, "a.jpg(1).json", "a.jpg.other.json", "b.jpg.json"], &[json]);
            check("a-edited.jpg", &[json], &[json]);
            check("b.jpg", &[json], &[]);
        }
        for json in ["a.jpg(1).json", "a.jpg.supplemental-metadata(1).json", "a(1).jpg.json"] {
            check("a(1).jpg", &["a.jpg.json", json, "a.jpg(2).json"], &[json]);
            check("a(1)-edited.jpg", &[json], &[json]);
        }
        check("a(1).jpg", &["a.jpg.json"], &[]);
        check("a.jpg", &["package.json", "a.json"], &[]);
        // Google truncates names to 46 characters before `.json`.
        let long = "a-name-of-a-photo-that-is-much-too-long-for-google.jpg";
        check(long, &[&format!("{}.json", &long[..46])], &[&format!("{}.json", &long[..46])]);
        let nearly = "a-name-of-a-photo-that-is-too-long-to.jpg";
        check(nearly, &[&format!("{nearly}.supp.json")], &[&format!("{nearly}.supp.json")]);
        check("é", &["é.json", "é.xmp"], &["é.xmp", "é.json"]);
    }

    #[test]
    fn a_cut_name_is_of_the_photo_that_its_title_names() {
        let folder = tempfile::tempdir().unwrap();
        let cut = "a-name-of-a-photo-that-is-too-long-for-google-";
        let write = |number: &str, title: &str| {
            let json =
                serde_json::json!({"title": title, "description": title, "photoTakenTime": {"timestamp": 1}});
            fs::write(folder.path().join(format!("{cut}{number}.json")), json.to_string()).unwrap();
        };
        write("", &format!("{cut}a.jpg"));
        write("(1)", &format!("{cut}b and more.jpg"));
        let said = |name: &str| {
            let photo = folder.path().join(format!("{cut}{name}"));
            Finder::default().of(&photo).read().description.map(|text| text.replace(cut, ""))
        };
        assert_eq!(said("a.jpg").as_deref(), Some("a.jpg"));
        assert_eq!(said("a-edited.jpg").as_deref(), Some("a.jpg"));
        assert_eq!(said("b(1).jpg").as_deref(), Some("b and more.jpg"));
        for other in ["a.png", "b.jpg", "c.jpg", "a(1).jpg", "c-edited.jpg"] {
            assert_eq!(said(other), None, "{other}");
        }
    }

    #[test]
    fn whoever_goes_back_and_forth_finds_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let folders = ["", "a", "a/b", "ab"];
        for name in folders {
            fs::create_dir_all(folder.path().join(name)).unwrap();
            fs::write(folder.path().join(name).join(format!("x{}.xmp", name.replace('/', "-"))), "").unwrap();
        }
        let mut finder = Finder::default();
        for name in ["", "a", "a/b", "a", "", "ab", "a/b", "a/b", "ab", "", "a"] {
            for of in folders {
                let photo = folder.path().join(name).join(format!("x{}.jpg", of.replace('/', "-")));
                assert_eq!(finder.of(&photo).is_empty(), of != name, "{}", photo.display());
            }
        }
    }

    #[test]
    fn a_stamp_tells_of_every_change() {
        let folder = tempfile::tempdir().unwrap();
        let photo = folder.path().join("a.jpg");
        let now = || Finder::default().of(&photo);
        assert_eq!(now(), Sidecars::default());
        fs::create_dir(folder.path().join("a.xmp")).unwrap();
        assert_eq!(now(), Sidecars::default());
        fs::write(folder.path().join("a.jpg.xmp"), "1").unwrap();
        let first = now();
        assert_eq!((first.files.len(), now()), (1, first.clone()));
        fs::write(folder.path().join("a.jpg.xmp"), "22").unwrap();
        let second = now();
        fs::write(folder.path().join("a.jpg.json"), "{}").unwrap();
        let third = now();
        let stamps = [0, first.stamp(), second.stamp(), third.stamp()];
        assert_eq!(BTreeSet::from(stamps).len(), 4);
    }

    #[cfg(unix)]
    #[test]
    fn a_stamp_tells_of_a_change_that_keeps_size_and_time() {
        let folder = tempfile::tempdir().unwrap();
        let sidecar = folder.path().join("a.jpg.xmp");
        let stamps = || {
            let metadata = fs::metadata(&sidecar).unwrap();
            (Stamp::of(&metadata), Finder::default().of(&folder.path().join("a.jpg")).stamp())
        };
        fs::write(&sidecar, "one").unwrap();
        let time = fs::metadata(&sidecar).unwrap().modified().unwrap();
        let (file, sidecars) = stamps();
        // A file system's clock may advance only every few milliseconds.
        while stamps().0.changed_ns == file.changed_ns {
            fs::write(&sidecar, "two").unwrap();
            fs::File::options().write(true).open(&sidecar).unwrap().set_modified(time).unwrap();
        }
        assert!(stamps().0.same_content(&file) && stamps().1 != sidecars);
    }
}
