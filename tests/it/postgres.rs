//! The program on a library in PostgreSQL: commands, several workers, and a server that is killed.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use predicates::prelude::*;

use crate::servers::{new_library, postgres};
use crate::workspace::{Summary, Workspace};

/// A workspace whose library is in a database.
struct Shared {
    workspace: Workspace,
    url: String,
}

impl Shared {
    /// `None` without a server.
    fn new() -> Option<Shared> {
        Some(Shared { workspace: Workspace::new(), url: new_library(&postgres()?) })
    }

    fn process(&self, args: &[&str]) -> Command {
        let mut command = self.workspace.process(args);
        command.env("IMGSEARCH_LIBRARY", &self.url);
        command
    }

    fn imgsearch(&self, args: &[&str]) -> assert_cmd::Command {
        assert_cmd::Command::from_std(self.process(args))
    }

    fn index(&self) -> Summary {
        let photos = self.workspace.photos();
        let output =
            self.imgsearch(&["index", photos.to_str().unwrap()]).assert().success().get_output().clone();
        Summary(String::from_utf8(output.stdout).unwrap())
    }

    fn status(&self) -> serde_json::Value {
        let output = self.imgsearch(&["status", "--json"]).assert().success().get_output().clone();
        serde_json::from_slice(&output.stdout).unwrap()
    }

    fn found(&self, args: &[&str]) -> Vec<PathBuf> {
        let output = self.imgsearch(&["query", "-n", "500", "-0"]).args(args).output().unwrap();
        let paths = output.stdout.split(|byte| *byte == 0).filter(|path| !path.is_empty());
        paths.map(imgsearch::item::path_of).collect()
    }
}

#[test]
fn commands_work_on_a_library_in_a_database_as_on_a_folder() {
    let Some(shared) = Shared::new() else { return };
    let workspace = &shared.workspace;
    (0..8).for_each(|seed| drop(workspace.photo(&format!("{}/{seed}.png", seed % 2), seed)));
    workspace.photo("copy.png", 3);
    std::fs::write(workspace.photos().join("broken.jpg"), "no picture").unwrap();
    shared
        .imgsearch(&["query", "a photo"])
        .assert()
        .code(2)
        .stderr(predicate::str::contains("imgsearch index"));
    let first = shared
        .imgsearch(&["index", workspace.photos().to_str().unwrap()])
        .assert()
        .code(2)
        .get_output()
        .clone();
    Summary(String::from_utf8(first.stdout).unwrap()).check(&[("embedded", 8), ("copied", 1)]);
    // The same as in a folder.
    workspace.index(&[], 2);
    let mut expected = workspace.found(&[]);
    assert_eq!(shared.found(&["a photo"]), expected);
    let in_folder = workspace.photos().join("1");
    let in_folder = ["a photo", "--in", in_folder.to_str().unwrap()];
    assert_eq!(shared.found(&in_folder), workspace.found(&in_folder[1..]));
    let status = shared.status();
    assert_eq!(
        (&status["images"], &status["skipped"]["not a picture"]),
        (&9.into(), &workspace.status()["skipped"]["not a picture"])
    );
    // Incremental: changes, and photos that are gone.
    std::fs::remove_file(workspace.photos().join("0/4.png")).unwrap();
    workspace.photo("new.png", 50);
    shared.index().check(&[("embedded", 1), ("unchanged", 8), ("removed", 1)]);
    expected.retain(|path| !path.ends_with("0/4.png"));
    expected.push(workspace.photos().join("new.png"));
    let mut found = shared.found(&["a photo"]);
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
    for args in [
        vec!["optimize"],
        vec!["duplicates"],
        vec!["tags"],
        vec!["doctor"],
        vec!["similar", expected[0].to_str().unwrap()],
    ] {
        let code = shared.imgsearch(&args).output().unwrap();
        assert!(code.status.code().is_some_and(|code| code < 2), "{args:?}: {code:?}");
    }
    for command in ["verify", "repair"] {
        let refused = predicate::str::contains("is in a database");
        shared.imgsearch(&[command]).assert().code(2).stderr(refused);
    }
    if cfg!(not(target_os = "linux")) {
        return;
    }
    // Another model, beside the one in use.
    let model = workspace.other_model();
    let photos = workspace.photos();
    let args = ["index", "--model", model.to_str().unwrap(), photos.to_str().unwrap()];
    shared.imgsearch(&args).assert().code(2);
    assert_eq!(shared.status()["model"], "other");
    assert_eq!(shared.found(&["a photo"]).len(), expected.len());
}

