//! Atomic replacement of files, and private files.
//!
//! A new file is written beside the old one, under an unpredictable name, and then renamed. So readers find the old bytes
//! or the new ones, and a planted symbolic link is replaced, never followed.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::Path;
use std::time::{Duration, SystemTime};

use tempfile::{Builder, NamedTempFile, TempPath};

/// Unfinished files are named with this prefix, random letters and digits, and a fixed ending. The final name is not part of
/// it, because that may already have the maximum length.
const UNFINISHED: &str = ".imgsearch-";
const UNFORESEEN: usize = 12;
const UNFINISHED_ENDING: &str = ".unfinished";

/// Unfinished files older than this were left by a killed process.
const LONGEST_WRITING: Duration = Duration::from_secs(3_600);

/// Who can read a new file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Readers {
    /// Only its owner.
    Owner,
    /// The same people as for any new file of this user.
    AsUsual,
}

/// Creates a file atomically.
///
/// # Errors
/// [`io::ErrorKind::AlreadyExists`] if the file exists, or any other error of the system. Nothing is left behind then.
pub fn create(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let new = written(path, bytes, readers)?;
    new.persist_noclobber(path).map(drop).map_err(|error| error.error)
}

/// Replaces or creates the file at `path` atomically. After a power cut the old file may be back.
///
/// # Errors
/// Any error of the system. The file at `path` is unchanged then.
pub fn replace(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    put(written(path, bytes, readers)?, path)
}

/// Like [`replace`], but durable: when it returns, the new file survives a power cut.
///
/// # Errors
/// As [`replace`].
pub fn replace_durably(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let new = written(path, bytes, readers)?;
    new.as_file().sync_all()?;
    put(new, path)?;
    sync_folder(folder_of(path))
}

/// Creates an empty file that will replace the one at `path`, for code that writes by path. [`TempPath::persist`] renames
/// it; dropping it removes it.
///
/// # Errors
/// Any error of the system.
pub fn begin(path: &Path, readers: Readers) -> io::Result<TempPath> {
    begun(path, readers).map(NamedTempFile::into_temp_path)
}

fn written(path: &Path, bytes: &[u8], readers: Readers) -> io::Result<NamedTempFile> {
    let mut new = begun(path, readers)?;
    new.write_all(bytes)?;
    Ok(new)
}

fn begun(path: &Path, readers: Readers) -> io::Result<NamedTempFile> {
    let mut builder = Builder::new();
    builder.prefix(UNFINISHED).rand_bytes(UNFORESEEN).suffix(UNFINISHED_ENDING);
    #[cfg(unix)]
    if readers == Readers::AsUsual {
        // The umask applies to this as to any new file.
        builder.permissions(std::os::unix::fs::PermissionsExt::from_mode(0o666));
    }
    #[cfg(not(unix))]
    let _ = readers;
    builder.tempfile_in(folder_of(path))
}

fn put(new: NamedTempFile, path: &Path) -> io::Result<()> {
    new.persist(path).map(drop).map_err(|error| error.error)
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// Makes the names in a folder durable. Windows neither needs nor allows this.
///
/// # Errors
/// Any error of the system.
pub fn sync_folder(folder: &Path) -> io::Result<()> {
    if cfg!(unix) { File::open(folder)?.sync_all() } else { Ok(()) }
}

/// Removes `path` if it is a symbolic link. For files that are written in place, so that a planted link is not followed.
///
/// # Errors
/// Any error of the system.
pub fn remove_link(path: &Path) -> io::Result<()> {
    if path.is_symlink() { fs::remove_file(path) } else { Ok(()) }
}

/// Reads a file of at most `most` bytes, so that neither `/dev/zero` nor a mistake can fill the memory.
///
/// # Errors
/// [`io::ErrorKind::FileTooLarge`], or any other error of the system.
pub fn read_bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most.saturating_add(1)).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > most {
        return Err(io::ErrorKind::FileTooLarge.into());
    }
    Ok(bytes)
}

/// Creates a private folder, unless it exists. Missing folders above it get the usual permissions.
///
/// # Errors
/// Any error of the system.
pub fn create_private_folder(folder: &Path) -> io::Result<()> {
    if let Some(above) = folder.parent() {
        fs::create_dir_all(above)?;
    }
    let mut builder = fs::DirBuilder::new();
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    match builder.create(folder) {
        Err(_) if folder.is_dir() => Ok(()),
        made => made,
    }
}

/// Makes a file or folder (not its contents) accessible only to its owner. If that is not permitted, nothing changes.
pub fn make_private(path: &Path) {
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let Ok(metadata) = fs::symlink_metadata(path) else { return };
        let mode = metadata.permissions().mode();
        if !metadata.is_symlink() && mode & 0o077 != 0 {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o700)).ok();
        }
    }
    #[cfg(not(unix))]
    let _ = path;
}

