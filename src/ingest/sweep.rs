//! Last stage: files that are gone leave the library.
//!
//! Only under roots that were walked to their end, never below a folder that could not be looked at, and never on a
//! disk that is merely not mounted.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use imgsearch_index::{Change, Key};

use super::scan::Walked;
use super::{Event, IngestError, Run, Totals};
use crate::library::Note;
use crate::photo::{is_under, path_bytes};

/// Keys removed at once.
const BATCH: usize = 1_000;

pub(super) fn remove_gone(
    run: &Run<'_>,
    walked: &Walked,
    note: &mut Note,
    totals: &mut Totals,
) -> Result<(), IngestError> {
    let roots = &run.plan.roots;
    let absent = if run.plan.prune { Vec::new() } else { absent_disks(roots, walked, note) };
    let mut kept: BTreeMap<&Path, u64> = BTreeMap::new();
    for root in roots {
        let mut gone = Vec::new();
        for entry in run.writer.records(path_bytes(root).unwrap_or_default()) {
            let (key, _) = entry?;
            if !is_under(key.as_bytes(), root)
                || walked.has_seen(&key)
                || is_below(&key, &walked.unreadable).is_some()
            {
                continue;
            }
            match is_below(&key, &absent) {
                Some(disk) => *kept.entry(disk).or_default() += 1,
                None => gone.push(Change::Delete { key }),
            }
            if gone.len() == BATCH {
                totals.removed += BATCH as u64;
                run.writer.apply(std::mem::take(&mut gone))?;
            }
        }
        totals.removed += gone.len() as u64;
        run.writer.apply(gone)?;
    }
    for (folder, photos) in kept {
        totals.kept += photos;
        run.reporter.report(Event::Kept { folder, photos });
    }
    note.retain_mount_points(|mount| absent.iter().any(|disk| disk == mount) || !is_walked(roots, mount));
    walked.mount_points.iter().for_each(|mount| note.add_mount_point(mount));
    Ok(())
}

/// Mount points of earlier runs that the walk should have met, and that are now missing or empty.
fn absent_disks(roots: &[PathBuf], walked: &Walked, note: &Note) -> Vec<PathBuf> {
    let mounted = |mount: &PathBuf| walked.mount_points.contains(mount) || walked.populated.contains(mount);
    note.mount_points().filter(|mount| is_walked(roots, mount) && !mounted(mount)).collect()
}

fn is_walked(roots: &[PathBuf], folder: &Path) -> bool {
    roots.iter().any(|root| folder.starts_with(root))
}

fn is_below<'a>(key: &Key, folders: &'a [PathBuf]) -> Option<&'a Path> {
    folders.iter().map(PathBuf::as_path).find(|folder| is_under(key.as_bytes(), folder))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_disk_is_absent_when_its_mount_point_is_walked_and_has_neither_mount_nor_files() {
        #[track_caller]
        fn check(root: &str, mounted: &[&str], populated: &[&str], expected: &[&str]) {
            let mut note = Note::default();
            note.add_mount_point(Path::new("/home/me/disk"));
            let mut walked = Walked::default();
            walked.mount_points.extend(mounted.iter().map(PathBuf::from));
            walked.populated.extend(populated.iter().map(PathBuf::from));
            let expected: Vec<PathBuf> = expected.iter().map(PathBuf::from).collect();
            assert_eq!(absent_disks(&[root.into()], &walked, &note), expected);
        }
        check("/home/me", &[], &[], &["/home/me/disk"]);
        check("/home/me/disk", &[], &[], &["/home/me/disk"]);
        check("/home/me", &["/home/me/disk"], &[], &[]);
        check("/home/me", &[], &["/home/me/disk"], &[]);
        check("/home/you", &[], &[], &[]);
    }
}
