//! Options for callers, with the reasons for the defaults.
//!
//! Options start with their defaults and are set one by one, so that new options break no caller.

use std::fmt;
use std::time::Duration;

use crate::{Extractor, Selection};

/// Scanning this many rows takes 0.1 ms on one core (`cargo bench -p imgsearch-index --bench crossover`). A smaller
/// segment gets no graph, because nobody would notice the difference.
pub(crate) const LEAST_GRAPH_ROWS: usize = 4_096;

/// From this many rows on, graphs are built with twice as many candidates.
const LARGE_ROWS: usize = 1 << 19;

/// The default of [`OptimizeOptions::segment_rows`]: the most rows in a segment. Building a graph with `m` = 16 takes about
/// 0.3 KB of memory per row, besides the mapped file.
pub(crate) const MOST_ROWS: usize = 4_194_304;

/// Options of a [`Writer`](crate::Writer). They do not affect the stored data, so you can open an index with other options
/// each time.
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
    pub(crate) extractor: Option<Extractor>,
}

impl Default for WriterOptions {
    fn default() -> WriterOptions {
        WriterOptions {
            cache_bytes: 64 << 20,
            publish_rows: 1_000,
            publish_interval: Duration::from_secs(5),
            segment_rows: 65_536,
            graph: GraphOptions::default(),
            extractor: None,
        }
    }
}

impl WriterOptions {
    /// Memory for the catalog's cache, in bytes. The default is 64 MiB, enough for about 30,000 records with vectors of 512
    /// dimensions. (sled's own default is 1 GB.)
    #[must_use]
    pub fn cache_bytes(self, cache_bytes: u64) -> WriterOptions {
        WriterOptions { cache_bytes, ..self }
    }

    /// Publish after this many changed rows; 1,000 by default.
    #[must_use]
    pub fn publish_rows(self, publish_rows: usize) -> WriterOptions {
        WriterOptions { publish_rows, ..self }
    }

    /// Publish changed rows after this time; 5 seconds by default.
    #[must_use]
    pub fn publish_interval(self, publish_interval: Duration) -> WriterOptions {
        WriterOptions { publish_interval, ..self }
    }

    /// The number of rows of a full segment; 65,536 by default. A full segment gets a graph if it has at least 4,096 rows
    /// with vectors.
    #[must_use]
    pub fn segment_rows(self, segment_rows: usize) -> WriterOptions {
        WriterOptions { segment_rows, ..self }
    }

    /// What to keep of the payloads, so that [`Searcher::containing`](crate::Searcher::containing) need not read them.
    /// Nothing by default.
    #[must_use]
    pub fn extractor(self, extractor: Extractor) -> WriterOptions {
        WriterOptions { extractor: Some(extractor), ..self }
    }

    /// How graphs are built.
    #[must_use]
    pub fn graph(self, graph: GraphOptions) -> WriterOptions {
        WriterOptions { graph, ..self }
    }
}

/// How graphs are built, in the terms of the HNSW paper (arXiv 1603.09320).
#[derive(Debug, Clone, Copy)]
pub struct GraphOptions {
    pub(crate) m: usize,
    /// `None` to choose by the number of rows.
    pub(crate) ef_construction: Option<usize>,
}

impl Default for GraphOptions {
    fn default() -> GraphOptions {
        GraphOptions { m: 16, ef_construction: None }
    }
}

impl GraphOptions {
    /// The number of links per row on each upper level; level 0 has twice as many. 16 by default, at least 2.
    #[must_use]
    pub fn m(self, m: usize) -> GraphOptions {
        GraphOptions { m, ..self }
    }

    /// The number of candidates for the links of a new row. The default is 100, and 200 in a segment of 524,288 rows or
    /// more, because more rows need more candidates to find the right links.
    #[must_use]
    pub fn ef_construction(self, ef_construction: usize) -> GraphOptions {
        GraphOptions { ef_construction: Some(ef_construction), ..self }
    }

    /// `ef_construction` for a segment with this many rows.
    pub(crate) fn ef_construction_for(&self, rows: usize) -> usize {
        self.ef_construction.unwrap_or(if rows < LARGE_ROWS { 100 } else { 200 })
    }
}

/// Options of [`Writer::optimize`](crate::Writer::optimize).
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
    /// The most rows in a segment; 4,194,304 by default. One walk over many rows is faster than many walks over few, but
    /// building a graph with `m` = 16 takes about 0.3 KB of memory per row, besides the mapped file.
    #[must_use]
    pub fn segment_rows(self, segment_rows: usize) -> OptimizeOptions<'a> {
        OptimizeOptions { segment_rows, ..self }
    }

    /// Called now and then, from several threads; return true to cancel.
    #[must_use]
    pub fn cancelled(self, cancelled: &'a (dyn Fn() -> bool + Sync)) -> OptimizeOptions<'a> {
        OptimizeOptions { cancelled, ..self }
    }

    /// Called now and then with the number of rows whose graphs are done, and the number of rows in all.
    #[must_use]
    pub fn progress(self, progress: &'a (dyn Fn(usize, usize) + Sync)) -> OptimizeOptions<'a> {
        OptimizeOptions { progress, ..self }
    }
}

/// Options of a search.
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
    /// Find only these rows, which the same searcher or a clone of it must have selected. `None`, the default, allows all.
    #[must_use]
    pub fn filter(self, filter: impl Into<Option<&'a Selection>>) -> SearchOptions<'a> {
        SearchOptions { filter: filter.into(), ..self }
    }

    /// The search method.
    #[must_use]
    pub fn method(self, method: Method) -> SearchOptions<'a> {
        SearchOptions { method, ..self }
    }
}

/// The method of a search.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum Method {
    /// Walks graphs that are known to reach `recall` in less time than a scan, and scans the other rows. `recall` is a mean
    /// over many queries that resemble the vectors of the index.
    Auto {
        /// The share of the closest rows to find, from 0 to 1. If no graph reaches it, all rows are scanned.
        recall: f32,
    },
    /// Gives the hits of a full comparison of the query with every row. Each score is the [`dot`](crate::Vector::dot) of
    /// the query and the stored vector.
    Exact,
    /// Walks all graphs, whatever their recall, and scans the rows without a graph.
    Walk {
        /// The number of candidates of a walk (at least the number of hits is used). More find more and take longer.
        ef: usize,
    },
}

impl Default for Method {
    /// With a recall of 0.995, one in twenty lists of ten misses one row. For 100,000 rows, 0.98 would save 0.05 ms
    /// (`scripts/bench/ann`).
    fn default() -> Method {
        Method::Auto { recall: 0.995 }
    }
}
