//! A library: a folder on disk, or a database on a server (`server.rs`).
//!
//! A library folder has these files. This is how the index of another model replaces the one in use:
//!
//! ```text
//! LIBRARY/index/            an index (imgsearch-index): the library's first
//! LIBRARY/index-53f0…/      the index of another model's vectors: in use, or being built beside the one in use
//! LIBRARY/library.json      which index is in use; absent before the first change of model
//! LIBRARY/collection-NAME/  other vectors of the same files, in the layout of a library (collections.rs)
//! LIBRARY/writer.lock       the lock that every change of the library takes
//! LIBRARY/last-results      the results of the last query
//! LIBRARY/background        the model's vectors of everyday concepts (engine/background.rs)
//! LIBRARY/serve-token       the secret for connecting to a server of this library
//! LIBRARY/thumbnails/       thumbnails of the photos, which may be deleted (thumbnails.rs)
//! ```
//!
//! Only the owner can read these files, because they contain the paths, times and places of all photos. A library of an
//! earlier version becomes private at its next change.
//!
//! Runs fill the index of another model while the one in use answers. Once it has all photos of the one in use, one
//! atomic replacement of `library.json` puts it into use. Only then is the old one removed. Readers take no lock: if an
//! index is gone, they look up again which one is in use.

#[cfg(any(feature = "milvus", feature = "postgres"))]
mod ahead;
#[cfg(any(feature = "milvus", feature = "postgres"))]
mod batch;
mod collections;
#[cfg(any(feature = "milvus", feature = "postgres"))]
mod columns;
mod embedded;
mod every_index;
mod kept;
mod known_roots;
mod layout;
#[cfg(feature = "milvus")]
mod milvus;
mod note;
#[cfg(feature = "postgres")]
mod postgres;
mod rooted;
mod server;
mod store;
mod thumbnails;
mod url;
#[cfg(any(feature = "milvus", feature = "postgres"))]
mod words;

use std::ffi::OsStr;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use imgsearch_index::{Error as IndexError, Lock, Space};

pub use every_index::Role;
pub use known_roots::Root;
pub use note::Note;
pub use server::Secrets;
pub use store::{
    Ask, Hit, Load, Sink, Standing, Stats, StoreError, Stored, View, Visit, VisitItem, Write, try_visit,
};
pub use thumbnails::Thumbnails;
pub use url::Url;

use crate::files;
use crate::roots::Roots;
use layout::IndexFolders;
use server::Server;

/// Files that exist only after the index beside them has answered.
const OF_AN_INDEX_IN_USE: [&str; 3] = ["library.json", "last-results", "background"];

/// A library, which need not exist yet. [`fmt::Display`] shows its folder, or its URL without secrets.
#[derive(Clone, Debug)]
pub struct Library {
    folder: PathBuf,
    /// The folder of its lock: this folder or, for a collection, the folder of its library.
    lock_folder: PathBuf,
    /// The database that has its photos; `None` if this folder has them.
    server: Option<Arc<dyn Server>>,
    /// The named roots of this machine.
    roots: Roots,
}

impl fmt::Display for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.server {
            Some(server) => server.url().fmt(f),
            None => self.folder.display().fmt(f),
        }
    }
}

impl Library {
    /// The library in `folder`.
    pub fn new(folder: impl Into<PathBuf>) -> Library {
        let folder = folder.into();
        Library { lock_folder: folder.clone(), folder, server: None, roots: Roots::default() }
    }

    /// The library in a database. The small files that this machine keeps for it are in a folder of `beside`. This does
    /// not connect yet.
    ///
    /// # Errors
    /// [`StoreError::Url`] if no store of this program has such URLs, or the URL lacks something.
    pub fn on_server(url: &Url, secrets: &Secrets, beside: &Path) -> Result<Library, StoreError> {
        let server = server::connect(url, secrets)?;
        let folder = beside.join(url.folder_name());
        Ok(Library { server: Some(server), ..Library::new(folder) })
    }

    /// The same library, whose stored paths below these roots are shown as paths of this machine.
    #[must_use]
    pub fn with_roots(self, roots: &Roots) -> Library {
        Library { roots: roots.clone(), ..self }
    }

    /// The same library with its paths as they are stored.
    #[must_use]
    pub fn as_stored(&self) -> Library {
        self.clone().with_roots(&Roots::default())
    }

    /// The folder of its files. If its photos are in a database, these are only the small files that this machine keeps
    /// for it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The thumbnails kept beside it.
    pub fn thumbnails(&self) -> Thumbnails {
        Thumbnails::of(&self.folder)
    }

