//! The files of an index, and how they are replaced.
//!
//! ```text
//! DIR/writer.lock             the writer's lock
//! DIR/catalog/                the system of record
//! DIR/manifest                names the files below; replaced atomically
//! DIR/00000000000000a1.segment   rows; never changed
//! DIR/00000000000000a2.graph     the links over one segment's rows; never changed
//! DIR/00000000000000a1.extract   what callers look through of one segment's payloads; can be deleted
//! DIR/*.tmp                   being written, or left behind by a crash
//! ```
//!
//! Only the owner can read them, because keys and payloads may be private.

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

/// The extract of segment `id`.
pub(crate) fn extract(dir: &Path, id: u64) -> PathBuf {
    dir.join(format!("{id:016x}.extract"))
}

/// The temporary name of a file while it is written.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    with_ending(path, ".tmp")
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    name.into()
}

/// Creates a private folder, unless it exists.
pub(crate) fn create_folder(path: &Path) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(path).map_err(Error::io("create", path))
}

/// Creates a private file. An existing file of this name was left by a crash or planted, so it is removed. A symbolic link
/// is removed too, and never followed.
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

/// Options that make new files readable only by their owner.
pub(crate) fn private() -> fs::OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// Removes a folder with its contents, or a file of that name.
pub(crate) fn remove_all(path: &Path) -> Result<(), Error> {
    let is_folder = match fs::symlink_metadata(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        metadata => metadata.map_err(Error::io("look at", path))?.is_dir(),
    };
    let removed = if is_folder { fs::remove_dir_all(path) } else { fs::remove_file(path) };
    removed.map_err(Error::io("remove", path))
}

/// Makes way for a file if a folder has its name. An empty folder is removed, any other is moved aside: it is not ours.
pub(crate) fn make_way(path: &Path) -> Result<(), Error> {
    let is_folder = fs::symlink_metadata(path).is_ok_and(|metadata| metadata.is_dir());
    if !is_folder || fs::remove_dir(path).is_ok() {
        return Ok(());
    }
    let mut names = (1u64..).map(|number| with_ending(path, &format!(".aside-{number}")));
    let free = names.find(|name| fs::symlink_metadata(name).is_err()).unwrap_or_default();
    fs::rename(path, free).map_err(Error::io("move aside", path))
}

/// Makes a folder and its contents readable only by their owner. If that is not permitted, as in another user's folder,
/// nothing changes.
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

/// Other systems protect a user's folders themselves.
#[cfg(not(unix))]
pub(crate) fn make_private(_dir: &Path) {}

/// Renames a written and synced temporary file to its final name.
pub(crate) fn move_into_place(path: &Path) -> Result<(), Error> {
    fault::point("before a rename");
    make_way(path)?;
    fs::rename(temporary(path), path).map_err(Error::io("rename to", path))?;
    fault::point("after a rename");
    sync_parent(path).map_err(Error::io("sync the folder of", path))
}

/// Replaces a file atomically: readers find the old bytes or the new ones, even after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = temporary(path);
    let mut file = create(&new)?;
    file.write_all(bytes).and_then(|()| file.sync_all()).map_err(Error::io("write", &new))?;
    move_into_place(path)
}

/// Windows neither needs nor allows this.
fn sync_parent(path: &Path) -> io::Result<()> {
    match path.parent() {
        Some(parent) if cfg!(unix) => File::open(parent)?.sync_all(),
        _ => Ok(()),
    }
}

/// Removes the segments, graphs, extracts and temporary files in the folder, except those that `keep` accepts. On Unix,
/// processes that have mapped a removed file can still read it; elsewhere such a file stays until the next time.
pub(crate) fn remove_all_but(dir: &Path, keep: impl Fn(&Path) -> bool) -> Result<(), Error> {
    for entry in fs::read_dir(dir).map_err(Error::io("list", dir))? {
        let path = entry.map_err(Error::io("list", dir))?.path();
        let extension = path.extension().and_then(|extension| extension.to_str());
        if matches!(extension, Some("segment" | "graph" | "extract" | "tmp")) && !keep(&path) {
            fs::remove_file(&path).ok();
        }
    }
    Ok(())
}

/// The numbers of the segments in the folder, or of files with another extension.
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

/// The size of a folder's contents in bytes.
pub(crate) fn bytes_below(dir: &Path) -> io::Result<u64> {
    let mut sum = 0;
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        // A file that was removed meanwhile takes no space.
        let Ok(metadata) = entry.metadata() else { continue };
        sum += if metadata.is_dir() { bytes_below(&entry.path())? } else { metadata.len() };
    }
    Ok(sum)
}
