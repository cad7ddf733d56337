//! Makes text towers start quickly: caches copies optimised by ONNX Runtime, and maps them into memory.
//!
//! Texts are always embedded on the CPU, because one sentence takes milliseconds there, and starting a GPU takes seconds. So
//! the start is what matters. Most of a cold query was reading an ONNX file and optimising its graph, each time with the
//! same result. The first query saves that result; later ones map it, and read only the weights that a text needs.
//!
//! ```text
//! CACHE/towers/KEY.ort    the optimised model, followed by its CRC-32 as a little-endian u32
//! ```
//!
//! KEY is a hash of the stamps of the files beside the tower and of the runtime's library, because a copy is useless for
//! another version of either. The checksum is verified at every start, so a damaged copy is made again. A cache that cannot
//! be written is ignored.
#![expect(unsafe_code, reason = "a file that changes under a map would be undefined behaviour")]

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use memmap2::{Mmap, MmapOptions};
use ort::session::Session;
use ort::session::builder::{GraphOptimizationLevel, SessionBuilder};
use tempfile::TempPath;

use super::tower::{Loaded, configured, load};
use super::{Device, ModelError, Runtime};
use crate::files::{self, Readers};
use crate::stamp::Stamp;

/// Increased whenever copies are made in another way.
const FORMAT: u8 = 1;
/// The number of copies to keep, the newest ones: enough for a few models and two versions of the runtime.
const MOST_COPIES: usize = 8;
/// Their maximum total size. A larger tower is not copied.
const MOST_BYTES: u64 = 2 << 30;
/// The length of the checksum after the copy.
const CHECKSUM: u64 = 4;

/// The copy of a tower, which may not exist yet.
pub(super) struct TowerCopy {
    path: PathBuf,
    /// Its content, if it exists and is undamaged.
    content: Option<Mmap>,
}

impl TowerCopy {
    /// Finds the copy of `tower` for the runtime `library`; `None` if it cannot be determined.
    pub(super) fn find(cache: &Path, tower: &Path, library: &Path) -> Option<TowerCopy> {
        let path = cache.join("towers").join(format!("{}.ort", key(tower, library).ok()?));
        let content = read(&path).ok();
        Some(TowerCopy { path, content })
    }
}

/// Loads `tower` from its copy. Without a copy, loads the tower itself and makes one.
pub(super) fn load_text(
    runtime: &Runtime,
    tower: &Path,
    threads: usize,
    copy: Option<TowerCopy>,
) -> Result<Loaded, ModelError> {
    let Some(TowerCopy { path, content }) = copy else { return load(runtime, tower, Device::Cpu, threads) };
    if let Some(content) = content
        && let Ok(session) = mapped(runtime, &content, threads)
    {
        return Ok(Loaded { _content: Some(content), ..Loaded::new(session, Device::Cpu) });
    }
    match make(runtime, tower, threads, &path) {
        Ok(session) => Ok(Loaded::new(session, Device::Cpu)),
        Err(_) => load(runtime, tower, Device::Cpu, threads),
    }
}

/// Makes a session from a mapped copy. It uses the weights in place, so `content` must outlive it.
fn mapped(runtime: &Runtime, content: &[u8], threads: usize) -> Result<Session, ort::Error> {
    configured(runtime, threads)?
        // The graph is already optimised.
        .with_optimization_level(GraphOptimizationLevel::Disable)?
        // Rearranging weights for speed takes longer than embedding a text without that.
        .with_prepacking(false)?
        .with_config_entry("session.use_ort_model_bytes_directly", "1")?
        .with_config_entry("session.use_ort_model_bytes_for_initializers", "1")?
        .commit_from_memory(content)
}

fn make(runtime: &Runtime, tower: &Path, threads: usize, path: &Path) -> Result<Session, ort::Error> {
    let folder = path.parent().unwrap_or(Path::new(""));
    let refused = |error: io::Error| ort::Error::new(error.to_string());
    if fs::metadata(tower).map_err(refused)?.len() > MOST_BYTES {
        return Err(ort::Error::new("it is too large for a copy"));
    }
    fs::create_dir_all(folder).map_err(refused)?;
    let unfinished = files::begin(path, Readers::AsUsual).map_err(refused)?;
    let session = saving(runtime, threads, &unfinished)?.commit_from_file(tower)?;
    if let Ok(now) = seal(unfinished, path) {
        remove_old(folder, now).ok();
    }
    Ok(session)
}

fn saving(runtime: &Runtime, threads: usize, to: &Path) -> Result<SessionBuilder, ort::Error> {
    Ok(configured(runtime, threads)?
        // The highest level optimises convolutions for this CPU, but the folder may be shared with another computer.
        .with_optimization_level(GraphOptimizationLevel::Level2)?
        .with_config_entry("session.save_model_format", "ORT")?
        .with_optimized_model_path(to)?)
}

/// Appends the checksum and renames the file, so that readers never see a partial one. Returns the time by the clock of its
/// disk.
fn seal(unfinished: TempPath, path: &Path) -> io::Result<SystemTime> {
    let mut file = File::options().read(true).write(true).open(&unfinished)?;
    let length = file.metadata()?.len();
    let checksum = checksum(&mut file, length)?;
    file.seek(SeekFrom::End(0))?;
    file.write_all(&checksum.to_le_bytes())?;
    unfinished.persist(path)?;
    file.metadata()?.modified()
}