#[test]
fn secrets_are_never_printed_and_not_taken_from_the_command_line() {
    let workspace = Workspace::new();
    let secret = "s3cr3t";
    let url = format!("postgres://somebody:{secret}@127.0.0.1:1/photos?library=a");
    let typed = workspace.imgsearch(&["--library", &url, "status"]).assert().code(2).get_output().clone();
    let said = String::from_utf8(typed.stderr).unwrap();
    assert!(said.contains("PGPASSWORD") && !said.contains(secret), "{said}");
    for args in [
        &["status"][..],
        &["query", "a photo"],
        &["config", "show"],
        &["doctor"],
        &["-v", "status", "--json"],
    ] {
        let mut command = workspace.imgsearch(args);
        let output = command.env("IMGSEARCH_LIBRARY", &url).env("PGPASSWORD", secret).output().unwrap();
        let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
        assert!(!said.contains(secret), "{args:?}: {said}");
        let shown = "postgres://somebody@127.0.0.1:1/photos?library=a";
        assert!(said.contains(shown), "{args:?}: {said}");
    }
}

#[test]
fn errors_say_what_to_do() {
    let workspace = Workspace::new();
    let check = |url: &str, expected: &[&str]| {
        let output = workspace.imgsearch(&["status"]).env("IMGSEARCH_LIBRARY", url).output().unwrap();
        let said = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{said}");
        assert!(expected.iter().all(|part| said.contains(part)), "{said}");
    };
    check(
        "postgres://u@127.0.0.1:1/d?library=a",
        &["could not open the library", "hint: check that the server runs"],
    );
    check("postgres://u@127.0.0.1:1/d", &["`?library=NAME`"]);
    check("postgres://u@127.0.0.1:1/d?library=a&lease=x", &["`lease`"]);
    check("postgres://u@127.0.0.1:1/d?library=a&sslrootcert=/no/file", &["/no/file"]);
    check("mysql://h/d", &["`mysql://` is not known"]);
    let Some(server) = postgres() else { return };
    let other = server.replace("/postgres", "/no-such-database");
    check(&format!("{other}?library=a"), &["does not exist", "hint: create the database"]);
}

/// Three processes share one archive, and one of them is killed.
#[test]
fn workers_share_the_work_of_indexing() {
    let Some(mut shared) = Shared::new() else { return };
    shared.url += "&lease=2";
    (0..120).for_each(|seed| drop(shared.workspace.photo(&format!("{}/{seed}.png", seed % 7), seed)));
    let photos = shared.workspace.photos();
    let start = || {
        let mut command = shared.process(&["index", "--threads", "1", photos.to_str().unwrap()]);
        command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    };
    let (mut dies, live) = (start(), [start(), start()]);
    let stored = || shared.imgsearch(&["status", "--json"]).output().unwrap().stdout;
    let count = |json: Vec<u8>| serde_json::from_slice::<serde_json::Value>(&json).ok()?["images"].as_u64();
    while count(stored()).unwrap_or(0) == 0 && dies.try_wait().unwrap().is_none() {
        std::thread::sleep(Duration::from_millis(50));
    }
    dies.kill().unwrap();
    dies.wait().unwrap();
    let mut embedded = 0;
    for worker in live {
        let output = worker.wait_with_output().unwrap();
        let summary = Summary(String::from_utf8(output.stdout).unwrap());
        assert!(output.status.success(), "{}", summary.0);
        let (own, others) = (summary.count("embedded"), summary.count("unchanged"));
        assert_eq!(own + others, 120, "{}", summary.0);
        embedded += own;
    }
    assert!(embedded <= 120, "the two that live embedded {embedded}");
    assert_eq!(shared.status()["images"], 120);
    shared.index().check(&[("unchanged", 120), ("embedded", 0)]);
}

