//! Searches one immutable state of an index.
//!
//! A searcher reads the manifest and maps the files it names. It takes no lock and never opens the catalog, so any number of
//! processes can search while one writes.

use std::fmt;
use std::num::NonZeroUsize;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

use aho_corasick::packed;
use rayon::prelude::*;

use crate::codes::Query;
use crate::extract::Extract;
use crate::hnsw::Graph;
use crate::manifest::{Manifest, Named};
use crate::record::EntryRef;
use crate::scan::{self, Target};
use crate::segment::Segment;
use crate::selection::{Allowed, Owner, Selection};
use crate::top::Scored;
use crate::{
    Error, Extractor, Fingerprint, Generation, Key, Method, SearchOptions, Space, StoredRecord, Vector, files,
};

/// How many words of a selection one thread fills at a time: 1,024 rows.
const WORDS_AT_A_TIME: usize = 16;

/// A view of an index, as published when the view was opened. Clones share everything and cost nothing. Any number of
/// threads can search at the same time.
#[derive(Clone)]
pub struct Searcher(Arc<View>);

/// The state shared by the clones of a searcher.
struct View {
    dir: PathBuf,
    generation: Generation,
    space: Space,
    note: Option<Vec<u8>>,
    owner: Owner,
    parts: Vec<Part>,
    len: usize,
}

/// A segment in this view.
struct Part {
    segment: Arc<Segment>,
    graph: Option<Arc<Graph>>,
    /// The segment's extract, opened when first needed, with its version. `None` in it if a record is damaged.
    extract: Arc<OnceLock<(u32, Option<Extract>)>>,
    /// The segment's entry in the manifest, with its dead rows.
    named: Named,
    /// Where its rows start in a selection.
    first_word: usize,
}

impl Part {
    /// Maps a segment that the manifest names, or reuses it from `known`.
    fn open(dir: &Path, dim: usize, named: &Named, first_word: usize, known: &[Part]) -> Result<Part, Error> {
        let known = known.iter().find(|part| part.named.is_same_segment(named));
        let segment = match known {
            Some(part) => Arc::clone(&part.segment),
            None => Arc::new(named.open(dir, dim)?),
        };
        let graph = match known.filter(|part| part.named.graph == named.graph) {
            Some(part) => part.graph.clone(),
            None => named.open_graph(dir, &segment)?.map(Arc::new),
        };
        let extract = known.map(|part| Arc::clone(&part.extract)).unwrap_or_default();
        Ok(Part { segment, graph, extract, named: named.clone(), first_word })
    }

    /// The positions of all living records in `positions`.
    fn living(&self, positions: Range<usize>) -> impl Iterator<Item = usize> {
        positions.filter(move |&position| !self.named.is_dead(position))
    }

    /// The living rows with a vector that `filter` selects.
    fn allowed<'a>(&'a self, filter: Option<&'a Selection>) -> Allowed<'a> {
        let filter = filter.map(|selection| selection.words_from(self.first_word));
        Allowed { rows: self.segment.vectors(), dead: &self.named.dead, filter }
    }

    /// The segment's extract; `None` if it is not known what is in it.
    fn extract(&self, dir: &Path, extractor: &Extractor) -> Option<&Extract> {
        let make = || (extractor.version, Extract::of(dir, &self.segment, extractor).ok());
        let (version, extract) = self.extract.get_or_init(make);
        extract.as_ref().filter(|_| *version == extractor.version)
    }

