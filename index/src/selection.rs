//! A set of rows, one bit each.

use std::sync::Arc;

/// Which searcher a selection belongs to: equal only to clones of itself.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owner(Arc<()>);

impl PartialEq for Owner {
    fn eq(&self, other: &Owner) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Rows that a [`Searcher`](crate::Searcher) has selected, for searches of the same searcher.
#[derive(Debug, Clone)]
pub struct Selection {
    owner: Owner,
    words: Vec<u64>,
    len: usize,
}

impl Selection {
    /// Row `i` is selected when bit `i % 64` of word `i / 64` is set.
    pub(crate) fn new(owner: Owner, words: Vec<u64>) -> Selection {
        let len = words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(64)).sum();
        Selection { owner, words, len }
    }

    pub(crate) fn belongs_to(&self, owner: &Owner) -> bool {
        self.owner == *owner
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.words.get(row / 64).is_some_and(|word| word >> (row % 64) & 1 == 1)
    }

    /// How many rows are selected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_rows() {
        let selection = Selection::new(Owner::default(), vec![1 << 63 | 1, 1 << 1]);
        let rows: Vec<usize> = (0..200).filter(|&row| selection.contains(row)).collect();
        assert_eq!((rows, selection.len()), (vec![0, 63, 65], 3));
    }

    #[test]
    fn an_owner_equals_only_its_clones() {
        let owner = Owner::default();
        let selection = Selection::new(owner.clone(), Vec::new());
        assert!(selection.belongs_to(&owner) && selection.is_empty());
        assert!(!selection.belongs_to(&Owner::default()));
    }
}
