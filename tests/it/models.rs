//! `models`, with a local server in place of Hugging Face.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, mpsc};
use std::time::Duration;

use assert_cmd::Command;
use serde_json::Value;

use crate::hub_server::{COMMIT, Repo, Response, Server, git_blob, sha256};
#[cfg(unix)]
use crate::terminal::on_terminal;
use crate::workspace::{Workspace, skip};

/// A user without any models.
pub(crate) struct Newcomer(pub(crate) Workspace);

impl Newcomer {
    pub(crate) fn new() -> Newcomer {
        Newcomer(Workspace::new())
    }

    pub(crate) fn models(&self) -> PathBuf {
        self.0.root().join("data/imgsearch/models")
    }

    fn cache(&self) -> PathBuf {
        self.0.root().join("hub")
    }

    /// The partial folder of `acme/small`.
    fn partial(&self) -> PathBuf {
        self.models().join(format!(".partial/small@{COMMIT}"))
    }

    /// `imgsearch ARGS` with its own data, cache and server.
    pub(crate) fn imgsearch(&self, endpoint: &str, args: &[&str]) -> Command {
        let mut command = self.0.imgsearch(args);
        for name in [
            "HF_TOKEN",
            "HF_TOKEN_PATH",
            "HF_HOME",
            "HF_HUB_OFFLINE",
            "HF_HUB_DISABLE_IMPLICIT_TOKEN",
            "HTTP_PROXY",
            "HTTPS_PROXY",
            "ALL_PROXY",
            "NO_PROXY",
        ] {
            command.env_remove(name).env_remove(name.to_lowercase());
        }
        command
            .env("XDG_DATA_HOME", self.0.root().join("data"))
            .env("HF_HOME", self.0.root().join("hf"))
            .env("HF_HUB_CACHE", self.cache())
            .env("HF_ENDPOINT", endpoint);
        command
    }

    /// Pulls `acme/small`, and checks the exit code and stderr.
    #[track_caller]
    fn pull(&self, server: &Server, args: &[&str], exit: i32, named: &[&str]) {
        check(self.imgsearch(&server.url(), &["models", "pull", "acme/small"]).args(args), exit, named);
        assert_eq!(self.models().join("small").exists(), exit == 0, "half installed");
    }

    #[track_caller]
    pub(crate) fn stdout(&self, args: &[&str]) -> String {
        let output = self.imgsearch("http://127.0.0.1:1", args).assert().success().get_output().clone();
        String::from_utf8(output.stdout).unwrap()
    }
}

#[track_caller]
pub(crate) fn check(command: &mut Command, exit: i32, named: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(exit), "{stderr}");
    for name in named {
        assert!(stderr.contains(name), "{name} in:\n{stderr}");
    }
}

/// A server that answers the first `times` requests for this file with `answer`.
fn failing(
    file: &'static str,
    times: usize,
    how: impl Fn(Response) -> Response + Send + Sync + 'static,
) -> Server {
    let repo = Repo::small();
    Server::start(move |request| match repo.answer(request) {
        right if request.path.ends_with(file) && request.before < times => how(right),
        right => right,
    })
}

const IMAGE: &str = "/image.onnx";
const LISTING: &str = "?blobs=true";

#[test]
fn a_pulled_model_is_complete_and_works_offline() {
    let (user, server) = (Newcomer::new(), Server::of(Repo::small()));
    user.pull(&server, &[], 0, &["4 files"]);
    let mut files: Vec<_> = fs::read_dir(user.models().join("small")).unwrap().flatten().collect();
    files.sort_by_key(std::fs::DirEntry::file_name);
    let names: Vec<_> = files.iter().map(|file| file.file_name().into_string().unwrap()).collect();
    assert_eq!(names, ["image.onnx", "model.json", "pulled.json", "text.onnx", "tokenizer.json"]);
    assert_eq!(
        fs::read(user.models().join("small/image.onnx")).unwrap(),
        Repo::small().content("image.onnx")
    );
    assert!(!user.partial().exists());
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
    let info: Value = serde_json::from_str(&user.stdout(&["models", "info", "small", "--json"])).unwrap();
    assert_eq!(
        (&info["commit"], &info["embed_dim"], &info["default"]),
        (&COMMIT.into(), &4.into(), &true.into())
    );
    assert!(user.stdout(&["models", "info", "small"]).contains(&sha256(Repo::small().content("image.onnx"))));
    // A second time there is nothing to do, and only the listing is requested.
    let before = server.log().len();
    user.pull(&server, &[], 0, &[]);
    assert_eq!(server.log().len(), before + 1);
    user.pull(&server, &["--name", "b"], 0, &[]);
    assert!(user.stdout(&["models", "list"]).contains("> small"));
    user.stdout(&["models", "use", "b"]);
    assert!(user.stdout(&["models", "list"]).contains("> b"));
    user.stdout(&["models", "remove", "b"]);
    assert!(!user.models().join("b").exists());
    check(&mut user.imgsearch("", &["models", "remove", "b"]), 2, &["model `b` is not installed", "hint"]);
    check(&mut user.imgsearch("", &["models", "use", "b"]), 2, &["model `b` is not installed", "hint"]);
}

