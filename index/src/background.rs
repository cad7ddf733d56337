//! A writer's background work: publishing on time, building graphs, merging full segments.
//!
//! A full segment (one with [`segment_rows`](crate::WriterOptions) rows) gets its graph on one thread while indexing
//! continues. A graph becomes visible when the manifest names it; until then the rows are scanned. The same thread merges
//! full segments; the old ones answer until the new one has its graph. `optimize` does both on all cores, for smaller
//! segments too. Both reuse the largest existing graph.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, PoisonError};
use std::thread::{self, JoinHandle};

use crate::hnsw::{self, Builder, Graph, Seed};
use crate::merge_policy::{self, full_rows};
use crate::options::LEAST_GRAPH_ROWS;
use crate::publication::Publication;
use crate::segment::Segment;
use crate::writer::Shared;
use crate::{Error, OptimizeOptions, files};

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

/// Publishes pending rows in time, even if the caller applies nothing more.
fn publish_in_time(shared: &Shared) {
    let mut turn = shared.take_turn();
    while !has_ended(shared) {
        let wait = match turn.publication.due_in(&shared.options) {
            None => {
                turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner);
                continue;
            }
            // If this fails, don't retry in a loop. `close` tries again and reports the error.
            Some(wait) if wait.is_zero() => match shared.publish(&mut turn) {
                Ok(()) => continue,
                Err(_) => shared.options.publish_interval,
            },
            Some(wait) => wait,
        };
        turn = shared.bell.wait_timeout(turn, wait).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// The next task of the thread that builds graphs.
enum Work {
    Merge,
    Build(Arc<Segment>),
}

/// Merges come first: the graph of a merge also covers full segments that have none.
fn work(shared: &Shared, publication: &Publication) -> Option<Work> {
    let merge = || full_to_merge(shared, publication).map(|_| Work::Merge);
    let build = || publication.without_graph(full_rows(&shared.options)).map(Work::Build);
    merge().or_else(build)
}

fn full_to_merge(shared: &Shared, publication: &Publication) -> Option<Vec<usize>> {
    merge_policy::full(&publication.manifest.segments, &shared.options)
}

fn build_graphs(shared: &Shared) {
    loop {
        let mut turn = shared.take_turn();
        let work = loop {
            if has_ended(shared) || turn.graph_failures > 0 {
                return;
            }
            match work(shared, &turn.publication).filter(|_| !is_optimizing(shared)) {
                Some(work) => break work,
                None => turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner),
            }
        };
        drop(turn);
        let cancelled = || has_ended(shared) || is_optimizing(shared);
        let options = shared.options.graph;
        let builder = Builder { options, parallel: false, cancelled: &cancelled, progress: &|_| () };
        let done = AtomicUsize::new(0);
        let ended = match work {
            Work::Merge => {
                let places = |publication: &Publication| full_to_merge(shared, publication);
                merge(shared, places, usize::MAX, (&builder, &done))
            }
            Work::Build(segment) => build(shared, &segment, (&builder, &done)),
        };
        if ended.is_err() {
            shared.take_turn().graph_failures += 1;
        }
        shared.bell.notify_all();
    }
}

