//! The folders that a library was made of, each with its rules, so that `index` without a path brings them up to date.

use std::path::{Component, Path, PathBuf};

use minicbor::{Decode, Encode};

use crate::item::{path_bytes, path_of};
use crate::walk::Rules;

/// A folder that was indexed.
#[derive(Clone, Debug, Default, PartialEq, Eq, Encode, Decode)]
pub struct Root {
    /// Its path, as bytes.
    #[cbor(n(0), with = "minicbor::bytes")]
    path: Vec<u8>,
    /// The start of the last complete run over it, in seconds since the Unix epoch; 0 if none was completed.
    #[n(1)]
    pub last_indexed: i64,
    #[n(2)]
    exclude: Vec<String>,
    #[n(3)]
    include_hidden: bool,
    #[n(4)]
    follow_symlinks: bool,
}

impl Root {
    /// The folder with these rules, not indexed yet.
    pub fn new(folder: &Path, rules: &Rules) -> Root {
        let Rules { exclude, include_hidden, follow_symlinks } = rules.clone();
        let path = path_bytes(folder).unwrap_or_default().to_vec();
        Root { path, last_indexed: 0, exclude, include_hidden, follow_symlinks }
    }

    /// The folder's absolute path.
    pub fn path(&self) -> PathBuf {
        path_of(&self.path)
    }

    /// The rules of the last run over it.
    pub fn rules(&self) -> Rules {
        let Root { exclude, include_hidden, follow_symlinks, .. } = self.clone();
        Rules { exclude, include_hidden, follow_symlinks }
    }

    /// Leaves out what is at and below `place`, from now on.
    fn leave_out(&mut self, place: &Path) {
        let Ok(inner) = place.strip_prefix(self.path()) else { return };
        let pattern = format!("/{}", escaped(&inner.to_string_lossy()));
        if !self.exclude.contains(&pattern) {
            self.exclude.push(pattern);
        }
    }

    /// Whether a run over this folder also finds everything below `other`.
    fn covers(&self, other: &Path) -> bool {
        let path = self.path();
        let Ok(inner) = other.strip_prefix(&path) else { return false };
        let is_hidden = |part: Component<'_>| part.as_os_str().as_encoded_bytes().starts_with(b".");
        path == other
            || self.exclude.is_empty() && (self.include_hidden || !inner.components().any(is_hidden))
    }
}

/// The pattern that matches just this text.
fn escaped(text: &str) -> String {
    let mut pattern = String::new();
    for c in text.chars() {
        if "*?[]\\!# ".contains(c) {
            pattern.push('\\');
        }
        pattern.push(c);
    }
    pattern
}

/// Adds folders with their rules. Folders that the new ones contain are no longer listed by themselves.
pub(super) fn add(roots: &mut Vec<Root>, folders: &[PathBuf], rules: &Rules) {
    for folder in folders {
        let new = Root::new(folder, rules);
        let before = roots.iter().find(|root| root.path == new.path).map_or(0, |root| root.last_indexed);
        roots.retain(|root| !new.covers(&root.path()));
        if !roots.iter().any(|root| root.covers(folder)) {
            roots.push(Root { last_indexed: before, ..new });
        }
    }
    roots.sort_by(|a, b| a.path.cmp(&b.path));
}

/// Notes a complete run over these folders.
pub(super) fn finish(roots: &mut [Root], folders: &[PathBuf], now: i64) {
    for root in roots {
        if folders.contains(&root.path()) {
            root.last_indexed = now;
        }
    }
}

/// Takes `place` away: as a folder of its own, or as a part of one.
pub(super) fn forget(roots: &mut Vec<Root>, place: &Path) {
    roots.retain(|root| !root.path().starts_with(place));
    roots.iter_mut().for_each(|root| root.leave_out(place));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::walk::Exclude;

    fn rules(exclude: &[&str]) -> Rules {
        Rules { exclude: exclude.iter().map(|&glob| glob.to_owned()).collect(), ..Rules::default() }
    }

    fn paths(roots: &[Root]) -> Vec<PathBuf> {
        roots.iter().map(Root::path).collect()
    }

    #[test]
    fn a_folder_inside_another_is_listed_only_if_the_other_leaves_it_out() {
        #[track_caller]
        fn check(indexed: &[(&str, &[&str])], expected: &[&str]) {
            let mut roots = Vec::new();
            for (folder, exclude) in indexed {
                add(&mut roots, &[PathBuf::from(folder)], &rules(exclude));
            }
            assert_eq!(paths(&roots), expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        }
        check(&[("/a", &[]), ("/b", &[])], &["/a", "/b"]);
        check(&[("/a", &[]), ("/a/b", &[])], &["/a"]);
        check(&[("/a/b", &["x"]), ("/a", &[])], &["/a"]);
        check(&[("/a", &["b"]), ("/a/b", &[])], &["/a", "/a/b"]);
        check(&[("/a/.b", &[]), ("/a", &[])], &["/a", "/a/.b"]);
        check(&[("/ab", &[]), ("/a", &[])], &["/a", "/ab"]);
    }

    #[test]
    fn the_last_rules_and_the_last_run_count() {
        let (mut roots, a) = (Vec::new(), PathBuf::from("/a"));
        add(&mut roots, std::slice::from_ref(&a), &rules(&["x"]));
        finish(&mut roots, std::slice::from_ref(&a), 7);
        add(&mut roots, std::slice::from_ref(&a), &rules(&["y"]));
        assert_eq!((roots[0].last_indexed, roots[0].rules().exclude), (7, vec!["y".to_owned()]));
    }

    #[test]
    fn a_forgotten_part_of_a_folder_is_left_out() {
        let mut roots = Vec::new();
        add(&mut roots, &["/a".into(), "/b".into()], &rules(&[]));
        forget(&mut roots, Path::new("/b"));
        forget(&mut roots, Path::new("/a/x [1]"));
        assert_eq!(paths(&roots), [PathBuf::from("/a")]);
        let exclude = Exclude::new(Path::new("/a"), &roots[0].rules()).unwrap();
        assert!(
            exclude.matches(Path::new("/a/x [1]/c.jpg")) && !exclude.matches(Path::new("/a/b/x [1]/c.jpg"))
        );
    }
}
