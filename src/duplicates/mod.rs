//! Photos that are there more than once: the same bytes, the same picture saved again, or shots of one burst.
//!
//! Nothing compares every photo with every other. Equal bytes are found by sorting fingerprints, equal pictures by
//! tables of parts of their perceptual hashes (`tables.rs`), similar ones by asking the index for each photo's nearest.
//! Nothing is deleted here, or anywhere in imgsearch.

mod present;
mod sets;
mod tables;

use std::collections::HashMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};

use imgsearch_index::{Error, Fingerprint, Key, SearchOptions, Searcher, StoredRecord};
use rayon::prelude::*;

use crate::perceptual::PerceptualHash;
use crate::photo::{Clock, Details, Photo, is_under, key_of, path_of};

pub use present::present;
use sets::Sets;

/// Two pictures whose hashes differ in at most so many of 256 bits, in any quarter turn, are one picture saved twice.
/// Measured with a prototype of the hash (`perceptual.rs` tells how): saving again, scaling and turning change up to 28
/// bits; the most alike of 60 pages of text and 30 chats on one screen, to a hash nearly all alike, differ in 58.
const SAME_PICTURE: u32 = 31;
/// Two pictures whose hashes differ in at most so many bits show the same scene, if their vectors agree: as many as
/// moving the camera by 3 % of the picture changes at most; two different photos of 239 differ in 92 (the prototype).
const SAME_SCENE: u32 = 64;
/// How close the vectors of similar pictures are. With this and the limits around it, the offline model finds each of 35
/// sample photos saved again, scaled, turned, cropped by 5 % and moved as in a burst, and takes no two photos for one
/// (`examples/duplicates.rs`: 1,925 pairs of versions, all found, and no other).
const LEAST_COSINE: f32 = 0.9;
/// Vectors so close are of one picture, whatever else is known about it. Measured together with the others.
const SAME_COSINE: f32 = 0.995;
/// A burst's shots lie at most so far apart: a person who takes a group twice needs some seconds. An estimate.
const BURST_MS: u64 = 30_000;
/// How many of a photo's nearest are looked at: a longer burst is joined through its members.
const NEIGHBOURS: NonZeroUsize = NonZeroUsize::new(12).expect("not zero");
/// How much the shapes (width by height) of one picture saved twice may differ: rounding to whole pixels makes 2 % of a
/// 50-pixel side.
const SHAPE_TOLERANCE: f64 = 0.02;

/// How much alike the photos of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The same bytes.
    Exact,
    /// The same picture, saved again: another format, quality, size, or turned by quarters.
    ReEncoded,
    /// Shots of one scene, or parts of one picture.
    Similar,
}

/// Photos that are alike.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// What the least alike of them are.
    pub likeness: Likeness,
    /// Two or more, the one to keep first.
    pub photos: Vec<Duplicate>,
}

/// A photo of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// Where it is.
    pub path: PathBuf,
    /// What the library remembers of it.
    pub photo: Photo,
}

/// Which photo of a group is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Keep {
    /// The one with the most pixels; of those the one with the most bytes, then the oldest.
    Best,
    /// The one taken first.
    Oldest,
    /// The one with the most bytes.
    Largest,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// In the order of the paths of the photos to keep.
    pub groups: Vec<Group>,
    /// How many photos have no perceptual hash, because an earlier version indexed them.
    pub without_hash: usize,
}

/// How a search for duplicates is told about and stopped.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Told how many photos are done with, of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Asked now and then whether to stop.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// How close the vectors of two photos must be for them to be near-duplicates, shots of one burst or versions of one
/// picture; `None` if what is known of the photos says that they are not.
pub fn cosine_needed(a: Option<&Details>, b: Option<&Details>) -> Option<f32> {
    let (Some(a), Some(b)) = (a, b) else { return Some(SAME_COSINE) };
    let is_near = |distance: Option<u32>| distance.map(|distance| distance <= SAME_SCENE);
    match (were_taken_together(a, b), is_near(hash_distance(a, b))) {
        (true, _) | (_, Some(true)) => Some(LEAST_COSINE),
        (false, Some(false)) => None,
        (false, None) => Some(SAME_COSINE),
    }
}

