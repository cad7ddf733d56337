//! A library folder on disk: where its parts lie, which index answers, and how another model's takes its place.
//!
//! ```text
//! LIBRARY/index/            an index (imgsearch-index): the library's first
//! LIBRARY/index-53f0…/      the index of another model's vectors: in use, or being built beside the one in use
//! LIBRARY/library.json      which one is in use; not there before the first change of model
//! LIBRARY/writer.lock       the lock of whoever changes any of this
//! LIBRARY/last-results      what the last query found
//! LIBRARY/background        the model's vectors of everyday concepts (engine/background.rs)
//! ```
//!
//! An index of another model is filled run by run while the one in use answers. When it has all that the other has,
//! one atomic replacement of `library.json` puts it into use, and only then the old one is removed. Readers take no
//! lock: who finds an index gone looks up again which one is in use.

mod kept;
mod layout;
mod note;

use std::fs;
use std::path::{Path, PathBuf};

use imgsearch_index::{Error, Lock, Searcher, Space, Writer, WriterOptions};

pub use note::Note;

use layout::Layout;

/// A library folder; need not exist yet.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
}

impl Library {
    /// The library in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Library {
        Library { folder: folder.into() }
    }

    /// The library's folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The folder of the index in use.
    ///
    /// # Errors
    /// [`Error::Damaged`] or [`Error::Io`] when `library.json` does not tell.
    pub fn index_folder(&self) -> Result<PathBuf, Error> {
        Ok(self.folder.join(Layout::read(&self.folder)?.in_use))
    }

    /// Opens the index in use for searching.
    ///
    /// # Errors
    /// As [`Searcher::open`]; [`Error::Missing`] when nothing was indexed yet.
    pub fn searcher(&self) -> Result<Searcher, Error> {
        let mut folder = self.index_folder()?;
        loop {
            let opened = Searcher::open(&folder);
            let now = self.index_folder()?;
            if opened.is_ok() || now == folder {
                return opened;
            }
            // Between looking it up and opening it another one took its place.
            folder = now;
        }
    }

    /// The folders of all its indexes, first that of the one in use.
    ///
    /// # Errors
    /// As [`Library::index_folder`].
    pub fn index_folders(&self) -> Result<Vec<PathBuf>, Error> {
        let layout = Layout::read(&self.folder)?;
        let mut folders = vec![self.folder.join(&layout.in_use)];
        folders.extend(layout.building(&self.folder));
        Ok(folders)
    }

    /// The indexes that are being built beside the one in use, as far as they read.
    ///
    /// # Errors
    /// As [`Library::index_folder`].
    pub fn building(&self) -> Result<Vec<(PathBuf, Searcher)>, Error> {
        let folders = self.index_folders()?.into_iter().skip(1);
        let open = |folder: PathBuf| Some((folder.clone(), Searcher::open(&folder).ok()?));
        Ok(folders.filter_map(open).collect())
    }

    /// Makes the library's folder, if it is not there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(&self) -> Result<(), Error> {
        fs::create_dir_all(&self.folder).map_err(io("create", &self.folder))
    }

    /// Takes the right to change the library, without waiting.
    ///
    /// # Errors
    /// [`Error::Missing`] when its folder is not there, [`Error::Locked`] while another process has the right,
    /// [`Error::Io`], or as [`Library::index_folder`].
    pub fn lock(&self) -> Result<LockedLibrary, Error> {
        if !self.folder.is_dir() {
            return Err(Error::Missing { path: self.folder.clone() });
        }
        let lock = Lock::acquire(&self.folder)?;
        let mut locked =
            LockedLibrary { library: self.clone(), layout: Layout::read(&self.folder)?, _lock: lock };
        locked.remove_retired()?;
        Ok(locked)
    }
}

/// A library that no other process can change.
#[derive(Debug)]
pub struct LockedLibrary {
    library: Library,
    layout: Layout,
    _lock: Lock,
}

/// An index opened for writing.
pub struct Opened {
    /// It.
    pub writer: Writer,
    /// The index in use, if this one is to take its place when it has all that it has.
    pub replaces: Option<Searcher>,
}

impl LockedLibrary {
    /// The library.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Opens the index for vectors of `space`: the one in use if it is of that space or there is none yet, else one
    /// that is being built beside it.
    ///
    /// # Errors
    /// As [`Writer::open`], of either index.
    pub fn open(&mut self, space: &Space) -> Result<Opened, Error> {
        let in_use = self.library.folder.join(&self.layout.in_use);
        match Writer::open(&in_use, space, WriterOptions::default()) {
            Err(Error::SpaceMismatch { found, .. }) => self.open_beside(&in_use, &found, space),
            opened => Ok(Opened { writer: opened?, replaces: None }),
        }
    }

    fn open_beside(&mut self, in_use: &Path, found: &Space, space: &Space) -> Result<Opened, Error> {
        // Opening it publishes what a killed run may have left unpublished: all of it must be replaced.
        drop(Writer::open(in_use, found, WriterOptions::default())?);
        let replaces = Some(Searcher::open(in_use)?);
        let name = layout::name_of(space);
        let folder = self.library.folder.join(&name);
        if self.layout.retired.contains(&name) {
            // What is left of it after it was replaced is no beginning of a new one.
            fs::remove_dir_all(&folder).map_err(io("remove", &folder))?;
            self.remove_retired()?;
        }
        Ok(Opened { writer: Writer::open(&folder, space, WriterOptions::default())?, replaces })
    }

    /// Puts the index of `space` that was built beside the one in use in its place, and removes that one.
    ///
    /// # Errors
    /// [`Error::Io`]; either index is in use then, and both are there.
    pub fn put_into_use(&mut self, space: &Space) -> Result<(), Error> {
        let mut layout = self.layout.clone();
        let old = std::mem::replace(&mut layout.in_use, layout::name_of(space));
        layout.retired.push(old);
        layout.write(&self.library.folder)?;
        self.layout = layout;
        self.remove_retired()
    }

    /// Removes the indexes that were replaced. A system that does not remove files in use keeps them until the next
    /// time.
    fn remove_retired(&mut self) -> Result<(), Error> {
        let folder = &self.library.folder;
        let still_there = |name: &String| {
            fs::remove_dir_all(folder.join(name)).ok();
            folder.join(name).exists()
        };
        let before = self.layout.retired.len();
        self.layout.retired.retain(still_there);
        if self.layout.retired.len() < before { self.layout.write(folder) } else { Ok(()) }
    }
}

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> Error {
    move |source| Error::Io { path: path.to_owned(), action, source }
}
