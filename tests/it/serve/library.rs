//! Requests about the library as a whole.

use exif::Tag;
use serde_json::{Value, json};

use super::api::{indexed, photos};
use super::server::Server;
use crate::workspace::Workspace;

fn dated() -> Workspace {
    let workspace = Workspace::new();
    let day = |date| [(Tag::DateTimeOriginal, date), (Tag::Make, "Maker"), (Tag::Model, "A 1")];
    workspace.photo_with("old.jpg", 1, &day("2019:05-06 10:00:00".replace("05-06", "05:06").leak()));
    workspace.photo_with("new.jpg", 2, &day("2023:05:06 10:00:00"));
    workspace.photo_with("mid.jpg", 3, &[(Tag::DateTimeOriginal, "2021:05:06 10:00:00")]);
    workspace.index(&[], 0);
    workspace
}

fn names(answer: &Value) -> Vec<&str> {
    photos(answer).iter().map(|photo| photo["path"].as_str().unwrap().rsplit('/').next().unwrap()).collect()
}

#[test]
fn the_timeline_has_the_newest_first() {
    let workspace = dated();
    let server = Server::start(&workspace, &[]);
    let timeline = server.json("/api/v1/timeline", 200);
    assert_eq!(timeline["aspects"], json!([1.5, 1.5, 1.5]));
    // 2023-05-06, 2021-05-06 and 2019-05-06.
    assert_eq!(timeline["days"], json!([19483, 18753, 18022]));
    let listed = server.json("/api/v1/search", 200);
    assert_eq!(names(&listed), ["new.jpg", "mid.jpg", "old.jpg"]);
    let ids: Vec<_> = photos(&listed).iter().map(|photo| &photo["id"]).collect();
    assert_eq!(timeline["ids"], json!(ids));
    let some = server.json("/api/v1/timeline?after=2020&before=2022", 200);
    assert_eq!(some["ids"], json!([ids[1]]));
    assert_eq!(names(&server.json("/api/v1/search?before=2022&n=1", 200)), ["mid.jpg"]);
}

#[test]
fn the_timeline_has_each_content_once() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    assert_eq!(server.json("/api/v1/timeline", 200)["ids"].as_array().unwrap().len(), 6);
}

#[test]
fn cameras_are_counted() {
    let workspace = dated();
    let server = Server::start(&workspace, &[]);
    let cameras = server.json("/api/v1/cameras", 200);
    assert_eq!(cameras, json!({ "cameras": [{ "name": "Maker A 1", "count": 2 }], "lenses": [] }));
    assert_eq!(server.json("/api/v1/cameras?on=2021", 200)["cameras"], json!([]));
}

#[test]
fn places_are_returned_unless_they_are_hidden() {
    let workspace = Workspace::new();
    for (name, seed, place) in [("a", 1, "52.52,13.4"), ("b", 2, "52.54,13.42"), ("c", 3, "-33.86,151.2")] {
        workspace.photo(&format!("{name}.jpg"), seed);
        let (latitude, longitude) = place.split_once(',').unwrap();
        let xmp = format!(
            r#"<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
            <rdf:Description xmlns:exif="http://ns.adobe.com/exif/1.0/" exif:GPSLatitude="{latitude}" exif:GPSLongitude="{longitude}"/>
            </rdf:RDF></x:xmpmeta>"#
        );
        std::fs::write(workspace.photos().join(format!("{name}.jpg.xmp")), xmp).unwrap();
    }
    workspace.index(&[], 0);
    let server = Server::start(&workspace, &[]);
    let places = server.json("/api/v1/places", 200);
    let counts: Vec<_> =
        places["places"].as_array().unwrap().iter().map(|place| place["count"].clone()).collect();
    assert_eq!(counts, [2, 1], "{places}");
    let first = &places["places"][0];
    assert!((first["latitude"].as_f64().unwrap() - 52.53).abs() < 1e-4, "{places}");
    let near = server.json("/api/v1/search?q=a+photo&near=52.5,13.4&radius=20", 200);
    assert_eq!(photos(&near).len(), 2);
    let id = photos(&near)[0]["id"].as_str().unwrap();
    assert!(photos(&near)[0]["latitude"].is_number());

    let hidden = Server::start(&workspace, &["--hide-places"]);
    for address in
        ["/api/v1/places", "/api/v1/search?q=a+photo&near=52.5,13.4", "/api/v1/timeline?near=52.5,13.4"]
    {
        hidden.json(address, 403);
    }
    // The original file contains the place.
    hidden.json(&format!("/api/v1/photos/{id}/original"), 403);
    let photo = hidden.json(&format!("/api/v1/photos/{id}"), 200);
    let found = hidden.json("/api/v1/search?q=a+photo", 200);
    for photo in photos(&found).iter().chain([&photo]) {
        assert_eq!((&photo["latitude"], &photo["longitude"]), (&Value::Null, &Value::Null));
    }
}

#[test]
fn duplicates_are_returned_in_groups() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let found = server.json("/api/v1/duplicates?likeness=exact", 200);
    assert_eq!((&found["groups"], &found["next"]), (&1.into(), &Value::Null));
    assert_eq!(names(&found), ["3.png", "copy.png"]);
    let [kept, other] = photos(&found) else { panic!("{found}") };
    assert_eq!((&kept["keep"], &kept["likeness"]), (&true.into(), &"exact".into()));
    // Which reason it is depends on how far apart the clock of the disk saw the two files.
    assert!(kept["reason"].is_string());
    assert_eq!((&other["keep"], &other["id"]), (&false.into(), &kept["id"]));
    assert!(photos(&server.json("/api/v1/duplicates?likeness=exact&from=2", 200)).is_empty());
}

#[test]
fn photos_have_the_same_labels_as_in_the_command() {
    let workspace = indexed();
    std::fs::write(workspace.root().join("words.txt"), "a texture\na dog\n").unwrap();
    let server = Server::start(&workspace, &[]);
    let words = workspace.root().join("words.txt");
    let args = [
        "tags",
        "--vocabulary",
        words.to_str().unwrap(),
        "--min-probability",
        "0",
        "--glob",
        "4.png",
        "--format",
        "json",
    ];
    let expected = workspace.imgsearch(&args).assert().success().get_output().clone();
    let expected: Value = serde_json::from_slice(&expected.stdout).unwrap();
    let found = server.json("/api/v1/search?glob=4.png", 200);
    let id = photos(&found)[0]["id"].as_str().unwrap();
    let said = "label=a+texture&label=a+dog&min_probability=0";
    let tags = server.json(&format!("/api/v1/photos/{id}/tags?{said}"), 200);
    for (tag, expected) in tags["tags"].as_array().unwrap().iter().zip(expected.as_array().unwrap()) {
        assert_eq!((&tag["label"], &tag["probability"]), (&expected["label"], &expected["probability"]));
    }
    let all = server.json(&format!("/api/v1/tags?{said}&glob=*.png"), 200);
    let counts: Vec<_> = all["tags"].as_array().unwrap().iter().map(|tag| tag["count"].clone()).collect();
    assert_eq!(counts, [7, 7], "{all}");
    server.json(&format!("/api/v1/photos/{}/tags", "0".repeat(32)), 404);
    server.json(&format!("/api/v1/photos/{id}/tags?glob=*.png"), 400);
    server.json("/api/v1/tags?min_probability=2", 422);
}

#[test]
fn the_status_equals_the_output_of_the_command() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    assert_eq!(server.json("/api/v1/status", 200), workspace.status());
}