    fn stored(&self, position: usize) -> Result<Stored<'_>, Error> {
        let record = self.segment.record(position)?.stored();
        let half_bytes = record.has_vector.then(|| self.segment.checked_half_bytes(position)).transpose()?;
        Ok(Stored { record, vector: half_bytes.and_then(Vector::from_half_bytes) })
    }

    /// Approximately the best `k` allowed rows and some more, unordered, with exact scores; `None` if the rows must be
    /// scanned.
    fn walk(
        &self,
        query: &Query<'_>,
        k: usize,
        options: &SearchOptions<'_>,
    ) -> Result<Option<Vec<Scored>>, Error> {
        let allowed = self.allowed(options.filter);
        let matching = allowed.count();
        let graph = self.graph.as_ref().filter(|graph| graph.has_links());
        let plan = graph.and_then(|graph| Some((graph, graph.plan(k, options.method, matching)?)));
        let Some((graph, plan)) = plan else { return Ok(None) };
        let Some(found) = graph.walk(&self.segment, query, plan, &allowed)? else { return Ok(None) };
        // With a filter, a walk may end before it reaches enough matching rows.
        if found.len() < k.min(matching) {
            return Ok(None);
        }
        let worst = found.iter().map(|found| found.score).fold(f32::MAX, f32::min);
        let scores = found.iter().map(|found| scan::score(&self.segment, query, found.position));
        let mut scores = scores.collect::<Result<Vec<f32>, Error>>()?;
        let found = found.iter().zip(&scores).map(|(found, &score)| Scored { score, ..*found }).collect();
        let is_auto = matches!(options.method, Method::Auto { .. });
        Ok(Some(found).filter(|_| !is_auto || can_tell_apart(&mut scores, worst, k)))
    }
}

/// Whether the codes can distinguish the best `k` from the other candidates of a walk. `scores` are the exact scores of the
/// candidates; `worst` is their lowest score by codes. Among hundreds of nearly equal rows the codes choose candidates at
/// random, and then even the best of these do not score more than `worst`.
fn can_tell_apart(scores: &mut [f32], worst: f32, k: usize) -> bool {
    // With few more candidates than hits, the last hit is always close to the worst candidate.
    if scores.len() < 2 * k {
        return true;
    }
    let (_, last_hit, _) = scores.select_nth_unstable_by(k - 1, |a, b| b.total_cmp(a));
    *last_hit > worst
}

/// A candidate: the part and the row in it.
#[derive(Clone, Copy)]
struct Candidate<'a> {
    part: &'a Part,
    scored: Scored,
}

/// A search result.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Hit {
    /// The key of the record.
    pub key: Key,
    /// The cosine of its vector and the query: greater is closer.
    pub score: f32,
    /// The identity of its content, if the record has one.
    pub fingerprint: Option<Fingerprint>,
    /// The payload of the record.
    pub payload: Vec<u8>,
}

/// A record with its vector.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Stored<'a> {
    /// The record.
    pub record: StoredRecord<'a>,
    /// Its vector, if it has one.
    pub vector: Option<Vector>,
}

/// Statistics of an index.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Stats {
    /// Records with a vector, which searches can return.
    pub rows: usize,
    /// Records without a vector.
    pub remembered: usize,
    /// Deleted or replaced rows that still take space.
    pub dead_rows: usize,
    /// Published segments.
    pub segments: usize,
    /// How many of `rows` are in graphs. The others are scanned.
    pub graph_rows: usize,
    /// Size of the index's folder in bytes.
    pub bytes_on_disk: u64,
}

impl Searcher {
    /// Opens the last published state of the index in `dir`.
    ///
    /// # Errors
    /// [`Error::Missing`] if there is no index or nothing was published yet, [`Error::NewerFormat`], [`Error::Damaged`], or
    /// an error of the system.
    pub fn open(dir: &Path) -> Result<Searcher, Error> {
        Searcher::open_beside(dir, &[])
    }

    /// The current published state, or `None` if this searcher already shows it. Files that both states share are not
    /// mapped again. If another index has replaced this one in the folder, the space may differ.
    ///
    /// # Errors
    /// As [`Searcher::open`].
    pub fn newer(&self) -> Result<Option<Searcher>, Error> {
        match self.is_current()? {
            true => Ok(None),
            false => Searcher::open_beside(&self.0.dir, &self.0.parts).map(Some),
        }
    }

