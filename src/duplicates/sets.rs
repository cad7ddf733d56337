//! Sets that grow together (union–find), each with how much alike its members are.

use std::collections::BTreeMap;

use super::Likeness;

pub(super) struct Sets {
    /// The parent of each member; a set's root is its own.
    parents: Vec<usize>,
    /// Of a root: what the least alike members of its set are.
    likeness: Vec<Likeness>,
}

impl Sets {
    /// So many sets of one member each.
    pub(super) fn new(members: usize) -> Sets {
        Sets { parents: (0..members).collect(), likeness: vec![Likeness::Exact; members] }
    }

    fn root(&mut self, mut member: usize) -> usize {
        while self.parents[member] != member {
            self.parents[member] = self.parents[self.parents[member]];
            member = self.parents[member];
        }
        member
    }

    /// Joins the sets of two members that are alike in this way; nothing where they are in one set already.
    pub(super) fn join(&mut self, a: usize, b: usize, likeness: Likeness) {
        let (a, b) = (self.root(a), self.root(b));
        if a == b {
            return;
        }
        // The smaller number stays the root: what the order of joining does not change.
        let (root, child) = (a.min(b), a.max(b));
        self.parents[child] = root;
        self.likeness[root] = self.likeness[root].max(self.likeness[child]).max(likeness);
    }

    /// The sets of two members or more.
    pub(super) fn into_groups(mut self) -> impl Iterator<Item = (Likeness, Vec<usize>)> {
        let mut members: BTreeMap<usize, Vec<usize>> = BTreeMap::new();
        for member in 0..self.parents.len() {
            members.entry(self.root(member)).or_default().push(member);
        }
        let likeness = self.likeness;
        members
            .into_iter()
            .filter(|(_, members)| members.len() > 1)
            .map(move |(root, members)| (likeness[root], members))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_join_and_keep_the_least_likeness() {
        let mut sets = Sets::new(7);
        sets.join(0, 1, Likeness::Exact);
        sets.join(3, 4, Likeness::Exact);
        sets.join(4, 1, Likeness::ReEncoded);
        sets.join(0, 3, Likeness::Similar); // already joined by something better
        sets.join(6, 5, Likeness::Similar);
        let groups: Vec<_> = sets.into_groups().collect();
        assert_eq!(groups, [(Likeness::ReEncoded, vec![0, 1, 3, 4]), (Likeness::Similar, vec![5, 6])]);
    }
}