/// A small run of `scripts/bench/workers`.
#[test]
fn every_item_is_stored_once_although_a_worker_dies() {
    let Some(server) = postgres() else { return };
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/bench/workers");
    let mut command = Command::new("python3");
    command.arg(script).args(["--items", "6000", "--any-time"]).env("IMGSEARCH_TEST_POSTGRES", server);
    // `cargo test` builds it, unless it was told which tests to build.
    let program = assert_cmd::cargo::cargo_bin("imgsearch").with_file_name("examples").join("workers");
    if program.exists() {
        command.arg("--program").arg(program);
    }
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success() && said.contains(" 0 missing"), "{said}");
}

/// A server of its own, which a test may kill.
struct Server {
    data: tempfile::TempDir,
    port: String,
}

impl Server {
    fn run(&self, action: &str) -> bool {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/postgres");
        let data = self.data.path().join("data");
        let mut command = Command::new("python3");
        command.arg(script).args([action, "--port", &self.port, "--data"]).arg(data);
        command.stdout(Stdio::null()).status().unwrap().success()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.run("kill");
    }
}

#[test]
fn nothing_is_lost_when_the_server_is_killed() {
    use std::os::unix::fs::PermissionsExt;
    if postgres().is_none() {
        return;
    }
    let data = tempfile::tempdir().unwrap();
    // As root, the server runs as another user.
    std::fs::set_permissions(data.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let server = Server { data, port: port.to_string() };
    assert!(server.run("start"));
    let url = new_library(&format!("postgres://imgsearch@127.0.0.1:{port}/postgres")) + "&lease=2";
    let shared = Shared { workspace: Workspace::new(), url };
    let photos = shared.workspace.photos();
    // Ten by hand: IMGSEARCH_TEST_KILLS=10
    let kills = std::env::var("IMGSEARCH_TEST_KILLS").map_or(3, |kills| kills.parse().unwrap());
    (0..40).for_each(|seed| drop(shared.workspace.photo(&format!("{seed}.png"), seed)));
    shared.index();
    (40..40 + 40 * kills).for_each(|seed| drop(shared.workspace.photo(&format!("{seed}.png"), seed)));
    let run = shared
        .process(&["index", "--threads", "1", photos.to_str().unwrap()])
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    for _ in 0..kills {
        std::thread::sleep(Duration::from_millis(700));
        assert!(server.run("kill"));
        // A query that comes meanwhile waits a little, and answers or fails.
        let query =
            shared.process(&["query", "-n", "500", "-0", "a photo"]).stdout(Stdio::piped()).spawn().unwrap();
        assert!(server.run("start"));
        let found = query.wait_with_output().unwrap();
        let paths = found.stdout.iter().filter(|byte| **byte == 0).count();
        assert!(!found.status.success() || paths >= 40, "{found:?}");
    }
    let output = run.wait_with_output().unwrap();
    let summary = Summary(String::from_utf8(output.stdout).unwrap());
    assert!(output.status.success(), "{}", summary.0);
    // More than once, the run was told that a batch is stored, and then the server was gone.
    let all = 40 + 40 * u64::from(kills);
    assert_eq!(
        (shared.status()["images"].as_u64(), shared.found(&["a photo"]).len() as u64),
        (Some(all), all)
    );
    shared.index().check(&[("unchanged", all), ("embedded", 0)]);
}
