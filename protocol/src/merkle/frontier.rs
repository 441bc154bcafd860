//! A tree's root while its leaves come one after the other: 32 bytes for each bit of
//! their number are kept, nothing else.

use super::Tree;
use crate::Digest;

/// The whole subtrees that the leaves so far fall into, the largest and leftmost first.
pub struct Frontier {
    tree: Tree,
    leaves: u64,
    subtrees: Vec<Digest>,
}

impl Frontier {
    pub(super) const fn new(tree: Tree) -> Self {
        Self {
            tree,
            leaves: 0,
            subtrees: Vec::new(),
        }
    }

    /// Adds the next leaf's hash.
    pub fn push(&mut self, leaf: Digest) {
        let mut whole = leaf;
        // As a carry runs through a binary counter's ones.
        for _ in 0..self.leaves.trailing_ones() {
            if let Some(left) = self.subtrees.pop() {
                whole = self.tree.node(&left, &whole);
            }
        }
        self.subtrees.push(whole);
        self.leaves = self.leaves.saturating_add(1);
    }

    /// The root over the leaves so far, as [`Tree::root`] has it.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.subtrees
            .iter()
            .rev()
            .copied()
            .reduce(|right, left| self.tree.node(&left, &right))
            .unwrap_or_else(|| self.tree.root(&[]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label;

    #[test]
    fn the_root_is_that_of_the_whole_tree_after_every_leaf() {
        let tree = Tree(label::SUM_TREE);
        let (mut frontier, mut leaves) = (tree.frontier(), Vec::new());
        assert_eq!(frontier.root(), tree.root(&[]));
        for number in 0_u64..300 {
            leaves.push(tree.leaf(&number.to_le_bytes()));
            frontier.push(leaves[number as usize]);
            assert_eq!(frontier.root(), tree.root(&leaves));
            assert_eq!(frontier.subtrees.len() as u32, (number + 1).count_ones());
        }
    }
}