fn were_taken_together(a: &Details, b: &Details) -> bool {
    (a.clock, b.clock) == (Clock::Camera, Clock::Camera) && a.taken_ms.abs_diff(b.taken_ms) <= BURST_MS
}

/// In any turn; `None` where a photo has no hash that tells anything.
fn hash_distance(a: &Details, b: &Details) -> Option<u32> {
    let telling = |details: &Details| details.perceptual.filter(|hash| !hash.is_blank());
    Some(telling(a)?.distance_in_any_turn(&telling(b)?))
}

/// A photo that may have duplicates.
struct Candidate {
    key: Vec<u8>,
    fingerprint: Option<Fingerprint>,
    photo: Photo,
}

impl Candidate {
    fn details(&self) -> Option<&Details> {
        self.photo.details.as_ref()
    }

    /// The hash of a picture that shows something.
    fn hash(&self) -> Option<PerceptualHash> {
        self.details()?.perceptual.filter(|hash| !hash.is_blank())
    }

    /// Whether the hashes are close enough, and the shapes the same in the turn that makes them so.
    fn is_same_picture(&self, other: &Candidate) -> bool {
        let (Some(a), Some(b)) = (self.details(), other.details()) else { return false };
        let straight = ratio(a.width, a.height) / ratio(b.width, b.height);
        let turned = ratio(a.width, a.height) / ratio(b.height, b.width);
        let is_one = |ratio: f64| (ratio.ln()).abs() <= SHAPE_TOLERANCE;
        (is_one(straight) || is_one(turned))
            && hash_distance(a, b).is_some_and(|distance| distance <= SAME_PICTURE)
    }
}

fn ratio(a: u32, b: u32) -> f64 {
    f64::from(a.max(1)) / f64::from(b.max(1))
}

/// The groups of photos in or below `folders` (all if there are none) that are at least as much alike as `likeness`.
///
/// When `watch` says to stop there is no answer: half of one could call a photo the only one.
///
/// # Errors
/// [`Error::Damaged`] for what is read on the way.
pub fn find(
    searcher: &Searcher,
    folders: &[PathBuf],
    likeness: Likeness,
    keep: Keep,
    watch: Watch<'_>,
) -> Result<Option<Found>, Error> {
    let candidates = candidates(searcher, folders)?;
    let without_hash =
        candidates.iter().filter(|c| c.details().is_none_or(|d| d.perceptual.is_none())).count();
    let mut sets = Sets::new(candidates.len());
    join_exact(&candidates, &mut sets);
    if likeness >= Likeness::ReEncoded {
        tables::join_re_encoded(&candidates, &mut sets);
    }
    if likeness >= Likeness::Similar {
        join_similar(searcher, &candidates, &mut sets, watch)?;
    }
    if (watch.cancelled)() {
        return Ok(None);
    }
    Ok(Some(Found { groups: groups(candidates, sets, keep), without_hash }))
}

fn candidates(searcher: &Searcher, folders: &[PathBuf]) -> Result<Vec<Candidate>, Error> {
    let is_asked = |key: &[u8]| folders.is_empty() || folders.iter().any(|folder| is_under(key, folder));
    let mut candidates = Vec::new();
    for record in searcher.records() {
        let StoredRecord { key, payload, fingerprint, has_vector } = record?;
        if has_vector
            && is_asked(key)
            && let Some(photo) = Photo::decode(payload)
        {
            candidates.push(Candidate { key: key.to_vec(), fingerprint, photo });
        }
    }
    Ok(candidates)
}

