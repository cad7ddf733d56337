//! What a writer does beside applying batches: publishing what has waited long enough, and building graphs.
//!
//! A full segment, one with [`segment_rows`](crate::WriterOptions) rows, gets its graph on one thread while
//! indexing goes on; a graph becomes visible with a manifest that names it, and until then its rows are scanned.
//! Full segments are merged on that thread too: the old ones answer until the new one has its graph. `optimize` merges
//! and builds on all cores, also smaller segments. Either goes on from the largest graph that is there.

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

/// What the thread that builds graphs does next.
enum Work {
    Merge,
    Build(Arc<Segment>),
}

/// A merge comes first: its graph is also that of a full segment which has none.
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

/// Waits until the thread above has nothing more to do.
pub(crate) fn wait_for_graphs(shared: &Shared) {
    let mut turn = shared.take_turn();
    while turn.graph_failures == 0 && work(shared, &turn.publication).is_some() {
        turn = shared.bell.wait(turn).unwrap_or_else(PoisonError::into_inner);
    }
}

/// Replaces the segments at `places`, if there are any, by as few as `limit` rows in each allow, each with its graph.
/// Answers whether it came to its end.
fn merge(
    shared: &Shared,
    places: impl FnOnce(&Publication) -> Option<Vec<usize>>,
    limit: usize,
    (builder, done): (&Builder<'_>, &AtomicUsize),
) -> Result<bool, Error> {
    let mut turn = shared.take_turn();
    // A row that died in the catalog must be dead in its segment too, or it would be looked for in vain.
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
        turn.publication.give_up_merge(&merge);
        return graphs.map(|_| false);
    };
    turn.publication.finish_merge(&shared.dir, &shared.catalog, merge, &graphs)?;
    shared.catalog.retain_graphs(|graph| turn.publication.names_graph(graph))?;
    Ok(true)
}

/// Builds the graph of a segment and publishes it. Answers whether it came to its end.
fn build(shared: &Shared, segment: &Segment, work: (&Builder<'_>, &AtomicUsize)) -> Result<bool, Error> {
    let Some(graph) = graph_of(shared, segment, None, work)? else { return Ok(false) };
    let mut turn = shared.take_turn();
    if !turn.publication.add_graph(&shared.dir, segment.id, graph)? {
        std::fs::remove_file(files::graph(&shared.dir, graph.0)).ok();
    }
    shared.catalog.retain_graphs(|graph| turn.publication.names_graph(graph))?;
    Ok(true)
}

/// Builds the graph of a segment and keeps it in the catalog. What an old graph has of its rows is taken over. Answers its
/// number and checksum, or `None` if it was cancelled. `done` counts the rows of the graphs that are built.
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
    // The other thread sees that it is to give up.
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
