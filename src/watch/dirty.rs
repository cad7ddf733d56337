//! The changes since the last round.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Above this many changed paths, only their folders are kept; above this many folders, only the roots. This bounds the
/// memory.
const MOST_PATHS: usize = 1_000;

#[derive(Debug, Default)]
pub(super) struct Dirty {
    paths: BTreeSet<PathBuf>,
    /// Folders with changes anywhere below them.
    folders: BTreeSet<PathBuf>,
    /// When the first of these changes was noticed, and the last.
    times: Option<(Instant, Instant)>,
}

impl Dirty {
    /// Notes a change at `path`.
    pub(super) fn mark(&mut self, path: PathBuf, roots: &[PathBuf], now: Instant) {
        self.times = Some((self.times.map_or(now, |(first, _)| first), now));
        if path.ancestors().any(|folder| self.folders.contains(folder)) {
            return;
        }
        self.paths.insert(path);
        if self.paths.len() > MOST_PATHS {
            let parent = |path: PathBuf| {
                if roots.contains(&path) { path } else { path.parent().map_or(path.clone(), Path::to_owned) }
            };
            self.folders.extend(std::mem::take(&mut self.paths).into_iter().map(parent));
        }
        if self.folders.len() > MOST_PATHS {
            self.folders = roots.iter().cloned().collect();
        }
    }

    /// When the first change was noticed, and the last; `None` if nothing has changed.
    pub(super) fn times(&self) -> Option<(Instant, Instant)> {
        self.times
    }

    /// Returns and clears the changed paths, without those below another changed folder.
    pub(super) fn take(&mut self) -> Vec<PathBuf> {
        let Dirty { mut paths, folders, .. } = std::mem::take(self);
        paths.extend(folders);
        let mut topmost: Vec<PathBuf> = Vec::new();
        // Paths are sorted by component, so everything below a folder follows it directly.
        for path in paths {
            if topmost.last().is_none_or(|last| !path.starts_with(last)) {
                topmost.push(path);
            }
        }
        topmost
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_below_a_changed_folder_are_left_out() {
        let (mut dirty, roots, now) = (Dirty::default(), ["/r".into()], Instant::now());
        for path in ["/r/b/x.jpg", "/r/a", "/r/a/1.jpg", "/r/a-b/2.jpg", "/r/a/c/3.jpg", "/r/b/y.jpg"] {
            dirty.mark(path.into(), &roots, now);
        }
        let expected = ["/r/a", "/r/a-b/2.jpg", "/r/b/x.jpg", "/r/b/y.jpg"];
        assert_eq!(dirty.take(), expected.map(PathBuf::from));
        assert_eq!((dirty.take(), dirty.times()), (Vec::new(), None));
    }

    #[test]
    fn many_changes_become_folders_and_then_roots() {
        #[track_caller]
        fn check(paths: impl Iterator<Item = String>, expected: &[&str]) {
            let (mut dirty, roots, now) = (Dirty::default(), ["/r".into(), "/s".into()], Instant::now());
            paths.for_each(|path| dirty.mark(path.into(), &roots, now));
            assert_eq!(dirty.take(), expected.iter().map(PathBuf::from).collect::<Vec<_>>());
        }
        check((0..5_000).map(|i| format!("/r/a/{i}")), &["/r/a"]);
        check((0..5_000).map(|i| format!("/r/{i}/a.jpg")), &["/r", "/s"]);
    }

    #[test]
    fn the_first_and_the_last_change_are_remembered() {
        let (mut dirty, first) = (Dirty::default(), Instant::now());
        let last = first + std::time::Duration::from_secs(3);
        dirty.mark("/r/a".into(), &[], first);
        dirty.mark("/r/a".into(), &[], last);
        assert_eq!(dirty.times(), Some((first, last)));
    }
}
