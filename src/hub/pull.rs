//! Installs a model: lists its files, selects, downloads and verifies them, and only then gives the folder its name.

use std::collections::{BTreeMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::cache::Cached;
use super::client::Client;
use super::listing::{Listing, RemoteFile};
use super::select::select;
use super::store::{Installed, Origin, Store, check_model_name, remove_folder};
use super::{Access, HubError, Known, Precisions, RepoId};
use crate::digest::{Digest, sha256_of};
use crate::disk;
use crate::files::{self, sync_folder};
use crate::model::{Execution, Model, Precision};

/// The model to pull.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// The name to install it under.
    pub name: String,
    /// Its repository and revision.
    pub id: RepoId,
    /// The precisions of its weights.
    pub precisions: Precisions,
    /// Path → SHA-256 of files that are known in advance.
    sha256: &'static [(&'static str, &'static str)],
}

/// The result of pulling.
#[derive(Debug)]
pub enum Pulled {
    /// The model was installed.
    New(Installed),
    /// The model was already installed: the same commit with the same files.
    Before(Installed),
}

impl Pulled {
    /// The installed model.
    pub fn into_model(self) -> Installed {
        match self {
            Pulled::New(model) | Pulled::Before(model) => model,
        }
    }
}

/// A progress report.
#[derive(Debug)]
pub enum Event<'a> {
    /// The files to download are known.
    Planned {
        /// The number of needed files.
        files: usize,
        /// Their total size.
        bytes: u64,
        /// How many bytes an earlier attempt has already downloaded.
        have: u64,
    },
    /// The download of this file starts.
    File(&'a str),
    /// Bytes were received.
    Received {
        /// The number of bytes.
        bytes: u64,
    },
    /// A part of a file must be downloaded again, because it was damaged or the server sends the whole file.
    Restarted {
        /// The number of bytes lost.
        bytes: u64,
    },
    /// An attempt failed and will be repeated.
    Retrying {
        /// The error.
        error: &'a HubError,
        /// The pause before the next attempt.
        pause: Duration,
    },
}

impl Wanted {
    /// Parses a known name or a Hugging Face id, either with an optional `@revision`.
    ///
    /// # Errors
    /// [`HubError::Id`] or [`HubError::Name`].
    pub fn parse(text: &str, name: Option<&str>, asked: Precisions) -> Result<Wanted, HubError> {
        let (short, revision) =
            text.split_once('@').map_or((text, None), |(short, rest)| (short, Some(rest)));
        let Some(known) = Known::named(short) else {
            let id = RepoId::parse(text)?;
            let name = name.unwrap_or(id.name()).to_owned();
            check_model_name(&name)?;
            return Ok(Wanted { name, id, precisions: asked, sha256: &[] });
        };
        let name = name.unwrap_or(known.name).to_owned();
        check_model_name(&name)?;
        let id = RepoId::parse(&format!("{}@{}", known.repo, revision.unwrap_or(known.revision)))?;
        let or = |asked, known| if asked == Precision::Auto { known } else { asked };
        let precisions = Precisions {
            image: or(asked.image, known.precisions.image),
            text: or(asked.text, known.precisions.text),
        };
        let sha256 = if revision.is_none() { known.sha256 } else { &[] };
        Ok(Wanted { name, id, precisions, sha256 })
    }
}

