//! What the caller may choose, with the reasons for the defaults.

use std::time::Duration;

use crate::Selection;

/// How a [`Writer`](crate::Writer) works. None of it changes what is stored, so an index may be opened with
/// other options each time.
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    /// Memory for the catalog's cache, in bytes. The catalog's own default is 1 GB, most of what indexing
    /// takes otherwise; 64 MiB hold the records of some 30,000 photos.
    pub cache_bytes: u64,
    /// How many changed rows searchers may lag behind before they are published.
    pub publish_rows: usize,
    /// How long searchers may lag behind before rows are published.
    pub publish_interval: Duration,
    /// How many rows make a segment, which is then sealed and gets a graph. It bounds the memory that building
    /// one graph takes.
    pub segment_rows: usize,
    /// How graphs are built.
    pub graph: GraphOptions,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        WriterOptions {
            cache_bytes: 64 << 20,
            publish_rows: 1_000,
            publish_interval: Duration::from_secs(5),
            segment_rows: 65_536,
            graph: GraphOptions::default(),
        }
    }
}

/// How the graph over a sealed segment is built, in the words of the HNSW paper (arXiv 1603.09320).
#[derive(Debug, Clone, Copy)]
pub struct GraphOptions {
    /// How many links a row keeps on each upper level; on level 0 it keeps twice as many.
    pub m: usize,
    /// How many candidates are looked at for the links of a new row.
    pub ef_construction: usize,
}

impl Default for GraphOptions {
    fn default() -> GraphOptions {
        GraphOptions { m: 16, ef_construction: 100 }
    }
}

/// How [`Writer::optimize`](crate::Writer::optimize) works.
#[derive(Clone, Copy)]
pub struct OptimizeOptions<'a> {
    /// How many rows a segment has at most. Building its graph takes some 1.7 KB of memory per row, and searching
    /// one graph of many rows takes less than searching many of few.
    pub segment_rows: usize,
    /// Asked now and then, from several threads; true ends the work early.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told now and then how far the graphs are, in rows, and how many rows will get one.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for OptimizeOptions<'_> {
    fn default() -> Self {
        OptimizeOptions { segment_rows: 262_144, cancelled: &|| false, progress: &|_, _| () }
    }
}

/// How to search.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchOptions<'a> {
    /// Only these rows, which the same searcher has selected.
    pub filter: Option<&'a Selection>,
    /// Compare the query with every row, even where a graph would be faster. The hits are then those of a full
    /// comparison: every score is the [`dot`](crate::Vector::dot) of the query and the stored vector.
    pub exact: bool,
    /// How many candidates a walk over a graph keeps: more finds more and takes longer. By default 64, and only where
    /// that is known to find nearly all: for few hits, and in up to 131,072 rows. Otherwise rows are scanned.
    pub ef: Option<usize>,
}