#[test]
fn the_table_is_listed_before_anything_is_installed() {
    let user = Newcomer::new();
    let list = user.stdout(&["models", "list", "--json"]);
    let models: Vec<Value> = list.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert!(models.len() >= 12);
    assert!(models.iter().all(|model| model["installed"] == false && model["suits"].is_string()));
    assert!(user.stdout(&["models", "info", "clip-b32"]).contains("Crossmodal-3600"));
    check(&mut user.imgsearch("", &["models", "info", "none-such"]), 2, &["none-such", "hint"]);
}

#[test]
fn measured_speeds_are_listed() {
    let user = Newcomer::new();
    copy_model("clip-own", &user.models().join("offline"));
    copy_model("resnet-own", &user.models().join("mine"));
    let model = |name: &str| {
        let list = user.stdout(&["models", "list", "--json"]);
        let mut models = list.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        models.find(|model| model["name"] == name).unwrap()
    };
    assert!(model("mine")["images_per_second"].is_null() && model("mine")["relative_speed"].is_null());
    assert!(model("clip-b32")["relative_speed"].is_number(), "it is estimated");
    let mut bench = user.imgsearch("", &["models", "bench", "--seconds", "1"]);
    let bench = bench.env("ORT_DYLIB_PATH", installed().join("runtime")).assert().success();
    let printed = String::from_utf8_lossy(&bench.get_output().stdout);
    assert!(printed.contains("mine ") && printed.contains("offline "), "{printed}");
    let [offline, mine] = ["offline", "mine"].map(model);
    assert_eq!(offline["relative_speed"], 1.0);
    let speed = |model: &Value| model["images_per_second"].as_f64().unwrap();
    let relative = speed(&mine) / speed(&offline);
    assert!((mine["relative_speed"].as_f64().unwrap() / relative - 1.0).abs() < 0.001);
    // Another model under that name was not measured.
    fs::remove_dir_all(user.models().join("mine")).unwrap();
    copy_model("clip-own", &user.models().join("mine"));
    assert!(model("mine")["images_per_second"].is_null());
    check(&mut user.imgsearch("", &["models", "bench", "none-such"]), 2, &["none-such", "hint"]);
}

#[test]
fn a_stronger_model_is_recommended_if_there_is_only_the_offline_one() {
    let user = Newcomer::new();
    copy_model("clip-own", &user.models().join("offline"));
    user.0.photo("a.png", 1);
    let photos = user.0.photos();
    #[track_caller]
    fn check_tip(user: &Newcomer, args: &[&str], expected: bool) {
        let mut command = user.imgsearch("", args);
        let output = command.env("ORT_DYLIB_PATH", installed().join("runtime")).output().unwrap();
        let stdout = String::from_utf8_lossy(&output.stdout);
        let is_named =
            stdout.contains("tip: `imgsearch models pull clip-b32-laion`") && stdout.contains("607 MB");
        assert_eq!(is_named, expected, "{args:?}: {stdout}");
    }
    let index = ["index", photos.to_str().unwrap()];
    check_tip(&user, &index, true);
    check_tip(&user, &index, false);
    check_tip(&user, &["status"], true);
    check_tip(&user, &["status", "--json"], false);
    check_tip(&user, &["doctor"], true);
    copy_model("resnet-own", &user.models().join("mine"));
    check_tip(&user, &["status"], false);
}

