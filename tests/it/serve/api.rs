//! The answers of the API's operations.

use std::path::Path;

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use image::ImageFormat;
use serde_json::Value;

use super::server::{Server, json};
use crate::workspace::{Workspace, encoded};

/// Six photos, and a copy of one.
pub(super) fn indexed() -> Workspace {
    let workspace = Workspace::new();
    for seed in 0..6 {
        workspace.photo(&format!("{}/{seed}.png", ["a", "b"][seed as usize % 2]), seed);
    }
    workspace.photo("copy.png", 3);
    workspace.index(&[], 0);
    workspace
}

pub(super) fn photos(answer: &Value) -> &[Value] {
    answer["photos"].as_array().unwrap()
}

#[test]
fn a_photo_has_a_thumbhash() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let found = server.json("/api/v1/search?q=a+photo", 200);
    for photo in photos(&found) {
        let hash = BASE64_STANDARD.decode(photo["thumbhash"].as_str().unwrap()).unwrap();
        let (width, height, rgba) = thumbhash::thumb_hash_to_rgba(&hash).unwrap();
        assert!(width > height && width <= 32, "48 by 32 pixels: {width} by {height}");
        let file = image::open(photo["path"].as_str().unwrap()).unwrap().into_rgb8();
        for channel in 0..3 {
            let sum = |values: &mut dyn Iterator<Item = u8>| values.map(f64::from).sum::<f64>();
            let here = sum(&mut rgba.iter().skip(channel).step_by(4).copied()) / (width * height) as f64;
            let pixels = f64::from(file.width() * file.height());
            let there = sum(&mut file.as_raw().iter().skip(channel).step_by(3).copied()) / pixels;
            assert!((here - there).abs() < 16.0, "channel {channel} is {here} instead of {there}");
        }
    }
}

pub(super) fn names(answer: &Value) -> Vec<&str> {
    let name = |photo: &Value| {
        Path::new(photo["path"].as_str().unwrap()).file_name().unwrap().to_str().unwrap().len()
    };
    photos(answer)
        .iter()
        .map(|photo| {
            let path = photo["path"].as_str().unwrap();
            &path[path.len() - name(photo)..]
        })
        .collect()
}

#[test]
fn a_search_finds_what_the_command_finds() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let scores = workspace.scores();
    let answer = server.json("/api/v1/search?q=a%20photo&n=100", 200);
    assert_eq!((photos(&answer).len(), &answer["next"]), (7, &Value::Null));
    for (photo, rank) in photos(&answer).iter().zip(1..) {
        assert_eq!(photo["rank"], rank);
        let expected = scores[Path::new(photo["path"].as_str().unwrap())];
        assert!((photo["score"].as_f64().unwrap() - expected).abs() < 1e-9);
        assert_eq!((&photo["width"], &photo["orientation"]), (&48.into(), &"landscape".into()));
    }
    let filtered = server.json("/api/v1/search?q=a+photo&glob=3.png&type=png,jpeg&collapse=true", 200);
    assert_eq!(names(&filtered), ["3.png"]);
}

#[test]
fn an_empty_answer_says_why() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let check = |question: &str, notice: &str| {
        let answer = server.json(&format!("/api/v1/search?{question}"), 200);
        assert_eq!(answer["notice"], *notice, "{question}");
    };
    check("q=a+photo&camera=leica", "of 7 photos, none is from a camera called `leica`");
    check("camera=leica", "of 7 photos, none is from a camera called `leica`");
    check("q=a+photo&in=/nowhere", "of 7 photos, none is in `/nowhere`");
    check("q=a+photo&min_score=1", "none of 7 photos scores 1 or more");
    let dates = "for 7 of 7 photos the file's date was used, because the photo itself has none";
    check("q=a+photo&n=20&after=2000", dates);
    assert_eq!(server.json("/api/v1/search?q=a+photo", 200)["notice"], Value::Null);
}

#[test]
fn pages_are_consecutive() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    for question in ["q=a+photo", "q=a+photo&collapse=true", ""] {
        let all = server.json(&format!("/api/v1/search?{question}&n=100"), 200);
        let mut paths = Vec::new();
        let mut address = format!("/api/v1/search?{question}&n=2");
        loop {
            let page = server.json(&address, 200);
            assert!(photos(&page).len() <= 2);
            paths.extend(photos(&page).iter().map(|photo| (photo["path"].clone(), photo["rank"].clone())));
            let Some(next) = page["next"].as_str() else { break };
            address = format!("/api/v1/search?{question}&n=2&cursor={next}");
        }
        let expected = photos(&all).iter().map(|photo| (photo["path"].clone(), photo["rank"].clone()));
        assert_eq!(paths, expected.collect::<Vec<_>>(), "{question}");
    }
    let next = server.json("/api/v1/search?q=a+photo&n=2", 200)["next"].as_str().unwrap().to_owned();
    json(server.get(&format!("/api/v1/search?q=a+dog&n=2&cursor={next}")), 422);
}

