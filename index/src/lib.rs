#![doc = include_str!("../README.md")]
#![warn(missing_debug_implementations)]

mod background;
mod catalog;
mod codes;
#[cfg(test)]
mod crash;
mod error;
mod extract;
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
pub use extract::Extractor;
pub use generation::Generation;
pub use key::{Key, KeyError, MAX_KEY_LEN};
pub use lock::Lock;
pub use options::{GraphOptions, Method, OptimizeOptions, SearchOptions, WriterOptions};
pub use record::{Change, Fingerprint, MAX_NOTE_LEN, MAX_PAYLOAD_LEN, Record, StoredRecord};
pub use repair::{Problem, Report, repair, verify, verify_copy};
pub use searcher::{Hit, Searcher, Stats, Stored};
pub use selection::Selection;
pub use space::{MAX_DIM, Space, SpaceError};
pub use vector::{Vector, VectorError};
pub use writer::Writer;
