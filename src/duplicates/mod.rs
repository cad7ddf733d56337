//! Finds duplicates: the same bytes, the same picture saved again, or shots of one burst.
//!
//! Photos are sorted, the best to keep first, and each joins the best earlier photo that it matches (`leaders.rs`). First
//! copies are grouped. Then, if requested, similar pictures are: the picture with the most copies comes first, so that
//! crops and similar shots join the original and not each other.
//!
//! `alike.rs` has the rules; `nearby.rs` finds candidates without comparing all pairs. Nothing is deleted here, or anywhere
//! in imgsearch.

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

/// How similar the photos of a group are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Likeness {
    /// The same bytes.
    Exact,
    /// The same picture saved again: in another format, quality or size, or rotated.
    ReEncoded,
    /// Shots of one scene, or parts of one picture.
    Similar,
}

/// A group of duplicates.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The weakest likeness in the group: of the first photo and another, or of a similar picture and its copy.
    pub likeness: Likeness,
    /// Two or more, the one to keep first.
    pub photos: Vec<Duplicate>,
}

/// A photo of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct Duplicate {
    /// Its path.
    pub path: PathBuf,
    /// The content of the file when it was indexed, if known.
    pub content: Option<Fingerprint>,
    /// Its record in the library.
    pub photo: Photo,
}

/// The result of a search for duplicates.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DuplicateGroups {
    /// The groups, ordered by the path of the photo to keep.
    pub groups: Vec<Group>,
    /// The number of photos whose bytes alone were compared, because an earlier version indexed them.
    pub without_look: usize,
}

/// Callbacks to watch and cancel a search for duplicates.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// Called with the number of photos done, and the number of all.
    pub progress: &'a (dyn Fn(usize, usize) + Sync),
    /// Called now and then; true cancels the search.
    pub cancelled: &'a (dyn Fn() -> bool + Sync),
}

/// The groups of photos in `folders` and their subfolders (without folders, in the whole library) with at least this
/// `likeness`.
///
/// `None` if it was cancelled: a partial answer could make a photo look unique that is not.
///
/// # Errors
/// If the library cannot be read.
pub fn find(
    view: &dyn View,
    folders: &[PathBuf],
    likeness: Likeness,
    preference: &Preference,
    watch: Watch<'_>,
) -> Result<Option<DuplicateGroups>, StoreError> {
    let mut candidates = candidates(view, folders, watch)?;
    candidates.sort_by(|a, b| preference.order(a, b));
    // The likeness and the members of each group, the leader first.
    let mut groups: Vec<(Likeness, Vec<usize>)> =
        (0..candidates.len()).map(|at| (Likeness::Exact, vec![at])).collect();
    // Group copies first, so that a picture that is similar to another brings all its copies along.
    let rounds: &[Likeness] = match likeness {
        Likeness::Exact => &[Likeness::Exact],
        Likeness::ReEncoded => &[Likeness::ReEncoded],
        Likeness::Similar => &[Likeness::ReEncoded, Likeness::Similar],
    };
    for (round, &likeness) in rounds.iter().enumerate() {
        // The sort is stable: pictures with equally many copies stay in order of preference.
        groups.sort_by_key(|(_, members)| Reverse(members.len()));
        let all = candidates.len();
        let progress = |at| (watch.progress)(round * all + at, rounds.len() * all);
        groups =
            joined(view, &candidates, groups, likeness, Watch { progress: &|at, _| progress(at), ..watch })?;
        if (watch.cancelled)() {
            return Ok(None);
        }
    }
    let has_look = |c: &&Duplicate| c.photo.details.as_ref().is_some_and(|d| d.look.is_some());
    let without_look = candidates.len() - candidates.iter().filter(has_look).count();
    Ok(Some(DuplicateGroups { groups: gathered(groups, candidates), without_look }))
}

/// Joins groups whose leaders have at least this likeness.
fn joined(
    view: &dyn View,
    candidates: &[Duplicate],
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
        let Duplicate { path, content, photo } = &candidates[group.1[0]];
        let cosine = |leader: usize| -> Result<Option<f32>, StoreError> {
            let leader = &candidates[joined[leader].1[0]];
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
    // Candidates are in order of preference, so sort by index.
    joined.iter_mut().for_each(|(_, members)| members.sort_unstable());
    Ok(joined)
}

fn candidates(view: &dyn View, folders: &[PathBuf], watch: Watch<'_>) -> Result<Vec<Duplicate>, StoreError> {
    let filter = Filter { folders: folders.iter().map(Into::into).collect(), ..Filter::default() };
    let mut candidates = Vec::new();
    view.each(&filter, Load::WithoutVector, &mut |stored| {
        if (watch.cancelled)() {
            return ControlFlow::Break(());
        }
        if let Stored { item: Item { path, part: None }, content, photo: Some(photo), .. } = stored {
            candidates.push(Duplicate { path, content, photo });
        }
        ControlFlow::Continue(())
    })?;
    Ok(candidates)
}

fn vector(view: &dyn View, path: &Path) -> Result<Option<Vector>, StoreError> {
    Ok(view.get(&Item::file(path))?.and_then(|stored| stored.vector))
}

/// The groups of at least two photos, with their photos.
fn gathered(groups: Vec<(Likeness, Vec<usize>)>, candidates: Vec<Duplicate>) -> Vec<Group> {
    let mut candidates: Vec<Option<Duplicate>> = candidates.into_iter().map(Some).collect();
    let mut gathered = Vec::new();
    for (likeness, members) in groups.into_iter().filter(|(_, members)| members.len() > 1) {
        let photos = members.into_iter().filter_map(|at| candidates[at].take()).collect();
        gathered.push(Group { likeness, photos });
    }
    gathered.sort_by(|a: &Group, b| a.photos[0].path.cmp(&b.photos[0].path));
    gathered
}
