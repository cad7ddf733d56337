//! `serve`: tests of the real binary over HTTP.

mod api;
mod growing;
mod library;
mod pictures;
mod security;
mod server;