impl Store {
    /// Pulls a model. If this fails or is interrupted, nothing is installed, and the next attempt resumes the download.
    ///
    /// # Errors
    /// Any [`HubError`].
    pub fn pull(
        &self,
        access: &Access,
        wanted: &Wanted,
        execution: Execution,
        report: &dyn Fn(Event<'_>),
    ) -> Result<Pulled, HubError> {
        let _lock = self.lock(&wanted.name)?;
        let (client, cached) = (Client::new(access, report)?, Cached::new(access.cache.as_deref()));
        let listing =
            if access.offline { cached.listing(&wanted.id)? } else { client.listing(&wanted.id)? };
        let files = needed(&listing, wanted)?;
        if let Some(there) = self.there_already(wanted, &listing, &files)? {
            return Ok(Pulled::Before(there));
        }
        let id = RepoId { repo: wanted.id.repo.clone(), revision: listing.commit };
        let fetch = Fetch {
            folder: self.partial_folder().join(format!("{}@{}", wanted.name, id.revision)),
            client: (!access.offline).then_some(client),
            id,
            cached,
            report,
        };
        fetch.all(&files)?;
        let check = |folder: &Path| Model::open(folder, execution).map(drop);
        check(&fetch.folder).map_err(|source| HubError::Unreadable { id: fetch.id.to_string(), source })?;
        self.install(&wanted.name, &fetch.folder)?;
        Ok(Pulled::New(self.find(&wanted.name)?))
    }

    /// The model, if it is already installed under the name; an error if another model has the name.
    fn there_already(
        &self,
        wanted: &Wanted,
        listing: &Listing,
        files: &[RemoteFile],
    ) -> Result<Option<Installed>, HubError> {
        let Ok(installed) = self.find(&wanted.name) else { return Ok(None) };
        let same = |origin: &&Origin| {
            let paths = files.iter().map(|file| file.path.as_str());
            origin.commit == listing.commit
                && origin.repo == wanted.id.repo
                && origin.sha256.keys().map(String::as_str).collect::<HashSet<_>>() == paths.collect()
        };
        if installed.origin.as_ref().filter(same).is_some() {
            return Ok(Some(installed));
        }
        let wanted = format!("{}@{}, {} files", wanted.id.repo, listing.commit, files.len());
        Err(installed.has_the_name(wanted))
    }

    /// Renames a complete and verified folder, and removes leftovers of other attempts.
    pub(super) fn install(&self, name: &str, folder: &Path) -> Result<(), HubError> {
        let target = self.folder().join(name);
        let io = |source| HubError::Io { path: target.clone(), source };
        fs::rename(folder, &target).map_err(io)?;
        sync_folder(self.folder()).map_err(io)?;
        let others = self.partial_folder().read_dir().into_iter().flatten().flatten();
        for other in
            others.filter(|other| other.file_name().to_string_lossy().starts_with(&format!("{name}@")))
        {
            remove_folder(&other.path())?;
        }
        Ok(())
    }
}

/// The files to download. An error if one differs from what is known in advance.
fn needed(listing: &Listing, wanted: &Wanted) -> Result<Vec<RemoteFile>, HubError> {
    let repo = || wanted.id.repo.clone();
    let files = select(&listing.files, wanted.precisions)
        .map_err(|detail| HubError::NoModel { repo: repo(), detail })?;
    for (path, expected) in wanted.sha256 {
        let announced = files.iter().find(|file| file.path == *path).map(|file| &file.digest);
        if let Some(Digest::Sha256(found)) = announced
            && found != expected
        {
            let (file, found, expected) = ((*path).to_owned(), found.clone(), (*expected).to_owned());
            return Err(HubError::Unexpected { repo: repo(), file, found, expected });
        }
    }
    Ok(files)
}

/// Downloads a model into a partial folder.
struct Fetch<'a> {
    folder: PathBuf,
    id: RepoId,
    /// `None` if only the cache may be used.
    client: Option<Client<'a>>,
    cached: Cached,
    report: &'a dyn Fn(Event<'_>),
}