/// The folder into which `imgsearch setup` installs.
pub(crate) fn installed() -> PathBuf {
    directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned()
}

/// Installs a model of tests/goldens.
pub(crate) fn copy_model(name: &str, into: &Path) {
    let from = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/goldens/models").join(name);
    fs::create_dir_all(into).unwrap();
    for file in from.read_dir().unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), into.join(file.file_name())).unwrap();
    }
}

#[test]
fn without_a_model_the_hint_says_how_to_get_one_and_nothing_is_downloaded() {
    let (user, server) = (Newcomer::new(), Server::of(Repo::small()));
    user.0.photo("a.png", 1);
    let photos = user.0.photos();
    let mut index = user.imgsearch(&server.url(), &["index", photos.to_str().unwrap()]);
    check(&mut index, 2, &["no model", "models pull clip-b32", "imgsearch setup offline"]);
    assert!(server.log().is_empty());
}

#[test]
fn an_interrupted_download_is_resumed() {
    let cut = || failing(IMAGE, 1, |right| Response { cut: Some(70_000), ..right });
    // In the same run,
    let (user, server) = (Newcomer::new(), cut());
    user.pull(&server, &[], 0, &["connection was cut", "trying again"]);
    assert_eq!(server.asked(IMAGE)[1].headers["range"], "bytes=70000-");
    // and in the next one.
    let (user, server) = (Newcomer::new(), cut());
    user.pull(&server, &["--retries", "0"], 2, &["connection was cut", "to resume the download"]);
    assert_eq!(fs::metadata(user.partial().join("image.onnx.part")).unwrap().len(), 70_000);
    user.pull(&server, &[], 0, &["70.00 kB of them already here"]);
    assert_eq!(server.asked(IMAGE)[1].headers["range"], "bytes=70000-");
    assert_eq!(user.stdout(&["models", "verify", "small"]), "ok     small\n");
}

#[test]
fn a_server_without_ranges_sends_everything_again() {
    let repo = Repo::small();
    let server = Server::start(move |request| {
        let mut request = request.clone();
        request.headers.remove("range");
        let right = repo.answer(&request);
        let is_first = request.path.ends_with(IMAGE) && request.before == 0;
        if is_first { Response { cut: Some(70_000), ..right } } else { right }
    });
    let user = Newcomer::new();
    user.pull(&server, &[], 0, &["connection was cut"]);
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
}

#[test]
fn damaged_downloads_are_never_installed() {
    let damaged = |mut right: Response| {
        right.body[100] ^= 1;
        right
    };
    for file in [IMAGE, "/tokenizer.json"] {
        let user = Newcomer::new();
        let server = failing(file, 1, move |right| match right.body.len() {
            0..100 => Response { body: b"[]".to_vec(), ..right },
            _ => damaged(right),
        });
        user.pull(&server, &[], 2, &[&file[1..], "damaged", "hint: nothing was installed"]);
        assert!(!user.partial().join(format!("{}.part", &file[1..])).exists());
        user.pull(&server, &[], 0, &[]);
    }
    // If a part was damaged since the last attempt, that file is downloaded again.
    let (user, server) =
        (Newcomer::new(), failing(IMAGE, 1, |right| Response { cut: Some(70_000), ..right }));
    user.pull(&server, &["--retries", "0"], 2, &[]);
    fs::write(user.partial().join("image.onnx.part"), vec![7; 70_000]).unwrap();
    user.pull(&server, &[], 0, &[]);
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
}

#[test]
fn refusals_say_why_and_what_next() {
    #[track_caller]
    fn check_refusal(status: u16, code: &str, token: Option<&str>, named: &[&str]) {
        let code = code.to_owned();
        let server = Server::start(move |_| Response::new(status, "").with("x-error-code", &code));
        let user = Newcomer::new();
        let mut command = user.imgsearch(&server.url(), &["models", "pull", "acme/small@v2"]);
        token.into_iter().for_each(|token| _ = command.env("HF_TOKEN", token));
        check(&mut command, 2, named);
        assert!(!named[0].is_empty() && server.log().len() == 1, "asked again in vain");
    }
    check_refusal(404, "RepoNotFound", None, &["acme/small does not exist", "hint: check the spelling"]);
    check_refusal(404, "RevisionNotFound", None, &["no revision `v2`", "hint"]);
    check_refusal(401, "RepoNotFound", None, &["does not exist", "or is private", "HF_TOKEN"]);
    check_refusal(401, "", Some("t"), &["denies access to acme/small (status 401)", "HF_TOKEN"]);
    check_refusal(403, "", None, &["denies access to acme/small (status 403)", "HF_TOKEN"]);
    check_refusal(401, "GatedRepo", None, &["you accept its terms", "/acme/small", "HF_TOKEN"]);
    check_refusal(403, "GatedRepo", Some("t"), &["you accept its terms", "/acme/small"]);
    check_refusal(418, "", None, &["status 418"]);
}