    /// The folder that has its photos.
    ///
    /// # Errors
    /// [`StoreError::NoFolder`] if they are in a database.
    fn photos_folder(&self) -> Result<&Path, StoreError> {
        match &self.server {
            Some(server) => Err(StoreError::NoFolder { library: server.url().to_string() }),
            None => Ok(&self.folder),
        }
    }

    /// The folder of the index in use.
    ///
    /// # Errors
    /// [`StoreError::Layout`] or [`StoreError::Io`] if `library.json` is invalid or cannot be read;
    /// [`StoreError::NoFolder`].
    pub fn index_folder(&self) -> Result<PathBuf, StoreError> {
        let folder = self.photos_folder()?;
        Ok(folder.join(IndexFolders::read(folder)?.in_use))
    }

    /// Opens the index in use as it was last published.
    ///
    /// # Errors
    /// As [`Library::index_folder`], and if the index does not open; [`StoreError::is_missing`] if nothing is
    /// indexed yet; [`StoreError::Database`].
    pub fn view(&self) -> Result<Arc<dyn View>, StoreError> {
        self.stored_view().map(|view| rooted::view(view, &self.roots))
    }

    /// The same with the paths as they are stored.
    fn stored_view(&self) -> Result<Arc<dyn View>, StoreError> {
        if let Some(server) = &self.server {
            return server.view();
        }
        let mut folder = self.index_folder()?;
        loop {
            let opened = embedded::view(self, &folder);
            let now = self.index_folder()?;
            if opened.is_ok() || now == folder {
                return opened.map_err(|error| self.no_library(error.into()));
            }
            // Another index replaced it before it was opened.
            folder = now;
        }
    }

    /// A missing index means to people that there is no library yet.
    fn no_library(&self, error: StoreError) -> StoreError {
        match error.is_missing() {
            true => StoreError::NoLibrary { library: self.to_string() },
            false => error,
        }
    }

    /// The folders of all its indexes. The one in use comes first.
    ///
    /// # Errors
    /// As [`Library::index_folder`].
    pub fn index_folders(&self) -> Result<Vec<PathBuf>, StoreError> {
        let folder = self.photos_folder()?;
        let layout = IndexFolders::read(folder)?;
        let mut folders = vec![folder.join(&layout.in_use)];
        folders.extend(layout.building(folder));
        Ok(folders)
    }

    /// Whether the index in this folder is lost: nothing was ever published in it, but the files beside it show that
    /// it has answered.
    pub fn has_lost(&self, index: &Path) -> bool {
        let has_answered = OF_AN_INDEX_IN_USE.iter().any(|name| self.folder.join(name).exists());
        has_answered && self.index_folder().is_ok_and(|in_use| in_use == index) && embedded::is_missing(index)
    }

    /// The readable indexes that are being built beside the one in use.
    ///
    /// # Errors
    /// As [`Library::index_folder`].
    pub fn building(&self) -> Result<Vec<Building>, StoreError> {
        let mut building = self.stored_building()?;
        for Building { view, .. } in &mut building {
            *view = rooted::view(Arc::clone(view), &self.roots);
        }
        Ok(building)
    }

    fn stored_building(&self) -> Result<Vec<Building>, StoreError> {
        if let Some(server) = &self.server {
            return server.building();
        }
        let folders = self.index_folders()?.into_iter().skip(1);
        let open = |folder: PathBuf| {
            let view = embedded::view(self, &folder).ok()?;
            Some(Building { place: folder.display().to_string(), view })
        };
        Ok(folders.filter_map(open).collect())
    }

    /// Creates the library's folder if it does not exist. What a database needs is created when it is opened for
    /// changes.
    ///
    /// # Errors
    /// [`StoreError::Io`].
    pub fn create(&self) -> Result<(), StoreError> {
        files::create_private_folder(&self.folder).map_err(io("create", &self.folder))
    }

    /// Locks the library for changes, without waiting. A library in a database needs no lock: any number of processes may
    /// change it at the same time.
    ///
    /// # Errors
    /// [`StoreError::is_missing`] if its folder does not exist, [`IndexError::Locked`] while another process holds the
    /// lock, [`StoreError::Io`], or as [`Library::index_folder`].
    pub fn lock(&self) -> Result<LockedLibrary, StoreError> {
        if let Some(server) = &self.server {
            return Ok(LockedLibrary { library: self.clone(), held: Held::Server(Arc::clone(server)) });
        }
        if !self.folder.is_dir() {
            return Err(StoreError::NoLibrary { library: self.to_string() });
        }
        let lock = Arc::new(Lock::acquire(&self.lock_folder)?);
        let locked = self.locked(lock.clone())?;
        for collection in self.collections() {
            // Opening it reports the damage.
            collection.locked(lock.clone()).ok();
        }
        Ok(locked)
    }

