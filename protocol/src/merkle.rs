//! Merkle trees, hashed as RFC 6962 §2.1 with a label per tree.
//!
//! leaf = SHA-256(0x00 || label || data), node = SHA-256(0x01 || label || left || right),
//! the label with its length in front. A path's length follows from index and
//! leaf count, which whoever verifies takes from something signed or fixed.

use sha2::{Digest as _, Sha256};

use crate::Digest;
use crate::label::Label;

mod frontier;
mod levels;

pub use frontier::Frontier;
pub use levels::Levels;

/// A kind of tree: what its label is.
#[derive(Clone, Copy, Debug)]
pub struct Tree(pub Label);

impl Tree {
    /// The hash of one leaf.
    #[must_use]
    pub fn leaf(self, data: &[u8]) -> Digest {
        self.hash(0x00, data, &[])
    }

    /// The root of leaves that are still to come.
    #[must_use]
    pub const fn frontier(self) -> Frontier {
        Frontier::new(self)
    }

    /// The whole tree over leaf hashes.
    #[must_use]
    pub fn levels(self, leaves: Vec<Digest>) -> Levels {
        Levels::new(self, leaves)
    }

    fn node(self, left: &Digest, right: &Digest) -> Digest {
        self.hash(0x01, left.as_bytes(), right.as_bytes())
    }

    fn hash(self, prefix: u8, left: &[u8], right: &[u8]) -> Digest {
        let mut hash = Sha256::new();
        hash.update([prefix]);
        hash.update(self.0.prefixed());
        hash.update(left);
        hash.update(right);
        Digest::new(hash.finalize().into())
    }

    /// The root over leaf hashes. No leaves hash to SHA-256 of nothing (RFC 6962).
    #[must_use]
    pub fn root(self, leaves: &[Digest]) -> Digest {
        let mut level = leaves.to_vec();
        while level.len() > 1 {
            level = self.parents(&level);
        }
        level
            .first()
            .copied()
            .unwrap_or_else(|| Digest::new(Sha256::digest([]).into()))
    }

    /// The path from leaf `index` to the root; `None` if there is no such leaf.
    #[must_use]
    pub fn path(self, leaves: &[Digest], index: u64) -> Option<Vec<Digest>> {
        let mut position = usize::try_from(index)
            .ok()
            .filter(|index| *index < leaves.len())?;
        let mut level = leaves.to_vec();
        let mut path = Vec::new();
        while level.len() > 1 {
            // The sibling differs in the lowest bit; a last node without one moves up as it is.
            path.extend(level.get(position ^ 1));
            level = self.parents(&level);
            position >>= 1;
        }
        Some(path)
    }

    fn parents(self, level: &[Digest]) -> Vec<Digest> {
        level
            .chunks(2)
            .filter_map(|pair| match pair {
                [left, right] => Some(self.node(left, right)),
                [alone] => Some(*alone),
                _ => None,
            })
            .collect()
    }

    /// The root that leaf `index` of `size` leads to along `path`; `None` if the
    /// path is too long or too short for that place (RFC 9162 §2.1.3.2).
    #[must_use]
    pub fn root_from(
        self,
        leaf: &Digest,
        index: u64,
        size: u64,
        path: &[Digest],
    ) -> Option<Digest> {
        let mut last = size.checked_sub(1).filter(|last| index <= *last)?;
        let mut position = index;
        let mut root = *leaf;
        for sibling in path {
            if last == 0 {
                return None;
            }
            if position & 1 == 1 || position == last {
                root = self.node(sibling, &root);
                while position & 1 == 0 && position != 0 {
                    position >>= 1;
                    last >>= 1;
                }
            } else {
                root = self.node(&root, sibling);
            }
            position >>= 1;
            last >>= 1;
        }
        (last == 0).then_some(root)
    }
}

/// The longest path that any tree of this protocol can have: 2^32 leaves.
pub const PATH_LIMIT: usize = 32;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label;
    use proptest::prelude::*;

    const TREE: Tree = Tree(label::COHORT_TREE);

    fn leaves(size: usize) -> Vec<Digest> {
        (0..size).map(|i| TREE.leaf(&i.to_le_bytes())).collect()
    }

    /// RFC 6962 §2.1 by its recursive definition, the slow twin.
    fn recursive_root(leaves: &[Digest]) -> Digest {
        match leaves {
            [alone] => *alone,
            _ => {
                let mut split = 1;
                while split * 2 < leaves.len() {
                    split *= 2;
                }
                TREE.node(
                    &recursive_root(&leaves[..split]),
                    &recursive_root(&leaves[split..]),
                )
            }
        }
    }

    #[test]
    fn the_root_is_that_of_rfc_6962_and_every_path_leads_there() {
        for size in 1..70 {
            let leaves = leaves(size);
            let root = TREE.root(&leaves);
            assert_eq!(root, recursive_root(&leaves));
            for (index, leaf) in leaves.iter().enumerate() {
                let path = TREE.path(&leaves, index as u64).unwrap();
                assert_eq!(
                    TREE.root_from(leaf, index as u64, size as u64, &path),
                    Some(root)
                );
            }
            assert!(TREE.path(&leaves, size as u64).is_none());
        }
    }

    #[test]
    fn the_kept_tree_has_the_root_and_the_paths_of_the_one_made_anew() {
        for size in (0..70).chain([127, 128, 129, 1000]) {
            let leaves = leaves(size);
            let levels = TREE.levels(leaves.clone());
            assert_eq!(levels.root(), TREE.root(&leaves));
            for index in (0..size as u64 + 2).chain([u64::MAX]) {
                assert_eq!(levels.path(index), TREE.path(&leaves, index));
            }
        }
    }

    #[test]
    fn a_leaf_is_not_a_node() {
        let pair = [*TREE.leaf(b"a").as_bytes(), *TREE.leaf(b"b").as_bytes()].concat();
        assert_ne!(
            TREE.leaf(&pair),
            TREE.root(&[TREE.leaf(b"a"), TREE.leaf(b"b")])
        );
        assert_ne!(Tree(label::SUM_TREE).leaf(b"a"), TREE.leaf(b"a"));
    }

    proptest! {
        #[test]
        fn another_place_length_or_hash_does_not_lead_to_the_root(size in 2_u64..60, at in any::<prop::sample::Index>(), other in 0_u64..64, flip in any::<prop::sample::Index>()) {
            let leaves = leaves(size as usize);
            let index = at.index(size as usize) as u64;
            let leaf = leaves[index as usize];
            let root = TREE.root(&leaves);
            let path = TREE.path(&leaves, index).unwrap();
            if other != index {
                prop_assert_ne!(TREE.root_from(&leaf, other, size, &path), Some(root));
            }
            let mut longer = path.clone();
            longer.push(leaf);
            prop_assert_eq!(TREE.root_from(&leaf, index, size, &longer), None);
            prop_assert_eq!(TREE.root_from(&leaf, index, size, &path[..path.len() - 1]), None);
            let mut forged = path.clone();
            let k = flip.index(forged.len());
            forged[k] = TREE.leaf(b"forged");
            prop_assert_ne!(TREE.root_from(&leaf, index, size, &forged), Some(root));
        }
    }
}