fn join_exact(candidates: &[Candidate], sets: &mut Sets) {
    let mut first = HashMap::new();
    for (at, candidate) in candidates.iter().enumerate() {
        let Some(fingerprint) = candidate.fingerprint else { continue };
        sets.join(*first.entry(fingerprint).or_insert(at), at, Likeness::Exact);
    }
}

/// Joins each photo with those of its nearest that are near-duplicates.
fn join_similar(
    searcher: &Searcher,
    candidates: &[Candidate],
    sets: &mut Sets,
    watch: Watch<'_>,
) -> Result<(), Error> {
    let places: HashMap<&[u8], usize> =
        candidates.iter().enumerate().map(|(at, candidate)| (candidate.key.as_slice(), at)).collect();
    let done = AtomicUsize::new(0);
    let similar = candidates.par_iter().map(|candidate| -> Result<Vec<usize>, Error> {
        if (watch.cancelled)() {
            return Ok(Vec::new());
        }
        (watch.progress)(done.fetch_add(1, Ordering::Relaxed), candidates.len());
        let near = nearest(searcher, candidate)?;
        let near = near.into_iter().filter_map(|(key, cosine)| Some((*places.get(key.as_bytes())?, cosine)));
        let is_similar = |at: usize, cosine: f32| {
            cosine_needed(candidate.details(), candidates[at].details())
                .is_some_and(|needed| cosine >= needed)
        };
        Ok(near.filter(|&(at, cosine)| is_similar(at, cosine)).map(|(at, _)| at).collect())
    });
    for (at, similar) in similar.collect::<Result<Vec<Vec<usize>>, Error>>()?.into_iter().enumerate() {
        similar.into_iter().for_each(|other| sets.join(at, other, Likeness::Similar));
    }
    Ok(())
}

/// The photos closest to this one, with their cosines, itself among them.
fn nearest(searcher: &Searcher, candidate: &Candidate) -> Result<Vec<(Key, f32)>, Error> {
    let Some(key) = key_of(&path_of(&candidate.key)) else { return Ok(Vec::new()) };
    let Some(vector) = searcher.get(&key)?.and_then(|stored| stored.vector) else { return Ok(Vec::new()) };
    let hits = searcher.search(&vector, NEIGHBOURS, &SearchOptions::default())?;
    Ok(hits.into_iter().map(|hit| (hit.key, hit.score)).collect())
}

fn groups(candidates: Vec<Candidate>, sets: Sets, keep: Keep) -> Vec<Group> {
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    let mut groups: Vec<Group> = sets
        .into_groups()
        .map(|(likeness, members)| {
            let members = members.into_iter().filter_map(|at| candidates[at].take());
            let mut photos: Vec<Duplicate> =
                members.map(|c| Duplicate { path: path_of(&c.key), photo: c.photo }).collect();
            photos.sort_by(|a, b| keep.order(a, b));
            Group { likeness, photos }
        })
        .collect();
    groups.sort_by(|a, b| a.photos[0].path.cmp(&b.photos[0].path));
    groups
}

impl Keep {
    /// The one to keep first.
    fn order(self, a: &Duplicate, b: &Duplicate) -> std::cmp::Ordering {
        let pixels =
            |d: &Duplicate| d.photo.details.as_ref().map(|d| u64::from(d.width) * u64::from(d.height));
        let bytes = |d: &Duplicate| d.photo.stamp.size;
        let taken = |d: &Duplicate| {
            d.photo.details.as_ref().map_or(d.photo.stamp.modified_ns / 1_000_000, |d| d.taken_ms)
        };
        let more_pixels = || pixels(b).cmp(&pixels(a));
        let more_bytes = || bytes(b).cmp(&bytes(a));
        let older = || taken(a).cmp(&taken(b));
        let order = match self {
            Keep::Best => more_pixels().then_with(more_bytes).then_with(older),
            Keep::Oldest => older().then_with(more_pixels).then_with(more_bytes),
            Keep::Largest => more_bytes().then_with(more_pixels).then_with(older),
        };
        order.then_with(|| a.path.cmp(&b.path))
    }
}
