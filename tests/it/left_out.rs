//! A build without a feature says which feature a command needs.

#[cfg(not(feature = "tui"))]
#[test]
fn pictures_on_a_terminal_need_a_feature() {
    let workspace = crate::workspace::Workspace::new();
    for args in [&["browse"][..], &["query", "a photo", "--preview"]] {
        let refused = workspace.imgsearch(args).assert().code(2);
        refused.stderr(predicates::str::contains("needs the feature `tui`"));
    }
}

#[cfg(not(feature = "archives"))]
#[test]
fn models_in_archives_need_a_feature() {
    let workspace = crate::workspace::Workspace::new();
    let archive = workspace.root().join("model.zip");
    std::fs::write(&archive, "PK").unwrap();
    let archive = archive.to_str().unwrap();
    let photos = workspace.photos();
    let photos = photos.to_str().unwrap();
    for args in [&["models", "pull", archive][..], &["index", photos, "--model", archive]] {
        let refused = workspace.imgsearch(args).assert().code(2);
        refused.stderr(predicates::str::contains("needs the feature `archives`"));
    }
}

#[cfg(not(feature = "serve"))]
#[test]
fn a_server_needs_a_feature() {
    let workspace = crate::workspace::Workspace::new();
    let refused = workspace.imgsearch(&["serve"]).assert().code(2);
    refused.stderr(predicates::str::contains("needs the feature `serve`"));
}

#[cfg(not(feature = "mcp"))]
#[test]
fn tools_for_assistants_need_a_feature() {
    let workspace = crate::workspace::Workspace::new();
    let refused = workspace.imgsearch(&["mcp"]).assert().code(2);
    refused.stderr(predicates::str::contains("needs the feature `mcp`"));
}
