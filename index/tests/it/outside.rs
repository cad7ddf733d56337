//! Uses the crate from another workspace: builds and runs a program there, offline.

use std::fs;
use std::path::Path;
use std::process::Command;

/// The program is `examples/notes.rs`. It shares only the versions of the dependencies with this workspace.
#[test]
fn a_program_outside_the_workspace_builds_and_runs() {
    let (package, build) = (Path::new(env!("CARGO_MANIFEST_DIR")), Path::new(env!("CARGO_TARGET_TMPDIR")));
    let outside = build.join("outside");
    fs::create_dir_all(&outside).unwrap();
    fs::copy(package.join("../Cargo.lock"), outside.join("Cargo.lock")).unwrap();
    let manifest = fs::read_to_string(package.join("tests/fixtures/outside/Cargo.toml")).unwrap();
    let absolute = package.to_str().unwrap().replace('\\', "/");
    fs::write(outside.join("Cargo.toml"), manifest.replace("../../..", &absolute)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let run = Command::new(env!("CARGO"))
        .args(["run", "--quiet", "--offline", "--"])
        .arg(folder.path().join("notes"))
        .current_dir(&outside)
        .env("CARGO_TARGET_DIR", build.join("outside-target"))
        .output()
        .unwrap();
    let (printed, errors) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{errors}");
    let expected = [
        "nearest: 0.88 home/monday: feed the cat",
        "nearest: 0.88 home/tuesday: feed the cat",
        "at work: 0.79 work/monday: meet the team at noon",
        "at work: 0.63 work/tuesday: send the report",
        "on mondays: 0.88 home/monday: feed the cat",
        "on mondays: 0.79 work/monday: meet the team at noon",
        "copies: 2",
        "then 4 and now 3 notes",
        "newer: true",
        "clean: true",
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected);
}
