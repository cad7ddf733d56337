//! What the caller may choose, with the reasons for the defaults.

use std::time::Duration;

use crate::Selection;

/// Scanning this many rows takes 0.1 ms on one core (`scripts/bench/ann --crossover`). A smaller segment gets no graph,
/// because nobody would notice the difference.
pub(crate) const LEAST_GRAPH_ROWS: usize = 4_096;

/// How many rows a segment has at most, unless `optimize` is told otherwise. Building a graph with `m` = 16 takes some
/// 0.3 KB of memory for each row, besides the mapped file.
pub(crate) const MOST_ROWS: usize = 4_194_304;

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
    /// How many rows make a segment full, so that it gets a graph.
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

/// How the graph of a segment is built, in the words of the HNSW paper (arXiv 1603.09320).
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
    /// How many rows a segment has at most. Building a graph with `m` = 16 takes some 0.3 KB of memory for each row,
    /// besides the mapped file. One walk over many rows takes less than many walks over few.
    pub segment_rows: usize,
    /// Asked now and then, from several threads; true ends the work early.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
    /// Told now and then how far the graphs are, in rows, and how many rows will get one.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for OptimizeOptions<'_> {
    fn default() -> Self {
        OptimizeOptions { segment_rows: MOST_ROWS, cancelled: &|| false, progress: &|_, _| () }
    }
}

/// How to search.
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchOptions<'a> {
    /// Only these rows, which the same searcher has selected.
    pub filter: Option<&'a Selection>,
    /// How to find the closest rows.
    pub method: Method,
}

/// How a search finds the closest rows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Method {
    /// Walks a graph where walks are known to find `recall` of the closest rows in less time than a scan takes, and
    /// scans the other rows. `recall` is a mean over many queries that are like the vectors of the index.
    Auto {
        /// Which share of the closest rows to find, from 0 to 1. Above what any graph reaches, all rows are scanned.
        recall: f32,
    },
    /// Compares the query with every row. The hits are those of a full comparison: every score is the
    /// [`dot`](crate::Vector::dot) of the query and the stored vector.
    Exact,
    /// Walks every graph there is, whatever that finds, and scans the rows without a graph.
    Walk {
        /// How many candidates a walk keeps, at least as many as hits are asked for: more finds more and takes longer.
        ef: usize,
    },
}

impl Default for Method {
    /// At a recall of 0.995 one list of ten in twenty misses one row. Of 100,000 rows, 0.98 would save 0.05 ms.
    fn default() -> Method {
        Method::Auto { recall: 0.995 }
    }
}
