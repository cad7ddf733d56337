//! Thumbnails, previews and original files.

use std::fs;
use std::path::PathBuf;

use super::api::{indexed, photos};
use super::server::{Server, bytes, json};
use crate::workspace::{Workspace, jpeg};

fn thumbnails(workspace: &Workspace) -> PathBuf {
    workspace.root().join("library/thumbnails")
}

/// The ids of all kept thumbnails, sorted.
fn kept(workspace: &Workspace) -> Vec<String> {
    let files = walkdir::WalkDir::new(thumbnails(workspace)).min_depth(2);
    let name = |file: walkdir::DirEntry| file.path().file_stem().unwrap().to_str().unwrap().to_owned();
    let mut ids: Vec<String> = files.into_iter().filter_map(Result::ok).map(name).collect();
    ids.sort();
    ids
}

#[test]
fn indexing_keeps_a_thumbnail_of_each_content() {
    let workspace = indexed();
    fs::write(workspace.photos().join("wide.jpg"), jpeg(2000, 1000, 1)).unwrap();
    workspace.index(&[], 0);
    assert_eq!(kept(&workspace).len(), 7, "6 different photos and a wide one");
    let server = Server::start(&workspace, &[]);
    let (id, copied) = (id_of(&server, "wide.jpg"), id_of(&server, "copy.png"));
    let file = fs::read(thumbnails(&workspace).join(&id[..2]).join(format!("{id}.jpg"))).unwrap();
    let picture = image::load_from_memory(&file).unwrap();
    assert_eq!((picture.width(), picture.height()), (360, 180));
    // The server needs no photo for it.
    fs::remove_file(workspace.photos().join("wide.jpg")).unwrap();
    let thumbnail = format!("/api/v1/photos/{id}/thumbnail");
    assert_eq!(bytes(server.get(&thumbnail), 200), file);
    // A deleted photo takes its thumbnail with it; a copy keeps it.
    fs::remove_file(workspace.photos().join("copy.png")).unwrap();
    workspace.index(&[], 0);
    assert!(!kept(&workspace).contains(&id) && kept(&workspace).contains(&copied));
    assert_eq!(kept(&workspace).len(), 6);
}

#[test]
fn missing_thumbnails_are_made_when_needed() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.index(&["--thumbnails", "none"], 0);
    assert_eq!(kept(&workspace), [""; 0]);
    let thumbnail = |args: &[&str]| {
        let server = Server::start(&workspace, args);
        let id = id_of(&server, "a.png");
        bytes(server.get(&format!("/api/v1/photos/{id}/thumbnail")), 200)
    };
    let made = thumbnail(&["--thumbnails", "none"]);
    assert_eq!(kept(&workspace), [""; 0]);
    assert_eq!(thumbnail(&[]), made);
    let [id] = &kept(&workspace)[..] else { panic!("no thumbnail") };
    // A damaged one is made again.
    let file = thumbnails(&workspace).join(&id[..2]).join(format!("{id}.jpg"));
    fs::write(&file, &made[..made.len() / 2]).unwrap();
    assert_eq!(thumbnail(&[]), made);
    assert_eq!(fs::read(&file).unwrap(), made);
}

#[test]
fn optimize_deletes_thumbnails_of_photos_that_are_gone() {
    let workspace = indexed();
    let expected = kept(&workspace);
    let orphan = thumbnails(&workspace).join("ab").join(format!("{}.jpg", "ab".repeat(16)));
    fs::create_dir_all(orphan.parent().unwrap()).unwrap();
    fs::write(&orphan, "").unwrap();
    workspace.imgsearch(&["optimize"]).assert().success();
    assert_eq!(kept(&workspace), expected);
}

fn id_of(server: &Server, name: &str) -> String {
    let found = server.json(&format!("/api/v1/search?q=a+photo&glob={name}"), 200);
    photos(&found)[0]["id"].as_str().unwrap().to_owned()
}

#[test]
fn thumbnails_and_previews_are_cached_forever_by_entity_tag() {
    let workspace = Workspace::new();
    fs::write(workspace.photos().join("large.jpg"), jpeg(2000, 1000, 1)).unwrap();
    workspace.index(&[], 0);
    let server = Server::start(&workspace, &[]);
    let id = id_of(&server, "large.jpg");
    for (what, size) in [("thumbnail", (360, 180)), ("preview", (1600, 800))] {
        let address = format!("/api/v1/photos/{id}/{what}");
        let response = server.get(&address);
        let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
        let (tag, kept) = (header("etag"), header("cache-control"));
        assert_eq!(
            (kept.as_str(), header("content-type").as_str()),
            ("private, max-age=31536000, immutable", "image/jpeg")
        );
        let picture = image::load_from_memory(&bytes(response, 200)).unwrap();
        assert_eq!((picture.width(), picture.height()), size);
        assert!(bytes(server.get_with(&address, &[("If-None-Match", &tag)]), 304).is_empty());
        assert!(!bytes(server.get_with(&address, &[("If-None-Match", "\"other\"")]), 200).is_empty());
    }
}