/// Waits until the graph thread has nothing left to do.
pub(crate) fn wait_for_graphs(shared: &Shared) {
    let mut turn = shared.take_turn();
    while turn.graph_failures == 0 && work(shared, &turn.publication).is_some() {
        turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Merges the segments at `places` (perhaps none) into as few as possible with at most `limit` rows, and builds their
/// graphs. Returns false if it was cancelled.
fn merge(
    shared: &Shared,
    places: impl FnOnce(&Publication) -> Option<Vec<usize>>,
    limit: usize,
    (builder, done): (&Builder<'_>, &AtomicUsize),
) -> Result<bool, Error> {
    let mut turn = shared.take_turn();
    // Publish first: the merge looks up every living row in the catalog, so rows deleted there must be dead here too.
    shared.publish(&mut turn)?;
    let Some(places) = places(&turn.publication) else { return Ok(true) };
    let old = turn.publication.largest_graph(&shared.dir);
    let merge = turn.publication.begin_merge(&shared.dir, &shared.catalog, &places, limit)?;
    drop(turn);
    let graph = |segment: &Arc<Segment>| match segment.vectors() < LEAST_GRAPH_ROWS {
        true => Ok(Some(None)),
        false => Ok(graph_of(shared, segment, old.as_ref(), (builder, done))?.map(Some)),
    };
    let graphs: Result<Option<Vec<_>>, Error> = merge.segments.iter().map(graph).collect();
    let mut turn = shared.take_turn();
    let graphs = graphs.and_then(|graphs| shared.publish(&mut turn).map(|()| graphs));
    let Ok(Some(graphs)) = graphs else {
        turn.publication.give_up_merge(&shared.dir, &merge);
        return graphs.map(|_| false);
    };
    turn.publication.finish_merge(&shared.dir, &shared.catalog, merge, &graphs)?;
    shared.catalog.retain_graphs(|graph| turn.publication.names_graph(graph))?;
    Ok(true)
}

/// Builds the graph of a segment and publishes it. Returns false if it was cancelled.
fn build(shared: &Shared, segment: &Segment, work: (&Builder<'_>, &AtomicUsize)) -> Result<bool, Error> {
    let Some(graph) = graph_of(shared, segment, None, work)? else { return Ok(false) };
    let mut turn = shared.take_turn();
    if !turn.publication.add_graph(&shared.dir, segment.id, graph)? {
        std::fs::remove_file(files::graph(&shared.dir, graph.0)).ok();
    }
    shared.catalog.retain_graphs(|graph| turn.publication.names_graph(graph))?;
    Ok(true)
}

/// Builds the graph of a segment, reusing the largest graph, and stores it in the catalog. Returns its number and
/// checksum, or `None` if it was cancelled. `done` counts the rows of finished graphs.
fn graph_of(
    shared: &Shared,
    segment: &Segment,
    old: Option<&(Arc<Segment>, Graph)>,
    (builder, done): (&Builder<'_>, &AtomicUsize),
) -> Result<Option<(u64, u32)>, Error> {
    let m = hnsw::m_of(&builder.options);
    let seed = old.and_then(|(old, graph)| Seed::new((graph, old), segment, m));
    let flat = match old.and_then(|(old, graph)| graph.verdict(old.vectors(), segment.vectors())) {
        Some(flat) => flat,
        None => match builder.build(segment, seed)? {
            Some(flat) => flat,
            None => return Ok(None),
        },
    };
    let id = shared.take_turn().publication.new_id();
    hnsw::write(&shared.dir, id, segment, &flat.if_of_use())?;
    let graph = Graph::open(&shared.dir, id, segment)?;
    shared.catalog.put_graph(id, graph.sections().file_bytes())?;
    done.fetch_add(segment.vectors(), Ordering::Relaxed);
    Ok(Some((id, graph.sections().checksum())))
}

fn is_optimizing(shared: &Shared) -> bool {
    shared.optimizing.load(Ordering::Relaxed)
}

/// While this exists, the graph thread pauses, so that no graph is built twice or for a segment about to be merged.
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
    // Wait for the graph thread to give up its merge.
    while turn.publication.merging {
        turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner);
    }
    shared.publish(&mut turn)?;
    let total = match turn.publication.can_be_merged(limit) {
        true => turn.publication.segments.iter().map(|segment| segment.vectors()).sum(),
        false => turn.publication.rows_without_graph(LEAST_GRAPH_ROWS),
    };
    drop(turn);
    let done = AtomicUsize::new(0);
    let progress = |rows: usize| (options.progress)(done.load(Ordering::Relaxed) + rows, total);
    let cancelled = || (options.cancelled)() || has_ended(shared);
    let graph = shared.options.graph;
    let builder = Builder { options: graph, parallel: true, cancelled: &cancelled, progress: &progress };
    let all = |publication: &Publication| {
        publication.can_be_merged(limit).then(|| (0..publication.segments.len()).collect())
    };
    if !merge(shared, all, limit, (&builder, &done))? {
        return Ok(false);
    }
    loop {
        let missing = shared.take_turn().publication.without_graph(LEAST_GRAPH_ROWS);
        let Some(segment) = missing else { return Ok(true) };
        if !build(shared, &segment, (&builder, &done))? {
            return Ok(false);
        }
    }
}
