//! The program as a whole on a Milvus server, and with a server that is killed.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use imgsearch::Library;
use imgsearch::item::Item;
use imgsearch::library::{Ask, Load, Secrets, Url, Write};
use imgsearch::photo::{Details, Photo, Stamp};
use imgsearch::query::Filter;
use imgsearch_index::{Space, Vector};
use serde_json::Value;

use crate::servers::{milvus, new_library};
use crate::workspace::Workspace;

/// What a command on this library prints.
#[track_caller]
fn run(workspace: &Workspace, url: &str, args: &[&str], exit: i32) -> String {
    let output = workspace.imgsearch(&["--library", url]).args(args).assert().code(exit).get_output().clone();
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn the_commands_work_on_milvus() {
    let Some(server) = milvus() else { return };
    let (workspace, url) = (Workspace::new(), new_library(&server));
    for seed in 0..5 {
        workspace.photo(&format!("{seed}.png"), seed);
    }
    workspace.photo("copy of 3.png", 3);
    let photos = workspace.photos().to_str().unwrap().to_owned();
    let said = run(&workspace, &url, &["query", "a photo"], 2);
    assert!(said.contains("there is no library") && said.contains("hint: run `imgsearch index"), "{said}");
    let said = run(&workspace, &url, &["index", &photos], 0);
    assert!(said.contains("embedded   5") && said.contains("copied     1"), "{said}");
    // The same photos in a folder give the same answers.
    workspace.index(&[], 0);
    let scores = |args: &[&str]| -> Vec<(String, String)> {
        let args = [args, &["query", "a photo in green", "--no-collapse", "--format", "jsonl"]].concat();
        let output = workspace.imgsearch(&args).assert().success().get_output().clone();
        let lines = String::from_utf8(output.stdout).unwrap();
        let line = |line| serde_json::from_str::<Value>(line).unwrap();
        let score =
            |line: Value| (line["path"].to_string(), format!("{:.2}", line["score"].as_f64().unwrap()));
        lines.lines().map(|text| score(line(text))).collect()
    };
    assert_eq!(scores(&["--library", &url]), scores(&[]));
    let said = run(&workspace, &url, &["duplicates", "--exact"], 0);
    assert!(said.contains("copy of 3.png"), "{said}");
    run(&workspace, &url, &["similar", &format!("{photos}/1.png"), "-n", "2"], 0);
    let status: Value = serde_json::from_str(&run(&workspace, &url, &["status", "--json"], 0)).unwrap();
    assert_eq!(
        (&status["images"], status["library"].as_str().unwrap().contains("milvus://")),
        (&6.into(), true)
    );
    // A photo that changes, one that goes, and nothing.
    workspace.photo("1.png", 9);
    std::fs::remove_file(workspace.photos().join("2.png")).unwrap();
    let said = run(&workspace, &url, &["index", &photos], 0);
    assert!(said.contains("embedded   1") && said.contains("removed    1"), "{said}");
    let said = run(&workspace, &url, &["index", &photos], 0);
    assert!(said.contains("nothing to do"), "{said}");
    run(&workspace, &url, &["optimize"], 0);
    let said = run(&workspace, &url, &["verify"], 2);
    assert!(said.contains("is in a database"), "{said}");
    // Out of Milvus into a folder, and back into another library.
    let export = workspace.root().join("export").to_str().unwrap().to_owned();
    run(&workspace, &url, &["library", "export", &export], 0);
    let (folder, other) = (workspace.root().join("from milvus"), new_library(&server));
    run(&workspace, folder.to_str().unwrap(), &["library", "import", &export], 0);
    let said = run(&workspace, &other, &["library", "import", &export], 0);
    assert!(said.contains("imported 5 new records"), "{said}");
    let from = |url: &str| scores(&["--library", url]);
    assert_eq!(from(folder.to_str().unwrap()), from(&url));
    assert_eq!(from(&other), from(&url));
}

/// Another model is built beside the one in use, which answers meanwhile.
#[cfg(unix)]
#[test]
fn a_library_on_milvus_changes_to_another_model() {
    let Some(server) = milvus() else { return };
    let (workspace, url) = (Workspace::new(), new_library(&server));
    (0..3).for_each(|seed| drop(workspace.photo(&format!("{seed}.png"), seed)));
    let (photos, model) = (workspace.photos(), workspace.other_model());
    let [photos, model] = [&photos, &model].map(|path| path.to_str().unwrap());
    run(&workspace, &url, &["index", photos], 0);
    let said = run(&workspace, &url, &["query", "a photo", "--model", model], 2);
    assert!(said.contains("hint: "), "{said}");
    let said = run(&workspace, &url, &["index", photos, "--model", model], 0);
    assert!(said.contains("the library now uses `other`"), "{said}");
    let status: Value = serde_json::from_str(&run(&workspace, &url, &["status", "--json"], 0)).unwrap();
    assert_eq!((status["model"].as_str(), &status["images"]), (Some("other"), &3.into()));
}

#[test]
fn a_wrong_address_is_an_error_that_says_what_to_do() {
    let workspace = Workspace::new();
    let check = |url: &str, expected: &[&str]| {
        let said = run(&workspace, url, &["status"], 2);
        assert!(expected.iter().all(|text| said.contains(text)), "{said}");
    };
    check("milvus://127.0.0.1:1/photos", &["no answer", "hint: check that Milvus runs at this address"]);
    check("milvus://127.0.0.1:1", &["the library's name"]);
    check("milvus:///photos", &["names no host"]);
    check("milvus://me:secret@127.0.0.1/photos", &["MILVUS_TOKEN"]);
    check("milvus://127.0.0.1/a-b", &["letters, digits and single underscores"]);
}

/// Three workers begin at the same time, one of them is killed, and a last run does what it has left.
#[test]
fn workers_fill_one_library() {
    let Some(server) = milvus() else { return };
    let (workspace, url) = (Workspace::new(), new_library(&server));
    for seed in 0..30 {
        workspace.photo(&format!("{}/{seed}.png", seed % 3), seed);
    }
    let root = format!("photos={}", workspace.photos().display());
    let workers = ["1/3", "2/3", "3/3"].map(|share| {
        let args = ["--library", &url, "index", "--root", &root, "--worker", share, "--threads", "1"];
        workspace.process(&args).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().unwrap()
    });
    let [mut killed, one, other] = workers;
    std::thread::sleep(Duration::from_millis(1_500));
    killed.kill().unwrap();
    killed.wait().unwrap();
    for worker in [one, other] {
        let output = worker.wait_with_output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    run(&workspace, &url, &["index", "--root", &root], 0);
    let said = run(
        &workspace,
        &url,
        &["query", "a photo", "-n", "100", "--no-collapse", "--format", "paths", "--root", &root],
        0,
    );
    let mut found: Vec<&str> = said.lines().collect();
    found.sort_unstable();
    found.dedup();
    assert_eq!((found.len(), said.lines().count()), (30, 30), "{said}");
}

/// A server of its own, which is killed.
struct Server<'a> {
    data: &'a Path,
}

impl Server<'_> {
    /// Starts it and returns its URL.
    fn start(&self) -> String {
        let output = self.script("start");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    }

    fn kill(&self) {
        assert!(self.script("stop").status.success());
    }

    fn script(&self, action: &str) -> std::process::Output {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts/milvus");
        let mut command = Command::new("python3");
        command.arg(script).arg(action).arg("--data").arg(self.data);
        command.args(["--port", &port.to_string()]).output().unwrap()
    }
}