/// Whether this is the name of an unfinished file of [`create`], [`replace`] or [`begin`].
pub fn is_unfinished(name: &OsStr) -> bool {
    let inner = name.to_str().and_then(|name| name.strip_prefix(UNFINISHED)?.strip_suffix(UNFINISHED_ENDING));
    inner.is_some_and(|inner| {
        inner.len() == UNFORESEEN && inner.bytes().all(|byte| byte.is_ascii_alphanumeric())
    })
}

/// Removes the unfinished files of killed processes from `folder`. `now` is the time by the clock of its disk.
pub fn remove_unfinished(folder: &Path, now: SystemTime) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let written = entry.metadata().and_then(|metadata| metadata.modified());
        let is_old = |time| now.duration_since(time).is_ok_and(|age| age > LONGEST_WRITING);
        if is_unfinished(&entry.file_name()) && written.is_ok_and(is_old) {
            fs::remove_file(entry.path()).ok();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(folder: &Path) -> Vec<String> {
        let entries = fs::read_dir(folder).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn files_are_replaced_atomically_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        replace(&path, b"one", Readers::Owner).unwrap();
        replace_durably(&path, b"two", Readers::AsUsual).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
        fs::create_dir(folder.path().join("b")).unwrap();
        replace(&folder.path().join("b"), b"three", Readers::Owner).unwrap_err();
        assert_eq!(names(folder.path()), ["a", "b"]);
    }

    #[test]
    fn a_file_is_made_where_there_is_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        create(&path, b"one", Readers::AsUsual).unwrap();
        let error = create(&path, b"two", Readers::AsUsual).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!((fs::read(&path).unwrap(), names(folder.path())), (b"one".into(), vec!["a".to_owned()]));
    }

    #[test]
    fn a_name_may_have_the_maximum_length() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a".repeat(255));
        create(&path, b"one", Readers::Owner).unwrap();
        replace(&path, b"two", Readers::Owner).unwrap();
        assert_eq!(fs::read(&path).unwrap(), b"two");
    }

    #[cfg(unix)]
    #[test]
    fn private_is_for_the_owner_only() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        let mode = |name: &str| fs::symlink_metadata(at(name)).unwrap().permissions().mode() & 0o777;
        replace(&at("own"), b"", Readers::Owner).unwrap();
        replace(&at("usual"), b"", Readers::AsUsual).unwrap();
        fs::write(at("plain"), b"").unwrap();
        assert_eq!((mode("own"), mode("usual")), (0o600, mode("plain")));
        create_private_folder(&at("above/library")).unwrap();
        create_private_folder(&at("above/library")).unwrap();
        assert_eq!(mode("above/library"), 0o700);
        fs::set_permissions(at("plain"), fs::Permissions::from_mode(0o664)).unwrap();
        make_private(&at("plain"));
        assert_eq!(mode("plain"), 0o600);
    }

    #[cfg(unix)]
    #[test]
    fn a_planted_link_is_replaced_and_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (path, victim) = (folder.path().join("a"), folder.path().join("victim"));
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        replace(&path, b"new", Readers::Owner).unwrap();
        assert_eq!((fs::read(&victim).unwrap(), fs::read(&path).unwrap()), (b"mine".into(), b"new".into()));
        remove_link(&path).unwrap();
        assert!(path.exists(), "it is a file");
        fs::remove_file(&path).unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        remove_link(&path).unwrap();
        assert!(!path.is_symlink() && victim.exists());
    }

    #[test]
    fn old_unfinished_files_are_removed() {
        let folder = tempfile::tempdir().unwrap();
        let now = folder.path().metadata().unwrap().modified().unwrap();
        let left = |folder: &Path, hours| {
            let file = written(&folder.join("a"), b"", Readers::Owner).unwrap();
            file.as_file().set_modified(now - Duration::from_secs(3_601) * hours).unwrap();
            file.keep().unwrap().1.file_name().unwrap().to_str().unwrap().to_owned()
        };
        left(folder.path(), 2);
        let of_another = ".album.unfinished .imgsearch-.unfinished .imgsearch-my-own-album.unfinished";
        for name in of_another.split(' ') {
            let file = File::create(folder.path().join(name)).unwrap();
            file.set_modified(now - Duration::from_secs(7_202)).unwrap();
        }
        let mut kept: Vec<String> = of_another.split(' ').map(str::to_owned).collect();
        kept.push(left(folder.path(), 0));
        kept.sort();
        remove_unfinished(folder.path(), now);
        assert_eq!(names(folder.path()), kept);
    }

    #[test]
    fn the_limit_of_bytes_is_enforced() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a");
        fs::write(&path, "12345").unwrap();
        assert_eq!(read_bounded(&path, 5).unwrap(), b"12345");
        assert_eq!(read_bounded(&path, 4).unwrap_err().kind(), io::ErrorKind::FileTooLarge);
    }
}