impl Fetch<'_> {
    /// Gets every missing file, and records the folder's contents.
    fn all(&self, files: &[RemoteFile]) -> Result<(), HubError> {
        self.forget_others(files)?;
        let (bytes, have) =
            (files.iter().map(|file| file.size).sum(), files.iter().map(|file| self.have(file)).sum());
        self.check_space(bytes - have)?;
        (self.report)(Event::Planned { files: files.len(), bytes, have });
        let mut sha256 = BTreeMap::new();
        for file in files {
            (self.report)(Event::File(&file.path));
            sha256.insert(file.path.clone(), self.one(file)?);
        }
        Origin { repo: self.id.repo.clone(), commit: self.id.revision.clone(), sha256 }.write(&self.folder)
    }

    /// Gets one file, verifies it, and returns its SHA-256. The file gets its name only after that.
    fn one(&self, file: &RemoteFile) -> Result<String, HubError> {
        let path = self.folder.join(&file.path);
        let io = |source| HubError::Io { path: path.clone(), source };
        if !path.is_file() {
            let folder = path.parent().unwrap_or(&self.folder);
            fs::create_dir_all(folder).map_err(io)?;
            let part = self.part(file);
            match self.cached.blob(&self.id.repo, &file.digest) {
                Some(blob) => self.take(file, &blob, &part)?,
                None => self.download(file, &part)?,
            }
            fs::rename(&part, &path).map_err(io)?;
            sync_folder(folder).map_err(io)?;
        }
        match &file.digest {
            Digest::Sha256(sha256) => Ok(sha256.clone()),
            Digest::GitBlob(_) => sha256_of(&path).map_err(io),
        }
    }

    /// Takes a file from the cache, as a hard link if possible.
    fn take(&self, file: &RemoteFile, blob: &Path, part: &Path) -> Result<(), HubError> {
        let io = |source| HubError::Io { path: part.to_owned(), source };
        if part.exists() {
            fs::remove_file(part).map_err(io)?;
        }
        let blob = blob.canonicalize().map_err(io)?;
        fs::hard_link(&blob, part).or_else(|_| fs::copy(&blob, part).map(drop)).map_err(io)?;
        (self.report)(Event::Received { bytes: file.size });
        self.check(file, part)
    }

    /// Downloads a file. If a part from an earlier attempt turns out damaged, downloads it again from the start.
    fn download(&self, file: &RemoteFile, part: &Path) -> Result<(), HubError> {
        let Some(client) = &self.client else {
            return Err(HubError::NotCached {
                id: self.id.to_string(),
                cache: None,
                detail: file.path.clone(),
            });
        };
        files::remove_link(part).map_err(|source| HubError::Io { path: part.to_owned(), source })?;
        let was_begun = part.exists();
        client.download(&self.id, file, part)?;
        match self.check(file, part) {
            Err(HubError::WrongDigest { .. }) if was_begun => {
                (self.report)(Event::Restarted { bytes: file.size });
                client.download(&self.id, file, part)?;
                self.check(file, part)
            }
            result => result,
        }
    }

    /// Checks `part` against its digest, and removes it if it is wrong.
    fn check(&self, file: &RemoteFile, part: &Path) -> Result<(), HubError> {
        let io = |source| HubError::Io { path: part.to_owned(), source };
        let found = file.digest.of_same_kind(part).map_err(io)?;
        if found == file.digest {
            return Ok(());
        }
        fs::remove_file(part).map_err(io)?;
        Err(HubError::WrongDigest {
            repo: self.id.repo.clone(),
            file: file.path.clone(),
            found: found.hex().to_owned(),
            expected: file.digest.hex().to_owned(),
        })
    }

    fn part(&self, file: &RemoteFile) -> PathBuf {
        self.folder.join(format!("{}.part", file.path))
    }

    /// Bytes of the file that need not be downloaded.
    fn have(&self, file: &RemoteFile) -> u64 {
        let size = |path: PathBuf| path.metadata().map_or(0, |metadata| metadata.len());
        if self.folder.join(&file.path).is_file() { file.size } else { size(self.part(file)).min(file.size) }
    }

    /// Removes files of another precision from an earlier attempt.
    fn forget_others(&self, files: &[RemoteFile]) -> Result<(), HubError> {
        let kept: HashSet<PathBuf> =
            files.iter().flat_map(|file| [self.folder.join(&file.path), self.part(file)]).collect();
        let entries = walkdir::WalkDir::new(&self.folder).into_iter().flatten();
        for entry in entries.filter(|entry| !entry.path().is_dir() && !kept.contains(entry.path())) {
            fs::remove_file(entry.path())
                .map_err(|source| HubError::Io { path: entry.path().to_owned(), source })?;
        }
        Ok(())
    }

    fn check_space(&self, needed: u64) -> Result<(), HubError> {
        match disk::free_space(&self.folder) {
            Some(available) if available < needed => {
                Err(HubError::NoSpace { folder: self.folder.clone(), needed, available })
            }
            _ => Ok(()),
        }
    }
}
