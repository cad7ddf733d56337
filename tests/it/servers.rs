//! The servers that tests use. `scripts/test` starts them; a test that needs one is skipped if it does not run.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgsearch::Library;
use imgsearch::library::{Secrets, Url};

use crate::workspace::skip;

/// The URL of the PostgreSQL server; `None` if there is none.
pub(crate) fn postgres() -> Option<String> {
    if cfg!(not(feature = "postgres")) {
        return None;
    }
    let url = std::env::var("IMGSEARCH_TEST_POSTGRES").ok();
    if url.is_none() {
        skip("IMGSEARCH_TEST_POSTGRES is not set: run the tests with scripts/test or `scripts/postgres run`");
    }
    url
}

/// The URL of the Milvus server; `None` if there is none.
pub(crate) fn milvus() -> Option<String> {
    if cfg!(not(feature = "milvus")) {
        return None;
    }
    let url = std::env::var("IMGSEARCH_TEST_MILVUS").ok();
    if url.is_none() {
        skip("IMGSEARCH_TEST_MILVUS is not set: run the tests with scripts/test or `scripts/milvus run`");
    }
    url
}

/// The URLs of all servers.
pub(crate) fn servers() -> Vec<String> {
    postgres().into_iter().chain(milvus()).collect()
}

/// The URL of a new library on this server.
pub(crate) fn new_library(server: &str) -> String {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let (process, number) = (std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
    if server.starts_with("milvus") {
        return format!("{server}/test_{process}_{number}");
    }
    let joint = if server.contains('?') { '&' } else { '?' };
    format!("{server}{joint}library=test-{process}-{number}")
}

/// A new library on this server, whose small files are in `folder`.
pub(crate) fn library_on(server: &str, folder: &Path) -> Library {
    let url = Url::parse(Path::new(&new_library(server))).unwrap();
    Library::on_server(&url, &Secrets::default(), folder).unwrap()
}
