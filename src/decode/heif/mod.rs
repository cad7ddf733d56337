//! Decodes HEIC and AVIF with libheif, which is searched for at the first such file.
//!
//! libheif is loaded at run time and not linked. So the program builds and runs without it, set-up can install it like ONNX
//! Runtime, and a newer system library works too. It remains a separate library under its own licence (LGPL). The
//! alternatives are worse: `heic` and `zenavif` are AGPL, and the current `libheif-rs` does not build against Debian 12's
//! libheif 1.15.

mod library;

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use super::{DecodeError, Decoded, Limits};
use library::Library;

/// The file names of libheif on various systems. Its interface has been compatible since version 1.0.
const SYSTEM_NAMES: &[&str] = &["libheif.so.1", "libheif.1.dylib", "libheif.dll", "heif.dll"];

static FOLDERS: OnceLock<Vec<PathBuf>> = OnceLock::new();
static LIBRARIES: OnceLock<Vec<Library>> = OnceLock::new();

/// Sets folders in which to look for libheif, in addition to the system's places. A process loads its libraries once, so call
/// this once, before the first picture. A folder must contain only libheif and its codecs, because every library in it is
/// loaded.
pub fn look_in(folders: Vec<PathBuf>) {
    let _ = FOLDERS.set(folders);
}

/// All libheifs found. They differ: each version refuses files that another reads, and some distributions leave out a codec.
fn libraries() -> &'static [Library] {
    LIBRARIES.get_or_init(|| {
        let brought_along = FOLDERS.get().into_iter().flatten().filter_map(|folder| library_in(folder));
        let system = SYSTEM_NAMES.iter().filter_map(|name| Library::open(Path::new(name), &[]));
        brought_along.chain(system).collect()
    })
}

/// The versions of the libheifs found that read HEIC, and of those that read AVIF.
pub fn versions() -> (Vec<String>, Vec<String>) {
    let of = |reads: fn(&Library) -> bool| {
        libraries().iter().filter(|library| reads(library)).map(Library::version).collect()
    };
    (of(Library::reads_heic), of(Library::reads_avif))
}

fn library_in(folder: &Path) -> Option<Library> {
    let files = folder.read_dir().ok()?.flatten().map(|entry| entry.path());
    let (libheif, codecs): (Vec<_>, Vec<_>) =
        files.filter(|path| is_library(path)).partition(|path| is_libheif(path));
    libheif.iter().find_map(|path| Library::open(path, &codecs))
}

fn is_library(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.contains(std::env::consts::DLL_SUFFIX)
}

/// Whether this is libheif: `libheif.so`, `libheif.so.1`, or `libheif-e72ea93c.so.1.23.6` as in Python wheels.
fn is_libheif(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.trim_start_matches("lib").starts_with("heif")
}

/// The name for files with HEVC, or with unknown content.
pub(super) const HEIC: &str = "HEIC";
/// The name for files with AV1.
pub(super) const AVIF: &str = "AVIF";

/// The memory in bytes for the planes that libheif decodes and the RGB that it makes from them.
fn needed((width, height): (u32, u32)) -> u64 {
    u64::from(width) * u64::from(height) * 8
}

/// The memory in bytes that [`decode`] needs.
pub(super) fn memory(bytes: &[u8]) -> Option<u64> {
    let size = Cell::new(None);
    let look = |found| {
        size.set(Some(found));
        Err(DecodeError::Empty) // Stop here: nothing needs to be decoded.
    };
    libraries().iter().find_map(|library| library.decode(bytes, "", look).err().and(size.get())).map(needed)
}

/// All libheifs; those with the codec for such a file come first.
fn most_likely_first(name: &str) -> impl Iterator<Item = &'static Library> {
    let has_codec =
        |library: &&Library| if name == AVIF { library.reads_avif() } else { library.reads_heic() };
    let (with, without): (Vec<_>, Vec<_>) = libraries().iter().partition(has_codec);
    with.into_iter().chain(without)
}

/// Tries one library after another until one succeeds, because each version refuses files that another reads. If all fail,
/// returns the first error: a library without the codec says nothing about the file.
fn first_success<L, T>(
    libraries: impl Iterator<Item = L>,
    decode: impl Fn(L) -> Result<T, DecodeError>,
) -> Option<Result<T, DecodeError>> {
    let mut first = None;
    for library in libraries {
        match decode(library) {
            Ok(decoded) => return Some(Ok(decoded)),
            Err(error) => first = first.or(Some(Err(error))),
        }
    }
    first
}

/// Decodes the main picture of a file. Its pixels are already upright.
pub(super) fn decode(bytes: &[u8], name: &str, limits: &Limits) -> Result<Decoded, DecodeError> {
    let check = |size| {
        limits.check_size(size)?;
        limits.check_memory(needed(size))
    };
    let picture = first_success(most_likely_first(name), |library| library.decode(bytes, name, check))
        .unwrap_or_else(|| {
            Err(DecodeError::Unsupported { format: format!("{name} (libheif was not found)") })
        })?;
    let pixels = super::raster::to_rgb(picture.pixels, picture.alpha);
    let full_size = pixels.dimensions();
    Ok(Decoded { pixels, full_size, eighths: 8, is_upright: true, note: None })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_tried_until_one_succeeds() {
        #[track_caller]
        fn check(answers: &[Result<u8, &str>], expected: Option<Result<u8, &str>>) {
            let damaged = |detail: &str| DecodeError::Damaged { detail: detail.to_owned() };
            let found = first_success(answers.iter(), |answer| answer.map_err(damaged));
            assert_eq!(found, expected.map(|answer| answer.map_err(damaged)));
        }
        check(&[], None);
        check(&[Ok(1), Ok(2)], Some(Ok(1)));
        check(&[Err("a"), Err("b"), Ok(3)], Some(Ok(3)));
        check(&[Err("a"), Err("b")], Some(Err("a")));
    }
}
