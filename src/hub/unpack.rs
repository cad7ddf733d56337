//! A model in one file → an installed model, for computers that fetch nothing.
//!
//! All of it is made in `.partial`, and becomes a model by one rename when `Model::open` understands it and every digest
//! that it states is right. Its `pulled.json` notes the digest of each file and, in a commit's place, of the archive.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;

use super::archive::{unpack_into, wrong};
use super::store::{ORIGIN_FILE, check_model_name, remove_folder};
use super::{ARCHIVES, Event, HubError, Installed, Origin, Pulled, Store};
use crate::digest::sha256_of;
use crate::model::{Execution, Model, sha256_remembered};

impl Store {
    /// Installs the model that an archive holds, under `name` or what the file is called, unless it is installed.
    /// When this fails, nothing is.
    ///
    /// # Errors
    /// Any [`HubError`] but those of the network.
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
            return Ok(Pulled::Before(there)); // By another process, meanwhile.
        }
        let partial = self.partial_folder().join(format!("{name}@{sha256}"));
        let made = unpack_into(archive, &partial, report)
            .and_then(|folder| admit(archive, &name, sha256, &folder, execution).map(|()| folder))
            .and_then(|folder| self.install(&name, &folder));
        made.and(remove_folder(&partial))?;
        Ok(Pulled::New(self.find(&name)?))
    }

    /// The model, if this archive was unpacked under the name; an error if the name is another model's.
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

/// What the file is called, as far as a model can be called that.
fn name_of(archive: &Path) -> String {
    let file = archive.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let lower = file.to_ascii_lowercase();
    let ending = ARCHIVES.iter().find(|ending| lower.ends_with(*ending)).map_or(0, |ending| ending.len());
    let stem = file[..file.len() - ending].trim_start_matches('.');
    stem.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '-' }).collect()
}

/// Checks a folder that came out of `archive`, and notes what it holds.
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
    // Whatever it says of itself: nobody vouches for what is in an archive.
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