#[test]
fn temporary_failures_are_retried() {
    for (status, file) in [(429, LISTING), (429, IMAGE), (503, LISTING), (500, IMAGE)] {
        let user = Newcomer::new();
        let server = failing(file, 1, move |_| Response::new(status, "").with("retry-after", "0"));
        user.pull(&server, &[], 0, &["trying again in"]);
        assert_eq!(server.asked(file).len(), 2, "{status}");
    }
    let (user, server) = (Newcomer::new(), failing(LISTING, 9, |_| Response::new(503, "")));
    user.pull(&server, &["--retries", "1"], 2, &["status 503", "hint: try again later"]);
    assert_eq!(server.asked(LISTING).len(), 2);
    let busy = |_| Response::new(429, "").with("retry-after", "999");
    let (user, server) = (Newcomer::new(), failing(LISTING, 9, busy));
    user.pull(&server, &[], 2, &["too many requests; the server asks to wait 999 s", "HF_TOKEN"]);
    assert_eq!(server.asked(LISTING).len(), 1);
    let user = Newcomer::new();
    let mut nobody =
        user.imgsearch("http://127.0.0.1:1", &["models", "pull", "acme/small", "--retries", "0"]);
    check(&mut nobody, 2, &["cannot download", "127.0.0.1:1", "hint"]);
}

#[test]
fn an_unexpected_answer_is_reported() {
    for body in ["<html>", "{}", r#"{"sha": "main", "siblings": []}"#] {
        let (user, server) = (Newcomer::new(), Server::start(move |_| Response::new(200, body)));
        user.pull(&server, &[], 2, &["sends an unexpected answer"]);
    }
    let empty = Server::of(Repo(vec![("README.md", b"nothing".to_vec())]));
    Newcomer::new().pull(&empty, &[], 2, &["cannot use the model acme/small", "hint"]);
    let user = Newcomer::new();
    check(&mut user.imgsearch("", &["models", "pull", "clipb32"]), 2, &["`clipb32`", "models list"]);
    let mut hidden = user.imgsearch("", &["models", "pull", "acme/small", "--name", "../x"]);
    check(&mut hidden, 2, &["`../x`"]);
}

#[test]
fn a_complete_but_unusable_model_is_not_installed() {
    let mut repo = Repo::small();
    repo.0[2].1 = b"{}".to_vec();
    Newcomer::new().pull(&Server::of(repo), &[], 2, &["cannot use it", "model.json", "hint"]);
}

#[test]
fn a_redirect_is_followed_without_the_token() {
    let repo = Repo::small();
    let store = Server::of(repo.clone());
    let port = store.port;
    let server = Server::start(move |request| {
        let is_large = request.path.ends_with(".onnx");
        let elsewhere = format!("http://localhost:{port}{}", request.path);
        if is_large { Response::new(302, "").with("location", &elsewhere) } else { repo.answer(request) }
    });
    let user = Newcomer::new();
    let mut pull = user.imgsearch(&server.url(), &["models", "pull", "acme/small"]);
    check(pull.env("HF_TOKEN", "secret"), 0, &[]);
    assert!(server.log().iter().all(|request| request.headers["authorization"] == "Bearer secret"));
    assert_eq!(store.log().len(), 2);
    assert!(store.log().iter().all(|request| !request.headers.contains_key("authorization")));
}

