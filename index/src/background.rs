//! What a writer does beside applying batches: publishing what has waited long enough, and building graphs.
//!
//! A full segment, one with [`segment_rows`](crate::WriterOptions) rows, gets its graph on one thread while
//! indexing goes on; a graph becomes visible with a manifest that names it, and until then its rows are scanned.
//! `optimize` builds on all cores, also for smaller segments, and goes on from the largest graph that is there.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use crate::hnsw::{self, Builder, Graph, Seed};
use crate::segment::Segment;
use crate::writer::Shared;
use crate::{Error, OptimizeOptions};

/// Scanning this many rows takes 0.1 ms on one core (`scripts/bench/ann --crossover`). A smaller segment gets no graph,
/// because nobody would notice the difference.
const LEAST_GRAPH_ROWS: usize = 4_096;

/// Starts the threads. They end when the writer does.
pub(crate) fn spawn(shared: &Arc<Shared>) -> Result<Vec<JoinHandle<()>>, Error> {
    let spawn = |name: &str, work: fn(&Shared)| {
        let shared = Arc::clone(shared);
        thread::Builder::new().name(name.to_owned()).spawn(move || work(&shared))
    };
    let failed = || Error::io("start a thread for", &shared.dir);
    Ok(vec![
        spawn("index-publish", publish_in_time).map_err(failed())?,
        spawn("index-graphs", build_graphs).map_err(failed())?,
    ])
}

fn has_ended(shared: &Shared) -> bool {
    shared.ended.load(Ordering::Relaxed)
}

/// Publishes what nobody publishes by applying more.
fn publish_in_time(shared: &Shared) {
    let mut turn = shared.take_turn();
    while !has_ended(shared) {
        let wait = match turn.publication.due_in(&shared.options) {
            None => {
                turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // When it fails, whoever closes the writer tries again and is told why; until then not all the time.
            Some(wait) if wait.is_zero() => match shared.publish(&mut turn) {
                Ok(()) => continue,
                Err(_) => shared.options.publish_interval,
            },
            Some(wait) => wait,
        };
        turn = shared.bell.wait_timeout(turn, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// How many rows a segment must have to get a graph while indexing.
fn full(shared: &Shared) -> usize {
    shared.options.segment_rows.max(LEAST_GRAPH_ROWS)
}

fn build_graphs(shared: &Shared) {
    loop {
        let mut turn = shared.take_turn();
        let segment = loop {
            if has_ended(shared) || turn.graph_failures > 0 {
                return;
            }
            match turn.publication.without_graph(full(shared)).filter(|_| !is_optimizing(shared)) {
                Some(segment) => break segment,
                None => turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(turn);
        let cancelled = || has_ended(shared) || is_optimizing(shared);
        let options = shared.options.graph;
        let builder = Builder { options, parallel: false, cancelled: &cancelled, progress: &|_| () };
        if build(shared, &segment, None, &builder).is_err() {
            shared.take_turn().graph_failures += 1;
        }
        shared.bell.notify_all();
    }
}

/// Waits until the thread above has nothing more to do.
pub(crate) fn wait_for_graphs(shared: &Shared) {
    let mut turn = shared.take_turn();
    while turn.graph_failures == 0 && turn.publication.without_graph(full(shared)).is_some() {
        turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Builds the graph of a segment, keeps it in the catalog, and publishes it. What an old graph has of its rows is taken
/// over. Answers whether it was built.
fn build(
    shared: &Shared,
    segment: &Segment,
    old: Option<&(Arc<Segment>, Graph)>,
    builder: &Builder<'_>,
) -> Result<bool, Error> {
    let m = hnsw::m_of(&builder.options);
    let seed = old.and_then(|(old, graph)| Seed::new((graph, old), segment, m));
    let flat = match old.and_then(|(old, graph)| graph.verdict(old.vectors(), segment.vectors())) {
        Some(flat) => flat,
        None => match builder.build(segment, seed)? {
            Some(flat) => flat,
            None => return Ok(false),
        },
    };
    let id = shared.take_turn().publication.new_id();
    hnsw::write(&shared.dir, id, segment, &flat.if_of_use())?;
    let graph = Graph::open(&shared.dir, id, segment)?;
    shared.catalog.put_graph(id, graph.sections().file_bytes())?;
    let mut turn = shared.take_turn();
    let named = (id, graph.sections().checksum());
    if !turn.publication.add_graph(&shared.dir, segment.id, named)? {
        std::fs::remove_file(graph.sections().path()).ok();
    }
    shared.catalog.retain_graphs(|graph| turn.publication.names_graph(graph))?;
    Ok(true)
}

fn is_optimizing(shared: &Shared) -> bool {
    shared.optimizing.load(Ordering::Relaxed)
}

/// Keeps the thread that builds graphs from building those that are being built here, or are about to be merged away.
struct Optimizing<'a>(&'a Shared);

impl Optimizing<'_> {
    fn begin(shared: &Shared) -> Optimizing<'_> {
        shared.optimizing.store(true, Ordering::Relaxed);
        Optimizing(shared)
    }
}

impl Drop for Optimizing<'_> {
    fn drop(&mut self) {
        self.0.optimizing.store(false, Ordering::Relaxed);
        drop(self.0.take_turn());
        self.0.bell.notify_all();
    }
}

/// See [`Writer::optimize`](crate::Writer::optimize).
pub(crate) fn optimize(shared: &Shared, options: &OptimizeOptions<'_>) -> Result<bool, Error> {
    let limit = options.segment_rows.max(1);
    let _optimizing = Optimizing::begin(shared);
    let mut turn = shared.take_turn();
    let old = turn.publication.largest_graph(&shared.dir);
    shared.publish(&mut turn)?;
    if turn.publication.can_be_merged(limit) {
        turn.publication.merge_all(&shared.dir, &shared.catalog, limit)?;
        shared.catalog.retain_graphs(|graph| turn.publication.names_graph(graph))?;
    }
    let total = turn.publication.rows_without_graph(LEAST_GRAPH_ROWS);
    drop(turn);
    let done = AtomicUsize::new(0);
    loop {
        let missing = shared.take_turn().publication.without_graph(LEAST_GRAPH_ROWS);
        let Some(segment) = missing else { return Ok(true) };
        let before = done.load(Ordering::Relaxed);
        let progress = |rows: usize| (options.progress)(before + rows, total);
        let cancelled = || (options.cancelled)() || has_ended(shared);
        let graph = shared.options.graph;
        let builder = Builder { options: graph, parallel: true, cancelled: &cancelled, progress: &progress };
        if !build(shared, &segment, old.as_ref(), &builder)? {
            return Ok(false);
        }
        done.fetch_add(segment.vectors(), Ordering::Relaxed);
    }
}
