//! Lists of the newest photos: their order, near-duplicates, and pages.

use std::collections::HashSet;
use std::fs::File;
use std::time::{Duration, SystemTime};

use serde_json::Value;

use super::api::{names, photos};
use super::growing::until;
use super::server::Server;
use crate::workspace::Workspace;

/// A photo of this year. Photos of one seed are near-duplicates.
fn photo(workspace: &Workspace, name: &str, seed: u32, year: u32) {
    let date = format!("{year}:05:06 10:00:00");
    workspace.photo_with(name, seed, &[(exif::Tag::DateTimeOriginal, date.as_str())]);
}

/// The same file, with a time that many days ago.
fn copy(workspace: &Workspace, name: &str, days: u32) {
    let file = File::options().append(true).open(workspace.photo(name, 9)).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(86_400) * days).unwrap();
}

/// Six photos, the newest first `d`, `c`, `b`, `a`, `e` and `f`; `b` is a near-duplicate of `d`, and `e` of `c`.
fn dated() -> Workspace {
    let workspace = Workspace::new();
    for (name, seed, year) in [
        ("d.jpg", 1, 2019),
        ("c.jpg", 2, 2018),
        ("b.jpg", 1, 2017),
        ("a.jpg", 3, 2016),
        ("e.jpg", 2, 2015),
        ("f.jpg", 4, 2014),
    ] {
        photo(&workspace, name, seed, year);
    }
    workspace.index(&[], 0);
    workspace
}

/// All photos of a list, page by page.
fn paged(server: &Server, question: &str, first: Value) -> Vec<Value> {
    let (mut all, mut page) = (photos(&first).to_vec(), first);
    while let Some(next) = page["next"].as_str() {
        page = server.json(&format!("/api/v1/search?{question}&cursor={next}"), 200);
        all.extend(photos(&page).iter().cloned());
    }
    all
}

#[test]
fn a_list_has_what_the_command_lists() {
    let workspace = dated();
    let server = Server::start(&workspace, &[]);
    let check = |args: &[&str], question: &str, expected: &str| {
        let answer = server.json(&format!("/api/v1/search?{question}"), 200);
        assert_eq!(photos(&answer).iter().map(name).collect::<String>(), expected, "{question}");
        assert!(photos(&answer).iter().all(|photo| photo["rank"].is_null() && photo["score"].is_null()));
        let listed = workspace.imgsearch(&["query", "--format", "jsonl"]).args(args).output().unwrap();
        let listed = listed.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        let listed: String = listed.map(|line| name(&serde_json::from_slice(line).unwrap())).collect();
        assert_eq!(listed, expected, "{args:?}");
    };
    check(&["name:jpg"], "", "dcbaef");
    check(&["name:jpg", "--sort", "date"], "sort=date", "dcbaef");
    check(&["name:jpg", "--sort", "path"], "sort=path", "abcdef");
    check(&["name:jpg", "-n", "3", "--sort", "path"], "n=3&sort=path", "bcd");
    check(&["name:jpg", "--collapse"], "collapse=true", "dcaf");
    check(
        &["name:jpg", "--collapse", "-n3", "--sort", "path"],
        "q=name:jpg&n=3&collapse=true&sort=path",
        "acd",
    );
    // What is said about scores does not count.
    check(&["name:jpg", "--cutoff"], "cutoff=true", "dcbaef");
    check(&["name:jpg", "--min-score", "1"], "q=name:jpg&min_score=1", "dcbaef");
    let similar = |question: &str| -> Vec<Value> {
        let answer = server.json(&format!("/api/v1/search?{question}"), 200);
        photos(&answer).iter().map(|photo| photo["similar"].clone()).collect()
    };
    assert_eq!(similar("collapse=true"), [1, 1, 0, 0]);
    assert_eq!(similar("n=1"), [Value::Null]);
}

#[test]
fn pages_of_a_list_follow_each_other() {
    let workspace = dated();
    let server = Server::start(&workspace, &[]);
    for (question, expected) in [
        ("n=2&sort=path", "cd ab ef"),
        ("n=2&collapse=true", "dc af"),
        ("n=1&collapse=true", "d c a f"),
        ("n=3&collapse=true&sort=path", "acd f"),
    ] {
        let first = server.json(&format!("/api/v1/search?{question}"), 200);
        let names: String = paged(&server, question, first).iter().map(name).collect();
        assert_eq!(names, expected.replace(' ', ""), "{question}");
    }
}

fn name(photo: &Value) -> char {
    photo["path"].as_str().unwrap().trim_end_matches(".jpg").chars().last().unwrap()
}

#[test]
fn new_photos_hide_none_of_the_next_pages() {
    let workspace = dated();
    copy(&workspace, "copy.png", 100);
    copy(&workspace, "old copy.png", 9_000);
    workspace.index(&[], 0);
    let server = Server::start(&workspace, &[]);
    let question = "n=1&collapse=true";
    let all = server.json("/api/v1/search?n=100&collapse=true", 200);
    assert_eq!(names(&all), ["copy.png", "d.jpg", "c.jpg", "a.jpg", "f.jpg"]);
    let first = server.json(&format!("/api/v1/search?{question}"), 200);
    // Newer near-duplicates of `d` and `a`.
    photo(&workspace, "x.jpg", 1, 2100);
    photo(&workspace, "y.jpg", 3, 2101);
    workspace.index(&[], 0);
    until(|| names(&server.json("/api/v1/search?n=1", 200)) == ["y.jpg"]);
    let seen = paged(&server, question, first);
    let ids: HashSet<_> = seen.iter().map(|photo| photo["id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), seen.len(), "none comes twice: {seen:?}");
    assert!(photos(&all).iter().all(|photo| ids.contains(photo["id"].as_str().unwrap())), "none is missed");
    assert_eq!(names(&server.json("/api/v1/search?n=3&collapse=true", 200)), ["y.jpg", "x.jpg", "copy.png"]);
}

#[test]
fn the_page_has_the_order_of_its_address() {
    let workspace = dated();
    let server = Server::start(&workspace, &[]);
    let page = |question: &str| server.get(&format!("/?{question}")).body_mut().read_to_string().unwrap();
    let label = |name: &str| format!("alt=\"{name}.jpg, ");
    let order = |page: &str| {
        let mut found: Vec<_> =
            "abcdef".split("").filter_map(|name| Some((page.find(&label(name))?, name))).collect();
        found.sort_unstable();
        found.into_iter().map(|(_, name)| name).collect::<String>()
    };
    assert_eq!(order(&page("")), "dcbaef");
    assert_eq!(order(&page("sort=path&collapse=true")), "acdf");
}

#[cfg(feature = "mcp")]
#[test]
fn assistants_order_and_collapse_lists() {
    use serde_json::json;

    let workspace = dated();
    let server = Server::start(&workspace, &[]);
    let arguments = json!({ "sort": "path", "collapse": true, "thumbnails": 0 });
    let called = super::mcp::ask(
        &server,
        "tools/call",
        &json!({ "name": "search_photos", "arguments": arguments }),
        &[],
    );
    let facts: Value =
        serde_json::from_str(called["result"]["content"][0]["text"].as_str().unwrap()).unwrap();
    assert_eq!(photos(&facts).iter().map(name).collect::<String>(), "acdf");
    let similar: Vec<_> = photos(&facts).iter().map(|photo| photo["similar"].clone()).collect();
    assert_eq!(similar, [Value::Null, json!(1), json!(1), Value::Null]);
}