#[test]
fn an_uploaded_picture_finds_similar_photos() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let picture = encoded(3, ImageFormat::Png);
    let by_body = json(server.post("/api/v1/search?n=2", "image/png", &picture), 200);
    let mut form = b"--x\r\nContent-Disposition: form-data; name=\"n\"\r\n\r\n2\r\n--x\r\n".to_vec();
    form.extend(b"Content-Disposition: form-data; name=\"picture\"; filename=\"../a.png\"\r\n\r\n");
    form.extend(&picture);
    form.extend(b"\r\n--x--\r\n");
    let by_form = json(server.post("/api/v1/search", "multipart/form-data; boundary=x", &form), 200);
    assert_eq!(by_body, by_form);
    // The picture itself and its copy are left out.
    assert!(
        photos(&by_body).len() == 2
            && !names(&by_body).iter().any(|name| ["3.png", "copy.png"].contains(name))
    );
    json(server.post("/api/v1/search", "image/png", b"not a picture"), 422);
    json(server.post("/api/v1/search", "image/png", b""), 422);
    json(server.post("/api/v1/search", "text/html", &picture), 415);
}

#[test]
fn a_photo_is_found_by_its_id() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let found = server.json("/api/v1/search?q=a+photo&glob=copy.png", 200);
    let id = photos(&found)[0]["id"].as_str().unwrap();
    let photo = server.json(&format!("/api/v1/photos/{id}"), 200);
    let path = |name: &str| workspace.photos().join(name).to_str().unwrap().to_owned();
    assert_eq!(photo["paths"], serde_json::json!([path("b/3.png"), path("copy.png")]));
    assert_eq!(
        (&photo["path"], &photo["id"], &photo["score"]),
        (&path("b/3.png").into(), &id.into(), &Value::Null)
    );
    // A photo of the library as a part of a query.
    let like = server.json(&format!("/api/v1/search?q=%23{id}&n=10"), 200);
    assert!(!photos(&like).is_empty() && photos(&like).iter().all(|photo| photo["id"] != id));
    json(server.get(&format!("/api/v1/search?q=%23{}", "0".repeat(32))), 422);
    let similar = server.json(&format!("/api/v1/photos/{id}/similar?n=10"), 200);
    assert_eq!(similar, like);
    json(server.get(&format!("/api/v1/photos/{}/similar", "0".repeat(32))), 404);
}

#[test]
fn invalid_requests_return_problem_details() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    for (address, status) in [
        ("/nowhere", 404),
        ("/api/v1/nowhere", 404),
        ("/api/v1/photos/0", 404),
        ("/api/v1/photos/..%2f..%2fetc%2fpasswd", 404),
        ("/api/v1/photos/%ff", 400),
        ("/api/v1/search?q=a&afetr=2023", 400),
        ("/api/v1/search?q=a&after=soon", 422),
        ("/api/v1/search?q=a&n=0", 422),
        ("/api/v1/search?q=a&n=1001", 422),
        ("/api/v1/search?q=a&cursor=x", 422),
        ("/api/v1/search?q=./a.png", 422),
        ("/api/v1/search?q=/etc/passwd", 422),
        ("/api/v1/search?q=%231", 422),
        ("/api/v1/search?q=http://a/b.jpg", 422),
        ("/api/v1/search?q=-+dog", 422),
    ] {
        let problem = server.json(address, status);
        assert!(problem["detail"].is_string(), "{address}: {problem}");
    }
    let long = "a".repeat(501);
    json(server.get(&format!("/api/v1/search?q={long}")), 422);
    json(server.post("/api/v1/photos/0", "text/plain", b""), 405);
}

#[test]
fn answers_contain_the_last_likely_photo() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let kept = server.json("/api/v1/search?q=a+texture&n=7&cutoff=true", 200);
    let all = server.json("/api/v1/search?q=a+texture&n=7", 200);
    let last = photos(&kept)
        .last()
        .map_or(0, |last| 1 + photos(&all).iter().position(|photo| photo["path"] == last["path"]).unwrap());
    assert_eq!((&all["likely"], &kept["likely"]), (&last.into(), &Value::Null));
    assert_eq!(server.json("/api/v1/search?q=a+texture&sort=date", 200)["likely"], Value::Null);
    assert_eq!(server.json("/api/v1/search", 200)["likely"], Value::Null);
}

#[test]
fn a_missing_library_is_empty() {
    let workspace = Workspace::new();
    let server = Server::start(&workspace, &[]);
    assert!(photos(&server.json("/api/v1/search?q=a+photo", 200)).is_empty());
    assert!(photos(&server.json("/api/v1/search", 200)).is_empty());
}
