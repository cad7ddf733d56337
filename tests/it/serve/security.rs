//! Which requests are answered and which are refused.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;

use super::api::{indexed, photos};
use super::server::{Server, bytes, json, refused};
use crate::workspace::Workspace;

/// The method and address of a request for each documented operation.
fn operations(server: &Server, document: &Value) -> Vec<(String, String)> {
    assert_eq!(document["openapi"].as_str().unwrap().split('.').take(2).collect::<Vec<_>>(), ["3", "1"]);
    let mut operations = vec![("GET".to_owned(), "/api/v1/openapi.json".to_owned())];
    for (path, item) in document["paths"].as_object().unwrap() {
        for method in item.as_object().unwrap().keys() {
            let address = path.replace("{id}", &"0".repeat(32));
            operations.push((method.to_uppercase(), address));
        }
    }
    assert!(operations.len() > 12, "{operations:?}");
    _ = server;
    operations
}

/// The status of the answer to a request with these headers.
fn status(server: &Server, method: &str, address: &str, host: &str, headers: &str) -> u16 {
    let mut stream = TcpStream::connect(&server.address).unwrap();
    let request = format!(
        "{method} {address} HTTP/1.1\r\nHost: {host}\r\nContent-Length: 0\r\nConnection: close\r\n{headers}\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut line = [0; 12];
    stream.read_exact(&mut line).unwrap();
    std::str::from_utf8(&line[9..]).unwrap().parse().unwrap()
}

/// A server that requires its secret.
fn locked(workspace: &Workspace, args: &[&str]) -> (Server, String) {
    let server = Server::start(workspace, &[&["--listen", "0.0.0.0"], args].concat());
    let secret = server.secret.clone().unwrap();
    (server, secret)
}

#[test]
fn nothing_is_answered_without_the_secret() {
    let workspace = indexed();
    let (server, secret) = locked(&workspace, &[]);
    let bearer = format!("Bearer {secret}");
    let document = json(server.get_with("/api/v1/openapi.json", &[("Authorization", &bearer)]), 200);
    for (method, address) in operations(&server, &document) {
        let wrong = format!("Authorization: Bearer {}\r\n", "0".repeat(32));
        for headers in ["", &wrong, "Cookie: imgsearch=\r\n", &format!("Cookie: imgsearch={secret}\r\n")] {
            let status = status(&server, &method, &address, &server.address, headers);
            assert_eq!(status, 401, "{method} {address} {headers}");
        }
        let right = format!("Authorization: {bearer}\r\n");
        assert_ne!(status(&server, &method, &address, &server.address, &right), 401, "{method} {address}");
    }
    for address in
        ["/", "/nowhere", "/login/", "/%6cogin", "//login", "/assets/../login", "/api/v1/../../login"]
    {
        assert_eq!(status(&server, "GET", address, &server.address, ""), 401, "{address}");
    }
    assert_eq!(status(&server, "GET", "/", &server.address, "Accept: text/html\r\n"), 303);
    assert_eq!(status(&server, "GET", "/login", &server.address, "Accept: text/html\r\n"), 200);
}

#[test]
fn requests_for_other_names_or_from_other_pages_are_refused() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let document = server.json("/api/v1/openapi.json", 200);
    let mut all = operations(&server, &document);
    all.extend([
        ("GET".into(), "/".into()),
        ("POST".into(), "/login".into()),
        ("GET".into(), "/nowhere".into()),
    ]);
    for (method, address) in all {
        for host in
            ["evil.example", "evil.example:80", "localhost.evil.example", "127.0.0.1.evil.example", "1.2.3.4"]
        {
            assert_eq!(status(&server, &method, &address, host, ""), 421, "{method} {address} {host}");
        }
        for origin in ["http://evil.example", "null", "http://localhost:1", "https://127.0.0.1"] {
            let headers = format!("Origin: {origin}\r\n");
            let status = status(&server, &method, &address, &server.address, &headers);
            assert_eq!(status, 403, "{method} {address} {origin}");
        }
        let own = format!("Origin: http://{}\r\n", server.address);
        assert!(
            ![403, 421].contains(&status(&server, &method, &address, &server.address, &own)),
            "{method} {address}"
        );
    }
    // The header that browsers send for a form on another page.
    assert_eq!(
        status(&server, "POST", "/api/v1/search", &server.address, "Sec-Fetch-Site: cross-site\r\n"),
        403
    );
    let named = Server::start(&workspace, &["--host-name", "photos.example.org"]);
    assert_eq!(status(&named, "GET", "/api/v1/status", "photos.example.org", ""), 401);
    let bearer = format!("Authorization: Bearer {}\r\n", named.secret.as_ref().unwrap());
    assert_eq!(status(&named, "GET", "/api/v1/status", "photos.example.org", &bearer), 200);
}