    /// Whether this searcher shows the current published state. False too if the index no longer exists. This reads only a
    /// few bytes.
    ///
    /// # Errors
    /// [`Error::Io`] if the manifest cannot be read.
    pub fn is_current(&self) -> Result<bool, Error> {
        Ok(Generation::published(&self.0.dir)? == Some(self.0.generation))
    }

    /// The generation of this searcher's state.
    #[must_use]
    pub fn generation(&self) -> Generation {
        self.0.generation
    }

    /// Opens the published state, reusing the parts of an older view.
    fn open_beside(dir: &Path, known: &[Part]) -> Result<Searcher, Error> {
        let read = || {
            Manifest::published(dir)?.ok_or_else(|| match files::segments(dir) {
                // Segments are written only after the first manifest.
                Ok(segments) if !segments.is_empty() => Manifest::missing(dir),
                _ => Error::Missing { path: dir.to_owned() },
            })
        };
        let (mut manifest, mut generation) = read()?;
        loop {
            match Searcher::map(dir, &manifest, generation, known) {
                // The writer replaced the manifest and removed its files before they were mapped: try again. Once they are
                // mapped, they stay readable.
                Err(error) if error.is_not_found() => {
                    let newer = read()?;
                    if newer.0.segments == manifest.segments {
                        return Err(error);
                    }
                    (manifest, generation) = newer;
                }
                opened => return opened,
            }
        }
    }

    fn map(
        dir: &Path,
        manifest: &Manifest,
        generation: Generation,
        known: &[Part],
    ) -> Result<Searcher, Error> {
        let mut parts = Vec::with_capacity(manifest.segments.len());
        let mut first_word = 0;
        for named in &manifest.segments {
            let part = Part::open(dir, manifest.space.dim(), named, first_word, known)?;
            first_word += part.segment.vectors().div_ceil(64);
            parts.push(part);
        }
        let len = parts.iter().map(|part| part.allowed(None).count()).sum();
        let (dir, space, note) = (dir.to_owned(), manifest.space.clone(), manifest.note.clone());
        Ok(Searcher(Arc::new(View { dir, generation, space, note, owner: Owner::default(), parts, len })))
    }

    /// The vector space of the index.
    #[must_use]
    pub fn space(&self) -> &Space {
        &self.0.space
    }

    /// The note that the writer set.
    #[must_use]
    pub fn note(&self) -> Option<&[u8]> {
        self.0.note.as_deref()
    }

