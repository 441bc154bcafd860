//! A whole tree, kept: each path is read off in as many steps as it is long. 64 bytes a
//! leaf, for whoever is asked for many paths.

use super::Tree;
use crate::Digest;

/// Every level below the root, the leaves first, and the root.
pub struct Levels {
    below: Vec<Vec<Digest>>,
    root: Digest,
}

impl Levels {
    pub(super) fn new(tree: Tree, leaves: Vec<Digest>) -> Self {
        let mut below = Vec::new();
        let mut level = leaves;
        while level.len() > 1 {
            let parents = tree.parents(&level);
            below.push(level);
            level = parents;
        }
        let root = tree.root(&level);
        if below.is_empty() {
            // The root is the only leaf, or there is none.
            below.push(level);
        }
        Self { below, root }
    }

    /// The root, as [`Tree::root`] has it.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.root
    }

    /// The path from leaf `index` to the root, as [`Tree::path`] has it.
    #[must_use]
    pub fn path(&self, index: u64) -> Option<Vec<Digest>> {
        let mut position = usize::try_from(index).ok()?;
        self.below.first()?.get(position)?;
        let mut path = Vec::with_capacity(self.below.len());
        for level in &self.below {
            // The sibling differs in the lowest bit; a last node without one moves up as it is.
            path.extend(level.get(position ^ 1));
            position >>= 1;
        }
        Some(path)
    }
}