    fn locked(&self, lock: Arc<Lock>) -> Result<LockedLibrary, StoreError> {
        self.tidy();
        let layout = IndexFolders::read(&self.folder)?;
        let mut folder = LockedFolder { library: self.clone(), layout, lock };
        folder.remove_retired()?;
        Ok(LockedLibrary { library: self.clone(), held: Held::Folder(folder) })
    }

    /// Locks the library as [`Library::lock`] does, and repairs an invalid `library.json` first.
    ///
    /// # Errors
    /// As [`Library::lock`].
    pub fn lock_to_repair(&self) -> Result<LockedLibrary, StoreError> {
        if self.photos_folder()?.is_dir() {
            let _lock = Lock::acquire(&self.lock_folder)?;
            IndexFolders::repair(&self.folder)?;
            self.collections().iter().try_for_each(|collection| IndexFolders::repair(&collection.folder))?;
        }
        self.lock()
    }

    /// Removes leftovers of killed processes, and makes the library private. A folder that also contains other files
    /// keeps its permissions: other programs may need them.
    fn tidy(&self) {
        // Taking the lock wrote to its file.
        let written =
            self.lock_folder.join("writer.lock").metadata().and_then(|metadata| metadata.modified());
        if let Ok(now) = written {
            files::remove_unfinished(&self.folder, now);
        }
        let entries: Vec<_> = fs::read_dir(&self.folder).into_iter().flatten().flatten().collect();
        let collections = self.collections();
        let is_collection = |path: &Path| collections.iter().any(|collection| collection.folder == path);
        let (own, others): (Vec<_>, Vec<_>) =
            entries.iter().partition(|entry| is_own(&entry.file_name()) || is_collection(&entry.path()));
        own.iter().for_each(|entry| files::make_private(&entry.path()));
        if others.is_empty() {
            files::make_private(&self.folder);
        }
    }
}

/// Whether the file with this name in a library's folder is a part of the library.
fn is_own(name: &OsStr) -> bool {
    let is_part = |name| ["writer.lock", "serve-token"].contains(&name) || OF_AN_INDEX_IN_USE.contains(&name);
    name.to_str().is_some_and(|name| is_part(name) || layout::is_name(name)) || files::is_unfinished(name)
}

/// An index that is being built beside the one in use.
pub struct Building {
    /// Its folder, or its table in the database.
    pub place: String,
    /// The photos it has so far.
    pub view: Arc<dyn View>,
}

/// A library that this process may change.
#[derive(Debug)]
pub struct LockedLibrary {
    library: Library,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Folder(LockedFolder),
    Server(Arc<dyn Server>),
}

/// A library opened for changes.
pub struct Opened {
    /// Receives the changes.
    pub sink: Box<dyn Sink>,
    /// The view of the index in use, if the changed index is to replace it once it has all photos of this one.
    pub replaces: Option<Arc<dyn View>>,
}

impl LockedLibrary {
    /// The library.
    pub fn library(&self) -> &Library {
        &self.library
    }

    /// Opens the index for vectors of `space`: the one in use if it has this space or there is none yet, otherwise one
    /// that is being built beside it.
    ///
    /// # Errors
    /// If either index does not open.
    pub fn open(&mut self, space: &Space) -> Result<Opened, StoreError> {
        let opened = match &mut self.held {
            Held::Folder(folder) => folder.open(space),
            Held::Server(server) => server.open(space),
        };
        opened.map(|opened| rooted::opened(opened, &self.library.roots))
    }

    /// Optimizes the index in use for searching. Returns whether it finished before `cancelled` returned true.
    /// `progress` receives the number of finished rows and of all rows.
    ///
    /// # Errors
    /// If the index does not open or cannot be written.
    pub fn optimize(
        &self,
        cancelled: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<bool, StoreError> {
        match &self.held {
            Held::Folder(folder) => folder.optimize(cancelled, progress),
            Held::Server(server) => server.optimize(cancelled, progress),
        }
    }

    /// Puts the index built for `space` into use, and removes the old one.
    ///
    /// # Errors
    /// [`StoreError::Io`] or [`StoreError::Database`]. Then both indexes still exist, and one of them is in use.
    pub fn put_into_use(&mut self, space: &Space) -> Result<(), StoreError> {
        match &mut self.held {
            Held::Folder(folder) => folder.put_into_use(space),
            Held::Server(server) => server.put_into_use(space),
        }
    }
}

/// A library folder that this process has locked.
#[derive(Debug)]
struct LockedFolder {
    library: Library,
    layout: IndexFolders,
    lock: Arc<Lock>,
}

impl LockedFolder {
    fn open(&mut self, space: &Space) -> Result<Opened, StoreError> {
        let in_use = self.library.folder.join(&self.layout.in_use);
        match embedded::sink(&in_use, space) {
            Err(IndexError::SpaceMismatch { found, .. }) => self.open_beside(&in_use, &found, space),
            opened => Ok(Opened { sink: opened?, replaces: None }),
        }
    }

