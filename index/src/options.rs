//! What the caller may choose, with the reasons for the defaults.
//!
//! Options start as their defaults and are changed one by one, so that a new one breaks no caller.

use std::fmt;
use std::time::Duration;

use crate::Selection;

/// Scanning this many rows takes 0.1 ms on one core (`cargo bench -p imgsearch-index --bench crossover`). A smaller
/// segment gets no graph, because nobody would notice the difference.
pub(crate) const LEAST_GRAPH_ROWS: usize = 4_096;

/// From this many rows on, graphs are built with twice as many candidates.
const LARGE_ROWS: usize = 1 << 19;

/// How many rows a segment has at most, unless `optimize` is told otherwise. Building a graph with `m` = 16 takes some
/// 0.3 KB of memory for each row, besides the mapped file.
pub(crate) const MOST_ROWS: usize = 4_194_304;

/// How a [`Writer`](crate::Writer) works. None of it changes what is stored, so an index may be opened with
/// other options each time.
///
/// ```
/// use imgsearch_index::WriterOptions;
///
/// let options = WriterOptions::default().publish_rows(100).cache_bytes(8 << 20);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct WriterOptions {
    pub(crate) cache_bytes: u64,
    pub(crate) publish_rows: usize,
    pub(crate) publish_interval: Duration,
    pub(crate) segment_rows: usize,
    pub(crate) graph: GraphOptions,
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

impl WriterOptions {
    /// Memory for the catalog's cache, in bytes; 64 MiB by default, which hold some 30,000 records with vectors of 512
    /// dimensions. The catalog's own default is 1 GB.
    #[must_use]
    pub fn cache_bytes(self, cache_bytes: u64) -> WriterOptions {
        WriterOptions { cache_bytes, ..self }
    }

    /// How many changed rows searchers may lag behind before they are published; 1,000 by default.
    #[must_use]
    pub fn publish_rows(self, publish_rows: usize) -> WriterOptions {
        WriterOptions { publish_rows, ..self }
    }

    /// How long searchers may lag behind before rows are published; 5 seconds by default.
    #[must_use]
    pub fn publish_interval(self, publish_interval: Duration) -> WriterOptions {
        WriterOptions { publish_interval, ..self }
    }

    /// How many rows make a segment full; 65,536 by default. A full segment gets a graph if it has at least 4,096 rows
    /// with vectors.
    #[must_use]
    pub fn segment_rows(self, segment_rows: usize) -> WriterOptions {
        WriterOptions { segment_rows, ..self }
    }

    /// How graphs are built.
    #[must_use]
    pub fn graph(self, graph: GraphOptions) -> WriterOptions {
        WriterOptions { graph, ..self }
    }
}

/// How the graph of a segment is built, in the words of the HNSW paper (arXiv 1603.09320).
#[derive(Debug, Clone, Copy)]
pub struct GraphOptions {
    pub(crate) m: usize,
    /// `None` for what the number of rows needs.
    pub(crate) ef_construction: Option<usize>,
}

impl Default for GraphOptions {
    fn default() -> GraphOptions {
        GraphOptions { m: 16, ef_construction: None }
    }
}

impl GraphOptions {
    /// How many links a row keeps on each upper level; on level 0 it keeps twice as many. 16 by default, 2 at least.
    #[must_use]
    pub fn m(self, m: usize) -> GraphOptions {
        GraphOptions { m, ..self }
    }

    /// How many candidates are looked at for the links of a new row. By default 100, and 200 in a segment of 524,288
    /// rows or more: the more rows there are, the more candidates it takes to find the right ones.
    #[must_use]
    pub fn ef_construction(self, ef_construction: usize) -> GraphOptions {
        GraphOptions { ef_construction: Some(ef_construction), ..self }
    }

    /// `ef_construction` for the graph of a segment with so many rows.
    pub(crate) fn ef_construction_for(&self, rows: usize) -> usize {
        self.ef_construction.unwrap_or(if rows < LARGE_ROWS { 100 } else { 200 })
    }
}

/// How [`Writer::optimize`](crate::Writer::optimize) works.
#[derive(Clone, Copy)]
pub struct OptimizeOptions<'a> {
    pub(crate) segment_rows: usize,
    pub(crate) cancelled: &'a (dyn Fn() -> bool + Sync),
    pub(crate) progress: &'a (dyn Fn(usize, usize) + Sync),
}

impl Default for OptimizeOptions<'_> {
    fn default() -> Self {
        OptimizeOptions { segment_rows: MOST_ROWS, cancelled: &|| false, progress: &|_, _| () }
    }
}

impl fmt::Debug for OptimizeOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OptimizeOptions").field("segment_rows", &self.segment_rows).finish_non_exhaustive()
    }
}

impl<'a> OptimizeOptions<'a> {
    /// How many rows a segment has at most; 4,194,304 by default. Building a graph with `m` = 16 takes some 0.3 KB of
    /// memory for each row, besides the mapped file. One walk over many rows takes less than many walks over few.
    #[must_use]
    pub fn segment_rows(self, segment_rows: usize) -> OptimizeOptions<'a> {
        OptimizeOptions { segment_rows, ..self }
    }

    /// Asked now and then, from several threads; true ends the work early.
    #[must_use]
    pub fn cancelled(self, cancelled: &'a (dyn Fn() -> bool + Sync)) -> OptimizeOptions<'a> {
        OptimizeOptions { cancelled, ..self }
    }

    /// Told now and then how far the graphs are, in rows, and how many rows will get one.
    #[must_use]
    pub fn progress(self, progress: &'a (dyn Fn(usize, usize) + Sync)) -> OptimizeOptions<'a> {
        OptimizeOptions { progress, ..self }
    }
}

/// How to search.
///
/// ```
/// use imgsearch_index::{Method, SearchOptions};
///
/// let options = SearchOptions::default().method(Method::Exact);
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct SearchOptions<'a> {
    pub(crate) filter: Option<&'a Selection>,
    pub(crate) method: Method,
}

impl<'a> SearchOptions<'a> {
    /// Find only these rows, which the same searcher or a clone of it has selected; by default, or with `None`, any.
    #[must_use]
    pub fn filter(self, filter: impl Into<Option<&'a Selection>>) -> SearchOptions<'a> {
        SearchOptions { filter: filter.into(), ..self }
    }

    /// How to find the closest rows.
    #[must_use]
    pub fn method(self, method: Method) -> SearchOptions<'a> {
        SearchOptions { method, ..self }
    }
}

/// How a search finds the closest rows.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
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
    /// At a recall of 0.995 one list of ten in twenty misses one row. Of 100,000 rows, 0.98 would save 0.05 ms
    /// (`scripts/bench/ann`).
    fn default() -> Method {
        Method::Auto { recall: 0.995 }
    }
}