#[test]
fn every_answer_has_the_security_headers() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let found = server.json("/api/v1/search?q=a+photo", 200);
    let id = photos(&found)[0]["id"].as_str().unwrap();
    for address in ["/", "/login", "/nowhere", "/api/v1/search?n=0", &format!("/api/v1/photos/{id}/original")]
    {
        let response = server.get_with(address, &[("Origin", &server.url(""))]);
        let header = |name: &str| response.headers().get(name).map(|value| value.to_str().unwrap());
        let policy = header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'self'") && !policy.contains("unsafe"), "{policy}");
        assert_eq!(header("x-content-type-options"), Some("nosniff"), "{address}");
        assert_eq!(header("referrer-policy"), Some("same-origin"));
        assert_eq!(header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(response.headers().keys().all(|name| !name.as_str().starts_with("access-control-")));
        assert!(
            header("cache-control").is_some_and(|kept| kept == "no-store" || kept.starts_with("private"))
        );
    }
}

#[test]
fn a_browser_logs_in_with_the_secret_or_the_password() {
    let workspace = indexed();
    let file = workspace.root().join("password");
    fs::write(&file, "open sesame\n").unwrap();
    let server = Server::start(&workspace, &["--password-file", file.to_str().unwrap()]);
    let log_in = |secret: &str| {
        std::thread::sleep(Duration::from_millis(1_100));
        server.post("/login", "application/x-www-form-urlencoded", format!("secret={secret}").as_bytes())
    };
    server.json("/api/v1/status", 401);
    json(log_in("wrong"), 401);
    let opened = log_in("open+sesame");
    assert_eq!(opened.status(), 303);
    let cookie = opened.headers()["set-cookie"].to_str().unwrap();
    assert!(cookie.contains("; HttpOnly; SameSite=Strict; Path=/") && !cookie.contains("Secure"), "{cookie}");
    let cookie = cookie.split(';').next().unwrap();
    json(server.get_with("/api/v1/status", &[("Cookie", cookie)]), 200);
    let secret = server.secret.clone().unwrap();
    assert!(!cookie.contains(&secret));
    assert_eq!(log_in(&secret).status(), 303);
    // A second attempt within a second is refused unchecked.
    let again = server.post("/login", "application/x-www-form-urlencoded", b"secret=wrong");
    assert_eq!(again.headers()["retry-after"], "1");
    json(again, 429);
    // The link and the cookie stay valid after a restart.
    drop(server);
    let server = Server::start(&workspace, &["--password-file", file.to_str().unwrap()]);
    assert_eq!(server.secret.as_ref(), Some(&secret));
    json(server.get_with("/api/v1/status", &[("Cookie", cookie)]), 200);
}

#[test]
fn an_unusable_password_is_refused() {
    let workspace = indexed();
    let file = workspace.root().join("password");
    for text in ["", "$argon2id$nonsense"] {
        fs::write(&file, text).unwrap();
        let args = ["--port", "0", "--password-file", file.to_str().unwrap()];
        refused(&workspace, &args, "cannot use the password");
    }
}

