//! The cohort: who is in a round's sum, as a Merkle tree sorted by client.
//!
//! Sorted leaves let both be proven: "in, exactly once" by a leaf with one's own
//! key, "left out" by two neighbours with nothing between them.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::ids::{ClientId, Digest};
use crate::label;
use crate::merkle::{Levels, Tree};

/// The clients of a sum with the digests of their contributions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Cohort(BTreeMap<ClientId, Digest>);

impl Cohort {
    /// Number of clients.
    #[must_use]
    pub fn size(&self) -> u64 {
        u64::try_from(self.0.len()).unwrap_or(u64::MAX)
    }

    /// Whether `client` is in.
    #[must_use]
    pub fn contains(&self, client: &ClientId) -> bool {
        self.0.contains_key(client)
    }

    /// The root that a receipt carries.
    #[must_use]
    pub fn root(&self) -> Digest {
        TREE.root(&self.leaves())
    }

    /// A proof that `client` is in the cohort, or that it is not.
    #[must_use]
    pub fn prove(&self, client: &ClientId) -> CohortProof {
        let leaves = self.leaves();
        let before = self.0.range(..client).count();
        let place = if self.contains(client) {
            Ok(before)
        } else {
            Err(before)
        };
        CohortProof::about(place, |place| {
            let (client, contribution) = self.0.iter().nth(place)?;
            Some((*client, *contribution, TREE.path(&leaves, index(place)?)?))
        })
    }

    /// The same cohort with its tree kept, for many proofs.
    #[must_use]
    pub fn into_tree(self) -> CohortTree {
        let tree = TREE.levels(self.leaves());
        CohortTree {
            members: self.0.into_iter().collect(),
            tree,
        }
    }

    fn leaves(&self) -> Vec<Digest> {
        self.0
            .iter()
            .map(|(client, contribution)| leaf(client, contribution))
            .collect()
    }
}

impl FromIterator<(ClientId, Digest)> for Cohort {
    fn from_iter<I: IntoIterator<Item = (ClientId, Digest)>>(members: I) -> Self {
        Self(members.into_iter().collect())
    }
}

/// A cohort that makes each proof in as many steps as its paths are long.
pub struct CohortTree {
    members: Vec<(ClientId, Digest)>,
    tree: Levels,
}

impl CohortTree {
    /// The root that a receipt carries.
    #[must_use]
    pub const fn root(&self) -> Digest {
        self.tree.root()
    }

    /// A proof that `client` is in the cohort, or that it is not: that of [`Cohort::prove`].
    #[must_use]
    pub fn prove(&self, client: &ClientId) -> CohortProof {
        let place = self
            .members
            .binary_search_by(|(member, _)| member.cmp(client));
        CohortProof::about(place, |place| {
            let (client, contribution) = self.members.get(place)?;
            Some((*client, *contribution, self.tree.path(index(place)?)?))
        })
    }
}

fn index(place: usize) -> Option<u64> {
    u64::try_from(place).ok()
}

/// Evidence about one client and a cohort: its own leaf, or its would-be neighbours'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CohortProof {
    members: Vec<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Member {
    client: ClientId,
    contribution: Digest,
    index: u64,
    path: Vec<Digest>,
}

/// What a proof shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    /// In the cohort, with this contribution, exactly once.
    In(Digest),
    /// Not in the cohort.
    Out,
}

impl CohortProof {
    /// About a client at this place, or between this place and the one before.
    fn about(
        place: Result<usize, usize>,
        member: impl Fn(usize) -> Option<(ClientId, Digest, Vec<Digest>)>,
    ) -> Self {
        let places = match place {
            Ok(own) => [Some(own), None],
            Err(next) => [next.checked_sub(1), Some(next)],
        };
        let members = places.into_iter().flatten().filter_map(|place| {
            let (client, contribution, path) = member(place)?;
            Some(Member {
                client,
                contribution,
                index: index(place)?,
                path,
            })
        });
        Self {
            members: members.collect(),
        }
    }