    /// How many records have a vector.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len
    }

    /// Whether no record has a vector, so that searches find nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.len == 0
    }

    /// Statistics of the index.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let all: usize = self.0.parts.iter().map(|part| part.segment.len()).sum();
        let dead = |part: &Part| part.named.dead.iter().map(|word| word.count_ones() as usize).sum::<usize>();
        let dead_rows: usize = self.0.parts.iter().map(dead).sum();
        let has_links = |part: &&Part| part.graph.as_ref().is_some_and(|graph| graph.has_links());
        let with_graph = self.0.parts.iter().filter(has_links);
        Stats {
            rows: self.0.len,
            remembered: all - dead_rows - self.0.len,
            dead_rows,
            segments: self.0.parts.len(),
            graph_rows: with_graph.map(|part| part.allowed(None).count()).sum(),
            bytes_on_disk: files::bytes_below(&self.0.dir).unwrap_or_default(),
        }
    }

    /// Every record, in no particular order. A record that cannot be read is an [`Error::Damaged`].
    pub fn records(&self) -> impl Iterator<Item = Result<StoredRecord<'_>, Error>> {
        self.0.parts.iter().flat_map(|part| {
            let living = part.living(0..part.segment.len());
            living.map(move |position| Ok(part.segment.record(position)?.stored()))
        })
    }

    /// Every record that has a vector, with its vector, in no particular order. Damage as for [`Searcher::records`].
    pub fn vectors(&self) -> impl Iterator<Item = Result<Stored<'_>, Error>> {
        self.0.parts.iter().flat_map(|part| {
            let living = part.living(0..part.segment.vectors());
            living.map(move |position| part.stored(position))
        })
    }

    /// A sample: every `nth` of the records that have a vector, each with its vector. It reads no other records. Damage is
    /// reported as [`Searcher::records`] does.
    ///
    /// # Panics
    /// If `nth` is 0.
    pub fn every(&self, nth: usize) -> impl Iterator<Item = Result<Stored<'_>, Error>> {
        let living =
            self.0.parts.iter().flat_map(|part| {
                part.living(0..part.segment.vectors()).map(move |position| (part, position))
            });
        living.step_by(nth).map(|(part, position)| part.stored(position))
    }

    /// The record under `key`, if there is one.
    ///
    /// # Errors
    /// [`Error::Damaged`] if something it reads is damaged.
    pub fn get(&self, key: &Key) -> Result<Option<Stored<'_>>, Error> {
        self.place_of(key)?.map(|(part, position)| part.stored(position)).transpose()
    }

    /// The part and position of the record under `key`.
    fn place_of(&self, key: &Key) -> Result<Option<(&Part, usize)>, Error> {
        for part in &self.0.parts {
            let mut living = part.segment.positions_of_key(key)?.into_iter();
            if let Some(position) = living.find(|&position| !part.named.is_dead(position)) {
                return Ok(Some((part, position)));
            }
        }
        Ok(None)
    }

    /// Every record of this content that has a vector, with its vector, in no particular order. Damaged data becomes an
    /// [`Error::Damaged`] item.
    pub fn records_of<'a>(
        &'a self,
        fingerprint: &Fingerprint,
    ) -> impl Iterator<Item = Result<Stored<'a>, Error>> + use<'a> {
        let fingerprint = *fingerprint;
        self.0.parts.iter().flat_map(move |part| {
            let (found, error) = match part.segment.positions_of(&fingerprint) {
                Ok(found) => (found, None),
                Err(error) => (Vec::new(), Some(Err(error))),
            };
            let living = found.into_iter().filter(move |&position| !part.named.is_dead(position));
            living.map(move |position| part.stored(position)).chain(error)
        })
    }

    /// Selects the rows with a vector whose record `keep` accepts. `keep` is called from several threads. A damaged record
    /// is selected too, so that a search that would return it fails.
    #[must_use]
    pub fn select(&self, keep: impl Fn(StoredRecord<'_>) -> bool + Sync) -> Selection {
        self.select_of(None, keep)
    }

    /// As [`Searcher::select`], but only among the rows in `among`. Only these are read.
    ///
    /// # Errors
    /// [`Error::ForeignSelection`] for a selection of another searcher.
    pub fn select_among(
        &self,
        among: &Selection,
        keep: impl Fn(StoredRecord<'_>) -> bool + Sync,
    ) -> Result<Selection, Error> {
        self.check_owner(Some(among))?;
        Ok(self.select_of(Some(among), keep))
    }

    fn select_of(
        &self,
        among: Option<&Selection>,
        keep: impl Fn(StoredRecord<'_>) -> bool + Sync,
    ) -> Selection {
        let kept = |part: &Part, position: usize| {
            part.segment.record(position).map_or(true, |record| keep(record.stored()))
        };
        let mut words = Vec::new();
        for part in &self.0.parts {
            let allowed = part.allowed(among);
            words.par_extend((0..allowed.words()).into_par_iter().map(|word| {
                let bits = allowed.word(word);
                let wanted = |bit: usize| bits >> bit & 1 == 1 && kept(part, word * 64 + bit);
                (0..64).filter(|&bit| wanted(bit)).fold(0, |word, bit| word | 1 << bit)
            }));
        }
        Selection::new(self.0.owner.clone(), words)
    }

    /// Selects the rows with a vector whose extract contains one of these byte strings, and maybe a few others: check the
    /// records. This reads extracts and no records. The first call finds the extracts that the writer made for the same
    /// extractor (see [`WriterOptions::extractor`](crate::WriterOptions::extractor)), or else makes them in memory. Use one
    /// extractor with all searchers of an index.
    #[must_use]
    pub fn containing(&self, extractor: &Extractor, needles: &[&[u8]]) -> Selection {
        // None for an empty needle, which every extract contains, or for more than it can look for at once.
        let needles = packed::Searcher::new(needles);
        let mut words = Vec::new();
        for part in &self.0.parts {
            let allowed = part.allowed(None);
            let blocks = (0..allowed.words()).into_par_iter().step_by(WORDS_AT_A_TIME);
            let known = needles.as_ref().zip(part.extract(&self.0.dir, extractor));
            words.par_extend(blocks.flat_map_iter(|first| {
                let block = first..allowed.words().min(first + WORDS_AT_A_TIME);
                let mut bits: Vec<u64> = block.clone().map(|word| allowed.word(word)).collect();
                if let Some((needles, extract)) = known {
                    let rows = first * 64..allowed.rows.min(block.end * 64);
                    let mut found = vec![0; bits.len()];
                    extract.rows_with(needles, rows, |row| found[row / 64 - first] |= 1u64 << (row % 64));
                    bits.iter_mut().zip(found).for_each(|(bits, found)| *bits &= found);
                }
                bits
            }));
        }
        Selection::new(self.0.owner.clone(), words)
    }

    /// Whether the extract of any row may have something in it.
    #[must_use]
    pub fn has_extracts(&self, extractor: &Extractor) -> bool {
        let has_any =
            |part: &Part| part.extract(&self.0.dir, extractor).is_none_or(|known| !known.is_empty());
        self.0.parts.iter().any(has_any)
    }

    /// The records in a selection, in no particular order. Damage is reported as [`Searcher::records`] does.
    ///
    /// # Errors
    /// [`Error::ForeignSelection`] for a selection of another searcher.
    pub fn records_among<'a>(
        &'a self,
        among: &'a Selection,
    ) -> Result<impl Iterator<Item = Result<StoredRecord<'a>, Error>>, Error> {
        self.check_owner(Some(among))?;
        Ok(self.0.parts.iter().flat_map(move |part| {
            let allowed = part.allowed(Some(among));
            let rows = (0..allowed.rows).filter(move |&row| allowed.contains(row));
            rows.map(move |position| Ok(part.segment.record(position)?.stored()))
        }))
    }

    fn check_owner(&self, selection: Option<&Selection>) -> Result<(), Error> {
        match selection.is_none_or(|selection| selection.belongs_to(&self.0.owner)) {
            true => Ok(()),
            false => Err(Error::ForeignSelection { path: self.0.dir.clone() }),
        }
    }

    /// Selects the rows with a vector that have one of these keys. Missing keys are ignored. Only the rows of these keys
    /// are read.
    ///
    /// # Errors
    /// [`Error::Damaged`] if something it reads is damaged.
    pub fn select_keys<'k>(&self, keys: impl IntoIterator<Item = &'k Key>) -> Result<Selection, Error> {
        let words = |part: &Part| part.first_word + part.allowed(None).words();
        let mut selected = vec![0; self.0.parts.last().map_or(0, words)];
        for key in keys {
            if let Some((part, position)) = self.place_of(key)?
                && position < part.segment.vectors()
            {
                selected[part.first_word + position / 64] |= 1 << (position % 64);
            }
        }
        Ok(Selection::new(self.0.owner.clone(), selected))
    }

    /// The `k` records closest to `query`, best first; ties are ordered by key. There are fewer only if fewer exist or match
    /// the filter. [`Method::Exact`] gives the result of a full comparison with all [`vectors`](Searcher::vectors); other
    /// methods may miss some.
    ///
    /// # Errors
    /// [`Error::DimensionMismatch`] for a query of another dimension, [`Error::ForeignSelection`] for a filter of another
    /// searcher, and [`Error::Damaged`] if something it reads is damaged.
    pub fn search(
        &self,
        query: &Vector,
        k: NonZeroUsize,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Hit>, Error> {
        if query.dim() != self.0.space.dim() {
            let (found, expected) = (query.dim(), self.0.space.dim());
            return Err(Error::DimensionMismatch { path: self.0.dir.clone(), found, expected });
        }
        self.check_owner(options.filter)?;
        let query = Query::new(query);
        let walks = self.0.parts.par_iter().map(|part| Ok((part, part.walk(&query, k.get(), options)?)));
        let (mut found, mut scanned) = (Vec::new(), Vec::new());
        for (part, walked) in walks.collect::<Result<Vec<_>, Error>>()? {
            match walked {
                Some(walked) => found.extend(walked.into_iter().map(|scored| Candidate { part, scored })),
                None => scanned.push(part),
            }
        }
        found.extend(scan_parts(&scanned, &query, k.get(), options)?);
        keep_best(&mut found, k.get());
        found.into_iter().map(Candidate::hit).collect()
    }
}