#[test]
fn ids_and_paths_cannot_reach_files_outside_the_library() {
    let workspace = indexed();
    fs::write(workspace.root().join("secret.txt"), "TOP SECRET").unwrap();
    let server = Server::start(&workspace, &[]);
    let mut state = 7_u32;
    let mut random = |most: u32| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 16) % most
    };
    let parts = [
        "..",
        ".",
        "%2e%2e",
        "%2f",
        "/",
        "\\",
        "%5c",
        "%00",
        "etc",
        "passwd",
        "secret.txt",
        "%ff",
        "0",
        "a",
        "é",
        "%c3%a9",
        "~",
        "photos",
        "library",
        "serve-token",
        "file:",
        "C:",
        " ",
        "%20",
        "?",
        "#",
        ";",
        "%252e",
        "ffffffffffffffffffffffffffffffff",
    ];
    let kinds = ["", "/thumbnail", "/preview", "/original", "/similar", "/tags"];
    for _ in 0..400 {
        let length = 1 + random(6);
        let id: String =
            (0..length).map(|_| parts[random(u32::try_from(parts.len()).unwrap()) as usize]).collect();
        let kind = kinds[random(6) as usize];
        let base = ["/api/v1/photos/", "/", "/api/v1/"][random(3) as usize];
        let answer = server.raw(&format!(
            "GET {base}{}{kind} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
            id.replace(' ', ""),
            server.address
        ));
        let status: u16 = answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or(400);
        assert!(!answer.contains("TOP SECRET") && !answer.contains("root:"), "{id}: {answer}");
        assert!([200, 400, 404, 405].contains(&status), "{base}{id}{kind}: {answer}");
        assert!(status != 200 || base == "/" || !answer.contains("image/"), "{base}{id}{kind}: {answer}");
    }
}

#[test]
fn the_server_refuses_large_or_malformed_requests_and_continues() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    // Too large for a picture, and too large for other bodies.
    json(server.post("/api/v1/search", "image/jpeg", &vec![0; (32 << 20) + 1]), 413);
    json(server.post("/login", "application/x-www-form-urlencoded", &vec![b'a'; 70_000]), 413);
    json(server.post("/api/v1/search", "multipart/form-data", b"x"), 400);
    json(server.post("/api/v1/search", "multipart/form-data; boundary=x", b"--x\r\nbroken"), 400);
    let header = "a".repeat(100_000);
    let head =
        |line: &str| server.raw(&format!("{line}\r\nHost: {}\r\nConnection: close\r\n\r\n", server.address));
    for (line, statuses) in [
        ("NONSENSE", &["400"][..]),
        ("GET / HTTP/9.9", &["400", "505"]),
        ("GET /api/v1/status HTTP/1.1\r\nX: \0", &["400"]),
        ("BREW /api/v1/status HTTP/1.1", &["405"]),
        (&format!("GET /{header} HTTP/1.1"), &["400", "414", "431"]),
        (&format!("GET / HTTP/1.1\r\nX: {header}"), &["400", "431"]),
        ("GET /api/v1/status HTTP/1.1\r\nHost: localhost", &["400"]),
    ] {
        let answer = head(line);
        let short: String = line.chars().take(50).collect();
        assert!(answer.is_empty() || statuses.contains(&&answer[9..12]), "{short}: {answer}");
    }
    // Silent and interrupted connections do not block others.
    let _silent = TcpStream::connect(&server.address).unwrap();
    let mut slow = TcpStream::connect(&server.address).unwrap();
    slow.write_all(b"POST /api/v1/search HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\n12")
        .unwrap();
    server.json("/api/v1/status", 200);
}

