//! On real folders, with what the operating system really tells.

use std::fs;

use super::*;

/// A folder that is watched, and the end of the channel that stops waiting.
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

    /// What the next round is to look at, relative to the root.
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

/// Of the files in them the system misses some, because they are there before it watches the folder.
#[test]
fn photos_in_new_folders_are_within_what_is_named() {
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
fn what_is_no_change_to_a_photo_is_not_told() {
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

#[test]
fn hidden_files_are_told_when_they_are_wanted() {
    let mut watched = Watched::new(|_| (), |options| options.rules.include_hidden = true);
    watched.write(".hidden.jpg");
    assert_eq!(watched.next(), [PathBuf::from(".hidden.jpg")]);
}

#[test]
fn waiting_ends_when_it_is_told_to() {
    let mut watched = Watched::new(|_| (), |_| ());
    watched.stop.0.send(()).unwrap();
    assert_eq!(watched.watch.wait(&watched.stop.1), None);
}

#[test]
fn what_is_to_be_looked_at_again_comes_again() {
    let mut watched = Watched::new(|_| (), |_| ());
    watched.watch.look_again([watched.root.join("a.jpg")]);
    assert_eq!(watched.next(), [PathBuf::from("a.jpg")]);
}

/// Such as a disk that is plugged in later: it is looked for on a schedule, and watched when it is there.
#[test]
fn a_root_that_is_not_there_is_walked_on_a_schedule_and_then_watched() {
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