impl fmt::Debug for Searcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let View { dir, generation, space, len, .. } = &*self.0;
        let mut shown = f.debug_struct("Searcher");
        shown.field("dir", dir).field("generation", generation).field("space", space).field("len", len);
        shown.finish_non_exhaustive()
    }
}

/// The best `k` allowed rows of some parts, unordered.
fn scan_parts<'a>(
    parts: &[&'a Part],
    query: &Query<'_>,
    k: usize,
    options: &SearchOptions<'_>,
) -> Result<Vec<Candidate<'a>>, Error> {
    let target = |part: &&'a Part| Target { segment: &part.segment, allowed: part.allowed(options.filter) };
    let targets: Vec<Target<'_>> = parts.iter().map(target).collect();
    let best = scan::best(&targets, query, k)?;
    Ok(best.into_iter().map(|(target, scored)| Candidate { part: parts[target], scored }).collect())
}

/// Keeps the best `k`, best first, ties ordered by key.
fn keep_best(found: &mut Vec<Candidate<'_>>, k: usize) {
    found.sort_unstable_by(|a, b| {
        b.scored.score.total_cmp(&a.scored.score).then_with(|| a.key().cmp(b.key()))
    });
    found.truncate(k);
}

impl<'a> Candidate<'a> {
    /// The key. Empty for a damaged record, which becomes an error if it is returned.
    fn key(&self) -> &'a [u8] {
        self.part.segment.record(self.scored.position).map_or(&[], |record| record.key)
    }

    fn hit(self) -> Result<Hit, Error> {
        let Candidate { part, scored: Scored { score, position } } = self;
        let record = part.segment.record(position)?;
        let key = part.segment.key_of(&record)?;
        let EntryRef { fingerprint, payload, .. } = record.entry;
        Ok(Hit { key, score, fingerprint, payload: payload.to_vec() })
    }
}

#[cfg(test)]
mod tests {
    use super::can_tell_apart;

    #[track_caller]
    fn check(scores: &[f32], worst: f32, k: usize, expected: bool) {
        assert_eq!(can_tell_apart(&mut scores.to_vec(), worst, k), expected);
    }

    #[test]
    fn walks_notice_when_codes_cannot_distinguish_rows() {
        check(&[0.5, 0.9, 0.7, 0.6], 0.5, 2, true);
        check(&[0.5, 0.9, 0.7, 0.6], 0.7, 2, false);
        check(&[0.5, 0.9, 0.7, 0.6], 0.7, 1, true);
        check(&[0.5, 0.9, 0.7, 0.6], 0.95, 1, false);
        // Too few candidates to tell.
        check(&[0.5, 0.9, 0.7, 0.6], 0.95, 3, true);
        check(&[], f32::MAX, 1, true);
    }
}