#[test]
fn the_token_is_the_environments_or_that_of_a_login() {
    #[track_caller]
    fn check_sent(file: &str, token: &str, variables: &[(&str, &str)], expected: Option<&str>) {
        let (user, server) = (Newcomer::new(), Server::of(Repo::small()));
        let path = user.0.root().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, token).unwrap();
        let mut pull = user.imgsearch(&server.url(), &["models", "pull", "acme/small"]);
        pull.current_dir(user.0.root()).envs(variables.iter().copied());
        check(&mut pull, 0, &[]);
        for request in server.log() {
            let sent = request.headers.get("authorization").map(String::as_str);
            assert_eq!(sent, expected, "{variables:?}");
        }
    }
    let (login, other) = ("hf/token", "elsewhere/token");
    check_sent(login, "secret\n", &[], Some("Bearer secret"));
    check_sent(login, " \n", &[], None);
    check_sent(login, "secret", &[("HF_TOKEN", "mine")], Some("Bearer mine"));
    check_sent(login, "secret", &[("HF_TOKEN", "mine"), ("HF_HUB_DISABLE_IMPLICIT_TOKEN", "1")], None);
    check_sent(login, "secret", &[("HF_HUB_DISABLE_IMPLICIT_TOKEN", "0")], Some("Bearer secret"));
    check_sent(other, "secret", &[], None);
    check_sent(other, "secret", &[("HF_TOKEN_PATH", "elsewhere/token")], Some("Bearer secret"));
    check_sent(other, "secret", &[("HF_HOME", "elsewhere")], Some("Bearer secret"));
}

#[test]
#[cfg(unix)]
fn verifying_a_large_model_shows_progress() {
    let user = Newcomer::new();
    let mut repo = Repo::small();
    // Without an origin or a digest, these files are not read.
    repo.0.retain(|(name, _)| ["model.json", "image.onnx", "text.onnx", "tokenizer.json"].contains(name));
    for (name, content) in &repo.0 {
        fs::create_dir_all(user.models().join("small")).unwrap();
        fs::write(user.models().join("small").join(name), content).unwrap();
    }
    let mut verify = user.0.process(&["models", "verify"]);
    verify.env("XDG_DATA_HOME", user.0.root().join("data")).env("TERM", "xterm");
    let (code, shown) = on_terminal(verify);
    assert!(code == 0 && shown.contains("ok     small"), "{shown}");
    assert!(shown.contains(" left small") && shown.contains("KiB/391.04 KiB"), "{shown}");
    let quiet = user.stdout(&["models", "verify"]);
    assert_eq!(quiet, "ok     small\n");
}

#[test]
fn a_stalled_request_is_retried() {
    let silent = |right| Response { cut: Some(70_000), stall: Duration::from_secs(3), ..right };
    let (user, server) = (Newcomer::new(), failing(IMAGE, 1, silent));
    user.pull(&server, &["--timeout", "1"], 0, &["timeout", "trying again"]);
    assert_eq!(server.asked(IMAGE)[1].headers["range"], "bytes=70000-");
}

#[test]
#[cfg(target_os = "linux")]
fn a_full_disk_is_reported_and_the_download_can_resume() {
    use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};
    let (user, server) = (Newcomer::new(), Server::of(Repo::small()));
    // The kernel's device for a full disk, in place of the tower's file. (A link to it would not be followed.)
    fs::create_dir_all(user.partial()).unwrap();
    let part = user.partial().join("image.onnx.part");
    match mknodat(CWD, &part, FileType::CharacterDevice, Mode::RUSR | Mode::WUSR, makedev(1, 7)) {
        Ok(()) => {
            user.pull(&server, &[], 2, &["image.onnx.part", "No space left", "hint: the disk is full"]);
            fs::remove_file(&part).unwrap();
        }
        Err(error) => skip(&format!("only root can make a full disk here ({error})")),
    }
    user.pull(&server, &[], 0, &[]);
    // A download that cannot fit is not started.
    let repo = Repo::small();
    let large = Server::start(move |request| {
        let mut listing = repo.listing();
        listing["siblings"][1]["lfs"]["size"] = (1_u64 << 60).into();
        if request.path.ends_with(LISTING) {
            Response::new(200, listing.to_string())
        } else {
            repo.answer(request)
        }
    });
    let user = Newcomer::new();
    user.pull(&large, &[], 2, &["bytes free", "hint: free some space"]);
    assert_eq!(large.log().len(), 1);
}

