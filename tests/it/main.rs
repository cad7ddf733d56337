//! Integration tests, in one binary, so that it is linked only once.
//!
//! They need ONNX Runtime and the offline model, which `scripts/setup` installs.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

mod accounting;
mod architecture;
#[cfg(feature = "archives")]
mod archives;
mod broken_files;
#[cfg(feature = "tui")]
mod browse;
mod change_of_model;
mod collections;
mod commands;
mod config;
mod cut_vectors;
mod decoder_version;
mod disks;
mod duplicates;
mod engine;
mod faults;
mod file_times;
mod filters;
mod first_minutes;
mod fixture;
mod formats;
mod goldens;
mod gpus;
mod guesses;
mod hostile;
mod hub_server;
mod in_process;
mod incremental;
mod known_folders;
#[cfg(not(all(feature = "archives", feature = "mcp", feature = "serve", feature = "tui")))]
mod left_out;
mod library;
mod manual;
#[cfg(feature = "mcp")]
mod mcp;
mod memory_store;
mod metadata_cases;
#[cfg(feature = "milvus")]
mod milvus;
mod model_goldens;
mod models;
mod names;
mod only;
mod parts;
mod pixels;
#[cfg(all(unix, feature = "postgres"))]
mod postgres;
#[cfg(feature = "tui")]
mod previews;
mod pulled_layouts;
mod queries;
mod raw_pairs;
mod reading;
mod readme;
mod roots;
mod see;
#[cfg(feature = "serve")]
mod serve;
mod servers;
mod setup;
#[cfg(target_os = "linux")]
mod shells;
mod sidecars;
mod slow_pictures;
mod store;
mod tags;
mod terminal;
mod text_files;
mod text_goldens;
#[cfg(all(unix, feature = "tui"))]
mod tmux;
mod towers;
mod transfer;
mod unseen;
mod watching;
mod words;
mod workspace;
