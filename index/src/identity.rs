//! Which index a file belongs to.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::num::NonZeroU64;

/// A random number that an index gets when it is created. Its catalog and its manifest both hold it, so that a manifest
/// that was copied here from another index is told from the own one. A copy of the whole index has the same number.
///
/// An index of an earlier version has none; it gets one when it is next opened for writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct IndexId(NonZeroU64);

impl IndexId {
    /// One that no other index has. The standard library seeds its hash tables with random numbers of the system; that
    /// is random enough here, where nobody gains anything by guessing.
    pub(crate) fn new() -> IndexId {
        IndexId(NonZeroU64::new(RandomState::new().build_hasher().finish()).unwrap_or(NonZeroU64::MIN))
    }

    /// How it is kept in a file: 0 stands for none.
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
    fn each_is_another_and_comes_back() {
        let (a, b) = (IndexId::new(), IndexId::new());
        assert_ne!(a, b);
        for id in [Some(a), Some(b), None] {
            assert_eq!(IndexId::from_number(IndexId::to_number(id)), id);
        }
    }
}
