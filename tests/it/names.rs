//! File names in one Unicode form, typed in another.

use std::path::Path;

use crate::workspace::Workspace;

/// With one character per letter, as typed on most keyboards.
const FOLDER: &str = "Fotos M\u{fc}ller";
const FILE: &str = "T\u{fc}r.png";
/// With separate letters and dots, as a Mac writes it.
const MAC_FOLDER: &str = "Fotos Mu\u{308}ller";
const MAC_FILE: &str = "Tu\u{308}r.png";

/// `Fotos Müller/Tür.png` in some form, and another photo outside.
fn indexed(folder: &str, file: &str, args: &[&str]) -> Workspace {
    let workspace = Workspace::new();
    workspace.photo(&format!("{folder}/{file}"), 1);
    workspace.photo("other.png", 2);
    workspace.index(args, 0);
    workspace
}

/// The names of the files found.
fn found(workspace: &Workspace, args: &[&str]) -> Vec<String> {
    let mut names: Vec<_> = workspace
        .found(args)
        .iter()
        .map(|path| path.file_name().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn filters_find_names_in_any_form() {
    for (folder, file) in [(FOLDER, FILE), (MAC_FOLDER, MAC_FILE)] {
        let workspace = indexed(folder, file, &[]);
        for (typed_folder, typed_file) in [(FOLDER, FILE), (MAC_FOLDER, MAC_FILE)] {
            let inside = workspace.photos().join(typed_folder);
            let check = |args: &[&str]| assert_eq!(found(&workspace, args), [file], "{args:?}");
            check(&["--in", inside.to_str().unwrap()]);
            check(&["--glob", typed_file]);
            check(&["--glob", &format!("{typed_folder}/*")]);
        }
        // The folder may be deleted, or on a disk that is not mounted.
        let photos = workspace.photos().canonicalize().unwrap();
        std::fs::rename(photos.join(folder), workspace.root().join("gone")).unwrap();
        for typed in [FOLDER, MAC_FOLDER] {
            assert_eq!(found(&workspace, &["--in", photos.join(typed).to_str().unwrap()]), [file]);
        }
    }
}

#[test]
fn excludes_match_names_in_any_form() {
    #[track_caller]
    fn check(folder: &str, file: &str, pattern: &str) {
        let workspace = indexed(folder, file, &["--exclude", pattern]);
        assert_eq!(found(&workspace, &[]), ["other.png"], "{pattern}");
        let workspace = indexed(folder, file, &[]);
        assert_eq!(found(&workspace, &[]).len(), 2);
        std::fs::write(workspace.config(), format!("exclude = [\"{pattern}\"]")).unwrap();
        workspace.index(&[], 0).check(&[("removed", 1)]);
        assert_eq!(found(&workspace, &[]), ["other.png"], "{pattern}");
    }
    check(MAC_FOLDER, MAC_FILE, FILE);
    check(MAC_FOLDER, MAC_FILE, FOLDER);
    check(FOLDER, FILE, MAC_FILE);
    check(FOLDER, FILE, &format!("/{MAC_FOLDER}"));
}

#[test]
fn roots_and_pictures_are_found_in_any_form() {
    let workspace = Workspace::new();
    let photo = workspace.photo(&format!("{MAC_FOLDER}/{MAC_FILE}"), 1);
    workspace.photo(&format!("{MAC_FOLDER}/other.png"), 2);
    let typed = workspace.photos().join(FOLDER);
    workspace.index_paths(&[&typed], &[], 0).check(&[("embedded", 2)]);
    let picture = typed.join(FILE);
    let similar = |picture: &Path| {
        let args = ["similar", picture.to_str().unwrap(), "--format", "paths"];
        workspace.imgsearch(&args).assert().success().get_output().stdout.clone()
    };
    assert_eq!(similar(&picture), similar(&photo));
    // With a relative path.
    let mut command = workspace.imgsearch(&["query", "x", "--in", FOLDER, "--format", "paths"]);
    let output = command.current_dir(workspace.photos()).assert().success().get_output().clone();
    assert_eq!(String::from_utf8(output.stdout).unwrap().lines().count(), 2);
}
