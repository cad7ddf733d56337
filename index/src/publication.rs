//! The published state, and how the writer publishes more.
//!
//! Publishing writes a small segment with the new rows, marks dead rows, and merges segments if there are many of one size
//! or if one has many dead rows. Then it replaces the manifest, and all of this becomes visible at once. Rows are always
//! copied from the catalog, so damage to a segment does not spread.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::catalog::Catalog;
use crate::hnsw::Graph;
use crate::manifest::{Manifest, Named};
use crate::record::{Entry, EntryRef};
use crate::segment::{self, Segment, SegmentRow};
use crate::{Error, Extractor, Fingerprint, Key, WriterOptions, extract, fault, files, merge_policy};

/// A row that is not in a segment yet.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Pending {
    pub(crate) row: u64,
    pub(crate) has_vector: bool,
    /// The fingerprint; `None` without a vector.
    pub(crate) fingerprint: Option<Fingerprint>,
}

impl Pending {
    pub(crate) fn of(entry: &Entry) -> Pending {
        let Entry { row, has_vector, record } = entry;
        Pending {
            row: *row,
            has_vector: *has_vector,
            fingerprint: record.fingerprint.filter(|_| *has_vector),
        }
    }
}

/// The published state, and the changes to publish next.
pub(crate) struct Publication {
    pub(crate) manifest: Manifest,
    /// The manifest's segments, in its order.
    pub(crate) segments: Vec<Arc<Segment>>,
    pub(crate) pending: BTreeMap<Key, Pending>,
    /// Rows in segments that have died since the last publication.
    pub(crate) buried: Vec<(u64, Key)>,
    pub(crate) note_changed: bool,
    /// The time of the first unpublished change.
    since: Option<Instant>,
    /// Graphs of an older version, whose recall was not measured.
    unmeasured: Vec<u64>,
    /// What is kept of the payloads.
    extractor: Option<Extractor>,
    /// Whether a merge is in progress, so that no other may start.
    pub(crate) merging: bool,
}

/// Segments that will replace others. The manifest names them once they have their graphs.
pub(crate) struct Merge {
    pub(crate) segments: Vec<Arc<Segment>>,
    /// The numbers of the replaced segments.
    replaced: Vec<u64>,
}

/// The next state: the coming manifest, and the files that will no longer be needed.
struct Next<'a> {
    dir: &'a Path,
    catalog: &'a Catalog,
    manifest: Manifest,
    segments: Vec<Arc<Segment>>,
    extractor: Option<Extractor>,
    obsolete: Vec<PathBuf>,
}

impl Publication {
    pub(crate) fn new(manifest: Manifest, segments: Vec<Arc<Segment>>) -> Publication {
        Publication {
            manifest,
            segments,
            pending: BTreeMap::new(),
            buried: Vec::new(),
            note_changed: false,
            since: None,
            unmeasured: Vec::new(),
            extractor: None,
            merging: false,
        }
    }

    /// Finds the graphs that an older version built. They are rebuilt as if they were missing.
    pub(crate) fn find_unmeasured(&mut self, dir: &Path) {
        let both = self.segments.iter().zip(&self.manifest.segments);
        let unmeasured = both.filter_map(|(segment, named)| {
            let graph = named.open_graph(dir, segment).ok().flatten()?;
            Some(named.graph?.0).filter(|_| !graph.is_measured())
        });
        self.unmeasured = unmeasured.collect();
    }

    /// Keeps extracts from now on, and makes those that are missing. One that cannot be written is made by each searcher.
    pub(crate) fn keep_extracts(&mut self, dir: &Path, extractor: Option<Extractor>) {
        self.extractor = extractor;
        for segment in &self.segments {
            extractor.map(|extractor| extract::write(dir, segment, &extractor).ok());
        }
    }

    /// Adds a row that a batch has put.
    pub(crate) fn put(&mut self, key: Key, pending: Pending) {
        self.pending.insert(key, pending);
    }

    /// Adds a row that has died.
    pub(crate) fn bury(&mut self, row: u64, key: &Key) {
        match self.pending.get(key) {
            Some(pending) if pending.row == row => {
                self.pending.remove(key);
            }
            _ => self.buried.push((row, key.clone())),
        }
    }

    /// Whether searchers can see this row.
    pub(crate) fn is_published(&self, row: u64, key: &Key) -> bool {
        self.pending.get(key).is_none_or(|pending| pending.row != row)
    }

