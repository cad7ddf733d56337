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
    let mut name = path.as_os_str().to_owned();
    name.push(".tmp");
    name.into()
}

/// Gives a file that was written and synced under its temporary name its own.
pub(crate) fn move_into_place(path: &Path) -> Result<(), Error> {
    fault::point("before a rename");
    fs::rename(temporary(path), path).map_err(Error::io("rename to", path))?;
    fault::point("after a rename");
    sync_parent(path).map_err(Error::io("sync the folder of", path))
}

/// Replaces a file: whoever reads it finds the old bytes or the new ones, also after a power cut.
pub(crate) fn replace(path: &Path, bytes: &[u8]) -> Result<(), Error> {
    let new = temporary(path);
    let write = || -> io::Result<()> {
        let mut file = File::create(&new)?;
        file.write_all(bytes)?;
        file.sync_all()
    };
    write().map_err(Error::io("write", &new))?;
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
