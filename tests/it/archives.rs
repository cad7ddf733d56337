//! Models from archives.

use std::fs;
use std::io::{Cursor, Write};
use std::path::PathBuf;

use assert_cmd::Command;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::Value;
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use crate::hub_server::Repo;
use crate::model_goldens::goldens;
use crate::models::{Newcomer, check};

/// A small working model in Immich's layout.
fn model() -> Repo {
    Repo::of_folder(&goldens().join("xlm-roberta-immich"))
}

fn zip(repo: &Repo) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in &repo.0 {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn tar_gz(repo: &Repo) -> Vec<u8> {
    let mut tar = tar::Builder::new(GzEncoder::new(Vec::new(), Compression::fast()));
    for (name, content) in &repo.0 {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        tar.append_data(&mut header, format!("a folder/{name}"), content.as_slice()).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Writes an archive into the user's folder.
fn kept(user: &Newcomer, name: &str, content: &[u8]) -> String {
    let path = user.0.root().join(name);
    fs::write(&path, content).unwrap();
    path.to_str().unwrap().to_owned()
}

/// `imgsearch ARGS` with the runtime from set-up, and without a reachable server.
fn run(user: &Newcomer, args: &[&str]) -> Command {
    let data = directories::ProjectDirs::from("", "", "imgsearch").unwrap().data_dir().to_owned();
    let mut command = user.imgsearch("http://127.0.0.1:1", args);
    command.env("ORT_DYLIB_PATH", data.join("runtime"));
    command
}

fn installed(user: &Newcomer) -> Vec<PathBuf> {
    let entries = user.models().read_dir().into_iter().flatten().map(|entry| entry.unwrap().path());
    let mut models: Vec<_> = entries.filter(|path| !path.ends_with(".partial")).collect();
    models.sort();
    models
}

#[test]
fn a_library_can_be_made_with_an_archive_and_then_no_longer_needs_it() {
    let user = Newcomer::new();
    let archive = kept(&user, "my clip.tar.gz", &tar_gz(&model()));
    user.0.photo("a.png", 1);
    let photos = user.0.photos();
    check(&mut run(&user, &["index", "--model", &archive, photos.to_str().unwrap()]), 0, &[]);
    assert_eq!(installed(&user), [user.models().join("my-clip")]);
    assert_eq!(user.models().join(".partial").read_dir().unwrap().count(), 0, "something is left");
    // The same archive again gives the same model.
    check(&mut run(&user, &["query", "--model", &archive, "a dog"]), 0, &[]);
    fs::remove_file(&archive).unwrap();
    check(&mut run(&user, &["query", "a dog"]), 0, &[]);
    check(&mut run(&user, &["query", "--model", "my-clip", "a dog"]), 0, &[]);
    assert_eq!(user.stdout(&["models", "verify"]), "ok     my-clip\n");
}

#[test]
fn an_archive_is_shown_checked_and_keeps_its_name() {
    let user = Newcomer::new();
    let archive = kept(&user, "clip.zip", &zip(&model()));
    let info: Value = serde_json::from_str(&user.stdout(&["models", "info", &archive, "--json"])).unwrap();
    assert_eq!(
        (&info["name"], &info["repo"], &info["embed_dim"]),
        (&"clip".into(), &"clip.zip".into(), &8.into())
    );
    let files: Vec<_> =
        info["files"].as_array().unwrap().iter().filter(|file| !file["sha256"].is_null()).collect();
    assert_eq!(files.len(), model().0.len());
    user.stdout(&["models", "pull", &archive, "--name", "b"]);
    assert!(user.stdout(&["models", "list"]).contains("> b"));
    // Another archive cannot take the name,
    let mut other = model();
    other.0.push(("more.txt", Vec::new()));
    let other = kept(&user, "clip.zip", &zip(&other));
    let taken = ["the name `clip` is taken: it is clip.zip@", "--name", "models remove clip"];
    check(&mut run(&user, &["models", "pull", &other]), 2, &taken);
    check(
        &mut run(&user, &["models", "pull", &other, "--text-precision", "fp32"]),
        2,
        &["no effect on an archive"],
    );
    // and a file that was changed since is detected.
    fs::write(user.models().join("clip/textual/model.onnx"), "x").unwrap();
    check(&mut run(&user, &["models", "verify"]), 2, &["hint"]);
}

#[test]
fn incomplete_models_are_not_installed() {
    #[track_caller]
    fn check_refused(name: &str, content: &[u8], named: &[&str]) {
        let user = Newcomer::new();
        let archive = kept(&user, name, content);
        for args in
            [["models", "pull", &archive], ["models", "info", &archive], ["doctor", "--model", &archive]]
        {
            let output = run(&user, &args).output().unwrap();
            let said = String::from_utf8_lossy(&output.stderr) + String::from_utf8_lossy(&output.stdout);
            assert_eq!(output.status.code(), Some(2), "{args:?}: {said}");
            assert!(named.iter().all(|name| said.contains(name)), "{named:?} in {args:?}:\n{said}");
        }
        assert!(installed(&user).is_empty());
        let left = user.models().join(".partial").read_dir().into_iter().flatten().flatten();
        assert_eq!(left.count(), 0, "half a model or a lock is left");
    }
    let whole = zip(&model());
    check_refused(
        "a.zip",
        &whole[..whole.len() / 2],
        &["cannot unpack", "a.zip", "hint: nothing was installed"],
    );
    let whole = tar_gz(&model());
    check_refused("a.tgz", &whole[..whole.len() / 2], &["cannot unpack", "a.tgz", "is damaged"]);
    check_refused("a.onnx", b"\x08\x07", &["it is not a zip, tar or tar.gz file", "hint"]);
    check_refused(
        "a.zip",
        &zip(&Repo(vec![("README.md", b"x".to_vec())])),
        &["cannot use it", "has no model"],
    );
    let mut half = model();
    half.0.retain(|(name, _)| *name != "textual/model.onnx");
    check_refused("a.zip", &zip(&half), &["cannot use it", "textual/model.onnx"]);
    // Its own digests, and those in its `pulled.json`, are checked.
    let mut wrong = Repo::small();
    wrong.0.iter_mut().find(|(name, _)| *name == "image.onnx").unwrap().1[7] ^= 1;
    check_refused("a.zip", &zip(&wrong), &["image.onnx has changed"]);
    let mut pulled = model();
    let origin = r#"{"repo": "acme/small", "commit": "c", "sha256": {"config.json": "00"}}"#;
    pulled.0.push(("pulled.json", origin.into()));
    check_refused("a.zip", &zip(&pulled), &["config.json has changed"]);
    // Its other claims are ignored.
    let mut lying = model();
    let origin = r#"{"repo": "\u001b[2J", "commit": "c", "sha256": {"/dev/zero": "00", "../x": "00"}}"#;
    lying.0.push(("pulled.json", origin.into()));
    let user = Newcomer::new();
    let lying = kept(&user, "lying.zip", &zip(&lying));
    let info: Value = serde_json::from_str(&user.stdout(&["models", "info", &lying, "--json"])).unwrap();
    assert_eq!(info["repo"], "lying.zip");
    check_refused("...zip", &whole, &["is not a valid model name"]);
}
