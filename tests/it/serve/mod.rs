//! `serve`: the real binary, asked over HTTP.

mod api;
mod server;
