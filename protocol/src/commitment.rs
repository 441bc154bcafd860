//! Commitments: the Merkle root over the BLAKE3 digests of a vector's blocks.
//!
//! In clear beside each masked update, so that the parent can check a body
//! before it acknowledges it and the enclave can check a single block at any time.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::label;
use crate::merkle::Tree;

/// The commitment to a masked update: a root under [`label::COMMITMENT_TREE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub Digest);

/// Collects block after block of one vector.
pub struct CommitmentBuilder {
    tree: Tree,
    leaves: Vec<Digest>,
}

impl CommitmentBuilder {
    /// For a client's masked update.
    #[must_use]
    pub const fn masked_update() -> Self {
        Self::under(Tree(label::COMMITMENT_TREE))
    }

    /// For the parent's sum of masked updates.
    #[must_use]
    pub const fn masked_sum() -> Self {
        Self::under(Tree(label::SUM_TREE))
    }

    /// For the aggregate.
    #[must_use]
    pub const fn aggregate() -> Self {
        Self::under(Tree(label::AGGREGATE_TREE))
    }

    const fn under(tree: Tree) -> Self {
        Self {
            tree,
            leaves: Vec::new(),
        }
    }

    /// Adds the next block's packed bytes.
    pub fn push(&mut self, block: &[u8]) {
        self.leaves.push(block_leaf(self.tree, block));
    }

    /// Number of blocks so far.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.leaves.len()
    }

    /// The root over all blocks.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.root(&self.leaves)
    }

    /// The path of block `index`.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<Digest>> {
        self.tree.path(&self.leaves, index)
    }
}

/// Whether `block` is block `index` of the `blocks` under the masked sum's `root`.
#[must_use]
pub fn is_block_of_sum(
    block: &[u8],
    index: u64,
    blocks: u64,
    path: &[Digest],
    root: &Digest,
) -> bool {
    let tree = Tree(label::SUM_TREE);
    tree.root_from(&block_leaf(tree, block), index, blocks, path)
        .as_ref()
        == Some(root)
}

/// The leaf of one block of the aggregate, for whoever releases blocks out of order.
#[must_use]
pub fn aggregate_leaf(block: &[u8]) -> Digest {
    block_leaf(Tree(label::AGGREGATE_TREE), block)
}

/// The root over the aggregate's leaves: what a receipt carries.
#[must_use]
pub fn aggregate_root(leaves: &[Digest]) -> Digest {
    Tree(label::AGGREGATE_TREE).root(leaves)
}

fn block_leaf(tree: Tree, block: &[u8]) -> Digest {
    tree.leaf(blake3::hash(block).as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_found_at_its_own_place_only() {
        let mut sum = CommitmentBuilder::masked_sum();
        (0_u8..5).for_each(|i| sum.push(&[i; 100]));
        let path = sum.path(3).unwrap();
        assert!(is_block_of_sum(&[3; 100], 3, 5, &path, &sum.root()));
        assert!(!is_block_of_sum(&[3; 100], 2, 5, &path, &sum.root()));
        assert!(!is_block_of_sum(&[3; 100], 3, 9, &path, &sum.root()));
        assert!(!is_block_of_sum(&[4; 100], 3, 5, &path, &sum.root()));
    }

    #[test]
    fn an_update_is_not_a_sum() {
        let (mut update, mut sum) = (
            CommitmentBuilder::masked_update(),
            CommitmentBuilder::masked_sum(),
        );
        update.push(b"block");
        sum.push(b"block");
        assert_ne!(update.root(), sum.root());
    }
}
