//! Notices that folders have changed since they were indexed.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use imgsearch::library::{Note, Root};
use jiff::Timestamp;

use crate::progress;
use crate::render::ago;
use crate::settings::{Settings, zone};

/// How many entries of a folder are looked at: enough for a year or an event a subfolder, and quick on a network share.
const MOST_ENTRIES: usize = 1_000;

/// Prints a line if a folder of the library has changed since it was indexed.
pub(super) fn print(settings: &Settings, note: &Note) {
    if settings.ui.is_quiet() || !settings.ui.stderr_is_terminal {
        return;
    }
    for (folder, indexed) in changed(note) {
        let when = Timestamp::from_second(indexed)
            .map_or_else(|_| String::new(), |time| format!(" {}", ago(time, Timestamp::now(), zone())));
        progress::print_note(&format!(
            "{} has changed since it was indexed{when}: `imgsearch index` adds what is new",
            folder.display()
        ));
    }
}

/// The folders that have changed, with the time at which they were last looked at, in seconds since the Unix epoch.
///
/// A folder changes when a file in it is added, removed or renamed. Only the folders themselves and those right below
/// them are looked at, so this takes milliseconds and can miss changes further down.
fn changed(note: &Note) -> Vec<(PathBuf, i64)> {
    let looked = |root: &Root| root.last_indexed.max(note.last_looked);
    let complete = note.roots().iter().filter(|root| root.last_indexed > 0);
    let with_time = complete.map(|root| (root.path(), looked(root)));
    with_time.filter(|(folder, looked)| newest(folder).is_some_and(|newest| newest > *looked)).collect()
}

/// When the folder or one right below it changed, in whole seconds since the Unix epoch.
fn newest(folder: &Path) -> Option<i64> {
    let entries = fs::read_dir(folder).ok()?.take(MOST_ENTRIES).flatten();
    let below = entries.filter(|entry| {
        let is_hidden = entry.file_name().as_encoded_bytes().starts_with(b".");
        !is_hidden && entry.file_type().is_ok_and(|kind| kind.is_dir())
    });
    let all = std::iter::once(folder.to_owned()).chain(below.map(|entry| entry.path()));
    let seconds = |time: Duration| i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
    let changed = |path: PathBuf| {
        Some(seconds(path.metadata().ok()?.modified().ok()?.duration_since(UNIX_EPOCH).ok()?))
    };
    all.filter_map(changed).max()
}