/// Maps a copy and verifies it.
fn read(path: &Path) -> io::Result<Mmap> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len().checked_sub(CHECKSUM).ok_or(io::ErrorKind::UnexpectedEof)?;
    let found = checksum(&mut file, length)?;
    let mut expected = [0; 4];
    file.read_exact(&mut expected)?;
    if found != u32::from_le_bytes(expected) {
        return Err(io::ErrorKind::InvalidData.into());
    }
    let length = usize::try_from(length).map_err(|_| io::ErrorKind::OutOfMemory)?;
    // SAFETY: a copy is written under another name and never changed under this one. No program that maps files can
    // protect itself against someone else who writes to them meanwhile.
    unsafe { MmapOptions::new().len(length).map(&file) }
}

/// The checksum of the first `length` bytes. Reads the file piece by piece, because reading the map would count all of it as
/// memory in use.
fn checksum(file: &mut File, length: u64) -> io::Result<u32> {
    let (mut hasher, mut piece) = (crc32fast::Hasher::new(), vec![0; 256 << 10]);
    let mut rest = file.take(length);
    loop {
        match rest.read(&mut piece)? {
            0 => return Ok(hasher.finalize()),
            read => hasher.update(&piece[..read]),
        }
    }
}

/// A hash of everything that the copy depends on: the runtime, and all files in the tower's folder, which may be external
/// weights.
fn key(tower: &Path, library: &Path) -> io::Result<String> {
    let tower = tower.canonicalize()?;
    let mut files = vec![library.canonicalize()?, tower.clone()];
    for entry in tower.parent().unwrap_or(Path::new("")).read_dir()? {
        files.push(entry?.path());
    }
    files[2..].sort();
    let mut hasher = blake3::Hasher::new();
    hasher.update(&[FORMAT]);
    for file in files {
        let Stamp { size, modified_ns, .. } = Stamp::of(&file.metadata()?);
        let name = file.as_os_str().as_encoded_bytes();
        hasher.update(&(name.len() as u64).to_le_bytes()).update(name);
        hasher.update(&size.to_le_bytes()).update(&modified_ns.to_le_bytes());
    }
    Ok(hasher.finalize().to_hex()[..32].to_owned())
}

/// Removes unfinished files, and the oldest copies beyond the limits.
fn remove_old(folder: &Path, now: SystemTime) -> io::Result<()> {
    files::remove_unfinished(folder, now);
    let mut copies = Vec::new();
    for entry in folder.read_dir()?.flatten() {
        let Ok(metadata) = entry.metadata() else { continue };
        // Another process may be writing it.
        if !files::is_unfinished(&entry.file_name()) {
            copies.push((metadata.modified()?, metadata.len(), entry.path()));
        }
    }
    copies.sort();
    let mut sum = 0;
    for (number, (_, length, path)) in copies.into_iter().rev().enumerate() {
        sum += length;
        if number >= MOST_COPIES || sum > MOST_BYTES {
            fs::remove_file(path).ok();
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_undamaged_copy_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.ort");
        let unfinished = files::begin(&path, Readers::AsUsual).unwrap();
        fs::write(&unfinished, "what the runtime wrote").unwrap();
        seal(unfinished, &path).unwrap();
        let whole = fs::read(&path).unwrap();
        assert_eq!(&read(&path).unwrap()[..], b"what the runtime wrote");
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(read(&path).is_err(), "cut after {length} bytes");
        }
        for at in 0..whole.len() {
            let mut flipped = whole.clone();
            flipped[at] ^= 1;
            fs::write(&path, flipped).unwrap();
            assert!(read(&path).is_err(), "flipped at {at}");
        }
    }

    #[test]
    fn a_copy_is_for_one_state_of_the_model_and_the_runtime() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str| folder.path().join(name);
        let write = |name: &str, content: &str| {
            fs::create_dir_all(file(name).parent().unwrap()).unwrap();
            fs::write(file(name), content).unwrap();
        };
        write("model/text.onnx", "tower");
        write("runtime.so", "1");
        let key = || key(&file("model/text.onnx"), &file("runtime.so")).unwrap();
        let mut keys = vec![key()];
        assert_eq!(keys[0], key());
        for (name, content) in
            [("model/text.onnx", "another"), ("model/text.onnx.data", "weights"), ("runtime.so", "1.1")]
        {
            write(name, content);
            keys.push(key());
        }
        let different: std::collections::BTreeSet<_> = keys.iter().collect();
        assert_eq!(different.len(), keys.len());
    }

    #[test]
    fn the_oldest_copies_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..MOST_COPIES as u64 + 3 {
            let path = folder.path().join(format!("{number}.ort"));
            fs::write(&path, "").unwrap();
            let time = SystemTime::UNIX_EPOCH + std::time::Duration::from_secs(1000 + number);
            File::options().write(true).open(path).unwrap().set_modified(time).unwrap();
        }
        let unfinished = files::begin(&folder.path().join("x.ort"), Readers::AsUsual).unwrap();
        remove_old(folder.path(), SystemTime::UNIX_EPOCH).unwrap();
        assert!(unfinished.exists(), "another process is writing it");
        drop(unfinished);
        let left = |name: &str| folder.path().join(name).exists();
        assert_eq!(folder.path().read_dir().unwrap().count(), MOST_COPIES);
        assert!(left("10.ort") && left("3.ort") && !left("2.ort"));
    }
}
