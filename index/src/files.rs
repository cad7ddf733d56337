//! Which files an index consists of, and how one takes the place of another.
//!
//! ```text
//! DIR/writer.lock             the writer's lock
//! DIR/catalog/                the system of record
//! DIR/manifest                names the files below; replaced atomically
//! DIR/00000000000000a1.segment   rows; never changed
//! DIR/00000000000000a2.graph     the links over one segment's rows; never changed
//! DIR/*.tmp                   not finished, or left behind by a crash
//! ```
//!
//! Only the owner can read any of it: keys and payloads may be private.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::{Error, fault};

pub(crate) fn catalog(dir: &Path) -> PathBuf {
    dir.join("catalog")
}

pub(crate) fn manifest(dir: &Path) -> PathBuf {
    dir.join("manifest")
}

pub(crate) fn segment(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016x}.segment"))
}

pub(crate) fn graph(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016x}.graph"))
}

/// Where a file is written before it has its name.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    with_ending(path, ".tmp")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Creates a folder that only its owner can look into, unless it is there.
pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("create", path))
}

/// Creates a file that only its owner can read. What has the name already goes: it was left behind by a crash, or
/// somebody planted it. A symbolic link goes too; where it leads, nothing is written.
pub(crate) fn create(path: &Path) -> Result<File, Error> {
    make_way(path)?;
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            return Err(Error::io("remove", path)(error));
        }
        _ => {}
    }
    private().write(true).create_new(true).open(path).map_err(Error::io("create", path))
}

/// Options for files that only their owner can read, if they are new.
pub(crate) fn private() -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Removes a folder with what is in it, or a file that has the name of one.
pub(crate) fn remove_all(path: &Path) -> Result<(), Error> {
    let is_folder = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(Error::io("look at", path))?.is_dir(),
    };
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(Error::io("remove", path))
}

/// Takes a folder out of the way of a file: nothing of ours is a folder where a file should be. An empty one is
/// removed, one that holds something is moved aside.
pub(crate) fn make_way(path: &Path) -> Result<(), Error> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder || fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let mut names = (1u64..).map(|number| with_ending(path, &format!(".aside-{number}")));
    let free = names.find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_default();
    fs::rename(path, free).map_err(Error::io("move aside", path))
}

/// Takes from everybody but the owner the right to read a folder and what is in it. Where the system does not let us,
/// such as in a folder of somebody else, it stays as it is.
#[cfg(unix)]
pub(crate) fn make_private(dir: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let Ok(metadata) = fs::symlink_metadata(dir) else { return };
    let mode = metadata.permissions().mode();
    if !metadata.is_symlink() && mode & 0o077 != 0 {
        fs::set_permissions(dir, fs::Permissions::from_mode(mode & 0o700)).ok();
    }
    if metadata.is_dir() {
        fs::read_dir(dir).into_iter().flatten().flatten().for_each(|entry| make_private(&entry.path()));
    }
}

/// Other systems put what is in a user's folder under that user's protection.
#[cfg(not(unix))]
pub(crate) fn make_private(_dir: &Path) {}

/// Gives a file that was written and synced under its temporary name its own.
pub(crate) fn move_into_place(path: &Path) -> Result<(), Error> {
    fault::point("before a rename");
    make_way(path)?;
    fs::rename(temporary(path), path).map_err(Error::io("rename to", path))?;
    fault::point("after a rename");
    sync_parent(path).map_err(Error::io("sync the folder of", path))
}

/// Replaces a file: whoever reads it finds the old bytes or the new ones, also after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = temporary(path);
    let mut file = create(&new)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &new))?;
    move_into_place(path)
}

/// Windows neither needs nor allows it.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// The segments, graphs and temporary files in the folder that `keep` does not want are removed, as far as the
/// system lets us: on Unix a file that somebody has mapped stays readable for them, elsewhere it stays until
/// the next time.
pub(crate) fn remove_all_but(dir: &Path, keep: impl Fn(&Path) -> bool) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("segment" | "graph" | "tmp")) && !keep(&path) {
            fs::remove_file(&path).ok();
        }
    }
    Ok(())
}

/// The numbers of the segments in the folder, or of other files with such names.
pub(crate) fn numbers(dir: &Path, extension: &str) -> Result<Vec<u64>, Error> {
    let mut ids = Vec::new();
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        if path.extension().is_some_and(|found| found == extension) {
            let stem = path.file_stem().and_then(|stem| stem.to_str());
            ids.extend(stem.and_then(|stem| u64::from_str_radix(stem, 16).ok()));
        }
    }
    ids.sort_unstable();
    Ok(ids)
}

pub(crate) fn segments(dir: &Path) -> Result<Vec<u64>, Error> {
    numbers(dir, "segment")
}

/// A number greater than that of every segment and graph in the folder.
pub(crate) fn free_number(dir: &Path) -> Result<u64, Error> {
    let greatest = numbers(dir, "graph")?.last().copied().max(segments(dir)?.last().copied());
    Ok(greatest.map_or(1, |greatest| greatest.saturating_add(1)))
}

/// Copies a folder with everything in it.
pub(crate) fn copy_all(from: &Path, to: &Path) -> Result<(), Error> {
    create_folder(to)?;
    for entry in fs::read_dir(from).map_err(Error::io("list", from))? {
        let from = entry.map_err(Error::io("list", from))?.path();
        let to = to.join(from.file_name().unwrap_or_default());
        if from.is_dir() {
            copy_all(&from, &to)?;
        } else {
            fs::copy(&from, &to).map_err(Error::io("copy", &from))?;
        }
    }
    Ok(())
}

/// What everything in the folder takes, in bytes.
pub(crate) fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // What is removed meanwhile takes nothing.
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
