//! Asking for words over HTTP, on the page and through the tools for assistants.

use serde_json::{Value, json};

use super::api::{names, photos};
use super::server::{Server, json as answer_of};
use crate::words::{note_text, worded};

#[test]
fn the_api_lists_corrects_and_explains() {
    let workspace = worded();
    let server = Server::start(&workspace, &[]);
    let search = |question: &str| server.json(&format!("/api/v1/search?{question}"), 200);
    for question in ["text=invoice", "q=text:invoice", "q=name:jpg&text=invoice"] {
        let answer = search(question);
        assert_eq!(names(&answer), ["letter.jpg", "receipt.jpg"], "{question}");
        let first = &photos(&answer)[0];
        assert_eq!((&first["rank"], &first["score"]), (&Value::Null, &Value::Null));
        let why = first["why"].as_array().unwrap();
        assert!(why.contains(&json!("text \"Draft of an invoice\"")), "{question}: {why:?}");
    }
    assert_eq!(names(&search("q=text:invoice+-text:draft")), ["receipt.jpg"]);
    assert_eq!(names(&search("text=invoice&text=-draft")), ["receipt.jpg"]);
    assert_eq!(names(&search("person=ada&caption=dawn&keyword=holiday")), ["beach.jpg"]);
    for question in ["text=invoce", "q=text:invoce", "q=a+photo+text:invoce", "q=text:invoce&n=1"] {
        let answer = search(question);
        assert_eq!(answer["notice"], "no photo has `invoce`; shown: photos with `invoice`", "{question}");
        assert!(!photos(&answer).is_empty());
    }
    let first = search("q=text:invoce&n=1");
    let next = first["next"].as_str().unwrap();
    assert_eq!(names(&search(&format!("q=text:invoce&n=1&cursor={next}"))), ["receipt.jpg"]);
    assert_eq!(search("text=zebra")["notice"], "of 5 photos, none has these words");
    // A bare query is lifted, and pages follow each other.
    let all = search("q=total&n=5");
    assert_eq!((names(&all)[0], &photos(&all)[0]["why"]), ("receipt.jpg", &json!(["text \"Total 12.50\""])));
    assert!(all["likely"].as_u64().unwrap() >= 1);
    let mut address = "q=total&n=2".to_owned();
    let mut paged = Vec::new();
    loop {
        let page = search(&address);
        paged.extend(photos(&page).iter().map(|photo| photo["path"].clone()));
        let Some(next) = page["next"].as_str() else { break };
        address = format!("q=total&n=2&cursor={next}");
    }
    assert_eq!(paged, photos(&all).iter().map(|photo| photo["path"].clone()).collect::<Vec<_>>());
    answer_of(server.get("/api/v1/search?q=-in:/a"), 422);
    let long = "x".repeat(501);
    answer_of(server.get(&format!("/api/v1/search?text={long}")), 422);
}

#[test]
fn the_page_shows_words_as_text() {
    let workspace = worded();
    note_text(&workspace, "plain.jpg", &["<script>alert(1)</script> needle \u{202e}gpj"]);
    let server = Server::start(&workspace, &[]);
    let page = |question: &str| server.get(&format!("/?{question}")).body_mut().read_to_string().unwrap();
    let found = page("q=text:needle");
    assert!(found.contains("title=\"text &quot;&lt;script&gt;") && found.contains("needle"), "{found}");
    assert!(!found.contains("<script>alert") && !found.contains('\u{202e}'), "{found}");
    let corrected = page("q=text:invoce");
    assert!(corrected.contains("No photo has `invoce`; shown: photos with `invoice`."), "{corrected}");
}

#[test]
fn the_lines_lie_over_the_photo() {
    let workspace = worded();
    note_text(&workspace, "plain.jpg", &["<b>Needle</b>"]);
    let server = Server::start(&workspace, &[]);
    let id = |question: &str| {
        let found = server.json(&format!("/api/v1/search?{question}"), 200);
        photos(&found)[0]["id"].as_str().unwrap().to_owned()
    };
    let (receipt, needle, beach) = (id("text=2023"), id("text=needle"), id("keyword=holiday"));
    let photo = server.json(&format!("/api/v1/photos/{receipt}"), 200);
    assert_eq!(photo["lines"], json!(["INVOICE 2023", "Total 12.50"]));
    let page = |path: &str| server.get(path).body_mut().read_to_string().unwrap();
    let shown = page(&format!("/photo/{receipt}"));
    let lines = shown.split("<svg class=\"lines\"").nth(1).unwrap();
    assert!(lines.contains(">INVOICE 2023</text>") && lines.contains("viewBox=\"0 0 48 32\""), "{lines}");
    assert!(shown.contains("id=\"lines\"") && !shown.contains("id=\"lines\" checked"), "{shown}");
    assert!(page(&format!("/photo/{receipt}?text")).contains("id=\"lines\" checked"));
    let hostile = page(&format!("/photo/{needle}"));
    assert!(hostile.contains("&lt;b&gt;Needle&lt;/b&gt;") && !hostile.contains("<b>"), "{hostile}");
    assert!(page(&format!("/photo/{beach}?text")).contains("No text was read in this photo."));
}

#[cfg(feature = "mcp")]
#[test]
fn assistants_ask_for_words_and_learn_why() {
    use super::mcp::ask;
    let workspace = worded();
    let call = |server: &Server, arguments: Value| {
        ask(server, "tools/call", &json!({ "name": "search_photos", "arguments": arguments }), &[])
    };
    let server = Server::start(&workspace, &[]);
    let facts = |arguments: Value| -> Value {
        let called = call(&server, arguments);
        serde_json::from_str(called["result"]["content"][0]["text"].as_str().unwrap()).unwrap()
    };
    let found = facts(json!({ "text": "invoice -draft", "thumbnails": 0 }));
    assert_eq!(photos(&found).len(), 1);
    assert_eq!(found["photos"][0]["why"], json!(["text \"INVOICE 2023\""]));
    let found = facts(json!({ "query": "text:invoce", "thumbnails": 0 }));
    assert_eq!(found["notice"], "no photo has `invoce`; shown: photos with `invoice`");
    let found = facts(json!({ "query": "name:wedding", "thumbnails": 0 }));
    assert_eq!((photos(&found).len(), found["photos"][0].get("why")), (1, None));

    let hidden = Server::start(&workspace, &["--hide-places", "--mcp-paths", "none"]);
    for arguments in [
        json!({ "query": "name:wedding" }),
        json!({ "query": "place:Lisbon" }),
        json!({ "name": "wedding" }),
        json!({ "place": "Lisbon" }),
    ] {
        let called = call(&hidden, arguments.clone());
        let failed = called["result"]["isError"] == true || called.get("error").is_some();
        assert!(failed, "{arguments}: {called}");
    }
    let called = call(&hidden, json!({ "query": "text:invoice", "thumbnails": 0 }));
    assert!(called.to_string().contains("INVOICE 2023"), "{called}");
    answer_of(hidden.get("/api/v1/search?place=Lisbon"), 403);
    answer_of(hidden.get("/api/v1/search?q=place:Lisbon"), 403);
    answer_of(hidden.get("/api/v1/timeline?place=Lisbon"), 403);
}
