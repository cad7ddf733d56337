//! The identity of an index: it tells which index a file belongs to.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;

/// A random number that an index gets when it is created. Its catalog and its manifest both contain it, so that a manifest
/// copied from another index is detected. A copy of the whole index has the same number.
///
/// An index of an earlier version has none and gets one when it is next opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexId(NonZeroU64);

impl IndexId {
    /// A new random number, from the seed of the standard library's hash tables. That is random enough, because nobody
    /// gains anything by guessing it.
    pub(crate) fn new() -> IndexId {
        IndexId(NonZeroU64::new(RandomState::new().build_hasher().finish()).unwrap_or(NonZeroU64::MIN))
    }

    /// The number as stored in a file; 0 for none.
    pub(crate) fn to_number(id: Option<IndexId>) -> u64 {
        id.map_or(0, |IndexId(number)| number.get())
    }

    pub(crate) fn from_number(number: u64) -> Option<IndexId> {
        NonZeroU64::new(number).map(IndexId)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_differ_and_round_trip() {
        let (a, b) = (IndexId::new(), IndexId::new());
        assert_ne!(a, b);
        for id in [Some(a), Some(b), None] {
            assert_eq!(IndexId::from_number(IndexId::to_number(id)), id);
        }
    }
}