    /// The keys of all records that have this fingerprint and a vector, in order.
    pub(crate) fn keys_of(&self, fingerprint: &Fingerprint) -> Result<Vec<Key>, Error> {
        let pending =
            self.pending.iter().filter(|(_, pending)| pending.fingerprint.as_ref() == Some(fingerprint));
        let mut keys: Vec<Key> = pending.map(|(key, _)| key.clone()).collect();
        for (segment, named) in self.segments.iter().zip(&self.manifest.segments) {
            for position in segment.positions_of(fingerprint)? {
                let record = segment.record(position)?;
                let row = record.entry.row;
                if !named.is_dead(position) && self.buried.iter().all(|(buried, _)| *buried != row) {
                    keys.push(segment.key_of(&record)?);
                }
            }
        }
        keys.sort_unstable();
        Ok(keys)
    }

    fn changes(&self) -> usize {
        self.pending.len() + self.buried.len() + usize::from(self.note_changed)
    }

    /// Starts the publication timer if there is something to publish.
    pub(crate) fn touch(&mut self) {
        if self.changes() > 0 {
            self.since.get_or_insert_with(Instant::now);
        }
    }

    /// Time until the next publication is due; `None` if there is nothing to publish.
    pub(crate) fn due_in(&self, options: &WriterOptions) -> Option<Duration> {
        let since = self.since?;
        if self.changes() >= options.publish_rows {
            return Some(Duration::ZERO);
        }
        Some(options.publish_interval.saturating_sub(since.elapsed()))
    }

    /// Makes everything in the catalog visible. On failure, the published state stays as it was.
    pub(crate) fn publish(
        &mut self,
        dir: &Path,
        catalog: &Catalog,
        options: &WriterOptions,
    ) -> Result<(), Error> {
        if self.changes() == 0 {
            self.since = None;
            return Ok(());
        }
        let mut next = self.next(dir, catalog)?;
        let limit = options.segment_rows.max(1);
        let pending = self.pending.iter().map(|(key, &pending)| (key.clone(), pending)).collect();
        next.add(pending, limit)?;
        for (row, key) in &self.buried {
            next.bury(*row, key)?;
        }
        while let Some(places) =
            merge_policy::small(&next.manifest.segments, options).filter(|_| !self.merging)
        {
            // Without a limit: pieces smaller than `limit` would be merged again and again.
            next.merge(&places, usize::MAX)?;
        }
        self.adopt(next)
    }

    /// Writes segments of at most `limit` rows that will replace those at `places`. Publish all changes before.
    pub(crate) fn begin_merge(
        &mut self,
        dir: &Path,
        catalog: &Catalog,
        places: &[usize],
        limit: usize,
    ) -> Result<Merge, Error> {
        let mut next = self.next(dir, catalog)?;
        next.merge(places, limit)?;
        self.manifest.next_id = next.manifest.next_id;
        self.merging = true;
        let replaced = places.iter().map(|&place| self.manifest.segments[place].id).collect();
        let kept = self.segments.len() - places.len();
        fault::point("after the segments of a merge");
        Ok(Merge { segments: next.segments.split_off(kept), replaced })
    }

    /// Replaces the old segments by the new ones with their graphs. Publish all changes before.
    pub(crate) fn finish_merge(
        &mut self,
        dir: &Path,
        catalog: &Catalog,
        merge: Merge,
        graphs: &[Option<(u64, u32)>],
    ) -> Result<(), Error> {
        fault::point("after the graphs of a merge");
        self.merging = false;
        let mut next = self.next(dir, catalog)?;
        let with_graph = merge.segments.iter().zip(graphs);
        let new = with_graph.map(|(segment, &graph)| Named { graph, ..Named::of(segment) });
        next.manifest.segments.extend(new);
        next.segments.extend(merge.segments);
        for id in merge.replaced {
            let place = next.manifest.segments.iter().position(|named| named.id == id);
            let (segment, named) =
                next.remove(place.ok_or_else(|| catalog.damaged("a merged segment is missing"))?);
            // Rows that died since the new segments were written must be marked dead in them.
            for position in (0..segment.len()).filter(|&position| named.is_dead(position)) {
                let (key, Pending { row, .. }) = row_at(&segment, position)?;
                next.bury(row, &key)?;
            }
        }
        self.adopt(next)
    }

