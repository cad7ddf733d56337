//! Pairs of perceptual hashes that differ in few bits, without comparing all with all (multi-index hashing).
//!
//! A hash has 16 words of 16 bits. Two hashes that differ in at most 31 bits have a word in which they differ in at most
//! one. So one table per word, from its value to the photos that have it, answers with all candidates when it is asked
//! for that value and the 16 values one bit away.

use rayon::prelude::*;

use super::sets::Sets;
use super::{Candidate, Likeness};
use crate::perceptual::{PerceptualHash, Turn};

/// Joins photos that are one picture saved twice.
pub(super) fn join_re_encoded(candidates: &[Candidate], sets: &mut Sets) {
    let hashes = different(candidates, sets);
    for word in 0..16 {
        let table = &Table::new(&hashes, word);
        let pairs = hashes.par_iter().flat_map_iter(move |(hash, at)| {
            let near =
                Turn::ALL.into_iter().flat_map(move |turn| table.near(hash.turned(turn).words()[word]));
            let at = *at;
            near.filter(move |&other| other < at && candidates[at].is_same_picture(&candidates[other]))
                .map(move |other| (at, other))
        });
        for (at, other) in pairs.collect::<Vec<_>>() {
            sets.join(at, other, Likeness::ReEncoded);
        }
    }
}

/// The hashes to look at, with the number of a photo that has it. Photos of equal hashes are joined at once: however
/// many of them there are, one stands for all.
fn different(candidates: &[Candidate], sets: &mut Sets) -> Vec<(PerceptualHash, usize)> {
    let hashed = candidates.iter().enumerate();
    let mut hashes: Vec<_> = hashed.filter_map(|(at, candidate)| Some((candidate.hash()?, at))).collect();
    hashes.par_sort_unstable();
    hashes.dedup_by(|(hash, at), (kept_hash, kept)| {
        let is_same = hash == kept_hash && candidates[*at].is_same_picture(&candidates[*kept]);
        if is_same {
            sets.join(*kept, *at, Likeness::ReEncoded);
        }
        is_same
    });
    hashes
}

/// The photos by one word of their hashes.
struct Table {
    /// Where in `photos` those of a value begin; one more at the end.
    starts: Vec<usize>,
    photos: Vec<usize>,
}

impl Table {
    fn new(hashes: &[(PerceptualHash, usize)], word: usize) -> Table {
        let mut photos: Vec<(u16, usize)> =
            hashes.iter().map(|(hash, at)| (hash.words()[word], *at)).collect();
        photos.par_sort_unstable();
        let before = |value: usize| photos.partition_point(|(found, _)| usize::from(*found) < value);
        let starts = (0..=1 << 16).map(before).collect();
        Table { starts, photos: photos.into_iter().map(|(_, at)| at).collect() }
    }

    /// The photos whose word is `value` or one bit away from it.
    fn near(&self, value: u16) -> impl Iterator<Item = usize> {
        let values = std::iter::once(value).chain((0..16).map(move |bit| value ^ (1 << bit)));
        values
            .map(usize::from)
            .flat_map(move |value| &self.photos[self.starts[value]..self.starts[value + 1]])
            .copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::photo::{Details, Photo, Stamp};

    fn candidate(hash: PerceptualHash) -> Candidate {
        let details =
            Details { width: 400, height: 300, orientation: 1, perceptual: Some(hash), ..Details::default() };
        let stamp = Stamp { size: 1, modified_ns: 0, changed_ns: 0 };
        let photo = Photo::read(stamp, 0, Some(details));
        Candidate { key: Vec::new(), fingerprint: None, photo }
    }

    /// A hash of a linear congruential generator's bits, some of them flipped.
    fn hash(seed: u64, flipped: &[usize]) -> PerceptualHash {
        let mut state = seed;
        let mut words = [0u16; 16];
        for word in &mut words {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            *word = u16::try_from(state >> 48).unwrap();
        }
        for bit in flipped {
            words[bit / 16] ^= 1 << (bit % 16);
        }
        PerceptualHash::from_words(words)
    }

    #[track_caller]
    fn check(hashes: Vec<PerceptualHash>, expected: &[&[usize]]) {
        let candidates: Vec<_> = hashes.into_iter().map(candidate).collect();
        let mut sets = Sets::new(candidates.len());
        join_re_encoded(&candidates, &mut sets);
        let groups: Vec<Vec<usize>> = sets.into_groups().map(|(_, members)| members).collect();
        assert_eq!(groups, expected);
    }

    #[test]
    fn hashes_that_differ_in_few_bits_are_found() {
        let spread: Vec<usize> = (0..31).map(|bit| bit * 8 + bit % 8).collect();
        let two_in_each_word: Vec<usize> = (0..32).map(|bit| bit * 8 + bit % 8).collect();
        check(vec![hash(1, &[]), hash(2, &[]), hash(1, &spread)], &[&[0, 2]]);
        check(vec![hash(1, &[]), hash(1, &two_in_each_word)], &[]);
        check(vec![hash(1, &[]), hash(1, &[]), hash(1, &[])], &[&[0, 1, 2]]);
        check(vec![hash(1, &[]), hash(3, &[]), hash(3, &[17]).turned(Turn::Quarter)], &[&[1, 2]]);
    }

    #[test]
    fn pictures_of_nothing_are_not_alike() {
        check(vec![PerceptualHash::BLANK, PerceptualHash::BLANK], &[]);
    }
}
