//! Which files beside a photo are its sidecars. Only their names tell.
//!
//! XMP sidecars of `a.jpg` are `a.jpg.xmp` and `a.xmp`. Google Takeout writes `a.jpg.json`, or
//! `a.jpg.supplemental-metadata.json`, and cuts the latter where it gets long: `a.jpg.supplemental-me.json`,
//! `a.jpg.s.json`, or even `a.jp.json`. Of a second photo of the same name it puts the number elsewhere: `a(1).jpg` and
//! `a.jpg(1).json`. What was edited in Google Photos has the sidecar of the original: `a-edited.jpg` and `a.jpg.json`.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use super::Sidecars;

/// Folders whose sidecars are remembered. A walk comes back to a folder after the folders in it.
const MOST_FOLDERS: usize = 64;
/// Characters that Google leaves of a name in front of `.json`.
const CUT: RangeInclusive<usize> = 44..=51;
const SUPPLEMENT: &str = ".supplemental-metadata";
const EDITED: &str = "-edited";

/// Finds sidecars; each folder is listed once.
#[derive(Debug, Default)]
pub struct Finder {
    folders: HashMap<PathBuf, Names>,
}

impl Finder {
    /// The sidecars of the photo at this path.
    pub fn of(&mut self, photo: &Path) -> Sidecars {
        let (Some(folder), Some(name)) = (photo.parent(), photo.file_name().and_then(|name| name.to_str()))
        else {
            return Sidecars::default();
        };
        if !self.folders.contains_key(folder) {
            if self.folders.len() >= MOST_FOLDERS {
                self.folders.clear();
            }
            self.folders.insert(folder.to_owned(), Names::in_folder(folder));
        }
        let names = self.folders.get(folder).map(|names| names.of(name)).unwrap_or_default();
        stamped(names.into_iter().map(|name| folder.join(name)))
    }
}

/// Those of these paths that are files, and how they look.
fn stamped(paths: impl Iterator<Item = PathBuf>) -> Sidecars {
    let (mut files, mut hasher) = (Vec::new(), blake3::Hasher::new());
    for path in paths {
        let Some(metadata) = fs::metadata(&path).ok().filter(fs::Metadata::is_file) else { continue };
        let modified = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        let modified = modified.unwrap_or_default().as_nanos().to_le_bytes();
        hasher.update(path.as_os_str().as_encoded_bytes());
        hasher.update(&metadata.len().to_le_bytes()).update(&modified);
        files.push(path);
    }
    let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
    let stamp = if files.is_empty() { 0 } else { u64::from_le_bytes([a, b, c, d, e, f, g, h]) };
    Sidecars { files, stamp }
}

/// The names in a folder that sidecars may have.
#[derive(Debug, Default)]
struct Names(BTreeSet<String>);

impl Names {
    /// A folder that cannot be listed has none.
    fn in_folder(folder: &Path) -> Names {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
        Names(names.filter(|name| is_sidecar(name)).collect())
    }

    /// Those of a photo.
    fn of(&self, photo: &str) -> Vec<&str> {
        if self.0.is_empty() {
            return Vec::new();
        }
        let split = photo.rsplit_once('.');
        let names = std::iter::once(photo).chain(split.map(|(stem, _)| stem));
        let packets = names.flat_map(|name| [format!("{name}.xmp"), format!("{name}.XMP")]);
        let mut found: Vec<&str> = packets.filter_map(|name| self.0.get(&name).map(String::as_str)).collect();
        let takeout = || {
            let original = || Some(format!("{}.{}", split?.0.strip_suffix(EDITED)?, split?.1));
            self.takeout(photo).or_else(|| self.takeout(&original()?))
        };
        found.extend(takeout());
        found
    }

    fn takeout(&self, photo: &str) -> Option<&str> {
        let numbered = || {
            let (stem, ending) = photo.rsplit_once('.')?;
            let (stem, number) = stem.split_at(stem.rfind('(')?);
            let digits = number.strip_prefix('(')?.strip_suffix(')')?;
            let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
            is_number.then(|| self.takeout_of(&format!("{stem}.{ending}"), number))?
        };
        self.takeout_of(photo, "").or_else(numbered)
    }

    /// `number` stands behind the name: `(1)`, or nothing.
    fn takeout_of(&self, photo: &str, number: &str) -> Option<&str> {
        let full = format!("{photo}{SUPPLEMENT}");
        let is_of = |name: &str| {
            let stem = name.strip_suffix(".json").and_then(|stem| stem.strip_suffix(number));
            stem.is_some_and(|stem| stem.starts_with(photo) && full.starts_with(stem))
        };
        let beginning = self.0.range(photo.to_owned()..).take_while(|name| name.starts_with(photo));
        let whole = beginning.map(String::as_str).find(|name| is_of(name));
        whole.or_else(|| {
            let ends = photo.char_indices().map(|(at, _)| at).enumerate();
            let cuts = ends.filter(|(count, _)| CUT.contains(count)).map(|(_, at)| &photo[..at]);
            let mut cuts: Vec<&str> = cuts.collect();
            cuts.reverse();
            cuts.into_iter().find_map(|cut| self.0.get(&format!("{cut}{number}.json"))).map(String::as_str)
        })
    }
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
            assert_eq!(names.of(photo), expected, "{photo}");
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
        // Google's names have 46 characters in front of `.json`.
        let long = "a-name-of-a-photo-that-is-much-too-long-for-google.jpg";
        check(long, &[&format!("{}.json", &long[..46])], &[&format!("{}.json", &long[..46])]);
        let nearly = "a-name-of-a-photo-that-is-too-long-to.jpg";
        check(nearly, &[&format!("{nearly}.supp.json")], &[&format!("{nearly}.supp.json")]);
        check("é", &["é.json", "é.xmp"], &["é.xmp", "é.json"]);
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
}
