//! What is said about NVIDIA's GPUs, with a stand-in for the driver.
#![cfg(target_os = "linux")]

use std::path::{Path, PathBuf};
use std::process::Command;

use predicates::prelude::PredicateBooleanExt;
use predicates::str::contains;

use crate::workspace::Workspace;

/// Compiles the stand-in. Returns its folder.
fn driver(workspace: &Workspace) -> PathBuf {
    let folder = workspace.root().join("driver");
    std::fs::create_dir(&folder).unwrap();
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/nvml.rs");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args([
        "--crate-type",
        "cdylib",
        "--edition",
        "2021",
        "--crate-name",
        "nvml",
        "-A",
        "warnings",
        "-o",
    ]);
    let library = folder.join("libnvidia-ml.so.1");
    assert!(rustc.arg(&library).arg(source).status().unwrap().success());
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
