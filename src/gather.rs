//! Copies or links photos from many folders into one. It never overwrites anything.

use std::ffi::OsString;
use std::fs::{self, File, FileTimes, OpenOptions};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

/// Copy or link.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Copies, with their modification time.
    Copy,
    /// Symbolic links. They take no space and show where the photo is.
    Link,
}

/// The result for one photo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Placed {
    /// It was placed at this path.
    New(PathBuf),
    /// It was already at this path: as a link to it, or as a file with the same content.
    There(PathBuf),
}

/// Puts the photo at the absolute path `from` into the existing folder `into`.
///
/// If something else has its name, a number is added before the extension: `IMG_1.jpg`, `IMG_1-2.jpg`.
///
/// # Errors
/// Any error of the system. Nothing new is left behind then.
pub fn place(from: &Path, into: &Path, way: Way) -> io::Result<Placed> {
    let mut number = 1;
    loop {
        let to = into.join(numbered(from, number));
        match create(from, &to, way) {
            Ok(()) => return Ok(Placed::New(to)),
            Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
            Err(_) if is_there(from, &to, way) => return Ok(Placed::There(to)),
            Err(_) => number += 1,
        }
    }
}

fn numbered(path: &Path, number: u32) -> OsString {
    if number == 1 {
        return path.file_name().unwrap_or_default().to_owned();
    }
    let mut name = path.file_stem().unwrap_or_default().to_owned();
    name.push(format!("-{number}"));
    if let Some(extension) = path.extension() {
        name.push(".");
        name.push(extension);
    }
    name
}

fn create(from: &Path, to: &Path, way: Way) -> io::Result<()> {
    match way {
        Way::Copy => copy(from, to),
        Way::Link => link(from, to),
    }
}

/// Copies without overwriting, unlike `fs::copy`.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    let mut source = File::open(from)?;
    let metadata = source.metadata()?;
    let mut target = OpenOptions::new().write(true).create_new(true).open(to)?;
    let copied = io::copy(&mut source, &mut target)
        .and_then(|_| target.set_times(FileTimes::new().set_modified(metadata.modified()?)));
    copied.inspect_err(|_| _ = fs::remove_file(to))
}

#[cfg(unix)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::unix::fs::symlink(from, to)
}

#[cfg(windows)]
fn link(from: &Path, to: &Path) -> io::Result<()> {
    std::os::windows::fs::symlink_file(from, to)
}

/// Whether `to` already is the wanted copy or link.
fn is_there(from: &Path, to: &Path, way: Way) -> bool {
    match way {
        Way::Copy => has_same_content(from, to).unwrap_or(false),
        Way::Link => fs::read_link(to).is_ok_and(|target| target == from),
    }
}

fn has_same_content(a: &Path, b: &Path) -> io::Result<bool> {
    // A link does not count as a copy: its target can be deleted.
    if !b.symlink_metadata()?.is_file() || a.metadata()?.len() != b.metadata()?.len() {
        return Ok(false);
    }
    let (mut a, mut b) = (io::BufReader::new(File::open(a)?), io::BufReader::new(File::open(b)?));
    let (mut left, mut right) = ([0; 8192], [0; 8192]);
    loop {
        let length = a.read(&mut left)?;
        if length == 0 {
            return Ok(true);
        }
        b.read_exact(&mut right[..length])?;
        if left[..length] != right[..length] {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Photos of these names and contents, each placed in turn.
    #[track_caller]
    fn check(way: Way, photos: &[(&str, &str)], expected: &[&str]) {
        let root = tempfile::tempdir().unwrap();
        let into = root.path().join("into");
        fs::create_dir(&into).unwrap();
        let mut placed = Vec::new();
        for (name, content) in photos {
            let from = root.path().join(name);
            fs::create_dir_all(from.parent().unwrap()).unwrap();
            fs::write(&from, content).unwrap();
            let modified = |path: &Path| path.metadata().unwrap().modified().unwrap();
            let (sign, to) = match place(&from, &into, way).unwrap() {
                Placed::New(to) => {
                    assert_eq!(modified(&to), modified(&from));
                    ('+', to)
                }
                Placed::There(to) => ('=', to),
            };
            assert_eq!(fs::read_to_string(&to).unwrap(), *content);
            assert_eq!(to.symlink_metadata().unwrap().is_symlink(), way == Way::Link);
            placed.push(format!("{sign}{}", to.file_name().unwrap().to_str().unwrap()));
        }
        assert_eq!(placed, expected);
    }

    #[test]
    fn nothing_is_overwritten() {
        let photos = [("1/a.jpg", "one"), ("2/a.jpg", "two"), ("3/b", "x"), ("4/b", "y"), ("1/a.jpg", "one")];
        check(Way::Copy, &photos, &["+a.jpg", "+a-2.jpg", "+b", "+b-2", "=a.jpg"]);
        check(Way::Link, &photos, &["+a.jpg", "+a-2.jpg", "+b", "+b-2", "=a.jpg"]);
    }

    #[test]
    fn the_same_content_is_one_copy_and_two_links() {
        let photos = [("1/a.jpg", "one"), ("2/a.jpg", "one")];
        check(Way::Copy, &photos, &["+a.jpg", "=a.jpg"]);
        check(Way::Link, &photos, &["+a.jpg", "+a-2.jpg"]);
    }

    #[test]
    fn a_failed_copy_leaves_nothing() {
        let root = tempfile::tempdir().unwrap();
        assert!(place(&root.path().join("gone.jpg"), root.path(), Way::Copy).is_err());
        assert_eq!(fs::read_dir(root.path()).unwrap().count(), 0);
    }
}