#[test]
fn two_processes_cannot_install_one_model_at_once() {
    let (arrived, first) = mpsc::channel();
    let (go_on, waiting) = mpsc::channel::<()>();
    let (repo, waiting) = (Repo::small(), Mutex::new(waiting));
    let server = Arc::new(Server::start(move |request| {
        if request.path.ends_with(IMAGE) {
            arrived.send(()).unwrap();
            waiting.lock().unwrap().recv_timeout(Duration::from_secs(60)).unwrap();
        }
        repo.answer(request)
    }));
    let user = Arc::new(Newcomer::new());
    let (other, its_server) = (Arc::clone(&user), Arc::clone(&server));
    let pulling = std::thread::spawn(move || other.pull(&its_server, &[], 0, &[]));
    first.recv_timeout(Duration::from_secs(60)).unwrap();
    user.pull(&server, &[], 2, &["another imgsearch", "`small`", "hint: wait"]);
    // It can neither be used nor removed before it is complete.
    check(&mut user.imgsearch("", &["models", "use", "small"]), 2, &["model `small` is not installed"]);
    go_on.send(()).unwrap();
    pulling.join().unwrap();
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
}

#[test]
fn names_that_lead_elsewhere_are_refused() {
    for name in ["../escaped.json", "/escaped.json", "a\\..\\..\\escaped.json"] {
        let mut repo = Repo::small();
        repo.0.push((name, b"{}".to_vec()));
        let (user, server) = (Newcomer::new(), Server::of(repo));
        user.pull(&server, &[], 2, &["unsafe name"]);
        assert_eq!(server.log().len(), 1);
    }
}

#[test]
fn a_name_keeps_its_model() {
    let (user, server) = (Newcomer::new(), Server::of(Repo::small()));
    user.pull(&server, &[], 0, &[]);
    let newer = Server::start(|request| {
        let listing = Repo::small().listing().to_string().replace(COMMIT, &"b".repeat(40));
        if request.path.ends_with(LISTING) { Response::new(200, listing) } else { Response::new(404, "") }
    });
    check(
        &mut user.imgsearch(&newer.url(), &["models", "pull", "acme/small"]),
        2,
        &["is taken", COMMIT, "--name", "models remove small"],
    );
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
}

#[test]
fn a_known_model_is_checked_by_its_content() {
    let server = Server::start(|request| {
        let names =
            ["config.json", "onnx/text_model_quantized.onnx", "onnx/vision_model.onnx", "tokenizer.json"];
        let repo = Repo(names.map(|name| (name, vec![1; 200_000])).to_vec());
        let is_listing =
            request.path.starts_with("/api/models/Xenova/clip-vit-base-patch32/revision/4c1807b7");
        if is_listing { Response::new(200, repo.listing().to_string()) } else { Response::new(404, "") }
    });
    let user = Newcomer::new();
    let mut pull = user.imgsearch(&server.url(), &["models", "pull", "clip-b32"]);
    check(&mut pull, 2, &["onnx/vision_model.onnx", "expects fd6e1402", "hint"]);
    assert_eq!(server.log().len(), 1);
}

#[test]
fn a_changed_file_is_detected() {
    let (user, server) = (Newcomer::new(), Server::of(Repo::small()));
    user.pull(&server, &[], 0, &[]);
    fs::write(user.models().join("small/text.onnx"), "x").unwrap();
    let output = user.imgsearch("", &["models", "verify"]).assert().code(2).get_output().clone();
    let (stdout, stderr) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(stdout.contains("wrong  small") && stdout.contains("text.onnx has changed"), "{stdout}");
    assert!(stderr.contains("hint") && stderr.contains("models remove small"), "{stderr}");
}

#[test]
fn proxies_are_used_or_bypassed_as_the_environment_says() {
    let server = Server::of(Repo::small());
    let user = Newcomer::new();
    let pull = |endpoint: &str| user.imgsearch(endpoint, &["models", "pull", "acme/small", "--retries", "0"]);
    check(pull("http://models.invalid").env("HTTP_PROXY", server.url()), 0, &[]);
    assert_eq!(server.log()[0].headers["host"], "models.invalid");
    check(pull(&server.url()).env("http_proxy", "http://127.0.0.1:1"), 2, &["cannot download"]);
    let mut direct = pull(&server.url());
    check(direct.env("http_proxy", "http://127.0.0.1:1").env("NO_PROXY", "x, 127.0.0.1"), 0, &[]);
    check(pull(&server.url()).env("HTTP_PROXY", "gopher://x"), 2, &["the proxy", "gopher://x"]);
}