    /// Abandons a merge: the old segments stay. The next writer removes the graphs built for it.
    pub(crate) fn give_up_merge(&mut self, dir: &Path, merge: &Merge) {
        self.merging = false;
        for segment in &merge.segments {
            // If this fails, the next writer removes it.
            std::fs::remove_file(segment.sections().path()).ok();
            std::fs::remove_file(files::extract(dir, segment.id)).ok();
        }
    }

    /// Adds a segment's graph to the manifest. Returns false if the segment no longer exists or already has a graph.
    pub(crate) fn add_graph(&mut self, dir: &Path, segment: u64, graph: (u64, u32)) -> Result<bool, Error> {
        // Pending rows stay pending, because `next_row` of the manifest does not change.
        let mut manifest = self.manifest.clone();
        let mut lacking = manifest.segments.iter_mut().filter(|named| self.lacks_graph(named));
        let Some(named) = lacking.find(|named| named.id == segment) else { return Ok(false) };
        let old = named.graph.replace(graph);
        manifest.replace(dir)?;
        self.manifest = manifest;
        if let Some((old, _)) = old {
            // Processes that have it mapped keep it. If this fails, the next writer removes it.
            std::fs::remove_file(files::graph(dir, old)).ok();
        }
        Ok(true)
    }

    /// The largest graph with its segment, if it can be opened.
    pub(crate) fn largest_graph(&self, dir: &Path) -> Option<(Arc<Segment>, Graph)> {
        let both = self.segments.iter().zip(&self.manifest.segments);
        let with_graph = both.filter(|(_, named)| named.graph.is_some());
        let (segment, named) = with_graph.max_by_key(|(segment, _)| segment.vectors())?;
        Some((Arc::clone(segment), named.open_graph(dir, segment).ok()??))
    }

    fn lacks_graph(&self, named: &Named) -> bool {
        named.graph.is_none_or(|(graph, _)| self.unmeasured.contains(&graph))
    }

    /// A segment without a graph that has at least this many rows with a vector.
    pub(crate) fn without_graph(&self, rows: usize) -> Option<Arc<Segment>> {
        self.all_without_graph(rows).next().map(Arc::clone)
    }

    /// The number of rows with a vector in all such segments.
    pub(crate) fn rows_without_graph(&self, rows: usize) -> usize {
        self.all_without_graph(rows).map(|segment| segment.vectors()).sum()
    }

    fn all_without_graph(&self, rows: usize) -> impl Iterator<Item = &Arc<Segment>> {
        let both = self.segments.iter().zip(&self.manifest.segments);
        let lacking =
            both.filter(move |(segment, named)| self.lacks_graph(named) && segment.vectors() >= rows);
        lacking.map(|(segment, _)| segment)
    }

    /// An unused number for a segment or graph.
    pub(crate) fn new_id(&mut self) -> u64 {
        self.manifest.next_id += 1;
        self.manifest.next_id - 1
    }

    pub(crate) fn names_graph(&self, id: u64) -> bool {
        self.manifest.segments.iter().any(|named| named.graph.is_some_and(|(graph, _)| graph == id))
    }

    /// Whether a merge into segments of at most `limit` rows would reduce their number or drop dead rows.
    pub(crate) fn can_be_merged(&self, limit: usize) -> bool {
        let segments = &self.manifest.segments;
        let live: u64 = segments.iter().map(Named::live_rows).sum();
        segments.len() as u64 > live.div_ceil(limit.max(1) as u64)
            || segments.iter().any(|named| named.dead_rows() > 0)
    }

    /// Removes the files in the folder that the manifest does not name.
    pub(crate) fn remove_what_is_not_named(&self, dir: &Path) -> Result<(), Error> {
        let named = self.manifest.segments.iter().flat_map(|named| {
            let graph = named.graph.map(|(graph, _)| files::graph(dir, graph));
            let own = [files::segment(dir, named.id), files::extract(dir, named.id)];
            own.into_iter().chain(graph)
        });
        let named: Vec<PathBuf> = named.collect();
        files::remove_all_but(dir, |path| named.iter().any(|named| named == path))
    }

    fn next<'a>(&self, dir: &'a Path, catalog: &'a Catalog) -> Result<Next<'a>, Error> {
        let (mut manifest, segments) = (self.manifest.clone(), self.segments.clone());
        manifest.next_row = catalog.next_row()?;
        manifest.note = catalog.note()?;
        Ok(Next { dir, catalog, manifest, segments, extractor: self.extractor, obsolete: Vec::new() })
    }

