//! The folder of installed models.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::HubError;
use super::listing::check_name;
use super::table::KNOWN;
use crate::files::{self, Readers, replace_durably};
use crate::hint::nearest;

/// The file that pulling writes into a model's folder.
pub(super) const ORIGIN_FILE: &str = "pulled.json";

/// The model that `imgsearch setup` installs.
pub const OFFLINE: &str = "offline";

/// All models installed for this user.
#[derive(Clone, Debug)]
pub struct Store {
    folder: PathBuf,
    /// Folders of models that came with the program.
    shipped: Vec<PathBuf>,
}

/// An installed model.
#[derive(Clone, Debug)]
pub struct Installed {
    /// Its name in imgsearch.
    pub name: String,
    /// Its folder.
    pub folder: PathBuf,
    /// Its repository or archive; `None` if it was put there by other means.
    pub origin: Option<Origin>,
}

/// The source of a model and its files.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Origin {
    /// `org/name` on Hugging Face, or the archive's file name.
    pub repo: String,
    /// The commit (40 hexadecimal digits), or the archive's SHA-256 (64 digits).
    pub commit: String,
    /// Path inside the folder → SHA-256 in lower-case hexadecimal.
    pub sha256: BTreeMap<String, String>,
}

/// A lock on a model's name while it is pulled or removed. It is released when dropped, or when the process ends in any way.
#[derive(Debug)]
pub(super) struct Lock {
    path: PathBuf,
    file: File,
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Remove the file first: a process that already has it open will notice that it no longer has this name.
        fs::remove_file(&self.path).ok();
        // Closing is not enough: a process that another thread is just starting has a copy of the file.
        self.file.unlock().ok();
    }
}

impl Store {
    /// The models in `folder`, which need not exist yet.
    pub fn new(folder: impl Into<PathBuf>) -> Store {
        Store { folder: folder.into(), shipped: Vec::new() }
    }

    /// Adds the folders of models that came with the program. A model of the same name in the user's folder comes first.
    #[must_use]
    pub fn with_shipped(self, shipped: Vec<PathBuf>) -> Store {
        Store { shipped, ..self }
    }

    /// The folder of all models.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// All installed models, by name.
    pub fn installed(&self) -> Vec<Installed> {
        let entries = self.folders().flat_map(|folder| folder.read_dir().into_iter().flatten().flatten());
        let names: BTreeSet<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        names.iter().filter_map(|name| self.find(name).ok()).collect()
    }

    /// Where models can be, the user's own folder first.
    fn folders(&self) -> impl Iterator<Item = &PathBuf> {
        [&self.folder].into_iter().chain(&self.shipped)
    }

    /// The installed model of this name.
    ///
    /// # Errors
    /// [`HubError::NotInstalled`], or [`HubError::Name`] if the name is invalid.
    pub fn find(&self, name: &str) -> Result<Installed, HubError> {
        check_model_name(name)?;
        let found = self.folders().map(|folder| folder.join(name)).find(|folder| folder.is_dir());
        let missing = || HubError::NotInstalled { name: name.to_owned(), near: self.nearest(name) };
        let folder = found.ok_or_else(missing)?;
        Ok(Installed { name: name.to_owned(), origin: Origin::read(&folder), folder })
    }

    /// The closest name of an installed or known model.
    fn nearest(&self, name: &str) -> Option<String> {
        let entries = self.folder.read_dir().into_iter().flatten().flatten();
        let installed: Vec<_> = entries.filter_map(|entry| entry.file_name().into_string().ok()).collect();
        let names = installed.iter().map(String::as_str).filter(|name| check_model_name(name).is_ok());
        let known = KNOWN.iter().map(|known| known.name);
        nearest(name, names.chain(known).filter(|near| *near != name)).map(str::to_owned)
    }

    /// The default model for new libraries: the chosen one, or else the offline model.
    ///
    /// # Errors
    /// [`HubError::NotInstalled`] if the chosen one no longer exists, [`HubError::NoneInstalled`] if none was chosen and the
    /// offline model is not installed either.
    pub fn default_model(&self) -> Result<Installed, HubError> {
        match self.default_name() {
            Some(name) => self.find(&name),
            None => self.find(OFFLINE).map_err(|_| HubError::NoneInstalled),
        }
    }

    /// The name of the chosen default model, if there is one.
    pub fn default_name(&self) -> Option<String> {
        let text = fs::read_to_string(self.default_file()).ok()?;
        Some(text.trim().to_owned()).filter(|name| check_model_name(name).is_ok())
    }

    /// Makes `name` the default model for new libraries.
    ///
    /// # Errors
    /// [`HubError::NotInstalled`], or [`HubError::Io`].
    pub fn set_default(&self, name: &str) -> Result<(), HubError> {
        self.find(name)?;
        let path = self.default_file();
        let written = replace_durably(&path, format!("{name}\n").as_bytes(), Readers::AsUsual);
        written.map_err(|source| HubError::Io { path, source })
    }

    /// Removes a model atomically and returns it.
    ///
    /// # Errors
    /// [`HubError::NotInstalled`], [`HubError::Shipped`], [`HubError::Locked`] or [`HubError::Io`].
    pub fn remove(&self, name: &str) -> Result<Installed, HubError> {
        let model = self.find(name)?;
        if !model.folder.starts_with(&self.folder) {
            return Err(HubError::Shipped { name: name.to_owned(), folder: model.folder });
        }
        let _lock = self.lock(name)?;
        let gone = self.partial_folder().join(format!("{name}.removed"));
        remove_folder(&gone)?;
        fs::rename(&model.folder, &gone)
            .map_err(|source| HubError::Io { path: model.folder.clone(), source })?;
        remove_folder(&gone)?;
        if self.default_name().as_deref() == Some(name) {
            let path = self.default_file();
            fs::remove_file(&path).map_err(|source| HubError::Io { path, source })?;
        }
        Ok(model)
    }

