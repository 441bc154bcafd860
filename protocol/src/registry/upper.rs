//! The nodes near a registry's root, as the paths of its keys have shown them.
//!
//! Paths share their upper ends, so whoever has verified some paths need not be told the whole of
//! the next one. What is added to a path from here is verified with it: a wrong node here, or one
//! that is not there, makes a path that leads nowhere, never one that leads to the root.

use std::collections::BTreeMap;

use crate::contribution::Credential;
use crate::ids::Digest;
use crate::params::Admission;

/// Nodes of one registry's tree, of the levels that have at most 256.
#[derive(Debug)]
pub struct UpperNodes {
    /// Of the registry; 0 of an open round, which has no tree.
    size: u64,
    nodes: BTreeMap<Place, Digest>,
}

/// A level, counted from the leaves, and a position on it.
type Place = (u32, u64);

impl UpperNodes {
    /// None are known of the registry yet.
    #[must_use]
    pub const fn of(admission: &Admission) -> Self {
        let size = match admission {
            Admission::Registry { size, .. } => *size,
            Admission::Open => 0,
        };
        Self {
            size,
            nodes: BTreeMap::new(),
        }
    }

    /// Takes note of a path that leads to the root, which the caller has verified.
    pub fn learn(&mut self, verified: &Credential) {
        let last = self.last_place();
        let shown = places(verified.index, last)
            .zip(&verified.path)
            .filter(|((level, _), _)| last >> level < NODES_OF_A_LEVEL);
        self.nodes.extend(shown.map(|(place, node)| (place, *node)));
    }

    /// Leaves out the upper end of a whole path, as far as it is known here.
    pub fn shorten(&self, credential: &mut Credential) {
        let places: Vec<_> = places(credential.index, self.last_place()).collect();
        let known = places.iter().rev();
        let known = known.take_while(|place| self.nodes.contains_key(place));
        let told = credential.path.len().saturating_sub(known.count());
        credential.path.truncate(told);
    }

    /// Adds what the path lacks at its upper end, as far as it is known here.
    pub fn complete(&self, credential: &mut Credential) {
        let missing = places(credential.index, self.last_place()).skip(credential.path.len());
        let known = missing.map_while(|place| self.nodes.get(&place));
        credential.path.extend(known);
    }

    /// Knows nothing any more.
    pub fn forget(&mut self) {
        self.nodes.clear();
    }

    const fn last_place(&self) -> u64 {
        self.size.saturating_sub(1)
    }
}

/// Where the hashes of a path stand, from the leaf up: a node without a sibling moves up as it is.
fn places(index: u64, last: u64) -> impl Iterator<Item = Place> {
    let levels = (0..u64::BITS).take_while(move |level| last >> level > 0);
    levels.filter_map(move |level| {
        let sibling = (index >> level) ^ 1;
        (sibling <= last >> level).then_some((level, sibling))
    })
}

/// Nodes of a level that is kept. All such levels together have fewer than twice as many.
const NODES_OF_A_LEVEL: u64 = 256;

/// The most that [`UpperNodes`] hold, in bytes: 510 nodes of 32, their places and the map around
/// them.
pub const UPPER_NODES_BYTES: u64 = 64 * 1024;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::label;
    use crate::merkle::{Levels, Tree};
    use crate::signature::Signature;
    use proptest::prelude::*;

    const TREE: Tree = Tree(label::REGISTRY_TREE);

    fn tree(size: u64) -> Levels {
        TREE.levels((0..size).map(|n| TREE.leaf(&n.to_le_bytes())).collect())
    }

    fn nodes(tree: &Levels, size: u64) -> UpperNodes {
        UpperNodes::of(&Admission::Registry {
            root: tree.root(),
            size,
            grant: None,
        })
    }

    fn credential(tree: &Levels, index: u64) -> Credential {
        Credential {
            index,
            path: tree.path(index).unwrap(),
            signature: Signature::new([0; 64]),
        }
    }

    proptest! {
        #[test]
        fn what_is_left_out_is_added_again(size in 1_u64..3000, seen in prop::collection::vec(any::<prop::sample::Index>(), 0..60), at in any::<prop::sample::Index>()) {
            let place = |index: prop::sample::Index| index.index(size as usize) as u64;
            let tree = tree(size);
            let mut nodes = nodes(&tree, size);
            for index in seen {
                nodes.learn(&credential(&tree, place(index)));
            }
            let whole = credential(&tree, place(at));
            let mut short = whole.clone();
            nodes.shorten(&mut short);
            nodes.complete(&mut short);
            prop_assert_eq!(&short, &whole);
            // Of a whole one there is nothing to add.
            nodes.complete(&mut short);
            prop_assert_eq!(&short, &whole);

            nodes.learn(&whole);
            nodes.shorten(&mut short);
            // Its own path is known but for the levels that nobody keeps.
            let kept = |place: &Place| (size - 1) >> place.0 < NODES_OF_A_LEVEL;
            let told = places(whole.index, size - 1).filter(|place| !kept(place)).count();
            prop_assert_eq!(short.path.len(), told);
            nodes.forget();
            let told = short.path.clone();
            nodes.complete(&mut short);
            prop_assert_eq!(short.path, told);
        }
    }

    #[test]
    fn of_a_million_keys_eight_hashes_are_left_out_and_few_nodes_are_kept() {
        let size = 1 << 20;
        let tree = tree(size);
        let mut nodes = nodes(&tree, size);
        for index in (0..size).step_by(1 << 11) {
            nodes.learn(&credential(&tree, index));
            nodes.learn(&credential(&tree, index ^ (1 << 12)));
        }
        assert_eq!(nodes.nodes.len(), 510);
        let mut short = credential(&tree, size - 1);
        nodes.shorten(&mut short);
        assert_eq!(short.path.len(), 12);
    }

    #[test]
    fn an_open_round_has_no_nodes() {
        let mut nodes = UpperNodes::of(&Admission::Open);
        let mut credential = credential(&tree(9), 4);
        let whole = credential.clone();
        nodes.learn(&credential);
        assert!(nodes.nodes.is_empty());
        nodes.shorten(&mut credential);
        nodes.complete(&mut credential);
        assert_eq!(credential, whole);
    }
}
