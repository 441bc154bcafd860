//! Freshness for many with one attestation: the document's nonce is the root over
//! the nonces of all who wait.

use serde::{Deserialize, Serialize};

use crate::ids::{ClientNonce, Digest};
use crate::label;
use crate::merkle::Tree;

/// How one client's nonce leads to the document's.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NoncePath {
    /// The nonce's place among those that the document serves.
    pub index: u64,
    /// How many those are.
    pub size: u64,
    /// The hashes beside the way; empty for one client, whose nonce is then the document's.
    pub path: Vec<Digest>,
}

impl NoncePath {
    /// The path of a client that is served alone.
    #[must_use]
    pub const fn alone() -> Self {
        Self {
            index: 0,
            size: 1,
            path: Vec::new(),
        }
    }

    /// The value that the document's nonce must equal; `None` if the path does not
    /// fit its own place.
    #[must_use]
    pub fn lead(&self, nonce: &ClientNonce) -> Option<[u8; 32]> {
        if self.size == 1 {
            return (self.index == 0 && self.path.is_empty()).then_some(*nonce.as_bytes());
        }
        TREE.root_from(
            &TREE.leaf(nonce.as_bytes()),
            self.index,
            self.size,
            &self.path,
        )
        .map(|root| *root.as_bytes())
    }
}

/// Gathers waiting nonces: the document's nonce, and each client's path in order.
#[must_use]
pub fn gather(nonces: &[ClientNonce]) -> ([u8; 32], Vec<NoncePath>) {
    if let [alone] = nonces {
        return (*alone.as_bytes(), vec![NoncePath::alone()]);
    }
    let leaves = nonces.iter().map(|nonce| TREE.leaf(nonce.as_bytes()));
    let tree = TREE.levels(leaves.collect());
    let size = u64::try_from(nonces.len()).unwrap_or(u64::MAX);
    let paths = (0..size)
        .filter_map(|index| {
            Some(NoncePath {
                index,
                size,
                path: tree.path(index)?,
            })
        })
        .collect();
    (*tree.root().as_bytes(), paths)
}

const TREE: Tree = Tree(label::NONCE_TREE);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_gathered_nonce_leads_to_the_root_and_no_other_does() {
        for size in 1_u8..20 {
            let nonces: Vec<_> = (0..size).map(|i| ClientNonce::new([i; 32])).collect();
            let (root, paths) = gather(&nonces);
            assert_eq!(paths.len(), nonces.len());
            for (nonce, path) in nonces.iter().zip(&paths) {
                assert_eq!(path.lead(nonce), Some(root));
                assert_ne!(path.lead(&ClientNonce::new([99; 32])), Some(root));
            }
        }
    }

    #[test]
    fn an_empty_path_is_for_a_client_alone() {
        let nonce = ClientNonce::new([7; 32]);
        assert_eq!(NoncePath::alone().lead(&nonce), Some([7; 32]));
        assert_eq!(
            NoncePath {
                index: 1,
                ..NoncePath::alone()
            }
            .lead(&nonce),
            None
        );
        assert_eq!(
            NoncePath {
                size: 2,
                ..NoncePath::alone()
            }
            .lead(&nonce),
            None
        );
    }
}