    /// The folder for incomplete models.
    pub(super) fn partial_folder(&self) -> PathBuf {
        self.folder.join(".partial")
    }

    /// Locks `name`, so that no other process pulls or removes it.
    pub(super) fn lock(&self, name: &str) -> Result<Lock, HubError> {
        let folder = self.partial_folder();
        fs::create_dir_all(&folder).map_err(|source| HubError::Io { path: folder.clone(), source })?;
        let path = folder.join(format!("{name}.lock"));
        let unlockable = |source| HubError::Io { path: path.clone(), source };
        files::remove_link(&path).map_err(unlockable)?;
        loop {
            let opened = File::options().write(true).create(true).truncate(false).open(&path);
            let file = opened.map_err(unlockable)?;
            match file.try_lock() {
                Ok(()) if is_at(&file, &path) => return Ok(Lock { path, file }),
                // Another process removed the lock file after it was opened here: try again.
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => return Err(HubError::Locked { name: name.to_owned() }),
                Err(TryLockError::Error(source)) => return Err(unlockable(source)),
            }
        }
    }

    fn default_file(&self) -> PathBuf {
        self.folder.join("default")
    }
}

impl Installed {
    /// Compares the digest of every file, by `sha256_of`, with that from the download. Returns `false` if the model was not
    /// pulled, so that no digests are known here.
    ///
    /// # Errors
    /// [`HubError::Altered`] or [`HubError::Io`] for the first wrong file.
    pub fn verify(&self, sha256_of: &dyn Fn(&Path) -> io::Result<String>) -> Result<bool, HubError> {
        let Some(origin) = &self.origin else { return Ok(false) };
        for (file, expected) in &origin.sha256 {
            let path = self.folder.join(file);
            let found = sha256_of(&path).map_err(|source| HubError::Io { path: path.clone(), source })?;
            if found != *expected {
                let (name, expected) = (self.name.clone(), expected.clone());
                return Err(HubError::Altered { name, path, found, expected });
            }
        }
        Ok(true)
    }

    /// The error for a different model under the same name.
    pub(super) fn has_the_name(self, wanted: String) -> HubError {
        let from = self.origin.map(|origin| format!("{}@{}", origin.repo, origin.commit));
        HubError::Taken {
            name: self.name,
            installed: from.unwrap_or_else(|| self.folder.display().to_string()),
            wanted,
        }
    }

    /// All its files with their sizes, by path.
    pub fn files(&self) -> Vec<(PathBuf, u64)> {
        let entries = walkdir::WalkDir::new(&self.folder).sort_by_file_name().into_iter().flatten();
        let files = entries.filter(|entry| entry.path().is_file());
        files.map(|file| (file.path().to_owned(), file.path().metadata().map_or(0, |m| m.len()))).collect()
    }
}

impl Origin {
    pub(super) fn read(folder: &Path) -> Option<Origin> {
        let origin: Origin = serde_json::from_slice(&fs::read(folder.join(ORIGIN_FILE)).ok()?).ok()?;
        // This file may come from an archive and name files outside the model.
        let is_inside = |file: &String| check_name(&origin.repo, file).is_ok();
        origin.sha256.keys().all(is_inside).then_some(origin)
    }

    pub(super) fn write(&self, folder: &Path) -> Result<(), HubError> {
        let path = folder.join(ORIGIN_FILE);
        let json = serde_json::to_vec_pretty(self).expect("plain fields become JSON");
        replace_durably(&path, &json, Readers::AsUsual).map_err(|source| HubError::Io { path, source })
    }
}

/// Whether the open file still has this name.
#[cfg(unix)]
fn is_at(file: &File, path: &Path) -> bool {
    use std::os::unix::fs::MetadataExt;
    let both = (file.metadata(), path.metadata());
    matches!(both, (Ok(a), Ok(b)) if (a.dev(), a.ino()) == (b.dev(), b.ino()))
}

/// Other systems don't remove open files.
#[cfg(not(unix))]
fn is_at(_file: &File, _path: &Path) -> bool {
    true
}

/// Refuses names that would lead outside the models' folder or into a subfolder.
pub(super) fn check_model_name(name: &str) -> Result<(), HubError> {
    let plain = |c: char| c.is_alphanumeric() || "-_.".contains(c);
    // A leading dash would look like an option.
    let is_name =
        !name.is_empty() && !name.starts_with(['.', '-']) && name.chars().all(plain) && name != "default";
    if is_name { Ok(()) } else { Err(HubError::Name { name: name.to_owned() }) }
}

/// Removes a folder, if it exists.
pub(super) fn remove_folder(path: &Path) -> Result<(), HubError> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(HubError::Io { path: path.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_inside_the_folder() {
        for name in ["clip-b32", "ViT-B-32__openai", "größer", "a.b"] {
            check_model_name(name).unwrap();
        }
        for name in ["", ".", "..", "-x", "--", ".partial", "a/b", "a\\b", "default", "a b", "a\0"] {
            assert!(check_model_name(name).is_err(), "{name:?}");
        }
    }

    #[test]
    fn a_lock_is_released_when_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::new(folder.path());
        let lock = store.lock("a").unwrap();
        assert!(matches!(store.lock("a"), Err(HubError::Locked { .. })));
        store.lock("b").map(drop).unwrap();
        drop(lock);
        store.lock("a").map(drop).unwrap();
        assert_eq!(fs::read_dir(store.partial_folder()).unwrap().count(), 0, "nothing is left behind");
    }
}
