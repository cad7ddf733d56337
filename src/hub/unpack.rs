//! Installs a model from an archive, for computers without network access.
//!
//! It is unpacked in `.partial`, and one rename turns it into a model, if `Model::open` accepts it and every digest that it
//! states is right. Its `pulled.json` has the digest of each file, and that of the archive in place of a commit.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::archive::{unpack_into, wrong};
use super::store::{ORIGIN_FILE, check_model_name, remove_folder};
use super::{ARCHIVES, Event, HubError, Installed, Origin, Pulled, Store};
use crate::digest::sha256_of;
use crate::model::{Execution, Model, sha256_remembered};

impl Store {
    /// Installs the model in an archive, under `name` or the file's name, unless it is already installed. If this fails,
    /// nothing is installed.
    ///
    /// # Errors
    /// Any [`HubError`] except those of the network.
    pub fn unpack(
        &self,
        archive: &Path,
        name: Option<&str>,
        execution: Execution,
        report: &dyn Fn(Event<'_>),
    ) -> Result<Pulled, HubError> {
        let name = name.map_or_else(|| name_of(archive), str::to_owned);
        check_model_name(&name)?;
        let sha256 = sha256_remembered(archive, execution.cache_folder.as_deref())
            .map_err(|error| wrong(archive, error.to_string()))?;
        if let Some(there) = self.unpacked_before(&name, archive, &sha256)? {
            return Ok(Pulled::Before(there));
        }
        let _lock = self.lock(&name)?;
        if let Some(there) = self.unpacked_before(&name, archive, &sha256)? {
            return Ok(Pulled::Before(there)); // Another process installed it meanwhile.
        }
        let partial = self.partial_folder().join(format!("{name}@{sha256}"));
        let made = unpack_into(archive, &partial, report)
            .and_then(|folder| admit(archive, &name, sha256, &folder, execution).map(|()| folder))
            .and_then(|folder| self.install(&name, &folder));
        made.and(remove_folder(&partial))?;
        Ok(Pulled::New(self.find(&name)?))
    }

    /// The model, if this archive was already unpacked under the name; an error if another model has the name.
    fn unpacked_before(
        &self,
        name: &str,
        archive: &Path,
        sha256: &str,
    ) -> Result<Option<Installed>, HubError> {
        let Ok(installed) = self.find(name) else { return Ok(None) };
        if installed.origin.as_ref().is_some_and(|origin| origin.commit == sha256) {
            return Ok(Some(installed));
        }
        Err(installed.has_the_name(archive.display().to_string()))
    }
}

/// The model's name from the file's name, without characters that are not allowed.
fn name_of(archive: &Path) -> String {
    let file = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = file.to_ascii_lowercase();
    let ending = ARCHIVES.iter().find(|ending| lower.ends_with(*ending)).map_or(0, |ending| ending.len());
    let stem = file[..file.len() - ending].trim_start_matches('.');
    stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// Checks a folder unpacked from `archive`, and records its contents.
fn admit(
    archive: &Path,
    name: &str,
    commit: String,
    folder: &Path,
    execution: Execution,
) -> Result<(), HubError> {
    let model = Installed { name: name.to_owned(), folder: folder.to_owned(), origin: Origin::read(folder) };
    let unreadable = |source| HubError::Io { path: folder.to_owned(), source };
    let sha256 = digests(&model).map_err(unreadable)?;
    let known =
        |path: &Path| sha256.get(&name_in(folder, path)?).cloned().ok_or(io::ErrorKind::NotFound.into());
    model.verify(&known).map_err(|error| wrong(archive, error.to_string()))?;
    Model::open(folder, execution)
        .and_then(|model| model.verify(&known))
        .map_err(|source| HubError::Unreadable { id: archive.display().to_string(), source })?;
    // Ignore any origin that the archive contains: it is not trustworthy.
    Origin { repo: archive.file_name().unwrap_or_default().to_string_lossy().into_owned(), commit, sha256 }
        .write(folder)
}

/// The SHA-256 of every file, by its path with `/`.
fn digests(model: &Installed) -> io::Result<BTreeMap<String, String>> {
    let mut digests = BTreeMap::new();
    for (path, _) in model.files() {
        let name = name_in(&model.folder, &path)?;
        if name != ORIGIN_FILE {
            digests.insert(name, sha256_of(&path)?);
        }
    }
    Ok(digests)
}

/// The path of a file in `folder`, with `/`.
fn name_in(folder: &Path, path: &Path) -> io::Result<String> {
    let name = path.strip_prefix(folder).map_err(io::Error::other)?;
    let parts: Vec<_> = name.components().map(|part| part.as_os_str().to_string_lossy()).collect();
    Ok(parts.join("/"))
}
