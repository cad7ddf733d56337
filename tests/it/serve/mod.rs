//! `serve`: tests of the real binary over HTTP.

mod api;
mod growing;
mod library;
#[cfg(feature = "mcp")]
mod mcp;
mod newest;
mod pictures;
mod security;
mod server;
mod words;
