//! The paths that assistants see.

use std::path::{Component, Path, PathBuf};

use crate::cli::McpPaths;
use crate::serve::problem::Problem;

/// Shortens paths for assistants, and understands shortened ones.
#[derive(Clone, Debug)]
pub(super) struct Paths {
    how: McpPaths,
    /// The folder that contains all photos; `None` if that is the root of the file system.
    base: Option<PathBuf>,
}

impl Paths {
    pub(super) fn new(how: McpPaths, base: Option<PathBuf>) -> Paths {
        Paths { how, base }
    }

    /// Whether the assistant sees whole paths.
    pub(super) fn are_whole(&self) -> bool {
        self.how == McpPaths::Absolute
    }

    /// The path that the assistant sees, if any.
    pub(super) fn told(&self, path: &Path) -> Option<PathBuf> {
        match self.how {
            McpPaths::Absolute => Some(path.to_owned()),
            McpPaths::None => None,
            McpPaths::Relative => {
                let inside = self.base.as_ref().and_then(|base| path.strip_prefix(base).ok());
                Some(inside.map_or_else(|| with_its_folder(path), Path::to_owned))
            }
        }
    }

    /// The folder that the assistant means.
    pub(super) fn folder(&self, typed: &str) -> Result<PathBuf, Problem> {
        let typed = Path::new(typed);
        match &self.base {
            _ if typed.is_absolute() => Ok(typed.to_owned()),
            Some(base) if self.how == McpPaths::Relative => Ok(base.join(typed).components().collect()),
            _ => {
                let problem =
                    Problem::unprocessable(format!("folder: `{}` is not an absolute path", typed.display()));
                Err(problem.hint(Some("ask the user for the whole path".to_owned())))
            }
        }
    }
}

/// `2023/a.jpg` of `/home/ann/2023/a.jpg`.
fn with_its_folder(path: &Path) -> PathBuf {
    let mut last: Vec<_> = path.components().rev().take(2).collect();
    last.reverse();
    last.into_iter().filter(|part| matches!(part, Component::Normal(_))).collect()
}

/// Finds the folder that contains all photos.
#[derive(Default)]
pub(super) struct Common(Option<PathBuf>);

impl Common {
    pub(super) fn add(&mut self, path: &Path) {
        let Some(folder) = path.parent() else { return };
        match &mut self.0 {
            Some(common) => {
                while !folder.starts_with(&*common) {
                    common.pop();
                }
            }
            None => self.0 = Some(folder.to_owned()),
        }
    }

    /// `None` for the root of the file system, because paths relative to it would be complete.
    pub(super) fn folder(self) -> Option<PathBuf> {
        self.0.filter(|folder| folder.components().any(|part| matches!(part, Component::Normal(_))))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn base_of(paths: &[&str], expected: Option<&str>) -> Option<PathBuf> {
        let mut common = Common::default();
        paths.iter().for_each(|path| common.add(Path::new(path)));
        let base = common.folder();
        assert_eq!(base.as_deref(), expected.map(Path::new));
        base
    }

    #[test]
    fn the_base_holds_all_photos() {
        base_of(&[], None);
        base_of(&["/home/ann/Photos/a.jpg"], Some("/home/ann/Photos"));
        base_of(&["/home/ann/Photos/2023/a.jpg", "/home/ann/Photos/b.jpg"], Some("/home/ann/Photos"));
        base_of(&["/home/ann/Photos/a.jpg", "/home/ann/Photos2/b.jpg"], Some("/home/ann"));
        base_of(&["/home/ann/a.jpg", "/mnt/nas/b.jpg"], None);
    }

    #[test]
    fn paths_are_told_as_the_user_wants() {
        #[track_caller]
        fn check(how: McpPaths, base: Option<&str>, expected: Option<&str>) {
            let paths = Paths::new(how, base.map(PathBuf::from));
            let told = paths.told(Path::new("/home/ann/Photos/2023/a.jpg"));
            assert_eq!(told.as_deref(), expected.map(Path::new));
        }
        check(McpPaths::Relative, Some("/home/ann/Photos"), Some("2023/a.jpg"));
        check(McpPaths::Relative, Some("/mnt"), Some("2023/a.jpg"));
        check(McpPaths::Relative, None, Some("2023/a.jpg"));
        check(McpPaths::Absolute, Some("/home/ann/Photos"), Some("/home/ann/Photos/2023/a.jpg"));
        check(McpPaths::None, Some("/home/ann/Photos"), None);
        assert_eq!(with_its_folder(Path::new("/a.jpg")), Path::new("a.jpg"));
    }

    #[test]
    fn folders_are_understood_as_they_are_told() {
        let relative = Paths::new(McpPaths::Relative, Some("/home/ann".into()));
        assert_eq!(relative.folder("2023").unwrap(), Path::new("/home/ann/2023"));
        assert_eq!(relative.folder("./").unwrap(), Path::new("/home/ann"));
        assert_eq!(relative.folder("/mnt").unwrap(), Path::new("/mnt"));
        for paths in [Paths::new(McpPaths::Relative, None), Paths::new(McpPaths::Absolute, Some("/a".into()))]
        {
            assert!(paths.folder("2023").unwrap_err().told().contains("folder: `2023`"));
        }
    }
}
