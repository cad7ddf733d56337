//! Which folders `index` goes to, and with which rules: those that were named, or else those that the library knows.

use std::io;
use std::path::PathBuf;

use anyhow::{Result, bail};
use imgsearch::walk::{Rules, resolve_roots};

use crate::commands::{absolute, noted};
use crate::progress;
use crate::settings::Settings;
use crate::usage::UsageError;

/// The folders to go to.
pub(super) struct Errand {
    /// At least one.
    pub(super) parts: Vec<Part>,
    /// Whether every named path can be indexed.
    pub(super) is_complete: bool,
}

/// Folders with the same rules, which one run covers.
pub(super) struct Part {
    pub(super) roots: Vec<PathBuf>,
    pub(super) gone_roots: Vec<PathBuf>,
    pub(super) rules: Rules,
}

/// The paths on the command line.
pub(super) fn named(paths: &[PathBuf], rules: Rules, prune: bool) -> Result<Errand> {
    let (roots, missing) = resolve_roots(paths);
    let (gone, missing): (Vec<_>, Vec<_>) =
        missing.into_iter().partition(|(_, error)| prune && error.kind() == io::ErrorKind::NotFound);
    for (root, error) in &missing {
        progress::print_warning(&format!("cannot index {}: {error}", root.display()));
    }
    if roots.is_empty() && gone.is_empty() {
        bail!("none of the given paths can be indexed");
    }
    let gone_roots = gone.iter().map(|(root, _)| absolute(root)).collect::<Result<_>>()?;
    Ok(Errand { parts: vec![Part { roots, gone_roots, rules }], is_complete: missing.is_empty() })
}

/// The folders of the library, each with the rules with which it was last indexed and with `more`.
pub(super) fn known(settings: &Settings, more: &Rules, prune: bool) -> Result<Errand> {
    let note = noted(&settings.library)?;
    let mut parts: Vec<Part> = Vec::new();
    let mut is_any = false;
    for root in note.roots() {
        let rules = both(root.rules(), more);
        let path = root.path();
        let is_gone =
            matches!(path.symlink_metadata(), Err(error) if error.kind() == io::ErrorKind::NotFound);
        is_any |= !is_gone || prune;
        if is_gone && !prune {
            let hint = "if it is gone for good, `imgsearch forget` removes it";
            progress::print_note(&format!(
                "{} is not there now, so its photos are kept; {hint}",
                path.display()
            ));
            continue;
        }
        let at = parts.iter().position(|part| is_same(&part.rules, &rules)).unwrap_or_else(|| {
            parts.push(Part { roots: Vec::new(), gone_roots: Vec::new(), rules });
            parts.len() - 1
        });
        if is_gone { parts[at].gone_roots.push(path) } else { parts[at].roots.push(path) }
    }
    if note.roots().is_empty() {
        let error = UsageError::new("no folder has been indexed yet, so name one");
        return Err(error.hint("`imgsearch index ~/Photos`; after that, `imgsearch index` is enough").into());
    }
    if !is_any {
        bail!("none of the folders that were indexed is there now");
    }
    Ok(Errand { parts, is_complete: true })
}

/// Exclude patterns only add up. The other rules hold if either has them.
fn both(mut rules: Rules, more: &Rules) -> Rules {
    let new = more.exclude.iter().filter(|pattern| !rules.exclude.contains(pattern)).cloned();
    rules.exclude.extend(new.collect::<Vec<_>>());
    rules.include_hidden |= more.include_hidden;
    rules.follow_symlinks |= more.follow_symlinks;
    rules
}

fn is_same(a: &Rules, b: &Rules) -> bool {
    let Rules { exclude, include_hidden, follow_symlinks } = a;
    (exclude, include_hidden, follow_symlinks) == (&b.exclude, &b.include_hidden, &b.follow_symlinks)
}