    fn open_beside(&mut self, in_use: &Path, found: &Space, space: &Space) -> Result<Opened, StoreError> {
        // Opening it publishes the changes of a killed run, which must be replaced too.
        drop(embedded::sink(in_use, found)?);
        let replaces = Some(embedded::view(&self.library, in_use)?);
        let name = layout::name_of(space);
        let folder = self.library.folder.join(&name);
        if self.layout.retired.contains(&name) {
            // Do not continue the remains of a replaced index.
            fs::remove_dir_all(&folder).map_err(io("remove", &folder))?;
            self.remove_retired()?;
        }
        Ok(Opened { sink: embedded::sink(&folder, space)?, replaces })
    }

    fn optimize(
        &self,
        cancelled: &(dyn Fn() -> bool + Sync),
        progress: &(dyn Fn(usize, usize) + Sync),
    ) -> Result<bool, StoreError> {
        Ok(embedded::optimize(&self.library.folder.join(&self.layout.in_use), cancelled, progress)?)
    }

    fn put_into_use(&mut self, space: &Space) -> Result<(), StoreError> {
        let mut layout = self.layout.clone();
        let old = std::mem::replace(&mut layout.in_use, layout::name_of(space));
        layout.retired.push(old);
        layout.write(&self.library.folder)?;
        self.layout = layout;
        self.remove_retired()
    }

    /// Removes replaced indexes. Systems that cannot remove open files keep them until the next time.
    fn remove_retired(&mut self) -> Result<(), StoreError> {
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

fn io(action: &'static str, path: &Path) -> impl FnOnce(std::io::Error) -> StoreError {
    move |source| StoreError::Io { path: path.to_owned(), action, source }
}

#[cfg(test)]
mod tests {
    use imgsearch_index::Vector;

    use super::*;
    use crate::item::Item;
    use crate::photo::{Photo, Stamp};

    fn space() -> Space {
        Space::new("a", "A", 2).unwrap()
    }

    /// Creates an index with this number of photos.
    pub(super) fn index(folder: &Path, photos: usize) {
        let sink = embedded::sink(folder, &space()).unwrap();
        let put = |photo: usize| Write::Put {
            item: Item::file(photo.to_string()),
            content: None,
            photo: Photo::read(Stamp { size: 1, modified_ns: 2, changed_ns: 3 }, 0, None),
            vector: Some(Vector::normalized(vec![1.0, 0.0]).unwrap()),
        };
        sink.apply((0..photos).map(put).collect()).unwrap();
        sink.close().unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn only_the_owner_can_read_a_library() {
        use std::os::unix::fs::PermissionsExt;
        #[track_caller]
        fn check(others: &[&str], before: Option<u32>, expected: u32) {
            let root = tempfile::tempdir().unwrap();
            let library = Library::new(root.path().join("library"));
            let set = |mode| fs::set_permissions(library.folder(), fs::Permissions::from_mode(mode)).unwrap();
            library.create().unwrap();
            for name in others {
                fs::write(library.folder().join(name), "").unwrap();
            }
            before.into_iter().for_each(set);
            let mut locked = library.lock().unwrap();
            let opened = locked.open(&space()).unwrap();
            library.remember([Path::new("/a")].into_iter()).unwrap();
            opened.sink.close().unwrap();
            let Held::Folder(held) = &locked.held else { panic!("not a folder") };
            held.layout.write(library.folder()).unwrap();
            let mode = |path: &Path| fs::symlink_metadata(path).unwrap().permissions().mode() & 0o777;
            assert_eq!(mode(library.folder()), expected);
            let all = walkdir::WalkDir::new(library.folder()).min_depth(1).into_iter().map(Result::unwrap);
            let open = all.filter(|entry| mode(entry.path()) & 0o077 != 0);
            let open: Vec<_> = open.map(|entry| entry.file_name().to_owned()).collect();
            assert_eq!(open, others);
        }
        check(&[], None, 0o700);
        // A library of an earlier version, and one in a folder of photos.
        check(&[], Some(0o755), 0o700);
        check(&["photo.jpg"], Some(0o755), 0o755);
    }

    #[test]
    fn leftovers_of_killed_processes_are_removed() {
        let root = tempfile::tempdir().unwrap();
        let library = Library::new(root.path());
        let left = root.path().join(".imgsearch-0123456789Ab.unfinished");
        fs::File::create(&left).unwrap().set_modified(std::time::UNIX_EPOCH).unwrap();
        drop(library.lock().unwrap());
        assert!(!left.exists());
    }
}
