//! A durable nearest-neighbour index over unit vectors.
//!
//! The caller keeps records under keys, each with a small payload and at most one vector, and asks for the
//! records whose vectors are closest to a query. One [`Writer`] changes an index; a [`Searcher`] is a view of
//! one state of it, which never changes under the caller.
//!
//! ```
//! use imgsearch_index::{Change, Key, Record, SearchOptions, Searcher, Space, Vector, Writer};
//! use std::num::NonZeroUsize;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let folder = tempfile::tempdir()?;
//! # let dir = folder.path().join("index");
//! let space = Space { id: "model-1".into(), label: "a small model".into(), dim: 2 };
//! let writer = Writer::open(&dir, &space, Default::default())?;
//! writer.apply(vec![Change::Put {
//!     key: Key::new("photos/cat.jpg")?,
//!     record: Record { fingerprint: None, payload: b"anything".to_vec() },
//!     vector: Some(Vector::new(vec![3.0, 4.0])?),
//! }])?;
//! writer.close()?;
//!
//! let query = Vector::new(vec![0.0, 1.0])?;
//! let hits = Searcher::open(&dir)?.search(&query, NonZeroUsize::MIN, &SearchOptions::default())?;
//! assert_eq!(hits[0].key.as_bytes(), b"photos/cat.jpg");
//! assert!((hits[0].score - 0.8).abs() < 1e-3);
//! # Ok(())
//! # }
//! ```
//!
//! The crate knows nothing of images, files or models: keys and payloads are opaque bytes. It never prints,
//! exits, or reads the environment.

mod background;
mod catalog;
mod codes;
#[cfg(test)]
mod crash;
#[cfg(test)]
mod crossover;
mod error;
mod fault;
mod files;
#[cfg(test)]
mod fuzz;
mod generation;
mod hnsw;
mod identity;
mod key;
mod lock;
mod manifest;
mod map;
mod merge_policy;
mod options;
mod publication;
mod record;
mod recovery;
mod repair;
mod scan;
mod searcher;
mod sections;
mod segment;
mod selection;
mod simd;
mod space;
#[cfg(test)]
mod test_numbers;
#[cfg(test)]
mod test_segment;
mod top;
mod vector;
mod writer;

pub use error::Error;
pub use generation::Generation;
pub use key::{Key, KeyError, MAX_KEY_LEN};
pub use lock::Lock;
pub use options::{GraphOptions, Method, OptimizeOptions, SearchOptions, WriterOptions};
pub use record::{Change, Fingerprint, MAX_NOTE_LEN, MAX_PAYLOAD_LEN, Record, StoredRecord};
pub use repair::{Problem, Report, repair, verify, verify_copy};
pub use searcher::{Hit, Searcher, Stats, Stored};
pub use selection::Selection;
pub use space::{MAX_DIM, Space};
pub use vector::{Vector, VectorError};
pub use writer::Writer;
