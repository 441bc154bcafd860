//! Commitments: the Merkle root over the BLAKE3 digests of a vector's blocks.
//!
//! In clear beside each masked update, so that the parent can check a body
//! before it acknowledges it and the enclave can check a single block at any time.

use serde::{Deserialize, Serialize};

use crate::Digest;
use crate::label;
use crate::merkle::{Frontier, Levels, Tree};

/// The commitment to a masked update: a root under [`label::COMMITMENT_TREE`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Commitment(pub Digest);

/// The tree over the blocks of one kind of vector.
#[derive(Clone, Copy, Debug)]
pub struct BlockTree(Tree);

impl BlockTree {
    /// Of a client's masked update.
    pub const MASKED_UPDATE: Self = Self(Tree(label::COMMITMENT_TREE));
    /// Of the parent's sum of masked updates.
    pub const MASKED_SUM: Self = Self(Tree(label::SUM_TREE));
    /// Of the aggregate.
    pub const AGGREGATE: Self = Self(Tree(label::AGGREGATE_TREE));

    /// The leaf of a block's packed bytes.
    #[must_use]
    pub fn leaf(self, block: &[u8]) -> Digest {
        self.0.leaf(blake3::hash(block).as_bytes())
    }

    /// The root of leaves that are still to come.
    #[must_use]
    pub const fn frontier(self) -> Frontier {
        self.0.frontier()
    }

    /// The whole tree over all leaves.
    #[must_use]
    pub fn levels(self, leaves: Vec<Digest>) -> Levels {
        self.0.levels(leaves)
    }
}

/// Collects block after block of one vector.
pub struct CommitmentBuilder {
    tree: BlockTree,
    leaves: Vec<Digest>,
}

impl CommitmentBuilder {
    /// For a client's masked update.
    #[must_use]
    pub const fn masked_update() -> Self {
        Self::under(BlockTree::MASKED_UPDATE)
    }

    /// For the parent's sum of masked updates.
    #[must_use]
    pub const fn masked_sum() -> Self {
        Self::under(BlockTree::MASKED_SUM)
    }

    /// For the aggregate.
    #[must_use]
    pub const fn aggregate() -> Self {
        Self::under(BlockTree::AGGREGATE)
    }

    const fn under(tree: BlockTree) -> Self {
        Self {
            tree,
            leaves: Vec::new(),
        }
    }

    /// Adds the next block's packed bytes.
    pub fn push(&mut self, block: &[u8]) {
        self.leaves.push(self.tree.leaf(block));
    }

    /// Number of blocks so far.
    #[must_use]
    pub fn blocks(&self) -> usize {
        self.leaves.len()
    }

    /// The root over all blocks.
    #[must_use]
    pub fn root(&self) -> Digest {
        self.tree.0.root(&self.leaves)
    }

    /// The path of block `index`.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<Digest>> {
        self.tree.0.path(&self.leaves, index)
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
    let tree = BlockTree::MASKED_SUM;
    tree.0
        .root_from(&tree.leaf(block), index, blocks, path)
        .as_ref()
        == Some(root)
}

/// The leaf of one block of the aggregate, for whoever releases blocks out of order.
#[must_use]
pub fn aggregate_leaf(block: &[u8]) -> Digest {
    BlockTree::AGGREGATE.leaf(block)
}

/// The root over the aggregate's leaves: what a receipt carries.
#[must_use]
pub fn aggregate_root(leaves: &[Digest]) -> Digest {
    BlockTree::AGGREGATE.0.root(leaves)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frontier_and_levels_have_the_builders_roots() {
        for (tree, mut builder) in [
            (BlockTree::MASKED_UPDATE, CommitmentBuilder::masked_update()),
            (BlockTree::MASKED_SUM, CommitmentBuilder::masked_sum()),
            (BlockTree::AGGREGATE, CommitmentBuilder::aggregate()),
        ] {
            let (mut frontier, mut leaves) = (tree.frontier(), Vec::new());
            for block in 0_u8..7 {
                builder.push(&[block]);
                frontier.push(tree.leaf(&[block]));
                leaves.push(tree.leaf(&[block]));
            }
            assert_eq!(frontier.root(), builder.root());
            let levels = tree.levels(leaves);
            assert_eq!(levels.root(), builder.root());
            assert_eq!(levels.path(4), builder.path(4));
        }
    }

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