/// Puts a model into the Hugging Face cache, like its own tools.
#[cfg(unix)]
fn fill_cache(user: &Newcomer, files: &[(&str, PathBuf)]) {
    let folder = user.cache().join("models--acme--small");
    for part in ["refs", "blobs"] {
        fs::create_dir_all(folder.join(part)).unwrap();
    }
    fs::write(folder.join("refs/main"), COMMIT).unwrap();
    let snapshot = folder.join("snapshots").join(COMMIT);
    fs::create_dir_all(&snapshot).unwrap();
    for (name, path) in files {
        let content = fs::read(path).unwrap();
        let blob = if content.len() > 100_000 { sha256(&content) } else { git_blob(&content) };
        fs::hard_link(path, folder.join("blobs").join(&blob))
            .or_else(|_| fs::copy(path, folder.join("blobs").join(&blob)).map(drop))
            .unwrap();
        std::os::unix::fs::symlink(format!("../../blobs/{blob}"), snapshot.join(name)).unwrap();
    }
}

#[test]
#[cfg(unix)]
fn the_hugging_face_cache_is_as_good_as_the_server() {
    let (user, repo) = (Newcomer::new(), Repo::small());
    let offline = |user: &Newcomer| {
        let mut pull = user.imgsearch("http://127.0.0.1:1", &["models", "pull", "acme/small"]);
        pull.env("HF_HUB_OFFLINE", "1");
        pull
    };
    check(&mut offline(&user), 2, &["offline", "acme/small@main", "hub", "hint: unset HF_HUB_OFFLINE"]);
    let files: Vec<_> = repo.0.iter().filter(|(name, _)| !name.contains('/')).collect();
    let files = files.into_iter().map(|(name, content)| {
        let path = user.0.root().join(name);
        fs::write(&path, content).unwrap();
        (*name, path)
    });
    fill_cache(&user, &files.collect::<Vec<_>>());
    // Online, only the listing is requested.
    let server = Server::of(repo.clone());
    user.pull(&server, &[], 0, &[]);
    assert_eq!(server.log().len(), 1);
    user.stdout(&["models", "remove", "small"]);
    check(&mut offline(&user), 0, &[]);
    assert_eq!(user.stdout(&["models", "verify"]), "ok     small\n");
    // A blob with the wrong content is detected.
    user.stdout(&["models", "remove", "small"]);
    let blob = user.cache().join("models--acme--small/blobs").join(sha256(repo.content("image.onnx")));
    fs::remove_file(&blob).unwrap();
    fs::write(&blob, "x").unwrap();
    check(&mut offline(&user), 2, &["image.onnx", "damaged"]);
    assert!(!user.models().join("small").exists());
}

/// Also tests that a model needed by a library is not removed by mistake.
#[test]
#[cfg(unix)]
fn a_pulled_model_indexes_and_answers() {
    let user = Newcomer::new();
    let installed = installed();
    let names = ["image.onnx", "model.json", "text.onnx", "tokenizer.json"];
    fill_cache(&user, &names.map(|name| (name, installed.join("models/offline").join(name))));
    let run = |args: &[&str]| {
        let mut command = user.imgsearch("http://127.0.0.1:1", args);
        command.env("HF_HUB_OFFLINE", "1").env("ORT_DYLIB_PATH", installed.join("runtime"));
        command
    };
    check(&mut run(&["models", "pull", "acme/small"]), 0, &[]);
    user.0.photo("a.png", 1);
    check(&mut run(&["index", user.0.photos().to_str().unwrap()]), 0, &[]);
    check(&mut run(&["query", "anything"]), 0, &[]);
    check(&mut run(&["models", "remove", "small"]), 2, &["every query", "--force"]);
    check(&mut run(&["query", "anything"]), 0, &[]);
    check(&mut run(&["models", "remove", "small", "--force"]), 0, &[]);
    check(&mut run(&["query", "anything"]), 2, &["hint"]);
    check(&mut run(&["models", "pull", "acme/small"]), 0, &[]);
    check(&mut run(&["query", "anything"]), 0, &[]);
}
