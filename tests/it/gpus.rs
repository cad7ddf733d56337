//! What is said about NVIDIA's GPUs, with a stand-in for the driver.
#![cfg(target_os = "linux")]

use std::path::PathBuf;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::models::{Newcomer, installed};
use crate::workspace::{Workspace, compile};

/// Compiles the stand-in. Returns its folder.
fn driver(workspace: &Workspace) -> PathBuf {
    let folder = workspace.root().join("driver");
    std::fs::create_dir(&folder).unwrap();
    let library = folder.join("libnvidia-ml.so.1");
    compile("nvml", &library);
    std::fs::copy(&library, folder.join("libcuda.so.1")).unwrap();
    folder
}

#[test]
fn a_gpu_that_is_not_used_is_named_with_the_reason_and_what_to_do() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let (photos, driver) = (workspace.photos(), driver(&workspace));
    let run = |args: &[&str]| workspace.imgsearch(args).env("LD_LIBRARY_PATH", &driver).assert();
    let index = |more: &[&str]| {
        let args = [&["index", "--force", photos.to_str().unwrap()], more].concat();
        run(&args).code(0)
    };
    let warning = contains("is a build of ONNX Runtime without CUDA")
        .and(contains("hint: run `imgsearch setup --cuda`"));
    index(&[]).stderr(contains("warning: NVIDIA Test Card is not used: ").and(warning));
    // Nothing was embedded, so no device was chosen.
    index(&[]).stderr(contains("Test Card").not());
    workspace.photo("b.png", 2);
    index(&["-q"]).stderr(contains("Test Card").not());
    workspace.photo("c.png", 3);
    index(&["--device", "cpu"]).stderr(contains("Test Card").not());
    let report = run(&["doctor"]).code(0);
    report
        .stdout(contains(
            "ok     GPU: NVIDIA Test Card, 8.00 GiB of memory (6.00 GiB free), driver 580.65.06 for CUDA 13.2\n",
        ))
        .stdout(contains("ok     device: the image model runs on cpu; NVIDIA Test Card is not used: "));

    // Set-up would not help.
    workspace.photo("d.png", 4);
    let mut old = workspace.imgsearch(&["index", photos.to_str().unwrap()]);
    let old = old.env("LD_LIBRARY_PATH", &driver).env("FAKE_CUDA_VERSION", "12040").assert().code(0);
    old.stderr(contains("the NVIDIA driver is too old").and(contains("hint: update NVIDIA's driver")));
}

/// `auto` never falls back to the CPU without a word.
#[test]
fn every_command_that_embeds_photos_warns_of_a_gpu_that_is_not_used() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    let driver = driver(&workspace);
    let run = |args: &[&str]| workspace.imgsearch(args).env("LD_LIBRARY_PATH", &driver).assert().code(0);
    let warning = "warning: NVIDIA Test Card is not used: ";
    let hint = "hint: run `imgsearch setup --cuda`";
    let photo = photo.to_str().unwrap();
    let classify = ["classify", photo, "--labels", "dog,cat"];
    run(&classify).stderr(contains(warning).count(1).and(contains(hint)));
    run(&[&classify[..], &["--device", "cpu"]].concat()).stderr(contains("Test Card").not());
    run(&[&classify[..], &["-q"]].concat()).stderr(contains("Test Card").not());
    let user = Newcomer::new();
    std::fs::create_dir_all(user.models()).unwrap();
    std::os::unix::fs::symlink(installed().join("models/offline"), user.models().join("offline")).unwrap();
    let bench = |more: &[&str]| {
        let args = [&["models", "bench", "--seconds", "1"], more].concat();
        let mut bench = user.imgsearch("", &args);
        bench
            .env("LD_LIBRARY_PATH", &driver)
            .env("ORT_DYLIB_PATH", installed().join("runtime"))
            .assert()
            .code(0)
    };
    bench(&["-v"])
        .stderr(contains("the image model runs on cpu\n").and(contains(warning)).and(contains(hint)));
}

#[test]
#[cfg(feature = "serve")]
fn a_server_warns_of_a_gpu_that_is_not_used() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let driver = driver(&workspace);
    let photos = workspace.photos();
    let args = ["serve", "--port", "0", "--listen", "127.0.0.1", photos.to_str().unwrap()];
    let mut server = workspace.process(&args);
    server.env("LD_LIBRARY_PATH", &driver).stderr(std::process::Stdio::piped());
    let mut server = server.stdout(std::process::Stdio::null()).spawn().unwrap();
    let (told, lines) = std::sync::mpsc::channel();
    let stderr = std::io::BufReader::new(server.stderr.take().unwrap());
    std::thread::spawn(move || {
        std::io::BufRead::lines(stderr).map_while(Result::ok).try_for_each(|line| told.send(line))
    });
    let mut said = Vec::new();
    while !said.iter().any(|line: &String| line.starts_with("hint: run `imgsearch setup --cuda`")) {
        match lines.recv_timeout(std::time::Duration::from_secs(60)) {
            Ok(line) => said.push(line),
            Err(_) => break,
        }
    }
    server.kill().unwrap();
    server.wait().unwrap();
    let said = said.join("\n");
    assert!(said.contains("warning: NVIDIA Test Card is not used: "), "{said}");
    assert!(said.contains("hint: run `imgsearch setup --cuda`"), "{said}");
}

#[test]
fn a_driver_that_does_not_work_is_said_to() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let driver = driver(&workspace);
    let doctor = |status: &str| {
        let mut doctor = workspace.imgsearch(&["doctor"]);
        doctor.env("LD_LIBRARY_PATH", &driver).env("FAKE_NVML_STATUS", status).assert().code(2)
    };
    let says =
        "wrong  GPU: the NVIDIA driver does not work: Driver/library version mismatch\n       hint: restart";
    doctor("18").stdout(contains(says));
    // Nobody can tell which GPU it is, but there is a driver, so there is one.
    workspace.photo("b.png", 2);
    let mut index = workspace.imgsearch(&["index", workspace.photos().to_str().unwrap()]);
    let index = index.env("LD_LIBRARY_PATH", &driver).env("FAKE_NVML_STATUS", "18").assert().code(0);
    let reason = "warning: the NVIDIA GPU is not used: the NVIDIA driver does not work: Driver/library version mismatch";
    index.stderr(contains(reason).and(contains("hint: restart the computer")));
    doctor("999").stdout(contains("wrong  GPU: the NVIDIA driver does not work: Unknown Error"));
}

#[test]
fn the_device_and_the_limit_are_named() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    let photos = workspace.photos();
    let index = workspace.imgsearch(&["index", "-v", photos.to_str().unwrap()]).assert().code(0);
    index
        .stderr(contains("the image model runs on cpu\nnot on cuda: "))
        .stderr(predicates::str::is_match(r"(?m)^\w+ is the limit: reading \d+ %, decoding \d+ %, embedding \d+ %, storing \d+ % busy \(batches of 4\)$").unwrap());
    let status = workspace.imgsearch(&["status"]).assert().success();
    status.stdout(contains("embedded on   cpu\n"));
}
