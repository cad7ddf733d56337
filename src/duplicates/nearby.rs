//! Finds the photos that may match a photo, without comparing it with all.
//!
//! A hash has 16 blocks of 16 bits. Two hashes that differ in at most 31 bits have a block in which they differ in at most
//! one bit, and so have most pictures of one scene (`PerceptualHash::blocks`). So for each block there is a table from its
//! value to photos. Looking up the value and the 16 values one bit away yields all candidates (multi-index hashing). Shots
//! of one burst are found by camera and time.

use std::collections::{BTreeSet, HashMap};

use super::alike::{BURST_MS, SAME_SCENE};
use crate::perceptual::{PerceptualHash, Rotation};

const BLOCKS: usize = 16;
/// How many shots before and after one are compared. Only the leaders of groups are stored here, a few per burst. There are
/// more only if a camera's clock stands still, and then its time means nothing.
const SHOTS: usize = 16;

/// Photos by hash, numbered in order.
pub(super) struct Hashes {
    entries: Vec<Entry>,
    /// For each block and value: the number of the last entry with it, plus one; 0 if there is none.
    last: Vec<u32>,
}

struct Entry {
    hash: PerceptualHash,
    number: usize,
    /// For each block: the number of the previous entry with the same value, plus one.
    before: [u32; BLOCKS],
}

/// A photo with a similar hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Near {
    pub(super) number: usize,
    /// The number of differing bits.
    pub(super) distance: u32,
    /// The turn of the requested hash.
    pub(super) turn: Rotation,
}

impl Hashes {
    pub(super) fn new() -> Hashes {
        Hashes { entries: Vec::new(), last: vec![0; BLOCKS << 16] }
    }

    pub(super) fn add(&mut self, hash: PerceptualHash, number: usize) {
        let Ok(this) = u32::try_from(self.entries.len() + 1) else { return };
        let blocks = hash.blocks();
        let before =
            std::array::from_fn(|block| std::mem::replace(&mut self.last[place(block, blocks[block])], this));
        self.entries.push(Entry { hash, number, before });
    }

    /// The photos that differ in at most [`SAME_SCENE`] bits in any turn, and in some block by at most one bit. Ordered by
    /// number, the nearest turn of each first.
    pub(super) fn near(&self, hash: &PerceptualHash) -> Vec<Near> {
        let turned = Rotation::ALL.map(|turn| (turn, hash.turned(turn)));
        let mut near = Vec::new();
        if self.look_up(&turned, &mut near).is_none() {
            near.clear();
            for entry in &self.entries {
                turned.iter().for_each(|(turn, hash)| near.extend(entry.near(hash, *turn)));
            }
        }
        near.sort_unstable();
        near.dedup();
        near
    }

    /// `None` if looking up would take longer than comparing with all, because pictures without detail have equal blocks.
    fn look_up(&self, turned: &[(Rotation, PerceptualHash)], near: &mut Vec<Near>) -> Option<()> {
        let mut steps = self.entries.len();
        for (turn, hash) in turned {
            for (block, value) in hash.blocks().into_iter().enumerate() {
                for value in within_a_bit(value) {
                    let mut next = self.last[place(block, value)];
                    while next != 0 {
                        steps = steps.checked_sub(1)?;
                        let entry = &self.entries[next as usize - 1];
                        near.extend(entry.near(hash, *turn));
                        next = entry.before[block];
                    }
                }
            }
        }
        Some(())
    }
}

impl Entry {
    fn near(&self, hash: &PerceptualHash, turn: Rotation) -> Option<Near> {
        let distance = self.hash.distance(hash);
        let has_block =
            || self.hash.blocks().iter().zip(hash.blocks()).any(|(a, b)| (a ^ b).count_ones() <= 1);
        (distance <= SAME_SCENE && has_block()).then_some(Near { number: self.number, distance, turn })
    }
}

fn place(block: usize, value: u16) -> usize {
    block << 16 | usize::from(value)
}

fn within_a_bit(value: u16) -> impl Iterator<Item = u16> {
    std::iter::once(value).chain((0..16).map(move |bit| value ^ 1 << bit))
}

/// Photos by camera and time.
#[derive(Default)]
pub(super) struct Shots<'a>(HashMap<&'a str, BTreeSet<(i64, usize)>>);

