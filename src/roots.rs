//! Named roots: folders that have another path on each machine.
//!
//! A library that several machines share cannot store `/mnt/nas/photos/a.jpg` if another machine has the same photo at
//! `/Volumes/photos/a.jpg`. With a root named `photos` both store `@photos/a.jpg`, and each of them knows what `@photos` is.
//! An ordinary path is absolute and so never begins with `@`; libraries without named roots stay as they are.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::item::{path_bytes, path_of};
use crate::name::normal_path;

/// What a stored path below a named root begins with.
const MARK: u8 = b'@';

/// The longest name, in bytes.
const LONGEST: usize = 64;

/// The named roots of this machine. Clones share them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Roots {
    /// Names with their mark, and folders. Folders inside others come first.
    all: Arc<Vec<(PathBuf, PathBuf)>>,
}

/// Why roots are refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RootError {
    /// A name has other characters than letters, digits, `-`, `_` and `.`, or begins with a dot, or is empty or too long.
    #[error("`{name}` cannot be the name of a root: use 1 to {LONGEST} letters, digits, `-`, `_` and `.`")]
    Name {
        /// The name.
        name: String,
    },
    /// Two roots have the same name, or two names mean the same folder.
    #[error("the roots `{one}` and `{other}` have the same name or the same folder")]
    Twice {
        /// The first name.
        one: String,
        /// The second name.
        other: String,
    },
}

impl Roots {
    /// The roots with these names and absolute folders.
    ///
    /// # Errors
    /// [`RootError`].
    pub fn new(named: impl IntoIterator<Item = (String, PathBuf)>) -> Result<Roots, RootError> {
        let mut all: Vec<(PathBuf, PathBuf)> = Vec::new();
        for (name, folder) in named {
            let is_good = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let is_name =
                (1..=LONGEST).contains(&name.len()) && !name.starts_with('.') && name.bytes().all(is_good);
            if !is_name {
                return Err(RootError::Name { name });
            }
            let marked = PathBuf::from(format!("@{name}"));
            if let Some((other, _)) = all.iter().find(|(other, of)| *other == marked || *of == folder) {
                let one = other.to_string_lossy().trim_start_matches('@').to_owned();
                return Err(RootError::Twice { one, other: name });
            }
            all.push((marked, folder));
        }
        all.sort_by_key(|(_, folder)| std::cmp::Reverse(folder.components().count()));
        Ok(Roots { all: Arc::new(all) })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// The folders.
    pub fn folders(&self) -> impl Iterator<Item = &Path> {
        self.all.iter().map(|(_, folder)| folder.as_path())
    }

    /// The path that the library stores for a path of this machine.
    pub fn stored(&self, path: &Path) -> PathBuf {
        self.all
            .iter()
            .find_map(|(name, folder)| moved(path, folder, name))
            .unwrap_or_else(|| path.to_owned())
    }

    /// The path on this machine for a stored path. A path below a root that this machine does not know stays as it is.
    pub fn local(&self, stored: &Path) -> PathBuf {
        self.all
            .iter()
            .find_map(|(name, folder)| moved(stored, name, folder))
            .unwrap_or_else(|| stored.to_owned())
    }

    /// The stored paths of a folder: its own, and those of roots inside it.
    pub fn stored_folders(&self, folder: &Path) -> Vec<PathBuf> {
        let inside = self.all.iter().filter(|(_, root)| root != folder && root.starts_with(folder));
        let inside = inside.map(|(name, _)| name.clone());
        std::iter::once(self.stored(folder)).chain(inside).collect()
    }

    /// The same for a folder in NFC, as filters have it.
    pub fn stored_folders_in_nfc(&self, folder: &Path) -> Vec<PathBuf> {
        let in_nfc = self.all.iter().map(|(name, folder)| (name.clone(), normal_path(folder).into_owned()));
        Roots { all: Arc::new(in_nfc.collect()) }.stored_folders(folder)
    }
}

/// Whether a stored path is below a named root.
pub fn is_named(stored: &Path) -> bool {
    path_bytes(stored).is_some_and(|bytes| bytes.first() == Some(&MARK))
}

/// `path` with `from` at its start replaced by `to`; `None` if it is not below `from`.
fn moved(path: &Path, from: &Path, to: &Path) -> Option<PathBuf> {
    let rest = path.strip_prefix(from).ok()?;
    Some(if rest.as_os_str().is_empty() { to.to_owned() } else { to.join(rest) })
}

/// [`Roots::local`] for the bytes of a path.
pub fn local_bytes(roots: &Roots, stored: &[u8]) -> Option<Vec<u8>> {
    if stored.first() != Some(&MARK) {
        return None;
    }
    path_bytes(&roots.local(&path_of(stored))).map(<[u8]>::to_vec)
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn roots(named: &[(&str, &str)]) -> Result<Roots, RootError> {
        Roots::new(named.iter().map(|(name, folder)| ((*name).to_owned(), PathBuf::from(folder))))
    }

    #[test]
    fn paths_below_a_root_are_stored_by_its_name() {
        let roots = roots(&[("photos", "/mnt/nas/photos"), ("new", "/mnt/nas/photos/new")]).unwrap();
        #[track_caller]
        fn check(roots: &Roots, local: &str, stored: &str) {
            assert_eq!(roots.stored(Path::new(local)), Path::new(stored));
            assert_eq!(roots.local(Path::new(stored)), Path::new(local));
        }
        check(&roots, "/mnt/nas/photos/2003/a.jpg", "@photos/2003/a.jpg");
        check(&roots, "/mnt/nas/photos", "@photos");
        check(&roots, "/mnt/nas/photos/new/a.jpg", "@new/a.jpg");
        check(&roots, "/mnt/nas/photos2/a.jpg", "/mnt/nas/photos2/a.jpg");
        assert_eq!(roots.local(Path::new("@others/a.jpg")), Path::new("@others/a.jpg"));
        let folders = |folder| roots.stored_folders(Path::new(folder));
        assert_eq!(folders("/mnt/nas"), ["/mnt/nas", "@new", "@photos"].map(PathBuf::from));
        assert_eq!(folders("/mnt/nas/photos"), ["@photos", "@new"].map(PathBuf::from));
        assert_eq!(folders("/mnt/nas/photos/2003"), [PathBuf::from("@photos/2003")]);
    }

    #[test]
    fn names_are_plain_and_used_once() {
        for name in ["", "a/b", "@a", "..", "a b", "\u{fc}"] {
            assert!(matches!(roots(&[(name, "/a")]), Err(RootError::Name { .. })), "{name}");
        }
        assert!(roots(&[("a", "/a"), ("a", "/b")]).is_err());
        assert!(roots(&[("a", "/a"), ("b", "/a")]).is_err());
        assert!(roots(&[("a.b-c_1", "/a")]).is_ok());
    }
}