    /// What the proof shows of `client` and the cohort of `size` under `root`, both
    /// taken from a verified receipt.
    ///
    /// # Errors
    /// [`CohortProofError`] if it shows neither.
    pub fn verify(
        &self,
        client: &ClientId,
        root: &Digest,
        size: u64,
    ) -> Result<Membership, CohortProofError> {
        for member in &self.members {
            member.verify(root, size)?;
        }
        match self.members.as_slice() {
            [own] if own.client == *client => Ok(Membership::In(own.contribution)),
            [first] if first.index == 0 && *client < first.client => Ok(Membership::Out),
            [last] if last.index.checked_add(1) == Some(size) && last.client < *client => {
                Ok(Membership::Out)
            }
            [left, right]
                if left.client < *client
                    && *client < right.client
                    && left.index.checked_add(1) == Some(right.index) =>
            {
                Ok(Membership::Out)
            }
            _ => Err(CohortProofError::ShowsNothing),
        }
    }
}

impl Member {
    fn verify(&self, root: &Digest, size: u64) -> Result<(), CohortProofError> {
        match TREE.root_from(
            &leaf(&self.client, &self.contribution),
            self.index,
            size,
            &self.path,
        ) {
            Some(found) if found == *root => Ok(()),
            _ => Err(CohortProofError::OtherRoot),
        }
    }
}

/// Client and contribution digest: two fixed lengths, so unframed is unambiguous.
fn leaf(client: &ClientId, contribution: &Digest) -> Digest {
    TREE.leaf(&[*client.as_bytes(), *contribution.as_bytes()].concat())
}

/// Why a proof about a cohort does not hold. Whoever served it is at fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CohortProofError {
    /// A leaf of it is not under the receipt's cohort root.
    #[error("the proof is not about the receipt's cohort")]
    OtherRoot,
    /// Its leaves say nothing about this client.
    #[error("the proof shows neither that this client is in the cohort nor that it is not")]
    ShowsNothing,
}

const TREE: Tree = Tree(label::COHORT_TREE);

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn cohort(ids: &[u8]) -> Cohort {
        ids.iter()
            .map(|id| (ClientId::new([*id; 32]), Digest::new([id ^ 0xff; 32])))
            .collect()
    }

    #[test]
    fn being_in_and_being_left_out_are_both_proven() {
        let cohort = cohort(&[10, 20, 30, 40, 50]);
        for id in 0..60 {
            let client = ClientId::new([id; 32]);
            let shown = cohort
                .prove(&client)
                .verify(&client, &cohort.root(), 5)
                .unwrap();
            let expected = if cohort.contains(&client) {
                Membership::In(Digest::new([id ^ 0xff; 32]))
            } else {
                Membership::Out
            };
            assert_eq!(shown, expected);
        }
    }

    proptest! {
        #[test]
        fn the_kept_tree_gives_the_proofs_of_the_one_made_anew(ids in prop::collection::btree_set(any::<u8>(), 0..70)) {
            let cohort = cohort(&ids.iter().copied().collect::<Vec<_>>());
            let tree = cohort.clone().into_tree();
            prop_assert_eq!(tree.root(), cohort.root());
            for id in 0..=u8::MAX {
                let client = ClientId::new([id; 32]);
                prop_assert_eq!(tree.prove(&client), cohort.prove(&client));
            }
        }

        /// The liar: any subset of true leaves, or proofs about other clients, never shows the opposite.
        #[test]
        fn true_leaves_never_prove_a_lie(ids in prop::collection::btree_set(any::<u8>(), 2..40), about in any::<u8>(), a in any::<u8>(), b in any::<u8>()) {
            let cohort = cohort(&ids.iter().copied().collect::<Vec<_>>());
            let client = ClientId::new([about; 32]);
            let mut members = cohort.prove(&ClientId::new([a; 32])).members;
            members.extend(cohort.prove(&ClientId::new([b; 32])).members);
            for take in 0..=members.len() {
                for skip in 0..=take {
                    let proof = CohortProof { members: members[skip..take].to_vec() };
                    match proof.verify(&client, &cohort.root(), cohort.size()) {
                        Ok(Membership::In(_)) => prop_assert!(cohort.contains(&client)),
                        Ok(Membership::Out) => prop_assert!(!cohort.contains(&client)),
                        Err(_) => {}
                    }
                }
            }
        }
    }
}
