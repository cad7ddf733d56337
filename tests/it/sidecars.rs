//! Sidecars provide date, place and texts if the photo itself has none.

use std::fs;

use serde_json::{Value, json};

use crate::workspace::{Workspace, encoded};

const PACKET: &str = r#"<x:xmpmeta xmlns:x="adobe:ns:meta/">
<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about=""
 xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:dc="http://purl.org/dc/elements/1.1/"
 exif:DateTimeOriginal="2019-05-06T07:08:09+02:00" exif:GPSLatitude="49,30.0N" exif:GPSLongitude="15,15.0E">
 <dc:title><rdf:Alt><rdf:li xml:lang="x-default">Harbour</rdf:li></rdf:Alt></dc:title>
 <dc:subject><rdf:Bag><rdf:li>sea</rdf:li><rdf:li>boats</rdf:li></rdf:Bag></dc:subject>
</rdf:Description></rdf:RDF></x:xmpmeta>"#;

const TAKEOUT: &str = r#"{"title": "a.png", "description": "Boats", "photoTakenTime": {"timestamp": "1557126489"},
"geoData": {"latitude": 49.5, "longitude": 15.25}, "people": [{"name": "Ada"}]}"#;

/// The query's record for the photo of this name.
#[track_caller]
fn record(workspace: &Workspace, name: &str) -> Value {
    let fields = "path,taken,taken_from,latitude,longitude,title,description,keywords";
    let query = ["query", "x", "-n", "50", "--format", "jsonl", "--fields", fields];
    let output = workspace.imgsearch(&query).assert().success().get_output().clone();
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    let mut records = lines.map(|line| serde_json::from_slice::<Value>(line).unwrap());
    let mut found = records.find(|record| record["path"].as_str().unwrap().ends_with(name)).unwrap();
    found.as_object_mut().unwrap().remove("path");
    if found["taken_from"] == "file" {
        found["taken"] = Value::Null;
    }
    found
}

fn unknown() -> Value {
    json!({"taken": null, "taken_from": "file", "latitude": null, "longitude": null,
        "title": null, "description": null, "keywords": []})
}

#[test]
fn new_changed_and_deleted_sidecars_are_noticed_without_embedding() {
    let workspace = Workspace::new();
    workspace.photo("a.png", 1);
    workspace.photo("b.png", 2);
    fs::write(workspace.photos().join("c.png"), encoded(1, image::ImageFormat::Png)).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 2), ("copied", 1)]);
    assert_eq!(record(&workspace, "a.png"), unknown());

    let sidecar = workspace.photos().join("a.png.xmp");
    fs::write(&sidecar, PACKET).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 3)]);
    let told = json!({"taken": "2019-05-06T07:08:09+02:00", "taken_from": "sidecar", "latitude": 49.5,
        "longitude": 15.25, "title": "Harbour", "description": null, "keywords": ["sea", "boats"]});
    assert_eq!(record(&workspace, "a.png"), told);
    // A copy elsewhere has no sidecar.
    assert_eq!(record(&workspace, "c.png"), unknown());
    assert_eq!(workspace.found(&["--on", "2019-05-06", "--near", "49.5,15.25,1"]).len(), 1);

    fs::write(&sidecar, PACKET.replace("Harbour", "Port")).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 3)]);
    assert_eq!(record(&workspace, "a.png")["title"], "Port");

    fs::remove_file(&sidecar).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 3)]);
    assert_eq!(record(&workspace, "a.png"), unknown());
}

#[test]
fn a_takeout_describes_its_photos() {
    let workspace = Workspace::new();
    for (name, seed) in [("a.png", 1), ("a(1).png", 2), ("a-edited.png", 3), ("b.png", 4)] {
        workspace.photo(name, seed);
    }
    for name in ["a.png.supplemental-metadata.json", "a.png(1).json"] {
        fs::write(workspace.photos().join(name), TAKEOUT).unwrap();
    }
    workspace.index(&[], 0).check(&[("embedded", 4)]);
    let told = json!({"taken": "2019-05-06T07:08:09+00:00", "taken_from": "sidecar", "latitude": 49.5,
        "longitude": 15.25, "title": null, "description": "Boats", "keywords": ["Ada"]});
    for name in ["/a.png", "/a(1).png", "/a-edited.png"] {
        assert_eq!(record(&workspace, name), told, "{name}");
    }
    assert_eq!(record(&workspace, "/b.png"), unknown());
    workspace.index(&[], 0).check(&[("embedded", 0), ("unchanged", 4)]);
}

#[test]
fn keywords_that_imgsearch_guessed_are_not_read_back() {
    let workspace = Workspace::new();
    let photo = workspace.photo("a.png", 1);
    workspace.index(&[], 0);
    let sidecar = imgsearch::sidecar::path(&photo);
    imgsearch::sidecar::write(&sidecar, &["dog"]).unwrap();
    workspace.index(&[], 0).check(&[("embedded", 0)]);
    assert_eq!(record(&workspace, "a.png"), unknown());
}