    fn adopt(&mut self, next: Next<'_>) -> Result<(), Error> {
        let Next { dir, catalog, manifest, segments, extractor: _, obsolete } = next;
        fault::point("before the manifest");
        manifest.replace(dir)?;
        fault::point("after the manifest");
        self.manifest = manifest;
        self.segments = segments;
        self.pending.clear();
        self.note_changed = false;
        self.since = None;
        catalog.forget_tombstones(self.buried.drain(..).map(|(row, _)| row))?;
        for path in obsolete {
            // Processes that have it mapped keep it. If this fails, the next writer removes it.
            std::fs::remove_file(path).ok();
        }
        Ok(())
    }
}

impl Next<'_> {
    /// Writes rows into new segments of at most `limit` rows.
    fn add(&mut self, mut rows: Vec<(Key, Pending)>, limit: usize) -> Result<(), Error> {
        rows.sort_unstable_by(|(a, of_a), (b, of_b)| {
            of_b.has_vector.cmp(&of_a.has_vector).then_with(|| a.cmp(b))
        });
        // Segments of about equal size, so that the last one is not tiny.
        let parts = rows.len().div_ceil(limit).max(1);
        for rows in rows.chunks(rows.len().div_ceil(parts).max(1)) {
            let id = self.manifest.next_id;
            self.manifest.next_id += 1;
            let vectors = rows.iter().filter(|(_, pending)| pending.has_vector).count();
            let read = rows.iter().map(|(key, pending)| self.row(key, *pending));
            segment::write(self.dir, id, &self.manifest.space, (vectors, rows.len()), read)?;
            let segment = Segment::open(self.dir, id)?;
            if let Some(extractor) = self.extractor {
                extract::write(self.dir, &segment, &extractor)?;
            }
            self.manifest.segments.push(Named::of(&segment));
            self.segments.push(Arc::new(segment));
        }
        Ok(())
    }

    fn row(&self, key: &Key, pending: Pending) -> Result<SegmentRow, Error> {
        let found = self.catalog.entry(key)?;
        let entry = found.filter(|found| found.row == pending.row && found.has_vector == pending.has_vector);
        let entry = entry.ok_or_else(|| self.catalog.damaged("a record belongs to another row"))?;
        let half_bytes = entry.has_vector.then(|| self.catalog.vector_bytes(entry.row)).transpose()?;
        Ok(SegmentRow { key: key.clone(), entry, half_bytes })
    }

    /// Removes a segment and its files.
    fn remove(&mut self, place: usize) -> (Arc<Segment>, Named) {
        let named = self.manifest.segments.remove(place);
        let segment = self.segments.remove(place);
        self.obsolete.push(segment.sections().path().to_owned());
        self.obsolete.push(files::extract(self.dir, segment.id));
        self.obsolete.extend(named.graph.map(|(graph, _)| files::graph(self.dir, graph)));
        (segment, named)
    }

    fn bury(&mut self, row: u64, key: &Key) -> Result<(), Error> {
        for (named, segment) in self.manifest.segments.iter_mut().zip(&self.segments) {
            if let Some(position) = segment.position_of(row, key)? {
                named.bury(position);
            }
        }
        Ok(())
    }

    /// Replaces the segments at these places (in ascending order) by new ones with their living rows.
    fn merge(&mut self, places: &[usize], limit: usize) -> Result<(), Error> {
        let mut rows = Vec::new();
        for &place in places.iter().rev() {
            let (segment, named) = self.remove(place);
            rows.extend(living(&segment, &named)?);
        }
        if rows.is_empty() {
            return Ok(());
        }
        self.add(rows, limit)
    }
}

/// The living rows of a segment.
pub(crate) fn living(segment: &Segment, named: &Named) -> Result<Vec<(Key, Pending)>, Error> {
    let living = (0..segment.len()).filter(|&position| !named.is_dead(position));
    living.map(|position| row_at(segment, position)).collect()
}

fn row_at(segment: &Segment, position: usize) -> Result<(Key, Pending), Error> {
    let record = segment.record(position)?;
    let key = segment.key_of(&record)?;
    let EntryRef { row, has_vector, fingerprint, payload: _ } = record.entry;
    Ok((key, Pending { row, has_vector, fingerprint: fingerprint.filter(|_| has_vector) }))
}
