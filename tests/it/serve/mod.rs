//! `serve`: the real binary, asked over HTTP.

mod api;
mod growing;
mod library;
mod pictures;
mod security;
mod server;
