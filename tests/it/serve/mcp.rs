//! The tools for assistants, at `/mcp`.

use serde_json::{Value, json};
use ureq::Body;
use ureq::http::Response;

use super::api::{indexed, photos};
use super::server::Server;
use crate::workspace::Workspace;

/// What comes back for a request, with these headers.
#[track_caller]
fn post(server: &Server, method: &str, params: &Value, headers: &[(&str, &str)]) -> Response<Body> {
    let request = json!({ "jsonrpc": "2.0", "id": 1, "method": method, "params": params });
    let accept = ("Accept", "application/json, text/event-stream");
    server.post_with(
        "/mcp",
        "application/json",
        request.to_string().as_bytes(),
        &[&[accept], headers].concat(),
    )
}

#[track_caller]
pub(super) fn ask(server: &Server, method: &str, params: &Value, headers: &[(&str, &str)]) -> Value {
    let mut response = post(server, method, params, headers);
    let text = response.body_mut().read_to_string().unwrap();
    assert_eq!(response.status(), 200, "{text}");
    assert_eq!(response.headers()["content-type"], "application/json");
    assert!(response.headers().get("mcp-session-id").is_none());
    serde_json::from_str(&text).unwrap()
}

fn greeting() -> Value {
    let client = json!({ "name": "test", "version": "1" });
    json!({ "protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": client })
}

#[test]
fn assistants_find_what_the_api_finds() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let greeted = ask(&server, "initialize", &greeting(), &[]);
    assert_eq!(greeted["result"]["protocolVersion"], "2025-06-18");
    let said = server.post_with(
        "/mcp",
        "application/json",
        br#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
        &[("Accept", "application/json, text/event-stream")],
    );
    assert_eq!(said.status(), 202);
    let version = [("MCP-Protocol-Version", "2025-06-18")];
    let tools = ask(&server, "tools/list", &json!({}), &version);
    assert_eq!(tools["result"]["tools"].as_array().unwrap().len(), 6);
    let arguments = json!({ "query": "a photo", "limit": 50, "thumbnails": 2 });
    let called =
        ask(&server, "tools/call", &json!({ "name": "search_photos", "arguments": arguments }), &version);
    let blocks = called["result"]["content"].as_array().unwrap();
    assert_eq!(blocks.iter().filter(|block| block["type"] == "image").count(), 2);
    let facts: Value = serde_json::from_str(blocks[0]["text"].as_str().unwrap()).unwrap();
    let api = server.json("/api/v1/search?q=a+photo&n=50", 200);
    let ids = |answer: &Value| photos(answer).iter().map(|photo| photo["id"].clone()).collect::<Vec<_>>();
    assert_eq!(ids(&facts), ids(&api));
}

#[test]
fn the_layers_around_everything_are_around_the_tools() {
    let workspace = Workspace::new();
    let open = Server::start(&workspace, &[]);
    let status = |server: &Server, headers: &[(&str, &str)]| {
        post(server, "initialize", &greeting(), headers).status().as_u16()
    };
    assert_eq!(status(&open, &[]), 200);
    assert_eq!(status(&open, &[("Origin", &open.url(""))]), 200);
    assert_eq!(status(&open, &[("Origin", "http://evil.example")]), 403);
    assert_eq!(status(&open, &[("Sec-Fetch-Site", "cross-site")]), 403);
    assert_eq!(status(&open, &[("Host", "evil.example")]), 421);
    assert_eq!(open.get("/mcp").status(), 405);
    assert_eq!(open.get("/mcp/x").status(), 404);

    let locked = Server::start(&workspace, &["--listen", "0.0.0.0"]);
    let secret = locked.secret.clone().unwrap();
    assert_eq!(status(&locked, &[]), 401);
    assert_eq!(status(&locked, &[("Authorization", "Bearer 0")]), 401);
    assert_eq!(status(&locked, &[("Authorization", &format!("Bearer {secret}"))]), 200);
}

#[test]
fn what_is_no_request_of_the_protocol_is_refused() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let accept = [("Accept", "application/json, text/event-stream")];
    let status = |kind: &str, body: &[u8], headers: &[(&str, &str)]| {
        server.post_with("/mcp", kind, body, headers).status().as_u16()
    };
    assert_eq!(status("text/plain", b"{}", &accept), 415);
    assert_eq!(status("application/json", b"{}", &[("Accept", "text/html")]), 406);
    assert!((400..500).contains(&status("application/json", b"{", &accept)));
    assert_eq!(status("application/json", &vec![b' '; (4 << 20) + 1], &accept), 413);
    let answer =
        ask(&server, "tools/call", &json!({ "name": "search_photos", "arguments": { "limit": 9999 } }), &[]);
    assert_eq!(answer["result"]["isError"], true);
    assert_eq!(server.json("/api/v1/status", 200)["images"], 7);
}

#[test]
fn the_server_hides_from_assistants_what_it_hides() {
    let workspace = indexed();
    let server = Server::start(&workspace, &["--hide-places", "--mcp-paths", "none"]);
    let tools = ask(&server, "tools/list", &json!({}), &[]);
    let text = tools.to_string();
    assert!(!text.contains("\"near\"") && !text.contains("\"folder\""), "{text}");
    let called = ask(&server, "tools/call", &json!({ "name": "describe_library" }), &[]);
    assert_eq!(
        (&called["result"]["isError"], &called["result"]["structuredContent"]["photos"]),
        (&json!(false), &json!(7))
    );
    let text = called.to_string();
    assert!(!text.contains("\"places") && !text.contains("\"folder"), "{text}");
}
