//! Sets of rows, with one bit per row.

use std::sync::Arc;

/// Identifies the searcher of a selection: equal only to its own clones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Owner(Arc<()>);

impl PartialEq for Owner {
    fn eq(&self, other: &Owner) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

/// Rows that a [`Searcher`](crate::Searcher) has selected. It can be used only with that searcher or a clone of it.
#[derive(Debug, Clone)]
pub struct Selection {
    owner: Owner,
    words: Vec<u64>,
    len: usize,
}

impl Selection {
    /// Row `i` is selected if bit `i % 64` of word `i / 64` is set.
    pub(crate) fn new(owner: Owner, words: Vec<u64>) -> Selection {
        let len = words.iter().map(|word| usize::try_from(word.count_ones()).unwrap_or(64)).sum();
        Selection { owner, words, len }
    }

    pub(crate) fn belongs_to(&self, owner: &Owner) -> bool {
        self.owner == *owner
    }

    /// The words from `first` on, as many as there are.
    pub(crate) fn words_from(&self, first: usize) -> &[u64] {
        self.words.get(first..).unwrap_or_default()
    }

    /// How many rows are selected.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether no row is selected.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }
}

/// The rows of a segment that a search may return: living ones that the filter, if any, selects.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Allowed<'a> {
    /// The number of rows.
    pub(crate) rows: usize,
    /// One bit per row; empty if no row is dead.
    pub(crate) dead: &'a [u64],
    pub(crate) filter: Option<&'a [u64]>,
}

impl Allowed<'_> {
    pub(crate) fn words(&self) -> usize {
        self.rows.div_ceil(64)
    }

    /// A word with the bits of all existing rows, dead or not.
    pub(crate) fn all_of(&self, word: usize) -> u64 {
        match self.rows.saturating_sub(word * 64) {
            0 => 0,
            rows @ 1..64 => (1 << rows) - 1,
            64.. => !0,
        }
    }

    pub(crate) fn word(&self, word: usize) -> u64 {
        let filter = self.filter.map_or(!0, |words| words.get(word).copied().unwrap_or(0));
        self.all_of(word) & !self.dead.get(word).copied().unwrap_or(0) & filter
    }

    pub(crate) fn contains(&self, row: usize) -> bool {
        self.word(row / 64) >> (row % 64) & 1 == 1
    }

    pub(crate) fn count(&self) -> usize {
        (0..self.words()).map(|word| self.word(word).count_ones() as usize).sum()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bits_are_rows() {
        let selection = Selection::new(Owner::default(), vec![1 << 63 | 1, 1 << 1]);
        let allowed = Allowed { rows: 128, dead: &[1], filter: Some(selection.words_from(0)) };
        let rows: Vec<usize> = (0..200).filter(|&row| allowed.contains(row)).collect();
        assert_eq!((rows, selection.len(), allowed.count()), (vec![63, 65], 3, 2));
    }

    #[test]
    fn without_a_filter_all_living_rows_are_allowed() {
        let allowed = Allowed { rows: 70, dead: &[], filter: None };
        assert_eq!((allowed.word(0), allowed.word(1), allowed.words(), allowed.count()), (!0, 0x3f, 2, 70));
        let allowed = Allowed { dead: &[0, 1], ..allowed };
        assert_eq!((allowed.word(1), allowed.all_of(1)), (0x3e, 0x3f));
    }

    #[test]
    fn an_owner_equals_only_its_clones() {
        let owner = Owner::default();
        let selection = Selection::new(owner.clone(), Vec::new());
        assert!(selection.belongs_to(&owner) && selection.is_empty());
        assert!(!selection.belongs_to(&Owner::default()));
    }
}