impl Drop for Server<'_> {
    fn drop(&mut self) {
        self.script("stop");
    }
}

fn photo(number: u32) -> Write {
    let stamp = Stamp { size: 1, modified_ns: 2, changed_ns: 3 };
    let details = Details { width: number, height: 3, ..Details::default() };
    let angle = f32::from(u16::try_from(number % 1_000).unwrap()) * 0.006;
    let vector = Some(Vector::normalized(vec![angle.cos(), angle.sin()]).unwrap());
    let item = Item::file(format!("/{}/{number}.jpg", number % 10));
    Write::Put { item, content: None, photo: Photo::read(stamp, 7, Some(details)), vector }
}

/// Killed with -9 while photos are stored and searched: what was acknowledged is there, once, and the work goes on.
/// `IMGSEARCH_TEST_KILLS` says how often.
#[test]
fn a_killed_milvus_is_waited_for_and_loses_nothing() {
    if milvus().is_none() {
        return;
    }
    let kills = std::env::var("IMGSEARCH_TEST_KILLS").map_or(2, |kills| kills.parse().unwrap());
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server { data: &data };
    let url = format!("{}/photos?shards=1", server.start());
    let url = Url::parse(Path::new(&url)).unwrap();
    let library = Library::on_server(&url, &Secrets::default(), folder.path()).unwrap();
    let space = Space::new("s", "S", 2).unwrap();
    let sink = library.lock().unwrap().open(&space).unwrap().sink;
    sink.apply(vec![photo(0)]).unwrap();
    let (stored, ended) = (AtomicU32::new(1), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !ended.load(Ordering::Relaxed) {
                let first = stored.load(Ordering::Relaxed);
                sink.apply((first..first + 20).map(photo).collect()).unwrap();
                stored.store(first + 20, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            let (view, wanted, every) = (library.view(), photo(0), Filter::default());
            let Write::Put { vector: Some(wanted), .. } = wanted else { panic!("a photo has a vector") };
            // It may be killed right now.
            let view = view.or_else(|_| library.view()).unwrap();
            while !ended.load(Ordering::Relaxed) {
                // On a busy machine a start takes longer than a query waits. Then it says so.
                match view.search(&Ask::new(&wanted, 1.try_into().unwrap(), &every)) {
                    Ok(hits) => assert_eq!(hits.len(), 1),
                    Err(error) => assert!(error.to_string().contains("tried for"), "{error}"),
                }
            }
        });
        for _ in 0..kills {
            let before = stored.load(Ordering::Relaxed);
            while stored.load(Ordering::Relaxed) < before + 200 {
                std::thread::sleep(Duration::from_millis(20));
            }
            server.kill();
            server.start();
        }
        ended.store(true, Ordering::Relaxed);
    });
    sink.close().unwrap();
    let mut found = Vec::new();
    let view = library.view().unwrap();
    view.each(&Filter::default(), Load::WithVector, &mut |stored| {
        found.push(stored.photo.unwrap().details.unwrap().width);
        std::ops::ControlFlow::Continue(())
    })
    .unwrap();
    found.sort_unstable();
    assert!(found.into_iter().eq(0..stored.load(Ordering::Relaxed)));
}