impl<'a> Shots<'a> {
    pub(super) fn add(&mut self, (camera, time): (&'a str, i64), number: usize) {
        self.0.entry(camera).or_default().insert((time, number));
    }

    /// The shots of the same camera within [`BURST_MS`].
    pub(super) fn near(&self, (camera, time): (&str, i64)) -> impl Iterator<Item = usize> {
        let (first, last) = (time.saturating_sub(BURST_MS), time.saturating_add(BURST_MS));
        self.0.get(camera).into_iter().flat_map(move |shots| {
            let before = shots.range((first, 0)..(time, 0)).rev().take(SHOTS);
            let after = shots.range((time, 0)..=(last, usize::MAX)).take(SHOTS);
            before.chain(after).map(|(_, number)| *number)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A pseudo-random hash with some bits flipped.
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

    fn hashes(of: &[PerceptualHash]) -> Hashes {
        let mut hashes = Hashes::new();
        of.iter().zip(0..).for_each(|(hash, number)| hashes.add(*hash, number));
        hashes
    }

    #[track_caller]
    fn check(flipped: &[usize], turn: Rotation, expected: Option<u32>) {
        let known: Vec<_> = (0..300).map(|seed| hash(seed, &[])).collect();
        let near = hashes(&known).near(&hash(7, flipped).turned(turn));
        let back = match turn {
            Rotation::Quarter => Rotation::ThreeQuarters,
            Rotation::ThreeQuarters => Rotation::Quarter,
            Rotation::None | Rotation::Half => turn,
        };
        let expected = expected.map(|distance| Near { number: 7, distance, turn: back });
        assert_eq!(near, Vec::from_iter(expected));
    }

    #[test]
    fn near_hashes_are_found_in_any_turn() {
        check(&[], Rotation::None, Some(0));
        check(&[3, 250], Rotation::Quarter, Some(2));
        check(&[3, 250], Rotation::Half, Some(2));
        check(&[3, 250], Rotation::ThreeQuarters, Some(2));
        // One bit in one block, two in each of the others.
        let in_block = |block: usize, bit: usize| (block / 4 * 4 + bit / 4) * 16 + block % 4 * 4 + bit % 4;
        let two_in_each: Vec<usize> =
            (0..16).flat_map(|block| [in_block(block, 0), in_block(block, 9)]).collect();
        check(&two_in_each[1..], Rotation::None, Some(31));
        check(&two_in_each, Rotation::None, None);
        // Half the bits of eleven blocks, and one more.
        let many: Vec<usize> =
            (0..11).flat_map(|block| (0..16).step_by(2).map(move |bit| in_block(block, bit))).collect();
        check(&many, Rotation::None, Some(88));
        check(&[&many[..], &[in_block(12, 0)]].concat(), Rotation::None, None);
    }

    #[test]
    fn few_of_many_are_compared() {
        let known: Vec<_> = (0..5000).map(|seed| hash(seed, &[])).collect();
        let hashes = hashes(&known);
        let turned = Rotation::ALL.map(|turn| (turn, known[7].turned(turn)));
        assert!(hashes.look_up(&turned, &mut Vec::new()).is_some(), "all were compared");
    }

    #[test]
    fn hashes_with_equal_blocks_are_found_too() {
        // Only the last block differs, so each table finds all of them.
        let known: Vec<_> = (0..300)
            .map(|at| {
                let mut words = [0x0f0f; 16];
                words[15] = at;
                PerceptualHash::from_words(words)
            })
            .collect();
        let near = hashes(&known).near(&known[5]);
        let upright = near.iter().filter(|near| near.turn == Rotation::None).count();
        assert_eq!(upright, 300);
    }

    #[test]
    fn shots_are_near_by_camera_and_time() {
        let mut shots = Shots::default();
        for (number, shot) in
            [("A", 0), ("A", 9_000), ("B", 9_500), ("A", 19_000), ("A", 19_001)].into_iter().enumerate()
        {
            shots.add(shot, number);
        }
        let near = |shot| {
            let mut near: Vec<_> = shots.near(shot).collect();
            near.sort_unstable();
            near
        };
        assert_eq!(near(("A", 9_000)), [0, 1, 3]);
        assert_eq!(near(("B", 0)), [2]);
        assert!(near(("C", 0)).is_empty());
    }

    #[test]
    fn of_a_clock_that_stands_still_only_some_shots_are_compared() {
        let mut shots = Shots::default();
        (0..1000).for_each(|number| shots.add(("A", 7), number));
        assert_eq!(shots.near(("A", 7)).count(), SHOTS);
    }
}