#[test]
fn originals_are_sent_whole_or_in_parts() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let address = format!("/api/v1/photos/{}/original", id_of(&server, "4.png"));
    let file = fs::read(workspace.photos().join("a/4.png")).unwrap();
    let response = server.get(&address);
    let header = |name: &str| response.headers()[name].to_str().unwrap().to_owned();
    let tag = header("etag");
    assert_eq!((header("content-type").as_str(), header("accept-ranges").as_str()), ("image/png", "bytes"));
    assert_eq!(header("content-disposition"), "inline; filename*=UTF-8''4%2Epng");
    assert_eq!(bytes(response, 200), file);
    let part = |range: &str, more: &[(&str, &str)], status: u16| {
        let response = server.get_with(&address, &[&[("Range", range)], more].concat());
        let told = response.headers().get("content-range").map(|told| told.to_str().unwrap().to_owned());
        (told, bytes(response, status))
    };
    let size = file.len();
    assert_eq!(part("bytes=2-5", &[], 206), (Some(format!("bytes 2-5/{size}")), file[2..6].to_vec()));
    assert_eq!(part("bytes=-3", &[], 206).1, file[size - 3..]);
    assert_eq!(part("bytes=7-", &[], 206).1, file[7..]);
    assert_eq!(part("bytes=0-1,4-5", &[], 200), (None, file.clone()));
    assert_eq!(part(&format!("bytes={size}-"), &[], 416).0, Some(format!("bytes */{size}")));
    assert_eq!(part("bytes=2-5", &[("If-Range", &tag)], 206).1, file[2..6]);
    assert_eq!(part("bytes=2-5", &[("If-Range", "\"other\"")], 200).1, file);
    assert_eq!(part("bytes=2-5", &[("If-None-Match", &tag)], 304).1, b"");
}

#[test]
fn a_changed_file_is_not_sent() {
    let workspace = indexed();
    // Without kept thumbnails, which show a photo as it was indexed.
    fs::remove_dir_all(thumbnails(&workspace)).unwrap();
    let server = Server::start(&workspace, &["--thumbnails", "none"]);
    let (id, copy) = (id_of(&server, "4.png"), id_of(&server, "copy.png"));
    fs::write(workspace.photos().join("a/4.png"), "a secret").unwrap();
    fs::remove_file(workspace.photos().join("b/3.png")).unwrap();
    for what in ["thumbnail", "preview", "original"] {
        json(server.get(&format!("/api/v1/photos/{id}/{what}")), 404);
        // Another file has this content.
        assert!(!bytes(server.get(&format!("/api/v1/photos/{copy}/{what}")), 200).is_empty());
    }
}

#[cfg(unix)]
#[test]
fn a_photo_replaced_by_a_link_is_not_sent() {
    let workspace = indexed();
    fs::remove_dir_all(thumbnails(&workspace)).unwrap();
    let server = Server::start(&workspace, &["--thumbnails", "none"]);
    let id = id_of(&server, "4.png");
    let (photo, secret) = (workspace.photos().join("a/4.png"), workspace.root().join("secret"));
    fs::write(&secret, "a secret").unwrap();
    fs::remove_file(&photo).unwrap();
    std::os::unix::fs::symlink(&secret, &photo).unwrap();
    json(server.get(&format!("/api/v1/photos/{id}/original")), 404);
    // A pipe without a writer.
    fs::remove_file(&photo).unwrap();
    let made = std::process::Command::new("mkfifo").arg(&photo).status().unwrap();
    assert!(made.success());
    json(server.get(&format!("/api/v1/photos/{id}/original")), 404);
    json(server.get(&format!("/api/v1/photos/{id}/thumbnail")), 404);
}

#[test]
fn files_that_browsers_cannot_show_are_sent_as_attachments() {
    let workspace = Workspace::new();
    workspace.photo("a.ppm", 1);
    workspace.index(&[], 0);
    let server = Server::start(&workspace, &[]);
    let response = server.get(&format!("/api/v1/photos/{}/original", id_of(&server, "a.ppm")));
    let header = |name: &str| response.headers()[name].to_str().unwrap();
    assert_eq!(header("content-type"), "application/octet-stream");
    assert!(header("content-disposition").starts_with("attachment;"));
    assert_eq!(header("x-content-type-options"), "nosniff");
}
