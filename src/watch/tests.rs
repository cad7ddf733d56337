//! Tests on real folders with the operating system's events.

use std::fs;

use super::*;

/// A watched folder, and the channel that stops waiting.
struct Watched {
    folder: tempfile::TempDir,
    root: PathBuf,
    watch: Watch,
    stop: (Sender<()>, Receiver<()>),
}

impl Watched {
    fn new(prepare: impl FnOnce(&Path), change: impl FnOnce(&mut Options)) -> Watched {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path().canonicalize().unwrap().join("photos");
        fs::create_dir(&root).unwrap();
        prepare(&root);
        let mut options = Options::new(vec![root.clone()]);
        change(&mut options);
        Watched { folder, root, watch: Watch::begin(options), stop: bounded(1) }
    }

    fn write(&self, name: &str) {
        let path = self.root.join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, "a").unwrap();
    }

    /// The next round's paths, relative to the root.
    fn next(&mut self) -> Vec<PathBuf> {
        let paths = self.watch.wait(&self.stop.1).unwrap();
        paths.into_iter().map(|path| path.strip_prefix(&self.root).unwrap().to_owned()).collect()
    }
}

#[test]
fn every_kind_of_change_is_noticed() {
    let prepare = |root: &Path| {
        for name in ["changed.jpg", "removed.jpg", "old.jpg"] {
            fs::write(root.join(name), "a").unwrap();
        }
        fs::create_dir(root.join("gone")).unwrap();
        fs::write(root.join("gone/a.jpg"), "a").unwrap();
    };
    let mut watched = Watched::new(prepare, |_| ());
    let root = watched.root.clone();
    watched.write("new.jpg");
    fs::write(root.join("changed.jpg"), "other").unwrap();
    fs::remove_file(root.join("removed.jpg")).unwrap();
    fs::rename(root.join("old.jpg"), root.join("renamed.jpg")).unwrap();
    fs::rename(root.join("gone"), watched.folder.path().join("elsewhere")).unwrap();
    let inside = watched.folder.path().join("inside/deep");
    fs::create_dir_all(&inside).unwrap();
    fs::write(inside.join("b.jpg"), "a").unwrap();
    fs::rename(watched.folder.path().join("inside"), root.join("inside")).unwrap();
    let found = watched.next();
    for changed in ["new.jpg", "changed.jpg", "removed.jpg", "old.jpg", "renamed.jpg", "gone", "inside"] {
        assert!(found.contains(&changed.into()), "{changed}: {found:?}");
    }
    assert_eq!(found.len(), 7, "{found:?}");
}

/// The system misses some files, because they are created before it watches their folder.
#[test]
fn photos_in_new_folders_are_below_the_reported_paths() {
    let mut watched = Watched::new(|_| (), |_| ());
    let names: Vec<String> = (0..100).map(|i| format!("{i}/deep/er/a.jpg")).collect();
    names.iter().for_each(|name| watched.write(name));
    let mut missing = names;
    while !missing.is_empty() {
        let found = watched.next();
        missing.retain(|name| !found.iter().any(|path| Path::new(name).starts_with(path)));
    }
}

#[test]
fn reads_and_changes_to_hidden_or_own_files_are_ignored() {
    let prepare = |root: &Path| {
        fs::write(root.join("read.jpg"), "a").unwrap();
        fs::create_dir_all(root.join(".cache")).unwrap();
        fs::create_dir_all(root.join("library")).unwrap();
    };
    let own = |options: &mut Options| options.ignored.push(options.roots[0].join("library"));
    let mut watched = Watched::new(prepare, own);
    fs::read(watched.root.join("read.jpg")).unwrap();
    for name in [".cache/a.jpg", ".b.jpg", "library/manifest", "at last.jpg"] {
        watched.write(name);
    }
    assert_eq!(watched.next(), [PathBuf::from("at last.jpg")]);
}

/// Events name real paths. If the library's own folder were not recognised, each round would cause the next one.
#[test]
#[cfg(unix)]
fn an_own_folder_is_ignored_if_it_is_given_through_a_link() {
    let prepare = |root: &Path| {
        fs::create_dir(root.join("library")).unwrap();
        std::os::unix::fs::symlink(root, root.with_file_name("link")).unwrap();
    };
    let own = |options: &mut Options| {
        options.ignored.push(options.roots[0].with_file_name("link").join("library"));
    };
    let mut watched = Watched::new(prepare, own);
    for name in ["library/manifest", "at last.jpg"] {
        watched.write(name);
    }
    assert_eq!(watched.next(), [PathBuf::from("at last.jpg")]);
}

#[test]
fn hidden_files_are_reported_when_included() {
    let mut watched = Watched::new(|_| (), |options| options.rules.include_hidden = true);
    watched.write(".hidden.jpg");
    assert_eq!(watched.next(), [PathBuf::from(".hidden.jpg")]);
}

#[test]
fn a_stop_message_ends_waiting() {
    let mut watched = Watched::new(|_| (), |_| ());
    watched.stop.0.send(()).unwrap();
    assert_eq!(watched.watch.wait(&watched.stop.1), None);
}

#[test]
fn paths_marked_for_a_later_round_are_returned_again() {
    let mut watched = Watched::new(|_| (), |_| ());
    watched.watch.look_again([watched.root.join("a.jpg")]);
    assert_eq!(watched.next(), [PathBuf::from("a.jpg")]);
}

/// For example, a disk that is plugged in later.
#[test]
fn a_missing_root_is_tried_on_a_schedule_and_watched_once_it_exists() {
    let remove = |root: &Path| fs::remove_dir(root).unwrap();
    let mut watched = Watched::new(remove, |options| options.rescan = Duration::from_millis(20));
    assert_eq!(watched.watch.unwatched().map(|(path, _)| path).collect::<Vec<_>>(), [&watched.root]);
    assert_eq!(watched.next(), [PathBuf::new()]);
    watched.write("a.jpg");
    while watched.watch.unwatched().count() > 0 {
        watched.next();
    }
    watched.write("b.jpg");
    while !watched.next().contains(&"b.jpg".into()) {}
}
