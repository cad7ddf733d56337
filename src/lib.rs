//! imgsearch: semantic search over a person's own photos.
//!
//! [`ingest::index`] walks folders and keeps one vector per photo in a [`Library`]; an [`Engine`] answers a
//! [`Query`] with the nearest ones. The library never prints, exits or reads the environment; what it needs from
//! outside (folders, time, whether to stop) are arguments.

mod budget;
pub mod classify;
pub mod decode;
pub mod digest;
pub mod disk;
pub mod duplicates;
pub mod engine;
pub mod files;
pub mod gather;
pub mod hint;
pub mod hub;
pub mod ingest;
pub mod item;
pub mod library;
pub mod look;
pub mod model;
pub mod name;
pub mod perceptual;
pub mod photo;
pub mod query;
mod resize;
pub mod service;
pub mod setup;
pub mod sidecar;
mod stamp;
pub mod text_file;
pub mod thumbnail;
pub mod walk;
pub mod watch;

pub use engine::{Engine, EngineError, Match};
pub use library::Library;
pub use model::Model;
pub use query::{Expression, Query};
