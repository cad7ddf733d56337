//! The writer's lock: an advisory lock on a file in the index's folder.
//!
//! The system releases the lock when the process ends, however it ends, so a leftover lock file does no harm. The file
//! contains the id of the process that locked it last, for error messages.

use std::fs::{self, File, TryLockError};
use std::io::{self, Write};
use std::path::Path;

use crate::{Error, files};

const FILE_NAME: &str = "writer.lock";

/// The lock of a folder, held until it is dropped. Each writer holds its index's lock. A caller with several indexes in
/// one folder can hold one for all of them.
#[derive(Debug)]
pub struct Lock {
    file: File,
}

/// Unlocks explicitly. Closing the file is not enough: a process that another thread is just starting has a copy of it
/// until it executes its own program, and that would keep the lock.
impl Drop for Lock {
    fn drop(&mut self) {
        // If unlocking fails, the end of the process still releases the lock.
        self.file.unlock().ok();
    }
}

impl Lock {
    /// Takes the lock of `dir`, without waiting.
    ///
    /// # Errors
    /// [`Error::Locked`] while another process holds it, or an error of the system.
    pub fn acquire(dir: &Path) -> Result<Lock, Error> {
        let path = dir.join(FILE_NAME);
        files::make_way(&path)?;
        if path.is_symlink() {
            // Otherwise the process id would overwrite the link's target.
            fs::remove_file(&path).map_err(Error::io("remove", &path))?;
        }
        let opened = files::private().write(true).create(true).truncate(false).open(&path);
        let mut file = opened.map_err(Error::io("open", &path))?;
        locked(file.try_lock(), dir)?;
        write_pid(&mut file).map_err(Error::io("write", &path))?;
        Ok(Lock { file })
    }

    /// Takes a shared lock, which keeps writers away from `dir` without writing anything. `None` if there is no lock file,
    /// because then nobody has ever written here.
    ///
    /// # Errors
    /// As [`Lock::acquire`].
    pub(crate) fn acquire_to_read(dir: &Path) -> Result<Option<Lock>, Error> {
        let path = dir.join(FILE_NAME);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            opened => opened.map_err(Error::io("open", &path))?,
        };
        locked(file.try_lock_shared(), dir)?;
        Ok(Some(Lock { file }))
    }
}

fn locked(tried: Result<(), TryLockError>, dir: &Path) -> Result<(), Error> {
    let path = dir.join(FILE_NAME);
    match tried {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => Err(Error::Locked { path: dir.to_owned(), pid: read_pid(&path) }),
        Err(TryLockError::Error(source)) => Err(Error::io("lock", &path)(source)),
    }
}

fn write_pid(file: &mut File) -> std::io::Result<()> {
    file.set_len(0)?;
    writeln!(file, "{}", std::process::id())
}

/// The process id in the lock file; `None` too if the system does not allow reading a locked file.
fn read_pid(path: &Path) -> Option<u32> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_one_waits_for_the_first() {
        let dir = tempfile::tempdir().unwrap();
        let first = Lock::acquire(dir.path()).unwrap();
        let refused = Lock::acquire(dir.path()).unwrap_err();
        let own = std::process::id();
        assert!(matches!(&refused, Error::Locked { pid: Some(pid), .. } if *pid == own), "{refused}");
        drop(first);
        Lock::acquire(dir.path()).unwrap();
    }

    #[test]
    fn readers_share_it_and_keep_writers_away() {
        let dir = tempfile::tempdir().unwrap();
        assert!(Lock::acquire_to_read(dir.path()).unwrap().is_none());
        drop(Lock::acquire(dir.path()).unwrap());
        let _readers = [(); 2].map(|()| Lock::acquire_to_read(dir.path()).unwrap().unwrap());
        assert!(matches!(Lock::acquire(dir.path()), Err(Error::Locked { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn nothing_is_written_through_a_planted_link_or_into_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (path, victim) = (dir.path().join(FILE_NAME), dir.path().join("victim"));
        fs::write(&victim, "mine").unwrap();
        std::os::unix::fs::symlink(&victim, &path).unwrap();
        drop(Lock::acquire(dir.path()).unwrap());
        assert_eq!((fs::read_to_string(&victim).unwrap().as_str(), path.is_symlink()), ("mine", false));
        fs::remove_file(&path).unwrap();
        fs::create_dir(&path).unwrap();
        drop(Lock::acquire(dir.path()).unwrap());
        assert!(path.is_file());
    }

    #[test]
    fn a_file_left_behind_locks_nobody_out() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join(FILE_NAME), "1234567 and then some").unwrap();
        Lock::acquire(dir.path()).unwrap();
        assert_eq!(read_pid(&dir.path().join(FILE_NAME)), Some(std::process::id()));
    }
}