#[test]
fn connections_are_limited_and_accepted_again_later() {
    let workspace = indexed();
    let server = Server::start(&workspace, &[]);
    let held: Vec<_> = (0..1_000).filter_map(|_| TcpStream::connect(&server.address).ok()).collect();
    assert!(held.len() > 600, "{}", held.len());
    drop(held);
    // The server needs a moment to notice closed connections.
    let again = (0..100).any(|_| {
        std::thread::sleep(Duration::from_millis(100));
        server
            .raw(&format!(
                "GET /api/v1/status HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n\r\n",
                server.address
            ))
            .contains("200 OK")
    });
    assert!(again);
}

#[test]
fn the_openapi_document_describes_the_server() {
    let workspace = indexed();
    let open = Server::start(&workspace, &[]).json("/api/v1/openapi.json", 200);
    assert_eq!((&open["info"]["title"], &open["security"]), (&"imgsearch".into(), &Value::Null));
    let (server, secret) = locked(&workspace, &[]);
    let bearer = format!("Bearer {secret}");
    let document = json(server.get_with("/api/v1/openapi.json", &[("Authorization", &bearer)]), 200);
    assert!(document["security"].is_array());
    let problem = &document["paths"]["/api/v1/status"]["get"]["responses"]["401"]["content"];
    assert!(problem["application/problem+json"].is_object(), "{problem}");
    for item in
        document["paths"].as_object().unwrap().values().flat_map(|item| item.as_object().unwrap().values())
    {
        assert!(item["summary"].is_string(), "{item}");
    }
    let photo = document["components"]["schemas"]["Photo"]["properties"].as_object().unwrap();
    let found = json(server.get_with("/api/v1/search?q=a+photo", &[("Authorization", &bearer)]), 200);
    for name in photos(&found)[0].as_object().unwrap().keys() {
        assert!(photo.contains_key(name), "{name}");
    }
}

#[test]
fn without_a_login_only_the_login_page_and_its_assets_are_served() {
    let workspace = indexed();
    let (server, secret) = locked(&workspace, &[]);
    let page = bytes(server.get_with("/login", &[("Accept", "text/html")]), 200);
    let page = String::from_utf8(page).unwrap();
    let assets: Vec<&str> = page.split('"').filter(|part| part.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "a picture, a style and a script: {page}");
    for asset in &assets {
        assert!(!bytes(server.get_with(asset, &[]), 200).is_empty(), "{asset}");
    }
    let script = assets.iter().find(|asset| asset.ends_with("login.js")).unwrap();
    let app = script.replace("login.js", "app.js");
    assert_eq!(server.get_with(&app, &[]).status(), 401);
    let bearer = format!("Bearer {secret}");
    let response = server.get_with(&app, &[("Authorization", &bearer)]);
    assert_eq!(response.headers()["cache-control"], "private, max-age=31536000, immutable");
    assert!(!bytes(response, 200).is_empty());
    assert_eq!(
        server.get_with("/assets/0123456789abcdef/app.js", &[("Authorization", &bearer)]).status(),
        404
    );
}

#[test]
fn a_certificate_enables_tls() {
    let workspace = indexed();
    // Made with `openssl req -x509` for this test; the key is not secret.
    let file = |name: &str| format!("{}/tests/goldens/tls/{name}", env!("CARGO_MANIFEST_DIR"));
    let (certificate, key) = (file("cert.pem"), file("key.pem"));
    let server = Server::start(&workspace, &["--tls-cert", &certificate, "--tls-key", &key]);
    // The certificate is self-signed.
    let tls = ureq::tls::TlsConfig::builder().disable_verification(true).build();
    let agent: ureq::Agent = ureq::Agent::config_builder().tls_config(tls).proxy(None).build().into();
    let answer = agent.get(format!("https://{}/api/v1/status", server.address)).call().unwrap();
    assert_eq!(answer.status(), 200);
    refused(&workspace, &["--port", "0", "--tls-cert", &key, "--tls-key", &key], "certificate");
    let wrong = ["--port", "0", "--tls-cert", &certificate, "--tls-key", &certificate];
    refused(&workspace, &wrong, "not a key");
}
