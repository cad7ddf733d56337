//! Patterns of files and folders that the user leaves out.

use std::path::Path;

use ignore::gitignore::{Gitignore, GitignoreBuilder};

use super::Rules;
use crate::name::{normal_path, normal_text};

/// A pattern of [`Rules::exclude`] that is not a glob.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a glob: {detail}")]
pub struct PatternError {
    /// The pattern.
    pub pattern: String,
    /// What is wrong with it.
    pub detail: String,
}

/// The user's exclude patterns for one root. Patterns and paths are compared in one normal form.
#[derive(Debug)]
pub struct Exclude {
    matcher: Gitignore,
}

impl Exclude {
    /// Compiles the patterns.
    ///
    /// # Errors
    /// [`PatternError`] if a pattern is not a valid glob.
    pub fn new(root: &Path, rules: &Rules) -> Result<Exclude, PatternError> {
        let refuse = |pattern: &str, error: ignore::Error| PatternError {
            pattern: pattern.to_owned(),
            detail: error.to_string(),
        };
        let mut builder = GitignoreBuilder::new(normal_path(root));
        // Git takes a lone `[` literally, but a user who types one has probably made a mistake.
        builder.allow_unclosed_class(false);
        for pattern in &rules.exclude {
            builder.add_line(None, &normal_text(pattern)).map_err(|error| refuse(pattern, error))?;
        }
        let matcher = builder.build().map_err(|error| refuse(&rules.exclude.join(" "), error))?;
        Ok(Exclude { matcher })
    }

    /// Whether `path`, a file at or below the root, or a folder above it, is excluded.
    pub fn matches(&self, path: &Path) -> bool {
        let (root, path) = (self.matcher.path(), normal_path(path));
        path != root
            && path.starts_with(root)
            && self.matcher.matched_path_or_any_parents(path, false).is_ignore()
    }

    /// Whether a pattern is about `path` itself, and not about a folder above it.
    pub(super) fn matches_itself(&self, path: &Path, is_dir: bool) -> bool {
        self.matcher.matched(normal_path(path), is_dir).is_ignore()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invalid_pattern_is_reported() {
        let rules = Rules { exclude: vec!["[".into()], ..Rules::default() };
        assert!(Exclude::new(Path::new("/"), &rules).unwrap_err().to_string().contains("`[`"));
    }

    #[test]
    fn excluded_folders_exclude_what_is_below_them() {
        #[track_caller]
        fn check(pattern: &str, path: &str, expected: bool) {
            let rules = Rules { exclude: vec![pattern.into()], ..Rules::default() };
            assert_eq!(Exclude::new(Path::new("/r"), &rules).unwrap().matches(Path::new(path)), expected);
        }
        check("deep", "/r/a/deep/b.jpg", true);
        check("*.gif", "/r/a/b.gif", true);
        check("*.gif", "/r/a/b.jpg", false);
        check("/a", "/r/b/a/c.jpg", false);
        check("*", "/elsewhere/a.jpg", false);
        // `Tür` as typed, and as a Mac writes it.
        check("T\u{fc}r*", "/r/Tu\u{308}r/a.jpg", true);
        check("Tu\u{308}r.jpg", "/r/T\u{fc}r.jpg", true);
    }
}
