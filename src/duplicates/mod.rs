//! Photos that are there more than once: the same bytes, the same picture saved again, or shots of one burst.
//!
//! Photos are put in order, the best to keep first, and each joins the best one before it that it is alike to
//! (`leaders.rs`). First copies come together. Then, if asked for, similar pictures do: the picture with the most copies
//! comes first, so that cuts of a photo and shots like it join the photo itself, and not one of each other.
//!
//! When two are alike stands in `alike.rs`, how that is found without comparing all with all in `nearby.rs`. Nothing is
//! deleted here, or anywhere in imgsearch.

mod alike;
mod keep;
mod leaders;
mod nearby;
mod present;

use std::cmp::Reverse;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};

use imgsearch_index::{Fingerprint, Vector};

use crate::item::Item;
use crate::library::{Load, StoreError, Stored, View};
use crate::photo::Photo;
use crate::query::Filter;

pub use keep::{Keep, Preference, Reason};
pub use leaders::{Leaders, compares_content};
pub use present::present;

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
    /// How much alike those are that are least alike: the first and another, or a picture like the first and its copy.
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

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Found {
    /// In the order of the paths of the photos to keep.
    pub groups: Vec<Group>,
    /// How many photos are compared by their bytes only, because an earlier version indexed them.
    pub without_look: usize,
}

/// How a search for duplicates is told about and stopped.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Told how many photos are done with, of how many.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Asked now and then whether to stop.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// A photo that may have duplicates.
struct Candidate {
    content: Option<Fingerprint>,
    duplicate: Duplicate,
}

/// The groups of photos in or below `folders` (all if there are none) that are at least as much alike as `likeness`.
///
/// When `watch` says to stop there is no answer: half of one could call a photo the only one.
///
/// # Errors
/// When the library cannot be read.
pub fn find(
    view: &dyn View,
    folders: &[PathBuf],
    likeness: Likeness,
    preference: &Preference,
    watch: Watch<'_>,
) -> Result<Option<Found>, StoreError> {
    let mut candidates = candidates(view, folders, watch)?;
    candidates.sort_by(|a, b| preference.order(&a.duplicate, &b.duplicate));
    // How much alike each group is, and where its photos are, the leader first.
    let mut groups: Vec<(Likeness, Vec<usize>)> =
        (0..candidates.len()).map(|at| (Likeness::Exact, vec![at])).collect();
    // Copies come together first, so that a picture that is similar to another is grouped with all copies of it.
    let rounds: &[Likeness] = match likeness {
        Likeness::Exact => &[Likeness::Exact],
        Likeness::ReEncoded => &[Likeness::ReEncoded],
        Likeness::Similar => &[Likeness::ReEncoded, Likeness::Similar],
    };
    for (round, &likeness) in rounds.iter().enumerate() {
        // The sort is stable: pictures with as many copies stay in the order of preference.
        groups.sort_by_key(|(_, members)| Reverse(members.len()));
        let all = candidates.len();
        let progress = |at| (watch.progress)(round * all + at, rounds.len() * all);
        groups =
            joined(view, &candidates, groups, likeness, Watch { progress: &|at, _| progress(at), ..watch })?;
        if (watch.cancelled)() {
            return Ok(None);
        }
    }
    let has_look = |c: &&Candidate| c.duplicate.photo.details.as_ref().is_some_and(|d| d.look.is_some());
    let without_look = candidates.len() - candidates.iter().filter(has_look).count();
    Ok(Some(Found { groups: gathered(groups, candidates), without_look }))
}

/// Joins groups whose leaders are alike, in this way or a closer one.
fn joined(
    view: &dyn View,
    candidates: &[Candidate],
    groups: Vec<(Likeness, Vec<usize>)>,
    likeness: Likeness,
    watch: Watch<'_>,
) -> Result<Vec<(Likeness, Vec<usize>)>, StoreError> {
    let mut leaders = Leaders::new(likeness);
    let mut joined: Vec<(Likeness, Vec<usize>)> = Vec::new();
    let count = groups.len();
    for (at, group) in groups.into_iter().enumerate() {
        if (watch.cancelled)() {
            break;
        }
        (watch.progress)(at, count);
        let Candidate { content, duplicate: Duplicate { path, photo } } = &candidates[group.1[0]];
        let cosine = |leader: usize| -> Result<Option<f32>, StoreError> {
            let leader = &candidates[joined[leader].1[0]].duplicate;
            Ok(vector(view, path)?.zip(vector(view, &leader.path)?).map(|(a, b)| a.dot(&b)))
        };
        match leaders.of(*content, photo.details.as_ref(), cosine)? {
            Some((leader, likeness)) => {
                let (least, members) = &mut joined[leader];
                *least = likeness.max(group.0).max(*least);
                members.extend(group.1);
            }
            None => {
                leaders.add(*content, photo.details.as_ref());
                joined.push(group);
            }
        }
    }
    // In the order of preference, in which the candidates are.
    joined.iter_mut().for_each(|(_, members)| members.sort_unstable());
    Ok(joined)
}

fn candidates(view: &dyn View, folders: &[PathBuf], watch: Watch<'_>) -> Result<Vec<Candidate>, StoreError> {
    let filter = Filter { folders: folders.iter().map(Into::into).collect(), ..Filter::default() };
    let mut candidates = Vec::new();
    view.each(&filter, Load::WithoutVector, &mut |stored| {
        if (watch.cancelled)() {
            return ControlFlow::Break(());
        }
        if let Stored { item: Item { path, part: None }, content, photo: Some(photo), .. } = stored {
            candidates.push(Candidate { content, duplicate: Duplicate { path, photo } });
        }
        ControlFlow::Continue(())
    })?;
    Ok(candidates)
}

fn vector(view: &dyn View, path: &Path) -> Result<Option<Vector>, StoreError> {
    Ok(view.get(&Item::file(path))?.and_then(|stored| stored.vector))
}

/// The groups of two photos or more, with their photos.
fn gathered(groups: Vec<(Likeness, Vec<usize>)>, candidates: Vec<Candidate>) -> Vec<Group> {
    let mut candidates: Vec<Option<Candidate>> = candidates.into_iter().map(Some).collect();
    let mut gathered = Vec::new();
    for (likeness, members) in groups.into_iter().filter(|(_, members)| members.len() > 1) {
        let photos = members.into_iter().filter_map(|at| Some(candidates[at].take()?.duplicate)).collect();
        gathered.push(Group { likeness, photos });
    }
    gathered.sort_by(|a: &Group, b| a.photos[0].path.cmp(&b.photos[0].path));
    gathered
}
